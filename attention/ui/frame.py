"""The frame around every page: which network, which picture, and what the network makes of it."""

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from attention import analysis, bands, images, process, serving
from attention.analysis import predictions
from attention.charts import overlay
from attention.images import PictureError
from attention.limits import MIB, Limits
from attention.observe import Observation, Picture
from attention.ui import cache, export, gallery, going_back, presenting, sign_in, uploads
from attention.ui.choosing import choose_answer, choose_bands, choose_network, choose_outputs
from attention.ui.fetching import fetch
from attention.ui.pages import GROUPS, LESSON_PAGES, PAGES
from attention.ui.widgets import errors, literal, mark_random, notes, notes_in, sentence

EXTENSIONS = ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif", "avif", "heic", "heif"]
"""What a survey takes for pictures by their names; one picture is told by its first bytes."""
MOST_OF_IT = 0.98
"""The share of a picture from which on the part that the network sees is as good as all of it."""
PANORAMA = 0.5
"""Less than this share of it is seen of a panorama."""
STYLE = Path(__file__).with_name("screen.css")
"""How the pages look where the theme has no word for it."""
_ROUTED, _VIEW, _OWN, _LOST = "_routed", "_view", "_own", "_lost_picture"
_UPLOADED = "uploaded"
"""In an address: that the picture is a person's own, and so not named there."""


def navigation(folder: Path) -> dict[str, list[StreamlitPage]]:
    """The pages, whose files are in the folder, in the groups of the navigation."""
    grouped: dict[str, list[StreamlitPage]] = {}
    group = ""
    for name, settings in PAGES.items():
        group = GROUPS.get(name, group)
        grouped.setdefault(group, []).append(st.Page(folder / f"{name}.py", **settings))
    return grouped


def draw_frame(title: str) -> None:
    """The title, then the sidebar: it names the choice, and everything that takes time comes after it."""
    process.share_the_processors()
    going_back.leave_page()
    going_back.read_address()
    sign_in.require()
    page = next(name for name, settings in PAGES.items() if settings["title"] == title)
    st.html(STYLE)
    presenting.begin(page)
    is_lesson = page in LESSON_PAGES and not presenting.is_on()
    place = st.container(key="read_lesson") if is_lesson else st  # first_page.css makes it small
    place.title(title, anchor=False)
    below_title = st.container()
    with st.sidebar, notes_in(below_title):
        choice = choose_network(page)
        with errors():
            choice = choose_answer(choice)
        choice = choose_outputs(choice)
        place, picture = st.container(), _choose_picture()  # bands stand above the picture that they are asked for
        with place, errors():
            choice = choose_bands(choice, picture)
        observation = cache.observe(choice, picture)
        picture_place = st.container()
        observation = _choose_look(observation)
        with picture_place:
            _show_picture(observation)
    _insist_bands(observation)
    if not choice.here:
        fetch(choice)
    with st.sidebar, st.container(border=True), errors():
        _show_prediction(observation)
    mark_random(choice)
    if presenting.is_on():
        presenting.draw_controls(page)
    with st.sidebar:
        export.draw(observation, page)
    st.session_state[_VIEW] = observation
    st.session_state[_ROUTED] = True


def _insist_bands(observation: Observation) -> None:
    """Where the picture lacks what the network reads, the page ends in a sentence that says so."""
    with errors():
        bands.check_bands(observation.image, observation.card.bands)
        return
    st.stop()


def open_page() -> Observation:
    """The view that the frame chose. Each page starts here: a deep link to a new server runs the page alone, so
    the router is run first where it has not been."""
    if not st.session_state.pop(_ROUTED, False):
        runpy.run_path(str(serving.APP), run_name="__main__")
        st.stop()
    return st.session_state[_VIEW]


def pictures() -> dict[str, Picture | None]:
    """Every picture at hand by name: a person's own first, then the samples, which are read when they are chosen."""
    own: dict[str, Picture] = st.session_state.get(_OWN, {})
    return {**own, **dict.fromkeys(cache.samples())}


def other_pictures(observation: Observation) -> dict[str, Picture | None]:
    """`pictures()` without the one that is observed."""
    return {name: own for name, own in pictures().items() if name != observation.picture.name}


def named_picture(name: str) -> Picture:
    """One of `pictures()`, which is read where it is a sample."""
    return pictures()[name] or cache.sample(name)


