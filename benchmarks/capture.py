"""What a trace costs over a plain pass: python -m benchmarks.capture."""

import time
from collections.abc import Callable

import click
import torch

from attention import networks
from attention.capture import trace


def interleaved(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The shortest time of each, in seconds of this thread; they take turns, so that a busy machine slows all alike."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.thread_time()
            run()
            best[name] = min(best[name], time.thread_time() - start)
    return best


@click.command()
@click.option("--size", default=160, show_default=True, help="Side of the pictures.")
@click.option("--batch", default=1, show_default=True, help="Pictures in a batch.")
@click.option("--rounds", default=20, show_default=True, help="Runs of each; the shortest counts.")
def main(size: int, batch: int, rounds: int) -> None:
    """Times the discovery of the gates as a ratio to the plain pass, on one thread."""
    torch.set_num_threads(1)
    pictures = torch.randn(batch, 3, size, size)
    click.echo(f"{batch} x 3 x {size} x {size}, shortest of {rounds}")
    for name in networks.VARIANTS:
        module = networks.build(name, 10).eval()
        with torch.inference_mode():
            gates = len(trace(module, pictures).gates)
            best = interleaved(
                {"plain": lambda m=module: m(pictures), "trace": lambda m=module: trace(m, pictures)}, rounds
            )
        click.echo(f"{name:11} {gates:2} gates {best['plain'] * 1e3:7.1f} ms x {best['trace'] / best['plain']:.2f}")


if __name__ == "__main__":
    main()
