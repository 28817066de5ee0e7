"""The methods: what each costs, where it is valid, and how captum runs it. A removed pixel has the mean colour, 0."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from attention.attribution.layers import AttributionError, Layers
from attention.limits import at_once
from attention.process import Filter, filtered

AT_ONCE = 8
"""Pictures in one pass of the methods that need many, at most."""
Made = TypeVar("Made", bound="Method")


class Passes(NamedTuple):
    """What a heatmap costs, in passes of one picture."""

    forward: int
    backward: int


class Method(Protocol):
    """One way to a heatmap. A dataclass whose fields are its settings; decorated with `method`, it is on offer."""

    name: ClassVar[str]
    """What the command line and the files call it."""
    title: ClassVar[str]
    """What the pages call it."""
    back: ClassVar[bool] = False
    """Whether its gradient goes back to the picture, for which a pass keeps all that it computes."""

    def passes(self, shape: Sequence[int], layers: Layers) -> Passes:
        """What it costs for one input of this shape in this network, known before it is run."""

    def obstacle(self, layers: Layers) -> str:
        """Why it is not valid for this network, in one sentence; "" where it is."""
        return ""

    def place(self, layers: Layers) -> str:
        """The layer whose output is read; "" where the picture itself is."""
        return ""

    def run(self, copy: nn.Module, picture: Tensor, target: int, layers: Layers) -> Tensor:
        """The map (H, W) of a picture (1, C, H, W), by a copy that nobody else uses."""

    def promised(self, copy: nn.Module, picture: Tensor, target: int) -> float | None:
        """What the map's values add up to where the method is exact; None where it promises no sum."""
        return None


METHODS: dict[str, type[Method]] = {}
"""All methods by name, in the order in which they are offered."""


def method(made: type[Made]) -> type[Made]:
    """Puts a method on offer."""
    METHODS[made.name] = made
    return made


def reads_block(name: str) -> bool:
    """Whether a method reads what a block puts out, which can be chosen then."""
    return "layer" in METHODS[name].__dataclass_fields__  # type: ignore[attr-defined]


def make_method(name: str, layer: str | None = None) -> Method:
    """The method of this name; `layer` is the block that it reads, where it reads one.

    Raises AttributionError where there is no such method.
    """
    if name not in METHODS:
        raise AttributionError(f"There is no method {name!r}; there are {', '.join(METHODS)}.")
    return METHODS[name](layer) if reads_block(name) else METHODS[name]()  # type: ignore[call-arg]


