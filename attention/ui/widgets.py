"""What a page is put together from: charts, choices that stand in the address, tables, sentences."""

import contextlib
import inspect
import json
import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal, TypeVar

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from attention.analysis import predictions
from attention.charts import network
from attention.charts.chart import Chart, Columns, as_csv
from attention.charts.colours import CHANNEL_GATE
from attention.foreign import literal, readable, sentence
from attention.numbers import number
from attention.observe import NetworkChoice, Observation
from attention.records import GatescopeError
from attention.report import Table
from attention.ui import downloads, going_back, presenting, recorder
from attention.ui.page_style import styled

ON_A_PHONE = 340
"""Pixels that a figure has on a phone."""
WIDTHS = (30, 40, 45, 50, 60)
"""How wide a figure can be held by `screen.css`, in units of 16 pixels, or more in a presentation."""
DIAGRAM = 800
"""Pixels that the letters of a diagram need to be read."""
FORMATS = ["PNG", "SVG"]
"""What a figure can be as a file."""
OTHER_TOOLS = ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d", "resetScale2d"]
ON_OFFER = "From the list"
"""Where a network comes from that is chosen by its name."""
_MARK, _POSITION = "_mark", "_position"
_OLD_ANSWER = st.components.v2.component(
    "said", html="<i></i>", js=Path(__file__).with_name("old_answer.js").read_text(encoding="utf-8")
)
_NEAR = st.components.v2.component(
    "near",
    html='<p role="status" style="height: 20rem">More comes here.</p>',
    js=Path(__file__).with_name("near.js").read_text(encoding="utf-8"),
)
FEW = 6
"""Options that are all named in a sentence; of more, the first and the last."""
Chosen = TypeVar("Chosen")
Number = TypeVar("Number", int, float)


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """What a person can put right is said in one sentence, in the place where the result would be."""
    try:
        yield
    except predictions.PredictionError as error:  # nothing is wrong with such a network
        st.info(f"{sentence(error)} What stands here needs classes; its gates are on the other pages.")
    except GatescopeError as error:
        with notes():
            st.error(sentence(error), icon=":material/error:")
    except OSError as error:  # a full disk of the server's, whose folders are no visitor's affair
        traceback.print_exc()
        reason = literal(os.strerror(error.errno) if error.errno else type(error).__name__)
        st.error(f"The server cannot read or write a file of its own: {reason}.", icon=":material/error:")


def show(
    chart: Chart,
    *,
    on_select: Callable[[], None] | None = None,
    area: bool = False,
    fold_table: bool = True,
    draw: Callable[[], object] | None = None,
) -> None:
    """A chart in the width of its place: the finding, the figure, the caption, and its numbers, folded.

    Without `fold_table`, the caller offers the numbers by `fold`, further below.
    A click on a plotly figure calls `on_select`; with `area`, where its `dragmode` is "select" or "lasso", so does
    drawing around points. The report holds the chart. Over a plotly figure stand two tools: it fills the screen, and
    it becomes a picture in a file. What the browser draws by a script of this project, its caller draws by `draw`.
    """
    if chart.headline:
        say(literal(chart.headline), f"{chart.key} headline")
    recorder.note(chart.key, chart)
    if draw:
        draw()
    elif isinstance(chart.figure, bytes):
        st.image(chart.figure, width="stretch", alt=readable(chart.alt), caption=literal(chart.caption))
    elif isinstance(chart.figure, go.Figure):
        with _place_of(chart.key, chart.least_width):
            st.plotly_chart(
                styled(chart.figure, answers=on_select is not None),
                theme=None,
                key=chart.key,
                alt=readable(chart.alt),
                height="stretch" if presenting.is_bare() else "content",
                on_select=on_select or "ignore",
                selection_mode=("points", "box", "lasso") if area else "points",
                config=_tools(chart.key),
            )
    if chart.caption and (draw or not isinstance(chart.figure, bytes)):
        say(literal(chart.caption), chart.key, "caption")
    if chart.table and fold_table:
        fold(**{chart.key: chart.table})


def diagram(source: str, alt: str) -> None:
    """Boxes and arrows, written in mermaid's words."""
    # Boxes are measured in the page's font, and drawn as a picture, which has none of it: so they are large.
    look = {"flowchart": {"rankSpacing": 20, "nodeSpacing": 10, "padding": 14, "wrappingWidth": 400}}
    with _place_of("diagram", DIAGRAM):
        st.mermaid_chart(f"%%{{init: {json.dumps(look)}}}%%\n{source}", alt=alt)


