"""The layouts of the published SE, CBAM and BAM code, and of this project's own networks.

The published code is not installed: its residual networks are built here, with its names for their parts, so that its
weights load. SE and CBAM compute what their papers state, with these choices of the code: SE without biases; CBAM's
MLP with them, its pooled maps in the order maximum, mean, and a batch normalisation behind its 7x7 convolution.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from attention import networks
from attention.models import families
from attention.models.families import Candidate, Family, Residual, Shapes
from attention.networks import conv_norm

MakeAttention = Callable[[int], nn.Module]
Attention = Mapping[str, MakeAttention]
"""The attention of a block, by the names of its parts, in the order in which they are applied."""


class SE(nn.Module):
    """sigmoid(W2 relu(W1 mean(x))) * x, arXiv 1709.01507; `fc.0` is W1, `fc.2` is W2."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        first, second = nn.Linear(channels, hidden, bias=False), nn.Linear(hidden, channels, bias=False)
        self.fc = nn.Sequential(first, nn.ReLU(inplace=True), second, nn.Sigmoid())

    def forward(self, features: Tensor) -> Tensor:
        return features * self.fc(features.mean((2, 3)))[:, :, None, None]


class ChannelGate(nn.Module):
    """CBAM's channel attention; `mlp.1` and `mlp.3` are the layers that both poolings share."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        layers = nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        self.mlp = nn.Sequential(nn.Flatten(), *layers)

    def forward(self, features: Tensor) -> Tensor:
        average, strongest = features.mean((2, 3), keepdim=True), features.amax((2, 3), keepdim=True)
        return features * torch.sigmoid(self.mlp(average) + self.mlp(strongest))[:, :, None, None]


class ConvNorm(nn.Module):
    """The convolution of the spatial gate, from two maps to one, and its normalisation."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(1)

    def forward(self, maps: Tensor) -> Tensor:
        return self.bn(self.conv(maps))


class SpatialGate(nn.Module):
    """CBAM's spatial attention."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.spatial = ConvNorm(kernel)

    def forward(self, features: Tensor) -> Tensor:
        maps = torch.cat([features.amax(1, keepdim=True), features.mean(1, keepdim=True)], dim=1)
        return features * torch.sigmoid(self.spatial(maps))


class CBAM(nn.Module):
    """Channel, then spatial attention, arXiv 1807.06521, or without a kernel the channel attention alone."""

    def __init__(self, channels: int, hidden: int, kernel: int | None) -> None:
        super().__init__()
        self.ChannelGate = ChannelGate(channels, hidden)
        self.SpatialGate = SpatialGate(kernel) if kernel else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return self.SpatialGate(self.ChannelGate(features))


class ChannelAttention(nn.Module):
    """CBAM's channel attention in the code whose parts are called `ca` and `sa`: 1x1 convolutions without biases."""

    def __init__(self, channels: int, hidden: int, layers: tuple[str, str]) -> None:
        super().__init__()
        self.layers = layers
        for name, sizes in zip(layers, ((channels, hidden), (hidden, channels)), strict=True):
            holder, _, last = name.rpartition(".")
            if holder and not hasattr(self, holder):
                self.add_module(holder, nn.Module())
            self.get_submodule(holder).add_module(last, nn.Conv2d(*sizes, 1, bias=False))

    def forward(self, features: Tensor) -> Tensor:
        first, second = map(self.get_submodule, self.layers)
        average, strongest = features.mean((2, 3), keepdim=True), features.amax((2, 3), keepdim=True)
        return features * torch.sigmoid(second(torch.relu(first(average))) + second(torch.relu(first(strongest))))


class SpatialAttention(nn.Module):
    """CBAM's spatial attention in that code: the mean before the maximum, and no normalisation."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        maps = torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], dim=1)
        return features * torch.sigmoid(self.conv1(maps))


class BAM(nn.Module):
    """(1 + sigmoid(M_c(x) * M_s(x))) * x: the code multiplies the two branches that arXiv 1807.06514 adds."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.channel_att = nn.ModuleDict({"gate_c": _bam_channel(channels, hidden)})
        self.spatial_att = nn.ModuleDict({"gate_s": _bam_spatial(channels, hidden)})

    def forward(self, features: Tensor) -> Tensor:
        channel = self.channel_att["gate_c"](features.mean((2, 3)))[:, :, None, None]
        return (1 + torch.sigmoid(channel * self.spatial_att["gate_s"](features))) * features


