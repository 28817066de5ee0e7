"""What the lessons of SE and of CBAM share: the block that they are about, and the steps that both take."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st

from attention import analysis
from attention.analysis import Block, Order, Relation
from attention.charts import explorable, signs, spatial
from attention.charts.chart import Chart
from attention.observe import Observation
from attention.records import ChannelSteps, Floats, Gate, SpatialSteps, owner_of
from attention.ui import gates as gate_pages
from attention.ui import widgets
from attention.ui.exploring import explore
from attention.ui.lessons.steps import OtherFormError, Prediction, Step, go_through

RESIDUAL = """flowchart LR
    x((x)) --> b["convolutions"] -- features --> GATES p(("+")) --> r([ReLU])
    x -- shortcut --> p
"""
OTHER_FORM = "This gate is not built as in the paper, so its inner steps cannot be shown. Another block below may be."
EASY_SIDES, MOST_CHANNELS = range(14, 41), 256
"""A lesson opens on a block whose maps show the picture, by their shorter side, and whose cells can be told apart."""
RELATIONS: dict[Relation, str] = {
    "in turn": "One dial for each {}, then one for each {}.",
    "read alike": "One dial for each {} and one for each {}, both read from the same features.",
    "apart": "One dial for each {} and one for each {}, and neither weighs what the other has weighed.",
    "unknown": "One dial for each {} and one for each {}.",
}
MOST_ASKED = 8
"""Each costs a pass."""
BEFORE, AFTER = "before the shortcut is added", "after the shortcut is added"


@dataclass(frozen=True, eq=False)
class Gated:
    """One block of a network on a picture, as a lesson asks for its numbers."""

    observation: Observation
    block: Block

    @property
    def name(self) -> str:
        """What the block is called for short."""
        return self.observation.names[self.block.name]

    @property
    def where(self) -> str:
        """The same for the same network, picture and block, and for no others."""
        return f"{self.observation.key} {self.block.name}"

    @property
    def gate(self) -> Gate:
        """The channel gate."""
        assert self.block.channel
        return self.block.channel

    @property
    def values(self) -> Floats:
        """The channel gate for this picture, (C,)."""
        return self.gate.values[0]

    @cached_property
    def order(self) -> list[int]:
        """The channels, the most open first."""
        return analysis.by_openness(self.values).tolist()

    @cached_property
    def steps(self) -> ChannelSteps:
        """How the channel gate came about. Raises OtherFormError where it is not of SE's or CBAM's form."""
        steps = self.observation.steps(self.gate.name)
        if not isinstance(steps, ChannelSteps):
            raise OtherFormError(OTHER_FORM)
        return steps

    @cached_property
    def order_of_gates(self) -> Order:
        """Which of its two gates it applies first, and what each reads."""
        return gate_pages.order(self.observation, self.block)

    @property
    def spatial_gate(self) -> Gate:
        """The spatial gate, of a block that has one."""
        assert self.block.spatial
        return self.block.spatial

    @property
    def map(self) -> Floats:
        """The spatial gate for this picture, (H, W)."""
        return self.spatial_gate.values[0]

    @cached_property
    def spatial_steps(self) -> SpatialSteps:
        """How the spatial gate came about. Raises OtherFormError where it is not of CBAM's form."""
        steps = self.observation.steps(self.block.spatial.name) if self.block.spatial else None
        if not isinstance(steps, SpatialSteps):
            raise OtherFormError(OTHER_FORM)
        return steps


def teach(
    observation: Observation,
    suits: Callable[[Block], object],
    steps: Mapping[str, Callable[["Gated"], Step]],
    *,
    then: tuple[str, str],
    missing: tuple[str, str],
) -> None:
    """The lesson on one of the blocks that suit it, above the choice of it.

    `then` is the page to go on with, and what there is on it; `missing` is what a network without such blocks lacks,
    and one that has it.
    """
    step, below = widgets.room("step"), st.container()
    with widgets.errors():
        blocks = list(filter(suits, observation.blocks))
        if not blocks:
            widgets.no_gates(observation, *missing)
            return
        usual = usual_block(observation, blocks)
        if not _is_shown(observation, usual):
            what, other = missing
            widgets.no_gates(observation, f"{what} whose inner steps can be shown", other)
            return
        with below:
            lesson = choose(observation, blocks, usual.name, *then)
        with step:
            go_through(steps, lesson, lesson.where)


def choose(observation: Observation, blocks: Sequence[Block], usual: str, page: str, label: str) -> Gated:
    """The block that the lesson is about, and the way on to the page that shows it; below the step."""
    names = [block.name for block in blocks]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = widgets.choose("Block of the network", names, key="block", default=usual, width=300)
        block = blocks[names.index(chosen)]
        st.page_link(
            f"pages/{page}.py",
            label=f"Go on with this block: {label}",
            icon=":material/arrow_forward:",
            query_params={key: text for key, text in st.query_params.items() if key != "step"} | {"block": chosen},
        )
    return Gated(observation, block)


