"""The report of one forward pass: what a network makes of a picture, and every gate in it."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from attention import analysis
from attention.analysis import Block
from attention.charts import channels, depth, overlay, spatial
from attention.charts.overlay import UNIT
from attention.observe import Observation
from attention.records import Floats, Gate, Trace
from attention.report.document import Chart, Document, Item, Picture, Section, Table
from attention.report.provenance import RANDOM, card_facts, facts_table, observation_facts
from attention.report.tables import Columns, said

MAP_SIDE = 512
"""Of the picture below a map, in pixels."""
MOST_CLASSES = 10
COST = (
    "For one picture as the network sees it. MACs are the multiply-accumulates of convolutions and matrix products; "
    "the products with the gates are not counted."
)
SCALE = (
    "Channel gates run from pale (0) to deep blue (1), spatial gates and profiles from violet (0) to yellow (1); what "
    "lies outside 0 to 1 has the colour of the nearer end. True minima and maxima stand beside each."
)


def report_of(observation: Observation, *first: Section) -> Document:
    """The report of an observation; sections of the caller's own come `first`."""
    blocks, trace = observation.blocks, observation.trace
    sections = [_seen(observation), *first, *_through_depth(blocks), *_by_block(observation, blocks)]
    return Document(
        f"What does attention do to “{observation.picture.name}” in {observation.card.title}?",
        _answer(blocks),
        [RANDOM] * observation.network.card.random,
        [*sections, *_costs(observation), *_rejected(trace), _origin(observation)],
    )


def _answer(blocks: tuple[Block, ...]) -> str:
    gates = [gate for block in blocks for gate in block.gates]
    if not gates:
        return "This pass applied no gates."
    means = [float(gate.values.mean()) for gate in gates]
    low, high = (min(gate.minimum for gate in gates), max(gate.maximum for gate in gates))
    return (
        f"{len(gates)} gates in {len(blocks)} blocks pass {np.mean(means):.0%} of what reaches them on average over "
        f"the gates; their values run from {said(low)} to {said(high)}, and 1 would be no gate at all."
    )


def _seen(observation: Observation) -> Section:
    picture, box = overlay.reduced(observation.image, observation.box, 2 * MAP_SIDE)
    seen = f"The network sees the lit square, at {observation.card.input_size} px."
    shown = Picture(
        overlay.dimmed(picture, box), f"{observation.picture.name}, with the square that it sees lit.", seen
    )
    probabilities = observation.probabilities_or_none
    if probabilities is None:
        return Section("What did the network see?", [shown, "It gives no number for each class."])
    found = analysis.top(probabilities, observation.labels, MOST_CLASSES)
    table: Columns = {"class": [label for label, _ in found], "probability": [share for _, share in found]}
    best, share = found[0]
    figure = depth.likely([label for label, _ in found[:5]], [share for _, share in found[:5]])
    alt = f"The most probable class is {best}, {share:.1%}."
    caption = f"The five most probable of {len(probabilities):,} classes; it must choose among them."
    items: list[Item] = [
        shown,
        Chart(figure, alt, caption),
        Table("prediction", "The most probable classes", table, open=True),
    ]
    return Section("What did the network see, and say?", items)


def _through_depth(blocks: tuple[Block, ...]) -> Iterator[Section]:
    gates = [(block.name, gate) for block in blocks for gate in block.gates]
    if not gates:
        return
    names = [gate.name for _, gate in gates]
    means = [float(gate.values.mean()) for _, gate in gates]
    figure = depth.gates(analysis.short_names(names), [np.ravel(gate.values[0]) for _, gate in gates])
    least, most = names[int(np.argmin(means))], names[int(np.argmax(means))]
    alt = f"{len(gates)} gates in depth order; on average {least} is the most closed, {most} the most open."
    caption = "Each gate's values for this picture: quartiles in the box, whiskers to the minimum and maximum."
    table: Columns = {
        "gate": names,
        "block": [block for block, _ in gates],
        "kind": [gate.kind for _, gate in gates],
        "activation": [gate.activation for _, gate in gates],
        "features": [analysis.features(gate) for _, gate in gates],
        "values": [gate.values[0].size for _, gate in gates],
        "minimum": [gate.minimum for _, gate in gates],
        "mean": means,
        "maximum": [gate.maximum for _, gate in gates],
        "below 0.05, or 0.95 and above": [analysis.share_saturated(gate.values) for _, gate in gates],
    }
    yield Section("How open is each gate?", [Chart(figure, alt, caption), Table("gates", "Every gate", table), SCALE])


