"""The network that all visitors share is never hooked, never changed and never copied in full."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from attention import capture
from attention.attribution import (
    AttributionError,
    Attributor,
    GradCam,
    GuidedGradCam,
    IntegratedGradients,
    Occlusion,
    shuffled_copies,
)
from attention.attribution.heatmaps import shared_copy, weight_groups
from tests import own
from tests.attributed import SHAPE, Small, picture, seeded

METHODS = (GradCam(), GradCam("layer2.0"), GuidedGradCam(), IntegratedGradients(8), Occlusion(0.5))


@pytest.fixture(scope="module")
def network():
    return own.network("cbam")


def test_a_shadow_shares_the_memory_of_every_weight_and_asks_for_no_gradient(network):
    copy = shared_copy(network)
    mine, its = network.state_dict(keep_vars=True), copy.state_dict(keep_vars=True)
    assert list(mine) == list(its)
    for name, tensor in mine.items():
        assert its[name] is not tensor and its[name].data_ptr() == tensor.data_ptr()
        assert not its[name].requires_grad
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_network_that_cannot_be_copied_is_refused_in_one_sentence():
    module = seeded(Small)
    module.lock = threading.Lock()
    with pytest.raises(AttributionError, match="this network cannot be copied: cannot pickle"):
        Attributor(module)(picture(), 0)


def test_a_shadow_is_in_eval_mode_and_leaves_the_module_in_its_own():
    module = seeded(Small).train()
    assert not shared_copy(module).training and module.training


def test_no_method_registers_a_hook_on_the_module_itself(network, monkeypatch):
    shared = {id(part) for part in network.modules()}
    for name in ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"):
        genuine = getattr(nn.Module, name)

        def guarded(self, *arguments, genuine=genuine, **options):
            assert id(self) not in shared, "a hook on the shared network"
            return genuine(self, *arguments, **options)

        monkeypatch.setattr(nn.Module, name, guarded)
    for method in METHODS:
        Attributor(network)(own.pictures()[:1], 0, method=method)


def test_heatmaps_and_traces_of_many_threads_are_those_of_one(network):
    """Sixteen at a time on one network: with captum's hooks on the network itself most of them come out wrong."""
    attribute = Attributor(network)
    pictures = [own.pictures(seed)[:1] for seed in range(4)]
    jobs = [(given, target, method) for given in pictures for target in (0, 7) for method in METHODS]

    def heatmap(job):
        given, target, method = job
        return attribute(given, target, method=method).values

    def gates(given):
        with torch.inference_mode():
            return [gate.values for gate in capture.trace(network, given).gates]

    alone, traced = [heatmap(job) for job in jobs], [gates(given) for given in pictures]
    with ThreadPoolExecutor(16) as pool:
        together = [pool.submit(heatmap, job) for job in jobs]
        beside = [pool.submit(gates, given) for given in pictures for _ in range(8)]
        for wanted, future in zip(alone, together, strict=True):
            np.testing.assert_allclose(future.result(), wanted, rtol=1e-4, atol=1e-7)
        for number, future in enumerate(beside):
            for wanted, given in zip(traced[number // 8], future.result(), strict=True):
                np.testing.assert_allclose(given, wanted, rtol=1e-5)


def test_no_heatmap_changes_the_weights_or_leaves_gradients(network):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for method in METHODS:
        Attributor(network)(own.pictures()[:1], 3, method=method)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_weights_are_shuffled_from_the_head_down_in_a_copy_alone(network):
    layers = Attributor(network).layers((1, 3, 64, 64))
    before = {name: tensor.clone() for name, tensor in network.named_parameters()}
    names, expected = [], ["head", *reversed(layers.blocks)]
    for group, copy in shuffled_copies(network, layers):
        names.append(group)
        for name, tensor in copy.named_parameters():
            touched = any(name.startswith(f"{each}.") for each in names)
            if tensor.unique().numel() > 4:
                assert torch.equal(tensor, before[name]) != touched, name
    assert names == expected
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.named_parameters())


def test_shuffled_weights_are_the_same_numbers_and_the_same_for_the_same_seed():
    module = seeded(Small)
    layers = Attributor(module).layers(SHAPE)
    (*_, (_, one)), (*_, (_, same)) = shuffled_copies(module, layers), shuffled_copies(module, layers)
    *_, (_, other) = shuffled_copies(module, layers, seed=1)
    for name, tensor in module.named_parameters():
        a, b, c = (each.get_parameter(name) for each in (one, same, other))
        assert torch.equal(a, b)
        assert torch.equal(a.flatten().sort().values, tensor.flatten().sort().values)
        assert not torch.equal(a, c)


def test_what_stands_beside_the_blocks_is_shuffled_with_the_one_before_it():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(192, 4))
    layers = Attributor(module.eval()).layers(SHAPE)
    assert layers.blocks == ("0", "2")
    assert weight_groups(module, layers) == {"head": ["4"], "2": ["2"], "0": ["0", "1"]}


def test_a_picture_of_another_size_is_looked_at_anew():
    attribute = Attributor(own.network("plain"))
    assert [attribute(given, 0).layer for given in (picture(), own.pictures()[:1])] == ["layer2.1", "layer4.1"]
