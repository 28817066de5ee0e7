"""The page on which gates are turned shows what the class depends on, before and after."""

from dataclasses import replace

import numpy as np
from streamlit.testing.v1 import AppTest

from attention import interventions
from attention.attribution import Attributor
from attention.interventions import Edit
from attention.interventions.modules import Edited
from attention.models import zoo
from attention.numbers import number
from attention.records import Heatmap
from attention.ui.intervene.gate_editor import _finding
from tests.test_page_intervene import BLOCK, TITLE, link, opened, said, subject


def test_the_class_heatmaps_before_and_after_stand_on_one_scale():
    edit = Edit("off", block=BLOCK)
    app = opened(network="se", picture=TITLE, edits=link(edit), section="Class heatmap")
    loaded, one = zoo.load("se"), subject("se")
    functions = interventions.applied([edit], one.before.gates)
    target = int(one.logits(one.before)[0].argmax())
    maps = [
        Attributor(module)(one.picture.clone(), target) for module in (loaded.module, Edited(loaded.module, functions))
    ]
    for title, found in zip(("Before", "After"), maps, strict=True):
        assert f"{title}: {number(found.minimum)} to {number(found.maximum)}" in pictured(app)
    assert f"colours run from 0 to {number(max(found.maximum for found in maps))}" in said(app)
    assert "rank the places alike by" in said(app)


def test_of_maps_that_speak_for_no_class_nothing_is_said_to_be_as_it_was():
    nothing = Heatmap(np.zeros((2, 2), np.float32), 0, "grad-cam", "a", 0.0, 0.0)
    some = replace(nothing, values=np.eye(2, dtype=np.float32), maximum=1.0)
    assert _finding("a cat", nothing, nothing, edited=True) == (
        "Nothing in the map speaks for a cat, before the edits or after them: there is no place to name."
    )
    assert _finding("a cat", nothing, nothing, edited=False).startswith("Nothing in the map speaks for a cat: ")
    assert "one map is the same everywhere" in _finding("a cat", nothing, some, edited=True)


def test_without_an_edit_there_is_one_class_heatmap():
    app = opened(network="cbam", picture=TITLE, section="Class heatmap")
    assert "Nothing is edited: this is the map of" in said(app)
    assert [text.split(":")[0] for text in pictured(app) if text.startswith(("Before", "After"))] == [
        "Before and after"
    ]


def pictured(app: AppTest) -> list[str]:
    return [image.proto.imgs[0].caption.replace("\\", "") for image in app.get("image")]
