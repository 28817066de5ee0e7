"""Which survey the page shows: one that is ready, one that is run here, or an opened file; and what it rests on."""

import hashlib
import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from attention import serving, survey
from attention.foreign import readable
from attention.images import ASSETS
from attention.jobs import Job, Lane
from attention.limits import Limits
from attention.models import Network
from attention.numbers import amount
from attention.observe import Observation, guarded
from attention.records import GatescopeError, ModelCard
from attention.report import html, survey_report
from attention.report.document import flatten
from attention.survey import LoadedSurvey, checks
from attention.ui import downloads, frame, jobs, presenting, uploads, widgets
from attention.ui.export import offer_report

READY = ASSETS / "surveys"
"""The surveys that come with the project, by the name of their network."""


@st.cache_resource(max_entries=4, show_spinner="Reading the survey")
def ready_survey(network: str) -> LoadedSurvey | None:
    """The survey of a network of the project's own that comes with it; None where there is none."""
    path = READY / f"{Path(network).name}.parquet"
    return LoadedSurvey(survey.read(path), f"ready {network}") if path.is_file() else None


def as_file(loaded: LoadedSurvey) -> bytes:
    """The survey as a Parquet file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.parquet"
        survey.write(loaded.result, path)
        return path.read_bytes()


def pictures_at_hand(loaded: LoadedSurvey) -> survey.PictureList | survey.LocatedPictures | None:
    """The pictures that the survey was made of on the page, or those of a folder that the page knows."""
    located = (_locate(loaded.key, str(folder), loaded) for folder in _folders().values())
    return loaded.pictures or next(filter(None, located), None)


def _folders() -> dict[str, Path]:
    """The samples, and the folders that the server allows, by name."""
    return {SAMPLES: ASSETS / "samples", **serving.folders()}


@st.cache_resource(max_entries=64, ttl=600, show_spinner="Looking for the pictures of the survey")
def _locate(key: str, folder: str, _loaded: LoadedSurvey) -> survey.LocatedPictures | None:
    return survey.locate_pictures(_loaded.result, Path(folder))


SOURCES = ["Ready-made", "Start one", "Open a file"]
SAMPLES, UPLOAD = "The samples", "Your pictures"
MEGABYTES = checks.UPLOAD.file // 2**20
USUAL, MOST = 500, 100_000
"""Pictures of one survey."""
ONE_AT_A_TIME = Lane("Another survey runs on this server, and one at a time is allowed; try again later.")
"""A survey takes all processors."""
NO_FILES = "Choose pictures, or a zip file with a folder of them for each class."
_RUNNING, _MADE, _OPENED, _NOTE, _COUNT = (f"_survey_{name}" for name in ("running", "made", "opened", "note", "count"))


def choose_survey(observation: Observation) -> LoadedSurvey | None:
    """The survey that the page shows; None where there is none yet, with what to do next."""
    _collect()
    origin = st.segmented_control(
        "Survey", SOURCES, default=SOURCES[0], required=True, key="survey_from", persist_state="session"
    )
    if origin == "Ready-made":
        return _ready_survey(observation)
    return _started_survey(observation) if origin == "Start one" else _opened_survey()


def _ready_survey(observation: Observation) -> LoadedSurvey | None:
    loaded = None if observation.choice.random else ready_survey(observation.card.name)
    if loaded is None:
        widgets.info(
            f"There is no ready-made survey of {widgets.literal(observation.card.title)}. Start one, open a "
            "result file, or choose one of Gatescope's own networks."
        )
    return loaded


def _opened_survey() -> LoadedSurvey | None:
    for file in uploads.files("Result file", ["parquet"], MEGABYTES, key="survey_file", help=_HELP):
        data = file.getvalue()
        key = hashlib.sha256(data).hexdigest()
        if key != getattr(st.session_state.get(_OPENED), "key", None):
            with st.spinner("Reading the survey"):
                st.session_state[_OPENED] = LoadedSurvey(survey.read_upload(data, file.name), key)
    loaded: LoadedSurvey | None = st.session_state.get(_OPENED)
    if loaded is None:
        widgets.info(f"`{_COMMAND}` writes a file that can be opened here.")
    return loaded


_COMMAND = "python -m attention survey FOLDER --model NAME --out RESULT.parquet"
_HELP = f"What `{_COMMAND}` wrote, or what this page offered for download; {MEGABYTES} MB at most."


def _started_survey(observation: Observation) -> LoadedSurvey | None:
    """The survey that was started here last; the place to start another one, or to watch it."""
    if running := st.session_state.get(_RUNNING):
        jobs.follow(running.job, "survey_stop", running.describe)
    else:
        _offer(observation)
    if note := st.session_state.get(_NOTE):
        st.warning(note, icon=":material/info:")
    return st.session_state.get(_MADE)


def _offer(observation: Observation) -> None:
    name, most, uploaded = _choose_source("survey")
    start = f"Survey them with {widgets.literal(observation.card.title)}"
    if st.button(start, key="survey_start", icon=":material/play_arrow:", disabled=uploaded == []):
        with st.spinner("Loading the network and listing the pictures"):
            pictures = _list_pictures(name, most, uploaded)
            network = observation.network
        # Where it was clicked twice, the run ends with the spinner, and the next one starts the survey.
        st.session_state[_RUNNING] = _start(network, pictures, name)
        st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1  # lets the uploaded bytes go
        st.session_state.pop(_NOTE, None)
        st.rerun()
    st.caption("It runs on the server while you look at other pages. Where there are more pictures, a share is taken.")


def choose_pictures(of: str) -> survey.PictureList | None:
    """The pictures that are chosen here, by widgets whose keys begin with `of`; None before an upload.

    The session holds the list of each `of`, so that it is made once for what is chosen.
    """
    name, most, uploaded = _choose_source(of)
    if uploaded == []:
        return None
    contents = [(file, hashlib.sha256(data).hexdigest()) for file, data in uploaded or ()]
    key, held = (name, most, *contents), f"_{of}_listed"
    if st.session_state.get(held, (None,))[0] != key:
        with st.spinner("Listing the pictures"):
            st.session_state[held] = (key, _list_pictures(name, most, uploaded))
    return st.session_state[held][1]


def _choose_source(of: str) -> tuple[str, int, list[tuple[str, bytes]] | None]:
    """Where pictures are from, how many at most, and the uploaded files where they are a person's own."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [SAMPLES, UPLOAD, *serving.folders()]
        name = st.selectbox("Pictures", names, key=f"{of}_pictures", persist_state="session", width=360)
        most = int(st.number_input("At most", 1, MOST, USUAL, key=f"{of}_most", persist_state="session", width=160))
    return name, most, _uploads(of) if name == UPLOAD else None


