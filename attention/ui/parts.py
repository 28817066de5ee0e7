"""The parts that a page is put together from."""

import contextlib
import inspect
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from attention import analysis
from attention.analysis import Block, predictions
from attention.charts import strip
from attention.charts.colours import CHANNEL_GATE
from attention.observe import NetworkChoice, Observation
from attention.records import GatescopeError, Inventory
from attention.report import Chart, Columns, Picture, Table, as_csv
from attention.ui import presenting, shown
from attention.ui.dress import dressed

FORMATS = ["PNG", "SVG"]
"""Of a figure as a file."""
OTHER_TOOLS = ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d", "resetScale2d"]
ON_OFFER = "On offer"
"""Where a network comes from that is chosen by its name."""
_MARK = "_mark"


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """What a person can put right is said in one sentence, in the place where the result would be."""
    try:
        yield
    except predictions.PredictionError as error:  # nothing is wrong with such a network
        st.info(f"{literal(str(error))} What stands here needs classes; its gates are on the other pages.")
    except GatescopeError as error:
        st.error(str(error), icon=":material/error:")


def chart(
    figure: go.Figure,
    *,
    key: str,
    alt: str,
    table: str | None = "",
    on_select: Callable[[], None] | None = None,
    area: bool = False,
) -> None:
    """A plotly figure with its finding as alternative text; a click on it calls `on_select`.

    Its numbers are offered by `data` under the name of `table`, or else of its key; None is a photograph.

    With `area`, where the figure's `dragmode` is "select" or "lasso", drawing around points calls it instead. The
    report holds the figure, and over it stand two tools: it fills the screen, and it becomes a picture in a file.
    """
    shown.note(key, Chart(figure, alt, table=key if table == "" else table or ""))
    st.plotly_chart(
        dressed(figure),
        key=key,
        alt=alt,
        on_select=on_select or "ignore",
        selection_mode=("points", "box", "lasso") if area else "points",
        config=_tools(key),
    )


def _tools(name: str) -> dict[str, Any]:
    """The browser itself makes the picture, three times as fine as the screen where it is made of pixels."""
    kind = st.session_state.get("figures_as", FORMATS[0]).lower()
    file = {"format": kind, "filename": f"{slug(name)}{mark()}", "scale": 3 if kind == "png" else 1}
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


def picture(encoded: bytes, *, key: str, alt: str, caption: str, table: str | None) -> None:
    """Encoded picture bytes in the width of their place; the caption names the scale. The report holds it.

    The key is that of its place: what is drawn there next takes its place in the report too. `data` offers the numbers
    of what is drawn under the name of `table`; None is a photograph.
    """
    shown.note(key, Picture(encoded, alt, _read(caption), table or ""))
    st.image(encoded, width="stretch", alt=alt, caption=caption)


def data(**tables: Columns) -> None:
    """The numbers behind figures, folded, each table with a CSV file to take away; a presentation goes without.

    The report holds them. A table without rows is left out.
    """
    rows = {name: len(next(iter(columns.values()))) for name, columns in tables.items()}
    filled = [name for name, count in rows.items() if count]
    for name in filled:
        _note_table(name, tables[name])
    if presenting.is_on() or not filled:
        return
    box = st.expander("The data", icon=":material/table:", key=f"data_{next(iter(tables))}", on_change="rerun")
    if box.open:
        for name in filled:
            box.dataframe(tables[name], hide_index=True, alt=f"{name}, the numbers of the figure, {rows[name]} rows.")
            _offer_csv(box, f"{name}.csv", name, tables[name])


def _note_table(name: str, columns: Columns) -> None:
    shown.note(f"{name}.csv", Table(name, f"{name}.csv", columns))


def _offer_csv(place: DeltaGenerator, label: str, name: str, columns: Columns, **look: Any) -> None:
    file = f"{name}{mark()}.csv"
    place.download_button(
        label, lambda: as_csv(columns), file, "text/csv", on_click="ignore", key=f"csv_{name}", **look
    )


def page_of(block: Block) -> str | None:
    """The page that shows a block: the one of the maps where it has one; None where no page can show its gates."""
    if analysis.spatial_view(block) or analysis.profiles(block):
        return "cbam"
    return "excitation" if analysis.channel_view(block) else None


def open_block(page: str, block: Block) -> None:
    """Go to a page, with this block chosen there."""
    st.session_state.block = block.name
    st.switch_page(f"pages/{page}.py", query_params={})  # without it, a link that chose anything is an error


def code(source: object, usage: str) -> None:
    """A block as the project's own code, read from where it is used, and the line that puts it to use."""
    st.code(inspect.getsource(source), language="python", wrap_lines=True)  # type: ignore[arg-type]
    st.markdown("In a network of your own:")
    st.code(usage, language="python")


