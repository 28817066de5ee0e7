"""Edits as text: what is written is read again, and what a stranger wrote is refused in one sentence."""

import base64
import json
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attention import capture, interventions
from attention.interventions import Edit, EditError, EditFile, files
from tests.own import BLOCKS, network, pictures

EDITS = (
    Edit("off", block=BLOCKS[0], name="no first gate"),
    Edit("shuffle", "channel", size=(8, 8), seed=3),
    Edit("top", "channel", count=4),
    Edit("set", "spatial", block=BLOCKS[1], points=((0, 0.5), (7, 1.0))),
    Edit("move", "spatial", shift=(-1, 2)),
    Edit("replace", block=BLOCKS[0], pictures=("Cat", "Dog")),
)
VALUES = {("Cat", "Dog"): {BLOCKS[0]: np.linspace(0, 1, 32, dtype=np.float32)}}


def format_ranges(*records, **fields):
    return json.dumps({"format": files.FORMAT, "edits": records} | fields)


def linked(text):
    return base64.urlsafe_b64encode(zlib.compress(text.encode())).decode()


def test_what_is_written_is_read_again():
    sheet = files.read(files.write(EditFile(EDITS, "cbam", VALUES)))
    assert sheet.edits == EDITS and sheet.network == "cbam"
    np.testing.assert_array_equal(sheet.given[("Cat", "Dog")][BLOCKS[0]], VALUES[("Cat", "Dog")][BLOCKS[0]])


def test_a_link_holds_the_edits_in_letters_that_every_address_may_have():
    code = files.to_code(EDITS)
    assert files.from_code(code) == EDITS
    assert set(code) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(-2, 2)), min_size=1, unique_by=lambda point: point[0]))
def test_numbers_come_through_a_link_to_the_last_bit(points):
    edit = Edit("set", "channel", points=tuple(points))
    assert files.from_code(files.to_code([edit])) == (edit,)


@torch.no_grad()
def test_a_file_does_in_python_what_the_records_do(tmp_path):
    module = network("se")
    before = capture.trace(module, pictures())
    edits = (Edit("off", block=BLOCKS[6]), Edit("replace", block=BLOCKS[0], pictures=("Cat", "Dog")))
    (tmp_path / "edits.json").write_text(files.write(EditFile(edits, "se", VALUES)))
    loaded = capture.trace(module, pictures(), edits=interventions.load_edits(tmp_path / "edits.json", before))
    direct = capture.trace(module, pictures(), edits=interventions.applied(edits, before.gates, VALUES))
    assert torch.equal(loaded.output, direct.output) and not torch.equal(loaded.output, before.output)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EditError, match=r"nothing.json cannot be read: No such file"):
        interventions.load_edits(tmp_path / "nothing.json", capture.trace(network("se"), pictures()))


