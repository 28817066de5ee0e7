"""What a page shows at the moment, kept for the report: its answer, its charts, and the address that leads to it."""

from dataclasses import dataclass, field

import streamlit as st

from attention import terms
from attention.charts.chart import Chart
from attention.foreign import unescaped
from attention.report import Section, Table
from attention.ui import presenting

_RECORDER = "_recorder"
UNREAD = ("edits", "present", "uploaded")
"""Keys of an address whose values are written for machines."""
ANSWER = ("headline", "more")
"""The places of a page's answer, which stand above whatever was drawn before them."""


@dataclass
class Recorder:
    """One page as it was drawn last: its answer, charts, and the tables of their numbers.

    A part of the page that is drawn anew replaces its own entries.
    """

    title: str
    items: dict[str, Chart | Table] = field(default_factory=dict)
    address: dict[str, str] = field(default_factory=dict)
    answer: dict[str, str] = field(default_factory=dict)
    """The sentences of the page's answer, by their place."""
    explained: dict[str, str] = field(default_factory=dict)
    """Where each term was explained, by its pattern."""

    def sections(self) -> list[Section]:
        """For a report: what the page showed, and what its address said; nothing of a page that has none of it."""
        if not self.items:
            return []
        settings = Table("settings", "What was chosen on the page", _columns(self.address), open=True)
        answer = [" ".join(self.answer[place] for place in ANSWER if place in self.answer)] if self.answer else []
        items = [*answer, *self.items.values(), *([settings] if self.address else [])]
        return [Section(f"As shown on the page: {self.title}", items)]


def begin(title: str) -> Recorder:
    """Nothing is shown yet."""
    st.session_state[_RECORDER] = recorder = Recorder(title, address=st.query_params.to_dict())
    return recorder


def note(key: str, item: Chart | Table | None) -> None:
    """What was drawn, by the key of its place; None where nothing stands there any more."""
    recorder: Recorder | None = st.session_state.get(_RECORDER)
    if recorder:
        recorder.items.pop(key, None)
        if item:
            recorder.items[key] = item
        recorder.address = st.query_params.to_dict()


def note_sentence(text: str, place: str) -> None:
    """A sentence in markdown that was said at a place, where that is one of the page's answer."""
    recorder: Recorder | None = st.session_state.get(_RECORDER)
    if recorder and place in ANSWER:
        recorder.answer[place] = unescaped(text)


def explain(text: str, place: str) -> str | None:
    """The terms that stand in this text for the first time on the page, a line each, for the `help` of what shows the
    text at `place`; None where there are none, and in a presentation, which has somebody who explains.
    """
    recorder: Recorder | None = st.session_state.get(_RECORDER)
    if not recorder or presenting.is_on():
        return None
    elsewhere = {term: where for term, where in recorder.explained.items() if where != place}
    first = {term: word for term, word in terms.find(text).items() if place in ANSWER or term not in elsewhere}
    recorder.explained = dict.fromkeys(first, place) | elsewhere
    return "\n\n".join(f"**{word.rstrip(' =≤<')}**: {terms.TERMS[term]}." for term, word in first.items()) or None


def _columns(address: dict[str, str]) -> dict[str, list[str]]:
    """What was chosen, in words; not what only a link can read."""
    settings = {key.replace("_", " "): value for key, value in address.items() if key not in UNREAD}
    return {"setting": list(settings), "value": list(settings.values())}
