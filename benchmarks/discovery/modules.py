"""The blocks of the tests, written by hand with the gates that they apply: what `trace` finds of them."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attention.capture import trace
from tests import gallery, handmade, literature


class Tally(NamedTuple):
    """One set of blocks. A gate is exact with its kind and its activation."""

    name: str
    modules: int
    gates: int
    exact: int
    missed: int
    false: int
    whole: int
    """Blocks of which all gates are exact, and nothing else is found."""


Block = tuple[Callable[[], nn.Module], Iterable[tuple[str, str]]]


def tallies() -> list[Tally]:
    """The sets of blocks: with which `trace` was built, which it missed once, without gates, and after papers."""
    gated = {name: (maker, [gate[1:] for gate in gates]) for name, (maker, gates) in gallery.GATED.items()}
    once_missed = {name: gated.pop(name) for name in handmade.HANDMADE}
    ungated: dict[str, Block] = {name: (maker, ()) for name, maker in gallery.UNGATED.items()}
    return [
        _tally("spellings and layouts of gates", gated, gallery.features()),
        _tally("bounds by hand, hard gates, branches, loops", once_missed, gallery.features()),
        _tally("what is no gate", ungated, gallery.features()),
        _tally("attention after papers", literature.MADE, literature.features()),
    ]


def _tally(name: str, blocks: dict[str, Block], batch: Tensor) -> Tally:
    counts: Counter[str] = Counter()
    for make, expected in blocks.values():
        torch.manual_seed(0)
        module, wanted = make().eval(), Counter(expected)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = Counter((gate.kind, gate.activation) for gate in trace(module, batch).gates)
        counts["gates"] += wanted.total()
        counts["exact"] += (wanted & found).total()
        counts["missed"] += (wanted - found).total()
        counts["false"] += (found - wanted).total()
        counts["whole"] += wanted == found
    return Tally(name, len(blocks), *(counts[each] for each in ("gates", "exact", "missed", "false", "whole")))