def _place_of(key: str, least_width: float) -> DeltaGenerator:
    """Where a figure is as wide as its texts need, in pixels, and moves sideways on a screen that is narrower."""
    if least_width <= ON_A_PHONE:
        return st.container()
    least = next((width for width in WIDTHS if 16 * width >= least_width), WIDTHS[-1])
    return st.container(key=f"wide_{least}_{slug(key)}")


def say(
    text: str,
    place: str,
    look: Literal["markdown", "caption", "header", "subheader"] = "markdown",
    at: DeltaGenerator | None = None,
) -> None:
    """A sentence in markdown, with the terms in it that the page has not explained yet; its `place` on the page is its
    name, which stays while what it says changes."""
    settings = {"anchor": False} if look.endswith("header") else {}
    recorder.note_sentence(text, place)
    getattr(at or st, look)(text, help=recorder.explain(text, place), **settings)


def as_table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """A table in markdown, whose cells are markdown; the first columns, so many of them, are words, others numbers."""
    sides = [":--"] * words + ["--:"] * (len(titles) - words)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, sides, *rows))


def info(text: str) -> None:
    """What a reader should know here, in markdown, set off from the rest."""
    st.info(text, icon=":material/info:")


def _tools(name: str) -> dict[str, Any]:
    """The browser itself makes the picture, three times as fine as the screen where it is made of pixels."""
    kind = st.session_state.get("figures_as", FORMATS[0]).lower()
    file = {"format": kind, "filename": f"{slug(name)}{file_mark()}", "scale": 3 if kind == "png" else 1}
    return {"modeBarButtonsToRemove": OTHER_TOOLS, "toImageButtonOptions": file}


def clicked(key: str) -> dict[str, Any] | None:
    """The point of a chart that was clicked last, for use in `on_select`."""
    points = st.session_state[key]["selection"]["points"]
    return points[0] if points else None


def selected(key: str) -> list[int]:
    """The points of a chart's first trace that a click, a frame or a loop holds, for use in `on_select`."""
    points = st.session_state[key]["selection"]["points"]
    return [int(point["point_index"]) for point in points if point["curve_number"] == 0]


def frame(key: str) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The frame that was drawn on a chart, for use in `on_select`: from and to in x, and in y, the lower first."""
    boxes = st.session_state[key]["selection"]["box"]
    if not boxes:
        return None
    (left, right), (low, high) = (sorted(map(float, boxes[0][axis])) for axis in ("x", "y"))
    return (left, right), (low, high)


def data(**tables: Columns) -> None:
    """The numbers behind several figures, folded; the report holds them. A table without rows is left out."""
    for name, columns in tables.items():
        if len(next(iter(columns.values()))):
            recorder.note(f"{name}.csv", Table(name, f"{name}.csv", columns))
    fold(**tables)


def fold(**tables: Columns) -> None:
    """Numbers, folded, each table with a CSV file to take away; a presentation goes without."""
    rows = {name: len(next(iter(columns.values()))) for name, columns in tables.items()}
    filled = [name for name, count in rows.items() if count]
    if presenting.is_on() or not filled:
        return
    box = st.expander("The data", icon=":material/table:", key=f"data_{next(iter(tables))}", on_change="rerun")
    if box.open:
        for name in filled:
            box.dataframe(tables[name], hide_index=True, alt=f"{name}, the numbers of the figure, {rows[name]} rows.")
            _offer_csv(box, f"{name}.csv", name, tables[name])


def _offer_csv(place: DeltaGenerator, label: str, name: str, columns: Columns, **look: Any) -> None:
    file = f"{name}{file_mark()}.csv"
    downloads.offer(label, lambda: as_csv(columns), file, "text/csv", key=f"csv_{name}", place=place, **look)


def code(source: object, usage: str) -> None:
    """A block as the project's own code, read from where it is used, and the line that puts it to use."""
    st.code(inspect.getsource(source), language="python", wrap_lines=True)  # type: ignore[arg-type]
    st.markdown("In a network of your own:")
    st.code(usage, language="python")


