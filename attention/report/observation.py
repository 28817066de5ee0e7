"""The report of one forward pass: what a network makes of a picture, and every gate in it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from attention import analysis, images
from attention.analysis import Block
from attention.analysis.usual import AgainstUsual, View
from attention.charts import colours, gates, network, overlay, signs, usual
from attention.charts.chart import Chart, Columns
from attention.kinds import KINDS
from attention.numbers import amount, fixed, in_attention, span
from attention.observe import Observation
from attention.records import Trace
from attention.report.document import RANDOM, Document, Item, Section, Table, card_facts, observation_facts, origin

COST = (
    "For one picture as the network sees it. MACs are the multiply-accumulates of convolutions and matrix products; "
    "the products with the gates are not counted."
)
SCALE = (
    f"{colours.ENDS}; what lies outside 0 to 1 has the colour of the nearer end. True minima and maxima stand beside "
    "each."
)


def report_of(observation: Observation, *first: Section) -> Document:
    """The report of an observation; sections of the caller's own come `first`.

    The usual gates stand in it where they have been computed: see `Observation.usual_gates`.
    """
    blocks, trace = observation.blocks, observation.trace
    depth = [Section("How open is each gate?", [network.openness(blocks), SCALE])] if blocks else []
    found = observation.against_usual if observation.has_usual_gates else {}
    if found:
        unusual = usual.through_depth(found, observation.names)
        depth.append(Section("How unlike other pictures is this one?", [unusual]))
    sections = [_picture(observation), *first, *depth, *_blocks(observation, found)]
    return Document(
        f"What does attention do to “{observation.picture.name}” in {observation.card.title}?",
        _answer(blocks),
        [RANDOM] * observation.network.card.random,
        [
            *sections,
            *_costs(observation),
            Section("What was seen?", observation.coverage),
            *_rejected(trace),
            origin(card_facts(observation.network.card) | observation_facts(observation)),
        ],
        f"{observation.card.title}, {observation.picture.name}",
    )


def _answer(blocks: tuple[Block, ...]) -> str:
    every = [gate for block in blocks for gate in block.gates]
    if not every:
        return "This pass applied no gates."
    within = list(filter(analysis.can_saturate, every))
    without = signs.in_no_mean(every)
    if not within:
        return f"All gates, {len(every)} in {amount(len(blocks), 'block')}, {'; or '.join(without)}."
    count = sum(any(gate in within for gate in block.gates) for block in blocks)
    means = [float(gate.values.mean()) for gate in within]
    low, high = (min(gate.minimum for gate in within), max(gate.maximum for gate in within))
    neutral = "; 1 would be no gate at all" * all(analysis.neutral_value(gate, every) == 1 for gate in within)
    return (
        f"{amount(len(within), 'gate')} in {amount(count, 'block')} {'has' if len(within) == 1 else 'have'} a mean "
        f"of {fixed(np.mean(means))} over the gates; their values run from {span(low, high)}{neutral}."
        + "".join(f" Not among them, since they {what}." for what in without)
    )


def _picture(observation: Observation) -> Section:
    picture, box = overlay.reduce(observation.image, observation.box, 2 * gates.SIDE)
    alt = f"{observation.picture.name}, with the part that the network sees lit."
    caption = f"The network sees the lit part, at {images.size_in_words(observation.card.input_size)} px."
    photo = Chart("picture", overlay.dim_unseen(picture, box), alt, caption)
    probabilities = observation.probabilities_or_none
    if probabilities is None:
        return Section("What did the network see?", [photo, "It gives no number for each class."])
    return Section(
        "What did the network see, and say?",
        [photo, network.prediction(probabilities, observation.labels, observation.outputs)],
    )


def _blocks(observation: Observation, found: Mapping[View, AgainstUsual]) -> Iterator[Section]:
    for block in observation.blocks:
        items: list[Item] = [f"It gates {analysis.features(block.gates[0])}."]
        if gate := analysis.spatial_view(block):
            what = "The spatial gate" if block.spatial else "The gate averaged over channels"
            numbers = f"map-{gate.name}"
            items += [
                gates.map_on_picture(observation, gate, numbers, what),
                gates.map_alone(gate, f"alone-{gate.name}", what, numbers=numbers),
                gates.colour_scale(gate, f"scale-{gate.name}", numbers=numbers),
            ]
        items += [gates.profile(gate, side) for side, gate in analysis.profiles(block).items()]
        if gate := analysis.channel_view(block):
            finding = gates.passing_in_words(gate, block.title)
            strongest = int(np.abs(gate.values[0]).argmax())
            items += gates.channel_bars(gate, f"channels-{gate.name}", finding, strongest)
        if len(items) == 1:
            items += [gates.cells(gate, gate.name, f"{gate.name}, a {gate.kind} gate") for gate in block.gates]
        items += _against_usual(observation, block.name, found)
        yield Section(block.title, items)


def _against_usual(observation: Observation, block: str, found: Mapping[View, AgainstUsual]) -> Iterator[Item]:
    """What the gates of a block do with this picture alone: a sentence each, and of a map the picture of it."""
    name = observation.names[block]
    for (other, kind), each in found.items():
        if other == block:
            yield f"{usual.headline(each, name, kind)} {usual.details(each, kind)}"
        if other == block and KINDS[kind].is_map:
            yield replace(usual.chart(each, name, kind, f"usual-{block}"), table={})


def _costs(observation: Observation) -> Iterator[Section]:
    whole = observation.inventory.network
    columns: Columns = {
        "what": ["parameters", "MACs"],
        "network": [whole.parameters, whole.macs],
        "attention": [whole.attention_parameters, whole.attention_macs],
        f"share{', at most' * bool(observation.inventory.unlisted)}": [
            in_attention(observation.inventory, "parameters"),
            in_attention(observation.inventory, "macs"),
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
