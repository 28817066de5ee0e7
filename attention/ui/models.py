"""The page of the network itself: its layers as a table, what they cost, and what the pass found of attention in it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from attention import analysis, images
from attention.analysis import Block
from attention.charts import network
from attention.inventory import COUNTS, WITHOUT_GATE, Row, all_rows, folded_rows
from attention.kinds import KINDS
from attention.numbers import amount, attention_share, magnitude
from attention.observe import Observation
from attention.records import Gate, KnownBlock, Part, Rejected
from attention.ui import downloads, widgets
from attention.ui.pages import PAGES, open_block, pages_of

Columns = dict[str, Sequence[Any]]

USUAL_DEPTH = 3
INDENT = "\u2003"
MOST_ROWS = 18
"""More than these scroll inside the table."""
ROW_HEIGHT = 35
"""Height of a row of streamlit's tables, in pixels."""


def headline(observation: Observation) -> str:
    """The network in one sentence."""
    whole = observation.inventory.network
    cost = f"{magnitude(whole.parameters)} parameters and {magnitude(whole.macs)} MACs"
    if not observation.blocks:
        return f"{cost} for one picture, and no gates."
    share = attention_share(observation.inventory, "parameters")
    blocks = (
        f"{len(observation.blocks)} blocks with gates hold"
        if len(observation.blocks) > 1
        else "one block with gates holds"
    )
    return f"{cost} for one picture; {blocks} {share} of the parameters."


def draw_totals(observation: Observation) -> None:
    """What the whole network costs, what of that is attention, what its groups save, and where all of it is."""
    whole = observation.inventory.network
    spared = whole.ungrouped_parameters - whole.parameters
    spared_macs = whole.ungrouped_macs - whole.macs
    figures = {
        "Parameters": (magnitude(whole.parameters), None),
        "MACs, one picture": (magnitude(whole.macs), None),
        "Attention parameters": (
            attention_share(observation.inventory, "parameters"),
            f"{attention_share(observation.inventory, 'macs')} of the MACs",
        ),
        "Saved by groups": (magnitude(spared), f"parameters; {magnitude(spared_macs)} MACs"),
    }
    for place, (label, (value, second)) in zip(st.columns(4), figures.items(), strict=True):
        place.metric(label, value, second, border=True, height="stretch", delta_color="off", delta_arrow="off")
    widgets.say(
        f"For one picture of {images.size_in_words(observation.card.input_size)} px. MACs are the multiply-accumulates "
        "of convolutions and matrix products. Groups save against the same network with every convolution in one "
        f"group: that one would have {magnitude(whole.ungrouped_parameters)} parameters, "
        f"{magnitude(whole.ungrouped_macs)} MACs.",
        "totals",
        "caption",
    )
    widgets.show(network.to_scale(whole))
    if observation.inventory.note:
        st.caption(f":material/info: {widgets.literal(observation.inventory.note)}")


def draw_layers(observation: Observation) -> None:
    """The layers as a table, searched or folded; a tick on a row with one block opens that block on its page."""
    whole = observation.inventory.network
    rows = _choose_rows(whole)
    if not rows:
        st.info("No layer has this in its name, class or form of attention. Try “conv”, or “se”.")
        return
    gates = {gate.name: gate for gate in observation.trace.gates}
    nothing: dict[str, set[Any]] = {"groups": {None, 1}, "saved": {None, 0}}  # else no text, no number
    columns_of_rows = table(rows, gates).items()
    shown = {name: values for name, values in columns_of_rows if set(values) - nothing.get(name, {"", None})}
    event = st.dataframe(
        shown,
        hide_index=True,
        height=ROW_HEIGHT * (min(len(rows), MOST_ROWS) + 1) + 3,
        column_config=_columns(max(map(len, shown.get("gates", [""])))),
        placeholder="",
        on_select="rerun",
        selection_mode="single-row",
        key=f"layers_{hash(tuple(row.part.name for row in rows))}",  # other rows begin without a tick
        alt=f"{amount(len(rows), 'row')} of layers; the first is {rows[0].label or whole.module}.",
    )
    if ticked := event["selection"]["rows"]:
        _open(observation, rows[ticked[0]])
    widgets.say(
        "Tick a row with gates to open its block. What has no row of its own (normalisation, activations, classifiers) "
        "is counted in the row that holds it. Neighbours that hold the same are one row, which adds them up.",
        "layers",
        "caption",
    )
    downloads.offer(
        "All layers, CSV",
        lambda: widgets.as_csv(columns(list(all_rows(whole)), gates)),
        f"{observation.card.name.replace('/', '_')}_layers{widgets.file_mark()}.csv",
        "text/csv",
        key="layers_csv",
    )


