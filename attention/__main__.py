"""The command line: train the project's own networks, make their weight files and cards, and measure them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from attention.records import Card, GatescopeError

DATA = click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="A directory or a tar.")
CHECKPOINT = click.option("--checkpoint", type=click.Path(path_type=Path), required=True, help="Where the run is kept.")


@click.group()
def main() -> None:
    """See what attention gates do inside convolutional networks."""


@main.command()
@click.argument("variant")
@DATA
@CHECKPOINT
@click.option("--threads", type=click.IntRange(1), help="Threads of torch; its own choice by default.")
def train(variant: str, data: Path, checkpoint: Path, threads: int | None) -> None:
    """Train a VARIANT (plain, se, cbam, se-resnext) on the pictures in DATA/train, or go on from its checkpoint."""
    import torch

    from attention import evaluation, training

    if threads:
        torch.set_num_threads(threads)
    with evaluation.opened(data) as folder:
        training.train(variant, training.load_pictures(folder / "train"), checkpoint)


@main.command()
@click.argument("variant")
@DATA
@CHECKPOINT
@click.option("--labels", type=click.Path(exists=True, path_type=Path), help="JSON: class folder to label.")
@click.option("--input-size", default=160, show_default=True, help="Side of the picture the network sees, in pixels.")
def export(variant: str, data: Path, checkpoint: Path, labels: Path | None, input_size: int) -> None:
    """Write a trained VARIANT's weight file and card to assets/weights; the card is measured on DATA/val."""
    from attention import evaluation, training
    from attention.zoo import own

    called = json.loads(labels.read_text()) if labels else {}
    with evaluation.opened(data) as folder:
        card = training.export(variant, checkpoint, data.stem, input_size)
        card = replace(card, labels=tuple(called.get(name, name) for name in card.classes))
        card = evaluation.measured(own.assemble(card), folder / "val")
    own.save_card(card)
    _report(card)


@main.command()
@click.argument("name")
@DATA
def evaluate(name: str, data: Path) -> None:
    """Measure the network NAME on the pictures in DATA/val: top-1 and the health of its gates."""
    from attention import evaluation, zoo

    network = zoo.load(name)
    with evaluation.opened(data) as folder:
        card = evaluation.measured(network, folder / "val")
    _report(card)
    if card.accuracy != network.card.accuracy:
        click.echo(f"The card says {network.card.accuracy:.2%}.")


@main.command()
def cards() -> None:
    """Make the cards of the torchvision, timm and pytorchcv networks on offer anew: assets/zoo/cards.json."""
    from attention.zoo import curated

    for card in curated.save():
        gates = ", ".join(f"{count} {kind}" for kind, count in (card.gates or {}).items()) or "none"
        click.echo(f"{card.name}: {card.parameters / 1e6:.1f} M parameters, {card.input_size} px, gates: {gates}")


@main.command()
@click.argument("source", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--model", required=True, metavar="NAME", help="As the dashboard names it: timm/seresnet50; or a weight file."
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The result, a Parquet file."
)
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@click.option("--batch-size", type=int, default=8, show_default=True, help="Pictures in one forward pass.")
@click.option("--workers", type=int, help="Threads, or processes of Ray; one for each processor by default.")
@click.option("--limit", type=click.IntRange(1), help="At most so many pictures, spread evenly over all of them.")
@click.option("--resume", is_flag=True, help="Go on where a survey with the same --out was stopped.")
def survey(source: Path, model: str, limit: int | None, **settings: Any) -> None:
    """What every gate does over the pictures of FOLDER, by class.

    FOLDER has a folder of pictures for each class; a zip file of one, or a CSV file with the columns path and label,
    is as good. Ctrl-C stops after the batch at hand; what was counted is kept for --resume.
    """
    from attention.survey import command

    command.survey(source, model, limit, command.Settings(**settings))


@main.command()
@click.argument("source", metavar="PICTURE|RESULT.parquet", type=click.Path(path_type=Path))
@click.option("--model", metavar="NAME", help="Of a picture: a name of the zoo, timm/seresnet50, or a weight file.")
@click.option("--random", is_flag=True, help="With random weights in place of the trained ones.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The report, one HTML file."
)
def report(source: Path, out: Path, model: str | None, random: bool) -> None:
    """Write what a network makes of a picture, or what a survey found, into one HTML file that works offline."""
    from attention.report import command

    click.echo(command.report(source, out, model=model, random=random))


def _report(card: Card) -> None:
    click.echo(f"{card.name}: top-1 {card.accuracy:.2%} of {card.validation_pictures} pictures at {card.input_size} px")
    for gate in card.gate_health:
        click.echo(f"  {gate.name}: {gate.low:.1%} < 0.05, {gate.high:.1%} > 0.95, deviation {gate.deviation:.3f}")


def run() -> None:
    """The entry point: an error of the package is one sentence, not a traceback."""
    try:
        main(prog_name="python -m attention")
    except GatescopeError as error:
        raise SystemExit(f"Error: {error}") from None


if __name__ == "__main__":
    run()
