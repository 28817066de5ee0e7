"""timm's layouts, built with timm."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from attention.recognition import shapes
from attention.recognition.records import Candidate, Family, Shapes

NAMES = shapes.Names(block=lambda stage, block: f"layer{stage + 1}.{block}.")
DEEP = shapes.Names(block=NAMES.block, stem="conv1.6.weight")
LEGACY = shapes.Names(block=NAMES.block, stem="layer0.conv1.weight", head="last_linear.weight")
LEGACY_DEEP = shapes.Names(block=NAMES.block, stem="layer0.conv3.weight", head="last_linear.weight")


def _resnet(found: Shapes, *, grouped: bool, attention: str = "") -> Iterator[Candidate]:
    from timm.models import resnet

    sizes = shapes.read(found, DEEP if DEEP.stem in found else NAMES)
    if grouped != (sizes.groups > 1):
        return
    expansion = 4 if sizes.bottleneck else 1
    planes = tuple(width // expansion for width in sizes.outputs)
    options = _stem(found) | _shortcut(found) | {"channels": planes, "num_classes": sizes.classes}
    if sizes.bottleneck:
        options |= {"cardinality": sizes.groups, "base_width": 64 * sizes.inner[0] // (planes[0] * sizes.groups)}
    block: Any = resnet.Bottleneck if sizes.bottleneck else resnet.BasicBlock
    for settings, layer in _attention(found, sizes, attention):
        more: dict[str, Any] = {"block_args": {"attn_layer": layer}} if layer else {}
        yield Candidate(sizes.settings | settings, partial(resnet.ResNet, block, sizes.stages, **options, **more))


def _stem(found: Shapes) -> dict[str, Any]:
    """One convolution of 7x7, or three of 3x3: as wide as one another, or growing."""
    if "conv1.6.weight" not in found:
        return {}
    first, second = found["conv1.0.weight"][0], found["conv1.3.weight"][0]
    return {"stem_width": second, "stem_type": "deep" if first == second else "deep_tiered"}


def _shortcut(found: Shapes) -> dict[str, Any]:
    """A pooling before the shortcut's convolution moves that one place on."""
    averaged = "layer2.0.downsample.1.weight" in found and len(found["layer2.0.downsample.1.weight"]) == 4
    return {"avg_down": True} if averaged else {}


