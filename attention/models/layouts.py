"""The layouts of torchvision, timm and pytorchcv, each built with its library.

pytorchcv's networks end in a fixed pooling: they take 224 pixels alone.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, takewhile
from typing import Any

from torch import nn

from attention.models import families
from attention.models.families import Candidate, Family, Shapes


def _torchvision_resnet(shapes: Shapes, *, grouped: bool) -> Iterator[Candidate]:
    from torchvision.models import resnet

    sizes = families.read_residual(shapes)
    if grouped == (sizes.groups > 1):
        block = resnet.Bottleneck if sizes.bottleneck else resnet.BasicBlock
        width = sizes.inner[0] // sizes.groups if sizes.bottleneck else 64
        options = {"groups": sizes.groups, "width_per_group": width, "num_classes": sizes.classes}
        yield Candidate(sizes.settings, partial(resnet.ResNet, block, list(sizes.stages), **options))


def _torchvision_mobilenet(shapes: Shapes) -> Iterator[Candidate]:
    from torchvision.models import mobilenet_v3_large, mobilenet_v3_small

    last = families.count_run(shapes, lambda number: f"features.{number}{'.block.0' if number else ''}.0.weight")
    classes = shapes["classifier.3.weight"][0]
    builders: dict[int, tuple[str, Callable[..., nn.Module], int]] = {
        16: ("large", mobilenet_v3_large, 960),
        12: ("small", mobilenet_v3_small, 576),
    }
    size, build, full = builders[last]
    for width in families.mobilenet_widths(shapes[f"features.{last}.0.weight"][0], full):
        settings = {"size": size, "width": width, "classes": classes}
        yield Candidate(settings, partial(build, width_mult=width, num_classes=classes))


def _torchvision_efficientnet(shapes: Shapes) -> Iterator[Candidate]:
    from torchvision.models import efficientnet

    classes = shapes["classifier.1.weight"][0]
    repeats = families.count_run(shapes, "features.6.{}.block.0.0.weight".format)
    for name in families.efficientnets(shapes["features.0.0.weight"][0], shapes["features.8.0.weight"][0], repeats):
        build = getattr(efficientnet, f"efficientnet_{name}")
        yield Candidate({"size": name.upper(), "classes": classes}, partial(build, num_classes=classes))


def _torchvision_regnet(shapes: Shapes) -> Iterator[Candidate]:
    from torchvision.models.regnet import BlockParams, RegNet

    depths = tuple(
        takewhile(bool, (families.count_run(shapes, partial(_torchvision_regnet_block, stage)) for stage in count(1)))
    )
    first = [_torchvision_regnet_block(stage, 0).removesuffix("a.0.weight") for stage in range(1, len(depths) + 1)]
    widths = [shapes[f"{prefix}c.0.weight"][0] for prefix in first]
    inner = [shapes[f"{prefix}b.0.weight"] for prefix in first]
    squeeze = _torchvision_regnet_block(len(depths), depths[-1] - 1).replace("a.0.", "se.fc1.")
    hidden = shapes[squeeze][0] if squeeze in shapes else None
    classes, stem = shapes["fc.weight"][0], shapes["stem.0.weight"][0]
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


def _torchvision_regnet_block(stage: int, block: int) -> str:
    return f"trunk_output.block{stage}.block{stage}-{block}.f.a.0.weight"


RESNET_CLUES = {"layer1.0.conv1.weight": "a convolution of the first block", "fc.weight": "the classifier"}
TORCHVISION_RESIDUAL = (
    Family("ResNet, torchvision's layout", RESNET_CLUES, partial(_torchvision_resnet, grouped=False)),
    Family("ResNeXt, torchvision's layout", RESNET_CLUES, partial(_torchvision_resnet, grouped=True)),
)
TORCHVISION = (
    *TORCHVISION_RESIDUAL,
    Family(
        "MobileNetV3, torchvision's layout",
        {"features.0.0.weight": "the first convolution", "classifier.3.weight": "the classifier's second layer"},
        _torchvision_mobilenet,
    ),
    Family(
        "EfficientNet, torchvision's layout",
        {"features.1.0.block.1.fc1.weight": "squeeze-and-excitation", "classifier.1.weight": "the classifier"},
        _torchvision_efficientnet,
    ),
    Family(
        "RegNet, torchvision's layout",
        {"trunk_output.block1.block1-0.f.a.0.weight": "the first convolution of the first block"},
        _torchvision_regnet,
    ),
)

DEEP = families.Names(block=families.BLOCKS.block, stem="conv1.6.weight")
LEGACY = families.Names(block=families.BLOCKS.block, stem="layer0.conv1.weight", head="last_linear.weight")
LEGACY_DEEP = families.Names(block=families.BLOCKS.block, stem="layer0.conv3.weight", head="last_linear.weight")


def _timm_resnet(shapes: Shapes, *, grouped: bool, attention: str = "", smooth: str = "") -> Iterator[Candidate]:
    from timm.layers import BlurPool2d
    from timm.models import resnet

    sizes = families.read_residual(shapes, DEEP if DEEP.stem in shapes else families.BLOCKS)
    if grouped != (sizes.groups > 1):
        return
    expansion = 4 if sizes.bottleneck else 1
    planes = tuple(width // expansion for width in sizes.outputs)
    # A pooling before the shortcut's convolution moves that one place on.
    averaged = len(shapes.get("layer2.0.downsample.1.weight", ())) == 4
    options = _timm_stem(shapes) | {"avg_down": averaged, "channels": planes, "num_classes": sizes.classes}
    if sizes.bottleneck:
        options |= {"cardinality": sizes.groups, "base_width": 64 * sizes.inner[0] // (planes[0] * sizes.groups)}
    if smooth:  # these layers have no weights
        options["aa_layer"] = nn.AvgPool2d if smooth == "averages" else BlurPool2d
    block: Any = resnet.Bottleneck if sizes.bottleneck else resnet.BasicBlock
    for settings, layer in _timm_attention(shapes, sizes, attention):
        more: dict[str, Any] = {"block_args": {"attn_layer": layer}} if layer else {}
        yield Candidate(sizes.settings | settings, partial(resnet.ResNet, block, sizes.stages, **options, **more))


def _timm_stem(shapes: Shapes) -> dict[str, Any]:
    """One convolution of 7x7, or three of 3x3: as wide as one another, or growing."""
    if "conv1.6.weight" not in shapes:
        return {}
    first, second = shapes["conv1.0.weight"][0], shapes["conv1.3.weight"][0]
    return {"stem_width": second, "stem_type": "deep" if first == second else "deep_tiered"}


def _timm_attention(shapes: Shapes, sizes: families.Residual, kind: str) -> Iterator[tuple[dict[str, object], Any]]:
    """Settings and layer of the blocks' attention, with both of timm's ways of rounding a hidden width."""
    from timm.layers import SEModule
    from timm.layers.cbam import CbamModule

    if kind in ("", "eca"):
        yield {}, kind
        return
    last = families.BLOCKS.block(len(sizes.stages) - 1, 0)
    squeeze = last + ("se.fc1.weight" if kind == "se" else "se.channel.fc1.weight")
    hidden, channels = families.squeeze_widths(shapes, squeeze)
    settings: dict[str, object] = {"reduction": channels // hidden}
    layer: Any = SEModule
    if kind == "cbam":
        kernel = shapes[last + "se.spatial.conv.conv.weight"][-1]
        settings["spatial kernel"] = kernel
        bias = squeeze.replace("weight", "bias") in shapes
        layer = partial(CbamModule, spatial_kernel_size=kernel, mlp_bias=bias)
    for divisor in (8, 1):
        yield settings, partial(layer, rd_ratio=hidden / channels, rd_divisor=divisor)


def _timm_legacy(shapes: Shapes, *, grouped: bool) -> Iterator[Candidate]:
    from timm.models import senet

    deep = LEGACY_DEEP.stem in shapes
    sizes = families.read_residual(shapes, LEGACY_DEEP if deep else LEGACY)
    if grouped != (sizes.groups > 1):
        return
    reduction = families.reduction(shapes, "layer1.0.se_module.fc1.weight")
    kernel = shapes["layer2.0.downsample.0.weight"][-1]
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


def _timm_mobilenet(shapes: Shapes, *, prefix: str) -> Iterator[Candidate]:
    import timm

    size, full = ("large", 960) if "blocks.6.0.conv.weight" in shapes else ("small", 576)
    classes = shapes["classifier.weight"][0]
    for width in families.mobilenet_widths(shapes["conv_head.weight"][1], full):
        name = f"{prefix}mobilenetv3_{size}_{round(100 * width):03d}"
        if timm.is_model(name):
            settings = {"size": size, "width": width, "classes": classes}
            yield Candidate(settings, partial(timm.create_model, name, num_classes=classes))


def _timm_efficientnet(shapes: Shapes, *, prefix: str) -> Iterator[Candidate]:
    import timm

    classes = shapes["classifier.weight"][0]
    repeats = families.count_run(shapes, "blocks.5.{}.conv_pw.weight".format)
    for name in families.efficientnets(shapes["conv_stem.weight"][0], shapes["conv_head.weight"][0], repeats):
        build = partial(timm.create_model, f"{prefix}efficientnet_{name}", num_classes=classes)
        yield Candidate({"size": name.upper(), "classes": classes}, build)


def _timm_regnet(shapes: Shapes) -> Iterator[Candidate]:
    import timm
    from timm.models.regnet import model_cfgs

    depths = tuple(families.count_run(shapes, partial(_timm_regnet_block, stage)) for stage in range(1, 5))
    classes = shapes["head.fc.weight"][0]
    squeezes = "s1.b1.se.fc1.weight" in shapes
    for name, config in model_cfgs.items():
        if (config.depth, config.se_ratio > 0) == (sum(depths), squeezes) and timm.is_model(name):
            build = partial(timm.create_model, name, num_classes=classes)
            yield Candidate({"size": name, "stages": depths, "classes": classes}, build)


def _timm_regnet_block(stage: int, block: int) -> str:
    return f"s{stage}.b{block + 1}.conv1.conv.weight"


TIMM_SE = {"layer1.0.se.fc1.weight": "squeeze-and-excitation"}
SE_MODULE = {"layer1.0.se_module.fc1.weight": "squeeze-and-excitation"}
MOBILE = {"conv_stem.weight": "the first convolution", "conv_head.bias": "a last convolution with biases"}
EFFICIENT = {"conv_stem.weight": "the first convolution", "bn2.weight": "a normalised last convolution"}

TIMM_ECA = {"layer1.0.se.conv.weight": "efficient channel attention"}
TIMM_CBAM = {
    "layer1.0.se.channel.fc1.weight": "CBAM's channel attention",
    "layer1.0.se.spatial.conv.conv.weight": "CBAM's spatial attention",
}


def _timm_residual(
    name: str, clues: dict[str, str], *, grouped: bool = False, attention: str = ""
) -> tuple[Family, ...]:
    """A family and its anti-aliased kin, which share its keys: what they do instead of a stride has no weights."""
    return tuple(
        Family(
            f"{name}, timm's layout{words}",
            clues,
            partial(_timm_resnet, grouped=grouped, attention=attention, smooth=smooth),
        )
        for smooth, words in (
            ("", ""),
            ("averages", ", anti-aliased by averages"),
            ("blurring", ", anti-aliased by blurring"),
        )
    )


TIMM = (
    *_timm_residual("SE-ResNet", TIMM_SE, attention="se"),
    *_timm_residual("SE-ResNeXt", TIMM_SE, grouped=True, attention="se"),
    Family("SE-ResNet, timm's legacy layout", SE_MODULE, partial(_timm_legacy, grouped=False)),
    Family("SE-ResNeXt, timm's legacy layout", SE_MODULE, partial(_timm_legacy, grouped=True)),
    *_timm_residual("ECA-ResNet", TIMM_ECA, attention="eca"),
    *_timm_residual("CBAM-ResNet", TIMM_CBAM, attention="cbam"),
    *_timm_residual("ResNet", RESNET_CLUES),
    *_timm_residual("ResNeXt", RESNET_CLUES, grouped=True),
    Family("MobileNetV3, timm's layout", MOBILE, partial(_timm_mobilenet, prefix="")),
    Family("MobileNetV3, timm's layout, TensorFlow's padding", MOBILE, partial(_timm_mobilenet, prefix="tf_")),
    Family("EfficientNet, timm's layout", EFFICIENT, partial(_timm_efficientnet, prefix="")),
    Family("EfficientNet, timm's layout, TensorFlow's padding", EFFICIENT, partial(_timm_efficientnet, prefix="tf_")),
    Family(
        "RegNet, timm's layout",
        {"s1.b1.conv1.conv.weight": "the first convolution of the first block", "head.fc.weight": "the classifier"},
        _timm_regnet,
    ),
)


def _pytorchcv_names(inside: str = "") -> families.Names:
    def block(stage: int, unit: int) -> str:
        return f"features.stage{stage + 1}.unit{unit + 1}.{inside}body."

    return families.Names(block, "conv{}.conv.weight", "features.init_block.conv.conv.weight", "output.weight")


def _pytorchcv_residual(
    shapes: Shapes, *, network: str, options: dict[str, Any], squeeze: str = "", inside: str = ""
) -> Iterator[Candidate]:
    """An option of None is read off the shapes."""
    sizes = families.read_residual(shapes, _pytorchcv_names(inside))
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
    settings = sizes.settings | ({"reduction": families.reduction(shapes, squeeze)} if squeeze else {})
    if convolution := shapes.get(f"{UNIT}cbam.sp_gate.conv.conv.weight"):
        settings |= {"spatial kernel": convolution[-1]}
    yield Candidate(settings, partial(_pytorchcv_class(network), **arguments))


def _pytorchcv_class(name: str) -> type[nn.Module]:
    from pytorchcv.models import bamresnet, cbamresnet, resnet, resnext, seresnet, seresnext

    modules = (bamresnet, cbamresnet, resnet, resnext, seresnet, seresnext)
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def _pytorchcv_family(name: str, clue: tuple[str, str], network: str, **reading: Any) -> Family:
    reading |= {} if clue == PLAIN else {"squeeze": clue[0]}
    return Family(name, dict([clue]), partial(_pytorchcv_residual, network=network, **reading))


UNIT = "features.stage1.unit1."
PLAIN = f"{UNIT}body.conv1.conv.weight", "the first convolution of the first unit"
SE = f"{UNIT}se.conv1.weight", "squeeze-and-excitation"
CBAM = f"{UNIT}cbam.ch_gate.mlp.fc1.weight", "CBAM's channel attention"
BAM = "features.stage2.unit1.bam.ch_att.init_fc.fc.weight", "BAM's channel branch"
GROUPED = {"cardinality": None, "bottleneck_width": None}
STRIDE_FIRST = {"bottleneck": None, "conv1_stride": True}
STRIDE_SECOND = {"bottleneck": None, "conv1_stride": False}
PYTORCHCV = (
    _pytorchcv_family("SE-ResNet, pytorchcv's layout", SE, "SEResNet", options=STRIDE_FIRST),
    _pytorchcv_family("SE-ResNet, pytorchcv's layout, stride in the 3x3", SE, "SEResNet", options=STRIDE_SECOND),
    _pytorchcv_family("SE-ResNeXt, pytorchcv's layout", SE, "SEResNeXt", options=GROUPED),
    _pytorchcv_family("CBAM-ResNet, pytorchcv's layout", CBAM, "CbamResNet", options={"bottleneck": None}),
    _pytorchcv_family(
        "BAM-ResNet, pytorchcv's layout", BAM, "BamResNet", options={"bottleneck": None}, inside="res_unit."
    ),
    _pytorchcv_family("ResNet, pytorchcv's layout", PLAIN, "ResNet", options=STRIDE_FIRST),
    _pytorchcv_family("ResNet, pytorchcv's layout, stride in the 3x3", PLAIN, "ResNet", options=STRIDE_SECOND),
    _pytorchcv_family("ResNeXt, pytorchcv's layout", PLAIN, "ResNeXt", options=GROUPED),
)
