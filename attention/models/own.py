"""The networks that come with the project; a weight file is checked against its card before a tensor is read."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from attention import files, labels
from attention.images import ASSETS
from attention.models.network import Network, ZooError, stored_card
from attention.records import GateHealth, ModelCard

if TYPE_CHECKING:  # a card is read without torch, so that a page can show it at once
    from torch import Tensor, nn

    from attention.cost import PassCost

WEIGHTS = ASSETS / "weights"
NAMES = ("plain", "se", "cbam", "se-resnext", "efficientnet-b0", "cbam-b0")


def names() -> tuple[str, ...]:
    """The networks that have weights here, in the order in which the subjects build on one another."""
    return tuple(name for name in NAMES if _card_file(name).exists())


def card(name: str) -> ModelCard:
    """The card of a network. Raises ZooError where there is no such network, FileError where its file is damaged."""
    if name not in names():
        raise ZooError(f"There is no network {name!r} in assets/weights; there are {', '.join(names()) or 'none yet'}.")
    with files.shipped_text(_card_file(name)) as text:
        fields = json.loads(text)
        if not fields["labels"]:  # ImageNet's stand in one place
            fields |= {"classes": tuple(labels.imagenet()), "labels": tuple(labels.imagenet().values())}
        fields["gate_health"] = [GateHealth(**gate) for gate in fields["gate_health"]]
        return stored_card(fields)


def load(name: str) -> Network:
    """A network with its trained weights. Raises ZooError where the name or the weight file is not right."""
    return assemble(card(name))


def assemble(known: ModelCard, data: bytes | None = None) -> Network:
    """The network that a card describes, of the bytes of its weight file, which are read where they are not given.
    Raises ZooError where they are not the card's."""
    import torch
    from safetensors.torch import load as load_tensors

    file = weights_file(known.name)
    if data is None:
        data = file.read_bytes() if file.exists() else b""
    if digest(data) != known.sha256:
        raise ZooError(
            f"{file.name} in assets/weights is not the weight file that the card of {known.name} names; fetch it again."
        )
    with torch.device("meta"):  # random numbers that nobody will see cost more than the reading of the file
        module = build(known)
    weights = {key: value.float() if value.is_floating_point() else value for key, value in load_tensors(data).items()}
    module.load_state_dict(weights, assign=True)
    return Network(known, module.eval())


def build(known: ModelCard) -> "nn.Module":
    """The network that a card describes, with random weights."""
    from attention import networks

    return networks.build(known.name, len(known.classes))


def pack(state: "dict[str, Tensor]") -> bytes:
    """A state dict as a weight file, its floats in half precision."""
    from safetensors.torch import save as save_tensors

    half = {key: (value.half() if value.is_floating_point() else value).contiguous() for key, value in state.items()}
    return save_tensors(half)


def digest(data: bytes) -> str:
    """By which a card knows its weight file: the SHA-256."""
    return hashlib.sha256(data).hexdigest()


def memory_note(parameters: int, cost: "PassCost") -> str:
    """What a network takes in memory and for a picture, as its card says it."""
    return (
        f"In memory its weights take {4 * parameters / 1e6:.0f} MB as 32-bit floats, and the largest tensor of a pass "
        f"{cost.largest / 1e6:.1f} MB; a picture takes {cost.total_macs / 1e6:.0f} million multiply-accumulates."
    )


def save(known: ModelCard, weights: bytes) -> None:
    """Write a weight file and its card, both or neither. Raises FileError."""
    with files.replacing(weights_file(known.name)) as file:
        file.write(weights)
        file.flush()  # after the card there is no more that a full disk could refuse
        save_card(known)


def save_card(known: ModelCard) -> None:
    """Write a card beside its weight file. Raises FileError."""
    files.write(_card_file(known.name), json.dumps(asdict(known), indent=1) + "\n")


def weights_file(name: str) -> Path:
    """Where the weights of a network lie."""
    return WEIGHTS / f"{name}.safetensors"


def _card_file(name: str) -> Path:
    return WEIGHTS / f"{name}.json"
