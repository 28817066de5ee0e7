"""The command line: networks trained, measured and served; pictures compared, reported on and edited; surveys."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from attention import files, images, interventions, process, serving
from attention.analysis import predictions
from attention.cli.naming import BANDS, MODEL, OwnCode, is_code, load, takes_code
from attention.devices import ALLOWED, device_of
from attention.numbers import amount, fixed, magnitude, span
from attention.records import Band, GatescopeError, Ground, ModelCard

if TYPE_CHECKING:
    import torch

    from attention.attribution import Method
    from attention.comparison import Compared
    from attention.models import Network


class AnyPath(click.Path):
    """A path that may lead nowhere yet. (An empty one would be the working directory.)"""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Fails where it is empty."""
        if value == "":
            self.fail("it is empty; a path is allowed.", param, ctx)
        return super().convert(value, param, ctx)


DATA = click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="A directory or a tar.")


@serving.click_callback
def _out_folder(path: Path) -> Path:
    """Raises FileError, before anything is computed, where no such folder can be made."""
    files.check_writable(path)
    return path


@serving.click_callback
def _out_file(path: Path) -> Path:
    """Raises FileError, before anything is computed, where no such file can be written."""
    files.check_writable(path.parent)
    files.check_replaceable(path)
    return path


CHECKPOINT = click.option(
    "--checkpoint", type=AnyPath(path_type=Path), required=True, callback=_out_file, help="Where the run is kept."
)
OUTPUTS = click.option(
    "--outputs", type=click.Choice(predictions.OUTPUTS), help="What the network returns; logits, or as recognised."
)
DEVICE = click.option("--device", callback=serving.click_callback(device_of), help=f"{ALLOWED}; the CPU by default.")
GROUND = click.option(
    "--ground", type=click.Choice(get_args(Ground)), default="light", show_default=True, help="What the figure is on."
)
RANDOM = click.option("--random", is_flag=True, help="With random weights in place of the trained ones.")
LIMIT = click.option(
    "--limit", type=click.IntRange(1), help="At most so many pictures, spread evenly over all of them."
)
FOLDER = click.option("--out", type=AnyPath(path_type=Path), required=True, callback=_out_folder, help="A folder.")


def _one_file(what: str) -> Any:
    kind = AnyPath(path_type=Path, dir_okay=False)
    return click.option("--out", required=True, type=kind, callback=_out_file, help=what)


HOST = re.compile(r"[\w-]+([.][\w-]+)*[.]?", re.ASCII)


