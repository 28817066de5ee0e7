"""Weights that are not on this machine: fetched in the background when a person says so, or done without."""

import time
from collections.abc import Callable
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from attention.jobs import Job
from attention.limits import Limits
from attention.models import libraries, zoo
from attention.numbers import fixed
from attention.observe import NetworkChoice
from attention.records import ModelCard
from attention.ui.jobs import AT_ONCE, RunningJob, follow, running_job, say_failure
from attention.ui.widgets import literal

_SLOT = "_download"


class _Received(NamedTuple):
    """How far a download is."""

    done: int
    total: int | None
    seconds: float


_Job = Job[_Received, None]


def fetch(choice: NetworkChoice) -> None:
    """Where the weights are not on this machine: their size, and the offer to fetch them or to do without; stops.

    The session holds the download, which ends with it, or where the weights of another network are asked for.
    """
    card = choice.card
    about = "about " if libraries.ABOUT in card.assumed else ""
    size = f" ({about}{card.download / 1e6:,.0f} MB)" if card.download else ""
    st.info(f"The weights of {literal(card.name)}{size} are not on this machine.", icon=":material/download:")
    job, controls = running_job(_SLOT, choice.key), st.empty()
    if job is None or job.failed:
        if not _is_wanted(card, controls, job):
            st.stop()
        job = Job("The download", _work(card.name), seconds=Limits.of_environment().download_seconds)
        st.session_state[_SLOT] = RunningJob(choice.key, job)
        job.wait(AT_ONCE)
    if job.finished:
        if not job.failed:
            del st.session_state[_SLOT]
        st.rerun()
    with controls.container():
        follow(job, "stop_download", _progress_in_words)
    st.stop()


def _is_wanted(card: ModelCard, place: DeltaGenerator, failed: _Job | None) -> bool:
    """Whether the download is to start: the buttons for it and for random weights, and why it failed the last time."""
    with place.container():
        with st.container(horizontal=True):
            wanted = st.button("Download them", key="download", icon=":material/download:", disabled=not card.download)
            random = {"weights": "Random"}
            st.button("Go on with random weights", key="go_random", on_click=st.session_state.update, args=(random,))
        if not wanted:
            say_failure(failed)
        if not card.download:
            st.caption(f"{literal(card.source)} publishes none for this network.")
    return wanted


def _work(name: str) -> Callable[[Callable[[_Received], None]], None]:
    start = time.monotonic()

    def work(report: Callable[[_Received], None]) -> None:  # without the network, which the pages load by themselves
        zoo.load(name, progress=lambda done, total: report(_Received(done, total, time.monotonic() - start)))

    return work


def _progress_in_words(received: _Received | None) -> tuple[float, str]:
    if received is None:
        return 0.0, "Connecting"
    done, total, seconds = received
    of_total = f" of {total / 1e6:,.0f}" if total else ""
    speed = fixed(done / 1e6 / max(seconds, 1e-3), 1)
    return done / total if total else 0.0, f"{done / 1e6:,.0f}{of_total} MB, {speed} MB/s"
