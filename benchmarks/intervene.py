"""What an edited pass costs, whole and from the edited block on: python -m benchmarks.intervene [NAME ...]."""

from collections.abc import Callable

import click
import torch

from attention import analysis, interventions
from attention.capture import Tracer
from attention.interventions import Edit, EditedPasses
from attention.interventions.modules import SequentialResume
from attention.models import own, zoo
from benchmarks.capture import paired

NAMES = ("se", "cbam", "timm/seresnet50", "torchvision/efficientnet_b0", "torchvision/mobilenet_v3_small")


def interleaved(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The shortest time of each, in seconds of this thread."""
    return {name: min(times) for name, times in paired(runs, 0, rounds).items()}


@click.command()
@click.argument("names", nargs=-1)
@click.option("--rounds", default=10, show_default=True, help="Runs of each; the shortest counts.")
def main(names: tuple[str, ...], rounds: int) -> None:
    """Times one block's gate off, at batch 1 and in a batch of 8 random draws, on one thread.

    Networks of the libraries get random weights: the time is the same.
    """
    torch.set_num_threads(1)
    click.echo(f"shortest of {rounds}; the whole pass -> from the edited block on")
    for name in names or NAMES:
        network = zoo.load(name, random=name not in own.names())
        side = network.card.input_size
        picture, tracer = torch.randn(1, 3, side, side), Tracer(network.module)
        with torch.inference_mode():
            plain = interleaved({"plain": lambda n=network, p=picture: n.module(p)}, rounds)["plain"]
            whole = EditedPasses(tracer, picture, tracer(picture))
        resumed = EditedPasses(tracer, picture, whole.before, SequentialResume(network.module, picture))
        resumed.check_resume()
        assert resumed.resume is not None
        click.echo(f"{name}, {side} px, plain pass {plain * 1e3:.1f} ms{'' if resumed.resume.holds else ', no chain'}")
        _time_blocks(whole, resumed, rounds)


def _time_blocks(whole: EditedPasses, resumed: EditedPasses, rounds: int) -> None:
    gates = whole.before.gates
    blocks = [block.name for block in analysis.blocks(gates)]
    for block in dict.fromkeys((blocks[0], blocks[len(blocks) // 2], blocks[-1])):
        off = [Edit("off", block=block)]
        edit = interventions.applied(off, gates)
        draws = [interventions.random_control(off, gates, seed=0, draw=draw) for draw in range(7)]
        best = interleaved(
            {
                "whole": lambda e=edit: whole.edited(e),
                "resumed": lambda e=edit: resumed.edited(e),
                "whole draws": lambda d=draws: interventions.changes(whole, d),
                "resumed draws": lambda d=draws: interventions.changes(resumed, d),
            },
            rounds,
        )
        times = {key: f"{value * 1e3:.1f}" for key, value in best.items()}
        ratios = (best["resumed"] / best["whole"], best["resumed draws"] / best["whole draws"])
        click.echo(
            f"  {block:32} one pass {times['whole']} -> {times['resumed']} ms (x {ratios[0]:.2f}); "
            f"seven draws {times['whole draws']} -> {times['resumed draws']} ms (x {ratios[1]:.2f})"
        )


if __name__ == "__main__":
    main()