def _hosts(_context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Raises click.BadParameter where no visitor's browser can call the server so."""
    for name in names:
        if not HOST.fullmatch(name):
            allowed = "one such as dashboard.example, without http://, port and path, is allowed"
            raise click.BadParameter(f"{name[:80]!r} is no name of a server; {allowed}.")
    return names


@click.group()
def main() -> None:
    """See what attention gates do inside convolutional networks."""
    process.share_the_processors()


@main.command(params=[*serving.OPTIONS])
@click.option("--port", type=click.IntRange(1, 65535), help="8501 by default, or the next free one.")
@click.option("--address", default="localhost", show_default=True, help="0.0.0.0 lets other machines in.")
@click.option(
    "--host", multiple=True, envvar="GATESCOPE_HOSTS", callback=_hosts,
    help="A name by which others reach it; may be repeated.",
)  # fmt: skip
@click.option("--headless", is_flag=True, help="Leave the browser alone.")
def serve(port: int | None, address: str, host: tuple[str, ...], headless: bool, **options: Any) -> None:
    """Open the dashboard; on a network of your own with --model package.module:factory, run as the code that it is."""
    network = serving.network_of(options) if serving.names_network(options) else None
    serving.allow(options["data"])
    serving.show(network, port=port, address=address, hosts=host, headless=headless)


@main.command()
@click.argument("variant")
@DATA
@CHECKPOINT
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of torch; its own choice by default.")
@DEVICE
def train(variant: str, data: Path, checkpoint: Path, threads: int | None, device: "torch.device | None") -> None:
    """Train a VARIANT (plain, se, cbam, se-resnext; cbam-b0 learns from EfficientNet-B0) on the pictures in DATA/train,
    or go on from its checkpoint."""
    import torch

    from attention import distillation, evaluation, training

    if threads:
        torch.set_num_threads(threads)
    with evaluation.data_folder(data) as folder:
        pictures = training.load_pictures(folder / "train")
        if variant == distillation.NAME:
            distillation.train(pictures, checkpoint, device=device)
        else:
            training.train(variant, pictures, checkpoint, device=device)


@main.command()
@click.argument("variant")
@DATA
@CHECKPOINT
@click.option("--labels", type=click.Path(exists=True, path_type=Path), help="JSON: class folder to label.")
@click.option(
    "--input-size", type=click.IntRange(1, images.LARGEST_SIDE), default=160, show_default=True,
    help="Side of the picture the network sees, in pixels.",
)  # fmt: skip
def export(variant: str, data: Path, checkpoint: Path, labels: Path | None, input_size: int) -> None:
    """Write a trained VARIANT's weight file and card to assets/weights; the card is measured on DATA/val.

    That of cbam-b0 has no accuracy: its classes are ImageNet's. Measure it with benchmarks/spatial_gates.py.
    """
    from attention import distillation, evaluation, training
    from attention.models import own

    files.check_writable(own.WEIGHTS)
    if variant == distillation.NAME:
        own.save(*distillation.export(checkpoint, data.stem))
        return
    called = _labels(labels)
    with evaluation.data_folder(data) as folder:
        card, weights = training.export(variant, checkpoint, data.stem, input_size)
        card = replace(card, labels=tuple(called.get(name, name) for name in card.classes))
        card = evaluation.card_with_accuracy(own.assemble(card, weights), folder / "val")
    own.save(card, weights)
    _report(card)


@main.command()
@click.argument("name")
@DATA
@click.option("--save", is_flag=True, help="Write the health of the gates into the card, where it has no accuracy.")
@click.option("--limit", type=click.IntRange(1), help="For the health alone: at most so many pictures, spread evenly.")
@DEVICE
def evaluate(name: str, data: Path, save: bool, limit: int | None, device: "torch.device | None") -> None:
    """Measure the network NAME on the pictures in DATA/val: the health of its gates, and top-1 where the card has it.

    A network that knows other classes than those of the pictures has no accuracy on them.
    """
    from attention import evaluation
    from attention.models import own, zoo

    network = zoo.load(name).on(device)
    known = network.card.accuracy
    if save:
        if known is not None or name not in own.names():
            raise click.UsageError(f"{name}: only the card of a network without accuracy that comes with Gatescope.")
        files.check_writable(own.WEIGHTS)
    with evaluation.data_folder(data) as folder:
        if known is None:
            card = evaluation.card_with_health(network, folder / "val", data.stem, limit)
        else:
            card = evaluation.card_with_accuracy(network, folder / "val")
    _report(card)
    if known not in (None, card.accuracy):
        click.echo(f"The card says {known:.2%}.")
    if save:
        own.save_card(replace(card, classes=(), labels=()))  # ImageNet's stand in one place


@main.command()
def cards() -> None:
    """Make the cards of the torchvision, timm and pytorchcv networks on offer anew: assets/zoo/cards.json."""
    from attention.models import zoo

    files.check_writable(zoo.FILE.parent)
    for card in zoo.save_cards():
        gates = ", ".join(f"{count} {kind}" for kind, count in (card.gates or {}).items()) or "none"
        click.echo(f"{card.name}: {magnitude(card.parameters)} parameters, {card.input_size} px, gates: {gates}")


@main.command()
@click.argument("picture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", "models", multiple=True, required=True, help=f"Two to four of them. {MODEL}")
@click.option("--class", "label", help="The class, by its label; by default the first network's first guess.")
@click.option("--method", default="grad-cam", show_default=True, help="How the class heatmaps are made.")
@click.option("--layer", "layers", multiple=True, help="What Grad-CAM reads: one block for all, or one for each model.")
@click.option("--random", is_flag=True, help="Random weights for the networks of other libraries; nothing is fetched.")
@OUTPUTS
@BANDS
@DEVICE
@GROUND
@FOLDER
@takes_code
def compare(
    picture: Path,
    models: tuple[str, ...],
    label: str | None,
    device: "torch.device | None",
    out: Path,
    ground: Ground,
    own: OwnCode,
    **how: Any,
) -> None:
    """Set two to four networks side by side on PICTURE: OUT/compare.json and OUT/compare.png.

    The file has, for each network, its parameters, MACs, shortest pass in seconds, top classes, gates and
    class heatmap; each spatial gate is ranked among the same gate for the samples. Grad-CAM reads the last block unless
    --layer names others, as the dashboard and the file name them.
    """
    import torch

    from attention import comparison, images
    from attention.bands import has_bands
    from attention.charts import printed
    from attention.observe import Observation, choice_of, read_picture

    if not 2 <= len(models) <= 4:
        named = amount(len(models), "network was", "networks were")
        raise click.UsageError(f"{named} named with --model; two to four are allowed.")
    random, outputs, bands = how.pop("random"), how.pop("outputs"), how.pop("bands")
    seen, methods = read_picture(picture), _methods(len(models), **how)
    of_code = any(map(is_code, models))
    networks = [
        _load(name, random=random, bands=bands, device=device, own=own if is_code(name) or not of_code else None)
        for name in models
    ]
    others = [other for each in images.samples() if (other := read_picture(each.path)).key != seen.key]
    others = [other for other in others if all(has_bands(other.image, network.card.bands) for network in networks)]
    observations = [Observation(replace(choice_of(network), outputs=outputs), seen) for network in networks]
    columns = comparison.compare(observations, label, methods=methods, others=others)
    about = {
        "picture": picture.name,
        "other pictures": [each.name for each in others],
        "threads": torch.get_num_threads(),
    }
    files.write(out / "compare.json", json.dumps(about | comparison.to_dict(columns), indent=1) + "\n")
    files.write(out / "compare.png", printed.networks(seen.image, columns, ground=ground))
    for each in columns:
        _describe(each)


def _load(name: str, *, random: bool, **how: Any) -> "Network":
    """The network of a weight file, or by name; only the other libraries' take random weights."""
    from attention.models import own, zoo

    source = zoo.named(name).source
    return load(name, random=random and isinstance(source, str) and source not in own.names(), **how)


def _methods(models: int, method: str, layers: tuple[str, ...]) -> "list[Method]":
    """Raises click.UsageError where there is no such method, or no layer that it reads."""
    from attention.attribution import METHODS, make_method, reads_block

    if method not in METHODS:
        raise click.UsageError(f"There is no method {method!r}; there are {', '.join(METHODS)}.")
    if not reads_block(method) and layers:
        readers = " and ".join(filter(reads_block, METHODS))
        raise click.UsageError(f"{method} reads the picture itself; --layer is for {readers}.")
    if len(layers) not in (0, 1, models):
        raise click.UsageError(f"{len(layers)} were named with --layer; one, or one for each --model, is allowed.")
    return [make_method(method, layer) for layer in layers or (None,)]


def _describe(column: "Compared") -> None:
    from attention import analysis

    mark = " (random weights)" if column.card.random else ""
    guess = "no score for each class"
    if column.probabilities is not None:
        label, probability = analysis.top(column.probabilities, column.labels, 1)[0]
        guess = f"{label} {probability:.1%}"
    click.echo(f"{column.card.name}{mark}: {guess}")
    if column.target is not None and column.heatmap:
        heatmap, asked = column.heatmap, column.observation.targets[column.target]
        asked = asked if column.probabilities is None else f"P({asked})"
        values = span(heatmap.minimum, heatmap.maximum)
        click.echo(f"  {asked} {column.observation.answer(column.target)}, {heatmap.method} {values}")


@main.command()
@click.argument("source", metavar="FOLDER", type=AnyPath(path_type=Path))
@click.option("--model", required=True, metavar="NAME", help=MODEL)
@_one_file("The result, a Parquet file.")
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@click.option("--batch-size", type=int, default=8, show_default=True, help="Pictures in one forward pass.")
@click.option("--workers", type=int, help="Threads, or processes of Ray; one for each processor by default.")
@click.option("--gpus", type=float, default=0, help="The GPUs, or the share of one, that each worker of Ray asks for.")
@LIMIT
@click.option("--resume", is_flag=True, help="Go on where a survey with the same --out was stopped.")
@BANDS
@DEVICE
@takes_code
def survey(
    source: Path,
    model: str,
    limit: int | None,
    bands: tuple[Band, ...] | None,
    device: "torch.device | None",
    own: OwnCode,
    **settings: Any,
) -> None:
    """What every gate does over the pictures of FOLDER, by class.

    FOLDER has a folder of pictures for each class; a zip file of one, or a CSV file with the columns path and label,
    is as good. Ctrl-C stops after the batch at hand; what was counted is kept for --resume.
    """
    from attention.cli import surveys
    from attention.survey import Settings

    surveys.survey(source, model, limit, Settings(**settings), bands=bands, device=device, own=own)


@main.command()
@click.argument("source", metavar="PICTURE|RESULT.parquet", type=AnyPath(path_type=Path))
@click.option("--model", metavar="NAME", help=f"Of a picture. {MODEL}")
@RANDOM
@OUTPUTS
@BANDS
@_one_file("The report, one HTML file.")
@DEVICE
@takes_code
def report(source: Path, out: Path, model: str | None, **how: Any) -> None:
    """Write what a network makes of a picture, or what a survey found, into one HTML file that works offline."""
    from attention.cli.report import report as write

    click.echo(write(source, out, model=model, **how))


@main.command("ablate")
@click.argument("picture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", default="cbam", show_default=True, help=MODEL)
@click.option("--edits", type=AnyPath(path_type=Path), help="A JSON file of edits; without, each block off in turn.")
@RANDOM
@OUTPUTS
@BANDS
@click.option(
    "--off", type=click.Choice(interventions.OFF), default="neutral", show_default=True,
    help="What it means: the neutral value, the mean over the samples, another picture's gate.",
)  # fmt: skip
@click.option(
    "--other", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The picture for --off resample."
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of the random draws.")
@click.option(
    "--draws", type=click.IntRange(19, 100_000),
    help="For each p; by default so many that one block can be evidence.",
)  # fmt: skip
@DEVICE
@GROUND
@FOLDER
@takes_code
def ablate_command(out: Path, **request: Any) -> None:
    """Switch gates off in one PICTURE, beside random edits of the same size: OUT/ablation.json and .png."""
    from attention.cli.ablation import AblationRequest, ablate

    ablate(AblationRequest(**request), out)


@main.command("many")
@click.argument("source", metavar="FOLDER", type=AnyPath(path_type=Path))
@click.option("--model", default="cbam", show_default=True, help=MODEL)
@click.option(
    "--measure", type=click.Choice(["ablation", "agreement", "deletion"]), default="ablation", show_default=True,
    help="Each block off; gates against class heatmaps; heatmaps against other maps by deletion and insertion.",
)  # fmt: skip
@click.option(
    "--off", type=click.Choice(["neutral", "mean"]), default="neutral", show_default=True,
    help="What off means: the neutral value, or the mean over the samples.",
)  # fmt: skip
@RANDOM
@OUTPUTS
@BANDS
@LIMIT
@FOLDER
@takes_code
def many_command(out: Path, **request: Any) -> None:
    """Measure every picture of FOLDER, or of a zip: median, interval and signs over the pictures, in OUT/MEASURE.json.

    Each picture is a line of OUT/pictures.jsonl. Ctrl-C stops after the picture at hand, and the same command goes on.
    """
    from attention.cli.ablation import ManyRequest, over_many

    over_many(ManyRequest(**request), out)


@main.command("ablate-many", hidden=True, params=[each for each in many_command.params if each.name != "measure"])
@click.pass_context
def ablate_many_command(context: click.Context, **request: Any) -> None:
    """What `many --measure ablation` was called before."""
    context.invoke(many_command, measure="ablation", **request)


@main.command()
@click.argument("result", type=AnyPath(path_type=Path, dir_okay=False))
@click.option("--model", help="The network, where it is not one that the result can name: a weight file, or code.")
@_one_file("A safetensors file.")
@takes_code
def fold(result: Path, model: str | None, out: Path, own: OwnCode) -> None:
    """Fold the channels that are constant over a survey's pictures into the weights beside their gates.

    RESULT is the survey's file. Each step is checked to be exact; what the network answers then is compared over the
    samples.
    """
    from attention.cli import surveys

    click.echo(surveys.fold(result, model, out, own))


def _labels(path: Path | None) -> dict[str, str]:
    """What class folders are called, from a file. Raises FileError and GatescopeError."""
    data = files.read(path) if path else "{}"
    try:
        labels = json.loads(data)
    except ValueError:
        labels = None
    if not isinstance(labels, dict) or not all(isinstance(label, str) for label in labels.values()):
        raise GatescopeError(f"{path} is no table of labels; a JSON object from class folder to label is allowed.")
    return labels


def _report(card: ModelCard) -> None:
    top = "no accuracy"
    if card.accuracy is not None:
        top = f"top-1 {card.accuracy:.2%} of {card.validation_pictures} pictures"
    click.echo(f"{card.name}: {top} at {card.input_size} px")
    for gate in card.gate_health:
        click.echo(f"  {gate.name}: {gate.low:.1%} < 0.05, {gate.high:.1%} >= 0.95, deviation {fixed(gate.deviation)}")


def run() -> int:
    """The command that the arguments name: its exit status. Raises what `attention.__main__` makes sentences of."""
    name = "gatescope" if Path(sys.argv[0]).stem == "gatescope" else "python -m attention"
    return main(prog_name=name, standalone_mode=False) or 0
