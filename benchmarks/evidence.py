"""How often edits that mean nothing are called evidence, and how often built-in effects are found.

    python -m benchmarks.evidence [--cases 400] [--draws 99]

An edit means nothing by construction where it is itself one draw of its own null: values at random channels, at random
places of a map, or on a patch somewhere. An effect is built in by shutting the channels, or the places, that move the
logit the most among many tried.
"""

from collections.abc import Iterator

import click
import numpy as np
import torch

from attention import images, interventions
from attention.analysis import evidence
from attention.interventions import Edit, EditedPasses
from attention.models import zoo
from attention.observe import observe, read_picture
from attention.records import Gate

NETWORK = "cbam"
CHANNELS, SIDE = 8, 3
"""Channels, or places, of an edit; side of a patch."""
TRIED = 40
"""Random edits of which the strongest is an effect that is built in."""


@click.command()
@click.option("--cases", default=400, show_default=True, help="Edits of each kind.")
@click.option("--draws", default=evidence.FEWEST_DRAWS, show_default=True, help="Random draws for each.")
def main(cases: int, draws: int) -> None:
    """Print, for each kind of edit, the share of p-values of at most 0.05."""
    torch.set_num_threads(1)
    network = zoo.load(NETWORK)
    passes = [interventions.passes_of(observe(network, read_picture(each.path))) for each in images.samples()]
    click.echo(f"{NETWORK}, {len(passes)} pictures, {draws} draws; share of p <= {evidence.LEVEL}")
    for kind in ("channels", "places", "patch"):
        null = [_p(one, edit, draws, seed) for seed, (one, edit) in enumerate(_cases(passes, kind, cases))]
        found = [_p(one, edit, draws, seed) for seed, (one, edit) in enumerate(_built_in(passes, kind, cases // 8))]
        share, power = (np.mean(np.array(p) <= evidence.LEVEL) for p in (null, found))
        click.echo(
            f"  {kind}: {share:.1%} of {len(null)} edits that mean nothing, {power:.1%} of {len(found)} that are the "
            f"strongest of {TRIED}"
        )


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
