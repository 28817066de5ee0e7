"""What the comparison shows, by content: the networks chosen, their heatmaps, and how long a pass takes here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from attention.comparison import Column, place, scored, times
from attention.models import zoo
from attention.records import Heatmap, ModelCard
from attention.ui import cache
from attention.ui.choosing import chosen, owned
from attention.ui.parts import literal
from attention.ui.view import View

if TYPE_CHECKING:  # the page is painted before torch is loaded
    from attention.attribution import Attributor, Layers

MOST = 4
USUAL = ("plain", "se", "cbam")


def choose(view: View) -> list[View]:
    """The sidebar's network first, then up to three others, on the same picture."""
    own = {choice.card.name: choice for choice in owned()}
    beside = [name for name in USUAL if name != view.card.name][:2]
    names = st.multiselect(
        f"Beside {literal(view.card.name)}",
        [name for name in (*own, *zoo.names()) if name != view.card.name],
        beside,
        max_selections=MOST - 1,
        key="beside",
        bind="query-params",
        accept_new_options=True,
        placeholder="Choose up to three networks",
    )
    others = [name for name in names if name != view.card.name]
    cards = {name: card for name in others if name not in own and (card := _card(name))}
    random = _choose_random([card.name for card in cards.values() if card.source != "own"])
    choices = own | {name: chosen(card, random=card.name in random) for name, card in cards.items()}
    return [view, *(View(choices[name], view.shown) for name in others if name in choices and _there(choices[name]))]


def columns(views: Sequence[View], label: str | None, heatmaps: Sequence[Heatmap | None]) -> list[Column]:
    """Each network on the picture; `label` is the class that is asked about."""
    return [
        Column(
            loaded(view),
            view.labels,
            scores(view),
            view.trace.gates,
            view.box,
            None if label is None else place(view.labels, label),
            heatmap,
            macs=view.inventory.network.macs,
            seconds=took,
        )
        for view, heatmap, took in zip(views, heatmaps, seconds(views), strict=True)
    ]


def scores(view: View) -> NDArray[np.float64] | None:
    """The probability of each class; None where the network gives no score for each class."""
    return scored(view.trace.output)


def loaded(view: View) -> ModelCard:
    """The card of the network as it was loaded: with its labels, and with random weights where they are."""
    return view.network.card


def layers(view: View) -> "Layers":
    """What can be read of the network, and what it computes besides."""
    with cache.guarded(view.card):
        return attributor(view).layers(shape(view))


def attributor(view: View) -> "Attributor":
    """What makes the network's heatmaps, for all sessions."""
    return _attributor(view.choice.key, view.choice)


def grad_cam(view: View, target: int, layer: str) -> Heatmap:
    """Grad-CAM of one class at one layer."""
    return _grad_cam(view.key, target, layer, view)


def seconds(views: Sequence[View]) -> list[float]:
    """Of one picture on this machine, of each network."""
    return _seconds(" ".join(view.choice.key for view in views), views)


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
def _seconds(keys: str, _views: Sequence[View]) -> list[float]:
    return times([view.network for view in _views], _views[0].picture)


def shape(view: View) -> tuple[int, int, int, int]:
    """Of what the network sees, (1, C, H, W)."""
    return (1, 3, view.card.input_size, view.card.input_size)


def _card(name: str) -> ModelCard | None:
    try:
        return zoo.card(name)
    except zoo.ZooError as error:
        st.error(f"{literal(str(error))} It is left out.", icon=":material/error:")
        return None


def _choose_random(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return st.pills("With random weights", names, selection_mode="multi", key="random", bind="query-params")


def _there(choice: cache.Choice) -> bool:
    if choice.here:
        return True
    card = choice.card
    st.info(
        f"The weights of {card.name} ({card.download / 1e6:,.0f} MB) are not on this machine, so it is left out: open "
        "it in the sidebar to fetch them, or choose it above with random weights.",
        icon=":material/download:",
    )
    return False
