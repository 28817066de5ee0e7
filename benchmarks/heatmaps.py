"""What a class heatmap costs over a plain pass, in time and in memory: python -m benchmarks.heatmaps."""

import weakref
from collections.abc import Callable
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attention.attribution import Attributor, GradCam
from attention.models import zoo
from benchmarks.capture import paired, ratios

NAMES = ("cbam", "torchvision/mobilenet_v3_large", "torchvision/efficientnet_b0", "timm/seresnet50")


class Memory(TorchDispatchMode):
    """The most bytes that the tensors of a pass held at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.held = self.most = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **kwargs or {})
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in self._seen:
                self._add(leaf.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        self._seen.add(key)
        self.held += size
        self.most = max(self.most, self.held)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.held -= size


def most(run: Callable[[], object]) -> int:
    """Peak bytes of the tensors that the run makes."""
    with Memory() as memory:
        run()
    return memory.most


class Whole:
    """Captum's Grad-CAM as it comes, on the network itself: the graph goes down to the first layer."""

    def __init__(self, module: nn.Module, layer: str) -> None:
        from captum.attr import LayerGradCam

        self._cam = LayerGradCam(module, module.get_submodule(layer))

    def __call__(self, picture: Tensor) -> Tensor:
        with torch.enable_grad():
            return self._cam.attribute(picture, 0, relu_attributions=True).detach()


@click.command()
@click.option("--rounds", default=20, show_default=True, help="Runs of each; the median of their ratios counts.")
@click.argument("names", nargs=-1)
def main(rounds: int, names: tuple[str, ...]) -> None:
    """Times Grad-CAM of the last block, ours and captum's as it comes, as ratios to the plain pass, on one thread.

    NAMES are of the zoo; the weights are random, which changes neither time nor memory.
    """
    torch.set_num_threads(1)
    click.echo(f"{'time, tensors at the peak':32}{'plain pass':>20}{'Grad-CAM':>22}{'captum as it comes':>22}")
    for name in names or NAMES:
        network = zoo.load(name, random=True)
        side = network.card.input_size
        _report(name, network.module, torch.randn(1, 3, side, side), rounds)


def _report(name: str, module: nn.Module, picture: Tensor, rounds: int) -> None:
    attribute, method = Attributor(module), GradCam()
    whole = Whole(module, method.place(attribute.layers(picture.shape)))
    runs = {
        "plain": torch.no_grad()(lambda: module(picture)),
        "ours": lambda: attribute(picture, 0, method=method),
        "whole": lambda: whole(picture),
    }
    for run in runs.values():
        run()
    times = paired(runs, 0, rounds)
    seconds, shortest = ratios(times), min(times["plain"])
    size = {key: most(run) for key, run in runs.items()}
    click.echo(f"{name:32}{shortest * 1e3:6.1f} ms, {size['plain'] / 1e6:6.1f} MB", nl=False)
    for key in ("ours", "whole"):
        both = f"x {seconds[key]:.2f}, x {size[key] / size['plain']:.2f}"
        click.echo(f"{both:>22}", nl=key == "whole")


if __name__ == "__main__":
    main()
