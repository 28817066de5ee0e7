"""Which block the pages of the channel and of the spatial gates show, and what they say of gates of other kinds."""

from collections.abc import Mapping
from typing import Any

from attention import analysis
from attention.analysis import Block, Order
from attention.charts.colours import CHANNEL_GATE
from attention.kinds import KINDS
from attention.numbers import fixed, small
from attention.observe import Observation
from attention.records import Gate
from attention.ui import widgets


def choose_block(observation: Observation, shown: Mapping[str, Gate], label: str, colours: Any = CHANNEL_GATE) -> str:
    """The block chosen on the depth strip, of those that a page shows, coloured by the mean of what is `shown` of each;
    at the start the one whose gates vary most."""
    gates = {block.name: block.gates for block in observation.blocks if block.name in shown}
    means = [float(gate.values.mean()) for gate in shown.values()]
    return widgets.depth_strip(
        {name: observation.names[name] for name in shown},
        means,
        analysis.most_varied(gates, observation.card.gate_health),
        label=label,
        colours=colours,
    )


def say_notes(observation: Observation, shown: Gate) -> None:
    """Said where a gate is shown as one of a simpler kind, and where it leaves the scale from 0 to 1."""
    gate = next(gate for gate in observation.trace.gates if gate.name == shown.name)
    if gate.kind != shown.kind:
        widgets.info(averaged_in_words(gate, shown, next(block for block in observation.blocks if gate in block.gates)))
    if (branches := analysis.branch_count(gate)) > 1:
        widgets.info(
            f"This gate weighs {branches} branches of {gate.feature_shape[2]} channels against each other. They stand "
            "one after the other, and the numbers of a channel add up to 1 over them."
        )
    if analysis.deals_out(gate):
        count = gate.values[0].size
        alike = small(1 / count)
        widgets.info(f"The {count:,} numbers of this gate add up to 1: each is a share; all alike would be {alike}.")
    if not analysis.in_unit(gate.values):
        widgets.info(
            f"This gate runs from {fixed(gate.minimum)} to {fixed(gate.maximum)}. Colours are those of 0 to 1: what "
            "lies outside has the colour of the nearer end."
        )


def averaged_in_words(gate: Gate, shown: Gate, block: Block) -> str:
    """That a gate of a block is shown as the average of what it is, and what else the block multiplies by."""
    text = (
        f"This gate has a number for {KINDS[gate.kind].number_for}. Shown is the average: a number for "
        f"{KINDS[shown.kind].number_for}."
    )
    others = dict.fromkeys(KINDS[other.kind].number_for for other in block.gates if other is not gate)
    more = f" Its block has a gate for {' and one for '.join(others)} besides, which is not in these numbers."
    return text + more * bool(others)


def order(observation: Observation, block: Block) -> Order:
    """In which order a block applies its channel gate and its spatial gate."""
    channel, spatial = (observation.steps(gate.name) if gate else None for gate in (block.channel, block.spatial))
    return analysis.order_of(block, observation.trace.gates, channel, spatial)
