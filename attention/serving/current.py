"""The one network of a person's own that this process serves, shared by all visitors: put here from Python, or by
arguments, `--model package.module:factory`, with what is to be known of it.
"""

import secrets
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import click

from attention.analysis import predictions
from attention.devices import ALLOWED, device_of
from attention.foreign import readable
from attention.images import ROOT
from attention.models import Network
from attention.models.code import FORM, CodeError, ModelOptions, load_weights, make_module, network
from attention.records import GatescopeError


class ServingError(GatescopeError):
    """The dashboard cannot be started, or not with these arguments."""


def click_callback(read: Callable[[Any], Any]) -> Callable[..., Any]:
    """What click makes of a word or a path by a function of the package, whose sentence it gives."""

    def parse(_context: click.Context, _parameter: click.Parameter, given: Any) -> Any:
        try:
            return None if given is None else read(given)
        except GatescopeError as error:
            raise click.BadParameter(str(error)) from error

    return parse


class _Folder(click.Path):
    """A folder that is there. (click's own check lets a pipe, a socket or a device pass for one.)"""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Fails where it is something else."""
        path = Path(super().convert(value, param, ctx))  # type: ignore[arg-type] # of strings and paths, by path_type
        if not path.is_dir():
            self.fail(f"{value} is no folder; one with pictures is allowed.", param, ctx)
        return path


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = _Folder(exists=True, path_type=Path)
OUTPUTS = click.Option(["--outputs"], type=click.Choice(predictions.OUTPUTS), help="What it returns [recognised].")
MODEL = click.Option(["--model"], metavar=FORM.upper(), help="Your network, or what makes it.")
CODE_OPTIONS = (
    click.Option(["--weights"], type=FILE, help="The weights of your code: .safetensors, .pt or .pth."),
    click.Option(["--labels"], type=FILE, help="Its classes: a name a line, or JSON."),
    click.Option(["--image-size"], help="Side of its pictures in pixels, or 256x128 (height first) [224]."),
    click.Option(["--mean"], type=float, nargs=3, metavar="R G B", help="Taken off values of 0 to 1 [ImageNet's]."),
    click.Option(["--std"], type=float, nargs=3, metavar="R G B", help="What the rest is divided by [ImageNet's]."),
    click.Option(["--adapter"], metavar="PACKAGE.MODULE:FUNCTION", help="A batch of pictures to what it takes."),
    click.Option(["--output"], metavar="PATH", help="Which of its outputs is the answer: out, 0, aux.logits."),
    click.Option(["--region"], help="Average a map of scores over: whole, or left,top,right,bottom in shares."),
)
"""What is said of a network of a person's own code alone."""
OPTIONS = (
    MODEL,
    *CODE_OPTIONS,
    OUTPUTS,
    click.Option(
        ["--bands"], help="What each input channel reads: red,green,blue,grey, numbers or names of bands [by how many]."
    ),
    click.Option(["--device"], callback=click_callback(device_of), help=f"{ALLOWED} [where the module is]."),
    click.Option(["--data"], type=FOLDER, multiple=True, help="A folder that visitors may survey; may be repeated."),
)


def parse_arguments(arguments: Sequence[str]) -> dict[str, Any]:
    """The options in arguments. Raises ServingError where they are not as OPTIONS has them."""
    command = click.Command("app.py", params=list(OPTIONS), add_help_option=False)
    try:
        return command.make_context("app.py", list(arguments)).params
    except click.BadParameter as error:
        raise ServingError(
            f"The dashboard was started with an argument that is not allowed: {error.format_message()}"
        ) from error
    except click.ClickException as error:
        allowed = ", ".join(option.opts[0] for option in OPTIONS)
        message = error.format_message().rstrip(".")
        raise ServingError(
            f"The dashboard was started with arguments that it does not know: {message}; {allowed} are allowed."
        ) from error


def names_network(options: Mapping[str, Any]) -> bool:
    """Whether anything is said of a network."""
    return any(value is not None for name, value in options.items() if name != "data")


def network_of(options: Mapping[str, Any]) -> Network:
    """The network that the options name; one that is not there leaves what it says open. Raises CodeError, and what
    the reading of weights and labels raises."""
    if options["model"] is None:
        raise CodeError(f"No network is named; --model {FORM} is what names one.")
    settings = ModelOptions(**{field.name: options.get(field.name) for field in fields(ModelOptions)})
    module = make_module(options["model"])
    if options.get("weights"):
        load_weights(module, options["model"], options["weights"])
    if options.get("device"):
        module.to(options["device"])
    return network(module, options["model"], settings)


APP = ROOT / "app.py"
"""The dashboard."""
# Read at once, since a deep link runs app.py by its path, which puts it in place of whatever program this is.
ARGUMENTS = tuple(sys.argv[1:]) if Path(sys.argv[0]).resolve() == APP else ()
"""What follows `streamlit run app.py --`; nothing where another program has imported the dashboard."""


class Served(NamedTuple):
    """A network that is served."""

    network: Network
    key: str
    """New whenever a network is put here or built anew."""


_current: list[Served] = []
_allowed: list[Path] = []
_parsed = lru_cache(maxsize=1)(parse_arguments)
# Two visitors who come first at the same time must not run a person's code twice.
_building = threading.Lock()


def set_network(network: Network) -> None:
    """Serve this network from now on."""
    _current[:] = [Served(network, secrets.token_hex(8))]


def allow(folders: Iterable[Path]) -> None:
    """Let visitors survey the pictures in these folders from now on."""
    _allowed[:] = folders


def folders() -> dict[str, Path]:
    """The folders that visitors may survey, by their last names; those of a name that is taken have a number too.

    Raises ServingError where the dashboard's arguments are not as they can be.
    """
    named: dict[str, Path] = {}
    for path in (*_allowed, *_parsed(ARGUMENTS)["data"]):
        name = readable(path.resolve().name)
        named[name if name not in named else f"{name} ({len(named) + 1})"] = path
    return named


def current_network() -> Served | None:
    """The network that was put here, or the one that the dashboard's own arguments name; None where there is none.

    The latter is built when it is first asked for. Raises GatescopeError where that fails, and tries again next time.
    """
    if _current:
        return _current[0]
    with _building:
        return _build_network(ARGUMENTS)


@lru_cache(maxsize=1)
def _build_network(given: tuple[str, ...]) -> Served | None:
    options = _parsed(given)
    return Served(network_of(options), secrets.token_hex(8)) if names_network(options) else None
