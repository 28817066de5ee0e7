"""What people change of a known network before they train it: its head, its first convolution, its input channels.

shapes of a file -> the shapes with the usual head -> a family's network -> the network with what was changed
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from attention.models.families import Candidate, Shapes

HEADS = ("fc", "classifier", "classifier.1", "classifier.3", "last_linear", "head.fc", "output")
"""Where the libraries keep the last layer."""
LAYER = re.compile(r"(\d{1,2})\.weight")
CHANNELS = 3
Change = Callable[[nn.Module], None]


@dataclass(frozen=True)
class Head:
    """A head that was put in the place of the last layer: linear layers, normalisations, and what has no weights."""

    path: str
    shapes: Shapes
    """What the parts have, by their names under the path."""

    @property
    def linear(self) -> dict[int, tuple[int, ...]]:
        """The shapes of the linear layers, by their places in the sequence."""
        found = {int(match[1]): self.shapes[key] for key in self.shapes if (match := LAYER.fullmatch(key))}
        return {place: shape for place, shape in sorted(found.items()) if len(shape) == 2}

    def build(self) -> nn.Module:
        """Between two linear layers stands one ReLU, which is assumed; dropouts pass everything on."""
        if "weight" in self.shapes:
            classes, inputs = self.shapes["weight"]
            return nn.Linear(inputs, classes, bias="bias" in self.shapes)
        linear, layers, wanted = self.linear, nn.Sequential(), False
        for place in range(max(linear) + 1):
            shape = self.shapes.get(f"{place}.weight")
            if place in linear:
                layers.append(nn.Linear(linear[place][1], linear[place][0], bias=f"{place}.bias" in self.shapes))
                wanted = place != max(linear)
            elif shape is not None:
                layers.append(
                    nn.BatchNorm1d(shape[0]) if f"{place}.running_mean" in self.shapes else nn.LayerNorm(shape)
                )
            else:
                layers.append(nn.ReLU() if wanted else nn.Identity())
                wanted = False
        return layers


@dataclass(frozen=True, eq=False)
class Adapted:
    """A candidate with the changes that a file's shapes ask for."""

    candidate: Candidate
    shapes: Shapes
    """The keys and shapes of its network."""
    small: bool
    """Whether its first convolution is one of 3x3, in place of the family's larger one."""


def usual_heads(shapes: Shapes) -> Iterator[tuple[Shapes, Head]]:
    """For each head that may have been changed, the shapes with a usual one in its place, and what is there instead."""
    for path in HEADS:
        inside = {key.removeprefix(f"{path}."): shape for key, shape in shapes.items() if key.startswith(f"{path}.")}
        head = Head(path, inside)
        alone = "weight" in inside and len(inside["weight"]) == 2 and "bias" not in inside
        if alone or ("weight" not in inside and head.linear):
            linear = [inside["weight"]] if alone else list(head.linear.values())
            usual = {f"{path}.weight": (linear[-1][0], linear[0][1]), f"{path}.bias": (linear[-1][0],)}
            yield {**shapes, **usual}, head


def usual_places(shapes: Shapes) -> Iterator[Shapes]:
    """For each place of a last layer that is empty, the shapes with one there, of one class: of a network whose head
    is gone or has another name, that finds what comes closest."""
    for path in HEADS:
        if f"{path}.weight" not in shapes:
            yield {**shapes, f"{path}.weight": (1, 1), f"{path}.bias": (1,)}


def adapt(candidate: Candidate, shapes: Shapes, head: Head | None, *, pooled: bool) -> Adapted:
    """The candidate with the head, the first convolution and the input channels that the shapes of a file have.

    `pooled` says whether a pooling stays behind a first convolution of 3x3. Raises what the building raises.
    """
    with torch.device("meta"):
        module = candidate.build()
        name, first = next((each for each in module.named_modules() if isinstance(each[1], nn.Conv2d)), ("", None))
        given = shapes.get(f"{name}.weight", ())
        changes: list[Change] = [lambda module: _set(module, head.path, head.build())] if head else []
        settings, assumed = dict(candidate.settings), list[str]()
        if head:
            classes = [*head.linear.values()][-1][0] if head.linear else head.shapes["weight"][0]
            settings |= {"classes": classes, "head": _described(head)}
            assumed += ["ReLU between the linear layers of the head"] * (len(head.linear) > 1)
        small = first is not None and len(given) == 4 and given[2:] == (3, 3) != first.kernel_size
        small = small and isinstance(getattr(module, "maxpool", None), nn.Module)
        if first and len(given) == 4 and (small or given[1] != first.in_channels) and first.groups == 1:
            changes.append(lambda module: _change_first(module, name, given, small=small, pooled=pooled))
            settings |= {"channels": given[1]} if given[1] != CHANNELS else {}
            settings |= {"stem kernel": 3} if small else {}
            pooling = "a" if pooled else "no"
            if small:
                assumed.append(f"a first convolution of 3x3 that halves nothing, and {pooling} pooling behind it")
        for change in changes:
            change(module)

    def build() -> nn.Module:
        made = candidate.build()
        for change in changes:
            change(made)
        return made

    own = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    return Adapted(Candidate(settings, build, tuple(assumed)), own, small)


def _set(module: nn.Module, path: str, part: nn.Module) -> None:
    holder, _, last = path.rpartition(".")
    setattr(module.get_submodule(holder), last, part)


def _described(head: Head) -> str:
    layers = [f"{place} ({shape[1]} to {shape[0]})" for place, shape in head.linear.items()]
    return f"{head.path} of linear layers {', '.join(layers)}" if layers else f"{head.path} without biases"


def _change_first(module: nn.Module, name: str, shape: tuple[int, ...], *, small: bool, pooled: bool) -> None:
    """In place, so that a kind of convolution of its own stays what it is."""
    first = module.get_submodule(name)
    assert isinstance(first, nn.Conv2d)
    first.in_channels, first.weight = shape[1], nn.Parameter(torch.empty(shape))
    if small:
        first.kernel_size, first.stride, first.padding = (3, 3), (1, 1), (1, 1)
        if not pooled:
            module.maxpool = nn.Identity()
