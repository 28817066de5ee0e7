"""The networks of torchvision, timm and pytorchcv: what is asked of a library, and what is made of the answers.

Each library is imported where it is used: a card is read without any.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from attention import labels
from attention.images import IMAGENET_MEAN, IMAGENET_STD
from attention.limits import BUILDING
from attention.models.downloads import OnHub, OnServer, Weights
from attention.models.network import ZooError, check_size, gate_counts, on_noise, preprocessing, seeded
from attention.numbers import amount
from attention.records import ModelCard

if TYPE_CHECKING:  # a card is read without torch, so that a page can show it at once
    from torch import Tensor, nn

ABOUT = "the download's size: that of the tensors"


class Library(Protocol):
    """A library of networks."""

    def names(self) -> Sequence[str]:
        """The classifiers that the library can build."""

    def describe(self, name: str) -> ModelCard:
        """What the library's metadata say, all but what can be counted. Raises ZooError for a network of another use.

        `name` is without the library's own.
        """

    def weights(self, name: str) -> Weights | None:
        """Where the trained weights come from; None where none are published."""

    def build(self, name: str) -> "nn.Module":
        """The network with random weights."""

    def trained(self, name: str, file: Path) -> "tuple[nn.Module, tuple[str, ...]]":
        """The network with the weights of a file, and what had to be assumed. What it raises `load_trained` knows."""

    def labels(self, name: str) -> tuple[str, ...]:
        """What a person calls the classes, in the order of the outputs."""


def load_trained(library: Library, name: str, file: Path) -> "tuple[nn.Module, tuple[str, ...]]":
    """A network in eval mode, with the weights of a file. Raises ZooError where they are not this network's."""
    from pickle import UnpicklingError

    from safetensors import SafetensorError

    assumed: list[str] = []

    def make() -> "nn.Module":
        module, notes = library.trained(name, file)
        assumed.extend(notes)
        return module

    try:
        return seeded(make), tuple(assumed)
    except (RuntimeError, EOFError, KeyError, UnpicklingError, SafetensorError) as error:
        reason = f"{file} does not hold the weights of {name}, or more than weights"
        raise ZooError(f"{reason}; delete it, and it is fetched anew.") from error


def full_card(library: Library, name: str) -> ModelCard:
    """The full card of a network: its metadata, and what one real forward pass with random weights shows."""
    from attention.cost import count_parameters

    card = library.describe(name)
    with _as_sentence(card.name):
        size = check_size(card.name, lambda: library.build(name), preprocessing(card))
    with BUILDING.taking(size.numbers):
        with _as_sentence(card.name):
            module = seeded(lambda: library.build(name))
        card = replace(card, parameters=count_parameters(module), gates=gate_counts(on_noise(module, card)))
        held = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
    if library.weights(name) is None:
        return replace(card, assumed=(*card.assumed, "no trained weights are published"))
    return card if card.download else replace(card, download=held, assumed=(*card.assumed, ABOUT))


