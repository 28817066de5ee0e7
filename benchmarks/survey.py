"""What a survey costs over a bare loop, how fast it is, and what memory it takes: python -m benchmarks.survey.

On a shared machine only ratios of loops that took turns say something: the loops run again and again in random order,
each over the same pictures, and the round of each with the least time counts. The time of the processors, over all
threads and child processes, says what work a loop does; how fast it is, only the clock of a machine that is idle.
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from attention import images, survey
from attention.models import Network, zoo
from attention.survey import passes, running


def bare(network: Network, pictures: survey.PictureList, batch_size: int) -> None:
    """The survey's own loader and threads, and predictions alone."""
    plan = passes.BatchPlan(network, pictures, (), batch_size)

    def predicted(number: int) -> list[int]:
        batch, _ = passes.read_batch(plan, range(number * batch_size, min((number + 1) * batch_size, len(pictures))))
        with torch.inference_mode():
            return network.module(batch).argmax(1).tolist()

    for _ in running.map_ordered(predicted, range(len(plan)), running.processors()):
        pass


class Dataset(torch.utils.data.Dataset):
    """Pictures as the usual loop has them."""

    def __init__(self, network: Network, pictures: survey.PictureList) -> None:
        self.network, self.pictures = network, pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, number: int) -> torch.Tensor:
        return self.network.transform(images.read(self.pictures.read(number)))


def usual(network: Network, pictures: survey.PictureList, loaders: int) -> None:
    """A DataLoader with batches of 32, and predictions alone; torch takes a thread for each processor."""
    before = torch.get_num_threads()
    torch.set_num_threads(running.processors())
    with torch.inference_mode():
        for batch in torch.utils.data.DataLoader(Dataset(network, pictures), 32, num_workers=loaders):
            network.module(batch).argmax(1).tolist()
    torch.set_num_threads(before)


def least(loops: dict[str, Callable[[], object]], rounds: int) -> dict[str, NDArray[np.float64]]:
    """Seconds on the clock and of the processors, (2,), the least of each over the rounds; the first only warms up."""
    taken: dict[str, list[list[float]]] = {name: [] for name in loops}
    for _ in range(rounds + 1):
        for name in random.sample(list(loops), len(loops)):
            clock, before = time.perf_counter(), sum(os.times()[:4])
            loops[name]()
            taken[name].append([time.perf_counter() - clock, sum(os.times()[:4]) - before])
    return {name: np.min(each[1:], 0) for name, each in taken.items()}


def noise(folder: Path, count: int, side: int) -> Path:
    """A folder of ten classes of random pictures."""
    chance = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"class {number % 10}" / f"{number:06}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(chance.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path, quality=75)
    return folder


def peak(folder: Path, model: str) -> float:
    """MB that a process surveying the folder held at most; the pictures are shown to it at 32 px, to be quick."""
    code = "from benchmarks.survey import print_peak; print_peak()"
    run = subprocess.run([sys.executable, "-c", code, str(folder), model], capture_output=True, text=True, check=True)
    return float(run.stdout)


def print_peak() -> None:
    """In a process of its own: survey the folder, and print the peak of its memory in MB."""
    folder, model = sys.argv[1:]
    network = zoo.load(model, random=True)
    network = Network(replace(network.card, input_size=32), network.module)
    survey.run(network, survey.list_pictures(Path(folder)), settings=survey.Settings(batch_size=32))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@click.command()
@click.option("--model", default="torchvision/mobilenet_v3_large", show_default=True, help="With random weights.")
@click.option("--pictures", "count", default=96, show_default=True, help="In each round.")
@click.option("--rounds", default=5, show_default=True, help="The one with the least time counts, of each loop.")
@click.option("--memory", is_flag=True, help="The peak of memory at 1,000 and 10,000 pictures instead.")
@click.option("--against", type=click.Choice(["bare", "usual", "ray"]), multiple=True, default=["bare", "usual"])
def main(model: str, count: int, rounds: int, memory: bool, against: tuple[str, ...]) -> None:
    """Times the survey of generated pictures in turns with the loops that it is compared with."""
    with tempfile.TemporaryDirectory() as folder:
        if memory:
            _print_memory(Path(folder), model)
            return
        pictures = survey.list_pictures(noise(Path(folder), count, 256))
        network = zoo.load(model, random=True)
        loops: dict[str, Callable[[], object]] = {"survey": lambda: survey.run(network, pictures)}
        if "bare" in against:
            loops["bare loop, same loader"] = lambda: bare(network, pictures, 8)
        for workers in (0, 1, 2) if "usual" in against else ():
            loops[f"DataLoader, {workers} workers"] = lambda workers=workers: usual(network, pictures, workers)
        if "ray" in against:
            loops["survey on Ray"] = lambda: survey.run(network, pictures, settings=survey.Settings(engine="ray"))
        best = least(loops, rounds)
    click.echo(f"{model}, {count} pictures, {running.processors()} processors; load {os.getloadavg()[0]:.1f}")
    for name, (clock, work) in best.items():
        ratios = best[name] / best["survey"]
        speed = f"{count / clock:6.1f} pictures/s, {1e3 * work / count:5.1f} ms of work a picture"
        click.echo(f"{name:24} {speed}; over the survey: time x {ratios[0]:.2f}, work x {ratios[1]:.2f}")


def _print_memory(folder: Path, model: str) -> None:
    for count in (1_000, 10_000):
        (folder / str(count)).mkdir()
        click.echo(f"{count:6,} pictures: at most {peak(noise(folder / str(count), count, 32), model):.0f} MB")


if __name__ == "__main__":
    main()
