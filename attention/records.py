"""What passes between the rooms: frozen records of numbers, without behaviour, and the package's errors."""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, MISSING, asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from attention.kinds import Kind

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Source = Literal["own", "converted", "torchvision", "timm", "pytorchcv", "file", "code"]
Outputs = Literal["logits", "probabilities", "scores", "values"]
"""What the numbers are that a network returns for a picture: see `attention.analysis.predictions`."""
Band = str
"""What an input channel of a network reads of a picture: a colour, grey, or a band of its file by number or name."""
Ground = Literal["light", "dark"]
"""What a figure in a file stands on."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part: of a picture in pixels, of a map in shares of its width and height."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
"""All of a map."""
Size = int | tuple[int, int]
"""Side of a square picture, or the height and width of another, in pixels."""
Report = Callable[[int, int], None]
"""Called with how much is done, passes mostly, and how much there is in all. What it raises ends the work."""
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]


class GatescopeError(ValueError):
    """Something a person can put right; the message is one sentence: what was given, and what is allowed."""


class StoppedError(GatescopeError):
    """Somebody asked the work to stop, or its owner is gone; the message says what is kept."""


def non_defaults(record: Any) -> dict[str, Any]:
    """The fields of a dataclass that differ from their defaults, by name: what a file has to hold of it."""
    usual = {each.name: each.default for each in fields(record)}
    usual |= {each.name: each.default_factory() for each in fields(record) if each.default_factory is not MISSING}
    return {name: value for name, value in asdict(record).items() if value != usual[name]}


def in_rows(returned: Any, given: tuple[Any, ...]) -> Any:
    """What a module returned: where that is a lone number of each picture, (N,) or of one (), as a table (N, 1).

    `given` is what it took, whose first tensor says how many pictures there were; one, where it has none.
    """
    pictures = next((len(each) for each in given if getattr(each, "ndim", 0)), 1)
    lone = hasattr(returned, "reshape") and returned.ndim < 2 and math.prod(returned.shape) == pictures
    return returned.reshape(pictures, 1) if lone else returned


@dataclass(frozen=True, eq=False)
class Gate:
    """One product of a feature map and a gate, as one forward pass computed it."""

    name: str
    """Dotted path of the module that applies it; `#1`, `#2` ... follow where one module applies several, or is the
    network itself, whose path is empty."""
    kind: Kind
    activation: str
    """`"sigmoid"`, `"hardsigmoid"`, `"softmax"`, `"tanh"` ..., or `"none"` for a gate without a bounded activation."""
    values: Floats
    """(N, C) of a channel gate, whatever the rank of the features; (N, H, W) of a spatial one, (N, L) of a token one,
    (N, D, H, W) of a volume; (N, C, and the places) of a full one; (N,) of a sample one."""
    feature_shape: tuple[int, ...]
    minimum: float
    maximum: float
    maker: str = ""
    """Dotted path of the submodule whose layers made it, where another module multiplies; "" where it is the same, or
    nothing is known of it."""


def owner_of(gate: str) -> str:
    """The module that applies a gate, by the gate's name."""
    return gate.partition("#")[0]


def within(name: str, outer: str) -> bool:
    """Whether a module is another one or stands in it; everything stands in the network, whose name is empty."""
    return not outer or name == outer or name.startswith(f"{outer}.")


@dataclass(frozen=True)
class Rejected:
    """Products that came close, and were judged not to be gates."""

    name: str
    """Dotted path of the module that computes them; "" is the traced module itself."""
    activation: str
    """The activation of the side that might have been the gate, `"none"` where it has no bounded one."""
    reason: str
    """One short phrase: `"a GLU: two projections of one tensor"`."""
    count: int
    """How many products of this module, activation and reason."""


@dataclass(frozen=True, eq=False)
class Layer:
    """What a fully connected layer has learned: weights (outputs, inputs), of which a layer in groups has fewer inputs,
    and biases (outputs,), 0 where it has none."""

    weights: Floats
    biases: Floats


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
    activation: str
    """What makes the hidden activations: `"relu"`, `"silu"` ..., as torch calls it."""
    normalised: bool
    """Whether a normalisation stands between the first layer and its activation."""
    first: Layer | None
    """From the squeezed features to the hidden units, shared by the branches; None where it is not one for all."""
    second: Layer | None
    """From the hidden units to the branches; None likewise."""


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
    normalised: bool
    """Whether the convolution's map is normalised before the sigmoid."""
    summed: Floats | None
    """What the convolution gives, (N, H, W): the sum of the kernel's products, and its bias where it has one."""
    logits: Floats | None
    """What the sigmoid is given, (N, H, W): the same, normalised where it is."""
    own_eps: float | None = None
    """What is added to the variance where the map is normalised by the mean and variance of the pass; None where it is
    by numbers learned from many pictures, or not at all."""


Steps = ChannelSteps | SpatialSteps


@dataclass(frozen=True, eq=False)
class Trace:
    """One forward pass: the module's own output, and every gate in the order of execution."""

    output: Any
    gates: tuple[Gate, ...]
    steps: dict[str, Steps | None] = field(default_factory=dict)
    """The inner steps of the gates that were asked for, by name; None where the gate has another form."""
    rejected: tuple[Rejected, ...] = ()
    """What came close and is no gate, in the order in which it was first seen."""


