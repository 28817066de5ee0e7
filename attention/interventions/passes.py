"""Edited passes over one picture, many in a batch: how far each moves the logits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from attention.analysis import predictions, probabilities
from attention.interventions.applying import Function, Given, applied, null_changes, random_control
from attention.interventions.edits import Edit
from attention.limits import LIVE_TENSORS, PASSES, at_once
from attention.observe import Observation
from attention.records import Floats, Outputs, Trace

if TYPE_CHECKING:  # records and what is made of them need no torch
    from torch import Tensor

    from attention.capture import Tracer
    from attention.interventions.modules import SequentialResume

BATCH = 8
"""Passes at a time, at most."""


@dataclass(frozen=True, eq=False)
class EditedPasses:
    """The passes of one network over one picture, with gates edited."""

    run: "Tracer"
    picture: "Tensor"
    """(1, C, H, W), on the network's device."""
    before: Trace
    """The pass without edits."""
    resume: "SequentialResume | None" = None
    """Lets a pass begin at the first edited part, once it is known to hold."""
    outputs: Outputs = "logits"
    """What the network returns."""
    bytes: int = 0
    """What the features of one pass take at a time, as far as that is known."""

    def logits(self, trace: Trace) -> Floats:
        """A pass's answers as logits, (N, classes). Raises PredictionError where there are none."""
        return predictions.logits(trace.output, self.outputs)

    def edited(self, edits: Mapping[str, Function], count: int = 1) -> Trace:
        """The pass with these edits, of so many copies of the picture."""
        import torch

        with PASSES.taking(count * self.bytes), torch.inference_mode():
            if self.resume is None or not self.resume.holds:
                return self.run(self.picture.expand(count, -1, -1, -1), edits=edits)
            start = self.resume.start(edits)
            output, gates = self.resume.run(start, edits, count)
            return Trace(output, (*self.resume.before(start, self.before.gates), *gates))

    def check_resume(self) -> None:
        """Find out whether passes can begin in the middle; costs a pass, once."""
        import torch

        with torch.inference_mode():
            if self.resume is not None:
                self.resume.check(self.before.output)


def passes_of(observation: Observation) -> EditedPasses:
    """The edited passes of an observation; what they have found out about the network's parts is kept with it."""

    def resume() -> "SequentialResume":
        from attention.interventions.modules import SequentialResume

        return SequentialResume(observation.network.module, observation.batch)

    kept = observation.keep("resume", (), resume)
    each = LIVE_TENSORS * observation.network.largest
    return EditedPasses(observation.tracer, observation.batch, observation.trace, kept, observation.outputs, each)


def changes(
    passes: EditedPasses, edits: Sequence[Mapping[str, Function]], follow: Callable[[int], object] | None = None
) -> Floats:
    """How far each of the edits moves each logit, (edits, classes).

    They run in batches; each batch has the unedited picture as well, so that an edit that does nothing differs by 0.
    `follow` is called before each batch with how many edits are done, and may raise to stop.
    """
    classes = passes.logits(passes.before).shape[1]
    passes.check_resume()
    size = at_once(passes.bytes, BATCH)
    batches = []
    for start in range(0, len(edits), size):
        if follow:
            follow(start)
        batches.append(_batch(passes, edits[start : start + size]))
    return np.concatenate([np.empty((0, classes), np.float32), *batches])


def _batch(passes: EditedPasses, edits: Sequence[Mapping[str, Function]]) -> Floats:
    rows: list[Mapping[str, Function]] = [{}, *edits]
    names = dict.fromkeys(name for row in rows for name in row)
    by_gate = {name: _by_row([row.get(name) for row in rows]) for name in names}
    output = passes.logits(passes.edited(by_gate, len(rows)))
    return output[1:] - output[:1]


def _by_row(functions: Sequence[Function | None]) -> Function:
    """Each sample of the batch has an edit of its own, or none."""

    def edit(values: "Tensor") -> "Tensor":
        edited = values.clone()
        for row, function in enumerate(functions):
            if function:
                edited[row : row + 1] = function(values[row : row + 1])
        return edited

    return edit


def mean_gates(traces: Sequence[Trace]) -> dict[str, Floats]:
    """The mean of every gate over passes of several pictures, without N, by name."""
    return {
        same[0].name: np.mean([gate.values[0] for gate in same], axis=0, dtype=np.float32)
        for same in zip(*(trace.gates for trace in traces), strict=True)
    }


@dataclass(frozen=True, eq=False)
class Effect:
    """What edits do to the logits of one picture, and what they would do under the null."""

    name: str
    before: Floats
    """The logits without edits, (classes,)."""
    change: Floats
    """How far each logit moves, (classes,)."""
    null: Floats
    """The same under the null, (draws, classes)."""
    outputs: Outputs = "logits"
    """What the network returns."""

    def probability(self, number: int) -> tuple[float, float]:
        """The probability of a class, before and after."""
        before, after = (probabilities(each, self.outputs) for each in (self.before, self.before + self.change))
        return float(before[number]), float(after[number])


def effect(
    passes: EditedPasses,
    name: str,
    edits: Sequence[Edit],
    given: Given | None = None,
    *,
    seed: int,
    draws: int,
    follow: Callable[[int], object] | None = None,
) -> Effect:
    """What the edits do, beside so many random controls, which `follow` hears of as in `changes`. Raises EditError
    where the edits do not fit the gates."""
    gates = passes.before.gates
    controls = [random_control(edits, gates, given, seed=seed, draw=draw) for draw in range(draws)]
    moved = changes(passes, [applied(edits, gates, given), *controls], follow)
    null = null_changes(edits, moved[0], moved[1:])
    return Effect(name, passes.logits(passes.before)[0], moved[0], null, passes.outputs)
