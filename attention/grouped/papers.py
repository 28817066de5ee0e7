"""What three papers say of grouped convolution: figures read in them, and what follows by counting."""

from dataclasses import dataclass, replace

from attention.grouped.counting import cost_of
from attention.records import Convolution

RESNEXT = "Xie et al. 2017, arXiv 1611.05431"
SHUFFLENET = "Zhang et al. 2018, arXiv 1707.01083"
ALEXNET = "Krizhevsky et al. 2012"


@dataclass(frozen=True)
class EqualBudget:
    """One ResNeXt block of about 70,000 weights: C paths of width d."""

    cardinality: int
    width: int
    error_50: float
    """Top-1 error on ImageNet of the network of 50 layers, percent, as published."""
    error_101: float

    @property
    def weights(self) -> int:
        """C (256 d + 9 d^2 + 256 d): 1x1 to C d channels, 3x3 in C groups, 1x1 back to 256."""
        wide = self.cardinality * self.width
        layers = (
            Convolution(256, wide, (1, 1), 1, 1, 1, False),
            Convolution(wide, wide, (3, 3), self.cardinality, 1, 1, False),
            Convolution(wide, 256, (1, 1), 1, 1, 1, False),
        )
        return sum(cost_of(layer).weights for layer in layers)


EQUAL_BUDGET = (
    EqualBudget(1, 64, 23.9, 22.0),
    EqualBudget(2, 40, 23.0, 21.7),
    EqualBudget(4, 24, 22.6, 21.4),
    EqualBudget(8, 14, 22.3, 21.3),
    EqualBudget(32, 4, 22.2, 21.2),
)

SHUFFLENET_ERRORS = {1: 33.6, 2: 32.7, 3: 32.6, 4: 32.8, 8: 32.4}
"""Top-1 error, percent, by the number of groups, at one budget of computation (1x)."""

SHUFFLE_ERRORS = {3: (34.5, 32.6), 8: (37.6, 32.4)}
"""Top-1 error, percent, without and with channel shuffle, by the number of groups (1x)."""

THROUGHPUT = {"resnet50": 5088, "resnext50": 4220, "seresnet50": 4276, "seresnext50": 3642}
"""Images a second on an RTX 4090, at about equal MACs, as timm publishes them, rounded:
results/benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv."""

ALEXNET_CONVOLUTIONS = {
    "conv1": Convolution(3, 96, (11, 11), 1, 55, 55, True),
    "conv2": Convolution(96, 256, (5, 5), 2, 27, 27, True),
    "conv3": Convolution(256, 384, (3, 3), 1, 13, 13, True),
    "conv4": Convolution(384, 384, (3, 3), 2, 13, 13, True),
    "conv5": Convolution(384, 256, (3, 3), 2, 13, 13, True),
}
_ALEXNET_LINEAR = ((256 * 6 * 6, 4096), (4096, 4096), (4096, 1000))


def alexnet_parameters(*, grouped: bool) -> int:
    """All parameters of AlexNet, with its two groups in conv2, conv4 and conv5, or with one."""
    layers = ALEXNET_CONVOLUTIONS.values()
    convolutions = sum(cost_of(layer if grouped else replace(layer, groups=1)).parameters for layer in layers)
    return convolutions + sum((inputs + 1) * outputs for inputs, outputs in _ALEXNET_LINEAR)