def columns(rows: Sequence[Row], gates: dict[str, Gate]) -> Columns:
    """The rows as columns of plain values, with whole names: what the CSV file holds."""
    return {
        "depth": [row.depth for row in rows],
        "layer": [row.part.name for row in rows],
        "class": [row.part.module for row in rows],
        "kernel": ["x".join(map(str, row.part.kernel)) for row in rows],
        "in": [row.part.channels[0] if row.part.channels else None for row in rows],
        "out": [row.part.channels[1] if row.part.channels else None for row in rows],
        "groups": [_groups(row) for row in rows],
        "output": ["x".join(map(str, row.part.output)) for row in rows],
        **{name.replace("_", " "): [row.total(name) for row in rows] for name in COUNTS},
        "attention": [row.part.form for row in rows],
        "gates": [_gates(row, gates) for row in rows],
    }


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


def _choose_rows(whole: Part) -> list[Row]:
    """What is searched for, or the tree down to the depth that is chosen."""
    everything = list(all_rows(whole))
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
    return list(folded_rows(whole, deepest=level)) if fold else [row for row in everything if row.depth <= level]


def _matches(row: Row, wanted: str) -> bool:
    """By a part of the name or of what it is; what only holds others by its whole class, or "se" finds Sequential."""
    part = row.part
    if part.kernel or part.form:
        return any(wanted in text.casefold() for text in (part.name, describe(row), part.module))
    return wanted in part.name.casefold() or wanted == part.module.casefold()


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
    return amount(len(row.gates), "gate")


def _open(observation: Observation, row: Row) -> None:
    """Go to the block of the row that was ticked; of several blocks, ask which."""
    found = [block for block in observation.blocks if {gate.name for gate in block.gates} & set(row.gates)]
    name = row.part.name or row.part.module
    if not found:
        st.caption(f"There is no gate in {widgets.literal(name)}: rows with gates open the block on its page.")
    elif len(found) == 1:
        _show(found[0])
    else:
        blocks = {block.name: block for block in found}
        chosen = st.selectbox(f"Open one of its {len(found)} blocks", list(blocks), None, key="open_one")
        if chosen:
            _show(blocks[chosen])


def _show(block: Block) -> None:
    if shown_on := pages_of(block):
        open_block(shown_on[0], block)
    kinds = ", ".join(gate.kind for gate in block.gates)
    st.caption(f"{widgets.literal(block.name)} has gates of a kind that no page shows: {kinds}.")


MOST_NAMES = 6
STEPPED = ("SE", "CBAM")
"""Forms whose inner steps the pages show."""
FORMS = {
    "effective SE": "one layer instead of two, so it has no hidden units and no reduction ratio",
    "ECA": "a convolution over the channels instead of two layers, so it has no hidden units and no reduction ratio",
    "gather-excite": "it may squeeze windows of the picture instead of all of it",
    "global context": "it squeezes by a learned weight for each place instead of the mean",
    "light CBAM": "its channel gate sums average and maximum before its layers, and not after them",
    "BAM": "channels and places in one gate, 1 + σ, so it lies between 1 and 2 and only strengthens",
    "coordinate attention": "a gate along the height and one along the width, for each channel, instead of a map",
    "local attention": "a gate along the height and one along the width, for each channel, instead of a map",
    "strip attention": "a number for each channel and place, from long narrow convolutions",
    "selective kernel": "a softmax over branches of different kernels: the branches stand one after the other, and the "
    "numbers of a channel add up to 1 over them",
    "split attention": "a softmax over the splits: these stand one after the other, and the numbers of a channel add "
    "up to 1 over them",
    "triplet attention": "three gates, each constant along one side, whose results are averaged",
}
"""In what a form differs from SE and CBAM."""
NO_GATES = (
    "Attention here is what multiplies features by a gate. Self-attention, as in a vision transformer, mixes places or "
    "channels in a matrix product instead: it has no gate, and is not counted as attention."
)


def draw_report(observation: Observation) -> None:
    """The report, from what was found to what was not."""
    st.subheader(report_headline(observation.inventory.known, len(observation.trace.gates)), anchor=False)
    if not observation.inventory.known and not observation.trace.gates:
        st.caption(NO_GATES)
    _draw_forms(observation)
    for sentence in (*missing(observation.inventory.known), *elsewhere(observation), *differences(observation)):
        st.markdown(f"- {sentence}")
    st.markdown("**What the pass was seen to do**")
    widgets.say("\n".join(f"- {widgets.literal(sentence)}" for sentence in observation.coverage), "seen")
    _draw_blocks(observation)
    _draw_rejected(observation)


