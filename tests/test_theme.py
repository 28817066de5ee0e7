"""The theme can be read: WCAG's contrast of 4.5 : 1 for text, in both appearances."""

import tomllib
from pathlib import Path

import pytest

THEME = tomllib.loads((Path(__file__).parents[1] / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours such as `#1F629E`: 1 to 21."""
    dark, light = sorted(luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_of_black_and_white_is_21():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


@pytest.mark.parametrize("appearance", ["light", "dark"])
@pytest.mark.parametrize("text", ["textColor", "linkColor"])
def test_text_stands_out_from_every_surface(appearance, text):
    colours = THEME[appearance]
    surfaces = [colours[key] for key in ("backgroundColor", "secondaryBackgroundColor", "codeBackgroundColor")]
    surfaces += [colours["sidebar"][key] for key in ("backgroundColor", "secondaryBackgroundColor")]
    assert min(contrast(colours[text], surface) for surface in surfaces) >= 4.5


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_the_white_label_of_a_primary_button_stands_out(appearance):
    assert contrast("#FFFFFF", THEME[appearance]["primaryColor"]) >= 4.5
