"""Presentation: one view a screen, without the sidebar, in large type, and the arrow keys through a list of views."""

from pathlib import Path
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from attention.ui import going_back
from attention.ui.pages import LESSON_PAGES, PAGES
from attention.views import SavedView

EVERYWHERE = {"network", "weights", "outputs", "picture", "block", "output", "region", "seen"}
OVERVIEW = {"cards"}
EXCITATION = {"order", "channel", "part", "second"}
CBAM = {"opacity", "colours", "scale", "tab", "shown", "unit"}
COMPARE = {"about", "of", "with", "class", "method", "heat", "second_kind", "change", "side"}
COMPARE |= {"patch_x", "patch_y", "patch_wide", "patch_high", "by_crop", "by_blur", "by_noise", "by_brightness"}
COMPARE |= {"missing", "other", "beside", "random", "down", "gate", "layer1", "layer2", "layer3", "layer4"}
INTERVENE = {"class", "seed", "reach", "section", "edits", "kind", "off", "from", "measure", "off_many"}
GROUPED = {"section", "c1", "c2", "h1", "w1", "h", "w", "g", "bias", "light", "layers", "shuffle"}
SURVEY = {"unit", "classes", "index", "band", "sampled", "scale", "part"}
LESSONS = {"step", "layer"}
MODELS = {"fold", "depth", "find"}
TABS = {"part", "section", "tab", "about"}
"""By which an address names a part of a page."""
KEYS = frozenset(EVERYWHERE | OVERVIEW | EXCITATION | CBAM | COMPARE | INTERVENE | GROUPED | SURVEY | MODELS | LESSONS)
"""The keys of all widgets that are bound to the address, and of what a page writes there itself."""
PARAMETER = "present"
HERE = Path(__file__).parent
STYLE = HERE / "presented.css"
"""The sidebar's widgets go on to run, unseen: they hold the network and the picture. Type is 22 pixels high on a screen
of 1280 x 720 and of 1024 x 768, and grows with the screen; on a phone it has its usual size, and `bare.css` lets the
page scroll."""
FIGURE = (
    ':is(.stPlotlyChart, .stImage, [data-testid="stMermaidChart"], .stBidiComponent:not(.st-key-said *), '
    ".stDataFrame, table, pre)"
)
FILLS = ":is(.stPlotlyChart, .stImage, .st-key-map_over_picture .stBidiComponent)"
"""What a page draws, as a selector, and what of it takes the height that it is given."""
PAGE, PART = '[data-testid="stMainBlockContainer"]', '[data-testid="stTabs"]'
NOT_IN_ADDRESS = ("source", "origin")
"""Keys of the widgets by which a person brings a picture or weights of their own; a saved view has neither."""
_ON, _VIEWS, _AT, _GOING, _LEFT = "_presenting", "_views", "_view_at", "_going", "_left"
_ASKED, _ARRIVED = "_controls_asked", "_arrived"
_PAGE, _ALONE = "_presented_page", "_part_alone"
_SCREEN = st.components.v2.component("screen", html="<i></i>", js=(HERE / "screen.js").read_text(encoding="utf-8"))


class Screen(NamedTuple):
    """The size of a window, in pixels."""

    width: int = 1280
    height: int = 720

    @property
    def scale(self) -> float:
        """How much larger a figure's text is than on a screen of 1280 x 720 or 1024 x 768, as the page's text."""
        return max(16 / 22, min(self.height / 720, self.width / 1024))


def is_on() -> bool:
    """Whether this run is one of a presentation."""
    return bool(st.session_state.get(_ON))


def is_bare() -> bool:
    """Whether this run shows a screen without its controls."""
    return is_on() and not st.session_state.get(_ASKED)


def screen() -> Screen:
    """The screen that is presented on, as far as it has been said."""
    size = (st.session_state.get("screen") or {}).get("size")
    return Screen(**size) if size else Screen()


def _bare_style(page: str, *, part: bool) -> str:
    """A style sheet: of a lesson all is on the screen that it draws, of another page one figure."""
    names = ["bare"] if page in LESSON_PAGES else ["bare", "bare_figure", *(["bare_part"] if part else [])]
    sheets = "".join(HERE.joinpath(f"{name}.css").read_text(encoding="utf-8") for name in names)
    for word, selector in {"FIGURE": FIGURE, "FILLS": FILLS, "SCOPE": PART if part else PAGE}.items():
        sheets = sheets.replace(word, selector)
    return f"<style>{sheets}</style>"


def slots(name: str) -> tuple[DeltaGenerator, DeltaGenerator]:
    """For what is chosen, and for what it shows: one below the other, in a presentation, until its controls are asked
    for, and on a phone (`screen.css`) the other way round."""
    both = st.container(key=f"slots_{name}")
    first, second = both.container(), both.container()
    return (second, first) if is_bare() else (first, second)


