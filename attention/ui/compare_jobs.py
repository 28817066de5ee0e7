"""Work that takes long: its cost is said first, it shows how far it is, and it can be cancelled."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

Result = TypeVar("Result")
Progress = Callable[[int, int], None]
KEPT = 64


class Results:
    """The last results of all sessions, by content."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object) -> Any:
        """The result, or None."""
        with self._lock:
            return self._kept.get(key)

    def keep(self, key: object, result: object) -> None:
        """Keeps a result, and forgets the oldest of too many."""
        with self._lock:
            self._kept[key] = result
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)


def job(name: str, key: Sequence[object], cost: str, work: Callable[[Progress], Result]) -> Result | None:
    """The result where there is one; else its cost and a button that starts it. Not for use inside a fragment.

    A click on Cancel asks Streamlit to run the page anew, and Streamlit ends the run that is under way when it next
    draws, which the progress bar does. So does everything else that a person changes meanwhile.
    """
    done = results().get((name, *key))
    if done is not None:
        return done
    said, control = st.empty(), st.empty()
    cancelled = st.session_state.pop(f"cancelled_{name}", False)
    said.markdown(f"{cost} Cancelled before it was done: nothing of it is kept." if cancelled else cost)
    if not control.button("Start", key=f"start_{name}", icon=":material/play_arrow:"):
        return None
    control.button("Cancel", key=f"cancel_{name}", icon=":material/stop:", on_click=_cancel, args=(name,))
    result = work(Bar(said))
    said.empty()
    control.empty()
    results().keep((name, *key), result)
    return result


def _cancel(name: str) -> None:
    st.session_state[f"cancelled_{name}"] = True


@st.cache_resource(show_spinner=False)
def results() -> Results:
    """One store for all sessions."""
    return Results()


def cost(passes: int, backward: int, seconds: float) -> str:
    """What a job costs, before it is started; `seconds` is what one pass takes. A backward pass counts as two."""
    counts = f"{passes:,} forward passes" + (f" and {backward:,} backward" if backward else "")
    took = (passes + 2 * backward) * seconds
    return f"{counts}, about {took:,.0f} s on this machine." if took >= 1 else f"{counts}, less than a second."


class Bar:
    """A progress bar in a place of its own, drawn at most five times a second."""

    def __init__(self, place: DeltaGenerator) -> None:
        self._bar = place.progress(0.0, "Starting")
        self._drawn = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._drawn > 0.2:
            self._drawn = time.monotonic()
            self._bar.progress(min(1.0, done / total), f"{done:,} of {total:,} passes")
