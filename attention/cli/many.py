"""What holds over many pictures, from the command line: streamed to a file, and gone on with where it was left."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from attention import files, interventions, many
from attention.cli.naming import Own, load
from attention.cli.surveys import ctrl_c
from attention.numbers import amount
from attention.observe import Observation, chosen, grey_card
from attention.records import Band, GatescopeError, Outputs, StoppedError
from attention.store import Store
from attention.survey import list_pictures
from attention.survey.passes import weights_sha256

KEPT = {"trace": 4, "resume": 1, "heatmap": 8}
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
    own: Own | None = None


def over_many(request: ManyRequest, out: Path) -> None:
    """Measure every picture, one line of OUT/pictures.jsonl each, and say in a JSON file what they come to.

    Ctrl-C stops after the picture at hand; the same command goes on from there. Raises GatescopeError.
    """
    if request.off != "neutral" and request.measure != "ablation":
        raise click.UsageError(f"--measure {request.measure} switches no block off; --off goes with ablation.")
    pictures = list_pictures(request.source).limited(request.limit)
    loaded = load(request.model, random=request.random, bands=request.bands, own=request.own)
    network = replace(chosen(loaded), outputs=request.outputs)
    first = Observation(network, grey_card(network.card.bands), Store(KEPT))
    what = {"network": first.card.name, "random_weights": first.network.card.random, "measure": request.measure}
    what |= {"off": request.off} if request.measure == "ablation" else {}
    what |= {"outputs": first.outputs, "output": first.measure, "pictures": pictures.fingerprint}
    what |= {"bands": list(request.bands)} if request.bands else {}
    if loaded.card.source in ("file", "code"):  # their names say less of them than those of the zoo
        what |= {"weights": weights_sha256(loaded.module)}
    many.check(first, request.measure)
    with ctrl_c() as cancel:
        file = out / "pictures.jsonl"
        done = _begun(file, what)
        rows = many.rows(first, pictures, request.measure, off=request.off, start=len(done), cancel=cancel)
        with click.progressbar(length=len(pictures), label="pictures") as bar:
            bar.update(len(done))
            for row in rows:
                _add(file, row)
                done.append(row)
                bar.update(1)
    _conclude(done, what | {"of": len(pictures)}, request.measure, out)
    if cancel.is_set() and len(done) < len(pictures):
        raise StoppedError(
            f"Stopped after {len(done):,} of {amount(len(pictures), 'picture')}; the same command goes on."
        )


def _begun(file: Path, what: dict[str, Any]) -> list[many.PictureRow]:
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
        said = ", ".join(key for key in what if not isinstance(before, dict) or before.get(key) != what[key])
        raise GatescopeError(f"{file} is of another run (other {said}); another folder for --out is allowed.")
    if cut:  # the disk was full, or the process killed, in the middle of a line
        files.write(file, whole + b"\n")
    return rows


def _add(file: Path, row: many.PictureRow) -> None:
    """Raises GatescopeError where it cannot be written."""
    try:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")
    except OSError as error:
        why = files.why(error)
        raise GatescopeError(f"{file} cannot be written: {why}; what is in it stays, and is gone on with.") from None


def _conclude(rows: list[many.PictureRow], about: dict[str, Any], measure: many.Name, out: Path) -> None:
    used = sum("change" in row for row in rows)
    note = f" {interventions.WITHOUT}" if measure == "ablation" else ""
    click.echo(f"{used} of {amount(about['of'], 'picture')}, {len(rows) - used} could not be used.{note}")
    found = many.concluded(rows)
    for row, one in found.items():
        click.echo(f"  {many.in_words(measure, row, one, about['output'])}")
    results = [{"name": row, **asdict(one)} for row, one in found.items()]
    explained = many.MEASURES[measure].explained.format(measure=about["output"])
    said = {**about, "explained": explained, "used": used, "results": results}
    files.write(out / f"{measure}.json", json.dumps(said, indent=1) + "\n")
    click.echo(f"Written: {out / 'pictures.jsonl'}, {out / f'{measure}.json'}")
