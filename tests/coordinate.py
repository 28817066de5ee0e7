"""A network with coordinate attention: its blocks are in timm, and no network that timm offers has them."""

from dataclasses import replace

import pytest
import timm

from attention import zoo

NAME = "timm/resnet14t"
BLOCKS = 8


def offer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `zoo.load` give it by this name, with random weights, in place of the network that has the name."""
    own = zoo.load

    def load(name: str, *, random: bool = False, progress: zoo.Progress | None = None) -> zoo.Network:
        network = own(name, random=random, progress=progress)
        return replace(network, module=zoo.library.seeded(_build)) if name == NAME else network

    monkeypatch.setattr(zoo, "load", load)


def _build() -> timm.models.ResNet:
    return timm.create_model("resnet18", block_args={"attn_layer": "coord"})
