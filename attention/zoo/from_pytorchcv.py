"""pytorchcv's classifiers of ImageNet-1k, as the tables in its package describe them."""

import re
from functools import cache
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from attention.records import Card
from attention.zoo import from_torchvision
from attention.zoo.downloads import OnServer
from attention.zoo.library import read

if TYPE_CHECKING:
    from torch import nn

# "All pretrained models require the same ordinary normalization", says its description, and names no numbers.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ASSUMED: tuple[str, ...] = (
    "mean and standard deviation: ImageNet's, as pytorchcv says “ordinary normalization” without numbers",
    "interpolation: bilinear, the default of the torchvision transforms that pytorchcv measures with",
    "the order of the classes: torchvision's",
)


def names() -> list[str]:
    from pytorchcv.model_provider import _models

    return [name for name, row in _table().items() if row["test_dataset"] == "in1k" and name in _models]


def describe(name: str) -> Card:
    row = _table()[name]
    crop, assumed = row["img_scale"], ASSUMED
    if row["img_size"] == "NA":
        crop, assumed = "0.875", (*assumed, "input size and crop: 224 px and 0.875, the most common here")
    accuracy, usual = _published(name)
    if not usual:
        assumed = (*assumed, "the preprocessing: pytorchcv says that this network's is another one, and not which")
    side = 224 if row["img_size"] == "NA" else int(row["img_size"])
    return Card(
        name=f"pytorchcv/{name}",
        title=row["model_caption"],
        description=f"pytorchcv's network of arXiv {row['arxiv_paper']}, 1,000 classes of ImageNet",
        source="pytorchcv",
        licence=f"{metadata('pytorchcv')['License-Expression']} (code); weights: not stated",
        parameters=0,
        input_size=side,
        mean=MEAN,
        std=STD,
        crop=side / round(side / float(crop)),
        interpolation="bilinear",
        accuracy=accuracy,
        assumed=assumed,
    )


def weights(name: str) -> OnServer | None:
    row = _table()[name]
    if row["checksum"] == "NA":
        return None
    from pytorchcv.models.common import model_store

    file = f"{name}-{row['error_value']}-{row['checksum'][:8]}.pth.zip"
    url = f"{model_store.imgclsmob_repo_url}/releases/download/{row['repo_release_tag']}/{file}"
    return OnServer(url, "pytorchcv", row["checksum"])


def build(name: str) -> "nn.Module":
    from pytorchcv.model_provider import get_model

    return get_model(name)


def trained(name: str, file: Path) -> "tuple[nn.Module, tuple[str, ...]]":
    """Tensors for which the network has no place are left out, as pytorchcv does, but that is said."""
    module, state = build(name), read(file)
    extra = state.keys() - module.state_dict().keys()
    for key in extra:
        del state[key]
    module.load_state_dict(state)
    left_out = f"{len(extra)} tensors of the weight file, which have no place in the network: left out"
    return module, (left_out,) if extra else ()


def labels(name: str) -> tuple[str, ...]:
    return from_torchvision.labels("resnet50")


def _table() -> dict[str, dict[str, str]]:
    """The package's table of networks, by name."""
    from pytorchcv.models.common import model_store

    head, *rows = model_store.load_csv(model_store.get_model_metainfos_file_path())
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def _published(name: str) -> tuple[float | None, bool]:
    """Top-1 from 0 to 1, and whether the preprocessing is the usual one, from the table in the package's description.

    The row is found by its log file, whose name is the weight file's.
    """
    row = _table()[name]
    found = re.search(rf"[|] ([^|]*)[|] +([\d.]+) [|].*/{name}-{row['error_value']}-{row['checksum'][:8]}[.]", _page())
    if not found:
        return None, True
    return round(1 - float(found[2]) / 100, 6), not found[1].strip().endswith("*")


@cache
def _page() -> str:
    return str(metadata("pytorchcv").get_payload())  # type: ignore[attr-defined]  # it is an email message