def depth_strip(
    titles: Mapping[str, str], values: Sequence[float], usual: str, *, label: str, colours: Any = CHANNEL_GATE
) -> str:
    """The network in small, one cell a block, coloured by `values` (0 to 1), which `label` names in words; the name of
    the chosen block, of those that are called `titles`. The `usual` one is chosen at the start.

    A click on a cell or the arrow keys on the slider below go to another block; it is in the address as `block`.
    """
    place, names = st.container(), list(titles)
    named = network.names_fit(list(titles.values()))  # the slider need not say again what stands below the cells
    row = st.container(horizontal=True, vertical_alignment="center", key="named_strip" if named else "nameless_strip")
    chosen = choose("Block", names, key="block", default=usual, look="slider", place=row, label_visibility="collapsed")

    def go_to() -> None:
        if point := clicked("strip"):
            st.session_state.block = names[int(point["point_index"])]

    st.session_state[_POSITION] = names.index(chosen)
    strip = network.depth_strip(titles, values, chosen, label=label, colours=colours)
    if not presenting.is_bare():
        with place:
            show(strip, on_select=go_to, fold_table=False)
    if not presenting.is_on():
        settings = {"icon": ":material/download:", "type": "tertiary", "help": "The numbers of the strip above"}
        _offer_csv(row, "CSV", "strip", strip.table, **settings)
    return chosen


def room(name: str) -> DeltaGenerator:
    """A place that is as high as `first_page.css` says until what it is for is there, so that nothing below jumps."""
    place = st.container(key=f"room_{name}")
    place.html("<i></i>")  # unseen: without anything in it, the browser makes no place
    return place


@contextlib.contextmanager
def answer() -> Iterator[DeltaGenerator]:
    """The place of an answer about the block on the strip, seen while the strip's slider stands at that block: from
    when it is moved until the next answer is here, the browser hides what is said of the last one."""
    with room("answer_of_block"):
        yield st.empty()
    _OLD_ANSWER(key="said", data={"position": st.session_state.get(_POSITION)})


def is_near(part: str, where: str) -> bool:
    """Whether the end of a page is drawn: not in the first run for `where`, so that what stands on the screen does not
    wait for it, and then as soon as somebody scrolls near it, which runs the fragment that this is called in anew."""
    key = f"_near_{part}"
    if presenting.is_on() or st.session_state.get(key) == where:
        return True
    st.session_state[key] = where
    _NEAR(key=f"near_{part}", on_near_change=lambda: None)
    return False


def mark_random(choice: NetworkChoice) -> None:
    """Says on the page that the weights are random ones, and has it said in the name of every file taken away."""
    mark_files(random=choice.random)
    if choice.random:
        st.warning(
            f"{literal(choice.card.name)} has random weights here: what follows shows how it is built, not what it has "
            "learned.",
            icon=":material/casino:",
        )


def mark_files(*, random: bool) -> None:
    """Has the name of every file that is taken away from this page say whether it rests on random weights."""
    st.session_state[_MARK] = "-random-weights" if random else ""


def file_mark() -> str:
    """What the name of a file taken away says of the weights: nothing, or that they are random ones."""
    return st.session_state[_MARK]


