"""Which class is asked about, and the heatmaps of all networks: at once, or when they are started."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from attention import comparison
from attention.records import Heatmap
from attention.ui import cache, compare_views, jobs, parts
from attention.ui.view import View

if TYPE_CHECKING:  # the page is painted before torch is loaded
    from attention.attribution import Method

GRAD_CAM = "Grad-CAM"
OF_A_BLOCK = (GRAD_CAM, "Guided Grad-CAM")
METHODS = (*OF_A_BLOCK, "Integrated gradients", "Occlusion")
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

    view: View
    target: int
    method: "Method"


def ask(views: Sequence[View]) -> Asked:
    """The class, the method, the blocks and the scale, by widgets in the place where this is called.

    The views are of networks that give a score for each class, one at least.
    """
    first = views[0]
    guess = first.labels[int(first.probabilities.argmax())].partition(",")[0]
    named = {comparison.meaning(label): label.partition(",")[0] for view in views for label in view.labels}
    labels = [FIRST_GUESS, *named.values()]
    controls = st.container(horizontal=True, vertical_alignment="bottom")
    methods = _offered(views)
    for key, options in {"class": labels, "method": methods, "heat": SCALES}.items():
        parts.note_link(key, options, f"a {key} that there is not here: this is “{options[0]}”")
    parts.settle("class", labels)
    parts.settle("method", methods)
    with controls:
        label = st.selectbox("Class", labels, key="class", bind="query-params")
        how = st.selectbox("Heatmap", methods, key="method", bind="query-params")
        ends = st.selectbox("Scale of the heatmaps", SCALES, key="heat", bind="query-params")
        layers = _ask_blocks(views, how)
    return Asked(guess if label == FIRST_GUESS else label, how, layers, ends == SCALES[1])


def heatmaps(views: Sequence[View], asked: Asked, slowest: float) -> dict[str, Heatmap]:
    """By the key of the view: Grad-CAM at once, what takes many passes once it was started. Says why one has none.

    `slowest` is what a pass of the slowest network takes, in seconds.
    """
    work = [each for view in views if (each := _work(view, asked))]
    if asked.method == GRAD_CAM:
        return {view.key: compare_views.grad_cam(view, target, asked.layers[view.key]) for view, target, _ in work}
    return _computed(work, asked, slowest) if work else {}


def _offered(views: Sequence[View]) -> list[str]:
    """The methods that are valid for one of the networks at least; why the others are not is said."""
    offered = []
    for name in METHODS:
        reasons = [_method(name).obstacle(compare_views.layers(view)) for view in views]
        if all(reasons):
            st.caption(f":material/block: {name} is valid for none of these networks. {reasons[0]}")
        else:
            offered.append(name)
    return offered


def _ask_blocks(views: Sequence[View], method: str) -> dict[str, str]:
    """A choice for all networks that have the same blocks; by the key of the view."""
    alike: dict[tuple[str, ...], list[View]] = {}
    for view in views:
        if blocks := compare_views.layers(view).blocks:
            alike.setdefault(blocks, []).append(view)
    chosen: dict[str, str] = {}
    for number, (blocks, group) in enumerate(alike.items(), start=1):
        key, whose = f"layer{number}", ", ".join(view.card.name.rpartition("/")[2] for view in group)
        parts.note_link(key, blocks, f"a block that {whose} has not: this is the last one")
        parts.settle(key, blocks)
        name = st.selectbox(
            "Block" if len(alike) == 1 else f"Block of {parts.literal(whose)}",
            blocks,
            len(blocks) - 1,
            key=key,
            bind="query-params",
            disabled=method not in OF_A_BLOCK,
            help=_HELP if number == 1 else None,
        )
        chosen |= {view.key: name for view in group}
    return chosen


def _method(name: str, layer: str | None = None) -> "Method":
    from attention import attribution

    methods: dict[str, Method] = {
        METHODS[0]: attribution.GradCam(layer),
        METHODS[1]: attribution.GuidedGradCam(layer),
        METHODS[2]: attribution.IntegratedGradients(),
        METHODS[3]: attribution.Occlusion(),
    }
    return methods[name]


def _work(view: View, asked: Asked) -> Work | None:
    """What was asked for; None where it is not valid for the network, which is said."""
    target = comparison.place(view.labels, asked.label)
    if target is None:
        return None
    method = _method(asked.method, asked.layers.get(view.key))
    if reason := method.obstacle(compare_views.layers(view)):
        st.caption(f":material/block: {parts.literal(view.card.name)} has no heatmap here. {reason}")
        return None
    return Work(view, target, method)


def _computed(work: Sequence[Work], asked: Asked, slowest: float) -> dict[str, Heatmap]:
    """None before they were started."""
    passes = [each.method.passes(compare_views.shape(each.view)) for each in work]
    forward, backward = sum(each.forward for each in passes), sum(each.backward for each in passes)
    key = (asked.method, *((each.view.key, each.target, each.method) for each in work))

    attributors = [(compare_views.attributor(each.view), each.view.network.transform) for each in work]

    def run(progress: jobs.Report) -> dict[str, Heatmap]:
        heatmaps, before = {}, 0
        for (view, target, method), (attributor, transform), cost in zip(work, attributors, passes, strict=True):
            shift = _shifted(progress, before, forward)
            with cache.guarded(view.card):
                batch = transform(view.picture)[None]
                heatmaps[view.key] = attributor(batch, target, method=method, progress=shift)
            before += cost.forward
        return heatmaps

    said = f"**{asked.method}** of {len(work)} networks: {jobs.cost(forward, backward, slowest)}"
    return jobs.result_of("heatmap", key, said, run) or {}


def _shifted(progress: jobs.Report, before: int, whole: int) -> jobs.Report:
    return lambda done, total: progress(before + done, whole)
