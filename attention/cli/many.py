"""Does the gate matter, over many pictures: each block off in turn in every picture of a folder, streamed to a file."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import click

from attention import files, images, interventions
from attention.analysis import evidence
from attention.cli.surveys import ctrl_c
from attention.interventions import Given
from attention.observe import Observation, chosen, load_network, picture_of, read_picture
from attention.records import GatescopeError, Outputs
from attention.store import Store
from attention.survey import PictureList, list_pictures

KEPT = {"trace": 4, "resume": 1}
"""Results of pictures that are kept while others follow."""


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    source: Path
    model: str
    """A name of the zoo, or the path of a weight file."""
    off: str
    """What "off" means: "neutral", or "mean", over the samples."""
    random: bool
    """Whether the network gets random weights."""
    limit: int | None
    """At most so many pictures, spread evenly."""
    outputs: Outputs | None = None
    """What the person says that the network returns."""


def ablate_many(request: Request, out: Path) -> None:
    """Measure every picture, one line of OUT/pictures.jsonl each, and say in OUT/ablation.json what they come to.

    Ctrl-C stops after the picture at hand; the same command goes on from there. Raises GatescopeError.
    """
    pictures = list_pictures(request.source)
    pictures = pictures.limited(request.limit) if request.limit else pictures
    network = replace(chosen(load_network(request.model, random=request.random)), outputs=request.outputs)
    first = Observation(network, read_picture(images.samples()[0].path), Store(KEPT))
    if not first.blocks:
        raise GatescopeError(f"{first.card.name} applies no gates; choose a network that does, such as cbam or se.")
    what = {"network": first.card.name, "random_weights": first.network.card.random, "off": request.off}
    what |= {"outputs": first.outputs, "measure": first.measure, "pictures": pictures.fingerprint}
    file = out / "pictures.jsonl"
    done = _begun(file, what)
    with ctrl_c() as cancel, click.progressbar(length=len(pictures), label="pictures") as bar:
        bar.update(len(done))
        with file.open("a", encoding="utf-8") as lines:
            for row in _rows(first, pictures, request.off, start=len(done), cancel=cancel):
                lines.write(json.dumps(row) + "\n")
                lines.flush()
                done.append(row)
                bar.update(1)
    _conclude(done, what | {"of": len(pictures), "note": interventions.WITHOUT}, out)


def _begun(file: Path, what: dict[str, Any]) -> list[dict[str, Any]]:
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


def _rows(
    first: Observation, pictures: PictureList, off: str, *, start: int, cancel: Event
) -> Iterator[dict[str, Any]]:
    """What each block off does to the first guess of each picture, or why a picture has none."""
    names: tuple[str, ...] = ()
    given: Given = {}
    if off == "mean":
        samples = [read_picture(sample.path) for sample in images.samples()]
        names = tuple(picture.name for picture in samples)
        given = {names: interventions.mean_gates([first.of(picture).trace for picture in samples])}
    edits = [interventions.block_off(block.name, names) for block in first.blocks]
    for number in range(start, len(pictures)):
        if cancel.is_set():
            return
        path = pictures.paths[number]
        try:
            one = first.of(picture_of(path, pictures.read(number)))
            passes = interventions.passes_of(one)
            functions = [interventions.applied([edit], one.trace.gates, given) for edit in edits]
            changes = interventions.changes(passes, functions)
        except (OSError, zipfile.BadZipFile, GatescopeError) as error:
            yield {"picture": path, "error": str(error)}
            continue
        target = int(one.logits.argmax())
        moved = {edit.block: float(change[target]) for edit, change in zip(edits, changes, strict=True)}
        yield {"picture": path, "class": one.labels[target], "probability": one.probabilities[target], "change": moved}


def _conclude(rows: list[dict[str, Any]], about: dict[str, Any], out: Path) -> None:
    used = [row for row in rows if "change" in row]
    click.echo(f"{len(used)} of {about['of']} pictures, {len(rows) - len(used)} could not be used. {about['note']}")
    if not used:
        return
    blocks = {block: evidence.over_pictures([row["change"][block] for row in used]) for block in used[0]["change"]}
    for block, one in blocks.items():
        click.echo(
            f"  without {block}: {about['measure']} of the first guess {one.median:+.3f} in the median (95 % interval "
            f"{one.low:+.3f} to {one.high:+.3f}), the same sign in {one.alike} of {one.count}"
        )
    results = [{"name": block, **asdict(one)} for block, one in blocks.items()]
    files.write(out / "ablation.json", json.dumps({**about, "used": len(used), "results": results}, indent=1) + "\n")
    click.echo(f"Written: {out / 'pictures.jsonl'}, {out / 'ablation.json'}")
