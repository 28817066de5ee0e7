"""Which network do these weights belong to, and the network with them in it: every key and shape, none left over."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from attention.recognition import evidence
from attention.recognition.differences import COUNTER, between, shapes_of
from attention.recognition.families import FAMILIES, KNOWN
from attention.recognition.records import (
    Architecture,
    Candidate,
    Differences,
    Family,
    RecognitionError,
    Shapes,
    first,
)

UNBUILDABLE = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
"""What the reading of shapes of another network raises, and what libraries do with settings that make no sense."""

Attempt = tuple[Family, Candidate, Differences]


def recognise(state: Mapping[str, Tensor], family: str | None = None) -> Architecture:
    """The network that a state dict belongs to, by its keys and shapes; of `family`, where one of FAMILIES is given.

    Raises RecognitionError where there is none, and says what the keys look like. A family that was asked for is
    taken at its word: whether each key fits is said by `load`.
    """
    if family is not None and family not in FAMILIES:
        raise RecognitionError(f"There is no family {family!r}; there are {'; '.join(FAMILIES)}.")
    found = shapes_of(state)
    families = [known for known in KNOWN if known.name == (family or known.name)]
    attempts = [attempt for known in families for attempt in _attempts(known, found)]
    fitting = [attempt for attempt in attempts if not attempt[2]]
    nearest = min(attempts, key=lambda attempt: len(attempt[2]), default=None)
    if nearest is None or (nearest[2] and family is None):
        raise RecognitionError(evidence.refusal(found, nearest, family), nearest and nearest[2])
    chosen, candidate, differences = nearest
    return Architecture(
        chosen.name,
        evidence.of(found, chosen, candidate, differences),
        candidate.settings,
        tuple(dict.fromkeys(known.name for known, *_ in fitting if known is not chosen)),
        candidate.build,
    )


def load(state: Mapping[str, Tensor], architecture: Architecture) -> nn.Module:
    """The network with these weights, in eval mode, its floats in its own precision; tensors that fit are shared.

    Raises RecognitionError where a key is missing, left over or of another shape, or holds whole numbers in place of
    floats. `num_batches_tracked`, which files of before torch 0.4.1 lack, is the one thing that may be missing: it
    counts training steps.
    """
    with torch.device("meta"):
        module = architecture.build()
    own = module.state_dict()
    if differences := between(shapes_of(own), shapes_of(state)):
        raise RecognitionError(f"The weights do not fit {architecture.family}: {differences}.", differences)
    if mistyped := [name for name in state if state[name].is_floating_point() != own[name].is_floating_point()]:
        given = f"{len(mistyped)} of another kind of number ({first(mistyped)})"
        raise RecognitionError(f"The weights do not fit {architecture.family}: {given}; floats are allowed for floats.")
    counters = {name: torch.tensor(0) for name in own if name.endswith(COUNTER) and name not in state}
    weights = {name: value.to(own[name].dtype).contiguous() for name, value in state.items()}
    module.load_state_dict(weights | counters, assign=True)
    return module.eval()


def _attempts(family: Family, found: Shapes) -> list[Attempt]:
    """The candidates of a family up to one that fits; none where the keys are not the family's."""
    attempts: list[Attempt] = []
    for candidate in _candidates(family, found):
        if (shapes := _shapes(candidate)) is not None:
            attempts.append((family, candidate, between(shapes, found)))
            if not attempts[-1][2]:
                break
    return attempts


def _candidates(family: Family, found: Shapes) -> list[Candidate]:
    if not all(clue in found for clue in family.clues):
        return []
    try:
        return list(family.candidates(found))
    except UNBUILDABLE:
        return []


def _shapes(candidate: Candidate) -> Shapes | None:
    try:
        with torch.device("meta"):
            return shapes_of(candidate.build().state_dict())
    except UNBUILDABLE:
        return None
