"""Laws of undo and redo."""

from attention.interventions import Edit
from attention.ui.intervene.session import History

A, B, C = ((Edit("off", block=name),) for name in "abc")


def test_what_was_undone_comes_back_until_something_else_is_done():
    history = History()
    for edits in (A, B):
        history.push(edits)
    history.undo()
    assert history.now == A
    history.redo()
    assert history.now == B
    history.undo()
    history.push(C)
    history.redo()
    assert history.now == C and history.future == []
    history.undo()
    assert history.now == A


def test_what_a_slider_does_after_an_undo_or_a_redo_is_a_step_of_its_own():
    history = History()
    history.push(A, "first")
    history.push(B, "slider")
    history.push(C, "other")
    history.undo()
    history.push(A, "other")
    history.undo()
    assert history.now == B
    history.redo()
    history.push(C, "other")
    history.undo()
    assert history.now == A


def test_a_slider_on_its_way_is_one_step():
    history = History()
    history.push(A, "slider")
    history.push(B, "slider")
    history.push(C, "another")
    history.undo()
    assert history.now == B
    history.undo()
    assert history.now == () and not history.past
    history.undo()
    assert history.now == ()
