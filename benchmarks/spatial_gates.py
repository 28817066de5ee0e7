"""What the gates of a CBAM network are worth showing for, on pictures of a data set.

    python -m benchmarks.spatial_gates cbam-b0 --data imagenette-176.tar --one-each imagenet-one-each.tar

Whether it answers as the network that it was made from; whether its gates are alive; how far a spatial gate's map is a
habit of position (rank correlation between pictures, and what a grey card gets, and why); and whether hiding the fifth
of the picture that the last spatial gates open most costs the class more than hiding a blob in the middle, and than
hiding what the gates of another picture name.
"""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from attention import capture, images, survey
from attention.analysis import agreement
from attention.evaluation import data_folder
from attention.models import Network, zoo
from attention.records import Trace

BATCH = 25
LAST = 3
"""Spatial gates, counted from the end, whose mean map names what is hidden."""
HABIT = 100
"""Pictures between which the maps are correlated."""
Array = NDArray[np.floating]


@click.command()
@click.argument("name")
@click.option("--teacher", default="efficientnet-b0", show_default=True, help="The network that it was made from.")
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="A directory or tar, val/.")
@click.option("--one-each", type=click.Path(exists=True, path_type=Path), help="One picture of each class.")
@click.option("--limit", type=click.IntRange(1), help="At most so many pictures of each, spread evenly.")
@click.option("--hidden", default=400, show_default=True, help="Pictures of which a fifth is hidden.")
def main(name: str, teacher: str, data: Path, one_each: Path | None, limit: int | None, hidden: int) -> None:
    """Print what the gates of the network NAME do over DATA/val."""
    network, origin = zoo.load(name), zoo.load(teacher)
    with data_folder(data) as folder:
        pictures = survey.list_pictures(folder / "val").limited(limit)
        report_answers(network, origin, pictures, data.stem)
        maps = report_gates(network, pictures)
        report_habit(network, maps)
        report_cause(network)
        report_hiding(network, pictures.limited(hidden))
    if one_each:
        with data_folder(one_each) as folder:
            report_answers(network, origin, survey.list_pictures(folder).limited(limit), one_each.stem)


def report_answers(network: Network, origin: Network, pictures: survey.PictureList, data: str) -> None:
    """How often both networks have the same first guess, and the divergence of their answers.

    Beside it the same of the other network and itself on the mirrored picture: what its first guess is worth.
    """
    same: dict[str, list[bool]] = {network.card.name: [], f"{origin.card.name} on the mirrored picture": []}
    divergence: dict[str, list[float]] = {name: [] for name in same}
    for batch in batches(network, pictures):
        with torch.inference_mode():
            first = origin.module(batch).log_softmax(1)
            others = (network.module(batch).log_softmax(1), origin.module(batch.flip(3)).log_softmax(1))
        for name, other in zip(same, others, strict=True):
            same[name] += (first.argmax(1) == other.argmax(1)).tolist()
            divergence[name] += (first.exp() * (first - other)).sum(1).tolist()
    for name, kept in same.items():
        kl = float(np.mean(divergence[name]))
        click.echo(f"{data}: {name} has the first guess of {origin.card.name} for {proportion(kept)}; KL {kl:.3f}")


