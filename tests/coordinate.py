"""A network with coordinate attention: its blocks are in timm, and no network that timm offers has them."""

from dataclasses import replace

import pytest
import timm

from attention.models import network, zoo

NAME = "timm/resnet14t"
BLOCKS = 8


def offer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `zoo.load` give it by this name, with random weights, in place of the network that has the name."""
    real = zoo.load

    def load(name: str, *, random: bool = False, progress: zoo.Progress | None = None) -> zoo.Network:
        loaded = real(name, random=random, progress=progress)
        return replace(loaded, module=network.seeded(_build)) if name == NAME else loaded

    monkeypatch.setattr(zoo, "load", load)


def _build() -> timm.models.ResNet:
    return timm.create_model("resnet18", block_args={"attn_layer": "coord"})
