"""The page of the network itself: its layers as a table, what they cost, and where attention stands among them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from attention.analysis import Block
from attention.charts import numbers
from attention.inventory import COUNTS, Row, every, folded
from attention.observe import Observation
from attention.records import Gate, Part
from attention.ui import widgets

Columns = dict[str, Sequence[Any]]

USUAL_DEPTH = 3
INDENT = "\u2003"
MOST_ROWS = 18
"""More than these scroll inside the table."""
ROW_HEIGHT = 35
"""Of streamlit's tables, in pixels."""


def answer(observation: Observation) -> str:
    """The network in one sentence."""
    network = observation.inventory.network
    cost = f"{numbers.magnitude(network.parameters)} parameters and {numbers.magnitude(network.macs)} MACs"
    if not observation.blocks:
        return f"{cost} for one picture, and no gates."
    share = widgets.attention_share(observation.inventory, "parameters")
    blocks = (
        f"{len(observation.blocks)} blocks with gates hold"
        if len(observation.blocks) > 1
        else "one block with gates holds"
    )
    return f"{cost} for one picture; {blocks} {share} of the parameters."


def draw_totals(observation: Observation) -> None:
    """What the whole network costs, what of that is attention, and what its groups save."""
    network = observation.inventory.network
    spared = network.ungrouped_parameters - network.parameters
    spared_macs = network.ungrouped_macs - network.macs
    figures = {
        "Parameters": (numbers.magnitude(network.parameters), None),
        "MACs, one picture": (numbers.magnitude(network.macs), None),
        "Attention parameters": (
            widgets.attention_share(observation.inventory, "parameters"),
            f"{widgets.attention_share(observation.inventory, 'macs')} of the MACs",
        ),
        "Saved by groups": (numbers.magnitude(spared), f"parameters; {numbers.magnitude(spared_macs)} MACs"),
    }
    for place, (label, (value, second)) in zip(st.columns(4), figures.items(), strict=True):
        place.metric(label, value, second, border=True, height="stretch", delta_color="off", delta_arrow="off")
    side = observation.card.input_size
    st.caption(
        f"For one picture of {side} × {side} px. MACs are the multiply-accumulates of convolutions and matrix "
        "products. Groups save against the same network with every convolution in one group: that one would have "
        f"{numbers.magnitude(network.ungrouped_parameters)} parameters, "
        f"{numbers.magnitude(network.ungrouped_macs)} MACs."
    )
    if observation.inventory.note:
        st.caption(f":material/info: {observation.inventory.note}")


def draw_layers(observation: Observation) -> None:
    """The layers as a table, searched or folded; a tick on a row with one block opens that block on its page."""
    network = observation.inventory.network
    rows = _choose_rows(network)
    if not rows:
        st.info("No layer has this in its name, class or form of attention. Try “conv”, or “se”.")
        return
    gates = {gate.name: gate for gate in observation.trace.gates}
    shown = _filled(table(rows, gates))
    event = st.dataframe(
        shown,
        hide_index=True,
        height=ROW_HEIGHT * (min(len(rows), MOST_ROWS) + 1) + 3,
        column_config=_columns(max(map(len, shown.get("gates", [""])))),
        placeholder="",
        on_select="rerun",
        selection_mode="single-row",
        key=f"layers_{hash(tuple(row.part.name for row in rows))}",  # other rows begin without a tick
        alt=f"{len(rows)} rows of layers; the first is {rows[0].label or network.module}.",
    )
    if ticked := event["selection"]["rows"]:
        _open(observation, rows[ticked[0]])
    st.caption(
        "Tick a row with gates to open its block. What has no row of its own (normalisation, activations, classifiers) "
        "is counted in the row that holds it. Neighbours that hold the same are one row, which adds them up."
    )
    st.download_button(
        "All layers, CSV",
        lambda: widgets.as_csv(columns(list(every(network)), gates)),
        f"{observation.card.name.replace('/', '_')}_layers{widgets.mark()}.csv",
        "text/csv",
        on_click="ignore",
        key="layers_csv",
    )


def columns(rows: Sequence[Row], gates: dict[str, Gate]) -> Columns:
    """The rows as columns of plain values, with whole names: what the CSV file holds."""
    whole: Columns = {"layer": [row.part.name for row in rows], "class": [row.part.module for row in rows]}
    convolutions: Columns = {
        "kernel": ["x".join(map(str, row.part.kernel)) for row in rows],
        "in": [row.part.channels[0] if row.part.channels else None for row in rows],
        "out": [row.part.channels[1] if row.part.channels else None for row in rows],
        "groups": [_groups(row) for row in rows],
        "output": ["x".join(map(str, row.part.output)) for row in rows],
    }
    counts: Columns = {name.replace("_", " "): [row.total(name) for row in rows] for name in COUNTS}
    attention: Columns = {"attention": [row.part.form for row in rows], "gates": [_gates(row, gates) for row in rows]}
    return {"depth": [row.depth for row in rows], **whole, **convolutions, **counts, **attention}


