"""When two traces are the same."""

from dataclasses import fields, is_dataclass

import numpy as np
import torch


def assert_alike(found, expected):
    """Bit for bit: the output with its layout, and every field of every gate, and what was rejected."""
    assert torch.equal(found.output, expected.output)
    assert found.output.stride() == expected.output.stride()
    assert found.rejected == expected.rejected
    assert [gate.name for gate in found.gates] == [gate.name for gate in expected.gates]
    for one, other in zip(found.gates, expected.gates, strict=True):
        for field in fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
        assert one.values.dtype == np.float32


def assert_same(one, other):
    """Arrays, or arrays by the same names in the same order."""
    if not isinstance(one, dict):
        one, other = {"": one}, {"": other}
    assert list(one) == list(other)
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])


def assert_same_steps(one, other):
    """The steps of a gate are the same field by field, or there are none of either."""
    assert type(one) is type(other)
    for field in fields(one) if one else ():
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert_same(*(vars(each) if is_dataclass(each) else each for each in (left, right)))


def seeded(run, *args, **options):
    """Dropout and drop path draw the same numbers in each run."""
    torch.manual_seed(3)
    return run(*args, **options)