def _attention(found: Shapes, sizes: shapes.Residual, kind: str) -> Iterator[tuple[dict[str, object], Any]]:
    """Settings and layer of the blocks' attention, with both of timm's ways of rounding a hidden width."""
    from timm.layers import SEModule
    from timm.layers.cbam import CbamModule

    if kind in ("", "eca"):
        yield {}, kind
        return
    last = NAMES.block(len(sizes.stages) - 1, 0)
    squeeze = last + ("se.fc1.weight" if kind == "se" else "se.channel.fc1.weight")
    hidden, channels = shapes.ratio(found, squeeze)
    settings: dict[str, object] = {"reduction": channels // hidden}
    layer: Any = SEModule
    if kind == "cbam":
        kernel = found[last + "se.spatial.conv.conv.weight"][-1]
        settings["spatial kernel"] = kernel
        bias = squeeze.replace("weight", "bias") in found
        layer = partial(CbamModule, spatial_kernel_size=kernel, mlp_bias=bias)
    for divisor in (8, 1):
        yield settings, partial(layer, rd_ratio=hidden / channels, rd_divisor=divisor)


def _legacy(found: Shapes, *, grouped: bool) -> Iterator[Candidate]:
    from timm.models import senet

    deep = LEGACY_DEEP.stem in found
    sizes = shapes.read(found, LEGACY_DEEP if deep else LEGACY)
    if grouped != (sizes.groups > 1):
        return
    reduction = shapes.reduction(found, "layer1.0.se_module.fc1.weight")
    kernel = found["layer2.0.downsample.0.weight"][-1]
    options: dict[str, Any] = {
        "groups": sizes.groups,
        "reduction": reduction,
        "inplanes": sizes.stem,
        "input_3x3": deep,
    }
    options |= {"downsample_kernel_size": kernel, "downsample_padding": kernel // 2, "num_classes": sizes.classes}
    blocks = [senet.SEResNeXtBottleneck, senet.SEBottleneck] if grouped else [senet.SEResNetBottleneck]
    for block in blocks if sizes.bottleneck else [senet.SEResNetBlock]:
        settings = sizes.settings | {"reduction": reduction}
        yield Candidate(settings, partial(senet.SENet, block, sizes.stages, **options))


def _mobilenet(found: Shapes, *, prefix: str) -> Iterator[Candidate]:
    import timm

    size, full = ("large", 960) if "blocks.6.0.conv.weight" in found else ("small", 576)
    classes = found["classifier.weight"][0]
    for width in shapes.mobilenet_widths(found["conv_head.weight"][1], full):
        name = f"{prefix}mobilenetv3_{size}_{round(100 * width):03d}"
        if timm.is_model(name):
            settings = {"size": size, "width": width, "classes": classes}
            yield Candidate(settings, partial(timm.create_model, name, num_classes=classes))


def _efficientnet(found: Shapes, *, prefix: str) -> Iterator[Candidate]:
    import timm

    classes = found["classifier.weight"][0]
    repeats = shapes.run(found, "blocks.5.{}.conv_pw.weight".format)
    for name in shapes.efficientnets(found["conv_stem.weight"][0], found["conv_head.weight"][0], repeats):
        build = partial(timm.create_model, f"{prefix}efficientnet_{name}", num_classes=classes)
        yield Candidate({"size": name.upper(), "classes": classes}, build)


def _regnet(found: Shapes) -> Iterator[Candidate]:
    import timm
    from timm.models.regnet import model_cfgs

    depths = tuple(shapes.run(found, partial(_regnet_block, stage)) for stage in range(1, 5))
    classes = found["head.fc.weight"][0]
    squeezes = "s1.b1.se.fc1.weight" in found
    for name, config in model_cfgs.items():
        if (config.depth, config.se_ratio > 0) == (sum(depths), squeezes) and timm.is_model(name):
            build = partial(timm.create_model, name, num_classes=classes)
            yield Candidate({"size": name, "stages": depths, "classes": classes}, build)


def _regnet_block(stage: int, block: int) -> str:
    return f"s{stage}.b{block + 1}.conv1.conv.weight"


STEM = {"layer1.0.conv1.weight": "a convolution of the first block", "fc.weight": "the classifier"}
SE = {"layer1.0.se.fc1.weight": "squeeze-and-excitation"}
SE_MODULE = {"layer1.0.se_module.fc1.weight": "squeeze-and-excitation"}
MOBILE = {"conv_stem.weight": "the first convolution", "conv_head.bias": "a last convolution with biases"}
EFFICIENT = {"conv_stem.weight": "the first convolution", "bn2.weight": "a normalised last convolution"}

FAMILIES = (
    Family("SE-ResNet, timm's layout", SE, partial(_resnet, grouped=False, attention="se")),
    Family("SE-ResNeXt, timm's layout", SE, partial(_resnet, grouped=True, attention="se")),
    Family("SE-ResNet, timm's legacy layout", SE_MODULE, partial(_legacy, grouped=False)),
    Family("SE-ResNeXt, timm's legacy layout", SE_MODULE, partial(_legacy, grouped=True)),
    Family(
        "ECA-ResNet, timm's layout",
        {"layer1.0.se.conv.weight": "efficient channel attention"},
        partial(_resnet, grouped=False, attention="eca"),
    ),
    Family(
        "CBAM-ResNet, timm's layout",
        {
            "layer1.0.se.channel.fc1.weight": "CBAM's channel attention",
            "layer1.0.se.spatial.conv.conv.weight": "CBAM's spatial attention",
        },
        partial(_resnet, grouped=False, attention="cbam"),
    ),
    Family("ResNet, timm's layout", STEM, partial(_resnet, grouped=False)),
    Family("ResNeXt, timm's layout", STEM, partial(_resnet, grouped=True)),
    Family("MobileNetV3, timm's layout", MOBILE, partial(_mobilenet, prefix="")),
    Family("MobileNetV3, timm's layout, TensorFlow's padding", MOBILE, partial(_mobilenet, prefix="tf_")),
    Family("EfficientNet, timm's layout", EFFICIENT, partial(_efficientnet, prefix="")),
    Family("EfficientNet, timm's layout, TensorFlow's padding", EFFICIENT, partial(_efficientnet, prefix="tf_")),
    Family(
        "RegNet, timm's layout",
        {"s1.b1.conv1.conv.weight": "the first convolution of the first block", "head.fc.weight": "the classifier"},
        _regnet,
    ),
)