def report_headline(known: Sequence[KnownBlock], gates: int) -> str:
    """Found 16 of 16 SE blocks."""
    total, found = Counter(block.form for block in known), Counter(block.form for block in known if block.gates)
    counts = [f"{found[form]} of {amount(number, f'{form} block')}" for form, number in total.items()]
    if counts:
        return f"Found {' and '.join(counts)}"
    return (
        f"Found {amount(gates, 'gate')}, in no known attention block"
        if gates
        else "No gates, and no block that is known for one"
    )


def missing(known: Sequence[KnownBlock]) -> list[str]:
    """The known blocks without a gate, by form, and why that may be."""
    silent: dict[str, list[str]] = {}
    for block in known:
        if not block.gates:
            silent.setdefault(block.form, []).append(block.name)
    return [
        f"**No gate** in {_in_short(names)} ({form}): "
        + WITHOUT_GATE.get(form, "this pass did not run it, or multiplied nothing by what it made")
        + "."
        for form, names in silent.items()
    ]


def elsewhere(observation: Observation) -> list[str]:
    """The gates that are in no known block, by the class that applies them; they count as found."""
    by_class: dict[str, list[str]] = {}
    for gate in observation.inventory.unlisted:
        by_class.setdefault(gate.module, []).append(gate.gate)
    return [
        f"**Found without being known**: {_in_short(names)}, in {widgets.literal(module)}, a class that is not listed "
        "as attention. All of such a module is counted as attention, so that its share is an upper bound (≤)."
        for module, names in by_class.items()
    ]


def differences(observation: Observation) -> list[str]:
    """What does not apply to the forms and kinds that are neither SE nor CBAM."""
    forms = dict.fromkeys(block.form for block in observation.inventory.known if block.gates)
    sentences = [
        f"**{form}**: {FORMS.get(form, 'its own form')}. Its values are shown; its inner steps are not."
        for form in forms
        if form not in STEPPED
    ]
    kinds = dict.fromkeys(gate.kind for gate in observation.trace.gates)
    return sentences + [f"A **{kind}** gate is shown {KINDS[kind].display}." for kind in kinds if KINDS[kind].display]


def _draw_forms(observation: Observation) -> None:
    if not observation.inventory.known:
        return
    gates = {gate.name: gate for gate in observation.trace.gates}
    groups: dict[tuple[str, str], list[KnownBlock]] = {}
    for block in observation.inventory.known:
        groups.setdefault((block.form, block.module), []).append(block)
    inside = [[gates[name] for block in blocks for name in block.gates] for blocks in groups.values()]
    st.dataframe(
        {
            "form": [form for form, _ in groups],
            "class": [module for _, module in groups],
            "blocks": [len(blocks) for blocks in groups.values()],
            "with gates": [sum(bool(block.gates) for block in blocks) for blocks in groups.values()],
            "gates": [len(found) for found in inside],
            "kinds": [", ".join(dict.fromkeys(gate.kind for gate in found)) for found in inside],
            "activations": [", ".join(dict.fromkeys(gate.activation for gate in found)) for found in inside],
        },
        hide_index=True,
        alt=report_headline(observation.inventory.known, len(gates)),
    )


def _draw_blocks(observation: Observation) -> None:
    if not observation.blocks:
        return
    rows = [(block, gate) for block in observation.blocks for gate in block.gates]
    columns: dict[str, Sequence[Any]] = {
        "gate": [gate.name for _, gate in rows],
        "kind": [gate.kind for _, gate in rows],
        "activation": [gate.activation for _, gate in rows],
        "multiplies": [analysis.features(gate) for _, gate in rows],
        "minimum": [gate.minimum for _, gate in rows],
        "maximum": [gate.maximum for _, gate in rows],
        "shown on": [" ".join(PAGES[page]["title"] for page in reversed(pages_of(block))) for block, _ in rows],
    }
    st.markdown("**Every gate, layer by layer**")
    widgets.data(gates=columns)


def _draw_rejected(observation: Observation) -> None:
    rejected = observation.trace.rejected
    if not rejected:
        return
    st.markdown("**Seen and judged not to be a gate**")
    alike: dict[tuple[str, str], list[Rejected]] = {}
    for each in rejected:
        alike.setdefault((each.reason, each.activation), []).append(each)
    columns = {
        "why it is no gate": [reason for reason, _ in alike],
        "activation": [activation for _, activation in alike],
        "products": [sum(each.count for each in some) for some in alike.values()],
        "modules": [[each.name or "(the network)" for each in some] for some in alike.values()],
    }
    st.dataframe(columns, hide_index=True, alt=f"Products that are no gates, for {len(alike)} reasons.")


def _in_short(names: Sequence[str]) -> str:
    shown = ", ".join(map(widgets.literal, names[:MOST_NAMES]))
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown
