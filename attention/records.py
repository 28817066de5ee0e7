"""What passes between the rooms: frozen records of numbers, without behaviour, and the package's errors."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Kind = Literal["channel", "spatial", "full", "height", "width", "channel-height", "channel-width", "token", "sample"]


class GatescopeError(ValueError):
    """Something a person can put right; the message is one sentence: what was given, and what is allowed."""


@dataclass(frozen=True, eq=False)
class Gate:
    """One product of a feature map and a gate, as one forward pass computed it."""

    name: str
    """Dotted path of the module that applies it; `#1`, `#2` ... follow where one module applies several."""
    kind: Kind
    activation: str
    """`"sigmoid"`, `"hardsigmoid"`, `"softmax"`, `"tanh"` ..., or `"none"` for a gate without a bounded activation."""
    values: Floats
    """(N, C) of a channel gate, (N, H, W) of a spatial one, (N, C, H, W) of a full one."""
    feature_shape: tuple[int, ...]
    minimum: float
    maximum: float


@dataclass(frozen=True, eq=False)
class ChannelSteps:
    """How a channel gate of SE's or CBAM's form came about. The keys are `"average"` and `"max"`, in the order run."""

    squeezed: dict[str, Floats]
    """The pooled features of each branch, (N, C)."""
    hidden: dict[str, Floats]
    """The hidden activations of each branch, (N, C/r)."""
    branches: dict[str, Floats]
    """The output of each branch, before the sum and the sigmoid, (N, C)."""
    before: Floats
    """The feature map the gate multiplies, (N, C, H, W)."""
    after: Floats
    """The product, (N, C, H, W)."""


@dataclass(frozen=True, eq=False)
class SpatialSteps:
    """How a spatial gate of CBAM's form came about. The keys are `"average"` and `"max"`, in the kernel's order."""

    pooled: dict[str, Floats]
    """The feature map pooled over its channels, (N, H, W)."""
    kernel: Floats
    """The weights of the convolution that reads the pooled maps, (maps, k, k)."""
    before: Floats
    """The feature map the gate multiplies, (N, C, H, W)."""
    after: Floats
    """The product, (N, C, H, W)."""


Steps = ChannelSteps | SpatialSteps


@dataclass(frozen=True, eq=False)
class Trace:
    """One forward pass: the module's own output, and every gate in the order of execution."""

    output: Any
    gates: tuple[Gate, ...]
    steps: dict[str, Steps | None] = field(default_factory=dict)
    """The inner steps of the gates that were asked for, by name; None where the gate has another form."""


@dataclass(frozen=True, eq=False)
class GateHealth:
    """One gate over a set of pictures: does it do anything?"""

    name: str
    kind: Kind
    low: float
    """Share of the gate values below 0.05."""
    high: float
    """Share of the gate values above 0.95."""
    deviation: float
    """Standard deviation over the pictures, of each channel or place, averaged over those."""


@dataclass(frozen=True, eq=False)
class Card:
    """What is known of a network, and how it was measured."""

    name: str
    title: str
    description: str
    source: str
    """`"own"` for the networks that this project trained."""
    licence: str
    parameters: int
    input_size: int
    """Side of the square picture that the network sees, in pixels."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classes: tuple[str, ...]
    """The class folders' names, in the order of the outputs."""
    labels: tuple[str, ...]
    """What a person calls the classes, in the same order."""
    accuracy: float
    """Top-1 on the validation pictures at this input size, 0 to 1."""
    validation_pictures: int
    sha256: str
    """Of the weight file."""
    training: dict[str, Any]
    """Data, seed, epochs and recipe."""
    gate_health: tuple[GateHealth, ...]
    """Of every gate, over the validation pictures."""


@dataclass(frozen=True)
class Part:
    """One module of a network. The numbers are of it and of all that is in it, for one picture."""

    name: str
    """Dotted path; empty for the network itself."""
    module: str
    """Name of its class."""
    parameters: int
    macs: int
    """Of convolutions and matrix products."""
    ungrouped_parameters: int
    """The same with every convolution in one group."""
    ungrouped_macs: int
    attention_parameters: int
    attention_macs: int
    output: tuple[int, ...]
    """Shape of what it gives, without N; empty where it never ran, or gives no tensor."""
    channels: tuple[int, int] | None
    """In and out, of a convolution."""
    kernel: tuple[int, ...]
    groups: int
    form: str
    """Of an attention block, such as `"SE"`, or its class where that is not a known one; empty elsewhere."""
    gates: tuple[str, ...]
    """Names of the gates found in it, in the order of execution."""
    parts: "tuple[Part, ...]"
    """The convolutions and attention blocks in it, and what holds such; the rest is in the numbers alone."""


@dataclass(frozen=True)
class Known:
    """An attention block whose class is a known one."""

    name: str
    module: str
    form: str
    gates: tuple[str, ...]
    """Names of the gates that the pass found in it."""


@dataclass(frozen=True)
class Unlisted:
    """A gate in a module whose class is not known as attention."""

    gate: str
    module: str


@dataclass(frozen=True)
class Inventory:
    """What stands in a network: its layers, its known attention blocks, and the gates found elsewhere."""

    network: Part
    known: tuple[Known, ...]
    unlisted: tuple[Unlisted, ...]
    note: str
    """Said where the network had to be run to be counted; empty elsewhere."""
