"""The networks that come with the project.

One ResNet in four variants that differ in the block alone, trained here; and EfficientNet-B0, whose trained weights are
others' (assets/make_efficientnet.py).
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention.layers import CBAM, SE, SpatialAttention

WIDTHS = (32, 64, 128, 256)
BLOCKS_PER_STAGE = 2
REDUCTION = 8
CARDINALITY = 8

Attention = Callable[[int], nn.Module]


class BasicBlock(nn.Module):
    """relu(attention(conv3x3(relu(conv3x3(x)))) + shortcut(x)), arXiv 1512.03385, figure 5, left.

    The attention stands where both papers put it: on the residual branch, before the addition.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, attention: Attention) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *conv_norm(inputs, outputs, 3, stride), nn.ReLU(inplace=True), *conv_norm(outputs, outputs, 3)
        )
        self.attention = attention(outputs)
        self.shortcut = _shortcut(inputs, outputs, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        return self.relu(self.attention(self.branch(features)) + self.shortcut(features))


class GroupedBlock(BasicBlock):
    """The ResNeXt block, arXiv 1611.05431, figure 3c: 1x1, grouped 3x3, 1x1, on twice the block's channels."""

    def __init__(self, inputs: int, outputs: int, stride: int, attention: Attention) -> None:
        super().__init__(inputs, outputs, stride, attention)
        width = 2 * outputs
        self.branch = nn.Sequential(
            *conv_norm(inputs, width, 1),
            nn.ReLU(inplace=True),
            *conv_norm(width, width, 3, stride, groups=CARDINALITY),
            nn.ReLU(inplace=True),
            *conv_norm(width, outputs, 1),
        )


class ResNet(nn.Module):
    """A half-width ResNet-18 with a stem of three convolutions: (N, 3, H, W) pictures -> (N, classes) logits."""

    def __init__(self, classes: int, attention: Attention, block: type[BasicBlock] = BasicBlock) -> None:
        super().__init__()
        half = WIDTHS[0] // 2
        self.stem = nn.Sequential(
            *conv_norm(3, half, 3, 2),
            nn.ReLU(inplace=True),
            *conv_norm(half, half, 3),
            nn.ReLU(inplace=True),
            *conv_norm(half, WIDTHS[0], 3),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        inputs = WIDTHS[0]
        for stage, outputs in enumerate(WIDTHS, start=1):
            blocks = []
            for index in range(BLOCKS_PER_STAGE):
                blocks.append(block(inputs, outputs, 2 if stage > 1 and index == 0 else 1, attention))
                inputs = outputs
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))
        self.apply(_initialise)

    def forward(self, pictures: Tensor) -> Tensor:
        features = self.stem(pictures)
        for stage in range(1, len(WIDTHS) + 1):
            features = self.get_submodule(f"layer{stage}")(features)
        return self.head(features)


VARIANTS: dict[str, Callable[[int], ResNet]] = {
    "plain": partial(ResNet, attention=nn.Identity),
    "se": partial(ResNet, attention=partial(SE, reduction=REDUCTION)),
    "cbam": partial(ResNet, attention=partial(CBAM, reduction=REDUCTION)),
    "se-resnext": partial(ResNet, attention=partial(SE, reduction=REDUCTION), block=GroupedBlock),
}

DESCRIPTIONS = {
    "plain": ("Plain ResNet", "the same network without gates, to compare with"),
    "se": ("SE-ResNet", "a squeeze-and-excitation gate in every residual block"),
    "cbam": ("CBAM-ResNet", "a channel gate and a spatial gate in every residual block"),
    "se-resnext": ("SE-ResNeXt", f"3 × 3 convolutions in {CARDINALITY} groups, and an SE gate in every residual block"),
}