def _bam_channel(channels: int, hidden: int) -> nn.Sequential:
    layers = nn.Sequential()
    layers.add_module("gate_c_fc_0", nn.Linear(channels, hidden))
    layers.add_module("gate_c_bn_1", nn.BatchNorm1d(hidden))
    layers.add_module("gate_c_relu_1", nn.ReLU())
    layers.add_module("gate_c_fc_final", nn.Linear(hidden, channels))
    return layers


def _bam_spatial(channels: int, hidden: int) -> nn.Sequential:
    layers = nn.Sequential()
    convolutions = {"reduce0": nn.Conv2d(channels, hidden, 1)}
    convolutions |= {f"di_{number}": nn.Conv2d(hidden, hidden, 3, padding=4, dilation=4) for number in range(2)}
    for name, convolution in convolutions.items():
        layers.add_module(f"gate_s_conv_{name}", convolution)
        layers.add_module(f"gate_s_bn_{name}", nn.BatchNorm2d(hidden))
        layers.add_module(f"gate_s_relu_{name}", nn.ReLU())
    layers.add_module("gate_s_conv_final", nn.Conv2d(hidden, 1, 1))
    return layers


class Block(nn.Module):
    """relu(attention(branch(x)) + shortcut(x)), the stride in the first 3x3 convolution."""

    def __init__(self, sizes: Residual, stage: int, *, inputs: int, stride: int, attention: Attention):
        super().__init__()
        inner, outputs = sizes.inner[stage], sizes.outputs[stage]
        self.wide = sizes.bottleneck
        if self.wide:
            self.conv1, self.bn1 = conv_norm(inputs, inner, 1)
            self.conv2, self.bn2 = conv_norm(inner, inner, 3, stride=stride, groups=sizes.groups)
            self.conv3, self.bn3 = conv_norm(inner, outputs, 1)
        else:
            self.conv1, self.bn1 = conv_norm(inputs, outputs, 3, stride=stride)
            self.conv2, self.bn2 = conv_norm(outputs, outputs, 3)
        changes = stride != 1 or inputs != outputs
        self.downsample = nn.Sequential(*conv_norm(inputs, outputs, 1, stride=stride)) if changes else nn.Identity()
        self.attention = tuple(attention)
        for name, make in attention.items():
            self.add_module(name, make(outputs))

    def forward(self, features: Tensor) -> Tensor:
        branch = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(features)))))
        if self.wide:
            branch = self.bn3(self.conv3(torch.relu(branch)))
        for name in self.attention:
            branch = self.get_submodule(name)(branch)
        return torch.relu(branch + self.downsample(features))


