"""What stands edited in this session, for each network; what stood before, and what was taken back."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import streamlit as st

from attention.interventions import ANY, Edit, EditError, files
from attention.interventions.edits import check, targets
from attention.observe import Observation
from attention.records import Gate
from attention.ui import going_back, presenting, widgets

LONGEST_LINK = 6000
"""Length of the edits in a link, in characters; servers and browsers refuse much longer ones."""
NONE = "none"
"""What stands in a link where nothing is edited; a link that says nothing of edits opens with an example."""
_HISTORIES, _LINK, _COMPLAINTS = "_edits", "edits", "_complaints"


@dataclass
class History:
    """The edits that stand, those that stood before, and those that were undone."""

    now: tuple[Edit, ...] = ()
    past: list[tuple[Edit, ...]] = field(default_factory=list)
    future: list[tuple[Edit, ...]] = field(default_factory=list)
    _last: object = None

    def push(self, edits: Sequence[Edit], what: object = None) -> None:
        """A new state; one of the same `what` as the newest takes its place, as a slider does on its way."""
        if what is None or what != self._last:
            self.past.append(self.now)
        self.now, self._last = tuple(edits), what
        self.future.clear()

    def undo(self) -> None:
        """Back to the state before, where there is one."""
        if self.past:
            self.future.append(self.now)
            self.now, self._last = self.past.pop(), None

    def redo(self) -> None:
        """Forward to the state that was undone last, where there is one."""
        if self.future:
            self.past.append(self.now)
            self.now, self._last = self.future.pop(), None


class Target(NamedTuple):
    """Where an edit is: a block, a stage by its size, or with neither all of the network; and which kind of gates."""

    block: str = ""
    size: tuple[int, ...] = ()
    kind: str = ANY

    def holds(self, edit: Edit) -> bool:
        """Whether the edit is just there."""
        return (edit.block, edit.size, edit.kind) == self


@dataclass(frozen=True, eq=False)
class EditSession:
    """One network and one picture, the place that is being edited, and the edits that stand."""

    observation: Observation
    history: History
    block: str
    """The block that the page shows."""
    target: Target

    @property
    def edit(self) -> Edit | None:
        """What stands at the place."""
        return next((edit for edit in reversed(self.history.now) if self.target.holds(edit)), None)

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The gates of the place, as they are without any edit."""
        block, size, kind = self.target
        return targets(Edit("off", kind, block, size), self.observation.trace.gates)  # type: ignore[arg-type]

    @property
    def gate(self) -> Gate:
        """The one of the shown block that is drawn."""
        block = targets(Edit("off", self.target.kind, self.block), self.observation.trace.gates)  # type: ignore[arg-type]
        return (block or self.gates)[0]

    def put(self, edit: Edit | None, what: object = None) -> None:
        """Let this edit stand at the place, under the name of the one that stood there; None takes that one away."""
        old = self.edit
        if edit is None:
            self.history.push([other for other in self.history.now if other is not old])
        elif old is None:
            self.history.push([*self.history.now, edit], what)
        else:
            named = replace(edit, name=old.name)
            self.history.push([named if other is old else other for other in self.history.now], what)


def history_of(observation: Observation, block: str) -> History:
    """The history of the edits of this network.

    The first visit begins with the edits of the link; without any, with the first gate of `block` switched off, which
    can be undone. So can what the browser's Back, or a saved view, brings.
    """
    histories: dict[str, History] = st.session_state.setdefault(_HISTORIES, {})
    key, code = observation.choice.key, st.query_params.get(_LINK)
    if key not in histories:
        if not histories and code is not None:
            first = History(_edits_of_link(observation) or ())
        else:
            gate = targets(Edit("off", block=block), observation.trace.gates)[0]
            first = History((Edit("off", gate.kind, block),), [()])
        histories[key] = first
    elif code not in (None, _code(histories[key].now)) and (presenting.has_arrived() or going_back.has_gone_back()):
        # else the address holds what this page wrote there a moment ago
        histories[key].push(histories[key].now if (edits := _edits_of_link(observation)) is None else edits)
    return histories[key]


def complain(sentence: str) -> None:
    """Keep what went wrong before the page is drawn, so that it can be said there."""
    st.session_state.setdefault(_COMPLAINTS, {})[sentence] = None


def say_complaints(edits: Sequence[Edit]) -> None:
    """Say what went wrong until the edits change: a page may run more than once before anybody has read it."""
    first_said: dict[str, tuple[Edit, ...] | None] = st.session_state.get(_COMPLAINTS, {})
    for sentence, then in tuple(first_said.items()):
        first_said[sentence] = now = tuple(edits)
        if then in (None, now):
            st.error(widgets.sentence(sentence), icon=":material/error:")
        else:
            del first_said[sentence]


def put_into_link(edits: Sequence[Edit]) -> None:
    """Let the address hold the edits, where they are short enough; else that is said."""
    code = _code(edits)
    if len(code) > LONGEST_LINK:
        st.caption(":material/link_off: These edits are too long for a link; the export has them.")
        code = ""
    if code and st.query_params.get(_LINK) != code:
        st.query_params[_LINK] = code
    elif not code and _LINK in st.query_params:
        del st.query_params[_LINK]


def _code(edits: Sequence[Edit]) -> str:
    return files.to_code(edits) if edits else NONE


def _edits_of_link(observation: Observation) -> tuple[Edit, ...] | None:
    """The edits of the address; None, with a complaint, where they are none of this network."""
    code = st.query_params[_LINK]
    if code == NONE:
        return ()
    try:
        edits = files.from_code(code)
        for edit in edits:
            check(edit, observation.trace.gates)
    except EditError as error:
        complain(f"The link's edits are left out: {error}")
        return None
    return edits
