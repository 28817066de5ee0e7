"""Does the gate matter, from the command line: gates off or edited, in one picture or over many.

Over one: as JSON and as a figure. Over many: streamed to a file, and gone on with where it was left.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from attention import files, images, interventions, many
from attention.analysis import evidence
from attention.charts import printed
from attention.cli.naming import OwnCode, load, observe
from attention.cli.surveys import stop_on_ctrl_c
from attention.interventions import Effect
from attention.interventions import files as edit_files
from attention.numbers import amount, p_value, signed
from attention.observe import Observation, Picture, choice_of, grey_card, read_picture
from attention.records import Band, GatescopeError, Ground, Outputs, StoppedError
from attention.store import Store
from attention.survey import list_pictures
from attention.survey.passes import weights_sha256

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
    own: OwnCode | None = None


def ablate(request: AblationRequest, out: Path) -> None:
    """Measure, say, and write ablation.json and ablation.png into the folder.

    Raises GatescopeError where the picture, the network, or the edits are not what they should be.
    """
    _check_options(request)
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
    _print_effects(label, rows, observation.measure, off="" if request.edits else interventions.off_in_words(pictures))
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


def _check_options(request: AblationRequest) -> None:
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
        if warning := file.foreign_to(observation.card.name):
            click.echo(f"{request.edits}: {warning}", err=True)
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


def _print_effects(label: str, rows: Sequence[printed.EditRow], measure: str, *, off: str) -> None:
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


KEPT_RESULTS = {"trace": 4, "resume": 1, "heatmap": 8}
"""Results of pictures that are kept while others follow."""


@dataclass(frozen=True)
class ManyRequest:
    """What the command line asks for; the help of each option says what it is."""

    source: Path
    model: str
    measure: many.Name
    off: many.Off
    random: bool
    limit: int | None
    outputs: Outputs | None = None
    bands: tuple[Band, ...] | None = None
    own: OwnCode | None = None


def over_many(request: ManyRequest, out: Path) -> None:
    """Measure every picture, one line of OUT/pictures.jsonl each, and say in a JSON file what they come to.

    Ctrl-C stops after the picture at hand; the same command goes on from there. Raises GatescopeError.
    """
    if request.off != "neutral" and request.measure != "ablation":
        raise click.UsageError(f"--measure {request.measure} switches no block off; --off goes with ablation.")
    pictures = list_pictures(request.source).limited(request.limit)
    loaded = load(request.model, random=request.random, bands=request.bands, own=request.own)
    network = replace(choice_of(loaded), outputs=request.outputs)
    first = Observation(network, grey_card(network.card.bands), Store(KEPT_RESULTS))
    what = {"network": first.card.name, "random_weights": first.network.card.random, "measure": request.measure}
    what |= {"off": request.off} if request.measure == "ablation" else {}
    what |= {"outputs": first.outputs, "output": first.measure, "pictures": pictures.fingerprint}
    what |= {"bands": list(request.bands)} if request.bands else {}
    if loaded.card.source in ("file", "code"):  # their names say less of them than those of the zoo
        what |= {"weights": weights_sha256(loaded.module)}
    many.check(first, request.measure)
    with stop_on_ctrl_c() as cancel:
        file = out / "pictures.jsonl"
        done = _begin(file, what)
        rows = many.measure_pictures(first, pictures, request.measure, off=request.off, start=len(done), cancel=cancel)
        with click.progressbar(length=len(pictures), label="pictures") as bar:
            bar.update(len(done))
            for row in rows:
                _append_row(file, row)
                done.append(row)
                bar.update(1)
    _write_summary(done, what | {"of": len(pictures)}, request.measure, out)
    if cancel.is_set() and len(done) < len(pictures):
        raise StoppedError(
            f"Stopped after {len(done):,} of {amount(len(pictures), 'picture')}; the same command goes on."
        )


def _begin(file: Path, what: dict[str, Any]) -> list[many.PictureRow]:
    """The pictures that were measured before; a new file where there is none. Raises GatescopeError."""
    if not file.exists():
        files.write(file, json.dumps(what) + "\n")
        return []
    whole, _, cut = files.read(file).rpartition(b"\n")
    try:
        before, *rows = map(json.loads, whole.decode().split("\n"))
    except ValueError:
        raise GatescopeError(f"{file} is no file of this command; another folder for --out is allowed.") from None
    if before != what:
        differing = ", ".join(key for key in what if not isinstance(before, dict) or before.get(key) != what[key])
        raise GatescopeError(f"{file} is of another run (other {differing}); another folder for --out is allowed.")
    if cut:  # the disk was full, or the process killed, in the middle of a line
        files.write(file, whole + b"\n")
    return rows


def _append_row(file: Path, row: many.PictureRow) -> None:
    """Raises GatescopeError where it cannot be written."""
    try:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")
    except OSError as error:
        reason = files.reason_of(error)
        raise GatescopeError(f"{file} cannot be written: {reason}; what is in it stays, and is gone on with.") from None


def _write_summary(rows: list[many.PictureRow], about: dict[str, Any], measure: many.Name, out: Path) -> None:
    used = sum("change" in row for row in rows)
    note = f" {interventions.WITHOUT}" if measure == "ablation" else ""
    click.echo(f"{used} of {amount(about['of'], 'picture')}, {len(rows) - used} could not be used.{note}")
    found = many.summarise(rows)
    for row, one in found.items():
        click.echo(f"  {many.in_words(measure, row, one, about['output'])}")
    results = [{"name": row, **asdict(one)} for row, one in found.items()]
    explained = many.MEASURES[measure].explained.format(measure=about["output"])
    summary = {**about, "explained": explained, "used": used, "results": results}
    files.write(out / f"{measure}.json", json.dumps(summary, indent=1) + "\n")
    click.echo(f"Written: {out / 'pictures.jsonl'}, {out / f'{measure}.json'}")
