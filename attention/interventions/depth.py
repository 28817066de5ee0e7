"""One block switched off: what the network says without it."""

from dataclasses import dataclass

from attention.interventions.applying import applied
from attention.interventions.chance import drawn
from attention.interventions.edits import Edit
from attention.interventions.running import Subject, changes
from attention.records import Floats


@dataclass(frozen=True, eq=False)
class Turn:
    """One block with all its gates off, for one picture."""

    block: str
    change: Floats
    """Of each logit, (classes,)."""
    draws: Floats
    """The same for the twins of the edit, (draws, classes)."""


def turn(subject: Subject, block: str, *, seed: int, draws: int) -> Turn:
    """Switches the gates of a block off, at inference, and measures as many twins of that edit.

    Raises EditError where the block has no gates.
    """
    gates, off = subject.before.gates, [Edit("off", block=block)]
    twins = [drawn(off, gates, seed=seed, draw=draw) for draw in range(draws)]
    moved = changes(subject, [applied(off, gates), *twins])
    return Turn(block, moved[0], moved[1:])