def _choose_picture() -> Picture:
    if going_back.has_gone_back() and gallery.KEY in st.query_params:
        st.session_state.source = "Sample"  # what is shown is what the address names
    source = st.segmented_control(
        "Picture",
        ["Sample", "Upload", "Camera"],
        default="Sample",
        required=True,
        key="source",
        persist_state="session",
    )
    titles = list(cache.samples())
    if source == "Sample":
        title = gallery.choose_sample()
        _say_lost(title)
        return cache.sample(title)
    gallery_place = st.container()  # above the files, so that a long list of them does not push it out of sight
    if source == "Upload":
        most = Limits.of_environment().picture_bytes // MIB  # a weight file may be larger
        files = uploads.files("Your pictures", None, most, key="upload", several=True)
    else:
        files = list(filter(None, [st.camera_input("A photo of your own", key="camera")]))
    before = st.session_state.get(_OWN, {})
    own = _read_pictures(files) or before
    if new := [name for name in own if name not in before]:
        st.session_state.own = new[-1]  # the last that was uploaded is the one that is shown
    st.session_state[_OWN] = own
    if not own:
        asked = st.session_state.get("picture")
        title = asked if asked in titles else titles[0]
        st.caption(f"Until there is one, this is the sample “{title}”.")
        return cache.sample(title)
    if _UPLOADED not in st.query_params:
        st.query_params[_UPLOADED] = "1"
    with gallery_place:
        return own[gallery.choose_own(dict(reversed(own.items())))]


def _say_lost(title: str) -> None:
    """Where the address was that of a picture which a person brought: that it is not here, and which one is shown."""
    if _UPLOADED not in st.query_params:
        return
    said = st.session_state.get(_LOST)
    if st.session_state.get(_OWN) or said not in (None, title):  # it is here, or another one was chosen since
        del st.query_params[_UPLOADED]
        st.session_state.pop(_LOST, None)
        return
    lost = "This address is of a picture of a person's own, which no link and no reload brings back"
    with notes():
        st.caption(f":material/link_off: {lost}: upload it again. Shown is the sample “{title}”.")
    if presenting.is_on() and not said:  # where notes are not seen
        st.toast(f"Shown is “{title}”: your own picture is gone.", icon=":material/link_off:", duration="long")
    st.session_state[_LOST] = title


def _read_pictures(files: list[Any]) -> dict[str, Picture]:
    """The pictures among the files by name; the others are named too, with what is wrong with them."""
    found: dict[str, Picture] = {}
    for file in files:
        try:
            picture = cache.picture(file.name, file.getvalue())
            found[file.name if file.name not in found else f"{file.name} ({len(found) + 1})"] = picture
        except PictureError as error:
            st.error(f"{literal(file.name)}: {sentence(error)}")
    return found


def _choose_look(observation: Observation) -> Observation:
    """The observation whose picture is shown whole, or as the network sees it, where that is not the same; a panorama
    in a presentation always so: all of it is too low there for anybody to see the map."""
    left, top, right, bottom = observation.box
    width, height = observation.image.size
    share = (right - left) * (bottom - top) / (width * height)
    if share > MOST_OF_IT:
        return observation
    help = "Pages then show the part that the network gets, at its size, in place of the whole picture."
    as_seen = st.toggle("As the network sees it", key="seen", bind="query-params", help=help)
    always = presenting.is_on() and share < PANORAMA
    if always and not as_seen:
        st.caption("A panorama is presented as the network sees it, whatever is chosen here.")
    return replace(observation, as_seen=as_seen or always)


def _show_picture(observation: Observation) -> None:
    as_seen, read = observation.as_seen, observation.card.bands
    reads = "" if read == bands.RGB else f", and reads {literal(', '.join(read))}"
    look = "as the network sees it" if as_seen else "with the part that the network sees lit"
    st.image(
        overlay.dim_unseen(*observation.view),
        width="stretch",
        alt=f"{observation.picture.name}, {look}.",
        caption=f"{literal(observation.picture.name)}: the network sees {'this' if as_seen else 'the lit part'}, at "
        f"{images.size_in_words(observation.card.input_size)} px{reads}."
        + (f" Of the file: {note}." if (note := observation.image.info.get("note")) else ""),
    )
    if observation.picture.name in cache.samples():
        st.caption(gallery.describe(observation.picture.name))


def _show_prediction(observation: Observation) -> None:
    st.markdown("**What the network says**")
    try:
        found = analysis.top(observation.probabilities, observation.labels)
    except predictions.PredictionError as error:
        st.caption(sentence(error))
        return
    for label, probability in found:
        st.progress(probability, f"{literal(label)} {probability:.1%}")
    outputs, classes = observation.outputs, len(observation.labels)
    choosing = predictions.choice_in_words(outputs, classes)
    st.caption(f"Classes it knows: {classes:,}; {choosing}. Its outputs are {predictions.in_words(outputs, classes)}.")
