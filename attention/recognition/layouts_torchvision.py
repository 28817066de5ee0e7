"""torchvision's layouts, built with torchvision."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, takewhile
from typing import Any

from torch import nn

from attention.recognition import shapes
from attention.recognition.records import Candidate, Family, Shapes

NAMES = shapes.Names(block=lambda stage, block: f"layer{stage + 1}.{block}.")


def _resnet(found: Shapes, *, grouped: bool) -> Iterator[Candidate]:
    from torchvision.models import resnet

    sizes = shapes.read(found, NAMES)
    if grouped == (sizes.groups > 1):
        block = resnet.Bottleneck if sizes.bottleneck else resnet.BasicBlock
        width = sizes.inner[0] // sizes.groups if sizes.bottleneck else 64
        options = {"groups": sizes.groups, "width_per_group": width, "num_classes": sizes.classes}
        yield Candidate(sizes.settings, partial(resnet.ResNet, block, list(sizes.stages), **options))


def _mobilenet(found: Shapes) -> Iterator[Candidate]:
    from torchvision.models import mobilenet_v3_large, mobilenet_v3_small

    last = shapes.run(found, _mobile_block)
    classes = found["classifier.3.weight"][0]
    builders: dict[int, tuple[str, Callable[..., nn.Module], int]] = {
        16: ("large", mobilenet_v3_large, 960),
        12: ("small", mobilenet_v3_small, 576),
    }
    size, build, full = builders[last]
    for width in shapes.mobilenet_widths(found[f"features.{last}.0.weight"][0], full):
        settings = {"size": size, "width": width, "classes": classes}
        yield Candidate(settings, partial(build, width_mult=width, num_classes=classes))


def _mobile_block(number: int) -> str:
    return f"features.{number}.block.0.0.weight" if number else "features.0.0.weight"


def _efficientnet(found: Shapes) -> Iterator[Candidate]:
    from torchvision.models import efficientnet

    classes = found["classifier.1.weight"][0]
    repeats = shapes.run(found, "features.6.{}.block.0.0.weight".format)
    for name in shapes.efficientnets(found["features.0.0.weight"][0], found["features.8.0.weight"][0], repeats):
        build = getattr(efficientnet, f"efficientnet_{name}")
        yield Candidate({"size": name.upper(), "classes": classes}, partial(build, num_classes=classes))


def _regnet(found: Shapes) -> Iterator[Candidate]:
    from torchvision.models.regnet import BlockParams, RegNet

    depths = tuple(takewhile(bool, (shapes.run(found, partial(_regnet_block, stage)) for stage in count(1))))
    first = [_regnet_block(stage, 0).removesuffix("a.0.weight") for stage in range(1, len(depths) + 1)]
    widths = [found[f"{prefix}c.0.weight"][0] for prefix in first]
    inner = [found[f"{prefix}b.0.weight"] for prefix in first]
    squeeze = _regnet_block(len(depths), depths[-1] - 1).replace("a.0.", "se.fc1.")
    hidden = found[squeeze][0] if squeeze in found else None
    classes, stem = found["fc.weight"][0], found["stem.0.weight"][0]
    params: dict[str, Any] = {
        "group_widths": [shape[1] for shape in inner],
        "bottleneck_multipliers": [shape[0] / width for shape, width in zip(inner, widths, strict=True)],
        "se_ratio": hidden and hidden / widths[-1],
    }
    settings: dict[str, object] = {"stages": depths, "widths": tuple(widths)}
    settings |= {"group widths": tuple(shape[1] for shape in inner)}
    settings |= {"reduction": widths[-1] // hidden} if hidden else {}

    def build() -> nn.Module:
        block_params = BlockParams(list(depths), widths, strides=[2] * len(depths), **params)
        return RegNet(block_params, num_classes=classes, stem_width=stem)

    yield Candidate(settings | {"classes": classes}, build)


def _regnet_block(stage: int, block: int) -> str:
    return f"trunk_output.block{stage}.block{stage}-{block}.f.a.0.weight"


STEM = {"layer1.0.conv1.weight": "a convolution of the first block", "fc.weight": "the classifier"}
FAMILIES = (
    Family("ResNet, torchvision's layout", STEM, partial(_resnet, grouped=False)),
    Family("ResNeXt, torchvision's layout", STEM, partial(_resnet, grouped=True)),
    Family(
        "MobileNetV3, torchvision's layout",
        {"features.0.0.weight": "the first convolution", "classifier.3.weight": "the classifier's second layer"},
        _mobilenet,
    ),
    Family(
        "EfficientNet, torchvision's layout",
        {"features.1.0.block.1.fc1.weight": "squeeze-and-excitation", "classifier.1.weight": "the classifier"},
        _efficientnet,
    ),
    Family(
        "RegNet, torchvision's layout",
        {"trunk_output.block1.block1-0.f.a.0.weight": "the first convolution of the first block"},
        _regnet,
    ),
)
