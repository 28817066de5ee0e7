"""What the comparison shows, by content: the networks chosen, their heatmaps, and how long a pass takes here."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from attention import zoo
from attention.comparison import Column, place
from attention.records import Card, Heatmap
from attention.ui import cache
from attention.ui.choosing import chosen
from attention.ui.parts import literal
from attention.ui.view import View

if TYPE_CHECKING:  # the page is painted before torch is loaded
    from attention.attribution import Attributor, Method

MOST = 4
USUAL = ("plain", "se", "cbam")
BUDGET = 0.4
"""Seconds of timing a network; the shortest of the passes counts, of FEWEST at least."""
FEWEST = 5


def choose(view: View) -> list[View]:
    """The sidebar's network first, then up to three others, on the same picture."""
    beside = [name for name in USUAL if name != view.card.name][:2]
    names = st.multiselect(
        f"Beside {view.card.name}",
        [name for name in zoo.names() if name != view.card.name],
        beside,
        max_selections=MOST - 1,
        key="beside",
        bind="query-params",
        accept_new_options=True,
        placeholder="Choose up to three networks",
    )
    cards = [card for name in names if name != view.card.name and (card := _card(name))]
    random = _choose_random([card.name for card in cards if card.source != "own"])
    return [
        view,
        *(View(chosen(card, random=card.name in random), view.shown) for card in cards if _there(card, random)),
    ]


def column(view: View, label: str | None, heatmap: Heatmap | None) -> Column:
    """One network on the picture; `label` is the class that is asked about."""
    target = None if label is None else place(view.labels, label)
    return Column(loaded(view), view.labels, view.probabilities, view.trace.gates, view.box, target, heatmap)


def loaded(view: View) -> Card:
    """The card of the network as it was loaded: with its labels, and with random weights where they are."""
    return view.network.card


def layer(view: View, back: int) -> str | None:
    """The last block of a stage, counted from the end; None where the network has fewer stages."""
    layers = attributor(view).layers(_shape(view))
    ends = {layers.maps[name]: name for name in layers.blocks}
    names = [name for name in layers.blocks if ends[layers.maps[name]] == name]
    return names[-1 - back] if back < len(names) else None


def obstacle(view: View, method: "Method") -> str:
    """Why the method is not valid for the network; "" where it is."""
    return method.obstacle(attributor(view).layers(_shape(view)))


def attributor(view: View) -> "Attributor":
    """What makes the network's heatmaps, for all sessions."""
    return _attributor(view.choice.key, view.choice)


def grad_cam(view: View, target: int, layer: str) -> Heatmap:
    """Grad-CAM of one class at one layer."""
    return _grad_cam(view.key, target, layer, view)


def seconds(view: View) -> float:
    """The shortest of several passes of one picture on this machine."""
    return _seconds(view.choice.key, view)


@st.cache_resource(max_entries=8, show_spinner=False)
def _attributor(key: str, _choice: cache.Choice) -> "Attributor":
    from attention.attribution import Attributor

    return Attributor(cache.network(key, _choice).module)


@st.cache_resource(max_entries=128, show_spinner="Making a class heatmap")
def _grad_cam(key: str, target: int, layer: str, _view: View) -> Heatmap:
    from attention.attribution import GradCam

    batch = _view.network.transform(_view.picture)[None]
    return attributor(_view)(batch, target, method=GradCam(layer))


@st.cache_resource(max_entries=32, show_spinner="Timing a pass")
def _seconds(key: str, _view: View) -> float:
    import torch

    batch = _view.network.transform(_view.picture)[None]
    runs: list[float] = []
    with torch.inference_mode():
        while len(runs) < FEWEST or sum(runs) < BUDGET:
            start = time.perf_counter()
            _view.network.module(batch)
            runs.append(time.perf_counter() - start)
    return min(runs)


def _shape(view: View) -> tuple[int, int, int, int]:
    return (1, 3, view.card.input_size, view.card.input_size)


def _card(name: str) -> Card | None:
    try:
        return zoo.card(name)
    except zoo.ZooError as error:
        st.error(f"{literal(str(error))} It is left out.", icon=":material/error:")
        return None


def _choose_random(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return st.pills("With random weights", names, selection_mode="multi", key="random", bind="query-params")


def _there(card: Card, random: Sequence[str]) -> bool:
    if card.name in random or zoo.here(card.name):
        return True
    st.info(
        f"The weights of {card.name} ({card.download / 1e6:,.0f} MB) are not on this machine, so it is left out: open "
        "it in the sidebar to fetch them, or choose it above with random weights.",
        icon=":material/download:",
    )
    return False
