"""How often what means nothing is called evidence, and how often built-in effects are found.

    python -m benchmarks.evidence [--kind channels] [--cases 400] [--draws 99] [--size 160]

An edit means nothing by construction where it is itself one draw of its own null: values at random channels, at random
places of a map, or on a patch somewhere. A gate's agreement means nothing where the pictures' gates are dealt out anew,
and a heatmap's deletion where the heatmap is itself a random map like the true one. Effects are built in by shutting
the channels, or the places, that move the logit the most among many tried; by gates that are the heatmap under noise;
and by the random map, among as many tried, by which the probability falls the soonest. Of deletion a third share is
that of maps which are the occlusion by squares of the picture itself.
"""

from collections.abc import Iterator
from dataclasses import replace

import click
import numpy as np
import torch

from attention import comparison, images, interventions
from attention.analysis import agreement, evidence, faithfulness
from attention.interventions import Edit, EditedPasses
from attention.models import Network, zoo
from attention.observe import Observation, observe, read_picture
from attention.records import Floats, Gate

NETWORK = "cbam"
CHANNELS, SIDE = 8, 3
"""Channels, or places, of an edit; side of a patch."""
TRIED = 40
"""Random edits of which the strongest is an effect that is built in."""
POWER = 8
"""One case with an effect built in for so many without."""
STEPS = 4
"""In a curve of deletion."""
EDITS = ("channels", "places", "patch")
KINDS = (*EDITS, "agreement", "deletion")


