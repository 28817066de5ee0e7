"""What a device does for a pass, a replay of the gates and a survey: python -m benchmarks.devices --device cuda.

Each row is run on the CPU and on the device in turns; ratios are of the medians. On a machine without an accelerator
`--device cpu` compares the CPU with itself, and shows that the command works.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch

from attention import images, survey
from attention.capture import Tracer
from attention.devices import device_of
from attention.models import Network, zoo
from attention.survey import Settings

NAMES = ("efficientnet-b0", "cbam-b0", "timm/seresnet50")


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of a run, until the device is done with it."""
    start = time.perf_counter()
    run()
    if device.type != "cpu":
        torch.get_device_module(device).synchronize(device)
    return time.perf_counter() - start


def ways(network: Network, device: torch.device, batch: int, pictures: survey.PictureList) -> dict[str, Callable]:
    """A pass, a replay, and a survey of the pictures, on the device where the network is."""
    given = network.batch(torch.randn(batch, *network.transform.shape[1:]))
    tracer = Tracer(network.module)
    with torch.inference_mode():
        tracer(given)
    return {
        "pass": lambda: network.module(given),
        "replay": lambda: tracer(given),
        "survey": lambda: survey.run(network, pictures, settings=Settings(batch_size=batch)),
    }


@click.command()
@click.argument("names", nargs=-1)
@click.option("--device", default="auto", show_default=True)
@click.option("--batch", default=32, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="A folder or zip; the samples by default.")
def main(names: tuple[str, ...], device: str, batch: int, rounds: int, data: Path | None) -> None:
    """Seconds on the CPU and on a device, and their ratio; random weights where none are here."""
    there, here = device_of(device), torch.device("cpu")
    pictures = survey.list_pictures(data or images.ASSETS / "samples")
    click.echo(f"{there}, batches of {batch}, {len(pictures)} pictures in the survey")
    click.echo("| network | what | cpu, s | device, s | cpu / device |\n|:--|:--|--:|--:|--:|")
    for name in names or NAMES:
        networks = [zoo.load(name, random=not zoo.here(name)).on(each) for each in (here, there)]
        with torch.inference_mode():
            both = [ways(each, on, batch, pictures) for each, on in zip(networks, (here, there), strict=True)]
            for what in both[0]:
                times: list[list[float]] = [[], []]
                for _ in range(rounds + 1):
                    for place, on in enumerate((here, there)):
                        times[place].append(timed(both[place][what], on))
                own, other = (statistics.median(each[1:]) for each in times)
                click.echo(f"| {name} | {what} | {own:.3f} | {other:.3f} | {own / other:.2f} |")


if __name__ == "__main__":
    main()
