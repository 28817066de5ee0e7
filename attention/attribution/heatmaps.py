"""One network's heatmaps, for as many threads as like: on copies that share its weights.

What is hooked or replaced on a copy, no other pass ever meets. One of them has its weights shuffled from the top down:
a map that stays the same says nothing about them. Adebayo et al., Sanity Checks for Saliency Maps, arXiv 1810.03292,
with each tensor's own numbers in a random order in place of new ones, so that the sizes of features and gates stay
what they were.
"""

import copy
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor, nn

from attention.attribution.layers import AttributionError, Layers, inspect_layers
from attention.attribution.methods import AT_ONCE, GradCam, Method
from attention.limits import PASSES, Limits, at_once
from attention.records import Heatmap, Report, in_rows, within

HEAD = "head"


def shared_copy(module: nn.Module) -> nn.Module:
    """A copy in eval mode whose parameters and buffers are the module's own memory, and ask for no gradient.

    In eval mode nothing writes into that memory, so any number of copies can run beside the module itself.
    Raises AttributionError where the module cannot be copied.
    """
    # What deepcopy finds in its memo it takes for a copy that is there already.
    shared: dict[int, object] = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in module.parameters()}
    shared |= {id(buffer): buffer.detach() for buffer in module.buffers()}
    try:
        return copy.deepcopy(module, shared).eval()
    except (RuntimeError, TypeError) as error:  # a tensor with a history, a lock, an open file
        raise AttributionError(f"Heatmaps are made on a copy, and this network cannot be copied: {error}.") from error


Score = Callable[[Any], Tensor]
"""From what a module returns for N pictures to what heatmaps are of: (N,), or (N, numbers)."""


class Shadows:
    """The copies of one network; each is lent to one pass at a time, and kept for the next.

    Where there is a `score`, a copy returns (N, numbers) of it in place of its own output. A lone number of each
    picture is (N, 1).
    """

    def __init__(self, module: nn.Module, score: Score | None = None) -> None:
        self._module, self._score = module, score
        self._free: deque[nn.Module] = deque()

    @contextmanager
    def borrowed(self) -> Iterator[nn.Module]:
        """A copy that nobody else has. After an error it may still carry hooks, and is thrown away."""
        try:
            one = self._free.pop()
        except IndexError:
            one = self._new_copy()
        yield one
        self._free.append(one)

    def _new_copy(self) -> nn.Module:
        one, score = shared_copy(self._module), self._score

        def scored(module: nn.Module, inputs: Any, output: Any) -> Any:
            return in_rows(output if score is None else score(output), inputs)

        one.register_forward_hook(scored)
        return one


def weight_groups(module: nn.Module, layers: Layers) -> dict[str, list[str]]:
    """The modules with parameters of their own by block, from the head (all after the last block) down to the input.

    What stands between two blocks goes with the one before it, what stands before the first with that.
    """
    found: dict[str, list[str]] = {name: [] for name in layers.blocks}
    block, last = next(iter(layers.blocks), HEAD), layers.blocks[-1:]
    for name in layers.finished:
        block = next((each for each in layers.blocks if within(name, each)), block)
        if next(module.get_submodule(name).parameters(recurse=False), None) is not None:
            found.setdefault(block, []).append(name)
        if (name,) == tuple(last):
            block = HEAD
    order = [HEAD, *reversed(layers.blocks)]
    return {name: found[name] for name in order if found.get(name)}


def shuffled_copies(module: nn.Module, layers: Layers, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """For each group from the head down: its name, and a copy whose weights are shuffled in it and all above it.

    It is one copy, which goes on changing as the next is asked for; the module's own weights stay.
    """
    copy, generator = shared_copy(module), Generator().manual_seed(seed)
    for group, names in weight_groups(module, layers).items():
        for name in names:
            for parameter in copy.get_submodule(name).parameters(recurse=False):
                order = torch.randperm(parameter.numel(), generator=generator)
                parameter.data = parameter.data.flatten()[order].view_as(parameter)
        yield group, copy


CUT_OFF = ("does not require grad", "appears to not have been used in the graph", "does not have a grad_fn")
"""What torch says where there is no gradient to be had."""


class Attributor:
    """Makes heatmaps of one classifier, in eval mode, on copies that share its weights.

    The module itself is never hooked nor changed, so others may run it at the same time. What is found out about
    its layers is kept for each shape of picture; parameters that are replaced later are not seen. With a `score`
    heatmaps are of what that makes of the output, such as one number of a regression, or a class over a region:
    `lambda output: output["out"][:, 15].mean((1, 2))`.
    """

    def __init__(self, module: nn.Module, score: Score | None = None) -> None:
        self._shadows = Shadows(module, score)
        self._layers: dict[tuple[int, ...], Layers] = {}

    def layers(self, shape: Sequence[int]) -> Layers:
        """What can be read of a picture of this shape (1, C, H, W); costs one pass the first time."""
        key = tuple(shape)
        if key not in self._layers:
            with torch.inference_mode(False), self._shadows.borrowed() as copy:
                self._layers[key] = inspect_layers(copy, key)
        return self._layers[key]

    def __call__(
        self, picture: Tensor, target: int = 0, *, method: Method | None = None, progress: Report | None = None
    ) -> Heatmap:
        """The heatmap of a class, or a number of the score, of one picture (1, C, H, W).

        By Grad-CAM of the last block unless said.

        Raises AttributionError where the method is not valid for this network, or there is no such class or layer.
        """
        method = method or GradCam()
        self._check(picture, target, method)
        layers = self.layers(picture.shape)
        total = method.passes(picture.shape, layers).forward
        taken = PASSES.taking(layers.bytes * min(total, at_once(layers.bytes, AT_ONCE)))
        with taken, torch.inference_mode(False), torch.enable_grad(), self._shadows.borrowed() as copy:
            hook = copy.register_forward_pre_hook(_Counter(progress, total)) if progress else None
            try:
                # A clone, since some methods have the picture itself ask for a gradient.
                values = method.run(copy, picture.clone(), target, layers).detach().float().cpu().numpy()
                promised = method.promised(copy, picture, target)
            except RuntimeError as error:
                if not any(phrase in str(error) for phrase in CUT_OFF):
                    raise
                cut = "This network cuts its gradients off, by no_grad or detach"
                raise AttributionError(f"{cut}, and {method.title} needs them; Occlusion goes without.") from error
            if hook and progress:
                hook.remove()
                progress(total, total)
        return Heatmap(
            values, target, method.name, method.place(layers), float(values.min()), float(values.max()), promised
        )

    def _check(self, picture: Tensor, target: int, method: Method) -> None:
        if picture.dim() != 4 or len(picture) != 1:
            raise AttributionError(f"A heatmap is of one picture (1, C, H, W), and this is {tuple(picture.shape)}.")
        layers = self.layers(picture.shape)
        if obstacle := method.obstacle(layers):
            raise AttributionError(obstacle)
        most = Limits.of_environment().passes_bytes
        if method.back and layers.bytes > most:
            given = f"A gradient back to the picture keeps {layers.bytes:,} bytes of this network's features"
            raise AttributionError(f"{given}; at most {most:,} are allowed. Grad-CAM takes less, or smaller pictures.")
        if not 0 <= target < layers.classes:
            raise AttributionError(f"There is no class {target}: the network has 0 to {layers.classes - 1}.")


class _Counter:
    """Counts the pictures that reach a copy, and tells of them before each pass."""

    def __init__(self, progress: Report, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._progress(self._done, self._total)
        self._done += len(inputs[0])
