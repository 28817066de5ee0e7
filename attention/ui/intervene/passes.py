"""Edited passes over the picture of a page, kept by content and shared by all sessions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from attention import interventions
from attention.analysis.evidence import FEWEST_DRAWS
from attention.interventions import Edit, EditError, Effect, Given, files
from attention.interventions.edits import targets
from attention.observe import Observation, Picture, guarded
from attention.records import Floats, Heatmap, Trace
from attention.ui import frame

CHUNK = 24
"""Random draws between two looks at whether the person has moved on."""


def edited_trace(observation: Observation, edits: Sequence[Edit]) -> Trace:
    """The pass with the edits. Raises EditError where they do not fit, or a picture is not at hand."""
    if not edits:
        return observation.trace

    def run() -> Trace:
        functions = interventions.applied(edits, observation.trace.gates, given_gates(observation, edits))
        with guarded(observation.card):
            return interventions.passes_of(observation).edited(functions)

    return observation.keep("edited", _code(edits), run)


def null_changes(observation: Observation, edits: Sequence[Edit], change: Floats, seed: int) -> Iterator[Floats]:
    """What the edits would change under the null, (draws so far, classes), one chunk of draws after another."""
    controls: list[Floats] = []
    for start in range(0, FEWEST_DRAWS, CHUNK):
        numbers = range(start, min(start + CHUNK, FEWEST_DRAWS))
        draw = partial(_random_changes, observation, edits, seed, numbers)
        controls.append(observation.keep("change", (*_code(edits), seed, start), draw))
        yield interventions.null_changes(edits, change, np.concatenate(controls))


def _random_changes(observation: Observation, edits: Sequence[Edit], seed: int, numbers: range) -> Floats:
    gates, values = observation.trace.gates, given_gates(observation, edits)
    controls = [interventions.random_control(edits, gates, values, seed=seed, draw=number) for number in numbers]
    with guarded(observation.card):
        return interventions.changes(interventions.passes_of(observation), controls)


def block_off(
    observation: Observation,
    edit: Edit,
    values: Given,
    *,
    seed: int,
    draws: int,
    follow: Callable[[int], object] | None = None,
) -> Effect:
    """One block off by this edit, with so many random draws, which `follow` hears of before each batch; `values` has
    the gates of other pictures that it takes."""

    def measure() -> Effect:
        with guarded(observation.card):
            passes = interventions.passes_of(observation)
            return interventions.effect(passes, edit.block, [edit], values, seed=seed, draws=draws, follow=follow)

    return observation.keep("change", (edit, seed, draws), measure)


def heatmap(observation: Observation, edits: Sequence[Edit], target: int) -> Heatmap:
    """Grad-CAM of a class at the last block that puts out a map, of the pass with the edits.

    Raises AttributionError where the network has no such block.
    """

    def make() -> Heatmap:
        from attention.attribution import Attributor
        from attention.interventions.modules import Edited

        functions = interventions.applied(edits, observation.trace.gates, given_gates(observation, edits))
        with guarded(observation.card):
            found = Attributor(Edited(observation.network.module, functions))(observation.batch, target)
        return replace(found, layer=found.layer.removeprefix("network."))  # `Edited` holds the network under this name

    return observation.keep("edited heatmap", (*_code(edits), target), make)


def given_gates(observation: Observation, edits: Sequence[Edit]) -> Given:
    """The gates of other pictures that the edits put in place, means where there are several."""
    found: dict[tuple[str, ...], dict[str, Floats]] = {}
    for edit in edits:
        if edit.pictures:
            means = interventions.mean_gates([observation.of(picture).trace for picture in _pictures(edit)])
            wanted = {gate.name for gate in targets(edit, observation.trace.gates)}
            found.setdefault(edit.pictures, {}).update({name: means[name] for name in wanted})
    return found


def applied_gates(observation: Observation, edits: Sequence[Edit], trace: Trace) -> dict[str, Floats]:
    """Every gate of an edited pass as it multiplied the features, without N, by name."""
    import torch

    functions = interventions.applied(edits, observation.trace.gates, given_gates(observation, edits))
    values = {gate.name: torch.from_numpy(gate.values) for gate in trace.gates}
    return {name: (functions[name](array) if name in functions else array)[0].numpy() for name, array in values.items()}


def _pictures(edit: Edit) -> list[Picture]:
    missing = [name for name in edit.pictures if name not in frame.pictures()]
    if missing:
        raise EditError(f"An edit takes gates of the picture “{missing[0]}”, which is not at hand; upload it again.")
    return list(map(frame.named_picture, edit.pictures))


def _code(edits: Sequence[Edit]) -> tuple[str, ...]:
    """The same for the same edits with the same pictures, and for no others; names say nothing about the pass."""
    pictures = [picture.key for edit in edits if edit.pictures for picture in _pictures(edit)]
    return (files.to_code(interventions.without_names(edits)), *pictures)
