"""Laws of the table of kinds: the axes say what a gate can be drawn as; no other room compares with a name."""

import ast
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from attention import analysis
from attention.kinds import ANYWHERE, KINDS, Kind, unit_in_words
from attention.records import Gate

ROOM = Path(__file__).parents[1] / "attention"


def test_every_kind_has_its_row():
    assert get_args(Kind) == tuple(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_pages_say_how_they_show_what_they_are_not_made_for(kind):
    made_for = KINDS[kind].is_vector or KINDS[kind].is_map
    assert bool(KINDS[kind].display) == (not made_for)


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_number_leaves_nothing_to_choose_among(kind):
    assert (set(KINDS[kind].edits) == set(ANYWHERE)) == (KINDS[kind].axes == "")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_of_an_average_is_what_is_drawn(kind):
    axes = KINDS[kind].axes
    values = np.random.default_rng(0).random((1, *range(2, 2 + len(axes)))).astype(np.float32)
    gate = Gate("block", kind, "sigmoid", values, (1, 4, 5, 6), float(values.min()), float(values.max()))
    assert (analysis.averaged_gate(gate, "channel") is not None) == KINDS[kind].by_channel
    assert (analysis.averaged_gate(gate, "spatial") is not None) == ({*"HW"} <= {*KINDS[kind].axes})


def test_no_other_room_compares_with_the_name_of_a_kind():
    names = set(KINDS) - {"height", "width", "depth"}  # words of pictures and boxes too
    found = [
        f"{path.relative_to(ROOM)}:{node.lineno}"
        for path in ROOM.rglob("*.py")
        if path.relative_to(ROOM).parts[0] not in ("kinds.py", "capture")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        and any(isinstance(each, ast.Constant) and each.value in names for each in ast.walk(node))
    ]
    assert found == []


def test_the_pages_call_gates_by_what_they_can_draw():
    called = {kind: KINDS[kind].plural for kind in KINDS}
    assert (called["channel"], called["spatial"]) == ("channel gates", "spatial gates")
    assert {kind for kind, name in called.items() if name == "gates of other kinds"} == {
        kind for kind in KINDS if not (KINDS[kind].is_vector or KINDS[kind].is_map)
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["channel", "channel"], "channel"),
        (["spatial", "channel", "spatial"], "place or channel"),
        (["full"], "channel and place"),
        (["sample", "branch"], "branch"),
        (["sample"], "gate"),
    ],
)
def test_what_a_value_is_for_is_named_once_a_kind(given, said):
    assert unit_in_words(given) == said
