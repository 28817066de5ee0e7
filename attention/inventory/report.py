"""The known attention blocks of a network against the gates that a pass found in it."""

from collections.abc import Sequence

from torch import nn

from attention.inventory import known
from attention.records import Gate, Known, Unlisted


class Attention:
    """Where attention stands in a network: its known blocks, and the modules that its gates belong to."""

    def __init__(self, module: nn.Module, gates: Sequence[Gate]) -> None:
        self.modules = dict(module.named_modules())
        self.blocks = _outermost(
            {name: form for name, part in self.modules.items() if (form := known.form(type(part)))}
        )
        self.homes = _homes(gates, self.blocks)

    def inside(self, name: str) -> tuple[str, ...]:
        """Names of the gates in a module, in the order of execution."""
        return tuple(gate for gate, home in self.homes.items() if within(home, name))

    def form(self, name: str) -> str:
        """What kind of attention a module is: a known form, or its class where a gate is in no known block."""
        if name in self.blocks:
            return self.blocks[name]
        listed = any(within(name, block) for block in self.blocks)
        return type(self.modules[name]).__name__ if name and not listed and name in self.homes.values() else ""

    def found(self) -> tuple[Known, ...]:
        """Every known block with its gates, in the order of definition."""
        return tuple(
            Known(name, type(self.modules[name]).__name__, form, self.inside(name))
            for name, form in self.blocks.items()
        )

    def unlisted(self) -> tuple[Unlisted, ...]:
        """The gates that are in no known block."""
        return tuple(
            Unlisted(gate, type(self.modules[home]).__name__)
            for gate, home in self.homes.items()
            if not any(within(home, block) for block in self.blocks)
        )


def owner(gate: str) -> str:
    """The module that applies a gate, by the gate's name."""
    return gate.partition("#")[0]


def within(name: str, outer: str) -> bool:
    """Whether a module is another one or stands in it; everything stands in the network, whose name is empty."""
    return not outer or name == outer or name.startswith(f"{outer}.")


def _outermost(forms: dict[str, str]) -> dict[str, str]:
    return {
        name: form for name, form in forms.items() if not any(other != name and within(name, other) for other in forms)
    }


def _homes(gates: Sequence[Gate], blocks: dict[str, str]) -> dict[str, str]:
    """The module that each gate belongs to: the one that applies it, or the known block in it that only makes it.

    Published code often writes `x = self.se(x) * x`: the residual block applies the gate, its part `se` made it.
    """
    homes = {gate.name: owner(gate.name) for gate in gates}
    for applier in dict.fromkeys(homes.values()):
        applied = [gate for gate, home in homes.items() if home == applier]
        makers = [block for block in blocks if _parent(block) == applier and block not in homes.values()]
        if len(makers) == len(applied):
            homes.update(zip(applied, makers, strict=True))
    return homes


def _parent(name: str) -> str | None:
    """The module that holds another directly; the network itself is held by none."""
    return name.rpartition(".")[0] if name else None
