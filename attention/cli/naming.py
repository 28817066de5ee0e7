"""The network that a command's words name, with what had to be assumed of it said."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from attention import serving
from attention.bands import parse_bands
from attention.models import zoo
from attention.models.code import FORM
from attention.models.libraries import LIBRARIES
from attention.models.states import SeveralNetworksError
from attention.observe import Observation, choice_of, load_network, read_picture
from attention.records import Band, GatescopeError, Outputs
from attention.serving import click_callback

if TYPE_CHECKING:
    import torch


MODEL = (
    "As the dashboard names it, timm/seresnet50; a weight file; 'FILE as FAMILY', 'FILE:NETWORK as FAMILY'; or code of "
    f"your own, {FORM}."
)
BANDS: Any = click.option(
    "--bands",
    callback=click_callback(parse_bands),
    help="What its input channels read: red,green,blue,grey, numbers or names of bands.",
)


OwnCode = Mapping[str, Any]
"""What was said of code, by the names of `serving.CODE_OPTIONS`; None where it was not."""


def takes_code(command: Callable[..., None]) -> Callable[..., None]:
    """Has a command take what may be said of code of one's own, as one argument, `own`."""

    @functools.wraps(command)
    def collected(**given: Any) -> None:
        own = {str(option.name): given.pop(str(option.name)) for option in serving.CODE_OPTIONS}
        command(**given, own=own)

    collected.__dict__.setdefault("__click_params__", []).extend(reversed(serving.CODE_OPTIONS))
    return collected


def is_code(model: str) -> bool:
    """Whether the words name code, `package.module:factory`, and no network of a library and no weight file."""
    return ":" in model and model.partition("/")[0] not in LIBRARIES and isinstance(zoo.named(model).source, str)


def load(
    model: str,
    *,
    random: bool = False,
    bands: tuple[Band, ...] | None = None,
    device: "torch.device | None" = None,
    own: OwnCode | None = None,
) -> zoo.Network:
    """The network of these words, on this device. Raises GatescopeError."""
    stated = {name: value for name, value in (own or {}).items() if value is not None}
    if is_code(model):
        if random:
            raise click.UsageError(f"{model} is code, which makes its weights itself; --random goes with a name.")
        network = serving.network_of({"model": model, "bands": bands, "device": device} | stated)
        if network.card.assumed:
            click.echo(f"{model}: assumed, since nobody says it: {'; '.join(network.card.assumed)}.", err=True)
        return network
    if stated:
        options = ", ".join(option.opts[0] for option in serving.CODE_OPTIONS if option.name in stated)
        raise click.UsageError(f"{options}: what is said of code; --model {FORM} names some, and {model} is none.")
    try:
        network = load_network(model, random=random)
    except SeveralNetworksError as error:
        raise GatescopeError(f"{str(error).rstrip('.')}, as in '{zoo.named(model).source}:{error.parts[0]}'.") from None
    if bands:
        network = network.with_bands(bands)
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
    return Observation(replace(choice_of(load(model, **how)), outputs=outputs), read)
