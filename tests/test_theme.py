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


def blended(text: str, surface: str, opacity: float) -> str:
    """The colour that a reader sees of text that lets its surface shine through."""
    channels = [(int(text[at : at + 2], 16), int(surface[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(opacity * front + (1 - opacity) * back):02X}" for front, back in channels)


def surfaces(appearance: str) -> list[str]:
    colours = THEME[appearance]
    main = [colours[key] for key in ("backgroundColor", "secondaryBackgroundColor", "codeBackgroundColor")]
    return main + [colours["sidebar"][key] for key in ("backgroundColor", "secondaryBackgroundColor")]


@pytest.mark.parametrize("appearance", ["light", "dark"])
@pytest.mark.parametrize("text", ["textColor", "linkColor", "primaryColor"])
def test_text_stands_out_from_every_surface(appearance, text):
    colour = THEME[appearance][text]
    assert min(contrast(colour, surface) for surface in surfaces(appearance)) >= 4.5


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_captions_stand_out_though_they_are_drawn_at_60_percent(appearance):
    text = THEME[appearance]["textColor"]
    assert min(contrast(blended(text, surface, 0.6), surface) for surface in surfaces(appearance)) >= 4.5
