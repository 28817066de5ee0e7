"""Which network: any name of the zoo, with its trained weights or with random ones, fetched where they are not here."""

import contextlib
import time

import streamlit as st

from attention import serving
from attention.models import libraries, zoo
from attention.observe import NetworkChoice
from attention.records import GatescopeError, ModelCard
from attention.ui.weights import choose_weights, uploaded
from attention.ui.widgets import ON_OFFER, choose, errors, literal

ALIKE = "All of them were trained by one recipe with one seed; they differ in the residual block alone."
DEFAULT = "cbam"
FOR_UPLOADS = "efficientnet-b0"
"""It knows a thousand classes, and not ten that a picture of a person's own is hardly of."""
WEIGHTS = ["Trained", "Random"]
_CHOSEN = "_network_chosen"
ORIGINS = [ON_OFFER, "Your weights"]
ANY = (
    "The first five come with Gatescope. The others are torchvision's, timm's and pytorchcv's, for ImageNet; any other "
    "classifier of theirs can be typed, such as timm/seresnet33ts."
)


def choose_network() -> NetworkChoice:
    """The network and its weights, by widgets in the place where this is called. A network by name is not loaded yet;
    one of a person's own code comes first, where the server was started on it."""
    served = _served()
    origin = st.segmented_control(
        "Network", ORIGINS, default=ON_OFFER, required=True, key="origin", persist_state="session"
    )
    if origin == ON_OFFER:
        return _choose_on_offer(served)
    if choice := choose_weights():
        return choice
    st.caption("Until there is one that fits, this is the network that comes first.")
    return _by_name(served.network.card.name if served else DEFAULT, served)


def open_for_own_picture() -> None:
    """Called when a person brings a picture: the network for it, unless one was chosen, here or by the link."""
    with contextlib.suppress(GatescopeError):  # the sidebar has said it
        chosen = "network" in st.query_params or st.session_state.get(_CHOSEN) or serving.served()
        if not chosen and st.session_state.get("origin", ON_OFFER) == ON_OFFER:
            st.session_state.network = FOR_UPLOADS


def _mark_chosen() -> None:
    st.session_state[_CHOSEN] = True


def _choose_on_offer(served: serving.Served | None) -> NetworkChoice:
    names = ((served.network.card.name,) if served else ()) + zoo.names()
    name = st.selectbox(
        "Network on offer",
        names,
        0 if served else names.index(DEFAULT),
        key="network",
        on_change=_mark_chosen,
        bind="query-params",
        accept_new_options=True,
        help=ANY,
        label_visibility="collapsed",
    )
    return _by_name(name, served)


def _by_name(name: str, served: serving.Served | None) -> NetworkChoice:
    if served and name == served.network.card.name:
        _describe(served.network.card, random=False)
        return _of(served)
    card = _card(name)
    random = card.source not in ("own", "converted") and _choose_weights() == "Random"
    _describe(card, random=random)
    return chosen(card, random=random)


def chosen(card: ModelCard, *, random: bool) -> NetworkChoice:
    """A network of the zoo, not loaded yet."""
    key = f"{card.name} {'random' if random else card.sha256}"
    return NetworkChoice(card, key, lambda: zoo.load(card.name, random=random), random)


def owned() -> list[NetworkChoice]:
    """A person's own networks, chosen in the sidebar or not: the one of their code, and the one uploaded last."""
    found = uploaded()
    with contextlib.suppress(GatescopeError):  # the sidebar has said it
        if served := serving.served():
            found.insert(0, _of(served))
    return found


def _of(served: serving.Served) -> NetworkChoice:
    return NetworkChoice(served.network.card, served.key, lambda: served.network)


def _served() -> serving.Served | None:
    """The network of a person's own code that this server was started on."""
    try:
        with st.spinner("Building your network", show_time=True):
            return serving.served()
    except GatescopeError as error:
        st.error(f"{literal(str(error))} Until that is put right and this page opened anew, your network is not here.")
        return None


def fetch(choice: NetworkChoice) -> None:
    """Where the weights are not on this machine: their size, and the offer to fetch them or to do without; stops."""
    card = choice.card
    about = "about " if libraries.ABOUT in card.assumed else ""
    size = f" ({about}{card.download / 1e6:,.0f} MB)" if card.download else ""
    st.info(f"The weights of {card.name}{size} are not on this machine.", icon=":material/download:")
    with st.container(horizontal=True):
        wanted = st.button("Download them", key="download", icon=":material/download:", disabled=not card.download)
        st.button("Go on with random weights", key="go_random", on_click=_choose_random)
    if not card.download:
        st.caption(f"{card.source} publishes none for this network.")
    if wanted:
        with st.empty(), errors():  # what went wrong takes the bar's place
            zoo.load(card.name, progress=_Bar())
            st.rerun()
    st.stop()


def _card(name: str) -> ModelCard:
    try:
        with st.spinner("Looking the network up", show_time=True):
            return zoo.card(name)
    except zoo.ZooError as error:
        st.error(f"{literal(str(error))} Until another is chosen, this is {DEFAULT}.")
        return zoo.card(DEFAULT)


def _choose_weights() -> str:
    return choose("Weights", WEIGHTS, key="weights", look="row")


def _choose_random() -> None:
    st.session_state.weights = "Random"


def _describe(card: ModelCard, *, random: bool) -> None:
    size = f"{card.parameters:,} parameters" if card.parameters < 1e5 else f"{card.parameters / 1e6:.2f} M parameters"
    if random:
        st.caption(f"**{card.title}** of {card.source}, built here with random weights. {size}.")
    elif card.source == "code":
        st.caption(f"**{literal(card.title)}**, your own code as this server was started with it. {size}.")
    elif card.source == "own":
        st.caption(
            f"**{card.title}**: {card.description}. {size}; trained here on {card.training['data']}; "
            f"{card.accuracy:.1%} top-1 of {card.validation_pictures:,} validation pictures.",
            help=ALIKE,
        )
    else:
        unknown = "accuracy not measured here" if card.source == "converted" else "accuracy not published"
        known = unknown if card.accuracy is None else f"{card.accuracy:.1%} top-1, as published"
        notes = "\n\n".join(card.notes)
        st.caption(
            f"**{card.title}**: {card.description}. {size}; {known}. Licence: {card.licence}.", help=notes or None
        )
    if assumed := [phrase for phrase in card.assumed if phrase != libraries.ABOUT]:
        st.caption(f"Assumed, since nobody states it: {'; '.join(assumed)}.")


class _Bar:
    """A progress bar with size and speed, drawn at most five times a second."""

    def __init__(self) -> None:
        self._bar = st.progress(0.0, "Connecting")
        self._start = self._drawn = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._drawn < 0.2 and done != total:
            return
        self._drawn = now
        whole = f" of {total / 1e6:,.0f}" if total else ""
        speed = done / 1e6 / max(now - self._start, 1e-3)
        self._bar.progress(min(done / total, 1.0) if total else 0.0, f"{done / 1e6:,.0f}{whole} MB, {speed:,.1f} MB/s")
