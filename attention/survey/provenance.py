"""What a survey rests on, written down; and which output of the network a class of pictures is."""

import hashlib
import platform
import re
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from attention.models import Network
from attention.survey.folder import Pictures
from attention.survey.passes import SEED, Job

if TYPE_CHECKING:  # a result is read without torch
    from torch import nn

IMAGENET = 1000
FORMAT = 1
"""Of the result file; it counts up when its layout changes."""


def outputs(network: Network, classes: tuple[str, ...]) -> tuple[int, ...]:
    """The output that each class is, -1 for one that the network does not know.

    A class goes by the name of the network's class folder, by its label in any case, or, where the network has
    ImageNet's 1,000 outputs and every class is named by a WordNet id, by that.
    """
    known = {label.casefold(): number for number, label in reversed(list(enumerate(network.labels)))}
    known |= {name: number for number, name in enumerate(network.card.classes)}
    if len(network.labels) == IMAGENET and all(re.fullmatch(r"n\d{8}", name) for name in classes):
        known = {name: number for number, name in enumerate(_wordnet())}
    return tuple(known.get(name, known.get(name.casefold(), -1)) for name in classes)


def of(job: Job) -> dict[str, Any]:
    """Everything that the numbers depend on, but for the processor. Two surveys with equal ones give equal numbers."""
    card = job.network.card
    return {
        "format": FORMAT,
        "network": {"name": card.name, "title": card.title, "random": card.random, "file_sha256": card.sha256}
        | {"weights_sha256": weights_sha256(job.network.module)},
        "preprocessing": asdict(job.network.transform),
        "pictures": _pictures(job.pictures),
        "batch_size": job.batch_size,
        "shuffle_seed": SEED,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "numpy", "pillow")},
    }


def weights_sha256(module: "nn.Module") -> str:
    """SHA-256 over the names, types and values of all parameters and buffers, as they are in memory."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(_bytes()).numpy().data)
    return digest.hexdigest()


def _bytes() -> Any:
    import torch

    return torch.uint8


def _pictures(pictures: Pictures) -> dict[str, Any]:
    root = str(pictures.root.resolve()).encode("utf-8", "backslashreplace").decode()
    facts = {"root": root, "count": len(pictures), "classes": len(pictures.classes)}
    return facts | {"left_out": pictures.left_out, "fingerprint": pictures.fingerprint}


def _wordnet() -> list[str]:
    """ImageNet's WordNet ids in the order of its 1,000 outputs, as timm has them."""
    from timm.data.imagenet_info import ImageNetInfo

    return ImageNetInfo("imagenet-1k").label_names()
