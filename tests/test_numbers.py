"""What a person reads has one format of numbers: few digits, one minus sign, no powers of a machine."""

import ast
import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from attention import numbers

ROOT = Path(__file__).parents[1] / "attention"
RAW = {"training.py", "distillation.py"}
"""What these say is a log of a training, line by line."""
FINITE = some.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.123"),
        (-0.5, "−0.5"),
        (12345, "12,345"),
        (12345.6, "12,300"),
        (-1234.0, "−1,230"),
        (999.96, "1,000"),
        (2.27e-05, "2.27 × 10⁻⁵"),
        (-3e-12, "−3 × 10⁻¹²"),
        (1.5e9, "1.5 × 10⁹"),
        (0.0, "0"),
        (-0.0, "0"),
        (math.inf, "inf"),
        (-7, "−7"),
        (np.float32(0.25), "0.25"),
        (math.nan, "–"),
        (None, "–"),
        (True, "yes"),
        ("a-1", "a-1"),
    ],
)
def test_a_number_has_three_digits(value, text):
    assert numbers.number(value) == text


@given(FINITE.filter(lambda value: abs(value) < 1e300))
def test_three_digits_say_the_number_to_half_a_unit_of_the_third(value):
    text = numbers.number(value)
    assert not re.search(r"e[+-]|-", text)
    digits, _, power = text.replace(",", "").replace("−", "-").partition(" × 10")
    said = float(f"{digits}e{power.translate(str.maketrans('⁻⁰¹²³⁴⁵⁶⁷⁸⁹', '-0123456789'))}" if power else digits)
    assert said == pytest.approx(value, rel=0.00501)


@given(FINITE.filter(lambda value: abs(value) < 1e9), some.integers(1, 4))
def test_decimals_are_those_of_the_number_and_nothing_has_no_sign(value, digits):
    text = numbers.fixed(value, digits)
    assert float(text.replace(",", "").replace("−", "-")) == pytest.approx(value, abs=0.5001 * 10**-digits)
    if text.strip("−0.,") == "":
        assert text == f"0.{'0' * digits}"
    assert "-" not in text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.25, 3, "+0.250"),
        (-0.25, 2, "−0.25"),
        (0.01, 3, "+0.010"),
        (0.0042, 3, "+0.0042"),
        (-0.00075, 3, "−7.5 × 10⁻⁴"),
        (np.float32(2e-7), 3, "+2 × 10⁻⁷"),
        (0.0, 3, "0.000"),
        (-0.0, 2, "0.00"),
    ],
)
def test_a_difference_has_a_sign_and_is_never_rounded_to_nothing(value, digits, text):
    assert numbers.signed(value, digits) == text


UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@given(
    some.integers(0, 999 * 10**12)
    | some.integers(1, 4).flatmap(
        lambda power: some.integers(-3, 3).map(lambda by: 9995 * 10 ** (3 * power) // 10**4 + by)
    )
)
def test_a_large_count_has_three_digits_and_a_unit_to_half_of_the_third(count):
    text = numbers.magnitude(count)
    whole = re.fullmatch(r"(\d{1,3})|(\d\.\d\d|\d\d\.\d|\d{3}) ([kMGT])", text)
    assert whole, text
    said, unit = whole[1] or whole[2], UNITS[whole[3] or ""]
    third = Fraction(unit, 10 ** len(said.partition(".")[2]))
    assert abs(Fraction(said) * unit - count) <= (third / 2 if whole[3] else 0)
    assert not whole[3] or 1 <= float(said) < 1000


@pytest.mark.parametrize(("p", "text"), [(1, "p = 1"), (0.05, "p = 0.05"), (0.0312, "p = 0.031"), (1e-9, "p < 0.001")])
def test_a_probability_by_chance_is_never_said_to_be_nothing(p, text):
    assert numbers.p_value(p) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 pictures"), (1, "1 picture"), (2, "2 pictures"), (3925, "3,925 pictures")]
)
def test_one_is_said_in_the_singular(count, text):
    assert numbers.amount(count, "picture") == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 classes"), (1, "1 class"), (1000, "1,000 classes")])
def test_several_have_a_word_of_their_own_where_it_is_given(count, text):
    assert numbers.amount(count, "class", "classes") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 seconds"), (1, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (14400, "240 minutes")],
)
def test_a_time_that_is_allowed_is_never_rounded_to_nothing(seconds, text):
    assert numbers.duration(seconds) == text


def test_no_sentence_of_the_product_formats_a_number_by_itself():
    """Decimals and digits in an f-string would have a hyphen for a minus; of shares, percent may be said directly."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(ROOT.rglob("*.py"))
        if path.name not in {"numbers.py", *RAW}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FormattedValue) and node.format_spec
        if re.search(r"[1-9][fge]|^\+g|e$", ast.unparse(node.format_spec).strip("f'\""))
    ]
    assert found == []
