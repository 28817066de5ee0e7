"""Devices: what may be named, what stays where it is, and that what leaves one is read once it is at home."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from attention import devices, images, serving
from attention.cli import main
from attention.models import Network, code, zoo
from attention.models.network import on_host
from attention.observe import Picture, observe, read_picture
from tests import factories

COMMANDS = ("serve", "survey", "evaluate", "compare", "ablate", "report", "train")


def test_a_device_is_one_that_this_machine_has(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.device_of("cpu") == devices.device_of("auto") == torch.device("cpu")
    for name, said in (("cuda", "no cuda that its torch can use; there is cpu"), ("mps", "no mps"), ("tpu", "cuda:1")):
        with pytest.raises(devices.DeviceError, match=said):
            devices.device_of(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.device_of("auto") == torch.device("cuda") and devices.device_of("cuda:1") == torch.device("cuda:1")
    with pytest.raises(devices.DeviceError, match="There is no cuda:2; this machine has 2 of them"):
        devices.device_of("cuda:2")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_that_runs_a_network_takes_a_device(command):
    assert "--device" in CliRunner().invoke(main, [command, "--help"]).output


def test_a_device_that_there_is_not_is_one_sentence():
    with pytest.raises(serving.ServingError, match="'tpu'; auto, cpu, cuda"):
        serving.current.parse_arguments(["--model", "nets:net", "--device", "tpu"])


class Elsewhere(torch.Tensor):
    """Stands in for a tensor of an accelerator: numpy cannot read it, and neither may what is on the CPU join it."""

    def numpy(self, *args, **kwargs):
        raise AssertionError("a value was read that was not brought home")

    def cpu(self):
        return self.as_subclass(torch.Tensor)


def test_what_a_pass_returns_is_brought_home_whatever_holds_it():
    there = torch.ones(2).as_subclass(Elsewhere)
    with pytest.raises(AssertionError, match="not brought home"):
        there.numpy()
    home = on_host({"a": (there, [there]), "b": 3})
    assert type(home["a"][0]) is type(home["a"][1][0]) is torch.Tensor and home["b"] == 3
    here = torch.ones(2)
    assert on_host(here) is here


@pytest.fixture
def half():
    """A network in bfloat16 on a picture, with the same network in float32."""
    network = code.network(factories.classifier(), "own", code.ModelOptions(image_size=64))
    rounded = network.module.to(torch.bfloat16)
    again = code.network(factories.classifier(), "own", code.ModelOptions(image_size=64)).module
    again.load_state_dict({key: value.float() for key, value in rounded.state_dict().items()})
    picture = read_picture(images.samples()[0].path)
    return observe(Network(network.card, rounded), picture), observe(Network(network.card, again), picture)


def test_a_network_of_another_precision_gets_its_pictures_in_that(half):
    lower, full = half
    assert lower.batch.dtype is torch.bfloat16 and full.batch.dtype is torch.float32
    assert np.allclose(lower.logits, full.logits, atol=0.02) and lower.logits.dtype == np.float32
    for gate, other in zip(lower.trace.gates, full.trace.gates, strict=True):
        assert (gate.name, gate.kind) == (other.name, other.kind)
        assert np.allclose(gate.values, other.values, atol=0.02)


def test_a_module_stays_where_it_is_and_goes_where_it_is_sent():
    moved = []

    class Noted(factories.Gated):
        def to(self, *args, **kwargs):
            moved.append(args)
            return super().to(*args, **kwargs)

    network = code.network(Noted(), "own", code.ModelOptions(image_size=64))
    assert moved == [(torch.float32,)]
    assert network.on(None) is network and moved == [(torch.float32,)]
    network.on("meta")
    assert network.batch(torch.ones(1, 3, 64, 64)).device.type == "meta"


def test_networks_of_the_zoo_are_observed_alike_whether_a_device_is_named_or_not():
    picture = Picture("noise", images.read(images.samples()[0].path.read_bytes()), "key")
    plain, sent = zoo.load("se"), zoo.load("se").on(devices.device_of("cpu"))
    assert np.array_equal(observe(plain, picture).logits, observe(replace(sent), picture).logits)