@dataclass(frozen=True, eq=False)
class Heatmap:
    """What one class of one picture depended on, place by place, in the eyes of one method."""

    values: Floats
    """(H, W), of the layer or of the network's input; negative where a place spoke against the class."""
    target: int
    """The class, by its place among the outputs."""
    method: str
    """Its name in `attention.attribution.METHODS`: `"grad-cam"`, `"occlusion"` ..."""
    layer: str
    """Dotted path of the module whose output was read; "" where the picture itself was."""
    minimum: float
    maximum: float
    promised: float | None = None
    """What the values add up to where the method is exact, as integrated gradients do; None where it promises none."""


@dataclass(frozen=True)
class GateHealth:
    """One gate over a set of pictures: does it do anything?"""

    name: str
    kind: Kind
    low: float
    """Share of its values that are low, below 0.05: see `attention.analysis.health`."""
    high: float
    """Share of its values that are high, 0.95 or above."""
    deviation: float
    """Standard deviation over the pictures, of each channel or place, averaged over those."""


@dataclass(frozen=True, eq=False)
class ModelCard:
    """What is known of a network: where it comes from, what it sees, how well it does, and who measured that."""

    name: str
    """What `zoo.load` takes: `"cbam"`, `"timm/seresnet50"`."""
    title: str
    description: str
    source: Source
    """`"own"` for the networks that this project trained, `"converted"` for others' weights that come with it, `"file"`
    for a weight file and `"code"` for a module that a person brought."""
    licence: str
    parameters: int
    input_size: Size
    """The picture that the network sees."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    _: KW_ONLY
    crop: float = 1.0
    """Side of what it sees as a share of the picture's, where that is shortest for its shape, in (0, 1]."""
    interpolation: Interpolation = "bicubic"
    bands: tuple[Band, ...] = ("red", "green", "blue")
    """What each input channel reads."""
    labels: tuple[str, ...] = ()
    """What a person calls the classes, in the order of the outputs; empty until the network is loaded."""
    accuracy: float | None = None
    """Top-1, 0 to 1, measured here or published by the source; None where nobody says."""
    gates: dict[Kind, int] | None = None
    """How many gates of each kind one forward pass applies; None where nobody has counted them."""
    download: int = 0
    """Size of the weight file that has to be fetched, in bytes; 0 where there is nothing to fetch."""
    outputs: Outputs = "logits"
    """What the network returns for a picture."""
    answers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """A person's own code: every tensor that it returns for a picture, by where it stands, and its shape."""
    random: bool = False
    """Whether the weights are random ones, of a seed, in place of the trained ones."""
    assumed: tuple[str, ...] = ()
    """What nobody says about this network and was therefore assumed, a phrase each."""
    sha256: str = ""
    """Hash of the weight file, where it is known."""
    classes: tuple[str, ...] = ()
    """Own networks: the class folders' names, in the order of the outputs."""
    validation_pictures: int = 0
    """Own networks: the pictures on which the accuracy was measured."""
    training: dict[str, Any] = field(default_factory=dict)
    """Own networks: data, seed, epochs and recipe; converted ones: data, and by whom."""
    notes: tuple[str, ...] = ()
    """What else a person should know: where the weights are from, how they were converted ..., a sentence each."""
    gate_health: tuple[GateHealth, ...] = ()
    """Networks that come with the project: of every gate, over the validation pictures or `gate_health_over`."""
    gate_health_over: str = ""
    """Which pictures, where they are not those of the accuracy."""

    @property
    def origin_of_weights(self) -> str:
        """Where the weights are from, in a few words: of those that a person brought nobody here knows more."""
        brought = {"code": "as its code makes them", "file": "from its file"}
        return "random" if self.random else brought.get(self.source, "trained")

    @property
    def health_pictures(self) -> str:
        """Over which pictures the health of the gates was measured."""
        return self.gate_health_over or f"{self.validation_pictures:,} validation pictures"


@dataclass(frozen=True)
class Convolution:
    """The numbers that a two-dimensional convolution's cost depends on."""

    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    """Height and width, h1 and w1."""
    groups: int
    height: int
    """Height of the output, like `width`."""
    width: int
    bias: bool


@dataclass(frozen=True)
class Part:
    """One module of a network. The numbers are of it and of all that is in it, for one picture."""

    name: str
    """Dotted path; empty for the network itself."""
    module: str
    """Name of its class."""
    parameters: int
    macs: int
    """Multiply-accumulates of convolutions and matrix products."""
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
    """The form of an attention block, such as `"SE"`, or its class where that is not a known one; empty elsewhere."""
    gates: tuple[str, ...]
    """Names of the gates found in it, in the order of execution."""
    parts: "tuple[Part, ...]"
    """The convolutions and attention blocks in it, and what holds such; the rest is in the numbers alone."""


@dataclass(frozen=True)
class KnownBlock:
    """An attention block whose class is a known one."""

    name: str
    module: str
    form: str
    gates: tuple[str, ...]
    """Names of the gates that the pass found in it."""


@dataclass(frozen=True)
class UnlistedGate:
    """A gate in a module whose class is not known as attention."""

    gate: str
    module: str


@dataclass(frozen=True)
class Inventory:
    """What stands in a network: its layers, its known attention blocks, and the gates found elsewhere."""

    network: Part
    known: tuple[KnownBlock, ...]
    unlisted: tuple[UnlistedGate, ...]
    note: str
    """Said where the network had to be run to be counted; empty elsewhere."""
