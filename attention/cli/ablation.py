"""Does the gate matter, from the command line: gates off or edited in one picture, as JSON and as a figure."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from attention import files, images, interventions
from attention.analysis import evidence
from attention.charts import printed
from attention.cli.naming import Own, observe
from attention.interventions import Effect
from attention.interventions import files as edit_files
from attention.numbers import p_value, signed
from attention.observe import Observation, Picture, read_picture
from attention.records import Band, GatescopeError, Ground, Outputs

if TYPE_CHECKING:
    import torch

QUESTION = (
    "What an edit changes is its effect, whatever p is; p asks whether it matters which channel or place gets which "
    "value."
)


@dataclass(frozen=True)
class AblationRequest:
    """What the command line asks for; the help of each option says what it is."""

    picture: Path
    model: str
    edits: Path | None
    off: str
    other: Path | None
    random: bool
    seed: int
    outputs: Outputs | None = None
    bands: tuple[Band, ...] | None = None
    device: "torch.device | None" = None
    draws: int | None = None
    ground: Ground = "light"
    own: Own | None = None


def ablate(request: AblationRequest, out: Path) -> None:
    """Measure, say, and write ablation.json and ablation.png into the folder.

    Raises GatescopeError where the picture, the network, or the edits are not what they should be.
    """
    _insist_used(request)
    how = {"random": request.random, "bands": request.bands, "device": request.device, "own": request.own}
    observation = observe(request.picture, request.model, outputs=request.outputs, **how)
    if not observation.trace.gates:
        name = observation.card.name
        raise GatescopeError(f"{name} applies no gates; choose a network that does, such as cbam or se.")
    number = int(observation.logits.argmax())
    donors = [] if request.edits else _donors(observation, request)
    pictures = tuple(picture.name for picture in donors)
    effects = _effects(observation, request, donors)
    tests = evidence.tests([one.change[number] for one in effects], [one.null[:, number] for one in effects])
    rows = [printed.EditRow(one.name, test, *one.probability(number)) for one, test in zip(effects, tests, strict=True)]
    label = observation.labels[number]
    _say(label, rows, observation.measure, off="" if request.edits else interventions.off_in_words(pictures))
    report = {
        "network": observation.card.name,
        "random_weights": observation.card.random,
        "picture": request.picture.name,
        "outputs": observation.outputs,
        "class": label,
        observation.measure: float(observation.logits[number]),
        "probability": float(observation.probabilities[number]),
        "off": None if request.edits else interventions.off_in_words(pictures),
        "note": interventions.WITHOUT,
        "question of p": QUESTION,
        "correction of p_adjusted": "Holm, over all results",
        "seed": request.seed,
        "results": [_to_dict(row) for row in rows],
    }
    _write(report, rows, out, observation.measure, request.ground)


def _insist_used(request: AblationRequest) -> None:
    """Raises click.UsageError where something is asked for that another option leaves no room for."""
    if request.edits and (request.off != "neutral" or request.other):
        raise click.UsageError("A file of edits says itself what its gates are put to; --off and --other go without.")
    if request.other and request.off != "resample":
        raise click.UsageError(f"--off {request.off} takes no other picture; --other goes with --off resample.")


def _donors(observation: Observation, request: AblationRequest) -> list[Picture]:
    """The pictures whose gates stand in for those of a block that is off; none where these are neutral."""
    if request.off == "neutral":
        return []
    if request.off == "resample" and request.other:
        return [read_picture(request.other)]
    samples = [read_picture(sample.path) for sample in images.samples()]
    others = [picture for picture in samples if picture.key != observation.picture.key]
    return others[:1] if request.off == "resample" else samples


def _effects(observation: Observation, request: AblationRequest, donors: Sequence[Picture]) -> list[Effect]:
    """What each block off does, or the file of edits."""
    passes = interventions.passes_of(observation)
    if request.edits:
        file = edit_files.load(request.edits)
        file = edit_files.load(request.edits)
        if said := file.foreign_to(observation.card.name):
            click.echo(f"{request.edits}: {said}", err=True)
        asked, given, label = {request.edits.name: file.edits}, file.given, "edits"
    else:
        names = tuple(picture.name for picture in donors)
        given = {names: interventions.mean_gates([observation.of(each).trace for each in donors])} if donors else {}
        asked = {block.name: (interventions.block_off(block.name, names),) for block in observation.blocks}
        label = "each block off in turn"
    seed, draws = request.seed, request.draws or evidence.draws_for(len(asked))
    with click.progressbar(asked.items(), label=label) as bar:
        return [interventions.effect(passes, name, edits, given, seed=seed, draws=draws) for name, edits in bar]


def _to_dict(row: printed.EditRow) -> dict[str, Any]:
    test = asdict(row.test)
    return {"name": row.name, "change": test.pop("observed"), "before": row.before, "after": row.after, **test}


def _say(label: str, rows: Sequence[printed.EditRow], measure: str, *, off: str) -> None:
    """Each edit; `off` is what the gates of a block that is off are put to, and empty for a file of edits."""
    click.echo(f"{label} {rows[0].before:.1%}. {QUESTION}{f' Off: the gates are put to {off}.' * bool(off)}")
    for row in rows:
        test = row.test
        verdict = "here it matters" if test.holds else "no evidence that it matters"
        span = f"{row.before:.1%} → {row.after:.1%} ({measure} {signed(test.observed)})"
        click.echo(
            f"  {'without ' * bool(off)}{row.name}: {span}; {verdict} which value stands where, "
            f"{p_value(test.p_adjusted)} (by chance {signed(test.low)} to {signed(test.high)})"
        )


def _write(report: dict[str, Any], rows: Sequence[printed.EditRow], out: Path, measure: str, ground: Ground) -> None:
    files.write(out / "ablation.json", json.dumps(report, indent=1) + "\n")
    marked = " (random weights)" if report["random_weights"] else ""
    title = f"{report['network']}{marked}, {report['picture']}: change of the {measure} of {report['class']}"
    put = f" Off: the gates are put to {report['off']}." if report["off"] else ""
    draws = f"Grey: the middle 95% of {rows[0].test.draws} random draws, seed {report['seed']}."
    note = f"{interventions.WITHOUT}{put} {draws} {QUESTION}"
    files.write(out / "ablation.png", printed.edits(rows, title, note, measure, ground=ground))
    click.echo(f"Written: {out / 'ablation.json'}, {out / 'ablation.png'}")
