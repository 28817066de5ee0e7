"""Networks by name: their cards, and `load(name)`.

network    what a loaded network is
own        the networks that this project trained
curated    the networks on offer from torchvision, timm and pytorchcv
library    what is asked of these three: from_torchvision, from_timm, from_pytorchcv
downloads  weight files from servers; hub: from Hugging Face
files      weight files that a person brings, recognised by their keys and shapes
"""

import difflib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from attention.records import Card
from attention.zoo import curated, files, library, own
from attention.zoo.curated import LIBRARIES, Entry
from attention.zoo.downloads import DownloadError, Progress, hash_of
from attention.zoo.network import Network, ZooError, preprocessing

if TYPE_CHECKING:  # a card is read without torch, so that a page can show it at once
    from torch import nn

__all__ = [
    "DownloadError",
    "Network",
    "Progress",
    "ZooError",
    "card",
    "files",
    "here",
    "library",
    "load",
    "names",
    "own",
    "preprocessing",
]


def names() -> tuple[str, ...]:
    """The networks on offer: the own ones, in the order in which the subjects build on one another, then the zoos'."""
    return own.names() + curated.names()


def card(name: str) -> Card:
    """The card of a network: one of `names()`, or any other of the zoos, which is then built once to count its gates.

    Raises ZooError where there is no such network, or where it is no classifier of square pictures in colour.
    """
    return own.card(name) if name in own.names() else _entry(name).card


def here(name: str) -> bool:
    """Whether the weights are on this machine already. Raises ZooError where there is no such network."""
    if name in own.names():
        return own.weights_file(name).exists()
    weights = _entry(name).weights
    return weights is not None and weights.here() is not None


def load(name: str | Path, *, random: bool = False, progress: Progress | None = None) -> Network:
    """A network with its trained weights, or with random ones of a fixed seed (0) where that is asked for.

    Weights that are not on this machine are downloaded; `progress` is called with the bytes that have come, and those
    that will come in all, or None. Raises ZooError where there is no such network, and its kind DownloadError where
    the weights cannot be had. A Path is that of a weight file, as `files.load` takes it.
    """
    if isinstance(name, Path):
        return _of_file(name, random=random)
    known = card(name)
    if random:
        return Network(_of_random_weights(known, name), _built(known, name))
    if name in own.names():
        return own.load(name)
    return _trained(known, name, progress or _ignore)


def _of_file(path: Path, *, random: bool) -> Network:
    if random:
        raise ZooError(f"{path.name} is a file of weights; random ones are allowed for networks by name.")
    return files.load(path)


def _trained(known: Card, name: str, progress: Progress) -> Network:
    source, _, short = name.partition("/")
    weights = LIBRARIES[source].weights(short)
    if weights is None:
        raise DownloadError(f"{source} publishes no weights for {short}; random weights are the only ones to be had.")
    file = weights.fetch(progress)
    module, assumed = library.trained(LIBRARIES[source], short, file)
    if not weights.checksum():
        assumed = (*assumed, "that the weight file is whole and unchanged: nobody states its checksum")
    labels = LIBRARIES[source].labels(short)
    known = replace(known, labels=labels, assumed=known.assumed + assumed, sha256=hash_of(file, "sha256"))
    return Network(known, module)


def _built(known: Card, name: str) -> "nn.Module":
    if known.source == "own":
        return library.seeded(lambda: own.build(known))
    source, _, short = name.partition("/")
    return library.seeded(lambda: LIBRARIES[source].build(short))


def _of_random_weights(known: Card, name: str) -> Card:
    """What is still true of a network when its weights are random: nothing that was measured."""
    source, _, short = name.partition("/")
    labels = known.labels or LIBRARIES[source].labels(short)
    unmeasured = replace(known, random=True, labels=labels, accuracy=None, download=0, sha256="")
    return replace(unmeasured, validation_pictures=0, training={}, gate_health=())


def _entry(name: str) -> Entry:
    on_offer = curated.entries()
    if name in on_offer:
        return on_offer[name]
    source, _, short = name.partition("/")
    known = set(LIBRARIES[source].names()) if source in LIBRARIES else set()
    if short not in known:
        raise ZooError(f"There is no classifier {name!r}; {_close(name, known)}.")
    return _looked_up(name)


@lru_cache(maxsize=64)
def _looked_up(name: str) -> Entry:
    return curated.entry(name)


def _close(name: str, known: set[str]) -> str:
    """Which names may have been meant: of the library that was named, or else of those on offer."""
    source, _, short = name.rpartition("/")
    candidates = [f"{source}/{each}" for each in sorted(known)] or names()
    ends = difflib.get_close_matches(short, {each.rpartition("/")[2] for each in candidates})
    close = [each for end in ends for each in candidates if each.rpartition("/")[2] == end]
    return f"near it are {', '.join(close[:4])}" if close else f"there are {', '.join(candidates[:6])} and others"


def _ignore(done: int, total: int | None) -> None:
    """Progress that nobody asked for."""