def slug(text: str) -> str:
    """A name that any file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:80] or "figure"


LOOKS = {"list": "selectbox", "row": "segmented_control", "pills": "pills", "slider": "select_slider"}
"""How a choice looks: a list that opens, all options in a row or in several, or a slider with a step for each."""


def choose(
    label: str,
    options: Iterable[Chosen],
    *,
    key: str,
    default: Chosen | None = None,
    look: Literal["list", "row", "pills", "slider"] = "list",
    names: Callable[[Any], str] = str,
    place: DeltaGenerator | None = None,
    linked: bool = True,
    optional: bool = False,
    **settings: Any,
) -> Chosen:
    """One of the options, which stands in the address under `key` unless it is not `linked`; the first one, or the
    `default`, until another is chosen; where that is `optional`, of a list, None until then.

    A link that asks for what is no option gets the default, and the page says so. So does, without a word, a choice
    that is no option any more, since another network or picture was chosen.
    """
    values = list(options)

    def called(value: Any) -> str:
        return readable(names(value))

    usual = values[0] if default is None else default
    asked = _asked_by_link(key) if linked else None
    carried = linked and going_back.was_chosen_elsewhere(key, usual)
    if key in st.session_state and st.session_state[key] not in values:
        st.session_state[key] = None if optional else usual  # where it is only let go, the browser goes on showing it
    elif asked is not None and asked not in map(called, values):
        say_fallback(key, asked, _options_in_words([called(value) for value in values]))
    elif carried:
        st.session_state[key] = st.session_state[key]  # a new page does not take over what a link chose
    if look in ("row", "pills"):
        settings |= {"default": usual, "required": True}
    elif look == "list":
        settings |= {"index": None if optional else values.index(usual)}
    else:
        settings |= {"value": usual}
    if linked:
        settings |= {"bind": "query-params"}
    chosen: Chosen = getattr(place or st, LOOKS[look])(label, values, key=key, format_func=called, **settings)
    if carried and chosen != usual:
        going_back.keep_in_address(key, called(chosen))
    return chosen


def choose_number(
    label: str,
    low: Number,
    high: Number,
    usual: Number,
    *,
    key: str,
    look: Literal["field", "slider", "pages"] = "field",
    **settings: Any,
) -> Number:
    """A number that stands in the address under `key`, by a field, a slider or a row of pages, as `look` says.

    A link that asks for one beyond the ends gets the usual one, and the page says so.
    """
    asked = _asked_by_link(key)
    if key in st.session_state and not _within(st.session_state[key], low, high):
        st.session_state[key] = usual
    elif asked is not None and not _within(asked, low, high):
        say_fallback(key, asked, f"{number(low)} to {number(high)}")
    if look == "pages":
        return st.pagination(int(high), key=key, bind="query-params", **settings)
    widget: Any = st.slider if look == "slider" else st.number_input
    return widget(label, low, high, usual, key=key, bind="query-params", **settings)


def choose_channel(where: str, count: int, usual: int, *, key: str, **settings: Any) -> int:
    """A channel of the gate at `where`: the usual one, until another is chosen, which stays with another picture. Its
    number means nothing elsewhere."""
    at = f"_{key}_of"
    place, opened = st.session_state.get(at, (where, None))
    asked = st.session_state.get(key, st.query_params.get(key))
    moved = place != where or asked == opened != usual
    if moved or not _within(asked, 0, count - 1):
        if asked is not None and not moved:
            say_fallback(key, str(asked), f"0 to {count - 1}")
        st.session_state[key] = usual
    st.session_state[at] = (where, usual)
    return int(st.number_input("Channel", 0, count - 1, usual, key=key, bind="query-params", **settings))


def set_channel(where: str, channel: int, *, key: str) -> None:
    """Choose a channel of the gate at `where` in another way than by its widget."""
    st.session_state[key] = channel
    st.session_state[f"_{key}_of"] = (where, None)  # or `choose_channel` would put it back to the usual one


def _asked_by_link(key: str) -> str | None:
    """What a link asks for: what stands in the address before anybody has chosen."""
    return None if key in st.session_state else st.query_params.get(key)


def say_fallback(key: str, asked: str, allowed: str) -> None:
    message = f"The link asks for {key} “{literal(asked[:40])}”; there is {literal(allowed)}. This is shown instead."
    with notes():
        st.caption(f":material/link_off: {message}")


_NOTES: ContextVar[DeltaGenerator | None] = ContextVar("notes", default=None)


@contextlib.contextmanager
def notes_in(place: DeltaGenerator) -> Iterator[None]:
    """In the block, `notes()` are written into the place. It is the sidebar's block, which a phone hides at first."""
    token = _NOTES.set(place)
    try:
        yield
    finally:
        _NOTES.reset(token)


def notes() -> contextlib.AbstractContextManager[object]:
    """Where it is said that something else is shown than was asked for: below the title, or where the widget is."""
    return _NOTES.get() or contextlib.nullcontext()


def _options_in_words(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= FEW else f"{names[0]} to {names[-1]}"


def _within(value: Any, low: float, high: float) -> bool:
    try:
        return low <= float(value) <= high
    except (TypeError, ValueError):
        return False


def tabs(key: str, draws: Mapping[str, Callable[..., None]], *given: Any) -> None:
    """The parts of a page by title, each drawn with what is given where it is open, and failing for itself."""
    asked = _asked_by_link(key)
    if asked is not None and asked not in draws:
        say_fallback(key, asked, _options_in_words(list(draws)))
    if key not in st.query_params:
        presenting.offer_alone(next(iter(draws)))
    places = st.tabs(list(draws), key=key, on_change="rerun", bind="query-params")
    for place, draw in zip(places, draws.values(), strict=True):
        if place.open:
            with place, errors():
                draw(*given)


def no_gates(observation: Observation, wanted: str, other: str) -> None:
    """Said where a network has nothing to show, with what to do next."""

    def open_other() -> None:
        st.session_state.update(network=other, origin=ON_OFFER)

    card = observation.card
    about = "" if card.source in ("code", "file") else f": {literal(card.description)}"  # what nobody described
    info(f"{literal(card.title)} has no {wanted}{about}.")
    st.button(f"Open {other} instead", on_click=open_other, key=f"instead_{other}")