def usual_block(observation: Observation, blocks: Sequence[Block]) -> Block:
    """The block to explain first, one whose inner steps can be shown: of those that are easy to read the one whose
    gates vary most, or the next. Blocks of a form that has failed are not asked, and no more than `MOST_ASKED`."""
    ranked, failed = _ranked(observation, blocks), list[object]()
    for block in ranked:
        form = _form(observation, block)
        if form in failed:
            continue
        if _is_shown(observation, block):
            return block
        failed.append(form)
        if len(failed) == MOST_ASKED:
            break
    return ranked[0]


def _ranked(observation: Observation, blocks: Sequence[Block]) -> list[Block]:
    """Those that are easy to read before the others, and of each the more varied before the less."""
    left, ranked = list(blocks), list[Block]()
    while left:
        gates = {block.name: block.gates for block in filter(_is_easy, left)}
        most = analysis.most_varied(gates or {block.name: block.gates for block in left}, observation.card.gate_health)
        ranked.append(next(block for block in left if block.name == most))
        left.remove(ranked[-1])
    return ranked


def _form(observation: Observation, block: Block) -> object:
    """The same for blocks that are built alike; where one module applies several gates, its own for each."""
    modules = dict(observation.network.module.named_modules())
    kinds = [type(modules.get(owner_of(gate.name))) for gate in block.gates if "#" not in gate.name]
    return [(gate.kind, gate.activation) for gate in block.gates], kinds or block.name


def _is_shown(observation: Observation, block: Block) -> bool:
    """Whether the inner steps of its channel gate, and of its spatial gate where it has one, can be shown."""
    channel, spatial = (gate and observation.steps(gate.name) for gate in (block.channel, block.spatial))
    return isinstance(channel, ChannelSteps) and (block.spatial is None or isinstance(spatial, SpatialSteps))


def _is_easy(block: Block) -> bool:
    channels, *places = block.gates[0].feature_shape[1:]
    return min(places, default=0) in EASY_SIDES and channels <= MOST_CHANNELS


def dial(gated: Gated) -> Step:
    """What a gate is."""
    steps, both = gated.steps, gated.block.spatial is not None
    what = f" {_related(gated.order_of_gates)}" if both else " Here each channel has one."
    dial, ends = signs.dial(gate.values for gate in gated.block.gates)
    return Step(
        f"A gate is {dial} that multiplies features: {ends}.{what}",
        lambda: widgets.show(dials(gated, steps)),
        f"`{gated.block.name}`: after = features × gate.",
    )


def _related(order: Order) -> str:
    turned = slice(None, None, -1 if order.spatial_first else 1)
    return RELATIONS[order.relation].format(*("channel", "place")[turned])


def dials(gated: Gated, steps: ChannelSteps) -> Chart:
    """Features times the gates of a block, in their order; times the channel gate alone where they are not known to be
    multiplied by both."""
    if not gated.block.spatial or not gated.order_of_gates.in_chain:
        return spatial.dials(steps.before[0], gated.values, None, gated.name)
    first = gated.order_of_gates.spatial_first
    before = gated.spatial_steps.before if first else steps.before
    return spatial.dials(before[0], gated.values, gated.map, gated.name, spatial_first=first)


def placement(gated: Gated, gates: str, usage: str, why: str) -> Step:
    """Where the block stands in a residual block."""

    def draw() -> None:
        residual = RESIDUAL.replace("GATES", f'c["{gates.replace(", ", ",<br>")}"] -- gated -->')
        widgets.diagram(residual, f"Convolutions, then {gates}, then the shortcut is added.")
        st.code(usage, language="python")

    return Step(
        "A residual block adds its input, the shortcut, to what its convolutions found; the gates take two lines.",
        draw,
        "`attention/layers.py`, as the ResNets here use it; EfficientNet's gates stand before the last convolution of "
        "a block, and no ReLU follows its sum. " + why,
        Prediction(
            "Where do the gates stand?", (BEFORE, AFTER), BEFORE, "They weigh the branch; the shortcut stays whole."
        ),
        lambda: widgets.diagram(RESIDUAL.replace("GATES", ""), "Convolutions, then the shortcut is added."),
    )


def whole_channel(gated: Gated) -> Step:
    """The channel gate, to explore."""
    steps = gated.steps
    read = [explorable.NAMES[branch] for branch in steps.squeezed] if len(steps.squeezed) > 1 else ["z"]
    answers = " + ".join(f"W₂ {steps.activation}(W₁ {name})" for name in read)
    biased = any(layer is not None and layer.biases.any() for layer in (steps.first, steps.second))

    def draw(whole: bool) -> Chart:
        return explorable.channel(steps, gated.values, gated.gate.activation, gated.name, whole=whole)

    return Step(
        "All of it at once: point at a channel or tap it, and follow it from its map to its gate, down to one "
        "multiplication.",
        lambda: explore(draw, f"{gated.where} channel"),
        f"`{gated.gate.name}`: s = σ({answers}), then x = s · u; {signs.sigma(gated.gate)}."
        + " The formula leaves the biases of both layers out, as the papers' do." * biased,
    )


def candidates(order: Sequence[int]) -> list[int]:
    """Four channels to guess among: the most open, the most shut, and two evenly between, by their number."""
    return sorted({order[round(place)] for place in np.linspace(0, len(order) - 1, 4)})