def depth_strip(names: Sequence[str], values: Sequence[float], *, label: str, colours: Any = CHANNEL_GATE) -> str:
    """The network in small, one cell a block, coloured by `values` (0 to 1); the name of the chosen block.

    A click on a cell or the arrow keys on the slider below go to another block; it is in the URL as `block`.
    """
    settle("block", names)
    place = st.container()
    row = st.container(horizontal=True, vertical_alignment="center")
    chosen = row.select_slider(
        "Block", names, names[len(names) // 2], key="block", bind="query-params", label_visibility="collapsed"
    )

    def go_to() -> None:
        point = clicked("strip")
        if point:
            st.session_state.block = names[int(point["point_index"])]

    with place:
        chart(
            strip.depth(names, values, chosen, colours),
            key="strip",
            alt=f"{label} of {len(names)} blocks in depth order, from {min(values):.2f} to {max(values):.2f}.",
            on_select=go_to,
        )
    columns = {"block": names, label.lower(): values}
    _note_table("strip", columns)
    if not presenting.is_on():
        look = {"icon": ":material/download:", "type": "tertiary", "help": "The numbers of the strip above"}
        _offer_csv(row, "CSV", "strip", columns, **look)
    return chosen


def magnitude(count: int) -> str:
    """Three significant digits with a unit: 28.1 M, 4.12 G, 612 k."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:#.3g} {unit}".replace(". ", " ")
    return str(count)


def small(number: float) -> str:
    """Three decimals of a number from 0 on; of one that would be none of them, what it is less than."""
    return f"{number:.3f}" if number >= 0.0005 or number == 0 else "less than 0.001"


def attention_share(inventory: Inventory, count: str) -> str:
    """How much of the parameters, or of the MACs, is attention; a bound where a gate's module does other work too.

    Where that module is the network itself, any of it may make the gate.
    """
    network = inventory.network
    share = getattr(network, f"attention_{count}") / max(getattr(network, count), 1)
    if any(not each.gate.partition("#")[0] for each in inventory.unlisted):
        share = 1.0
    return f"≤ {percent(share)}" if inventory.unlisted else percent(share)


def percent(share: float) -> str:
    """A share of 0 to 1 with a decimal, or with two significant digits where it is below one percent."""
    return f"{share:.1%}" if share >= 0.01 else f"{100 * share:.2g}%"


def mark_random(choice: NetworkChoice) -> None:
    """Says on the page that the weights are random ones, and has it said in the name of every file taken away."""
    mark_files(random=choice.random)
    if choice.random:
        st.warning(
            f"{choice.card.name} has random weights here: what follows shows how it is built, not what it has learned.",
            icon=":material/casino:",
        )


def mark_files(*, random: bool) -> None:
    """Has the name of every file that is taken away from this page say whether it rests on random weights."""
    st.session_state[_MARK] = "-random-weights" if random else ""


def mark() -> str:
    """What the name of a file taken away says of the weights: nothing, or that they are random ones."""
    return st.session_state[_MARK]


def slug(text: str) -> str:
    """A name that any file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:80] or "figure"


def literal(text: str) -> str:
    """A stranger's text, such as a file's name, so that markdown shows it as it is."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def _read(text: str) -> str:
    """What a person reads where `literal` escaped a text."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


def note_link(key: str, allowed: Container[str], what: str) -> None:
    """What is wrong with a link's value and what is shown instead; the widget itself falls back without a word."""
    asked = st.query_params.get(key)
    if asked is not None and asked not in allowed:
        st.caption(f":material/link_off: The link asks for {what}.")


def tabs(key: str, draws: Mapping[str, Callable[..., None]], *given: Any) -> None:
    """The parts of a page by title, each drawn with what is given where it is open, and failing for itself."""
    note_link(key, draws, f"a part that this page does not have: here is “{next(iter(draws))}”")
    places = st.tabs(list(draws), key=key, on_change="rerun", bind="query-params")
    for place, draw in zip(places, draws.values(), strict=True):
        if place.open:
            with place, errors():
                draw(*given)


def settle(key: str, options: Sequence[Any]) -> None:
    """Forget a choice that is no option any more (another network, an old link): the default takes its place."""
    if key in st.session_state and st.session_state[key] not in options:
        del st.session_state[key]


def no_gates(observation: Observation, wanted: str, network: str) -> None:
    """Said where a network has nothing to show, with what to do next."""

    def choose() -> None:
        st.session_state.update(network=network, origin=ON_OFFER)

    st.info(f"{observation.card.title} has no {wanted}: {observation.card.description}.", icon=":material/info:")
    st.button(f"Open {network} instead", on_click=choose, key=f"instead_{network}")
