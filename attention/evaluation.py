"""What the cards claim, measured: top-1 accuracy and the health of every gate over a folder of pictures."""

import contextlib
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch

from attention import capture, images
from attention.models import Network
from attention.records import Gate, GateHealth, GatescopeError, ModelCard

LOW, HIGH = 0.05, 0.95


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The directory itself, or a tar archive's content in a temporary directory."""
    if path.is_dir():
        yield path
        return
    if not (path.is_file() and tarfile.is_tarfile(path)):
        raise GatescopeError(f"{path} is neither a directory of class folders nor a tar archive of one")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
        yield Path(folder)


def measured(network: Network, folder: Path, batch_size: int = 32) -> ModelCard:
    """The network's card with what every picture of a directory of class folders gives: accuracy and gate health.

    Raises GatescopeError where the network names no class folders, or one of them is missing from the directory.
    """
    files = _files(network, folder)
    tracer = capture.Tracer(network.module)
    right, health = 0, dict[str, _Health]()
    with click.progressbar(length=len(files), label=f"evaluating {network.card.name}") as bar:
        for start in range(0, len(files), batch_size):
            chunk = files[start : start + batch_size]
            batch = torch.stack([network.transform(images.read(path.read_bytes())) for path, _ in chunk])
            with torch.inference_mode():
                trace = tracer(batch.contiguous(memory_format=torch.channels_last))
            right += int((trace.output.argmax(1).numpy() == [index for _, index in chunk]).sum())
            for gate in trace.gates:
                health.setdefault(gate.name, _Health(gate)).add(gate)
            bar.update(len(chunk))
    return replace(
        network.card,
        accuracy=right / len(files),
        validation_pictures=len(files),
        gate_health=tuple(each.result() for each in health.values()),
    )


def _files(network: Network, folder: Path) -> list[tuple[Path, int]]:
    if not network.card.classes:
        raise GatescopeError(f"{network.card.name} names no class folders; the project's own networks do")
    missing = [name for name in network.card.classes if not (folder / name).is_dir()]
    if missing:
        raise GatescopeError(f"{folder} lacks class folders of {network.card.name}: {', '.join(missing)}")
    return [
        (path, index) for index, name in enumerate(network.card.classes) for path in sorted((folder / name).iterdir())
    ]


class _Health:
    """Running sums of one gate, in float64."""

    def __init__(self, gate: Gate) -> None:
        self.gate, self.count, self.low, self.high = gate, 0, 0, 0
        self.total = self.squares = np.zeros(gate.values.shape[1:])

    def add(self, gate: Gate) -> None:
        values = gate.values.astype(np.float64)
        self.count += len(values)
        self.low += int((values < LOW).sum())
        self.high += int((values > HIGH).sum())
        self.total = self.total + values.sum(0)
        self.squares = self.squares + (values**2).sum(0)

    def result(self) -> GateHealth:
        variance = self.squares / self.count - (self.total / self.count) ** 2
        seen = self.count * self.total.size
        deviation = float(np.sqrt(variance.clip(min=0)).mean())
        return GateHealth(self.gate.name, self.gate.kind, self.low / seen, self.high / seen, deviation)
