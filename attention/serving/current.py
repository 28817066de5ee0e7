"""The one network of a person's own that this process serves, shared by all visitors."""

import secrets
import sys
import threading
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from attention.foreign import readable
from attention.images import ROOT
from attention.models import Network
from attention.serving.options import names_network, network_of, parsed

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


_put: list[Served] = []
_allowed: list[Path] = []
_parsed = lru_cache(maxsize=1)(parsed)
# Two visitors who come first at the same time must not run a person's code twice.
_building = threading.Lock()


def put(network: Network) -> None:
    """Serve this network from now on."""
    _put[:] = [Served(network, secrets.token_hex(8))]


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


def served() -> Served | None:
    """The network that was put here, or the one that the dashboard's own arguments name; None where there is none.

    The latter is built when it is first asked for. Raises GatescopeError where that fails, and tries again next time.
    """
    if _put:
        return _put[0]
    with _building:
        return _built(ARGUMENTS)


@lru_cache(maxsize=1)
def _built(given: tuple[str, ...]) -> Served | None:
    options = _parsed(given)
    return Served(network_of(options), secrets.token_hex(8)) if names_network(options) else None
