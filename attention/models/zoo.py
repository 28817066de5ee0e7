"""The networks on offer: their names, cards that are read without torch or a library, and `load(name)`."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from attention import files
from attention.foreign import quote
from attention.images import ASSETS
from attention.limits import BUILDING
from attention.models import own, weight_files
from attention.models.downloads import DownloadError, OnHub, OnServer, Progress, Weights, hash_of
from attention.models.libraries import LIBRARIES, full_card, load_trained
from attention.models.network import (
    Network,
    Size,
    ZooError,
    check_size,
    needing_libraries,
    preprocessing,
    seeded,
    stored_card,
)
from attention.records import ModelCard, non_defaults

__all__ = ["DownloadError", "Network", "Progress", "ZooError", "card", "here", "load", "names", "preprocessing"]

FILE = ASSETS / "zoo" / "cards.json"
CURATED = {
    "torchvision": """
        mobilenet_v3_small mobilenet_v3_large efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3
        efficientnet_b4 regnet_y_400mf regnet_y_800mf regnet_y_1_6gf regnet_y_3_2gf regnet_y_8gf regnet_y_16gf
        regnet_y_32gf maxvit_t resnet18 resnet50 resnext50_32x4d shufflenet_v2_x0_5 shufflenet_v2_x1_0
        mobilenet_v2 squeezenet1_1""",
    "timm": """
        seresnet50 seresnext50_32x4d legacy_seresnet50 ecaresnet50d gcresnet50t skresnet18 skresnet34 skresnet50
        resnest14d resnest50d cs3sedarknet_l cs3sedarknet_x cs3se_edgenet_x efficientnet_b0
        efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnetv2_rw_t efficientnetv2_rw_s
        gc_efficientnetv2_rw_t mobilenetv3_small_050 regnety_002 test_efficientnet test_byobnet test_nfnet
        resnet18 resnet50 test_resnet""",
    "pytorchcv": """
        resnet10 resnet50 seresnet10 seresnet50 bam_resnet50 cbam_resnet18 cbam_resnet50 resnext50_32x4d
        seresnext50_32x4d shufflenet_g1_w1 shufflenet_g2_w1 shufflenet_g3_w1 shufflenet_g4_w1 shufflenet_g8_w1""",
}


@dataclass(frozen=True, eq=False)
class Entry:
    """A network on offer, and where its weights come from."""

    card: ModelCard
    weights: Weights | None


def names() -> tuple[str, ...]:
    """The networks on offer: the own ones, in the order in which the subjects build on one another, then the zoos'."""
    return own.names() + curated_names()


@needing_libraries()
def card(name: str) -> ModelCard:
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


FILES = (".safetensors", ".pt", ".pth", ".ckpt", ".pkl", ".bin", ".tar", ".zip")
"""How the names of weight files end."""


class Named(NamedTuple):
    """What a person typed for a network."""

    source: str | Path
    """A name, or the path of a weight file."""
    part: str | None = None
    """Which of the networks in the file."""
    family: str | None = None
    """Which of the families whose keys it has."""


def named(given: str) -> Named:
    """A name; or, where there is such a file, "mine.pth", "mine.pth as FAMILY", "gan.pth:D", "gan.pth:D as FAMILY".

    Raises ZooError where it ends as weight files do and there is none.
    """
    if _is_file(given):
        return Named(Path(given))
    rest, _, family = given.partition(" as ")
    file, _, part = (rest, "", "") if _is_file(rest) else rest.rpartition(":")
    if _is_file(file):
        return Named(Path(file), part or None, family.strip() or None)
    if (missing := rest.partition(":")[0]).endswith(FILES):
        raise ZooError(f"There is no file {missing!r}; the path of a weight file, or a network's name, is allowed.")
    return Named(given)


def _is_file(name: str) -> bool:
    """Whether there is such a file; none has a name that the machine does not allow."""
    try:
        return bool(name) and Path(name).is_file()
    except (OSError, ValueError):
        return False


