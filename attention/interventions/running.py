"""Edited passes over one picture, many in a batch: how far each moves the logits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from attention.interventions.applying import Function
from attention.interventions.edits import EditError
from attention.records import Floats, Trace

if TYPE_CHECKING:  # records and what is made of them need no torch
    from torch import Tensor

    from attention.interventions.resuming import Chain

BATCH = 8
"""Passes at a time."""


class Run(Protocol):
    """A forward pass with edits, such as a `capture.Tracer`."""

    def __call__(self, batch: "Tensor", *, edits: Mapping[str, Function]) -> Trace: ...


@dataclass(frozen=True, eq=False)
class Subject:
    """A network and a picture; `before` is the pass without edits."""

    run: Run
    picture: "Tensor"
    """(1, 3, H, W)"""
    before: Trace
    chain: "Chain | None" = None
    """Lets a pass begin at the first edited part, once it is known to hold."""

    def edited(self, edits: Mapping[str, Function], count: int = 1) -> Trace:
        """The pass with these edits, of so many copies of the picture."""
        import torch

        with torch.inference_mode():
            if self.chain is None or not self.chain.holds:
                return self.run(self.picture.expand(count, -1, -1, -1), edits=edits)
            start = self.chain.start(edits)
            output, gates = self.chain.run(start, edits, count)
            return Trace(output, (*self.chain.before(start, self.before.gates), *gates))

    def settle(self) -> None:
        """Find out whether passes can begin in the middle; costs a pass, once."""
        import torch

        with torch.inference_mode():
            if self.chain is not None:
                self.chain.check(self.before.output)


def logits(trace: Trace) -> Floats:
    """(N, classes). Raises EditError where the network gives something else."""
    from torch import Tensor

    if not isinstance(trace.output, Tensor) or trace.output.dim() != 2:
        raise EditError("The network gives no vector of logits for a picture; what changes is asked of classifiers.")
    return trace.output.float().numpy()


def changes(subject: Subject, passes: Sequence[Mapping[str, Function]]) -> Floats:
    """For each of the edited passes how far it moves each logit, (passes, classes).

    They run in batches; each batch has the unedited picture as well, so that a pass that does nothing differs by 0.
    """
    classes = logits(subject.before).shape[1]
    subject.settle()
    batches = [_batch(subject, passes[start : start + BATCH]) for start in range(0, len(passes), BATCH)]
    return np.concatenate([np.empty((0, classes), np.float32), *batches])


def _batch(subject: Subject, passes: Sequence[Mapping[str, Function]]) -> Floats:
    rows: list[Mapping[str, Function]] = [{}, *passes]
    edits = {name: _by_row([row.get(name) for row in rows]) for name in dict.fromkeys(_names(passes))}
    output = logits(subject.edited(edits, len(rows)))
    return output[1:] - output[:1]


def _names(passes: Sequence[Mapping[str, Function]]) -> Iterator[str]:
    return (name for one in passes for name in one)


def _by_row(functions: Sequence[Function | None]) -> Function:
    """Each sample of the batch has an edit of its own, or none."""

    def edit(values: "Tensor") -> "Tensor":
        edited = values.clone()
        for row, function in enumerate(functions):
            if function:
                edited[row : row + 1] = function(values[row : row + 1])
        return edited

    return edit
