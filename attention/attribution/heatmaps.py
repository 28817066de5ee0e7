"""One network's heatmaps, for as many threads as like."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attention.attribution.layers import AttributionError, Layers, look
from attention.attribution.methods import AT_ONCE, GradCam, Method
from attention.attribution.shadows import Score, Shadows
from attention.limits import PASSES, Limits, at_once
from attention.records import Heatmap, Report

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
            with torch.inference_mode(False), self._shadows.lent() as copy:
                self._layers[key] = look(copy, key)
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
        with taken, torch.inference_mode(False), torch.enable_grad(), self._shadows.lent() as copy:
            hook = copy.register_forward_pre_hook(_Counter(progress, total)) if progress else None
            try:
                values = method.run(copy, picture.clone(), target, layers).detach().float().cpu().numpy()
                promised = method.promised(copy, picture, target)
            except RuntimeError as error:
                if not any(said in str(error) for said in CUT_OFF):
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
