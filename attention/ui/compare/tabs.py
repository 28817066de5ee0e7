"""What stands below the networks' columns: gates against the heatmap, channel gates, cost and training."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from attention import analysis, comparison, images, numbers
from attention.analysis import agreement
from attention.charts import comparing
from attention.charts.chart import Columns, by_map
from attention.comparison import Compared
from attention.numbers import attention_share, fixed, in_attention, magnitude
from attention.observe import Observation, Picture
from attention.records import Doubles
from attention.ui import cache, frame, jobs, widgets

YARDSTICK = "Another picture, as a yardstick"


def explain(columns: Sequence[Compared]) -> None:
    """The equations, and the numbers of all columns, folded."""
    box = st.expander("The equations", icon=":material/function:", key="equations", on_change="rerun")
    if box.open:
        with box:
            _explain_heatmap(columns)
    titles = ("network", "class", "probability", "layer", "least of the heatmap", "greatest of the heatmap")
    rows = [_row(column) for column in columns if column.heatmap and column.target is not None]
    heatmaps = {column.card.name: column.heatmap.values for column in columns if column.heatmap}
    gates = {
        f"{column.card.name}: {gate.name}": gate.values[0]
        for column in columns
        for gate in comparison.by_stage(column.spatial)
    }
    means = [(column.card.name, gate.name, float(gate.values.mean())) for column in columns for gate in column.channel]
    widgets.data(
        heatmaps=_table(titles, rows),
        class_heatmaps=by_map(heatmaps),
        stage_gates=by_map(gates),
        channel_means=_table(("network", "gate", "mean"), means),
    )


def _table(titles: Sequence[str], rows: Sequence[tuple[object, ...]]) -> Columns:
    return {title: [row[number] for row in rows] for number, title in enumerate(titles)}


def _row(column: Compared) -> tuple[object, ...]:
    assert column.heatmap and column.target is not None
    name = f"{column.card.name}{' (random weights)' * column.card.random}"
    found, label = column.heatmap, column.observation.targets[column.target]
    return name, label, column.probability, found.layer, found.minimum, found.maximum


def _explain_heatmap(columns: Sequence[Compared]) -> None:
    widgets.say(
        "Grad-CAM: $A^k$ is channel k of the layer's output, with Z places, and $y^c$ the logit of class c. What is "
        "negative is left out (Selvaraju et al., arXiv 1610.02391, eqs. 1 and 2).",
        "grad_cam",
    )
    st.latex(
        r"L^c = \mathrm{ReLU}\Big(\sum_k \alpha^c_k A^k\Big),\qquad "
        r"\alpha^c_k = \frac{1}{Z}\sum_{i,j}\frac{\partial y^c}{\partial A^k_{ij}}"
    )
    grids = {f"{len(each.heatmap.values)} × {each.heatmap.values.shape[1]}" for each in columns if each.heatmap}
    widgets.say(
        f"Here the maps have {' and '.join(sorted(grids)) or 'no'} places; they are enlarged bilinearly. Where average "
        "pooling and one linear layer alone follow the block, a place's value times 1/Z is what it adds to the logit, "
        "and one scale for all compares that; elsewhere values of two networks have no common measure.",
        "grids",
    )
    st.markdown(r"Overlap, of the fifths $T$ of the places with the largest values: $|T_1 \cap T_2| / |T_1|$.")


def draw_agreement(columns: Sequence[Compared]) -> None:
    """Each spatial gate against the class heatmap, beside the same gate for every other picture at hand."""
    chosen = choose_network(
        columns, "spatial gates and a heatmap", lambda column: bool(column.spatial and column.heatmap)
    )
    if chosen is None:
        return
    column = columns[chosen]
    first = column.observation
    others = frame.other_pictures(first)
    widgets.say(
        "Does a spatial gate lie where the class heatmap lies? Its map is held against the heatmap of its own picture, "
        "and against those of all others at hand.",
        "gates",
    )

    def measure(report: jobs.Report) -> dict[str, Doubles]:
        at_hand = [first, *(first.of(own or cache.sample(name)) for name, own in others.items())]
        targets = [column.target or 0, *(each.first_target for each in at_hand[1:])]
        return comparison.agreements_of(at_hand, targets, report)

    count = len(others) + 1
    said = jobs.cost(2 * count, count, column.seconds)
    done = jobs.result_of("agreement", (first.key, column.target, *others), said, measure)
    if done is not None:
        names = analysis.gate_titles(column.spatial)
        looks = [analysis.look(gate.values[0]) for gate in column.spatial]
        flat = [name for name, look in zip(names, looks, strict=True) if look.nearly_constant]
        assert column.heatmap is not None
        shifts = [agreement.shifted(gate.values[0], column.heatmap.values) for gate in column.spatial]
        found, moved = (dict(zip(names, each, strict=True)) for each in (done.values(), shifts))
        widgets.show(comparing.agreement(found, moved, flat))


def draw_heatmaps(columns: Sequence[Compared]) -> None:
    """The first network's heatmaps against another's, beside those of every other picture at hand."""
    drawn = [column for column in columns if column.heatmap]
    if len(drawn) < 2:
        widgets.info("Fewer than two of these networks have a heatmap so far.")
        return
    first, names = drawn[0], {column.card.name: column for column in drawn[1:]}
    second = names[widgets.choose("With", names, key="with", look="row", names=widgets.literal, linked=False)]
    widgets.say(
        "Do the two networks' heatmaps agree because of the picture? Each is held against the other's of the same "
        "picture, and of all others at hand.",
        "pictures",
    )
    at_hand = frame.other_pictures(first.observation)

    def measure(report: jobs.Report) -> Doubles:
        pictures = [own or cache.sample(name) for name, own in at_hand.items()]
        return comparison.heatmap_agreements(replace(first, others=pictures), second, report)

    count = 2 * len(at_hand)
    said = jobs.cost(2 * count, count, max(first.seconds, second.seconds))
    keys = [(each.observation.key, each.target, each.heatmap and each.heatmap.method) for each in (first, second)]
    done = jobs.result_of("heatmap_agreement", (*keys, *at_hand), said, measure)
    if done is not None:
        moved = comparison.shifted_heatmaps(first, second)
        widgets.show(comparing.heatmap_agreement(done, moved, (first.card.name, second.card.name)))


def choose_network(columns: Sequence[Compared], wanted: str, has: Callable[[Compared], bool]) -> int | None:
    """Which column a part below is about; None, and said, where none has what is wanted."""
    names = {column.card.name: number for number, column in enumerate(columns) if has(column)}
    if not names:
        said = f"None of these networks has {wanted} so far: choose cbam, and start its heatmap where that is asked."
        widgets.info(said)
        return None
    name = widgets.choose("Network", names, key="of", look="row", names=widgets.literal, linked=False)
    return names[name]


def choose_other(observation: Observation, title: str = YARDSTICK) -> Picture:
    """A picture of something else."""
    return frame.named_picture(widgets.choose(title, frame.other_pictures(observation), key="other"))


def draw_channels(columns: Sequence[Compared]) -> None:
    """Every network's channel gates by depth."""
    gated = {column.card.name: [gate.values[0] for gate in column.channel] for column in columns if column.channel}
    if not gated:
        widgets.info("None of these networks has channel gates: choose se or cbam to see them.")
        return
    means = {name: sum(float(gate.mean()) for gate in gates) / len(gates) for name, gates in gated.items()}
    finding = "; ".join(f"the mean gate of {name} is {fixed(mean)}" for name, mean in means.items())
    st.markdown(f"Over all blocks, {widgets.literal(finding)}.")
    widgets.chart(comparing.profiles(gated), key="profiles", alt=f"Channel gates by depth: {finding}.")
    st.caption("This picture. The line is the median of a block's channels, the band holds their middle half.")
    rows = [(name, number, float(gate.mean())) for name, gates in gated.items() for number, gate in enumerate(gates, 1)]
    spread = analysis.spread([gate for gates in gated.values() for gate in gates])
    widgets.data(profiles={**_table(("network", "block", "mean"), rows), **spread})