def _uploads(of: str) -> list[tuple[str, bytes]]:
    """The uploaded files by name. Raises SurveyError where they are too large."""
    key = f"{of}_files_{st.session_state.get(_COUNT, 0)}"
    allowed = [*frame.EXTENSIONS, "zip"]
    chosen = uploads.files(NO_FILES, allowed, MEGABYTES, key=key, several=True)
    size = sum(file.size for file in chosen)
    if size > checks.UPLOAD.file:
        raise survey.SurveyError(f"The files have {size / 2**20:,.0f} MB; {MEGABYTES} are allowed in all.")
    return [(file.name, file.getvalue()) for file in chosen]


def _list_pictures(name: str, most: int, uploaded: Sequence[tuple[str, bytes]] | None) -> survey.PictureList:
    """The uploaded pictures, those of the folder of this name, which is allowed, or else the samples."""
    if uploaded:
        return survey.uploaded_pictures(uploaded, most)
    listed = survey.list_pictures(_folders().get(name, ASSETS / "samples")).limited(most)
    return replace(listed, left_out=0) if name == SAMPLES else listed  # their licences lie beside them


class _RunningSurvey(NamedTuple):
    """A survey that runs here, of this network over these pictures."""

    job: Job
    card: ModelCard
    pictures: survey.PictureList
    name: str
    """What the pictures are called."""

    def describe(self, progress: survey.Progress | None) -> tuple[float, str]:
        """How far it is: a share of 1, and in words."""
        share = progress.done / progress.total if progress else 0.0
        text = str(progress) if progress else f"0 of {amount(len(self.pictures), 'picture')}"
        return share, f"{widgets.literal(self.card.title)} over {widgets.literal(self.name)}: {text}"


