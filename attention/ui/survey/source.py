"""Where the survey on the page comes from: one that is ready, one that is started here, or a file."""

import hashlib
from pathlib import Path

import streamlit as st

from attention import serving, survey
from attention.images import ASSETS
from attention.records import GatescopeError
from attention.survey import uploads
from attention.survey.command import said
from attention.ui import cache, frame, parts
from attention.ui.survey.held import Held, new, ready
from attention.ui.view import View

SOURCES = ["Ready-made", "Start one", "Open a file"]
SAMPLES, UPLOAD = "The samples", "Your pictures"
MEGABYTES = uploads.MAX_BYTES // 2**20
USUAL, MOST = 500, 100_000
"""Pictures of one survey."""
NO_FILES = "Choose pictures, or a zip file with a folder of them for each class."
_RUNNING, _MADE, _OPENED, _NOTE, _COUNT = (f"_survey_{name}" for name in ("running", "made", "opened", "note", "count"))


def choose(view: View) -> Held | None:
    """The survey that the page shows; None where there is none yet, with what to do next."""
    _collect()
    source = st.segmented_control(
        "Survey", SOURCES, default=SOURCES[0], required=True, key="survey_from", persist_state="session"
    )
    if source == "Ready-made":
        return _ready(view)
    return _started(view) if source == "Start one" else _opened()


def _ready(view: View) -> Held | None:
    held = None if view.choice.random else ready(view.card.name)
    if held is None:
        st.info(
            f"There is no ready-made survey of {view.card.title}. Start one, open a result file, or choose another "
            "network of Gatescope's own.",
            icon=":material/info:",
        )
    return held


def _opened() -> Held | None:
    file = st.file_uploader("Result file", ["parquet"], key="survey_file", max_upload_size=MEGABYTES, help=_HELP)
    if file is not None:
        data = file.getvalue()
        key = hashlib.sha256(data).hexdigest()
        if key != getattr(st.session_state.get(_OPENED), "key", None):
            with st.spinner("Reading the survey"):
                st.session_state[_OPENED] = Held(key, survey.received(data, parts.literal(file.name)))
    held: Held | None = st.session_state.get(_OPENED)
    if held is None:
        st.info(f"`{_COMMAND}` writes a file that can be opened here.", icon=":material/info:")
    return held


_COMMAND = "python -m attention survey FOLDER --model NAME --out RESULT.parquet"
_HELP = f"What `{_COMMAND}` wrote, or what this page offered for download; {MEGABYTES} MB at most."


def _started(view: View) -> Held | None:
    """The survey that was started here last; the place to start another one, or to watch it."""
    if running := st.session_state.get(_RUNNING):
        _follow(running)
    else:
        _offer(view)
    if note := st.session_state.get(_NOTE):
        st.warning(note, icon=":material/info:")
    held: Held | None = st.session_state.get(_MADE)
    return held


def _offer(view: View) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        folders = serving.folders()
        names = [SAMPLES, UPLOAD, *folders]
        name = st.selectbox("Pictures", names, key="survey_pictures", persist_state="session", width=360)
        most = int(st.number_input("At most", 1, MOST, USUAL, key="survey_most", persist_state="session", width=160))
    files = _uploads() if name == UPLOAD else None
    start = f"Survey them with {view.card.title}"
    if st.button(start, key="survey_start", icon=":material/play_arrow:", disabled=files == []):
        with st.spinner("Loading the network and listing the pictures"):
            pictures = survey.gathered(files, most) if files else _in_folder(folders.get(name), most)
            st.session_state[_RUNNING] = survey.Background(view.network, pictures, name)
        st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1  # lets the uploaded bytes go
        st.session_state.pop(_NOTE, None)
        st.rerun()
    st.caption("It runs on the server while you look at other pages. Where there are more pictures, a share is taken.")


def _uploads() -> list[tuple[str, bytes]]:
    """The uploaded files by name. Raises SurveyError where they are too large."""
    key = f"survey_files_{st.session_state.get(_COUNT, 0)}"
    allowed = [*frame.EXTENSIONS, "zip"]
    files = st.file_uploader(NO_FILES, allowed, accept_multiple_files=True, key=key, max_upload_size=MEGABYTES) or []
    size = sum(file.size for file in files)
    if size > uploads.MAX_BYTES:
        raise survey.SurveyError(f"The files have {size / 2**20:,.0f} MB; {MEGABYTES} are allowed in all.")
    return [(file.name, file.getvalue()) for file in files]


def _in_folder(folder: Path | None, most: int) -> survey.Pictures:
    """Of a folder that is allowed, or else the samples."""
    return survey.pictures(folder or ASSETS / "samples").limited(most)


@st.fragment(run_every=1.0)
def _follow(running: survey.Background) -> None:
    """How far it is, once a second; the whole page runs anew when it is done."""
    if running.finished:
        st.rerun()
    progress = running.progress
    share = progress.done / progress.total if progress else 0.0
    text = said(progress) if progress else f"0 of {len(running.pictures):,} pictures"
    st.progress(share, f"{running.card.title} over {parts.literal(running.name)}: {text}")
    if running.cancelled:
        st.caption("It stops after the pictures at hand.")
    elif st.button("Stop it", key="survey_stop", icon=":material/stop:"):
        running.cancel()
        st.rerun(scope="fragment")


def _collect() -> None:
    """Take what a survey in the background has come to, once it is there."""
    running: survey.Background | None = st.session_state.get(_RUNNING)
    if running is None or not running.finished:
        return
    del st.session_state[_RUNNING]
    try:
        with cache.guarded(running.card):
            st.session_state[_MADE] = new(running.result(), running.pictures)
    except GatescopeError as error:
        st.session_state[_NOTE] = str(error)


def say_empty(held: Held) -> None:
    """Said where a survey has nothing to show, with what to do next."""
    if not held.result.pictures:
        said = "None of the pictures could be used; “What it rests on” names them."
    elif not held.result.gates:
        said = f"{parts.literal(held.title)} has no gates. Survey cbam, se or another network with attention instead."
    else:
        said = "None of its gates stands for channels or for the places of a picture; the file holds their statistics."
    st.info(said, icon=":material/info:")
