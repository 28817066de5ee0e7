"""The published SE and CBAM code, and the project's own networks: modules of this project's in their names."""

from collections.abc import Callable, Iterator
from functools import partial

from torch import nn

from attention import networks
from attention.recognition import published, shapes
from attention.recognition.records import Candidate, Family, Shapes

NAMES = shapes.Names(block=lambda stage, block: f"layer{stage + 1}.{block}.")
LAYOUT = "the published code's layout"


def _sizes(found: Shapes) -> shapes.Residual:
    return shapes.read(found, NAMES)


def _se(found: Shapes) -> Iterator[Candidate]:
    sizes, reduction = _sizes(found), shapes.reduction(found, "layer1.0.se.fc.0.weight")

    def attention(channels: int) -> nn.Module:
        return published.SE(channels, channels // reduction)

    build = partial(published.ResNet, sizes, ("se", attention))
    yield Candidate(sizes.settings | {"reduction": reduction}, build)


def _cbam(found: Shapes) -> Iterator[Candidate]:
    sizes, reduction = _sizes(found), shapes.reduction(found, "layer1.0.cbam.ChannelGate.mlp.1.weight")
    kernel = found.get("layer1.0.cbam.SpatialGate.spatial.conv.weight", (None,))[-1]

    def attention(channels: int) -> nn.Module:
        return published.CBAM(channels, channels // reduction, kernel)

    settings = sizes.settings | {"reduction": reduction, "spatial kernel": kernel}
    yield Candidate(settings, partial(published.ResNet, sizes, ("cbam", attention)))


def _bam(found: Shapes) -> Iterator[Candidate]:
    sizes, reduction = _sizes(found), shapes.reduction(found, "bam1.channel_att.gate_c.gate_c_fc_0.weight")

    def between(channels: int) -> nn.Module:
        return published.BAM(channels, channels // reduction)

    build = partial(published.ResNet, sizes, ("none", nn.Identity), between)
    yield Candidate(sizes.settings | {"reduction": reduction}, build)


OWN_CLUES = {
    "plain": {},
    "se": {"layer1.0.attention.gate.mlp.0.weight": "squeeze-and-excitation"},
    "cbam": {"layer1.0.attention.spatial.gate.conv.weight": "CBAM's spatial attention"},
    "se-resnext": {
        "layer1.0.attention.gate.mlp.0.weight": "squeeze-and-excitation",
        "layer1.0.branch.6.weight": "the third convolution of a bottleneck",
    },
}


def _own(variant: str) -> Callable[[Shapes], Iterator[Candidate]]:
    def candidates(found: Shapes) -> Iterator[Candidate]:
        classes = found["head.2.weight"][0]
        blocks = (networks.BLOCKS_PER_STAGE,) * len(networks.WIDTHS)
        settings: dict[str, object] = {"stages": blocks, "widths": networks.WIDTHS, "classes": classes}
        settings |= {"groups": networks.CARDINALITY} if variant == "se-resnext" else {}
        settings |= {"reduction": networks.REDUCTION} if variant != "plain" else {}
        yield Candidate(settings, partial(networks.build, variant, classes))

    return candidates


OWN = {f"{networks.DESCRIPTIONS[variant][0]}, this project's layout": variant for variant in networks.VARIANTS}
"""This project's own families, each with the name of its network."""
FAMILIES = (
    *(
        Family(
            family,
            {"stem.0.weight": "the first of three convolutions"} | OWN_CLUES[variant],
            _own(variant),
        )
        for family, variant in OWN.items()
    ),
    Family(f"SE-ResNet, {LAYOUT}", {"layer1.0.se.fc.0.weight": "squeeze-and-excitation without biases"}, _se),
    Family(f"CBAM-ResNet, {LAYOUT}", {"layer1.0.cbam.ChannelGate.mlp.1.weight": "CBAM's shared MLP"}, _cbam),
    Family(
        f"BAM-ResNet, {LAYOUT}",
        {"bam1.channel_att.gate_c.gate_c_fc_0.weight": "BAM's channel branch, behind a stage"},
        _bam,
    ),
)
