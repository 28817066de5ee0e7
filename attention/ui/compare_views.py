"""What the comparison shows, by content: the networks chosen, their heatmaps, and how long a pass takes here."""

from collections.abc import Sequence

import streamlit as st

from attention.comparison import Compared, place, times
from attention.models import zoo
from attention.observe import NetworkChoice, Observation
from attention.records import Heatmap, ModelCard
from attention.ui import cache
from attention.ui.choosing import chosen, owned
from attention.ui.widgets import literal

MOST = 4
USUAL = ("plain", "se", "cbam")


def choose(observation: Observation) -> list[Observation]:
    """The sidebar's network first, then up to three others, on the same picture."""
    own = {choice.card.name: choice for choice in owned()}
    beside = [name for name in USUAL if name != observation.card.name][:2]
    names = st.multiselect(
        f"Beside {literal(observation.card.name)}",
        [name for name in (*own, *zoo.names()) if name != observation.card.name],
        beside,
        max_selections=MOST - 1,
        key="beside",
        bind="query-params",
        accept_new_options=True,
        placeholder="Choose up to three networks",
    )
    others = [name for name in names if name != observation.card.name]
    cards = {name: card for name in others if name not in own and (card := _card(name))}
    random = _choose_random([card.name for card in cards.values() if card.source not in ("own", "converted")])
    choices = own | {name: chosen(card, random=card.name in random) for name, card in cards.items()}
    return [
        observation,
        *(
            cache.observe(choices[name], observation.picture)
            for name in others
            if name in choices and _there(choices[name])
        ),
    ]


def compared(
    observations: Sequence[Observation], label: str | None, heatmaps: Sequence[Heatmap | None]
) -> list[Compared]:
    """Each network on the picture; `label` is the class that is asked about."""
    return [
        Compared(each, None if label is None else place(each.labels, label), heatmap, took)
        for each, heatmap, took in zip(observations, heatmaps, seconds(observations), strict=True)
    ]


def seconds(observations: Sequence[Observation]) -> list[float]:
    """Seconds of one pass of the picture on this machine, of each network."""
    keys = " ".join(each.choice.key for each in observations)
    return cache.STORE.get("seconds", keys, lambda: times(observations))


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


def _there(choice: NetworkChoice) -> bool:
    if choice.here:
        return True
    card = choice.card
    st.info(
        f"The weights of {card.name} ({card.download / 1e6:,.0f} MB) are not on this machine, so it is left out: open "
        "it in the sidebar to fetch them, or choose it above with random weights.",
        icon=":material/download:",
    )
    return False
