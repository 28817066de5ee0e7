"""The law of the replay: it judges no product, and gives bit for bit what a discovery would give."""

import gc
import threading
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from attention.capture import TraceError, Tracer, discovery, trace
from attention.layers import SE
from tests import gallery
from tests.alike import assert_alike, assert_same_steps, seeded
from tests.blocks import CHANNELS
from tests.own import BLOCKS, NAMES, network, pictures
from tests.ranks import CASES, CONVOLUTIONS, Gated, features

EVERY = list(gallery.blocks())


@pytest.fixture
def judgements(monkeypatch):
    """How many products discovery has looked at so far."""
    match_gate, seen = discovery.match_gate, []
    monkeypatch.setattr(discovery, "match_gate", lambda *given: seen.append(given) or match_gate(*given))
    return seen


@pytest.mark.parametrize("name", EVERY)
@torch.no_grad()
def test_a_second_pass_of_every_block_judges_nothing_and_gives_the_same(name, judgements):
    block = gallery.made(name)
    tracer = Tracer(block)
    seeded(tracer, gallery.features())
    del judgements[:]
    batch = gallery.features() * 0.5
    found = seeded(tracer, batch)
    assert judgements == []
    assert_alike(found, seeded(trace, block, batch))
    assert torch.equal(found.output, seeded(block, batch.clone()))


@pytest.mark.parametrize("name", EVERY)
@torch.no_grad()
def test_without_a_copy_a_pass_does_to_the_batch_what_a_plain_call_does(name):
    block = gallery.made(name)
    tracer = Tracer(block, copy=False)
    for _ in range(2):
        given, plain = gallery.features(), gallery.features()
        found = seeded(tracer, given)
        assert torch.equal(found.output, seeded(block, plain))
        assert torch.equal(given, plain)
        assert_alike(found, seeded(trace, block, gallery.features()))


@torch.no_grad()
def test_a_module_writes_over_a_copy_of_the_batch_unless_it_is_to_have_the_batch_itself():
    block, batch = nn.ReLU(inplace=True), -torch.ones(1, 2, 3, 3)
    Tracer(block)(batch)
    assert batch.eq(-1).all()
    Tracer(block, copy=False)(batch)
    assert batch.eq(0).all()


@pytest.mark.parametrize("variant", NAMES)
@torch.no_grad()
def test_the_own_networks_replay_in_every_precision_and_layout(variant, judgements):
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        module = network(variant).to(dtype)
        tracer = Tracer(module)
        tracer(pictures(dtype=dtype))
        del judgements[:]
        batch = pictures(2, dtype=dtype).to(memory_format=torch.channels_last)
        found = tracer(batch)
        assert judgements == []
        assert_alike(found, trace(module, batch))


@pytest.mark.parametrize("variant", ["se", "cbam"])
@torch.no_grad()
def test_edits_of_a_replay_do_what_they_do_in_discovery(variant, judgements):
    module, batch = network(variant), pictures()
    tracer = Tracer(module)
    plain = tracer(batch)
    del judgements[:]
    for name in NAMES[variant][::3]:
        for edit in (torch.zeros_like, lambda values: values * 0.5, plain.gates[0].values * 0 + 1):
            if callable(edit) or name == NAMES[variant][0]:
                found = tracer(batch, edits={name: edit})
                assert judgements == []
                assert_alike(found, trace(module, batch, edits={name: edit}))
                del judgements[:]
    assert_alike(tracer(batch), plain)
    with pytest.raises(TraceError, match="no gate"):
        tracer(batch, edits={"layer9": torch.zeros_like})
    with pytest.raises(TraceError, match="shape"):
        tracer(batch, edits={NAMES[variant][0]: np.ones(3)})
    assert torch.overrides._get_current_function_mode_stack() == []
    assert_alike(tracer(batch), plain)


@pytest.mark.parametrize("name", gallery.GATED)
@torch.no_grad()
def test_edits_of_every_block_replay(name):
    block, batch = gallery.made(name), gallery.features()
    tracer = Tracer(block)
    edits = {gate.name: lambda values: values * 0.25 for gate in seeded(tracer, batch).gates}
    assert_alike(seeded(tracer, batch, edits=edits), seeded(trace, block, batch, edits=edits))


@torch.no_grad()
def test_steps_after_replays_are_those_of_a_first_pass():
    module, batch = network("cbam"), pictures()
    tracer, names = Tracer(module), [BLOCKS[0] + ".channel", BLOCKS[3] + ".spatial"]
    tracer(batch)
    tracer(batch)
    found, expected = tracer(batch, steps=names), trace(module, batch, steps=names)
    assert_alike(found, expected)
    for name in names:
        assert_same_steps(found.steps[name], expected.steps[name])