class SamePadded(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding: ceil(size / stride) places, the odd one added at the end."""

    def forward(self, features: Tensor) -> Tensor:
        border: list[int] = []
        for size, kernel, stride in zip(features.shape[:-3:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            border += [missing // 2, missing - missing // 2]
        return F.conv2d(F.pad(features, border), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class SqueezeExcite(nn.Module):
    """SE as in EfficientNet: x * sigmoid(W2 silu(W1 mean(x))), both layers 1x1 convolutions with biases."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.conv_reduce, self.conv_expand = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)

    def mlp(self, squeezed: Tensor) -> Tensor:
        return self.conv_expand(F.silu(self.conv_reduce(squeezed)))

    def gate(self, features: Tensor) -> Tensor:
        """One number in (0, 1) for each channel: (N, C, H, W) -> (N, C, 1, 1)."""
        return torch.sigmoid(self.mlp(features.mean((2, 3), keepdim=True)))

    def forward(self, features: Tensor) -> Tensor:
        return features * self.gate(features)


class PooledTwice(SqueezeExcite):
    """CBAM's channel attention, arXiv 1807.06521, eq. 2: mean and maximum through the shared layers of the SE block."""

    def gate(self, features: Tensor) -> Tensor:
        """One number in (0, 1) for each channel: (N, C, H, W) -> (N, C, 1, 1)."""
        average, largest = features.mean((2, 3), keepdim=True), features.amax((2, 3), keepdim=True)
        return torch.sigmoid(self.mlp(average) + self.mlp(largest))


class MobileCBAM(nn.Module):
    """CBAM in the place of EfficientNet's SE; the map of its spatial gate is normalised by picture and sees no edge."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.channel = PooledTwice(channels, hidden)
        self.spatial = SpatialAttention(7, normalise="picture", border="reflect")

    def forward(self, features: Tensor) -> Tensor:
        return self.spatial(self.channel(features))


class ActivatedNorm(nn.BatchNorm2d):
    """A batch normalisation with SiLU behind it."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, TF_EPSILON)

    def forward(self, features: Tensor) -> Tensor:
        return F.silu(super().forward(features))


WideAttention = Callable[[int, int], nn.Module]
"""By the channels and the hidden units."""


class MobileBlock(nn.Module):
    """EfficientNet's inverted residual: 1x1 that widens, depthwise, attention, 1x1 that narrows.

    arXiv 1905.11946, table 1, and arXiv 1801.04381, section 3.3, for the block without attention. The first block does
    not widen. The parts have the names that timm gives them, so that published weights fit. The shortcut is added where
    the shapes allow it.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, *, expansion: int, attention: WideAttention
    ) -> None:
        super().__init__()
        wide = inputs * expansion
        if expansion > 1:
            self.conv_pw, self.bn1 = _tf_conv(inputs, wide, 1), ActivatedNorm(wide)
            self.conv_dw, self.bn2 = _tf_conv(wide, wide, kernel, stride, groups=wide), ActivatedNorm(wide)
            self.se = attention(wide, inputs // 4)
            self.conv_pwl, self.bn3 = _tf_conv(wide, outputs, 1), nn.BatchNorm2d(outputs, TF_EPSILON)
        else:
            self.conv_dw, self.bn1 = _tf_conv(wide, wide, kernel, stride, groups=wide), ActivatedNorm(wide)
            self.se = attention(wide, inputs // 4)
            self.conv_pw = _tf_conv(wide, outputs, 1)
            self.add_module("bn2", nn.BatchNorm2d(outputs, TF_EPSILON))  # to mypy `bn2` has an activation behind it
        self.adds = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        branch = features
        for part in self.children():  # in the order in which they were made
            branch = part(branch)
        return branch + features if self.adds else branch


TF_EPSILON = 1e-3
"""TensorFlow's in batch normalisation, where torch has 1e-5."""
B0_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, kernel, stride of the first, expansion and channels of each stage, arXiv 1905.11946, table 1."""


class EfficientNetB0(nn.Module):
    """(N, 3, H, W) pictures -> (N, classes) logits: timm's tf_efficientnet_b0, with its names for the parts."""

    def __init__(self, classes: int, attention: WideAttention = SqueezeExcite) -> None:
        super().__init__()
        channels = 32
        self.conv_stem, self.bn1 = _tf_conv(3, channels, 3, 2), ActivatedNorm(channels)
        self.blocks = nn.Sequential()
        for number, kernel, stride, expansion, outputs in B0_STAGES:
            stage = nn.Sequential()
            for index in range(number):
                step = 1 if index else stride
                stage.append(MobileBlock(channels, outputs, kernel, step, expansion=expansion, attention=attention))
                channels = outputs
            self.blocks.append(stage)
        self.conv_head, self.bn2 = _tf_conv(channels, 1280, 1), ActivatedNorm(1280)
        self.global_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(1280, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        features = self.blocks(self.bn1(self.conv_stem(pictures)))
        return self.classifier(self.global_pool(self.bn2(self.conv_head(features))))


def _tf_conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Padded as TensorFlow does: with stride 1 alike on both sides, which the convolution does itself."""
    if stride > 1:
        return SamePadded(inputs, outputs, kernel, stride, groups=groups, bias=False)
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    **VARIANTS,
    "efficientnet-b0": EfficientNetB0,
    "cbam-b0": partial(EfficientNetB0, attention=MobileCBAM),
}
"""By the names under which the zoo has them."""


def build(name: str, classes: int) -> nn.Module:
    """One of the `NETWORKS`, freshly initialised from torch's global seed."""
    if name not in NETWORKS:
        raise ValueError(f"there is no network {name!r}; there are {', '.join(NETWORKS)}")
    return NETWORKS[name](classes)


def conv_norm(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution of C -> C' channels that keeps height and width at stride 1, and the normalisation behind it."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return conv, nn.BatchNorm2d(outputs)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(*conv_norm(inputs, outputs, 1, stride))


def _initialise(module: nn.Module) -> None:
    # For a normal distribution of no numbers torch would import 900 modules, which takes seconds.
    if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
