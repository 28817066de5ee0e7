"""The theme can be read: WCAG's contrast of 4.5 : 1 for text, in both appearances."""

import tomllib
from pathlib import Path

import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from attention.ui import page_style

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


INK = "#0B131B"


def as_plotly_has_it(figure: go.Figure) -> go.Figure:
    """The colours set one by one."""
    figure.update_layout(font_color=INK, legend_font_color=INK)
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(tickfont_color=INK, title_font_color=INK)
    return figure.for_each_annotation(lambda note: note.update(font_color=note.font.color or INK))


def figures() -> list[go.Figure]:
    panels = make_subplots(rows=1, cols=3, shared_yaxes=True, subplot_titles=("a", "b", "c"))
    panels.add_trace(go.Heatmap(z=[[1, 2]]), row=1, col=2)
    titled = go.Figure(go.Bar(y=[1]))
    titled.update_layout(xaxis_title="x", yaxis_tickfont_size=9, legend_font_size=8, font_family="serif")
    titled.add_annotation(text="red", font_color="red")
    return [go.Figure(), go.Figure(go.Bar(x=[1], y=[2])), titled, panels]


@pytest.mark.parametrize("number", range(4))
def test_the_ink_of_a_figure_is_that_of_plotlys_own_way_and_all_else_stays(number, monkeypatch):
    monkeypatch.setattr(page_style.st, "get_option", lambda _: INK)
    given = figures()[number]
    fast, slow = page_style.styled(given).to_dict(), as_plotly_has_it(figures()[number]).to_dict()
    assert fast == slow
    assert go.Figure(fast).to_dict() == fast, "plotly takes it"
    assert given.to_dict() == figures()[number].to_dict(), "the chart itself is as it was"