def _by_block(observation: Observation, blocks: tuple[Block, ...]) -> Iterator[Section]:
    small = overlay.reduced(observation.image, observation.box, MAP_SIDE)
    for block in blocks:
        items: list[Item] = [f"It gates {analysis.features(block.gates[0])}."]
        if gate := analysis.spatial_view(block):
            items += _map(gate, *small, averaged=gate is not block.spatial)
        for side, gate in analysis.profiles(block).items():
            alt = f"The gate along the {side}, {_span(gate)}."
            items += [Chart(spatial.profile(gate.values[0], side), alt, alt)]
        if gate := analysis.channel_view(block):
            items += _channels(gate, averaged=gate is not block.channel)
        if len(items) == 1:
            items += [_cells(gate) for gate in block.gates]
        yield Section(block.name, items)


def _map(gate: Gate, picture: Image.Image, box: overlay.Box, *, averaged: bool) -> list[Picture | Chart]:
    found = analysis.look(gate.values[0])
    what = f"{'The gate averaged over channels' if averaged else 'The spatial gate'}, {_span(gate)}"
    laid = overlay.overlay(picture, gate.values[0], box, colour_map="viridis", opacity=0.6)
    shape = " × ".join(map(str, gate.values.shape[1:]))
    scale = spatial.histogram(gate.values[0], "viridis", UNIT)
    return [
        Picture(laid, f"{what}; it is most open at the {found.place}.", f"{what}, {shape} places."),
        Picture(_enlarged(gate.values[0]), f"{what}, without the picture.", "The same map alone, each value a square."),
        Chart(scale, f"How many places have which value: {_span(gate)}.", "Share of the places by value, 0 to 1."),
    ]


def _enlarged(values: Floats) -> bytes:
    side = max(1, MAP_SIDE // max(values.shape))
    tile = overlay.coloured(values, "viridis").convert("RGB")
    return overlay.png(tile.resize((tile.width * side, tile.height * side), Image.Resampling.NEAREST))


def _channels(gate: Gate, *, averaged: bool) -> list[Chart | Table]:
    values = gate.values[0]
    found = analysis.passing(values)
    alt = (
        f"{'The gate averaged over places' if averaged else 'The channel gate'}, {_span(gate)}: {found.open} of "
        f"{found.channels} channels stand above 0.9, {found.held} below 0.1; the strongest is {found.strongest}."
    )
    shown = channels.shown(values, by_size=True)
    figures = [channels.gate_bars(values, shown, found.strongest)]
    if len(values) > channels.MOST_BARS:
        figures.append(channels.gate_strip(values, found.strongest))
    count = f"The {len(shown)} most open" if len(figures) > 1 else "All channels, the most open first"
    captions = [alt if len(figures) == 1 else f"{count}. {alt}", "All channels in their order, 64 a row, 0 to 1."]
    charts = [Chart(figure, alt, caption) for figure, caption in zip(figures, captions, strict=False)]
    columns: Columns = {"channel": range(len(values)), "gate": values.tolist()}
    return [*charts, Table(f"channels-{gate.name}", f"{gate.name} by channel", columns)]


def _cells(gate: Gate) -> Picture:
    what = f"{gate.name}, a {gate.kind} gate of {gate.values[0].size} values, {_span(gate)}"
    return Picture(overlay.cells(np.ravel(gate.values[0]), "viridis"), f"{what}.", f"{what}.")


def _span(gate: Gate) -> str:
    return f"{said(gate.minimum)} to {said(gate.maximum)}"


def _costs(observation: Observation) -> Iterator[Section]:
    network, bound = observation.inventory.network, "≤ " if observation.inventory.unlisted else ""
    columns: Columns = {
        "what": ["parameters", "MACs"],
        "network": [network.parameters, network.macs],
        "attention": [network.attention_parameters, network.attention_macs],
        "share": [
            f"{bound}{network.attention_parameters / max(network.parameters, 1):.2%}",
            f"{bound}{network.attention_macs / max(network.macs, 1):.2%}",
        ],
    }
    yield Section(
        "What does it cost?", [COST, Table("cost", "Parameters and multiply-accumulates", columns, open=True)]
    )


def _rejected(trace: Trace) -> Iterator[Section]:
    if trace.rejected:
        columns: Columns = {
            "module": [each.name or "the network itself" for each in trace.rejected],
            "reason": [each.reason for each in trace.rejected],
            "products": [each.count for each in trace.rejected],
        }
        yield Section(
            "What came close, and is no gate?", [Table("rejected", "Products judged not to be gates", columns)]
        )


def _origin(observation: Observation) -> Section:
    facts = {**card_facts(observation.network.card), **observation_facts(observation)}
    return Section("What does this rest on?", [facts_table(facts)])
