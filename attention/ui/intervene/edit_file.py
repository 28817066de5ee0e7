"""All edits that stand: their names, a file to take away, and one to bring."""

from dataclasses import replace

import streamlit as st

from attention.interventions import ANY, NEEDS, Edit, EditError, EditFile, files, format_ranges
from attention.interventions.edits import check, size_in_words
from attention.ui import uploads, widgets
from attention.ui.intervene import passes
from attention.ui.intervene.controls import WORDS
from attention.ui.intervene.session import EditSession

MOST_LISTED = 20
_SAID = "_edits_said"
USAGE = """from attention import capture, interventions

before = capture.trace(network.module, batch)
edits = interventions.load_edits("edits.json", before)
after = capture.trace(network.module, batch, edits=edits)"""


def draw(session: EditSession) -> None:
    """The list, the export and the import."""
    edits = session.history.now
    if not edits:
        st.markdown("No edit stands.")
    for number, edit in enumerate(edits[:MOST_LISTED]):
        _draw_edit(session, number, edit)
    if len(edits) > MOST_LISTED:
        st.caption(f"And {len(edits) - MOST_LISTED} more; the export has all of them.")
    left, right = st.columns(2, gap="large")
    with left:
        _export(session)
    with right:
        _import(session)
    st.markdown("In Python:")
    st.code(USAGE, language="python")


def described(edit: Edit) -> str:
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
    what.markdown(widgets.literal(described(edit)))
    away.button("Remove", key=f"remove_{number}", icon=":material/delete:", on_click=remove)


def _export(session: EditSession) -> None:
    edits = session.history.now
    st.markdown("**Take them away**")
    if edits:
        sheet = EditFile(edits, session.observation.card.name, passes.given(session.observation, edits))
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
            passes.given(session.observation, sheet.edits)
        except EditError as error:
            raise EditError(f"{error} In Python the file is enough.") from None
        session.history.push(sheet.edits)
        st.session_state[_SAID] = sheet.foreign_to(session.observation.card.name)
        st.rerun()
    if said := st.session_state.pop(_SAID, ""):
        st.caption(widgets.literal(said))
