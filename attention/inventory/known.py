"""The attention blocks that are known by their class names: those of the zoos, of published codes, and our own."""

FORMS: dict[str, dict[str, tuple[str, ...]]] = {
    "attention": {
        "SE": ("SE", "SqueezeExcite"),
        "CBAM": ("CBAM", "MobileCBAM", "PooledTwice", "ChannelAttention", "SpatialAttention"),
    },
    "torchvision": {"SE": ("SqueezeExcitation",)},
    "timm": {
        "SE": ("SEModule", "SqueezeExcite", "SqueezeExciteCl"),
        "effective SE": ("EffectiveSEModule", "EseModule", "BlockESE"),
        "ECA": ("EcaModule", "CecaModule"),
        "CBAM": ("CbamModule", "ChannelAttn", "SpatialAttn"),
        "light CBAM": ("LightCbamModule", "LightChannelAttn", "LightSpatialAttn"),
        "gather-excite": ("GatherExcite",),
        "global context": ("GlobalContext",),
        "coordinate attention": ("CoordAttn", "SimpleCoordAttn"),
        "local attention": ("EfficientLocalAttn",),
        "strip attention": ("StripAttn",),
        "selective kernel": ("SelectiveKernel",),
        "split attention": ("SplitAttn",),
    },
    "pytorchcv": {
        "SE": ("SEBlock", "PreSEAttBlock"),
        "CBAM": ("CbamBlock",),
        "BAM": ("BamBlock",),
        "selective kernel": ("SKConvBlock",),
        "split attention": ("SABlock",),
        "DIA": ("DIAAttention",),
        "attention refinement": ("AttentionRefinementBlock",),
        "DiCE": ("DiceAttBlock",),
    },
    "published code": {
        "SE": ("SELayer", "SEModule", "SEBlock", "SE", "SqueezeExcitation", "SqueezeExcite"),
        "ECA": ("eca_layer", "ECALayer", "ECA"),
        "CBAM": ("CBAM", "ChannelGate", "SpatialGate", "ChannelAttention", "SpatialAttention"),
        "BAM": ("BAM",),
        "coordinate attention": ("CoordAtt", "CoordAttention"),
        "selective kernel": ("SKConv", "SKAttention"),
        "split attention": ("SplAtConv2d",),
        "triplet attention": ("TripletAttention",),
        "global context": ("ContextBlock",),
    },
}
"""Class names by form, by the package that defines them; code of any other package is looked up as published code.

A block that stands inside another known one is part of it: CBAM's two gates are counted as one CBAM.
"""

FEATURES: dict[str, tuple[str, ...]] = {
    "SelectiveKernel": ("paths",),
    "SKConvBlock": ("branches",),
    "SplitAttn": ("conv", "bn0"),
    "SplAtConv2d": ("conv", "bn0"),
    "AttentionRefinementBlock": ("conv1",),
}
"""Parts of such blocks that make the features and not the gate: they would be there without attention."""

HALVES = {
    "ChannelAttention": "SpatialAttention",
    "ChannelAttn": "SpatialAttn",
    "ChannelGate": "SpatialGate",
    "LightChannelAttn": "LightSpatialAttn",
}
"""The two gates of one block, where each is a module and none holds both: `x = ca(x) * x; x = sa(x) * x`."""

WITHOUT_GATE = {
    "global context": "a context block may add its context instead of multiplying by it",
}
"""Why a block of this form may have no gate at all."""


def form(kind: type) -> str:
    """The form of attention of a module's class, such as `"SE"`; empty where it is not known as one."""
    forms = FORMS.get(kind.__module__.partition(".")[0], FORMS["published code"])
    return next((form for form, names in forms.items() if kind.__name__ in names), "")