def table(rows: Sequence[Row], gates: dict[str, Gate]) -> Columns:
    """The rows as columns of the table: short names, indented by depth."""
    return {
        "layer": [INDENT * row.depth + (row.label or row.part.module) for row in rows],
        "what": [describe(row) for row in rows],
        "gates": [_gates(row, gates) for row in rows],
        "parameters": [row.total("parameters") for row in rows],
        "MACs": [row.total("macs") for row in rows],
        "output": [" × ".join(map(str, row.part.output)) for row in rows],
        "groups": [_groups(row) for row in rows],
        "saved": [row.total("ungrouped_parameters") - row.total("parameters") or None for row in rows],
    }


def describe(row: Row) -> str:
    """What a row is: a convolution, an attention block, so many alike blocks, or its class."""
    part = row.part
    what = part.form or part.module
    if part.channels:
        kernel = " × ".join(map(str, part.kernel))
        depthwise = " depthwise" if part.groups == part.channels[0] > 1 else ""
        what = f"{kernel}{depthwise} convolution, {part.channels[0]} → {part.channels[1]}"
    return f"{len(row.parts)} blocks, alike: {what}" if len(row.parts) > 1 else what


def _choose_rows(network: Part) -> list[Row]:
    """What is searched for, or the tree down to the depth that is chosen."""
    everything = list(every(network))
    deepest = max(row.depth for row in everything)
    search, depth, alike = st.columns([3, 2, 2], vertical_alignment="bottom", gap="medium")
    wanted = search.text_input("Search", key="find", bind="query-params", placeholder="conv, se, layer3 ...").strip()
    levels = list(range(1, max(deepest, 1) + 1))
    with depth:
        usual = min(USUAL_DEPTH, levels[-1])
        level = widgets.choose("Depth", levels, key="depth", default=usual, look="row", disabled=bool(wanted))
    fold = alike.toggle("Fold alike blocks", True, key="fold", bind="query-params", disabled=bool(wanted))
    if wanted:
        return [replace(row, depth=0, label=row.part.name) for row in everything if _matches(row, wanted.casefold())]
    return list(folded(network, deepest=level)) if fold else [row for row in everything if row.depth <= level]


def _matches(row: Row, wanted: str) -> bool:
    """By a part of the name or of what it is; what only holds others by its whole class, or "se" finds Sequential."""
    part = row.part
    if part.kernel or part.form:
        return any(wanted in text.casefold() for text in (part.name, describe(row), part.module))
    return wanted in part.name.casefold() or wanted == part.module.casefold()


def _filled(columns: Columns) -> Columns:
    """Without the columns that say nothing in any row: no text, no number, one group."""
    nothing: dict[str, set[Any]] = {"groups": {None, 1}, "saved": {None, 0}}
    return {name: values for name, values in columns.items() if set(values) - nothing.get(name, {"", None})}


def _columns(longest: int) -> dict[str, Any]:
    """By name; `longest` is how many letters the gates of a row take, of which Streamlit tries the first rows alone."""
    number = st.column_config.NumberColumn
    return {
        "layer": st.column_config.TextColumn(pinned=True, width=154),
        "gates": st.column_config.TextColumn(width=25 + round(5.45 * longest)),
        **{name: number(format="localized") for name in ("parameters", "MACs", "groups")},
        "saved": number(format="localized", help="Parameters that groups save against one group."),
    }


def _groups(row: Row) -> int | None:
    return row.part.groups if row.part.channels else None


def _gates(row: Row, gates: dict[str, Gate]) -> str:
    """The gates of one block by kind and activation, or how many gates there are in several."""
    if not row.gates:
        return ""
    if row.part.form and len(row.parts) == 1:
        return "; ".join(f"{gates[name].kind}, {gates[name].activation}" for name in row.gates)
    return f"{len(row.gates)} gates" if len(row.gates) > 1 else "1 gate"


def _open(observation: Observation, row: Row) -> None:
    """Go to the block of the row that was ticked; of several blocks, ask which."""
    found = list(_blocks(observation, row))
    name = row.part.name or row.part.module
    if not found:
        st.caption(f"There is no gate in {name}: rows with gates open the block on its page.")
    elif len(found) == 1:
        _show(found[0])
    else:
        blocks = {block.name: block for block in found}
        chosen = st.selectbox(f"Open one of its {len(found)} blocks", list(blocks), None, key="open_one")
        if chosen:
            _show(blocks[chosen])


def _show(block: Block) -> None:
    page = widgets.page_of(block)
    if page:
        widgets.open_block(page, block)
    st.caption(f"{block.name} has gates of a kind that no page shows: {', '.join(gate.kind for gate in block.gates)}.")


def _blocks(observation: Observation, row: Row) -> Iterator[Block]:
    return (block for block in observation.blocks if {gate.name for gate in block.gates} & set(row.gates))