@needing_libraries()
def load(
    name: str | Path,
    *,
    random: bool = False,
    progress: Progress | None = None,
    part: str | None = None,
    family: str | None = None,
) -> Network:
    """A network with its trained weights, or with random ones of a fixed seed (0) where that is asked for.

    Weights that are not on this machine are downloaded; `progress` is called with the bytes that have come, and those
    that will come in all, or None. Raises ZooError where there is no such network, or it is larger than `Limits` allow,
    and its kind DownloadError where the weights cannot be had. A Path is that of a weight file; `part` and `family` are
    what `weight_files.load` takes besides.
    """
    if isinstance(name, Path):
        if random:
            raise ZooError(f"{name.name} is a file of weights; random ones are allowed for networks by name.")
        return weight_files.load(name, part=part, family=family)
    known = card(name)
    if name in own.names():
        return Network(_of_random_weights(known, name), seeded(lambda: own.build(known))) if random else own.load(name)
    source, _, short = name.partition("/")
    size = check_size(name, lambda: LIBRARIES[source].build(short), preprocessing(known))
    if not random:
        return _trained(known, name, size, progress or (lambda done, total: None))
    with BUILDING.taking(size.numbers):
        module = seeded(lambda: LIBRARIES[source].build(short))
        return Network(_of_random_weights(known, name), module, size.largest)


def curated_names() -> tuple[str, ...]:
    """In the order of the libraries, with the library's name before each."""
    return tuple(f"{library}/{name}" for library, listed in CURATED.items() for name in listed.split())


def save_cards() -> Iterator[ModelCard]:
    """Make the cards anew, one by one, and write them when all are there."""
    stored = {}
    for name in curated_names():
        entry = computed_entry(name)
        weights = non_defaults(entry.weights) if entry.weights else {}
        stored[name] = {"card": non_defaults(entry.card), "weights": weights}
        yield entry.card
    files.write(FILE, json.dumps(stored, indent=1, ensure_ascii=False) + "\n")


def _trained(known: ModelCard, name: str, size: Size, progress: Progress) -> Network:
    source, _, short = name.partition("/")
    weights = LIBRARIES[source].weights(short)
    if weights is None:
        raise DownloadError(f"{source} publishes no weights for {short}; random weights are the only ones to be had.")
    file = weights.fetch(progress)
    with BUILDING.taking(size.numbers):
        module, assumed = load_trained(LIBRARIES[source], short, file)
    if not weights.checksum():
        assumed = (*assumed, "that the weight file is whole and unchanged: nobody states its checksum")
    labels = LIBRARIES[source].labels(short)
    known = replace(known, labels=labels, assumed=known.assumed + assumed, sha256=hash_of(file, "sha256"))
    return Network(known, module, size.largest)


def _of_random_weights(known: ModelCard, name: str) -> ModelCard:
    """What is still true of a network when its weights are random: nothing that was measured."""
    source, _, short = name.partition("/")
    labels = known.labels or LIBRARIES[source].labels(short)
    unmeasured = replace(known, random=True, labels=labels, accuracy=None, download=0, sha256="")
    return replace(unmeasured, validation_pictures=0, training={}, gate_health=())


def _entry(name: str) -> Entry:
    on_offer = curated_entries()
    if name in on_offer:
        return on_offer[name]
    source, _, short = name.partition("/")
    known = set(LIBRARIES[source].names()) if source in LIBRARIES else set()
    if short not in known:
        code = " (Code of your own is opened by serve --model.)" if ":" in name else ""
        raise ZooError(f"There is no classifier {quote(name)}; {_close_names(name, known)}.{code}")
    return computed_entry(name)


def _close_names(name: str, known: set[str]) -> str:
    """Which names may have been meant: of the library that was named, or else of those on offer."""
    source, short = name.partition("/")[0], name.rpartition("/")[2]
    candidates = [f"{source}/{each}" for each in sorted(known)] or names()
    ends = difflib.get_close_matches(short, {each.rpartition("/")[2] for each in candidates})
    close = [each for end in ends for each in candidates if each.rpartition("/")[2] == end]
    return f"near it are {', '.join(close[:4])}" if close else f"there are {', '.join(candidates[:6])} and others"


@cache
def curated_entries() -> dict[str, Entry]:
    """Every network on offer by name, as the file has them. Raises FileError where it is damaged."""
    with files.shipped_text(FILE) as text:
        return {name: _stored_entry(stored) for name, stored in json.loads(text).items()}


@lru_cache(maxsize=64)
def computed_entry(name: str) -> Entry:
    """Computed with the library: "timm/seresnet50" takes seconds. Raises ZooError."""
    library, _, rest = name.partition("/")
    return Entry(full_card(LIBRARIES[library], rest), LIBRARIES[library].weights(rest))


def _stored_entry(stored: dict[str, Any]) -> Entry:
    weights = stored["weights"]
    source = (OnServer(**weights) if "url" in weights else OnHub(**weights)) if weights else None
    return Entry(stored_card(stored["card"]), source)
