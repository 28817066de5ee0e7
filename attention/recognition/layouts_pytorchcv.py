"""pytorchcv's layouts, built with pytorchcv. Its networks end in a fixed pooling: they take 224 pixels alone."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import nn

from attention.recognition import shapes
from attention.recognition.records import Candidate, Family, Shapes

CONV, STEM, HEAD = "conv{}.conv.weight", "features.init_block.conv.conv.weight", "output.weight"


def _names(inside: str = "") -> shapes.Names:
    def block(stage: int, unit: int) -> str:
        return f"features.stage{stage + 1}.unit{unit + 1}.{inside}body."

    return shapes.Names(block, CONV, STEM, HEAD)


def _residual(
    found: Shapes, *, network: str, options: dict[str, Any], squeeze: str = "", inside: str = ""
) -> Iterator[Candidate]:
    """An option of None is read off the shapes."""
    sizes = shapes.read(found, _names(inside))
    if ("cardinality" in options) != (sizes.groups > 1):
        return
    width = sizes.inner[0] // sizes.groups * 256 // sizes.outputs[0]
    known = {"bottleneck": sizes.bottleneck, "cardinality": sizes.groups, "bottleneck_width": width}
    arguments = {
        "channels": [[width] * blocks for width, blocks in zip(sizes.outputs, sizes.stages, strict=True)],
        "init_block_channels": sizes.stem,
        "num_classes": sizes.classes,
    }
    arguments |= {option: known.get(option, value) for option, value in options.items()}
    settings = sizes.settings | ({"reduction": shapes.reduction(found, squeeze)} if squeeze else {})
    settings |= _spatial_kernel(found)
    yield Candidate(settings, partial(_class(network), **arguments))


def _class(name: str) -> type[nn.Module]:
    from pytorchcv.models import bamresnet, cbamresnet, resnet, resnext, seresnet, seresnext

    modules = (bamresnet, cbamresnet, resnet, resnext, seresnet, seresnext)
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def _spatial_kernel(found: Shapes) -> dict[str, object]:
    shape = found.get("features.stage1.unit1.cbam.sp_gate.conv.conv.weight")
    return {"spatial kernel": shape[-1]} if shape else {}


def _family(name: str, clue: tuple[str, str], network: str, **reading: Any) -> Family:
    reading |= {} if clue == PLAIN else {"squeeze": clue[0]}
    return Family(name, dict([clue]), partial(_residual, network=network, **reading))


UNIT = "features.stage1.unit1."
PLAIN = f"{UNIT}body.conv1.conv.weight", "the first convolution of the first unit"
SE = f"{UNIT}se.conv1.weight", "squeeze-and-excitation"
CBAM = f"{UNIT}cbam.ch_gate.mlp.fc1.weight", "CBAM's channel attention"
BAM = "features.stage2.unit1.bam.ch_att.init_fc.fc.weight", "BAM's channel branch"
GROUPED = {"cardinality": None, "bottleneck_width": None}
FIRST = {"bottleneck": None, "conv1_stride": True}
SECOND = {"bottleneck": None, "conv1_stride": False}
FAMILIES = (
    _family("SE-ResNet, pytorchcv's layout", SE, "SEResNet", options=FIRST),
    _family("SE-ResNet, pytorchcv's layout, stride in the 3x3", SE, "SEResNet", options=SECOND),
    _family("SE-ResNeXt, pytorchcv's layout", SE, "SEResNeXt", options=GROUPED),
    _family("CBAM-ResNet, pytorchcv's layout", CBAM, "CbamResNet", options={"bottleneck": None}),
    _family(
        "BAM-ResNet, pytorchcv's layout",
        BAM,
        "BamResNet",
        options={"bottleneck": None},
        inside="res_unit.",
    ),
    _family("ResNet, pytorchcv's layout", PLAIN, "ResNet", options=FIRST),
    _family("ResNet, pytorchcv's layout, stride in the 3x3", PLAIN, "ResNet", options=SECOND),
    _family("ResNeXt, pytorchcv's layout", PLAIN, "ResNeXt", options=GROUPED),
)