@click.command()
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, default=KINDS, help="All by default.")
@click.option("--cases", default=400, show_default=True, help="Cases of each kind.")
@click.option("--draws", default=evidence.FEWEST_DRAWS, show_default=True, help="Random draws for each.")
@click.option("--size", default=160, show_default=True, help="Side of the pictures that the network sees, in pixels.")
def main(kinds: tuple[str, ...], cases: int, draws: int, size: int) -> None:
    """Print, for each kind, the share of p-values of at most 0.05."""
    torch.set_num_threads(1)
    network = zoo.load(NETWORK)
    network = Network(replace(network.card, input_size=size), network.module)
    observations = [observe(network, read_picture(each.path)) for each in images.samples()]
    click.echo(f"{NETWORK} at {size} px, {len(observations)} pictures, {draws} draws; share of p <= {evidence.LEVEL}")
    for kind in kinds:
        if kind == "agreement":
            found = _agreement(observations, cases, draws)
        elif kind == "deletion":
            found = _deletion(observations, cases, draws)
        else:
            passes = [interventions.passes_of(each) for each in observations]
            null = [_p(one, edit, draws, seed) for seed, (one, edit) in enumerate(_cases(passes, kind, cases))]
            built = enumerate(_built_in(passes, kind, cases // POWER))
            found = null, [_p(one, edit, draws, seed) for seed, (one, edit) in built]
        shares = [f"{np.mean(np.array(p) <= evidence.LEVEL):.1%} of {len(p)}" for p in found]
        parts = [f"{shares[0]} that mean nothing", f"{shares[1]} with an effect built in"]
        click.echo(f"  {kind}: {', '.join([*parts, *(f'{each} of maps by occlusion' for each in shares[2:])])}")


Found = tuple[list[float], ...]
"""The p-values of cases that mean nothing, of cases with an effect built in and, of deletion, of maps by occlusion."""


def _agreement(observations: list[Observation], cases: int, draws: int) -> Found:
    """The mean over the pictures, of gates dealt out anew, and of gates that are the heatmap under noise."""
    random = np.random.default_rng(5)
    targets = [int(each.probabilities.argmax()) for each in observations]
    found = list(comparison.agreements_of(observations, targets, lambda done, total: None).values())
    dealt = [found[case % len(found)][:, random.permutation(len(observations))] for case in range(cases)]
    heatmaps = [each.heatmap(target).values for each, target in zip(observations, targets, strict=True)]
    noisy = []
    for _ in range(cases // POWER):
        gates = [one + random.normal(0, one.std() * 2, one.shape) for one in heatmaps]
        noisy.append(np.array([[agreement.rank_correlation(g, h) or 0.0 for g in gates] for h in heatmaps]))
    p = [
        [
            evidence.p_value(one.diagonal().mean(), agreement.own_against_others(one, draws, seed))
            for seed, one in enumerate(each)
        ]
        for each in (dealt, noisy)
    ]
    return p[0], p[1]


def _deletion(observations: list[Observation], cases: int, draws: int) -> Found:
    """The area by deletion, of random maps like the heatmaps, of the best of many, and of an occlusion."""
    null, built, occluded = [], [], []
    for case in range(cases):
        one = observations[case % len(observations)]
        target = int(one.probabilities.argmax())
        (values,) = faithfulness.random_maps(one.heatmap(target).values, 1, seed=10_000 + case)
        null.append(_p_of_map(one, target, values, draws, case))
        if case % POWER == 0:
            tried = faithfulness.random_maps(one.heatmap(target).values, TRIED, seed=20_000 + case)
            areas = [_area(one, target, each) for each in tried]
            built.append(_p_of_map(one, target, tried[int(np.argmin(areas))], draws, case))
            occluded.append(_p_of_map(one, target, _occluded(one, target), draws, case))
    return null, built, occluded


def _p_of_map(one: Observation, target: int, values: Floats, draws: int, seed: int) -> float:
    drawn = [_area(one, target, each) for each in faithfulness.random_maps(values, draws, seed)]
    return evidence.p_value(_area(one, target, values), drawn)


def _area(one: Observation, target: int, values: Floats) -> float:
    def predict(pictures: Floats) -> Floats:
        return comparison.probabilities_of(one, pictures)[:, target]

    picture = one.network.transform(one.image).numpy()
    return faithfulness.deletion(picture, values, predict, steps=STEPS).area


def _occluded(one: Observation, target: int) -> Floats:
    """How far the probability falls where each of 5 x 5 squares of the picture is gone."""
    picture = one.network.transform(one.image).numpy()
    parts = np.array_split(np.arange(picture.shape[1]), 5)
    pictures = np.repeat(picture[None], 25, 0)
    for number, each in enumerate(pictures):
        each[np.ix_(range(3), parts[number // 5], parts[number % 5])] = 0
    return -comparison.probabilities_of(one, pictures)[:, target].reshape(5, 5).astype(np.float32)


def _p(passes: EditedPasses, edit: Edit, draws: int, seed: int) -> float:
    """The p-value of the logit of the first guess."""
    effect = interventions.effect(passes, "", [edit], seed=seed, draws=draws)
    number = int(effect.before.argmax())
    return evidence.p_value(effect.change[number], effect.null[:, number])


def _cases(passes: list[EditedPasses], kind: str, count: int, seed: int = 7) -> Iterator[tuple[EditedPasses, Edit]]:
    random = np.random.default_rng(seed)
    for number in range(count):
        one = passes[number % len(passes)]
        yield one, _edit(_gate(one, kind, random), kind, random)


def _built_in(passes: list[EditedPasses], kind: str, count: int) -> Iterator[tuple[EditedPasses, Edit]]:
    """The strongest of many random edits, of each case."""
    random = np.random.default_rng(8)
    for number in range(count):
        one = passes[number % len(passes)]
        gate = _gate(one, kind, random)
        tried = [_edit(gate, kind, random) for _ in range(TRIED)]
        moved = interventions.changes(one, [interventions.applied([edit], one.before.gates) for edit in tried])
        target = int(one.logits(one.before)[0].argmax())
        yield one, tried[int(np.abs(moved[:, target]).argmax())]


def _gate(passes: EditedPasses, kind: str, random: np.random.Generator) -> Gate:
    wanted = "channel" if kind == "channels" else "spatial"
    gates = [gate for gate in passes.before.gates if gate.kind == wanted and gate.values[0].size > CHANNELS * 4]
    return gates[random.integers(len(gates))]


def _edit(gate: Gate, kind: str, random: np.random.Generator) -> Edit:
    if kind == "patch":
        height, width = gate.values.shape[1:]
        top, left = random.integers(height), random.integers(width)
        places = [
            ((top + row) % height) * width + (left + column) % width for row in range(SIDE) for column in range(SIDE)
        ]
    else:
        places = random.choice(gate.values[0].size, CHANNELS, replace=False).tolist()
    return Edit("set", gate.kind, block=gate.name, points=tuple((int(place), 0.0) for place in places))


if __name__ == "__main__":
    main()