@pytest.mark.parametrize("variant", ["se", "cbam"])
@torch.no_grad()
def test_training_mode_advances_statistics_and_random_numbers_once_a_pass(variant, judgements):
    module, twin = (nn.Sequential(network(variant), nn.Dropout()).train() for _ in range(2))
    tracer = Tracer(module)
    torch.manual_seed(7)
    traced = [tracer(pictures(seed)).output for seed in range(3)]
    after = torch.get_rng_state()
    assert len({id(product) for product, _ in judgements}) == len(judgements) > 0
    torch.manual_seed(7)
    plain = [twin(pictures(seed)) for seed in range(3)]
    assert torch.equal(torch.get_rng_state(), after)
    for one, other in zip([*traced, *module.buffers()], [*plain, *twin.buffers()], strict=True):
        assert torch.equal(one, other)


def test_gradients_through_a_replay_are_those_of_a_plain_pass():
    module, batch = network("cbam").double(), pictures(dtype=torch.float64).requires_grad_()
    tracer, wanted = Tracer(module), [batch, *module.parameters()]
    tracer(batch)
    plain = torch.autograd.grad(module(batch).square().sum(), wanted)
    traced = torch.autograd.grad(tracer(batch).output.square().sum(), wanted)
    assert all(torch.equal(one, other) for one, other in zip(plain, traced, strict=True))


@torch.no_grad()
def test_each_shape_and_precision_has_its_own_plan(judgements):
    module = network("se")
    tracer = Tracer(module)
    batches = [torch.randn(n, 3, size, size) for n, size in ((1, 64), (2, 64), (2, 32), (1, 96))]
    expected = [trace(module, batch) for batch in batches]
    for batch in batches:
        tracer(batch)
    del judgements[:]
    for batch, discovered in zip(batches, expected, strict=True):
        assert_alike(tracer(batch), discovered)
    assert judgements == []


@pytest.mark.parametrize(("rank", "keep", "kind"), CASES)
@torch.no_grad()
def test_features_of_one_to_three_axes_replay(rank, keep, kind, judgements):
    module = nn.Sequential(CONVOLUTIONS[rank](CHANNELS, CHANNELS, 1), Gated(rank, *keep)).eval()
    tracer = Tracer(module)
    tracer(features(rank))
    del judgements[:]
    found = tracer(features(rank) * 2)
    assert judgements == []
    assert [gate.kind for gate in found.gates] == [kind]
    assert_alike(found, trace(module, features(rank) * 2))


@torch.no_grad()
def test_few_plans_are_kept():
    tracer = Tracer(SE(3, 1))
    for size in range(2, 40):
        tracer(torch.randn(1, 3, size, size))
    assert len(tracer._structure._plans) == 8


@torch.no_grad()
def test_eight_threads_share_one_tracer():
    module = network("cbam")
    tracer = Tracer(module)
    batches = [torch.randn(1 + index % 2, 3, 64, 64) for index in range(8)]
    expected = [trace(module, batch) for batch in batches]
    edited = [trace(module, batch, edits={BLOCKS[2] + ".channel": torch.zeros_like}) for batch in batches]
    barrier, results = threading.Barrier(8), {}

    def work(index):
        barrier.wait()
        with torch.no_grad():
            edits = {BLOCKS[2] + ".channel": torch.zeros_like}
            results[index] = [tracer(batches[index], edits=edits if turn % 2 else None) for turn in range(4)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(8):
        for turn, found in enumerate(results[index]):
            assert_alike(found, (edited if turn % 2 else expected)[index])


@torch.no_grad()
def test_a_tracer_keeps_no_tensor_of_a_pass_and_leaves_nothing_on_the_module():
    module, batch = network("cbam"), pictures()
    tracer, made = Tracer(module), []
    attributes = [dict(part.__dict__) for part in module.modules()]
    handles = [
        part.register_forward_hook(lambda _m, given, output: made.extend(map(weakref.ref, (*given, output))))
        for part in module.modules()
    ]
    found = [tracer(batch) for _ in range(3)]
    for handle in handles:
        handle.remove()
    made.append(weakref.ref(found[-1].output))
    del found
    gc.collect()
    assert len(made) > 100
    assert [reference() for reference in made] == [None] * len(made)
    for part, before in zip(module.modules(), attributes, strict=True):
        assert part.__dict__.keys() == before.keys()
    for tensor in [batch, *module.parameters(), *module.buffers()]:
        assert tensor.__dict__ == {}
    alive = weakref.ref(module)
    del module, tracer, part, tensor, handle, handles, attributes, before
    gc.collect()
    assert alive() is None
