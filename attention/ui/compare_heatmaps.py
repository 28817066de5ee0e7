"""Which class is asked about, and the heatmaps of all networks: at once, or when they are started."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from attention import comparison
from attention.observe import Observation, guarded
from attention.records import Heatmap
from attention.ui import jobs, widgets

if TYPE_CHECKING:  # the page is painted before torch is loaded
    from attention.attribution import Method

SCALES = ("one for all", "each its own")
FIRST_GUESS = "the first guess"
_HELP = (
    "Grad-CAM reads what a block puts out. The last block ends with the last convolution, where it is usually read: "
    "further up a map has more places, and says less about the class."
)


class Asked(NamedTuple):
    """What the controls above the columns say."""

    label: str
    method: str
    layers: dict[str, str]
    """The block that Grad-CAM reads, by the key of the view."""
    own_scale: bool


class Work(NamedTuple):
    """One heatmap that can be made."""

    observation: Observation
    target: int
    method: "Method"


def ask(views: Sequence[Observation]) -> Asked:
    """The class, the method, the blocks and the scale, by widgets in the place where this is called.

    The views are of networks that give a score for each class, one at least.
    """
    first = views[0]
    guess = first.labels[int(first.probabilities.argmax())].partition(",")[0]
    named = {
        comparison.meaning(label): label.partition(",")[0] for observation in views for label in observation.labels
    }
    labels = [FIRST_GUESS, *named.values()]
    controls = st.container(horizontal=True, vertical_alignment="bottom")
    methods = _offered(views)
    with controls:
        label = widgets.choose("Class", labels, key="class")
        how = widgets.choose("Heatmap", methods, key="method")
        ends = widgets.choose("Scale of the heatmaps", SCALES, key="heat")
        layers = _ask_blocks(views, how)
    return Asked(guess if label == FIRST_GUESS else label, how, layers, ends == SCALES[1])


def heatmaps(views: Sequence[Observation], asked: Asked, slowest: float) -> dict[str, Heatmap]:
    """By the key of the view: Grad-CAM at once, what takes many passes once it was started. Says why one has none.

    `slowest` is what a pass of the slowest network takes, in seconds.
    """
    work = [each for observation in views if (each := _work(observation, asked))]
    if all(each.method.passes(each.observation.shape).forward == 1 for each in work):
        return {observation.key: observation.heatmap(target, method) for observation, target, method in work}
    return _computed(work, asked, slowest) if work else {}


def _offered(views: Sequence[Observation]) -> list[str]:
    """The methods that are valid for one of the networks at least; why the others are not is said."""
    offered = []
    for name in _titles():
        reasons = [_method(name).obstacle(observation.layers) for observation in views]
        if all(reasons):
            st.caption(f":material/block: {name} is valid for none of these networks. {reasons[0]}")
        else:
            offered.append(name)
    return offered


def _titles(*, of_a_block: bool = False) -> list[str]:
    """What the methods are called; on demand those alone that read a block."""
    from attention.attribution import METHODS, reads_block

    return [each.title for name, each in METHODS.items() if reads_block(name) or not of_a_block]


def _ask_blocks(views: Sequence[Observation], method: str) -> dict[str, str]:
    """A choice for all networks that have the same blocks; by the key of the view."""
    alike: dict[tuple[str, ...], list[Observation]] = {}
    for observation in views:
        if blocks := observation.layers.blocks:
            alike.setdefault(blocks, []).append(observation)
    chosen: dict[str, str] = {}
    for number, (blocks, group) in enumerate(alike.items(), start=1):
        key, whose = f"layer{number}", ", ".join(observation.card.name.rpartition("/")[2] for observation in group)
        name = widgets.choose(
            "Block" if len(alike) == 1 else f"Block of {widgets.literal(whose)}",
            blocks,
            key=key,
            default=blocks[-1],
            disabled=method not in _titles(of_a_block=True),
            help=_HELP if number == 1 else None,
        )
        chosen |= {observation.key: name for observation in group}
    return chosen


def _method(title: str, layer: str | None = None) -> "Method":
    from attention.attribution import METHODS, make_method

    return make_method(next(name for name, each in METHODS.items() if each.title == title), layer)


def _work(observation: Observation, asked: Asked) -> Work | None:
    """What was asked for; None where it is not valid for the network, which is said."""
    target = comparison.place(observation.labels, asked.label)
    if target is None:
        return None
    method = _method(asked.method, asked.layers.get(observation.key))
    if reason := method.obstacle(observation.layers):
        st.caption(f":material/block: {widgets.literal(observation.card.name)} has no heatmap here. {reason}")
        return None
    return Work(observation, target, method)


def _computed(work: Sequence[Work], asked: Asked, slowest: float) -> dict[str, Heatmap]:
    """None before they were started."""
    passes = [each.method.passes(each.observation.shape) for each in work]
    forward, backward = sum(each.forward for each in passes), sum(each.backward for each in passes)
    key = (asked.method, *((each.observation.key, each.target, each.method) for each in work))

    def run(report: jobs.Report) -> dict[str, Heatmap]:
        heatmaps, before = {}, 0
        for (observation, target, method), cost in zip(work, passes, strict=True):
            shift = _shifted(report, before, forward)
            with guarded(observation.card):
                heatmap = observation.attributor(observation.batch, target, method=method, progress=shift)
            heatmaps[observation.key] = heatmap
            before += cost.forward
        return heatmaps

    said = f"**{asked.method}** of {len(work)} networks: {jobs.cost(forward, backward, slowest)}"
    return jobs.result_of("heatmap", key, said, run) or {}


def _shifted(progress: jobs.Report, before: int, whole: int) -> jobs.Report:
    return lambda done, total: progress(before + done, whole)
