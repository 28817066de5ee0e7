"""What a trace costs over a plain pass, beside other ways to get at the gates: python -m benchmarks.capture."""

import gc
import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from attention.capture import Tracer, trace
from attention.models import own, zoo

NAMES = (
    *own.names(),
    "torchvision/mobilenet_v3_small",
    "torchvision/efficientnet_b0",
    "timm/seresnet50",
    "pytorchcv/cbam_resnet50",
)
GATES = {
    "attention.layers.ChannelGate": "",
    "attention.layers.SpatialGate": "",
    "torchvision.ops.misc.SqueezeExcitation": "scale_activation",
    "timm.layers.squeeze_excite.SEModule": "gate",
    "pytorchcv.models.cbamresnet.ChannelGate": "sigmoid",
    "pytorchcv.models.cbamresnet.SpatialGate": "sigmoid",
}
"""By the class of a block: which of its submodules returns the gate; "" is the block itself."""

Run = Callable[[Tensor], Any]


class Watching(TorchFunctionMode):
    """Sees each torch function and does nothing: the least that a trace costs."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **kwargs) if kwargs else func(*args)


def layers(module: nn.Module) -> dict[str, nn.Module]:
    """The submodules that return a gate, by path, where their class is known."""
    found = {}
    for name, part in module.named_modules():
        inside = GATES.get(f"{type(part).__module__}.{type(part).__qualname__}")
        if inside is not None:
            found[f"{name}.{inside}".strip(".")] = part.get_submodule(inside)
    return found


def ways(module: nn.Module) -> dict[str, Run]:
    """The plain pass, and the ways to get gates out of one; those below the trace are told where the gates are."""
    from captum.attr import LayerActivation

    known, tracer = layers(module), Tracer(module)
    runs: dict[str, Run] = {
        "plain": module,
        "empty mode": lambda batch: _watched(module, batch),
        "replay": tracer,
        "discovery": lambda batch: trace(module, batch),
    }
    if known:
        runs["hooks"] = lambda batch: hooked(module, known, batch)
        runs["LayerActivation"] = LayerActivation(module, list(known.values())).attribute
        if (extractor := _extractor(module, known)) is not None:
            runs["feature extractor"] = extractor
    return runs | _peers(module, known)


def _peers(module: nn.Module, known: dict[str, nn.Module]) -> dict[str, Run]:
    """Tools for whole passes, where they are installed: TorchLens keeps every activation, nnsight what is asked for."""
    runs: dict[str, Run] = {}
    if importlib.util.find_spec("torchlens") is not None:
        import torchlens

        runs["TorchLens"] = lambda batch: torchlens.trace(module, batch)
    if known and importlib.util.find_spec("nnsight") is not None:
        import nnsight

        wrapped = nnsight.NNsight(module)
        runs["nnsight"] = lambda batch: _saved(wrapped, known, batch)
    return runs


def _saved(wrapped: Any, names: Iterable[str], batch: Tensor) -> list[Any]:
    """The outputs of these modules, in the order in which they run."""
    kept: list[Any] = []
    with wrapped.trace(batch):
        for name in names:
            kept.append(wrapped.get(name).output.save())
    return kept


def _watched(module: nn.Module, batch: Tensor) -> Any:
    with Watching():
        return module(batch)


def hooked(module: nn.Module, known: dict[str, nn.Module], batch: Tensor) -> tuple[Any, list[Tensor]]:
    """The output of one pass, and copies of the gates, by hooks that stay for this pass."""
    kept: list[Tensor] = []
    handles = [
        layer.register_forward_hook(lambda _m, _given, gate: kept.append(gate.detach().clone()))
        for layer in known.values()
    ]
    try:
        return module(batch), kept
    finally:
        for handle in handles:
            handle.remove()


def _extractor(module: nn.Module, known: dict[str, nn.Module]) -> Run | None:
    """It runs a copy of the network without its Python code, here with the network's output beside the gates.

    None for torchvision's own SE block, whose gate it cannot return: it takes the block for one operation.
    """
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nodes = get_graph_node_names(module)[1]
        if not all(any(node.startswith(name) for node in nodes) for name in known):
            return None
        return create_feature_extractor(module, [*known, nodes[-1]]).eval()


def paired(runs: dict[str, Callable[[], object]], seconds: float, rounds: int) -> dict[str, list[float]]:
    """Times in seconds of this thread; all take turns, in each place of the order, so that they share the noise."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    order, end = list(runs), time.monotonic() + seconds
    while len(times[order[0]]) < rounds or time.monotonic() < end:
        for name in order:
            start = time.thread_time()
            runs[name]()
            times[name].append(time.thread_time() - start)
        order = [*order[1:], order[0]]
    return times


def ratios(times: dict[str, list[float]]) -> dict[str, float]:
    """The ratio of each to the plain pass of its round, the median over the rounds."""
    return {
        name: statistics.median(one / plain for one, plain in zip(each, times["plain"], strict=True))
        for name, each in times.items()
    }


def measured(name: str, batch: int, seconds: float, rounds: int) -> str:
    """A row of the table."""
    network = zoo.load(name, random=True)
    side, module = network.card.input_size, network.module
    pictures = torch.randn(batch, 3, side, side)
    with torch.inference_mode():
        runs = {way: lambda run=run: run(pictures) for way, run in ways(module).items()}
        gates = len(runs["replay"]().gates)
        for run in runs.values():
            run()
        gc.collect()
        gc.disable()
        times = paired(runs, seconds, rounds)
        gc.enable()
    found = ratios(times)
    cells = [f"{found[way]:.2f}" if way in found else "–" for way in WAYS]
    return f"| {name} | {gates} | {batch} | {min(times['plain']) * 1e3:.1f} ms | {' | '.join(cells)} |"


WAYS = ("empty mode", "replay", "discovery", "hooks", "LayerActivation", "feature extractor", "TorchLens", "nnsight")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--batch", default=(1, 16), show_default=True, multiple=True, help="Pictures in a batch.")
@click.option("--seconds", default=20.0, show_default=True, help="Time for each network and batch, at least.")
@click.option("--rounds", default=7, show_default=True, help="Runs of each, at least.")
def main(names: tuple[str, ...], batch: tuple[int, ...], seconds: float, rounds: int) -> None:
    """Times on one thread, with random weights, as ratios to the plain pass of the same round."""
    torch.set_num_threads(1)
    click.echo(f"| network | gates | batch | plain | {' | '.join(WAYS)} |\n|---|{'--:|' * (3 + len(WAYS))}")
    for size in batch:
        for name in names or NAMES:
            click.echo(measured(name, size, seconds, rounds))


if __name__ == "__main__":
    main()