def report_gates(network: Network, pictures: survey.PictureList) -> dict[str, Array]:
    """Each gate's spread; HABIT maps of each spatial gate, evenly spread over the pictures, (HABIT, H, W)."""
    tracer = capture.Tracer(network.module, copy=False)
    places: dict[str, list[Array]] = {}
    channels: dict[str, list[Array]] = {}
    maps: dict[str, list[Array]] = {}
    step = max(1, len(pictures) // HABIT)
    for number, batch in enumerate(batches(network, pictures)):
        kept = [row for row in range(len(batch)) if (number * BATCH + row) % step == 0]
        for gate in tracer(batch).gates:
            if gate.kind == "spatial":
                flat = gate.values.reshape(len(batch), -1)
                places.setdefault(gate.name, []).append(np.stack([flat.mean(1), flat.std(1)], 1))
                maps.setdefault(gate.name, []).append(gate.values[kept])
            elif gate.kind == "channel":
                channels.setdefault(gate.name, []).append(gate.values)
    click.echo("spatial gate: mean; standard deviation over the places, mean over the pictures")
    spread = {name: np.concatenate(values).mean(0) for name, values in places.items()}
    for name, (mean, deviation) in spread.items():
        click.echo(f"  {name}: {mean:.2f}; {deviation:.3f}")
    click.echo("channel gate: standard deviation over the pictures, mean over the channels")
    varied = {name: float(np.concatenate(values).std(0).mean()) for name, values in channels.items()}
    for name, deviation in varied.items():
        click.echo(f"  {name}: {deviation:.3f}")
    alive = sum(deviation >= 0.1 for _, deviation in spread.values())
    moving = sum(deviation >= 0.02 for deviation in varied.values())
    click.echo(
        f"alive: {alive} of {len(spread)} spatial gates (>= 0.1), {moving} of {len(varied)} channel gates (>= 0.02)"
    )
    return {name: np.concatenate(values)[:HABIT] for name, values in maps.items()}


def report_habit(network: Network, maps: dict[str, Array]) -> None:
    """The rank correlation between the maps of different pictures, and what a grey card gets."""
    side = network.card.input_size
    card = {gate.name: gate.values[0] for gate in capture.trace(network.module, torch.zeros(1, 3, side, side)).gates}
    click.echo("spatial gate: rank correlation between pictures; of the usual map with a grey card's, and its extent")
    habits = []
    for name, values in maps.items():
        half = len(values) // 2  # the list is by class: the picture half a list away is of another one
        pairs = zip(values[:half], values[half:], strict=False)
        habits.append(np.mean([agreement.rank_correlation(one, other) or 0.0 for one, other in pairs]))
        usual = agreement.rank_correlation(values.mean(0), card[name])
        alike = "none, the card's is flat" if usual is None else f"{usual:.2f}"
        click.echo(f"  {name}: {habits[-1]:.2f}; {alike}, {card[name].min():.2f} to {card[name].max():.2f}")
    click.echo(f"last half of the blocks: {np.mean(habits[len(habits) // 2 :]):.2f} on average")


class EdgePadded(nn.Conv2d):
    """A convolution with the outermost values repeated beyond the border: a flat picture has no edge then."""

    def forward(self, features: Tensor) -> Tensor:
        half = [extent // 2 for extent in self.kernel_size for _ in range(2)]
        return F.conv2d(F.pad(features, half, "replicate"), self.weight, self.bias, self.stride, groups=self.groups)


def report_cause(network: Network) -> None:
    """Whether zeros around the backbone's convolutions are what a grey card's pattern comes from."""
    side = network.card.input_size
    edged = copy.deepcopy(network.module)
    for part in edged.modules():
        if isinstance(part, nn.Conv2d) and part.padding_mode == "zeros":  # the gates' own reflect
            part.__class__ = EdgePadded
    click.echo(
        "a grey card's spatial gates, largest less least: with zeros around the convolutions; with edges repeated"
    )
    cards = [capture.trace(module, torch.zeros(1, 3, side, side)).gates for module in (network.module, edged)]
    for gate, other in zip(*cards, strict=True):
        if gate.kind == "spatial":
            click.echo(f"  {gate.name}: {gate.maximum - gate.minimum:.3f}; {other.maximum - other.minimum:.3f}")


def report_hiding(network: Network, pictures: survey.PictureList) -> None:
    """How much the first guess loses with a fifth of the picture hidden, by what named the fifth."""
    tracer = capture.Tracer(network.module, copy=False)
    given, seen = [], []
    for batch in batches(network, pictures):
        given.append(batch)
        seen.append(last_map(tracer(batch), batch.shape[-1]))
    batch, named = torch.cat(given), np.concatenate(seen)
    blob = agreement.centre_blob(tuple(batch.shape[2:]))
    others = np.roll(named, len(named) // 2, 0)  # of another class: the list is by class
    before, classes = answers(network, batch)
    choices = {"gates": named, "blob": np.broadcast_to(blob, named.shape), "others": others}
    lost = {what: before - answers(network, hide(batch, maps), classes)[0] for what, maps in choices.items()}
    click.echo(f"a fifth of {len(batch)} pictures hidden behind the mean colour; mean loss of the first guess:")
    click.echo("  " + ", ".join(f"{what} {values.mean():.3f}" for what, values in lost.items()))
    over_blob, over_others = (lost["gates"] > lost[what] for what in ("blob", "others"))
    click.echo(f"  the gates' fifth costs more than a blob in the middle for {proportion(over_blob)}")
    click.echo(f"  the gates' fifth costs more than that of another picture's gates for {proportion(over_others)}")
    click.echo(f"  more than either for {proportion(over_blob & over_others)}")


def batches(network: Network, pictures: survey.PictureList) -> Iterator[Tensor]:
    """Pictures as the network sees them, float32 (N, 3, S, S)."""
    for start in range(0, len(pictures), BATCH):
        numbers = range(start, min(start + BATCH, len(pictures)))
        yield torch.stack([network.transform(images.read(pictures.read(number))) for number in numbers])


def last_map(trace: Trace, side: int) -> Array:
    """The mean of the last spatial gates on the picture's grid, (N, side, side)."""
    gates = [gate.values for gate in trace.gates if gate.kind == "spatial"][-LAST:]
    rows = range(len(gates[0]))
    return np.stack([np.mean([agreement.resampled(values[row], (side, side)) for values in gates], 0) for row in rows])


def hide(batch: Tensor, maps: Array) -> Tensor:
    """The highest fifth of each map (N, H, W) is 0 in all channels: the mean colour."""
    hidden = np.stack([agreement.top(values) >= 0.5 for values in maps])
    return batch.masked_fill(torch.from_numpy(hidden)[:, None], 0)


def answers(network: Network, batch: Tensor, classes: Tensor | None = None) -> tuple[Array, Tensor]:
    """The probability of these classes, or of each picture's first guess."""
    with torch.inference_mode():
        probabilities = torch.cat([network.module(part).softmax(1) for part in batch.split(BATCH)])
    classes = probabilities.argmax(1) if classes is None else classes
    return probabilities.gather(1, classes[:, None])[:, 0].numpy(), classes


def proportion(outcomes: Sequence[bool] | NDArray[np.bool_]) -> str:
    """The share, with its 95% interval (Wilson), and the count."""
    n, p, z = len(outcomes), float(np.mean(outcomes)), 1.96
    middle, half = (p + z * z / 2 / n), z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return f"{p:.1%} of {n} pictures ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
