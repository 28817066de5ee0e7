"""What the tests of the survey share: networks of a few channels, folders of small pictures, and a slow twin."""

import os
import signal
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from attention import capture, images, survey
from attention.models import Network
from attention.records import ModelCard


class Tiny(nn.Module):
    """A channel gate of three channels and a spatial gate, and as many outputs as asked for."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        self.channel, self.place = nn.Linear(3, 3), nn.Conv2d(3, 1, 3, padding=1)
        self.head = nn.Linear(3, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = x * torch.sigmoid(4 * self.channel(x.mean((2, 3))))[:, :, None, None]
        return self.head((x * torch.sigmoid(self.place(x))).mean((2, 3)))


class Mortal(Tiny):
    """Kills the process that runs it first, if that is not the one that made it."""

    def __init__(self, grave: Path) -> None:
        super().__init__()
        self.grave, self.maker = grave, os.getpid()

    def forward(self, x: Tensor) -> Tensor:
        if os.getpid() != self.maker and not self.grave.exists():
            self.grave.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)


def network(module: nn.Module | None = None, size: int = 8, classes: tuple[str, ...] = ("a", "b", "c")) -> Network:
    """A network around the module, with weights of a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = module or Tiny(len(classes))
    card = ModelCard("tiny", "Tiny", "", "own", "MIT", 0, size, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), classes=classes)
    card = ModelCard(**vars(card) | {"labels": classes})
    return Network(card, module.eval())


def folder(root: Path, counts: dict[str, int], side: int = 10) -> Path:
    """A folder of noise for each class, each picture of another colour."""
    random = np.random.default_rng(len(counts))
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            noise = random.integers(0, 56, (side, side, 3)) + random.integers(0, 200, 3)
            Image.fromarray(noise.astype(np.uint8)).save(root / name / f"{number:05}.png", compress_level=1)
    return root


def all_values(net: Network, pictures: survey.PictureList) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Every gate value of every picture, one pass each, and the outputs named first: what a survey never holds."""
    values, predicted = {}, []
    for number in range(len(pictures)):
        with torch.inference_mode():
            trace = capture.trace(net.module, net.transform(images.read(pictures.read(number)))[None])
        predicted.append(int(trace.output.argmax()))
        for gate in trace.gates:
            values.setdefault(gate.name, []).append(gate.values[0])
    return {name: np.stack(each).astype(np.float64) for name, each in values.items()}, np.array(predicted)


def same(one: Any, two: Any) -> bool:
    """Whether two results, or parts of them, are equal to the last bit, but for what is of the run alone."""
    if is_dataclass(one):
        return all(same(getattr(one, field.name), getattr(two, field.name)) for field in fields(one))
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
    if isinstance(one, dict):
        one, two = ({key: value for key, value in each.items() if key != "run"} for each in (one, two))
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(two) and all(map(same, one, two))
    return one == two or (one != one and two != two)