def _start(network: Network, pictures: survey.PictureList, name: str) -> _RunningSurvey:
    def work(report: Callable[[survey.Progress], None]) -> survey.Result:
        return survey.with_root(survey.run(network, pictures, progress=report), name)

    return _RunningSurvey(
        Job("The survey", work, seconds=Limits.of_environment().survey_seconds, lane=ONE_AT_A_TIME),
        network.card,
        pictures,
        name,
    )


def _collect() -> None:
    """Take what a survey in the background has come to, once it is there."""
    running: _RunningSurvey | None = st.session_state.get(_RUNNING)
    if running is None or not running.job.finished:
        return
    del st.session_state[_RUNNING]
    try:
        with guarded(running.card):
            st.session_state[_MADE] = LoadedSurvey(running.job.result(), secrets.token_hex(8), running.pictures)
    except GatescopeError as error:
        st.session_state[_NOTE] = widgets.sentence(error)


def say_empty(loaded: LoadedSurvey) -> None:
    """What stands in place of a survey that has nothing to show, with what to do next."""
    if not loaded.result.pictures:
        sentence = "None of the pictures could be used; “Pictures, network and settings” names them."
    elif not loaded.result.gates:
        sentence = (
            f"{widgets.literal(loaded.title)} has no gates. Survey cbam, se or another network with attention instead."
        )
    else:
        sentence = (
            "None of its gates stands for channels or for the places of a picture; the file holds their statistics."
        )
    widgets.info(sentence)


PARQUET = "application/vnd.apache.parquet"
MOST_FAILURES = 1000
"""Pictures in the table of those that could not be used; the file has all."""


def draw_header(loaded: LoadedSurvey) -> None:
    """One line of what it is, warnings, and, but in a presentation, all that the numbers rest on."""
    result, facts = loaded.result, loaded.result.provenance
    widgets.mark_files(random=loaded.random)
    classes = int((loaded.counts > 0).sum())
    pictures = f"{amount(result.pictures, 'picture')} in {amount(classes, 'class', 'classes')}"
    accuracy = "" if result.accuracy is None else f" It names {result.accuracy:.1%} of them right."
    widgets.say(
        f"**{widgets.literal(loaded.title)}** over {pictures}: {widgets.literal(facts['pictures']['root'])}.{accuracy}",
        "pictures",
    )
    for sentence in loaded.warnings("“Pictures, network and settings” names them"):
        st.caption(f":material/warning: {widgets.literal(sentence)}")
    if presenting.is_on():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        box = st.expander(
            "Pictures, network and settings", icon=":material/fact_check:", key="survey_facts", on_change="rerun"
        )
        name = f"{facts['network']['name'].replace('/', '_')}-survey"
        file = f"{name}{widgets.file_mark()}.parquet"
        downloads.offer("Parquet", lambda: as_file(loaded), file, PARQUET, key="survey_parquet")
        offer_report(name, lambda: html(survey_report(loaded)), key="survey_report", label="Survey report, HTML")
    if loaded.pictures is not None:
        st.caption("It was made here, and is gone when this page is loaded anew: its Parquet file opens it again.")
    if box.open:
        with box:
            _draw_facts(loaded)


def _draw_facts(loaded: LoadedSurvey) -> None:
    facts = flatten(loaded.result.provenance)
    st.dataframe(
        {"fact": list(facts), "value": list(facts.values())},
        hide_index=True,
        alt=f"{len(facts)} facts that the numbers rest on.",
    )
    if failures := loaded.result.failures[:MOST_FAILURES]:
        st.markdown(f"{amount(len(loaded.result.failures), 'picture')} could not be used:")
        paths = [readable(each.path) for each in failures]
        columns = {"picture": paths, "why": [readable(each.reason) for each in failures]}
        st.dataframe(columns, hide_index=True, alt=f"The first is {paths[0]}.")
