"""What is known of each tensor of one pass, kept beside the tensors and not on them."""

import itertools
import weakref
from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

from torch import Tensor, nn

from attention.capture.axes import Axes

_serial = itertools.count(1)


def fresh() -> frozenset[int]:
    """The origin of a tensor that is no elementwise function of an earlier one."""
    return frozenset((next(_serial),))


class Note(NamedTuple):
    """What is known of one tensor that came out of the pass."""

    roots: frozenset[int]
    """Of which pre-activations it is an elementwise function: x and sigmoid(x) have the same."""
    axes: Axes | None = None
    """What its axes mean; None where they are as PyTorch's layers lay them out."""
    constant: frozenset[int] = frozenset()
    """The dimensions that only repeat one value: expanded, repeated or upsampled from extent 1."""
    squash: str = ""
    """The last bounded activation, as long as nothing undid it."""
    pooled: int = 0
    """1 after a reduction, 2 after a learned layer on top of one."""
    source: int = 0
    """The origin of the tensor that this one was sliced from: two halves of one tensor are a GLU."""
    parent: frozenset[int] = frozenset()
    """The origins of the tensor that one learned layer made it of: two projections of one tensor are a GLU."""
    depends: bool = True
    """Whether it depends on the input."""


CONSTANT = Note(frozenset(), depends=False)
UNKNOWN = Note(frozenset())

Row = TypeVar("Row")


class Ledger(Generic[Row]):
    """Rows about living tensors, by identity.

    A tensor's death leaves a stale row, which the next tensor at its address takes over, so the ledger does
    not grow beyond the tensors that lived at one time.
    """

    def __init__(self) -> None:
        self._rows: dict[int, tuple[weakref.ref[Tensor], Row]] = {}

    def get(self, tensor: Tensor) -> Row | None:
        row = self._rows.get(id(tensor))
        return row[1] if row is not None and row[0]() is tensor else None

    def put(self, tensor: Tensor, row: Row) -> None:
        self._rows[id(tensor)] = (weakref.ref(tensor), row)


class Notes(Ledger[Note]):
    """The notes of one pass. `learned` are the parameters and buffers: constants of the pass."""

    def __init__(self, learned: Iterable[Tensor]) -> None:
        super().__init__()
        self._learned = {id(tensor) for tensor in learned}

    def of(self, tensor: Tensor) -> Note:
        """The note of a tensor; one that nobody saw being made may depend on the input (`UNKNOWN`)."""
        note = self.get(tensor)
        if note is not None:
            return note
        learned = id(tensor) in self._learned or isinstance(tensor, nn.Parameter)
        return CONSTANT if learned or not tensor.is_floating_point() else UNKNOWN
