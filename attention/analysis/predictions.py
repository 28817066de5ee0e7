"""What a network returns: logits, the probabilities they stand for, or something else that is described in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attention.records import Floats, GatescopeError


class PredictionError(GatescopeError):
    """A network that does not answer with a score for each class; the message says with what."""


def scores(output: Any) -> Floats:
    """A network's answer to the first picture, (classes,), where it is a tensor (N, classes) of at least two classes.

    Raises PredictionError where it is anything else, or where a score is not finite.
    """
    shape: Sequence[int] = getattr(output, "shape", ())
    if len(shape) != 2 or shape[1] < 2:
        raise PredictionError(f"The network returns {returned(output)}, not a score for each class: it predicts none.")
    values = np.asarray(output)[0]
    if not np.isfinite(values).all():
        raise PredictionError("The network's scores are not all finite numbers, so it predicts no class.")
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


def probabilities(logits: Floats) -> NDArray[np.float64]:
    """Softmax of the logits, (..., classes)."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def top(probability: NDArray[np.float64], labels: Sequence[str], count: int = 5) -> list[tuple[str, float]]:
    """The most probable classes of one picture, (classes,), with their probabilities, the most probable first."""
    return [(labels[index], float(probability[index])) for index in np.argsort(-probability, kind="stable")[:count]]
