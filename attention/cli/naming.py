"""The network that a command's words name, with what had to be assumed of a weight file said."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from attention.bands import bands_of
from attention.models import zoo
from attention.observe import Observation, chosen, load_network, read_picture
from attention.records import Band, Outputs
from attention.serving import read_by

if TYPE_CHECKING:
    import torch


MODEL = "As the dashboard names it, timm/seresnet50; a weight file; or 'FILE as FAMILY', 'FILE:NETWORK as FAMILY'."
BANDS: Any = click.option(
    "--bands",
    callback=read_by(bands_of),
    help="What its input channels read: red,green,blue,grey, numbers or names of bands.",
)


def load(
    model: str, *, random: bool = False, bands: tuple[Band, ...] | None = None, device: "torch.device | None" = None
) -> zoo.Network:
    """The network of these words, on this device. Raises GatescopeError."""
    network = load_network(model, random=random)
    if bands:
        network = network.reading(bands)
    card = network.card
    if card.source == "file":
        click.echo(f"{card.name}: assumed, since the file does not say it: {'; '.join(card.assumed)}.", err=True)
        if any(phrase.startswith("the family: ") for phrase in card.assumed):
            file, part, _ = zoo.named(model)
            named = f"{file}:{part}" if part else file
            click.echo(f"Another of these is had by '{named} as FAMILY'; compare sets two side by side.", err=True)
    return network.on(device)


def observe(picture: Path, model: str, *, outputs: Outputs | None = None, **how: Any) -> Observation:
    """That network on the picture in a file; `how` is what `load` takes. Raises GatescopeError."""
    read = read_picture(picture)
    return Observation(replace(chosen(load(model, **how)), outputs=outputs), read)
