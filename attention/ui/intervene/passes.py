"""Edited passes over the picture of a page, kept by content and shared by all sessions."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from attention import interventions
from attention.interventions import Edit, EditError, Given, Subject, Turn, files
from attention.interventions.edits import targets
from attention.records import Floats, Heatmap, Trace
from attention.ui import cache, frame
from attention.ui.view import View

CHUNK = 5
"""Random draws between two looks at whether the person has moved on."""


def subject(view: View) -> Subject:
    """The network and the picture as the room of the interventions takes them."""
    return _subject(view.key, view)


def edited(view: View, edits: Sequence[Edit]) -> Trace:
    """The pass with the edits. Raises EditError where they do not fit, or a picture is not at hand."""
    return _edited(view.key, _code(edits), view, tuple(edits)) if edits else view.trace


def draws(view: View, edits: Sequence[Edit], seed: int) -> Iterator[Floats]:
    """The changes of the logits in the random draws, (some, classes) at a time."""
    for start in range(0, interventions.DRAWS, CHUNK):
        yield _drawn(view.key, _code(edits), seed, start, view, tuple(edits))


def turn(view: View, block: str, seed: int, count: int) -> Turn:
    """One block off, with so many random draws."""
    return _turn(view.key, block, seed, count, view)


def heatmap(view: View, edits: Sequence[Edit], target: int) -> Heatmap:
    """Grad-CAM of a class at the last block that puts out a map, of the pass with the edits.

    Raises AttributionError where the network has no such block.
    """
    return _heatmap(view.key, _code(edits), target, view, tuple(edits))


def given(view: View, edits: Sequence[Edit]) -> Given:
    """The gates of other pictures that the edits put in place, means where there are several."""
    found: dict[tuple[str, ...], dict[str, Floats]] = {}
    for edit in edits:
        if edit.pictures:
            traces = [view.beside(picture).trace.gates for picture in _pictures(edit)]
            wanted = {gate.name for gate in targets(edit, view.trace.gates)}
            means = {
                same[0].name: np.mean([gate.values[0] for gate in same], axis=0, dtype=np.float32)
                for same in zip(*traces, strict=True)
                if same[0].name in wanted
            }
            found.setdefault(edit.pictures, {}).update(means)
    return found


def put_in_place(view: View, edits: Sequence[Edit], trace: Trace) -> dict[str, Floats]:
    """Every gate of an edited pass as it multiplied the features, without N, by name."""
    import torch

    functions = interventions.applied(edits, view.trace.gates, given(view, edits))
    values = {gate.name: torch.from_numpy(gate.values) for gate in trace.gates}
    return {name: (functions[name](array) if name in functions else array)[0].numpy() for name, array in values.items()}


def _pictures(edit: Edit) -> list[cache.Picture]:
    at_hand = frame.pictures()
    missing = [name for name in edit.pictures if name not in at_hand]
    if missing:
        raise EditError(f"An edit takes gates of the picture “{missing[0]}”, which is not at hand; upload it again.")
    return [at_hand[name] or cache.sample(name) for name in edit.pictures]


def _code(edits: Sequence[Edit]) -> str:
    """The same for the same edits with the same pictures, and for no others; names say nothing about the pass."""
    pictures = [picture.key for edit in edits if edit.pictures for picture in _pictures(edit)]
    return " ".join([files.compact(interventions.unnamed(edits)), *pictures])


@st.cache_resource(max_entries=8, show_spinner=False)
def _subject(key: str, _view: View) -> Subject:
    """Few of them: each keeps the features in front of the part that was edited last."""
    from attention.interventions.resuming import Chain

    batch = _view.network.transform(_view.picture)[None]
    return Subject(cache.tracer(_view.choice.key, _view.choice), batch, _view.trace, Chain(_view.network.module, batch))


@st.cache_resource(max_entries=64, show_spinner="Running the network with the edits")
def _edited(key: str, code: str, _view: View, _edits: tuple[Edit, ...]) -> Trace:
    functions = interventions.applied(_edits, _view.trace.gates, given(_view, _edits))
    with cache.guarded(_view.card):
        return subject(_view).edited(functions)


@st.cache_data(max_entries=512, show_spinner=False)
def _drawn(key: str, code: str, seed: int, start: int, _view: View, _edits: tuple[Edit, ...]) -> Floats:
    gates, values = _view.trace.gates, given(_view, _edits)
    numbers = range(start, min(start + CHUNK, interventions.DRAWS))
    twins = [interventions.drawn(_edits, gates, values, seed=seed, draw=number) for number in numbers]
    with cache.guarded(_view.card):
        return interventions.changes(subject(_view), twins)


@st.cache_resource(max_entries=2048, show_spinner=False)
def _turn(key: str, block: str, seed: int, count: int, _view: View) -> Turn:
    with cache.guarded(_view.card):
        return interventions.turn(subject(_view), block, seed=seed, draws=count)


@st.cache_resource(max_entries=64, show_spinner="Making a class heatmap")
def _heatmap(key: str, code: str, target: int, _view: View, _edits: tuple[Edit, ...]) -> Heatmap:
    from attention.attribution import Attributor
    from attention.interventions.edited import Edited

    functions = interventions.applied(_edits, _view.trace.gates, given(_view, _edits))
    batch = _view.network.transform(_view.picture)[None]
    with cache.guarded(_view.card):
        found = Attributor(Edited(_view.network.module, functions))(batch, target)
    return replace(found, layer=found.layer.removeprefix("network."))
