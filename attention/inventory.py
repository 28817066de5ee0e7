"""What stands in a network: its layers with what each costs, and its attention blocks with the gates found in them.

The layers are a tree of convolutions, attention blocks and what holds them, and the rows of a table, alike ones in one.
Attention blocks are known by their class names, and are held against the gates of a pass.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from attention.records import Gate, Inventory, KnownBlock, Part, UnlistedGate, owner_of, within

if TYPE_CHECKING:  # a page reads the rows before torch is loaded
    from torch import nn

    from attention.cost import PassCost

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


def known_form(kind: type) -> str:
    """The form of attention of a module's class, such as `"SE"`; empty where it is not known as one."""
    forms = FORMS.get(kind.__module__.partition(".")[0], FORMS["published code"])
    return next((form for form, names in forms.items() if kind.__name__ in names), "")


COUNTS = ("parameters", "macs", "ungrouped_parameters", "ungrouped_macs", "attention_parameters", "attention_macs")
"""The counts of a part, which add up over parts."""


@dataclass(frozen=True)
class Row:
    """One line of the table: a part, or several alike ones in a row of which the first is shown for all."""

    depth: int
    """0 is the network itself."""
    parts: tuple[Part, ...]
    label: str
    """Its name without that of the part that holds it."""

    @property
    def part(self) -> Part:
        """The part, or the first of those that are alike."""
        return self.parts[0]

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the gates in all of them."""
        return tuple(gate for part in self.parts for gate in part.gates)

    def total(self, count: str) -> int:
        """One of the counts of a part, summed over the alike ones."""
        return sum(getattr(part, count) for part in self.parts)


def all_rows(part: Part, depth: int = 0, holder: str = "") -> Iterator[Row]:
    """Every part of the tree, in depth-first order, each in a row of its own."""
    yield Row(depth, (part,), _label([part], holder))
    for inner in part.parts:
        yield from all_rows(inner, depth + 1, part.name)


def folded_rows(part: Part, *, deepest: int, depth: int = 0, holder: str = "") -> Iterator[Row]:
    """The tree down to a depth, with neighbours that hold the same in one row, and that row not unfolded further."""
    yield Row(depth, (part,), _label([part], holder))
    if depth < deepest:
        # A single convolution is like no other, so that each has its row.
        keys = [_signature(each, each.name) if each.parts or each.form else id(each) for each in part.parts]
        for _, group in groupby(zip(keys, part.parts, strict=True), lambda pair: pair[0]):
            alike = tuple(each for _, each in group)
            if len(alike) > 1:
                yield Row(depth + 1, alike, _label(alike, part.name))
            else:
                yield from folded_rows(alike[0], deepest=deepest, depth=depth + 1, holder=part.name)


def _signature(part: Part, root: str) -> tuple[object, ...]:
    """Equal for parts that differ in nothing but their place: class, numbers, shapes, and all that is in them."""
    own = tuple(getattr(part, field.name) for field in fields(part) if field.name not in ("name", "gates", "parts"))
    gates = tuple(gate.removeprefix(root) for gate in part.gates)
    return (part.name.removeprefix(root), *own, gates, *(_signature(inner, root) for inner in part.parts))


def _label(parts: Sequence[Part], holder: str) -> str:
    """`layer3.1 to layer3.5`, without what the holder's name says; a bare number keeps the name it counts in."""
    names = [part.name.removeprefix(f"{holder}.") if holder else part.name for part in (parts[0], parts[-1])]
    if holder and names[0][:1].isdigit():
        names = [f"{holder.rpartition('.')[2]}.{name}" for name in names]
    return names[0] if len(parts) == 1 else f"{names[0]} to {names[1]}"


def inventory(module: "nn.Module", measured: "PassCost", gates: Sequence[Gate]) -> Inventory:
    """What stands in a network, by its measure and the gates that a pass found in it."""
    attention = Attention(module, gates)
    network = _Tree(attention, measured).part("", module, attends=False)
    return Inventory(network, attention.known_blocks(), attention.unlisted(), measured.note)


class Attention:
    """Where attention stands in a network: its known blocks, and the modules that its gates belong to."""

    def __init__(self, module: "nn.Module", gates: Sequence[Gate]) -> None:
        self.network = module
        self.modules = dict(module.named_modules())
        forms = {name: form for name, part in self.modules.items() if (form := known_form(type(part)))}
        outermost = [name for name in forms if not any(other != name and within(name, other) for other in forms)]
        self.blocks = {name: forms[name] for name in outermost}
        self.homes = _gate_modules(gates, self.blocks)

    def inside(self, name: str) -> tuple[str, ...]:
        """Names of the gates in a module, in the order of execution."""
        return tuple(gate for gate, home in self.homes.items() if within(home, name))

    def form(self, name: str) -> str:
        """What kind of attention a module is: a known form, or its class where a gate is in no known block."""
        if name in self.blocks:
            return self.blocks[name]
        listed = any(within(name, block) for block in self.blocks)
        return type(self.modules[name]).__name__ if name and not listed and name in self.homes.values() else ""

    def known_blocks(self) -> tuple[KnownBlock, ...]:
        """Every known block with its gates, in the order of definition; two halves side by side are one block."""
        blocks: list[KnownBlock] = []
        for name, form in self.blocks.items():
            block = KnownBlock(name, type(self.modules[name]).__name__, form, self.inside(name))
            if blocks and _are_halves(blocks[-1], block):
                other = blocks.pop()
                names, classes = f"{other.name} + {name.rpartition('.')[2]}", f"{other.module} + {block.module}"
                block = KnownBlock(names, classes, form, (*other.gates, *block.gates))
            blocks.append(block)
        return tuple(blocks)

    def unlisted(self) -> tuple[UnlistedGate, ...]:
        """The gates that are in no known block."""
        return tuple(
            UnlistedGate(gate, type(self.modules[home]).__name__)
            for gate, home in self.homes.items()
            if not any(within(home, block) for block in self.blocks)
        )