def draw_cost(columns: Sequence[Compared]) -> None:
    """Size, cost, measured time and origin of each network."""
    inventories = [column.observation.inventory for column in columns]
    rows = {
        "parameters": [magnitude(inventory.network.parameters) for inventory in inventories],
        "MACs": [magnitude(column.macs) for column in columns],
        "parameters in attention": [attention_share(inventory, "parameters") for inventory in inventories],
        "MACs in attention": [attention_share(inventory, "macs") for inventory in inventories],
        "time here, ms": [numbers.number(1000 * column.seconds) for column in columns],
        "input, px": [images.written(column.card.input_size) for column in columns],
        "classes": [f"{len(column.labels):,}" if column.labels else "none" for column in columns],
        "top-1": ["–" if column.card.accuracy is None else f"{column.card.accuracy:.1%}" for column in columns],
        "weights": ["random" if column.card.random else "trained" for column in columns],
    }
    names = [column.card.name for column in columns]
    cells = [(name, *values) for name, values in rows.items()]
    st.markdown(widgets.as_table(("", *map(widgets.literal, names)), cells))
    st.caption(
        f"{comparison.TIMED} Top-1 of the own networks was measured on Imagenette's ten classes, that of the others "
        "published for ImageNet's thousand: the two do not compare."
    )
    measured: dict[str, Sequence[Any]] = {
        "network": names,
        "parameters": [inventory.network.parameters for inventory in inventories],
        "MACs": [column.macs for column in columns],
        "share of parameters in attention": [in_attention(inventory, "parameters") for inventory in inventories],
        "share of MACs in attention": [in_attention(inventory, "macs") for inventory in inventories],
        "shares are bounds": ["yes" if inventory.unlisted else "no" for inventory in inventories],
        "time here, ms": [1000 * column.seconds for column in columns],
        "input height, px": [images.sides(column.card.input_size)[0] for column in columns],
        "input width, px": [images.sides(column.card.input_size)[1] for column in columns],
        "classes": [len(column.labels) for column in columns],
        "top-1": [column.card.accuracy for column in columns],
        "weights": rows["weights"],
    }
    widgets.data(cost=measured)
