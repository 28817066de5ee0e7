"""The gates of a network by another way than `trace`: forward hooks on classes that are known to apply some.

A class stands in the table because its code was read: which products of a feature map and a gate one call computes,
over which axes the gate varies, and in whose `forward` the product stands.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from torch import Tensor, nn

Kinds = tuple[str, ...]


class Known(NamedTuple):
    """What one call of a class applies."""

    type: str
    kinds: Kinds | Callable[[Any], Kinds]
    """One for each gate, or a function from the module to them where they depend on how it was built."""
    why: str = ""
    """For a class that is no attention block by its name: why it is one."""


class Expected(NamedTuple):
    """A gate that the reference expects: the path of the module that applies it."""

    owner: str
    type: str
    kind: str


_STRIPS = ("channel-height", "channel-width")


def _extent(module: Any) -> Kinds:
    return ("channel",) if module.extent == 0 else ("full",)


def _scaling(module: Any) -> Kinds:
    """A global context block may add its context instead of multiplying by it."""
    return ("channel",) if module.mlp_scale is not None else ()


def _levels(module: Any) -> Kinds:
    return ("spatial",) * module.focal_level


def _shortcut(module: Any) -> Kinds:
    return ("full",) if module.mode == "shortcut" else ()


def _air(module: Any) -> Kinds:
    return ("full",) if module.use_air_block else ()


CLASSES = {
    "timm.layers.squeeze_excite.SEModule": Known("SE", ("channel",)),
    "timm.models._efficientnet_blocks.SqueezeExcite": Known("SE", ("channel",)),
    "timm.models.senet.SEModule": Known("SE", ("channel",)),
    "timm.layers.squeeze_excite.EffectiveSEModule": Known("effective SE", ("channel",)),
    "timm.models.hgnet.EseModule": Known("effective SE", ("channel",)),
    "timm.layers.eca.EcaModule": Known("ECA", ("channel",)),
    "timm.layers.eca.CecaModule": Known("ECA", ("channel",)),
    "timm.layers.gather_excite.GatherExcite": Known("gather-excite", _extent),
    "timm.layers.global_context.GlobalContext": Known("global context", _scaling),
    "timm.layers.cbam.ChannelAttn": Known("CBAM", ("channel",)),
    "timm.layers.cbam.LightChannelAttn": Known("CBAM", ("channel",)),
    "timm.layers.cbam.SpatialAttn": Known("CBAM", ("spatial",)),
    "timm.layers.cbam.LightSpatialAttn": Known("CBAM", ("spatial",)),
    "timm.layers.selective_kernel.SelectiveKernel": Known("selective kernel", ("channel",)),
    "timm.layers.split_attn.SplitAttn": Known("split attention", ("channel",)),
    "timm.layers.coord_attn.CoordAttn": Known("coordinate", _STRIPS),
    "timm.layers.coord_attn.EfficientLocalAttn": Known("coordinate", _STRIPS),
    "timm.layers.coord_attn.SimpleCoordAttn": Known("coordinate", ("full",)),
    "timm.layers.coord_attn.StripAttn": Known("coordinate", ("full",)),
    "timm.models.focalnet.FocalModulation": Known(
        "focal modulation", _levels, "each level's context is multiplied by a learned map of its own, without a sigmoid"
    ),
    "timm.models.ghostnet.GhostModuleV2": Known(
        "decoupled attention", ("full",), "a sigmoid of strip convolutions over the pooled input multiplies the output"
    ),
    "timm.models.ghostnet.GhostModuleV3": Known("decoupled attention", _shortcut, "as GhostModuleV2, in its last form"),
    "timm.models.iformer.SHMA": Known(
        "modulated attention", ("full",), "self-attention's output is multiplied by a sigmoid of the input"
    ),
    "timm.models.mobilevit.LinearSelfAttention": Known(
        "separable attention", ("spatial",), "the keys are multiplied by one softmax over the places"
    ),
    "timm.models.csatv2.Block": Known(
        "spatial map", ("spatial",), "a map from the pooled channels multiplies the features, without a sigmoid"
    ),
    "torchvision.ops.misc.SqueezeExcitation": Known("SE", ("channel",)),
    "torchvision.models.segmentation.lraspp.LRASPPHead": Known(
        "SE", ("channel",), "one branch is pooled, convolved and squashed, and multiplies the other"
    ),
    "pytorchcv.models.common.att.SEBlock": Known("SE", ("channel",)),
    "pytorchcv.models.sinet.SEBlock": Known("SE", ("channel",), "one with a PReLU where others have a sigmoid"),
    "pytorchcv.models.fishnet.SkipAttUnit": Known("SE", ("channel",), "its PreSEAttBlock returns the gate"),
    "pytorchcv.models.dicenet.DiceBlock": Known("SE", ("channel",), "its DiceAttBlock returns the gate"),
    "pytorchcv.models.bisenet.AttentionRefinementBlock": Known("SE", ("channel",), "pooled, convolved and squashed"),
    "pytorchcv.models.bisenet.FeatureFusion": Known("SE", ("channel",), "SE with its input added"),
    "pytorchcv.models.diaresnet.DIAAttention": Known("SE", ("channel",), "an LSTM over the blocks makes the gate"),
    "pytorchcv.models.common.att.SABlock": Known("split attention", ("channel",)),
    "pytorchcv.models.sknet.SKConvBlock": Known("selective kernel", ("channel",)),
    "pytorchcv.models.cbamresnet.ChannelGate": Known("CBAM", ("channel",)),
    "pytorchcv.models.cbamresnet.SpatialGate": Known("CBAM", ("spatial",)),
    "pytorchcv.models.bamresnet.BamBlock": Known("BAM", ("full",)),
    "pytorchcv.models.fpenet.MEUBlock": Known(
        "mutual embedding", ("spatial", "channel"), "each of two maps is multiplied by a gate of the other"
    ),
    "pytorchcv.models.menet.MEUnit": Known(
        "merging and evolution", ("full",), "a narrow branch's sigmoid multiplies the features"
    ),
    "pytorchcv.models.resattnet.AttBlock": Known("residual attention", ("full",)),
    "pytorchcv.models.scnet.ScConv": Known(
        "self-calibration", ("full",), "a sigmoid of the pooled input multiplies the convolved one"
    ),
    "pytorchcv.models.airnet.AirBottleneck": Known("air block", _air, "its AirBlock returns a sigmoid"),
    "pytorchcv.models.airnext.AirNeXtBottleneck": Known("air block", _air, "its AirBlock returns a sigmoid"),
    "pytorchcv.models.lednet.APN": Known(
        "attention pyramid", ("spatial",), "a map from an hourglass multiplies the features, without a sigmoid"
    ),
    "pytorchcv.models.sinet.SBDecodeBlock": Known(
        "information blocking", ("spatial",), "one minus the confidence of each place multiplies the finer features"
    ),
}

NAMED = frozenset(known.type for known in CLASSES.values() if not known.why)
"""The types of attention blocks that are called so. Of the others, many were found by `trace` first; each stands in
the table because its code multiplies features by what it computes from them, with the reason."""


def expected(module: nn.Module, batch: Tensor) -> tuple[list[Expected], Any]:
    """The gates that one pass applies, by class, in the order in which their modules return; and its output."""
    found: list[Expected] = []
    with ExitStack() as hooks:
        for name, part in module.named_modules():
            if gates := _applied(name, part):
                hook = part.register_forward_hook(lambda _m, _i, _o, gates=gates: found.extend(gates))
                hooks.enter_context(hook)
        return found, module(batch)


def _applied(name: str, part: nn.Module) -> list[Expected]:
    known = CLASSES.get(f"{type(part).__module__}.{type(part).__qualname__}")
    if known is None:
        return []
    kinds = known.kinds(part) if callable(known.kinds) else known.kinds
    return [Expected(name, known.type, kind) for kind in kinds]
