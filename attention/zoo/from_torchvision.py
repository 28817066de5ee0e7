"""torchvision's classifiers with the weights that it takes for the best."""

import re
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attention.records import Card
from attention.zoo.downloads import OnServer
from attention.zoo.library import read, square

if TYPE_CHECKING:
    from torch import nn

DIGEST = re.compile("-([0-9a-f]{8,})[.]")
# These weights come from another library and expect its normalisation, which the networks make themselves of the
# usual one; their second and third heads are for training. Without the last option both warn that they are slow.
CONVERTED = {"transform_input": True, "aux_logits": False, "init_weights": True}
OPTIONS = {"googlenet": CONVERTED, "inception_v3": CONVERTED}
TRAINING_HEAD = re.compile("(aux[12]|AuxLogits)[.]")
# DenseNet's files are older than torch's rule that names hold no full stop.
DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")


def names() -> list[str]:
    from torchvision import models

    return models.list_models(module=models)


def describe(name: str) -> Card:
    best, seen = _best(name), _best(name).transforms()
    side = square(name, (3, *seen.crop_size * 2))
    licence = best.meta.get("license") or f"{metadata('torchvision')['License']} (code); weights: not stated"
    return Card(
        name=f"torchvision/{name}",
        title=name,
        description=f"torchvision's weights {best.name}, {len(best.meta['categories']):,} classes of ImageNet",
        source="torchvision",
        licence=licence,
        parameters=0,
        input_size=side,
        mean=tuple(seen.mean),
        std=tuple(seen.std),
        crop=side / seen.resize_size[0],
        interpolation=seen.interpolation.value,
        accuracy=round(best.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100, 6),
        download=round(best.meta["_file_size"] * 2**20),
    )


def weights(name: str) -> OnServer:
    url = _best(name).url
    return OnServer(url, "torchvision", digest_in(url))


def digest_in(url: str) -> str:
    """The first digits of the SHA-256, which torch's servers put into the file's name."""
    found = DIGEST.search(url.rsplit("/", 1)[-1])
    return found.group(1) if found else ""


def build(name: str) -> "nn.Module":
    from torchvision import models

    return models.get_model(name, weights=None, **OPTIONS.get(name, {}))


def trained(name: str, file: Path) -> "tuple[nn.Module, tuple[str, ...]]":
    module, state = build(name), read(file)
    for key in list(state):  # in place, for the versions of its modules that a state dict carries
        if name in OPTIONS and TRAINING_HEAD.match(key):
            del state[key]
        elif (valid := DENSE_LAYER.sub(r"\1", key)) != key:
            state[valid] = state.pop(key)
    module.load_state_dict(state)
    return module, ()


def labels(name: str) -> tuple[str, ...]:
    return tuple(_best(name).meta["categories"])


def _best(name: str) -> Any:
    """The weights that torchvision takes for the best; there are some for each of its classifiers."""
    from torchvision import models

    return models.get_model_weights(name).DEFAULT
