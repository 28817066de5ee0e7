"""The cards say what the weight files hold, and nothing else is loaded."""

import hashlib

import pytest
import torch

from attention import networks
from attention.models import own, zoo

EVERY = pytest.mark.parametrize("name", own.NAMES)


def test_all_four_networks_are_there_and_differ_in_the_block_alone():
    assert own.names() == own.NAMES == tuple(networks.VARIANTS) == zoo.names()[:4]
    trainings = [zoo.card(name).training for name in own.names()]
    assert all(zoo.here(name) for name in own.names())
    assert all(training == trainings[0] for training in trainings)


@EVERY
def test_a_card_describes_its_network(name):
    network = zoo.load(name)
    card = network.card
    assert card.source == "own" and 0.5 < card.accuracy <= 1 and card.validation_pictures > 0
    assert card.parameters == sum(parameter.numel() for parameter in network.module.parameters())
    assert network.labels == card.labels and len(card.labels) == len(card.classes)
    assert not network.module.training
    assert network.module(torch.zeros(1, 3, card.input_size, card.input_size)).shape == (1, len(card.labels))


@EVERY
def test_a_weight_file_is_small_and_the_one_its_card_names(name):
    data = own.weights_file(name).read_bytes()
    assert len(data) <= 8_000_000
    assert hashlib.sha256(data).hexdigest() == zoo.card(name).sha256


@EVERY
def test_the_card_has_the_health_of_every_gate(name):
    card = zoo.card(name)
    kinds = {"plain": [], "se": ["channel"], "se-resnext": ["channel"], "cbam": ["channel", "spatial"]}[name]
    assert [gate.kind for gate in card.gate_health] == kinds * 8
    for gate in card.gate_health:
        assert 0 <= gate.low <= 1 and 0 <= gate.high <= 1 and gate.low + gate.high <= 1 and gate.deviation >= 0


def test_a_changed_weight_file_is_refused(tmp_path, monkeypatch):
    card, data = zoo.card("se"), bytearray(own.weights_file("se").read_bytes())
    monkeypatch.setattr(own, "WEIGHTS", tmp_path)
    data[-1] ^= 1
    own.weights_file("se").write_bytes(data)
    with pytest.raises(zoo.ZooError, match="not the weight file"):
        own.assemble(card)
    own.weights_file("se").unlink()
    with pytest.raises(zoo.ZooError, match="not the weight file"):
        own.assemble(card)


def test_an_unknown_network_is_refused_with_names_that_are_near():
    with pytest.raises(zoo.ZooError, match="no classifier 'resnet51'; near it are torchvision/resnet50"):
        zoo.load("resnet51")