OFF = {"action": "off"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("9" * 10_000, "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        ("[]", "holds no edits"),
        ("{}", "holds no edits"),
        ('{"format": "gatescope edits 2", "edits": []}', "holds no edits: .* 'gatescope edits 1'"),
        (" " * (files.MAX_BYTES + 1), "at most 4,194,304"),
        (format_ranges(*[OFF] * 201), "201 edits; at most 200"),
        (format_ranges(3), "An edit is 3"),
        (format_ranges({}), "names no action; there are off"),
        (format_ranges({"action": "sing"}), "no action 'sing'"),
        (format_ranges({"action": 1}), "A name in the edits is 1"),
        (format_ranges(OFF | {"code": "import os"}), "the entry 'code'; there are action, kind"),
        (format_ranges(OFF | {"kind": "kernel"}), "no kind of gates 'kernel'"),
        (format_ranges(OFF | {"block": "x" * 301}), "at most 300 letters"),
        (format_ranges(OFF | {"block": None}), "A name in the edits is None"),
        (format_ranges(OFF | {"count": 1}), "'off' has no 'count'"),
        (format_ranges(OFF, network=7), "A name in the edits is 7"),
        (format_ranges({"action": "top", "kind": "channel", "count": True}), "seed or place in the edits is True"),
        (format_ranges({"action": "top", "kind": "channel", "count": -1}), "whole numbers from 0"),
        (format_ranges({"action": "top", "kind": "channel", "count": 2**31}), "whole numbers from 0"),
        (format_ranges({"action": "shuffle", "seed": 1.5}), "seed or place in the edits is 1.5"),
        (format_ranges({"action": "set", "kind": "channel", "points": 3}), "a list of at most 100,000 pairs"),
        (format_ranges({"action": "set", "kind": "channel", "points": [[1]]}), r"a pair \(place, value\)"),
        (format_ranges({"action": "set", "kind": "channel", "points": [[1, 0.5], [1, 0.6]]}), "sets one place twice"),
        (format_ranges({"action": "set", "kind": "channel", "points": [[1, "a"]]}), "A gate value in the edits is 'a'"),
        (format_ranges({"action": "set", "kind": "channel", "points": [[1, 1e9]]}), "finite numbers up to a million"),
        (format_ranges({"action": "set", "kind": "channel", "points": [[1, float("nan")]]}), "the number NaN"),
        (format_ranges({"action": "set", "kind": "channel", "points": [[1, float("inf")]]}), "the number Infinity"),
        (
            format_ranges({"action": "set", "kind": "channel", "points": [[1, 0]]}).replace("0]]", "1e999]]"),
            "finite numbers",
        ),
        (format_ranges({"action": "set", "kind": "channel", "points": []}), "'set' needs 'points'"),
        (format_ranges({"action": "move", "kind": "spatial", "shift": [1]}), "a pair of whole numbers"),
        (format_ranges({"action": "move", "kind": "spatial", "shift": [1, 0.5]}), "seed or place in the edits is 0.5"),
        (
            format_ranges({"action": "move", "kind": "spatial", "shift": [True, 0]}),
            "seed or place in the edits is True",
        ),
        (format_ranges(OFF | {"size": [1, 2, 3, 4]}), "4 sides; at most 3"),
        (format_ranges(OFF | {"size": ["a"]}), "seed or place in the edits is 'a'"),
        (format_ranges({"action": "replace", "pictures": [1]}), "A name in the edits is 1"),
        (format_ranges(OFF | {"values": {}}), "'off' takes no values"),
        (format_ranges({"action": "replace", "pictures": ["Cat"], "values": 3}), "The values of an edit are 3"),
        (format_ranges({"action": "replace", "pictures": ["Cat"], "values": {"a": [[1], [1, 2]]}}), "'a' are no array"),
        (format_ranges({"action": "replace", "pictures": ["Cat"], "values": {"a": ["b"]}}), "'a' are no array"),
        (format_ranges({"action": "replace", "pictures": ["Cat"], "values": {"a": [1e39]}}), "'a' are no array"),
    ],
)
def test_what_is_no_file_of_edits_is_refused_in_one_sentence(text, said):
    with pytest.raises(EditError, match=said) as caught:
        files.read(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "cannot be read"),
        ("abc", "cannot be read"),
        ("é", "cannot be read"),
        (linked("["), "cannot be read"),
        (linked("[" * 10_000), "cannot be read"),
        (linked(" " * 10_000_000 + "[]"), "cannot be read"),
        (files.to_code(EDITS)[:-20], "cannot be read"),
        (linked("{}"), "holds no edits"),
        (linked('[{"action": "sing"}]'), "no action 'sing'"),
        (linked('[{"action": "set", "kind": "channel", "points": [[1, NaN]]}]'), "the number NaN"),
    ],
)
def test_a_link_that_was_changed_on_its_way_is_refused_in_one_sentence(code, said):
    with pytest.raises(EditError, match=said):
        files.from_code(code)
