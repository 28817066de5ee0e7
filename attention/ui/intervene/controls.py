"""Where to edit, and what to do there; all edits as a list, to take away and to bring.

The edits that stand are the truth; the controls show them and change them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from attention import analysis
from attention.interventions import ANY, NEEDS, Action, Edit, EditError, EditFile, files, format_ranges, parse_ranges
from attention.interventions.edits import allowed_actions, check, number_of_values, size_in_words, stage_size, targets
from attention.kinds import KINDS
from attention.numbers import number
from attention.observe import Observation
from attention.records import Floats, Gate
from attention.ui import frame, presenting, uploads, widgets
from attention.ui.intervene import passes
from attention.ui.intervene.session import EditSession, History, Target, complain, history_of

NOTHING = "Leave as it is"
WORDS: dict[Action, str] = {
    "off": "Switch off",
    "mean": "Mean everywhere",
    "shuffle": "Shuffle",
    "top": "Keep the most open",
    "top-off": "Shut the most open",
    "set": "Set by hand",
    "replace": "From other pictures",
    "invert": "Invert",
    "move": "Move",
}
HELP = (
    "Switched off: every value is the neutral one, as if the gate were not there (1; for a softmax over K branches "
    "1/K; for a tanh 0). Mean: every value is the gate's own mean. Shuffled: the values change places. Shut is 0. "
    "Inverted: 1 - g."
)
PARAMETERS = 96
"""Height of the place in which an edit's parameters stand, in pixels."""
_CHOSEN = "_chosen"


def choose(observation: Observation) -> EditSession:
    """The depth strip with the edits in place, how far the edit reaches, and which gates.

    On the first visit an edit stands in the block that is asked for.
    """
    blocks = {
        block.name: targets(Edit("off", block=block.name), observation.trace.gates) for block in observation.blocks
    }
    usual = analysis.most_varied(blocks, observation.card.gate_health)
    asked = st.session_state.get("block", st.query_params.get("block"))
    history = history_of(observation, asked if asked in blocks else usual)
    after = _gates_after(observation, history)
    means = [float(sum(after[gate.name].mean() for gate in gates) / len(gates)) for gates in blocks.values()]
    label = "the mean gate after the edits" if history.now else "the mean gate"
    block = widgets.depth_strip(observation.names, means, usual, label=label)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        features = stage_size(blocks[block][0])
        places = {"This block": Target(block), "Its stage": Target(size=features), "All blocks": Target()}
        stage = f"Its stage: all gates on features of {size_in_words(features)}, the same height and width."
        where = places[widgets.choose("Where", places, key="reach", look="row", help=stage)]
        kind = _choose_kind(targets(Edit("off", block=where.block, size=where.size), observation.trace.gates))
        _draw_step("Undo", history.undo, disabled=not history.past)
        _draw_step("Redo", history.redo, disabled=not history.future)
    return EditSession(observation, history, block, where._replace(kind=kind))


def choose_edit(session: EditSession) -> None:
    """What to do with the gates of the place, and how much of it."""
    actions = [action for action in allowed_actions(session.target.kind) if action != "set" or len(session.gates) == 1]
    edit = session.edit
    st.session_state.action = WORDS[edit.action] if edit else NOTHING

    def change() -> None:
        word = st.session_state.action or NOTHING
        action = next((action for action in actions if WORDS[action] == word), None)
        session.put(_first_edit(session, action) if action else None)

    options = [NOTHING, *(WORDS[action] for action in actions)]
    left, right = st.columns([3, 2], gap="large")
    left.pills("Edit", options, key="action", on_change=change, help=HELP, required=True)
    with right.container(height=PARAMETERS, border=False):  # of one height, so that nothing below it jumps
        if edit and edit.action in _PARAMETERS:
            _PARAMETERS[edit.action](session, edit)


def chosen_places(session: EditSession) -> tuple[int, ...]:
    """The channels or cells that were chosen last; all that the edit sets, until some are."""
    edit = session.edit
    possible_ones = {place for place, _ in edit.points} if edit else set()
    last = st.session_state.get(_CHOSEN, {}).get(session.target, ())
    return tuple(place for place in last if place in possible_ones) or tuple(sorted(possible_ones))


def set_places(session: EditSession, numbers: tuple[int, ...], value: float) -> None:
    """Give these channels or cells this value; the others that were set keep theirs."""
    st.session_state.setdefault(_CHOSEN, {})[session.target] = numbers
    points = dict(session.edit.points) if session.edit else {}
    points |= dict.fromkeys(numbers, value)
    _put(session, "set", points=tuple(sorted(points.items())), what=numbers)


def brush_value() -> float:
    """The value that a click or a stroke gives."""
    return float(st.session_state.get("brush", 0.0))


def _gates_after(observation: Observation, history: History) -> dict[str, Floats]:
    """Every gate with the edits in place; where these cannot be, which the page says further down, without."""
    try:
        return passes.applied_gates(observation, history.now, passes.edited_trace(observation, history.now))
    except EditError:
        return {gate.name: gate.values[0] for gate in observation.trace.gates}