@contextlib.contextmanager
def _as_sentence(name: str) -> Iterator[None]:
    """A person may type any name, and what a library's builders raise is anything: a ZooError says it."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        raise ZooError(f"{name} cannot be built here: {type(error).__name__}: {error}") from error


def square_side(name: str, shape: Sequence[int]) -> int:
    """The side of the picture. Raises ZooError where the network does not see square pictures in colour."""
    channels, height, width = shape
    if channels != 3 or height != width:
        given = f"{name} sees {amount(channels, 'channel')} of {height} x {width} pixels"
        raise ZooError(f"{given}; 3 channels and square pictures are allowed.")
    return height


def read(file: Path) -> "dict[str, Tensor]":
    """The tensors of a weight file that torch wrote; a file that holds more raises UnpicklingError."""
    import torch

    return torch.load(file, map_location="cpu", weights_only=True)


DIGEST = re.compile("-([0-9a-f]{8,})[.]")
# These weights come from another library and expect its normalisation, which the networks make themselves of the
# usual one; their second and third heads are for training. Without the last option both warn that they are slow.
CONVERTED = {"transform_input": True, "aux_logits": False, "init_weights": True}
BUILD_OPTIONS = {"googlenet": CONVERTED, "inception_v3": CONVERTED}
TRAINING_HEAD = re.compile("(aux[12]|AuxLogits)[.]")
# DenseNet's files are older than torch's rule that names hold no full stop.
DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")


class Torchvision:
    """torchvision's classifiers with the weights that it takes for the best."""

    def names(self) -> list[str]:
        from torchvision import models

        return models.list_models(module=models)

    def describe(self, name: str) -> ModelCard:
        best, seen = _best_weights(name), _best_weights(name).transforms()
        side = square_side(name, (3, *seen.crop_size * 2))
        licence = best.meta.get("license") or f"{metadata('torchvision')['License']} (code); weights: not stated"
        return ModelCard(
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

    def weights(self, name: str) -> OnServer:
        url = _best_weights(name).url
        return OnServer(url, "torchvision", digest_in(url))

    def build(self, name: str) -> "nn.Module":
        from torchvision import models

        return models.get_model(name, weights=None, **BUILD_OPTIONS.get(name, {}))

    def trained(self, name: str, file: Path) -> "tuple[nn.Module, tuple[str, ...]]":
        module, state = self.build(name), read(file)
        for key in list(state):  # in place, for the versions of its modules that a state dict carries
            if name in BUILD_OPTIONS and TRAINING_HEAD.match(key):
                del state[key]
            elif (valid := DENSE_LAYER.sub(r"\1", key)) != key:
                state[valid] = state.pop(key)
        module.load_state_dict(state)
        return module, ()

    def labels(self, name: str) -> tuple[str, ...]:
        return tuple(_best_weights(name).meta["categories"])


def digest_in(url: str) -> str:
    """The first digits of the SHA-256, which torch's servers put into the file's name."""
    digits = DIGEST.search(url.rsplit("/", 1)[-1])
    return digits.group(1) if digits else ""


def _best_weights(name: str) -> Any:
    """The weights that torchvision takes for the best; there are some for each of its classifiers."""
    from torchvision import models

    return models.get_model_weights(name).DEFAULT


OTHER_SHAPES = {
    "squash": "the picture's shape: timm squeezes the whole picture into a square, here its central square is cut out",
    "border": "the picture's shape: timm fits the whole picture in with borders, here its central square is cut out",
}


class Timm:
    """timm's classifiers: an architecture with its first set of weights, or one named after a full stop."""

    def names(self) -> list[str]:
        import timm

        return sorted({*timm.list_models(), *timm.list_pretrained()})

    def describe(self, name: str) -> ModelCard:
        from timm.data import resolve_data_config

        config = _timm_config(name)
        if not config.num_classes:
            raise ZooError(f"timm's {name} gives features and no classes; only classifiers are allowed.")
        seen = resolve_data_config(pretrained_cfg=config.to_dict())
        side = square_side(name, seen["input_size"])
        return ModelCard(
            name=f"timm/{name}",
            title=name.partition(".")[0],
            description=f"timm's {f'weights {config.tag}' if config.has_weights else 'network'}, "
            f"{amount(config.num_classes, 'class', 'classes')}",
            source="timm",
            licence=config.license or "weights: not stated",
            parameters=0,
            input_size=side,
            mean=seen["mean"],
            std=seen["std"],
            crop=side / int(side / seen["crop_pct"]),  # as timm's own transform rounds it
            interpolation=seen["interpolation"],
            assumed=(OTHER_SHAPES[seen["crop_mode"]],) if seen["crop_mode"] in OTHER_SHAPES else (),
        )

    def weights(self, name: str) -> Weights | None:
        """In timm's own order: from the hub where the weights are there, from a server otherwise."""
        config = _timm_config(name)
        if config.hf_hub_id:
            return OnHub(config.hf_hub_id, config.hf_hub_filename or "")
        return OnServer(config.url, "timm", digest_in(config.url)) if config.url else None

    def build(self, name: str) -> "nn.Module":
        import timm

        return timm.create_model(name)

    def trained(self, name: str, file: Path) -> "tuple[nn.Module, tuple[str, ...]]":
        """By timm's own loader, which reads nothing but tensors, renames those of old files, and is strict."""
        import timm

        # Networks that came from JAX read its arrays with code of their own, but not where they are converted already.
        source = {"file": str(file), "custom_load": file.suffix == ".npz"}
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=source), ()

    def labels(self, name: str) -> tuple[str, ...]:
        """ImageNet's words for its classes; numbers where timm does not know which classes they are."""
        from timm.data import ImageNetInfo, infer_imagenet_subset

        config = _timm_config(name)
        subset = infer_imagenet_subset(config.to_dict())
        if subset is None:
            return labels.default(config.num_classes)
        return tuple(cast(list[str], ImageNetInfo(subset).label_descriptions()))


