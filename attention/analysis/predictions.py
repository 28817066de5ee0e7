"""What a network returns: logits, the probabilities they stand for, or something else that is described in words."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from attention.numbers import span
from attention.records import Doubles, Floats, GatescopeError, Outputs

OUTPUTS: tuple[Outputs, ...] = get_args(Outputs)
MEANING: dict[Outputs, str] = {
    "logits": "logits, of which softmax makes probabilities; of one alone the logistic function",
    "probabilities": "probabilities that sum to one, shown as they are",
    "scores": "independent scores of 0 to 1, shown as they are",
    "values": "measured values, which are no classes",
}
MEASURE: dict[Outputs, str] = {"logits": "logit", "probabilities": "log-probability", "scores": "logit"}
"""What `logits` gives for a class is called."""
SUM_ERROR = 1e-3
"""How far probabilities may be from a sum of one, by rounding."""
TOP_CLASSES = 5
"""Classes that pages, reports and commands name of a prediction, the most probable first."""
SMALLEST = float(np.finfo(np.float32).tiny)


class PredictionError(GatescopeError):
    """A network that does not answer with a score for each class; the message says with what."""


def recognise_outputs(outputs: NDArray[np.floating]) -> Outputs:
    """What the outputs of a network for several pictures, (N, classes), are, by their values alone.

    Two or more that are never negative and sum to one are probabilities; what always lies from 0 to 1 besides are
    scores; anything else is taken for logits, a lone number too. Measured values cannot be told from logits.
    """
    values = np.asarray(outputs, np.float64)
    if ((values < 0) | (values > 1)).any():
        return "logits"
    sums_to_one = values.shape[1] > 1 and np.allclose(values.sum(1), 1, atol=SUM_ERROR)
    return "probabilities" if sums_to_one else "scores"


def score_table(output: Any) -> Floats:
    """A network's answers, (N, classes), one class at least. Raises PredictionError where it returns anything else."""
    shape: Sequence[int] = getattr(output, "shape", ())
    if len(shape) != 2 or shape[1] < 1:
        raise PredictionError(f"The network returns {describe(output)}, not a score for each class: it predicts none.")
    if hasattr(output, "cpu"):  # a tensor, which may lie on another device, in a precision that numpy lacks
        output = output.detach().float().cpu()
    return np.asarray(output, np.float32)


def logits(output: Any, outputs: Outputs = "logits") -> Floats:
    """A network's answers as logits, (N, classes): those of which `probabilities` makes what the network means.

    Of probabilities their logarithms, of scores log(p / (1 - p)), both of numbers held within float32's reach of 0 and
    1. Raises PredictionError where the answers are not finite numbers, or not what `outputs` says they are.
    """
    values = score_table(output)
    if not np.isfinite(values).all():
        raise PredictionError("The network's scores are not all finite numbers, so it predicts no class.")
    if outputs == "values":
        raise PredictionError("The network's outputs are taken for measured values: it predicts no class.")
    if outputs == "logits":
        return values
    if ((values < -SUM_ERROR) | (values > 1 + SUM_ERROR)).any():
        run = span(values.min(), values.max())
        raise PredictionError(f"The network's outputs are taken for {outputs}, and run from {run}; 0 to 1 is allowed.")
    # 1 - 2^-24 is the last float32 below 1: of a score of 1 the odds would be infinite.
    inside = np.clip(values.astype(np.float64), SMALLEST, 1 if outputs == "probabilities" else 1 - 2**-24)
    odds = inside if outputs == "probabilities" else inside / (1 - inside)
    return np.log(odds).astype(np.float32)


def describe(output: Any, most: int = 3) -> str:
    """What a network returns, in words: `a dict of out (a tensor of 1 × 21 × 56 × 56)`."""
    if hasattr(output, "shape"):
        return f"a tensor of {' × '.join(map(str, output.shape))}" if output.shape else "one number"
    kind = "dict" if isinstance(output, Mapping) else "list" if isinstance(output, list) else "tuple"
    if isinstance(output, Mapping):
        parts = [f"{key} ({describe(value, 0)})" for key, value in list(output.items())[:most]]
    elif isinstance(output, list | tuple):
        parts = [describe(value, 0) for value in output[:most]]
    else:
        return f"an object of the type {type(output).__name__}"
    if not parts:
        return f"a {kind} of {len(output)}"
    return f"a {kind} of {', '.join(parts)}{' and others' * (len(output) > most)}"


def probabilities(logits: Floats, outputs: Outputs = "logits") -> Doubles:
    """The probability of each class, (..., classes): softmax of the logits where the network chooses one of several.

    Scores, and a lone logit, are each for themselves: 1 / (1 + exp(-logit)).
    """
    values = logits.astype(np.float64)
    if is_independent(outputs, values.shape[-1]):
        return np.exp(-np.logaddexp(0, -values))
    shifted = np.exp(values - values.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def is_independent(outputs: Outputs, classes: int) -> bool:
    """Whether each class has a probability of its own, and they need not sum to one."""
    return outputs == "scores" or classes == 1


def choice_in_words(outputs: Outputs, classes: int) -> str:
    """What the probabilities of so many classes have to do with one another, in words."""
    return "each has a probability of its own" if is_independent(outputs, classes) else "it must choose among them"


def in_words(outputs: Outputs, classes: int) -> str:
    """What the outputs are taken for, in words."""
    if outputs == "logits":
        if classes == 1:
            return "one number of any size, a logit, which the logistic function makes a probability"
        return "numbers of any size, logits, which softmax makes probabilities that sum to one"
    return MEANING[outputs]


def top(probability: Doubles, labels: Sequence[str], count: int = TOP_CLASSES) -> list[tuple[str, float]]:
    """The most probable classes of one picture, (classes,), with their probabilities, the most probable first."""
    return [(labels[index], float(probability[index])) for index in np.argsort(-probability, kind="stable")[:count]]
