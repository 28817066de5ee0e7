"""The layers of a network as a tree, with what each costs and what of that is attention."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from attention.inventory import known
from attention.inventory.measuring import Measured
from attention.inventory.report import Attention, within
from attention.inventory.rows import COUNTS
from attention.records import Gate, Inventory, Part


def inventory(module: nn.Module, measured: Measured, gates: Sequence[Gate]) -> Inventory:
    """What stands in a network, by its measure and the gates that a pass found in it."""
    attention = Attention(module, gates)
    network = _Tree(attention, measured).part("", module, attends=False)
    return Inventory(network, attention.found(), attention.unlisted(), measured.note)


class _Tree:
    """Makes the parts of one network. A module or a parameter that has two names is counted at the first."""

    def __init__(self, attention: Attention, measured: Measured) -> None:
        self._attention = attention
        self._measured = measured
        self._own = _parameters(attention.modules)

    def part(self, name: str, module: nn.Module, *, attends: bool) -> Part:
        """A module and all that is in it; `attends` where it is part of an attention block."""
        form = self._attention.form(name)
        attends = attends or self._counts_whole(name, form)
        features = known.FEATURES.get(type(module).__name__, ()) if form else ()
        inner = [
            self.part(path, child, attends=attends and key not in features)
            for key, child in module.named_children()
            if (path := f"{name}.{key}".removeprefix(".")) in self._attention.modules
        ]
        whole = self._alone(name, module, attends=attends)
        whole = replace(whole, **{key: sum(getattr(each, key) for each in (whole, *inner)) for key in COUNTS})
        closed = form and not features
        shown = () if closed else tuple(_unwrapped(each) for each in inner if each.kernel or each.form or each.parts)
        return replace(whole, form=form, gates=self._attention.inside(name), parts=shown)

    def _counts_whole(self, name: str, form: str) -> bool:
        """Whether a module is attention through and through: one that holds known blocks is not, they are."""
        holds = any(other != name and within(other, name) for other in self._attention.blocks)
        return bool(form) and not holds

    def _alone(self, name: str, module: nn.Module, *, attends: bool) -> Part:
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
class _Convolution:
    channels: tuple[int, int] | None = None
    kernel: tuple[int, ...] = ()
    groups: int = 1
    weights: int = 0


def _convolution(module: Any) -> _Convolution:
    """The numbers of a convolution of any zoo, by its attributes; those of a module that is none."""
    if not all(hasattr(module, name) for name in ("in_channels", "out_channels", "kernel_size", "groups", "weight")):
        return _Convolution()
    kernel = module.kernel_size if isinstance(module.kernel_size, tuple) else (module.kernel_size,)
    return _Convolution((module.in_channels, module.out_channels), kernel, module.groups, module.weight.numel())


def _parameters(modules: dict[str, nn.Module]) -> dict[str, int]:
    """Parameters that each module holds itself; one that several hold counts for the first."""
    seen: set[int] = set()
    own = dict.fromkeys(modules, 0)
    for name, module in modules.items():
        for parameter in module._parameters.values():
            if parameter is not None and id(parameter) not in seen:
                seen.add(id(parameter))
                own[name] += parameter.numel()
    return own


def _unwrapped(part: Part) -> Part:
    """A module that only wraps one convolution is that convolution; one that wraps a holder holds its parts."""
    if part.form or len(part.parts) != 1:
        return part
    (inner,) = part.parts
    if inner.kernel:
        same = {field: getattr(inner, field) for field in ("name", "module", "channels", "kernel", "groups")}
        return replace(part, **same, parts=())
    return part if inner.form else replace(part, parts=inner.parts)