def begin(page: str) -> None:
    """First of all in a run: whether it is one of a presentation, and the way to the view that was asked for."""
    if st.query_params.get(PARAMETER) == "1":
        st.session_state[_ON] = True
    if st.session_state.get(_ARRIVED) != page:
        st.session_state.pop(_ARRIVED, None)
    if going_back.has_gone_back():
        _find_view(page)
    going: SavedView | None = st.session_state.get(_GOING)
    if going:
        _arrive(going, page)
    st.session_state[_PAGE] = page
    if is_on():
        if st.query_params.get(PARAMETER) != "1":
            st.query_params[PARAMETER] = "1"
        st.html(STYLE)
        if is_bare():
            alone = bool(TABS & set(st.query_params)) or st.session_state.get(_ALONE) == page
            st.html(_bare_style(page, part=alone))
        if page in LESSON_PAGES:
            st.html(HERE / "lesson_presented.css")


def offer_alone(part: str) -> None:
    """Among the controls: that the part which is open unasked, which no address names, is what the screen shows."""
    if not is_on() or is_bare():
        return
    page = st.session_state[_PAGE]

    def choose() -> None:
        st.session_state[_ALONE] = page if st.session_state.part_alone else None

    label = f"“{part}” alone, once the controls are gone"
    st.toggle(label, st.session_state.get(_ALONE) == page, key="part_alone", on_change=choose)


def _find_view(page: str) -> None:
    """Which of the saved views the browser's Back or Forward brought: of several that are alike, the nearest."""
    here = {key: st.query_params.get_all(key) for key in st.query_params if key != PARAMETER}
    alike = [number for number, view in enumerate(saved_views()) if (view.page, view.asked) == (page, here)]
    if alike:
        at = st.session_state.get(_AT) or 0
        st.session_state[_AT] = min(alike, key=lambda number: abs(number - at))


def has_arrived() -> bool:
    """Whether a saved view of this page was opened; that is said once."""
    return bool(st.session_state.pop(_ARRIVED, None))


def saved_views() -> list[SavedView]:
    """The list of this session, to be changed in place."""
    return st.session_state.setdefault(_VIEWS, [])


def start(page: str) -> None:
    """A callback: present the saved views from the first one on, or, where there are none, this page and the others."""
    st.session_state[_ON] = True
    if saved_views():
        go(0)
    else:
        st.session_state[_AT] = None


def go(number: int) -> None:
    """A callback: open a saved view."""
    st.session_state[_AT] = number
    st.session_state[_GOING] = saved_views()[number]


def draw_controls(page: str) -> None:
    """Below the page: back, where one is, forward, and the way out."""
    arrows = "" if page in LESSON_PAGES else "Left Right"  # there they lead through the steps
    back, on = arrows.split() or (None, None)
    views = saved_views() or [SavedView(settings["title"], name, "") for name, settings in PAGES.items()]
    at = st.session_state.get(_AT) if saved_views() else list(PAGES).index(page)
    at = min(at or 0, len(views) - 1)
    with st.sidebar:  # unseen
        _SCREEN(key="screen", data=screen()._asdict(), on_size_change=lambda: None)
    with st.bottom.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="presented"):
        _turn("Previous", back, views[at - 1] if at else None, at - 1)
        _turn("Next", on, views[at + 1] if at + 1 < len(views) else None, at + 1)
        st.text(f"{at + 1} of {len(views)}: {views[at].title}")
        asked = {_ASKED: not st.session_state.get(_ASKED)}
        st.button(
            "Controls",
            key="controls",
            icon=":material/tune:",
            shortcut="T",
            on_click=st.session_state.update,
            args=(asked,),
        )
        st.button("Leave", key="leave", icon=":material/close:", shortcut="Q", on_click=_leave)


def _turn(way: str, shortcut: str | None, view: SavedView | None, number: int) -> None:
    def go_to() -> None:
        st.session_state.update({_AT: number, _GOING: view})

    st.button(f"{way} view", key=f"{way}_view", shortcut=shortcut, disabled=not view, on_click=go_to)


def _leave() -> None:
    st.session_state.update({_ON: False, _ASKED: False})
    st.query_params.pop(PARAMETER, None)


def _arrive(going: SavedView, page: str) -> None:
    """Open a saved view as its address alone says, or else the page, with what is chosen for all. Streamlit lets an
    address be set where no widget holds it, and widgets let go of it when their page is left: so the first of two steps
    leaves this page, for another where it is the same."""
    presented = {PARAMETER: ["1"]} if is_on() else {}
    if saved_views() and not st.session_state.get(_LEFT):
        st.session_state[_LEFT] = True
        away = going.page if going.page != page else next(name for name in PAGES if name != page)
        st.switch_page(f"pages/{away}.py", query_params={})
    del st.session_state[_GOING]
    if st.session_state.pop(_LEFT, False):
        for key in (*KEYS, *NOT_IN_ADDRESS):
            st.session_state.pop(key, None)
        st.session_state[_ARRIVED] = going.page
    st.switch_page(f"pages/{going.page}.py", query_params=going.asked | presented)
