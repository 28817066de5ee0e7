"""What a network returns: a score for each class, or something else that is described in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from attention.records import Floats, GatescopeError


class AnswerError(GatescopeError):
    """A network that does not answer with a score for each class; the message says with what."""


def scores(output: Any) -> Floats:
    """A network's answer to the first picture, (classes,), where it is a tensor (N, classes) of at least two classes.

    Raises AnswerError where it is anything else, or where a score is not finite.
    """
    shape: Sequence[int] = getattr(output, "shape", ())
    if len(shape) != 2 or shape[1] < 2:
        raise AnswerError(f"The network returns {returned(output)}, not a score for each class: it predicts none.")
    values = np.asarray(output)[0]
    if not np.isfinite(values).all():
        raise AnswerError("The network's scores are not all finite numbers, so it predicts no class.")
    return values


def returned(output: Any, most: int = 3) -> str:
    """What a network returns, in words: `a dict of out (a tensor of 1 × 21 × 56 × 56)`."""
    if hasattr(output, "shape"):
        return f"a tensor of {' × '.join(map(str, output.shape))}" if output.shape else "one number"
    kind = "dict" if isinstance(output, Mapping) else "list" if isinstance(output, list) else "tuple"
    if isinstance(output, Mapping):
        parts = [f"{key} ({returned(value, 0)})" for key, value in list(output.items())[:most]]
    elif isinstance(output, list | tuple):
        parts = [returned(value, 0) for value in output[:most]]
    else:
        return f"an object of the type {type(output).__name__}"
    if not parts:
        return f"a {kind} of {len(output)}"
    return f"a {kind} of {', '.join(parts)}{' and others' * (len(output) > most)}"