def _timm_config(name: str) -> Any:
    """What timm knows of a set of weights, or of an architecture that has none."""
    from timm.models import get_pretrained_cfg

    return get_pretrained_cfg(name)


PYTORCHCV_ASSUMES: tuple[str, ...] = (
    "mean and standard deviation: ImageNet's, as pytorchcv says “ordinary normalization” without numbers",
    "interpolation: bilinear, the default of the torchvision transforms that pytorchcv measures with",
    "the order of the classes: torchvision's",
)


class Pytorchcv:
    """pytorchcv's classifiers of ImageNet-1k, as the tables in its package describe them."""

    def names(self) -> list[str]:
        from pytorchcv.model_provider import _models  # what get_model builds, of which there is no public list

        return [name for name, row in _pytorchcv_table().items() if row["test_dataset"] == "in1k" and name in _models]

    def describe(self, name: str) -> ModelCard:
        row = _pytorchcv_table()[name]
        crop, assumed = row["img_scale"], PYTORCHCV_ASSUMES
        if row["img_size"] == "NA":
            crop, assumed = "0.875", (*assumed, "input size and crop: 224 px and 0.875, the most common here")
        accuracy, usual = _published_accuracy(name)
        if not usual:
            assumed = (*assumed, "the preprocessing: pytorchcv says that this network's is another one, and not which")
        side = 224 if row["img_size"] == "NA" else int(row["img_size"])
        return ModelCard(
            name=f"pytorchcv/{name}",
            title=row["model_caption"],
            description=f"pytorchcv's network of arXiv {row['arxiv_paper']}, 1,000 classes of ImageNet",
            source="pytorchcv",
            licence=f"{metadata('pytorchcv')['License-Expression']} (code); weights: not stated",
            parameters=0,
            input_size=side,
            mean=IMAGENET_MEAN,  # "the same ordinary normalization", says its description, and names no numbers
            std=IMAGENET_STD,
            crop=side / round(side / float(crop)),
            interpolation="bilinear",
            accuracy=accuracy,
            assumed=assumed,
        )

    def weights(self, name: str) -> OnServer | None:
        row = _pytorchcv_table()[name]
        if row["checksum"] == "NA":
            return None
        from pytorchcv.models.common import model_store

        file = f"{name}-{row['error_value']}-{row['checksum'][:8]}.pth.zip"
        url = f"{model_store.imgclsmob_repo_url}/releases/download/{row['repo_release_tag']}/{file}"
        return OnServer(url, "pytorchcv", row["checksum"])

    def build(self, name: str) -> "nn.Module":
        from pytorchcv.model_provider import get_model

        return get_model(name)

    def trained(self, name: str, file: Path) -> "tuple[nn.Module, tuple[str, ...]]":
        """Tensors for which the network has no place are left out, as pytorchcv does, but that is said."""
        module, state = self.build(name), read(file)
        extra = state.keys() - module.state_dict().keys()
        for key in extra:
            del state[key]
        module.load_state_dict(state)
        left_out = f"{amount(len(extra), 'tensor')} of the weight file, which have no place in the network: left out"
        return module, (left_out,) if extra else ()

    def labels(self, name: str) -> tuple[str, ...]:
        return tuple(labels.imagenet().values())


def _pytorchcv_table() -> dict[str, dict[str, str]]:
    """The package's table of networks, by name."""
    from pytorchcv.models.common import model_store

    head, *rows = model_store.load_csv(model_store.get_model_metainfos_file_path())
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def _published_accuracy(name: str) -> tuple[float | None, bool]:
    """Top-1 from 0 to 1, and whether the preprocessing is the usual one, from the table in the package's description.

    The row is found by its log file, whose name is the weight file's.
    """
    row = _pytorchcv_table()[name]
    row_of_table = re.search(
        rf"[|] ([^|]*)[|] +([\d.]+) [|].*/{name}-{row['error_value']}-{row['checksum'][:8]}[.]", _pytorchcv_page()
    )
    if not row_of_table:
        return None, True
    return round(1 - float(row_of_table[2]) / 100, 6), not row_of_table[1].strip().endswith("*")


@cache
def _pytorchcv_page() -> str:
    return str(metadata("pytorchcv").get_payload())  # type: ignore[attr-defined]  # it is an email message


LIBRARIES: dict[str, Library] = {"torchvision": Torchvision(), "timm": Timm(), "pytorchcv": Pytorchcv()}