@method
@dataclass(frozen=True)
class GradCam(Method):
    """relu(sum_k a_k A_k), a_k the mean of dy/dA_k over the places of the layer (arXiv 1610.02391, eqs. 1 and 2).

    The graph starts at the layer: nothing before it keeps what a backward pass would need.
    """

    layer: str | None = None
    name: ClassVar[str] = "grad-cam"
    title: ClassVar[str] = "Grad-CAM"

    def passes(self, shape: Sequence[int], layers: Layers) -> Passes:
        """One pass each way, the backward one down to the layer alone."""
        return Passes(1, 1)

    def obstacle(self, layers: Layers) -> str:
        needs = f"{self.title} needs a block that puts out a map of places; this network has none."
        return "" if layers.blocks else needs

    def place(self, layers: Layers) -> str:
        return layers.layer(self.layer)

    def run(self, copy: nn.Module, picture: Tensor, target: int, layers: Layers) -> Tensor:
        features, gradient = self.at_layer(copy, picture, target, layers)
        return (gradient.mean((1, 2), keepdim=True) * features).sum(0).relu()

    def features(self, copy: nn.Module, picture: Tensor, layers: Layers) -> Tensor:
        """What the layer puts out, (C, H, W)."""
        from captum.attr import LayerActivation

        name = self.place(layers)
        return layers.maps[name].to_map(LayerActivation(copy, copy.get_submodule(name)).attribute(picture))

    def at_layer(self, copy: nn.Module, picture: Tensor, target: int, layers: Layers) -> tuple[Tensor, Tensor]:
        """What the layer puts out, and the gradient of the class there, (C, H, W); a backward pass down to it."""
        from captum.attr import LayerGradientXActivation

        name = self.place(layers)
        part, places, seen = copy.get_submodule(name), layers.maps[name], []

        def cut(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
            seen.append(output.detach())
            return output.detach().requires_grad_()

        by_gradient = LayerGradientXActivation(copy, part, multiply_by_inputs=False)
        with part.register_forward_hook(cut):
            gradient = by_gradient.attribute(picture, target).detach()
        return places.to_map(seen[-1]), places.to_map(gradient)


@method
@dataclass(frozen=True)
class GradCamPlusPlus(GradCam):
    """relu(sum_k w_k A_k), w_k the sum over the places of a relu(g), g = dy/dA_k (arXiv 1710.11063, eqs. 5 and 19).

    a = g^2 / (2 g^2 + g^3 sum A_k) weighs the places, and is 0 where its divisor is; the score is exp of the logit,
    whose positive factor scales the map alone and is left out.
    """

    name: ClassVar[str] = "grad-cam++"
    title: ClassVar[str] = "Grad-CAM++"

    def run(self, copy: nn.Module, picture: Tensor, target: int, layers: Layers) -> Tensor:
        features, gradient = self.at_layer(copy, picture, target, layers)
        below = 2 * gradient**2 + gradient**3 * features.sum((1, 2), keepdim=True)
        share = torch.where(below == 0, 0, gradient**2 / below)
        weights = (share * gradient.relu()).sum((1, 2), keepdim=True)
        return (weights * features).sum(0).relu()


@method
@dataclass(frozen=True)
class EigenCam(GradCam):
    """relu of the places of the layer along its channels' first principal direction, uncentred (arXiv 2008.00299).

    It asks for no class and needs no gradient. The direction's sign is that of the features' sum along it.
    """

    name: ClassVar[str] = "eigen-cam"
    title: ClassVar[str] = "Eigen-CAM"

    def passes(self, shape: Sequence[int], layers: Layers) -> Passes:
        return Passes(1, 0)

    @torch.no_grad()
    def run(self, copy: nn.Module, picture: Tensor, target: int, layers: Layers) -> Tensor:
        features = self.features(copy, picture, layers).float()
        places = features.flatten(1).T
        along = places @ torch.linalg.svd(places, full_matrices=False)[2][0]
        return (along * along.sum().sign()).relu().reshape(features.shape[1:])


@method
@dataclass(frozen=True)
class ScoreCam(GradCam):
    """relu(sum_k a_k A_k), a the softmax over k of the class's output for the picture times H_k (arXiv 1910.01279).

    H_k is the layer's map A_k, enlarged bilinearly and stretched to 0 to 1 (eqs. 3 to 5); what it multiplies by 0 has
    the mean colour. It needs no gradient, and a pass for each channel.
    """

    name: ClassVar[str] = "score-cam"
    title: ClassVar[str] = "Score-CAM"

    def passes(self, shape: Sequence[int], layers: Layers) -> Passes:
        return Passes(1 + layers.maps[self.place(layers)].channels, 0)

    @torch.no_grad()
    def run(self, copy: nn.Module, picture: Tensor, target: int, layers: Layers) -> Tensor:
        features = self.features(copy, picture, layers)
        parts = features[:, None].float().split(at_once(layers.bytes, AT_ONCE))  # enlarged, all would take too much
        scores = torch.cat([copy(picture * self._masks(part, picture))[:, target] for part in parts])
        weights = scores.float().softmax(0)[:, None, None]
        return (weights * features.float()).sum(0).relu()

    def _masks(self, maps: Tensor, picture: Tensor) -> Tensor:
        """Maps (N, 1, h, w) in the picture's size, from 0 to 1 each."""
        masks = nn.functional.interpolate(maps, picture.shape[2:], mode="bilinear")
        low, high = (end(masks, (2, 3), keepdim=True) for end in (torch.amin, torch.amax))
        # Divided by the least positive number, a map that is the same everywhere is 0, and not NaN.
        return ((masks - low) / (high - low).clamp_min(torch.finfo(masks.dtype).tiny)).to(picture.dtype)


@method
@dataclass(frozen=True)
class GuidedGradCam(GradCam):
    """Grad-CAM of the layer, enlarged, times guided backpropagation (arXiv 1610.02391).

    Of the three colours' products the absolute values are added.
    """

    back: ClassVar[bool] = True
    name: ClassVar[str] = "guided-grad-cam"
    title: ClassVar[str] = "Guided Grad-CAM"

    def passes(self, shape: Sequence[int], layers: Layers) -> Passes:
        return Passes(2, 2)

    def obstacle(self, layers: Layers) -> str:
        if layers.blocks and (layers.others or not layers.relus):
            computed = f"also computes {', '.join(sorted(layers.others))}" if layers.others else "has none"
            return f"Guided backpropagation changes the gradient of nn.ReLU modules alone, and this network {computed}."
        return super().obstacle(layers)

    def run(self, copy: nn.Module, picture: Tensor, target: int, layers: Layers) -> Tensor:
        from captum.attr import GuidedGradCam as Guided

        guided = Guided(copy, copy.get_submodule(self.place(layers)))
        with filtered(Filter("ignore", "Setting backward hooks on ReLU", UserWarning)):  # they are on a copy
            values = guided.attribute(picture.requires_grad_(), target, interpolate_mode="bilinear")
        return values[0].abs().sum(0)


@method
@dataclass(frozen=True)
class IntegratedGradients(Method):
    """(x - x') times the mean gradient on the way from x' to x, added over the colours (arXiv 1703.01365, eq. 1).

    x' is the mean colour everywhere. The map's sum is the logit of x less that of x', up to the steps' error.
    """

    steps: int = 32
    back: ClassVar[bool] = True
    name: ClassVar[str] = "integrated-gradients"
    title: ClassVar[str] = "Integrated gradients"

    def passes(self, shape: Sequence[int], layers: Layers) -> Passes:
        return Passes(self.steps + 2, self.steps)

    def run(self, copy: nn.Module, picture: Tensor, target: int, layers: Layers) -> Tensor:
        from captum.attr import IntegratedGradients as Integrated

        integrated = Integrated(copy)
        values = integrated.attribute(
            picture.requires_grad_(),
            target=target,
            n_steps=self.steps,
            internal_batch_size=at_once(layers.bytes, AT_ONCE),
        )
        return values[0].sum(0)

    @torch.no_grad()
    def promised(self, copy: nn.Module, picture: Tensor, target: int) -> float | None:
        """The logit of the picture less that of the mean colour (completeness, proposition 1)."""
        after, before = copy(torch.cat([picture, torch.zeros_like(picture)])).float()[:, target]
        return float(after - before)


@method
@dataclass(frozen=True)
class Occlusion(Method):
    """How far the logit falls when a square of the picture is replaced by the mean colour (arXiv 1311.2901).

    The square's side is `side` of the picture's, and it moves by half of that; a place has the mean of its squares.
    """

    side: float = 1 / 8
    name: ClassVar[str] = "occlusion"
    title: ClassVar[str] = "Occlusion"

    def passes(self, shape: Sequence[int], layers: Layers) -> Passes:
        window, stride = self._sizes(shape)
        return Passes(1 + math.prod(math.ceil((extent - window) / stride) + 1 for extent in shape[2:]), 0)

    @torch.no_grad()
    def run(self, copy: nn.Module, picture: Tensor, target: int, layers: Layers) -> Tensor:
        from captum.attr import Occlusion as Occluded

        (window, stride), colours = self._sizes(picture.shape), picture.shape[1]
        values = Occluded(copy).attribute(
            picture,
            (colours, window, window),
            (colours, stride, stride),
            target=target,
            perturbations_per_eval=at_once(layers.bytes, AT_ONCE),
        )
        return values[0, 0]

    def _sizes(self, shape: Sequence[int]) -> tuple[int, int]:
        """Side of the square and its stride, in pixels."""
        window = max(1, round(self.side * min(shape[2:])))
        return window, max(1, window // 2)