class ResNet(nn.Module):
    """A residual network with attention in its blocks, or between its stages (`bam1` ...)."""

    def __init__(self, sizes: Residual, attention: Attention, between: MakeAttention = nn.Identity):
        super().__init__()
        self.conv1, self.bn1 = conv_norm(3, sizes.stem, 7, stride=2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.stages, inputs = len(sizes.stages), sizes.stem
        for stage, (blocks, outputs) in enumerate(zip(sizes.stages, sizes.outputs, strict=True)):
            layers = nn.Sequential()
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                layers.append(Block(sizes, stage, inputs=inputs, stride=stride, attention=attention))
                inputs = outputs
            self.add_module(f"layer{stage + 1}", layers)
            self.add_module(f"bam{stage + 1}", between(outputs) if stage + 1 < self.stages else nn.Identity())
        self.fc = nn.Linear(inputs, sizes.classes)

    def forward(self, pictures: Tensor) -> Tensor:
        features = self.maxpool(torch.relu(self.bn1(self.conv1(pictures))))
        for stage in range(1, self.stages + 1):
            features = self.get_submodule(f"bam{stage}")(self.get_submodule(f"layer{stage}")(features))
        return self.fc(features.mean((2, 3)))


LAYOUT = "the published code's layout"


def _se(shapes: Shapes) -> Iterator[Candidate]:
    sizes, reduction = families.read_residual(shapes), families.reduction(shapes, "layer1.0.se.fc.0.weight")
    attention = {"se": lambda channels: SE(channels, channels // reduction)}
    yield Candidate(sizes.settings | {"reduction": reduction}, partial(ResNet, sizes, attention))


def _cbam(shapes: Shapes) -> Iterator[Candidate]:
    sizes = families.read_residual(shapes)
    reduction = families.reduction(shapes, "layer1.0.cbam.ChannelGate.mlp.1.weight")
    kernel = shapes.get("layer1.0.cbam.SpatialGate.spatial.conv.weight", (None,))[-1]
    attention = {"cbam": lambda channels: CBAM(channels, channels // reduction, kernel)}
    settings = sizes.settings | {"reduction": reduction, "spatial kernel": kernel}
    yield Candidate(settings, partial(ResNet, sizes, attention))


def _ca_sa(shapes: Shapes) -> Iterator[Candidate]:
    layers = ("fc1", "fc2") if "layer1.0.ca.fc1.weight" in shapes else ("fc.0", "fc.2")
    sizes, reduction = families.read_residual(shapes), families.reduction(shapes, f"layer1.0.ca.{layers[0]}.weight")
    kernel = shapes["layer1.0.sa.conv1.weight"][-1]
    attention: Attention = {
        "ca": lambda channels: ChannelAttention(channels, channels // reduction, layers),
        "sa": lambda _: SpatialAttention(kernel),
    }
    settings = sizes.settings | {"reduction": reduction, "spatial kernel": kernel}
    yield Candidate(settings, partial(ResNet, sizes, attention))


def _bam(shapes: Shapes) -> Iterator[Candidate]:
    sizes = families.read_residual(shapes)
    reduction = families.reduction(shapes, "bam1.channel_att.gate_c.gate_c_fc_0.weight")
    build = partial(ResNet, sizes, {}, lambda channels: BAM(channels, channels // reduction))
    yield Candidate(sizes.settings | {"reduction": reduction}, build)


STEM = {"stem.0.weight": "the first of three convolutions"}
OWN_CLUES = {
    "plain": {},
    "se": {"layer1.0.attention.gate.mlp.0.weight": "squeeze-and-excitation"},
    "cbam": {"layer1.0.attention.spatial.gate.conv.weight": "CBAM's spatial attention"},
    "se-resnext": {
        "layer1.0.attention.gate.mlp.0.weight": "squeeze-and-excitation",
        "layer1.0.branch.6.weight": "the third convolution of a bottleneck",
    },
}


def _own(shapes: Shapes, *, variant: str) -> Iterator[Candidate]:
    classes = shapes["head.2.weight"][0]
    blocks = (networks.BLOCKS_PER_STAGE,) * len(networks.WIDTHS)
    settings: dict[str, object] = {"stages": blocks, "widths": networks.WIDTHS, "classes": classes}
    settings |= {"groups": networks.CARDINALITY} if variant == "se-resnext" else {}
    settings |= {"reduction": networks.REDUCTION} if variant != "plain" else {}
    yield Candidate(settings, partial(networks.build, variant, classes))


def _b0(shapes: Shapes, *, name: str) -> Iterator[Candidate]:
    classes = shapes["classifier.weight"][0]
    yield Candidate({"size": "B0", "classes": classes}, partial(networks.build, name, classes))


VARIANTS = {f"{networks.DESCRIPTIONS[variant][0]}, this project's layout": variant for variant in networks.VARIANTS}
B0, CBAM_B0 = "efficientnet-b0", "cbam-b0"
CONVERTED = Family(
    "EfficientNet-B0, as it comes with this project",
    {"conv_stem.weight": "the first convolution", "bn2.weight": "a normalised last convolution"},
    partial(_b0, name=B0),
)
"""Taken by its name alone: its keys are those of two families of timm's, and the file's checksum tells it."""
DISTILLED = Family(
    "CBAM-B0, this project's layout",
    {"conv_stem.weight": "the first convolution", "blocks.0.0.se.spatial.gate.conv.weight": "CBAM's spatial gate"},
    partial(_b0, name=CBAM_B0),
)
OWN = VARIANTS | {CONVERTED.name: B0, DISTILLED.name: CBAM_B0}
"""The families of the networks that come with the project, each with the network's name."""
RESIDUAL = (
    Family(f"SE-ResNet, {LAYOUT}", {"layer1.0.se.fc.0.weight": "squeeze-and-excitation without biases"}, _se),
    Family(f"CBAM-ResNet, {LAYOUT}", {"layer1.0.cbam.ChannelGate.mlp.1.weight": "CBAM's shared MLP"}, _cbam),
    Family(
        f"CBAM-ResNet, {LAYOUT} with ca and sa",
        {"layer1.0.sa.conv1.weight": "CBAM's spatial attention", "fc.weight": "the classifier"},
        _ca_sa,
    ),
    Family(
        f"BAM-ResNet, {LAYOUT}",
        {"bam1.channel_att.gate_c.gate_c_fc_0.weight": "BAM's channel branch, behind a stage"},
        _bam,
    ),
)
PUBLISHED = (
    *(
        Family(family, STEM | OWN_CLUES[variant], partial(_own, variant=variant))
        for family, variant in VARIANTS.items()
    ),
    DISTILLED,
    *RESIDUAL,
)
