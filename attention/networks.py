"""The residual networks that the project trains itself: one ResNet, four variants that differ in the block alone."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from attention.layers import CBAM, SE

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
            *_conv_norm(inputs, outputs, 3, stride), nn.ReLU(inplace=True), *_conv_norm(outputs, outputs, 3)
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
            *_conv_norm(inputs, width, 1),
            nn.ReLU(inplace=True),
            *_conv_norm(width, width, 3, stride, groups=CARDINALITY),
            nn.ReLU(inplace=True),
            *_conv_norm(width, outputs, 1),
        )


class ResNet(nn.Module):
    """A half-width ResNet-18 with a stem of three convolutions: (N, 3, H, W) pictures -> (N, classes) logits."""

    def __init__(self, classes: int, attention: Attention, block: type[BasicBlock] = BasicBlock) -> None:
        super().__init__()
        half = WIDTHS[0] // 2
        self.stem = nn.Sequential(
            *_conv_norm(3, half, 3, 2),
            nn.ReLU(inplace=True),
            *_conv_norm(half, half, 3),
            nn.ReLU(inplace=True),
            *_conv_norm(half, WIDTHS[0], 3),
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


def _none(channels: int) -> nn.Module:
    return nn.Identity()


VARIANTS: dict[str, Callable[[int], ResNet]] = {
    "plain": partial(ResNet, attention=_none),
    "se": partial(ResNet, attention=partial(SE, reduction=REDUCTION)),
    "cbam": partial(ResNet, attention=partial(CBAM, reduction=REDUCTION)),
    "se-resnext": partial(ResNet, attention=partial(SE, reduction=REDUCTION), block=GroupedBlock),
}

DESCRIPTIONS = {
    "plain": ("Plain ResNet", "the same network without gates, to compare with"),
    "se": ("SE-ResNet", "a squeeze-and-excitation gate in every residual block"),
    "cbam": ("CBAM-ResNet", "a channel gate and a spatial gate in every residual block"),
    "se-resnext": ("SE-ResNeXt", f"3x3 convolutions in {CARDINALITY} groups, and an SE gate in every residual block"),
}


def build(variant: str, classes: int) -> ResNet:
    """A network of one of the `VARIANTS`, freshly initialised from torch's global seed."""
    if variant not in VARIANTS:
        raise ValueError(f"there is no variant {variant!r}; there are {', '.join(VARIANTS)}")
    return VARIANTS[variant](classes)


def _conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> tuple[nn.Module, nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return conv, nn.BatchNorm2d(outputs)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(*_conv_norm(inputs, outputs, 1, stride))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