def _choose_kind(gates: tuple[Gate, ...]) -> str:
    kinds = list(dict.fromkeys(gate.kind for gate in gates))
    options = [*kinds, ANY] if len(kinds) > 1 else kinds
    names = {kind: "All of them" if kind == ANY else kind.capitalize() for kind in options}
    return widgets.choose("Gates", options, key="kind", look="row", names=names.__getitem__)


def _draw_step(label: str, step: Any, *, disabled: bool) -> None:
    icon = f":material/{label.lower()}:"
    st.button(label, key=label.lower(), icon=icon, on_click=step, disabled=disabled)


def _first_edit(session: EditSession, action: Action) -> Edit:
    """An edit to begin with: whatever is chosen, something happens at once."""
    block, stage, kind = session.target
    fewest = min(map(number_of_values, session.gates))
    width = stage_size(session.gate)[-1]
    first = next(iter(frame.other_pictures(session.observation)))
    start: dict[str, Any] = {
        "count": max(1, fewest // 4),
        "seed": 0,
        "points": ((int(np.abs(session.gate.values[0]).argmax()), 0.0),),
        "shift": (max(1, width // 4), 0),
        "pictures": (first,),
    }
    needs = NEEDS[action]
    return Edit(action, kind, block, stage, **({needs: start[needs]} if needs else {}))  # type: ignore[arg-type]


def _put(session: EditSession, action: Action, *, what: object = None, **parameters: Any) -> None:
    block, stage, kind = session.target
    session.put(Edit(action, kind, block, stage, **parameters), (session.target, action, what))  # type: ignore[arg-type]


def _choose_count(session: EditSession, edit: Edit) -> None:
    most = min(map(number_of_values, session.gates))
    st.session_state["count"] = edit.count
    what = KINDS[session.gates[0].kind].values if session.target.kind != ANY else "values"
    st.slider(
        f"How many {what} of each gate",
        1,
        most,
        key="count",
        on_change=lambda: _put(session, edit.action, count=st.session_state["count"]),
        disabled=most == 1,
    )


def _choose_seed(session: EditSession, edit: Edit) -> None:
    st.session_state.shuffle_seed = edit.seed
    st.number_input(
        "Seed of the shuffle",
        0,
        2**31 - 1,
        key="shuffle_seed",
        width=180,
        on_change=lambda: _put(session, "shuffle", seed=st.session_state.shuffle_seed),
    )


def _choose_pictures(session: EditSession, edit: Edit) -> None:
    others = frame.other_pictures(session.observation)
    st.session_state.donors = [name for name in edit.pictures if name in others]

    def change() -> None:
        if st.session_state.donors:
            _put(session, "replace", pictures=tuple(st.session_state.donors))

    st.multiselect("Gates of these pictures; of several, their mean", others, key="donors", on_change=change)


def _choose_shift(session: EditSession, edit: Edit) -> None:
    height, width = stage_size(session.gate)[-2:]
    st.session_state.shift_right, st.session_state.shift_down = edit.shift

    def change() -> None:
        shift = (st.session_state.shift_right, st.session_state.shift_down)
        _put(session, "move", shift=shift) if any(shift) else session.put(None)

    right, down = st.columns(2)
    right.slider("Cells to the right", 1 - width, width - 1, key="shift_right", on_change=change, disabled=width == 1)
    down.slider("Cells down", 1 - height, height - 1, key="shift_down", on_change=change, disabled=height == 1)
    st.caption("What leaves the map on one side comes in on the other.")


def _choose_points(session: EditSession, edit: Edit) -> None:
    values, numbers = dict(edit.points), chosen_places(session)
    what = KINDS[session.gate.kind].values.capitalize()
    st.session_state.brush = float(values[numbers[0]])
    st.session_state.places = format_ranges(numbers)

    def read() -> None:
        try:
            set_places(session, parse_ranges(st.session_state.places, number_of_values(session.gate)), brush_value())
        except EditError as error:
            complain(str(error))

    left, right = st.columns([2, 3])
    left.text_input(what, key="places", on_change=read, help="Such as 3, 8-12; or click or draw in the figure.")
    one = f"Gate of {what.lower()[:-1]} {numbers[0]}" if len(numbers) == 1 else f"Gate of these {len(numbers)}"
    ends = (min(0.0, session.gate.minimum), max(1.0, session.gate.maximum))
    right.slider(
        one, *ends, step=0.01, key="brush", on_change=lambda: set_places(session, numbers, st.session_state.brush)
    )


def _say_neutral(session: EditSession, edit: Edit) -> None:
    widgets.say(neutral_in_words(session.gates, session.observation.trace.gates), "neutral", "caption")


def neutral_in_words(gates: Sequence[Gate], every: Sequence[Gate]) -> str:
    """What these gates are put to when they are switched off, of all gates of the pass."""
    said = []
    for value in dict.fromkeys(analysis.neutral_value(gate, every) for gate in gates):
        why = "the features pass as if there were no gate"
        if value == 0:
            why = "right for x + x · tanh; where the network adds no x, nothing of the features is left"
        elif value != 1:
            why = "each branch weighs as much as the others"
        said.append(f"put to {number(value)}: {why}")
    text = f"Every value is {'; or '.join(said)}."
    if any(analysis.deals_out(gate) and analysis.neutral_value(gate, every) == 1 for gate in gates):
        text += " A softmax had dealt out 1 among all of them: together they let through far more than before."
    return text


_PARAMETERS = {
    "off": _say_neutral,
    "top": _choose_count,
    "top-off": _choose_count,
    "shuffle": _choose_seed,
    "replace": _choose_pictures,
    "move": _choose_shift,
    "set": _choose_points,
}


MOST_LISTED = 20
ROWS_ON_SCREEN = 6
_NOTE = "_edits_said"
USAGE = """from attention import capture, interventions

before = capture.trace(network.module, batch)
edits = interventions.load_edits("edits.json", before)
after = capture.trace(network.module, batch, edits=edits)"""


def draw_all_edits(session: EditSession) -> None:
    """The list, the export and the import."""
    edits = session.history.now
    if not edits:
        st.markdown("No edit stands.")
    if presenting.is_bare():
        _list_edits(edits)
        return
    for place, edit in enumerate(edits[:MOST_LISTED]):
        _draw_edit(session, place, edit)
    if len(edits) > MOST_LISTED:
        st.caption(f"And {len(edits) - MOST_LISTED} more; the export has all of them.")
    left, right = st.columns(2, gap="large")
    with left:
        _export(session)
    with right:
        _import(session)
    st.markdown("In Python:")
    st.code(USAGE, language="python")


def in_words(edit: Edit) -> str:
    """An edit in words."""
    kind = "all gates" if edit.kind == ANY else f"{edit.kind} gates"
    where = edit.block or (f"features of {size_in_words(edit.size)}" if edit.size else "all blocks")
    how = {
        "count": f"the {edit.count} of each" if edit.count else "",
        "seed": f"seed {edit.seed}",
        "points": f"{len(edit.points)}: {format_ranges([place for place, _ in edit.points])[:60]}",
        "shift": f"{edit.shift[0]:+d} right, {edit.shift[1]:+d} down",
        "pictures": ", ".join(edit.pictures),
    }
    needs = NEEDS[edit.action]
    return f"{where}, {kind}: {WORDS[edit.action].lower()}" + (f" ({how[needs]})" if needs else "")


def _list_edits(edits: Sequence[Edit]) -> None:
    """The edits that a screen has room for, to be read alone."""
    drawn = enumerate(edits[:ROWS_ON_SCREEN], 1)
    rows = [(widgets.literal(edit.name or str(number)), widgets.literal(in_words(edit))) for number, edit in drawn]
    if rows:
        st.markdown(widgets.as_table(("edit", "what it does"), rows, words=2))
    if len(edits) > ROWS_ON_SCREEN:
        st.caption(f"And {len(edits) - ROWS_ON_SCREEN} more.")


def _draw_edit(session: EditSession, number: int, edit: Edit) -> None:
    history, key = session.history, f"name_{number}"
    st.session_state[key] = edit.name

    def rename() -> None:
        named = replace(edit, name=st.session_state[key][:60])
        history.push([named if other is edit else other for other in history.now])

    def remove() -> None:
        history.push([other for other in history.now if other is not edit])

    name, what, away = st.columns([3, 6, 2], vertical_alignment="center")
    label = f"Name of edit {number + 1}"
    name.text_input(label, key=key, on_change=rename, placeholder="a name for it", label_visibility="collapsed")
    what.markdown(widgets.literal(in_words(edit)))
    away.button("Remove", key=f"remove_{number}", icon=":material/delete:", on_click=remove)


def _export(session: EditSession) -> None:
    edits = session.history.now
    st.markdown("**Take them away**")
    if edits:
        sheet = EditFile(edits, session.observation.card.name, passes.given_gates(session.observation, edits))
        st.download_button(
            "Edits, JSON", files.write(sheet), "edits.json", "application/json", on_click="ignore", key="export"
        )
        st.button("Remove all", key="remove_all", on_click=lambda: session.history.push(()))


def _import(session: EditSession) -> None:
    st.markdown("**Bring some**")
    given = uploads.files("A JSON file that was exported here", ["json"], files.MAX_BYTES // 2**20, key="import")
    if given and st.button("Use these edits", key="use_import", icon=":material/check:"):
        sheet = files.read(given[0].getvalue())
        for edit in sheet.edits:
            check(edit, session.observation.trace.gates)
        try:  # the page takes the gates of other pictures from the pictures themselves
            passes.given_gates(session.observation, sheet.edits)
        except EditError as error:
            raise EditError(f"{error} In Python the file is enough.") from None
        session.history.push(sheet.edits)
        st.session_state[_NOTE] = sheet.foreign_to(session.observation.card.name)
        st.rerun()
    if note := st.session_state.pop(_NOTE, ""):
        st.caption(widgets.literal(note))
