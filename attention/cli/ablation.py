"""Does the gate matter, from the command line: gates off or edited in one picture, as JSON and as a figure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click

from attention import analysis, interventions
from attention.charts import printed
from attention.interventions import EditedPasses, files
from attention.observe import Observation, observe_file
from attention.records import Floats, GatescopeError

HONEST = "Switched off or edited at inference, not retrained."


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    picture: Path
    model: str
    """A name of the zoo, or the path of a weight file."""
    edits: Path | None
    random: bool
    """Whether the network gets random weights."""
    seed: int
    """Of the random draws."""


class Result(NamedTuple):
    """One edit, or one block off: what it does to the logit of the class, and what chance does."""

    name: str
    change: float
    probability: float
    """Of the class, afterwards."""
    low: float
    high: float

    @property
    def beyond_chance(self) -> bool:
        """Whether the change lies outside the random draws."""
        return not self.low <= self.change <= self.high


def ablate(request: Request, out: Path) -> None:
    """Measure, say, and write ablation.json and ablation.png into the folder.

    Raises GatescopeError where the picture, the network, or the edits are not what they should be.
    """
    observation, passes = _passes(request)
    logits = interventions.logits(observation.trace)[0]
    number = int(logits.argmax())
    results = _edited(passes, request, number) if request.edits else _in_turn(passes, request.seed, number)
    probability = float(analysis.probabilities(logits)[number])
    label = observation.labels[number]
    _say(label, probability, results)
    report = {
        "network": observation.card.name,
        "random_weights": observation.card.random,
        "picture": request.picture.name,
        "class": label,
        "logit": float(logits[number]),
        "probability": probability,
        "note": HONEST,
        "draws": interventions.DRAWS,
        "seed": request.seed,
        "results": [one._asdict() | {"beyond_chance": one.beyond_chance} for one in results],
    }
    _write(report, results, out)


def _passes(request: Request) -> tuple[Observation, EditedPasses]:
    observation = observe_file(request.picture, request.model, random=request.random)
    if not observation.trace.gates:
        name = observation.card.name
        raise GatescopeError(f"{name} applies no gates; choose a network that does, such as cbam or se.")
    return observation, interventions.passes_of(observation)


def _in_turn(passes: EditedPasses, seed: int, number: int) -> list[Result]:
    blocks = [block.name for block in analysis.blocks(passes.before.gates)]
    results = []
    with click.progressbar(blocks, label="each block off in turn") as bar:
        for block in bar:
            turn = interventions.ablate_block(passes, block, seed=seed, draws=interventions.DRAWS)
            results.append(_result(passes, block, turn.change, draws=turn.draws[:, number], number=number))
    return results


def _edited(passes: EditedPasses, request: Request, number: int) -> list[Result]:
    assert request.edits is not None
    file = files.load(request.edits)
    gates = passes.before.gates
    edits = [interventions.applied(file.edits, gates, file.given)]
    for draw in range(interventions.DRAWS):
        edits.append(interventions.random_control(file.edits, gates, file.given, seed=request.seed, draw=draw))
    moved = interventions.changes(passes, edits)
    return [_result(passes, request.edits.name, moved[0], draws=moved[1:, number], number=number)]


def _result(passes: EditedPasses, name: str, change: Floats, *, draws: Floats, number: int) -> Result:
    after = analysis.probabilities(interventions.logits(passes.before)[0] + change)
    band = interventions.null_range(draws)
    return Result(name, float(change[number]), float(after[number]), band.low, band.high)


def _say(label: str, probability: float, results: Sequence[Result]) -> None:
    click.echo(f"{label} {probability:.1%}; the change of its logit, and of {interventions.DRAWS} random draws:")
    for one in results:
        verdict = "" if one.beyond_chance else ", no effect beyond chance"
        chance = f"random {one.low:+.3f} to {one.high:+.3f}"
        click.echo(f"  {one.name}: {one.change:+.3f} (to {one.probability:.1%}); {chance}{verdict}")


def _write(report: dict[str, Any], results: Sequence[Result], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "ablation.json").write_text(json.dumps(report, indent=1) + "\n")
    marked = " (random weights)" if report["random_weights"] else ""
    title = f"{report['network']}{marked}, {report['picture']}: change of the logit of {report['class']}"
    note = f"{HONEST} Grey: {report['draws']} random draws of the same size, seed {report['seed']}."
    rows = [printed.Row(one.name, one.change, one.low, one.high) for one in results]
    (out / "ablation.png").write_bytes(printed.changes(rows, title, note))
    click.echo(f"Written: {out / 'ablation.json'}, {out / 'ablation.png'}")