def _are_halves(one: KnownBlock, other: KnownBlock) -> bool:
    """Whether they are the two gates of one block. (Where a gate was found in one alone, that is to be seen.)"""
    beside = one.name.rpartition(".")[0] == other.name.rpartition(".")[0]
    classes = {(one.module, other.module), (other.module, one.module)}
    return beside and bool(one.gates) == bool(other.gates) and not classes.isdisjoint(HALVES.items())


class _Tree:
    """Makes the parts of one network. A module or a parameter that has two names is counted at the first."""

    def __init__(self, attention: Attention, measured: "PassCost") -> None:
        self._attention = attention
        self._measured = measured
        from attention.cost import own_parameters

        self._own = own_parameters(attention.network)

    def part(self, name: str, module: "nn.Module", *, attends: bool) -> Part:
        """A module and all that is in it; `attends` where it is part of an attention block."""
        form = self._attention.form(name)
        holds_blocks = any(other != name and within(other, name) for other in self._attention.blocks)
        # What holds known blocks is not attention through and through: they are.
        attends = attends or (bool(form) and not holds_blocks)
        features = FEATURES.get(type(module).__name__, ()) if form else ()
        inner = [
            self.part(path, child, attends=attends and key not in features)
            for key, child in module.named_children()
            if (path := f"{name}.{key}".removeprefix(".")) in self._attention.modules
        ]
        whole = self._alone(name, module, attends=attends)
        whole = replace(whole, **{key: sum(getattr(each, key) for each in (whole, *inner)) for key in COUNTS})
        closed = form and not features
        shown = () if closed else tuple(_unwrap(each) for each in inner if each.kernel or each.form or each.parts)
        return replace(whole, form=form, gates=self._attention.inside(name), parts=shown)

    def _alone(self, name: str, module: "nn.Module", *, attends: bool) -> Part:
        """What a module is and has itself, without the modules in it."""
        parameters, macs = self._own[name], self._measured.macs.get(name, 0)
        convolution = _convolution(module)
        return Part(
            name,
            type(module).__name__,
            parameters,
            macs,
            ungrouped_parameters=parameters + (convolution.groups - 1) * convolution.weights,
            ungrouped_macs=macs * convolution.groups,
            attention_parameters=parameters * attends,
            attention_macs=macs * attends,
            output=self._measured.outputs.get(name, ()),
            channels=convolution.channels,
            kernel=convolution.kernel,
            groups=convolution.groups,
            form="",
            gates=(),
            parts=(),
        )


@dataclass(frozen=True)
class _ConvolutionRow:
    channels: tuple[int, int] | None = None
    kernel: tuple[int, ...] = ()
    groups: int = 1
    weights: int = 0


def _convolution(module: Any) -> _ConvolutionRow:
    """The numbers of a convolution of any zoo, by its attributes; those of a module that is none."""
    if not all(hasattr(module, name) for name in ("in_channels", "out_channels", "kernel_size", "groups", "weight")):
        return _ConvolutionRow()
    kernel = module.kernel_size if isinstance(module.kernel_size, tuple) else (module.kernel_size,)
    return _ConvolutionRow((module.in_channels, module.out_channels), kernel, module.groups, module.weight.numel())


def _unwrap(part: Part) -> Part:
    """A module that only wraps one convolution is that convolution; one that wraps a holder holds its parts."""
    if part.form or len(part.parts) != 1:
        return part
    (inner,) = part.parts
    if inner.kernel:
        same = {field: getattr(inner, field) for field in ("name", "module", "channels", "kernel", "groups")}
        return replace(part, **same, parts=())
    return part if inner.form else replace(part, parts=inner.parts)


def _gate_modules(gates: Sequence[Gate], blocks: dict[str, str]) -> dict[str, str]:
    """The module that each gate belongs to: the one that applies it, or the known block in it that only makes it.

    Published code often writes `x = self.se(x) * x`: the residual block applies the gate, its part `se` made it.
    """
    homes = {gate.name: owner_of(gate.name) for gate in gates}
    for applier in dict.fromkeys(homes.values()):
        applied = [gate for gate, home in homes.items() if home == applier]
        inside = (block for block in blocks if block and block.rpartition(".")[0] == applier)
        makers = [block for block in inside if block not in homes.values()]
        if len(makers) == len(applied):
            homes.update(zip(applied, makers, strict=True))
    return homes
