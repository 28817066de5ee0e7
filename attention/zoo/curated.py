"""The networks on offer: their names, and cards that are read without torch or a library."""

import json
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cache
from typing import Any

from attention.images import ASSETS
from attention.records import Card
from attention.zoo import from_pytorchcv, from_timm, from_torchvision
from attention.zoo.downloads import OnServer, Weights
from attention.zoo.hub import OnHub
from attention.zoo.library import Library, counted

FILE = ASSETS / "zoo" / "cards.json"
LIBRARIES: dict[str, Library] = {
    "torchvision": from_torchvision,
    "timm": from_timm,
    "pytorchcv": from_pytorchcv,
}
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

    card: Card
    weights: Weights | None


def names() -> tuple[str, ...]:
    """In the order of the libraries, with the library's name before each."""
    return tuple(f"{library}/{name}" for library, listed in CURATED.items() for name in listed.split())


@cache
def entries() -> dict[str, Entry]:
    """Every network on offer by name, as the file has them."""
    return {name: _entry(stored) for name, stored in json.loads(FILE.read_text()).items()}


def entry(name: str) -> Entry:
    """Computed anew with the library: "timm/seresnet50" takes seconds. Raises ZooError."""
    library, _, rest = name.partition("/")
    return Entry(counted(LIBRARIES[library], rest), LIBRARIES[library].weights(rest))


def save() -> Iterator[Card]:
    """Make the cards anew, one by one, and write them when all are there."""
    stored = {}
    for name in names():
        made = entry(name)
        stored[name] = {"card": _said(made.card), "weights": _said(made.weights)}
        yield made.card
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n")


def _said(record: Any) -> dict[str, Any]:
    """The fields of a record that differ from their defaults."""
    if record is None:
        return {}
    usual = {field.name: field.default for field in fields(record)}
    usual |= {field.name: field.default_factory() for field in fields(record) if field.default_factory is not MISSING}
    return {key: value for key, value in asdict(record).items() if value != usual[key]}


def _entry(stored: dict[str, Any]) -> Entry:
    lists: dict[str, Any] = {key: tuple(value) for key, value in stored["card"].items() if isinstance(value, list)}
    weights = stored["weights"]
    made = (OnServer(**weights) if "url" in weights else OnHub(**weights)) if weights else None
    return Entry(Card(**stored["card"] | lists), made)
