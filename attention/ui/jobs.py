"""Work that takes long, on a page: its cost is said first, it shows how far it is, and it can be stopped."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import streamlit as st

from attention.jobs import Job
from attention.limits import Limits
from attention.numbers import amount
from attention.records import Report, StoppedError
from attention.ui import presenting, widgets
from attention.ui.cache import STORE

R = TypeVar("R")
AT_ONCE = 1.0
"""Seconds that the page waits for a job that it has started, before it shows how far that is."""


class Count(NamedTuple):
    """How far a job is."""

    done: int
    total: int


class RunningJob(NamedTuple):
    """A job of this session, and what it is for."""

    key: object
    job: Job


def running_job(slot: str, key: object) -> Job | None:
    """The job that this session holds in a slot, where it is for this key; one for another is stopped."""
    running: RunningJob | None = st.session_state.get(slot)
    if running and running.key != key:
        running.job.stop()
        del st.session_state[slot]
        return None
    return running and running.job


def result_of(
    name: str,
    key: Sequence[object],
    cost: str,
    work: Callable[[Report], R],
    *,
    counted: tuple[str, str] = ("pass", "passes"),
) -> R | None:
    """The result where there is one; else its cost and a button that starts it, or how far it is, in what is `counted`.

    The session holds one job of a name; it goes on while other pages are open, and ends where something else is asked
    for under its name; why one failed is said until it is started anew. The work runs in a thread of its own, and so
    uses nothing of Streamlit.
    """
    slot, key = f"_job_{name}", (name, *key)
    job = running_job(slot, key)
    if (done := STORE.find("result", key)) is not None:
        return done
    if job is None or job.failed:
        if not _is_started(name, cost, job):
            return None
        job = Job("The job", _with_counts(work), seconds=Limits.of_environment().job_seconds)
        st.session_state[slot] = RunningJob(key, job)
    if not job.wait(0 if job.progress else AT_ONCE):
        follow(job, f"stop_{name}", partial(_count_in_words, counted))
        return None
    if job.failed:
        st.rerun()
    del st.session_state[slot]
    return STORE.get("result", key, job.result)


def _is_started(name: str, cost: str, failed: Job | None) -> bool:
    """Whether the job is to start: its cost, the button that says so, and why it failed the last time."""
    message, control = st.empty(), st.empty()
    where = " The controls, by the key T, have the button that starts it." * presenting.is_bare()
    widgets.say(cost + where, f"cost of {name}", at=message)
    if not control.button("Start", key=f"start_{name}", icon=":material/play_arrow:"):
        say_failure(failed)
        return False
    message.empty()
    control.empty()
    return True


def say_failure(job: Job | None) -> None:
    """Why a job that failed has no result; nothing where there is none."""
    with widgets.errors():
        try:
            if job:
                job.result()
        except StoppedError:
            st.caption("Stopped before it was done: nothing of it is kept.")


def _with_counts(work: Callable[[Report], R]) -> Callable[[Callable[[Count], None]], R]:
    return lambda report: work(lambda done, total: report(Count(done, total)))


@st.fragment(run_every=0.5)
def follow(job: Job, key: str, describe: Callable[[Any], tuple[float, str]]) -> None:
    """How far a job is, twice a second, and a button of this key that stops it; the page runs anew when it is over."""
    if job.finished:
        st.rerun()
    share, text = describe(job.progress)
    st.progress(min(1.0, share), text)
    if job.stopping:
        st.caption("It stops as soon as what it is at allows.")
    else:
        st.button("Stop it", key=key, icon=":material/stop:", on_click=job.stop)
        st.caption("It goes on while you look at other pages, and ends when this page is loaded anew.")


def _count_in_words(counted: tuple[str, str], progress: Count | None) -> tuple[float, str]:
    if progress is None:
        return 0.0, "Starting"
    return progress.done / progress.total, f"{progress.done:,} of {amount(progress.total, *counted)}"


def cost(passes: int, backward: int, seconds: float) -> str:
    """What a job costs, before it is started; `seconds` is what one pass takes. A backward pass counts as two."""
    counts = amount(passes, "forward pass", "forward passes") + (f" and {backward:,} backward" if backward else "")
    duration = (passes + 2 * backward) * seconds
    return f"{counts}, about {duration:,.0f} s on this machine." if duration >= 1 else f"{counts}, less than a second."
