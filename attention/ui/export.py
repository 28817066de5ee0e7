"""What a person takes away from any page: a report, a figure as a file, and the page itself as a saved view."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from attention import views
from attention.figure_files import GROUNDS
from attention.numbers import amount
from attention.observe import Observation
from attention.records import GatescopeError
from attention.report import html, report_of
from attention.ui import downloads, presenting, recorder
from attention.ui.pages import PAGES
from attention.ui.presenting import KEYS, saved_views
from attention.ui.widgets import FORMATS, file_mark, literal, sentence, slug
from attention.views import SavedView

_GROUNDS = [ground.title() for ground in GROUNDS]
_NOTE = "_views_said"
_OPEN = "_takeaway_open"
_FIGURE_FILES = st.components.v2.component(
    "figure_files", html="<i></i>", js=Path(__file__).with_name("figure_files.js").read_text(encoding="utf-8")
)
"""Has the camera over a plotly figure make its file as a report does, by what the server has for it."""


def offer_report(name: str, make: Callable[[], str], *, key: str, label: str = "Report, HTML") -> None:
    """A button that has a report made, and takes it away; nothing is made before it is pressed."""
    downloads.offer(
        label,
        make,
        f"{slug(name)}{file_mark()}.html",
        "text/html",
        key=key,
        icon=":material/description:",
        help="One file with the pictures, figures that stay interactive, settings and provenance. It works offline.",
    )


def draw(observation: Observation, page: str) -> None:
    """In the sidebar: the report of this network and picture, the presentation, and below, folded, the rest."""
    seen = recorder.begin(PAGES[page]["title"])
    with st.container(horizontal=True):
        name = f"{observation.card.name}-{observation.picture.name}"
        offer_report(name, lambda: html(report_of(observation, *seen.sections())), key="report")
        st.button("Present", key="present", icon=":material/slideshow:", on_click=presenting.start, args=(page,))
    st.session_state.setdefault("takeaway", st.session_state.get(_OPEN, False))  # whoever collects changes pages
    box = st.expander("Figures and views", icon=":material/bookmarks:", key="takeaway", on_change="rerun")
    st.session_state[_OPEN] = box.open
    if box.open:
        with box:
            with st.container(horizontal=True):  # what the camera over each figure makes of it
                for label, options, key in (("Figures as", FORMATS, "figures_as"), ("Ground", _GROUNDS, "figures_on")):
                    st.segmented_control(
                        label, options, default=options[0], required=True, key=key, persist_state="session"
                    )
            _draw_views(observation, page)
    _FIGURE_FILES(key="figure_files", data={"ground": st.session_state.get("figures_on", _GROUNDS[0]).lower()})


def _draw_views(observation: Observation, page: str) -> None:
    st.text_input("Title of this view", PAGES[page]["title"], max_chars=views.MOST_LETTERS, key="view_title")
    st.button(
        "Save this view", key="save_view", icon=":material/bookmark_add:", on_click=_save, args=(observation, page)
    )
    if message := st.session_state.pop(_NOTE, None):
        st.caption(message)
    for number, saved in enumerate(saved_views()):
        _draw_saved(number, saved)
    if saved_views():
        text = views.write(saved_views())
        st.download_button("Save the list", text, "views.json", "application/json", on_click="ignore", key="views_json")
    st.file_uploader("Open a list", ["json"], key="views_file", max_upload_size=1, on_change=_open)


def _draw_saved(number: int, saved: SavedView) -> None:
    def move() -> None:
        saved_views().insert(number - 1, saved_views().pop(number))

    def remove() -> None:
        saved_views().pop(number)

    name, earlier, forget = st.columns([5, 1, 1], vertical_alignment="center", gap="xsmall")
    name.button(literal(saved.title), key=f"view_{number}", type="tertiary", on_click=presenting.go, args=(number,))
    with earlier:
        _small("Earlier", number, ":material/arrow_upward:", move, disabled=not number)
    with forget:
        _small("Forget", number, ":material/close:", remove)


def _small(label: str, number: int, icon: str, do: Callable[[], None], *, disabled: bool = False) -> None:
    key = f"{label.lower()}_{number}"
    st.button("", key=key, icon=icon, help=label, type="tertiary", disabled=disabled, on_click=do)


def _save(observation: Observation, page: str) -> None:
    """The page as its address says; the network and the picture also where they are the first ones."""
    if len(saved_views()) == views.MOST_VIEWS:
        st.session_state[_NOTE] = f"The list is full: it has {views.MOST_VIEWS} views."
        return
    asked = {key: st.query_params.get_all(key) for key in st.query_params if key in KEYS}
    asked |= {key: [st.session_state[key]] for key in ("network", "picture") if key in st.session_state}
    title = " ".join(st.session_state.view_title.split()) or PAGES[page]["title"]
    saved_views().append(SavedView(title, page, urlencode(asked, doseq=True)))
    own = ["a picture"] * (st.session_state.get("source") in ("Upload", "Camera"))
    own += ["weights"] * (observation.card.source == "file")
    st.session_state[_NOTE] = (
        f"Saved, but an address cannot hold {' and '.join(own)} of your own: opened, the view "
        "has a sample and a network of the list instead."
        if own
        else "Saved, for as long as this page is open; “Save the list” keeps it."
    )


def _open() -> None:
    file = st.session_state.views_file
    if file is None:
        return
    try:
        saved_views()[:] = views.read(file.getvalue(), PAGES, KEYS)
    except GatescopeError as error:
        st.session_state[_NOTE] = f":material/error: {sentence(error)}"
    else:
        st.session_state[_NOTE] = f"The list has {amount(len(saved_views()), 'view')}; “Present” begins with the first."
