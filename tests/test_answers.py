"""What a network returns: scores for classes, or something else in words."""

from collections import OrderedDict

import numpy as np
import pytest
import torch

from attention.analysis import predictions


@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_logits_are_kept_as_they_are(kind):
    assert predictions.logits(kind([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (torch.zeros(1, 5, 8, 8), "a tensor of 1 × 5 × 8 × 8"),
        (torch.zeros(1, 0), "a tensor of 1 × 0"),
        (torch.zeros(()), "one number"),
        ({"out": torch.zeros(1, 5), "aux": torch.zeros(2)}, "a dict of out (a tensor of 1 × 5), aux (a tensor of 2)"),
        (OrderedDict(out=torch.zeros(1, 2)), "a dict of out (a tensor of 1 × 2)"),
        ([torch.zeros(1, n) for n in range(2, 7)], "a list of a tensor of 1 × 2, a tensor of 1 × 3, a tensor of 1 × 4"),
        ((), "a tuple of 0"),
        ([[torch.zeros(1)]], "a list of a list of 1"),
        (None, "an object of the type NoneType"),
    ],
)
def test_what_is_no_score_for_each_class_is_described(output, said):
    with pytest.raises(predictions.PredictionError) as raised:
        predictions.logits(output)
    assert f"The network returns {said}" in str(raised.value)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_predict_nothing(wrong):
    with pytest.raises(predictions.PredictionError, match="finite"):
        predictions.logits(torch.tensor([[0.0, wrong]]))
