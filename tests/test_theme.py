"""The theme can be read: WCAG's contrast of 4.5 : 1 for text, in both appearances."""

import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from attention.ui import page_style
from tests.charts import numbers

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


def leaves(part, path=()):
    """Everything that a figure says, by where it says it; numbers in bytes as such."""
    if isinstance(part, dict) and "bdata" in part:
        yield path, numbers(part).tolist()
    elif isinstance(part, dict):
        for name, value in part.items():
            yield from leaves(value, (*path, name))
    elif isinstance(part, list | tuple):
        for place, value in enumerate(part):
            yield from leaves(value, (*path, place))
    else:
        yield path, part


def figures() -> list[go.Figure]:
    panels = make_subplots(rows=1, cols=3, shared_yaxes=True, subplot_titles=("a", "b", "c"))
    panels.add_trace(go.Heatmap(z=[[1, 2]]), row=1, col=2)
    titled = go.Figure(go.Bar(y=[1]))
    titled.update_layout(xaxis_title="x", yaxis_tickfont_size=9, legend_font_size=8, font_family="serif")
    titled.add_annotation(text="red", font_color="red")
    return [go.Figure(), go.Figure(go.Bar(x=[1], y=[2])), titled, panels]


@pytest.fixture(params=["light", "dark"])
def colours(request, monkeypatch):
    """The theme of the page, in one appearance."""
    context = SimpleNamespace(theme=SimpleNamespace(type=request.param))
    monkeypatch.setattr(page_style.st, "context", context)
    options = {f"theme.{request.param}.{name}": value for name, value in THEME[request.param].items()}
    options["theme.chartCategoricalColors"] = THEME["chartCategoricalColors"]
    monkeypatch.setattr(page_style.st, "get_option", options.__getitem__)
    return THEME[request.param]


@pytest.mark.parametrize("number", range(4))
def test_a_figure_keeps_what_it_says_and_plotly_takes_it(number, colours):
    given = figures()[number]
    sent = page_style.styled(given, answers=True).to_dict()
    said = dict(leaves(sent))
    for path, value in leaves(figures()[number].to_dict()):
        if path[:2] not in {("layout", "template"), ("layout", "height")}:
            assert said[path] == value, path
    taken = go.Figure(sent).to_dict()["layout"]
    assert {name: taken[name] for name in sent["layout"]} == sent["layout"]
    assert given.to_dict() == figures()[number].to_dict(), "the chart itself is as it was"


@pytest.mark.parametrize("number", range(4))
def test_the_text_of_a_figure_is_in_the_ink_of_the_page_on_its_paper(number, colours):
    figure = page_style.styled(figures()[number])
    layout = figure.layout
    ink, paper = colours["textColor"], colours["backgroundColor"]
    assert (layout.paper_bgcolor, layout.plot_bgcolor, layout.hoverlabel.bgcolor) == (paper, paper, paper)
    fonts = [layout.font, layout.legend.font, layout.hoverlabel.font]
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        fonts += [axis.tickfont, axis.title.font]
    assert {font.color for font in fonts} == {ink}
    for note in layout.annotations:
        assert note.font.color == ("red" if note.text == "red" else ink)


def test_plotly_tells_whether_a_figure_is_the_one_that_it_has_drawn(colours):
    """By `datarevision`, and by comparing what says how it looks: a list with a list, and no template with another."""
    one, same, other = (page_style.styled(go.Figure(go.Bar(y=np.float32([1, last])))) for last in (2, 2, 3))
    assert one.layout.datarevision == same.layout.datarevision != other.layout.datarevision
    assert one.to_dict() == same.to_dict()
    assert one.to_dict()["data"][0]["y"] == [1.0, 2.0]
    assert one.layout.template == go.layout.Template()
    most, more = (go.Figure(go.Heatmap(z=np.zeros((2, page_style.MOST_LISTED // 2 + extra)))) for extra in (0, 1))
    assert isinstance(page_style.styled(most).to_dict()["data"][0]["z"], list)
    assert "bdata" in page_style.styled(more).to_dict()["data"][0]["z"], "a list would take longer than it saves"
    assert "clickmode" not in one.to_dict()["layout"]
    clicked = page_style.styled(go.Figure(go.Bar(y=[1])), answers=True).layout
    assert (clicked.clickmode, clicked.hovermode, clicked.dragmode) == ("event+select", "closest", "pan")
