"""Does the gate matter, from the command line: gates off or edited in one picture, as JSON and as a figure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from attention import interventions
from attention.analysis import evidence
from attention.charts import printed
from attention.interventions import Edit, Effect, files
from attention.observe import Observation, observe_file
from attention.records import GatescopeError

if TYPE_CHECKING:
    import torch

HONEST = "Switched off or edited at inference, not retrained."
QUESTION = (
    "What an edit changes is its effect, whatever p is; p asks whether it matters which channel or place gets which "
    "value."
)


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
    """Seed of the random draws."""
    device: "torch.device | None" = None
    """Where the network runs; on the CPU where none is named."""
    draws: int | None = None
    """For each edit; so many that one of them alone can be evidence, where none is said."""


def ablate(request: Request, out: Path) -> None:
    """Measure, say, and write ablation.json and ablation.png into the folder.

    Raises GatescopeError where the picture, the network, or the edits are not what they should be.
    """
    observation = observe_file(request.picture, request.model, random=request.random, device=request.device)
    if not observation.trace.gates:
        name = observation.card.name
        raise GatescopeError(f"{name} applies no gates; choose a network that does, such as cbam or se.")
    number = int(observation.logits.argmax())
    effects = _effects(observation, request)
    tests = evidence.tests([one.change[number] for one in effects], [one.null[:, number] for one in effects])
    rows = [printed.EditRow(one.name, test, *one.probability(number)) for one, test in zip(effects, tests, strict=True)]
    label = observation.labels[number]
    _say(label, rows, of_blocks=request.edits is None)
    report = {
        "network": observation.card.name,
        "random_weights": observation.card.random,
        "picture": request.picture.name,
        "class": label,
        "logit": float(observation.logits[number]),
        "probability": float(observation.probabilities[number]),
        "note": HONEST,
        "question of p": QUESTION,
        "correction of p_adjusted": "Holm, over all results",
        "seed": request.seed,
        "results": [_to_dict(row) for row in rows],
    }
    _write(report, rows, out)


def _effects(observation: Observation, request: Request) -> list[Effect]:
    """What each block off does, or the file of edits."""
    passes = interventions.passes_of(observation)
    if request.edits:
        file = files.load(request.edits)
        draws = request.draws or evidence.FEWEST_DRAWS
        return [
            interventions.effect(passes, request.edits.name, file.edits, file.given, seed=request.seed, draws=draws)
        ]
    blocks = [block.name for block in observation.blocks]
    draws = request.draws or evidence.draws_for(len(blocks))
    with click.progressbar(blocks, label="each block off in turn") as bar:
        return [
            interventions.effect(passes, block, [Edit("off", block=block)], seed=request.seed, draws=draws)
            for block in bar
        ]


def _to_dict(row: printed.EditRow) -> dict[str, Any]:
    test = row.test
    return {
        "name": row.name,
        "change": test.observed,
        "before": row.before,
        "after": row.after,
        "p": test.p,
        "p_adjusted": test.p_adjusted,
        "draws": test.draws,
        "low": test.low,
        "high": test.high,
    }


def _say(label: str, rows: Sequence[printed.EditRow], *, of_blocks: bool) -> None:
    click.echo(f"{label} {rows[0].before:.1%}. {QUESTION}")
    for row in rows:
        test = row.test
        verdict = "it does" if test.holds else "no evidence that it does"
        click.echo(
            f"  {'without ' * of_blocks}{row.name}: {row.after:.1%} (logit {test.observed:+.3f}); {verdict}, "
            f"p = {test.p_adjusted:.2g} (by chance {test.low:+.3f} to {test.high:+.3f})"
        )


def _write(report: dict[str, Any], rows: Sequence[printed.EditRow], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "ablation.json").write_text(json.dumps(report, indent=1) + "\n")
    marked = " (random weights)" if report["random_weights"] else ""
    title = f"{report['network']}{marked}, {report['picture']}: change of the logit of {report['class']}"
    note = f"{HONEST} Grey: the middle 95 % of {rows[0].test.draws} random draws, seed {report['seed']}. {QUESTION}"
    (out / "ablation.png").write_bytes(printed.edits(rows, title, note))
    click.echo(f"Written: {out / 'ablation.json'}, {out / 'ablation.png'}")
