"""The law of the replay: whatever happens between two passes, each gives what a discovery would give."""

import gc
import threading
import weakref
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from attention.capture import TraceError, Tracer, mode, trace
from attention.layers import SE
from tests import gallery
from tests.blocks import CHANNELS
from tests.own import BLOCKS, NAMES, network, pictures

EVERY = list(gallery.blocks())


def assert_alike(found, expected):
    assert torch.equal(found.output, expected.output)
    assert found.output.stride() == expected.output.stride()
    assert [gate.name for gate in found.gates] == [gate.name for gate in expected.gates]
    for one, other in zip(found.gates, expected.gates, strict=True):
        for field in fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
        assert one.values.dtype == np.float32


def seeded(run, *args, **options):
    torch.manual_seed(3)
    return run(*args, **options)


@pytest.fixture
def judgements(monkeypatch):
    """How many products discovery has looked at so far."""
    judged, seen = mode.judged, []
    monkeypatch.setattr(mode, "judged", lambda *given: seen.append(given) or judged(*given))
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


class Routed(nn.Module):
    """Blocks in an order that may change between passes, which no tensor and no submodule shows."""

    def __init__(self, names):
        super().__init__()
        self.blocks = nn.ModuleList([gallery.made(name) for name in names])
        self.route = list(range(len(names)))

    def forward(self, features):
        for index in self.route:
            features = self.blocks[index](features)
            if features.mean() > 0:
                features = torch.sigmoid(features) * features
        return features


CHAINED = [name for name in EVERY if gallery.made(name)(gallery.features()).shape == gallery.features().shape]
PASSES = st.tuples(
    st.permutations(range(3)), st.integers(1, 3), st.sampled_from([1, 2, 5]), st.booleans(), st.integers(0, 2)
)


@given(st.lists(st.sampled_from(CHAINED), min_size=3, max_size=3), st.lists(PASSES, min_size=2, max_size=5))
@torch.no_grad()
def test_each_of_many_passes_gives_what_discovery_gives(names, passes):
    replayed, plain, bare = Routed(names), Routed(names), Routed(names)
    tracer = Tracer(replayed)
    for route, count, samples, train, seed in passes:
        for module in (replayed, plain, bare):
            module.route = route[:count]
            module.train(train)
        batch = gallery.features(dtype=torch.float32)[:1].repeat(samples, 1, 1, 1) * (seed - 0.5)
        found = seeded(tracer, batch)
        assert_alike(found, seeded(trace, plain, batch))
        assert torch.equal(found.output, seeded(bare, batch.clone()))
        for one, other in zip(replayed.buffers(), bare.buffers(), strict=True):
            assert torch.equal(one, other)


class Choosing(nn.Module):
    """One of several forwards; which one is a plain attribute."""

    def __init__(self, *choices, **parts):
        super().__init__()
        self.choices, self.chosen = choices, 0
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, features):
        return self.choices[self.chosen](self, features)


class Squash(nn.Module):
    def forward(self, features):
        return features * torch.sigmoid(features.mean((2, 3), keepdim=True))


def conv():
    torch.manual_seed(0)
    return nn.Conv2d(CHANNELS, CHANNELS, 1)


PAIRS = {
    "other tensors": Choosing(
        lambda m, x: (y := m.conv(x)) is None or y * torch.sigmoid(x), lambda m, x: m.conv(x) * 0 + x, conv=conv()
    ),
    "the same calls of other tensors": Choosing(
        lambda m, x: _swish(m.conv(x), x, 0), lambda m, x: _swish(m.conv(x), x, 1), conv=conv()
    ),
    "another plain argument": Choosing(
        lambda m, x: x * m.conv(x).clamp(0, 1), lambda m, x: x * m.conv(x).clamp(0, 5), conv=conv()
    ),
    "another keyword": Choosing(
        lambda m, x: x * m.conv(x).mean((2, 3), keepdim=True).clamp(min=0, max=1),
        lambda m, x: x * m.conv(x).mean((2, 3), keepdim=True).clamp(max=1, min=-9),
        conv=conv(),
    ),
    "another owner": Choosing(lambda m, x: m.one(x), lambda m, x: m.other(x), one=Squash(), other=Squash()),
    "more gates": Choosing(lambda m, x: m.one(x), lambda m, x: m.one(m.one(x)), one=Squash()),
    "no gate": Choosing(lambda m, x: m.one(x), lambda m, x: x + 1, one=Squash()),
    "another slice": Choosing(
        lambda m, x: x[:, :4] * torch.sigmoid(x[:, 4:]), lambda m, x: x[:, 4:] * x[:, 4:].sigmoid()
    ),
    "a list": Choosing(
        lambda m, x: torch.cat([x, m.conv(x)], 1) * torch.sigmoid(m.conv(x).mean((1, 2, 3), keepdim=True)),
        lambda m, x: torch.cat([x, x], 1) * torch.sigmoid(m.conv(x).mean((1, 2, 3), keepdim=True)),
        conv=conv(),
    ),
    "a tensor from elsewhere": Choosing(
        lambda m, x: x * torch.sigmoid(m.conv(x) + _MAP),
        lambda m, x: x * torch.sigmoid(m.conv(x) + _VECTOR),
        conv=conv(),
    ),
    "a shape by value": Choosing(lambda m, x: _picked(x, 0), lambda m, x: _picked(x, 0.5)),
}
_MAP, _VECTOR = torch.ones(1, 1, 6, 5), torch.ones(1, CHANNELS, 1, 1)


def _swish(mixed, features, which):
    gate = torch.sigmoid(mixed)
    return (mixed, features)[which] * gate


def _picked(features, threshold):
    """As many channels as pass a threshold that torch compares with the features: the calls do not show how many."""
    kept = torch.nonzero(features.mean((0, 2, 3)) > torch.tensor(threshold))[:, 0]
    chosen = features.index_select(1, kept)
    return chosen * torch.sigmoid(chosen.mean((2, 3), keepdim=True))


@pytest.mark.parametrize("name", PAIRS)
@torch.no_grad()
def test_a_pass_that_takes_another_way_is_followed_there(name):
    module, batch = PAIRS[name].eval(), gallery.features()
    tracer = Tracer(module)
    for chosen in (0, 1, 0, 0, 1, 1):
        module.chosen = chosen
        assert_alike(tracer(batch), trace(module, batch))
    module.chosen = 0


class Unsure(nn.Module):
    """The values of the batch decide whether and where there is a gate."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.calls = SE(3, 1), SE(3, 1), 0

    def forward(self, features):
        self.calls += 1
        features = self.first(features)
        if features.mean() > 0:
            return self.second(features)
        return features * torch.sigmoid(features) if features.std() > 1 else features


@torch.no_grad()
def test_control_flow_that_depends_on_data_gives_the_right_gates_and_runs_once():
    torch.manual_seed(0)
    module = Unsure()
    tracer = Tracer(module)
    batches = [pictures(1) + 2, pictures(2) - 2, 9 * pictures(3) - 2, pictures(4) + 2, pictures(5) - 2]
    for index, batch in enumerate(batches, start=1):
        found = tracer(batch)
        assert module.calls == index
        module.calls -= 1
        assert_alike(found, trace(module, batch))
    assert [len(tracer(batch).gates) for batch in batches] == [2, 1, 1, 2, 1]


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
        assert type(found.steps[name]) is type(expected.steps[name])
        for one, other in ((vars(each.steps[name])) for each in ()):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(found.steps[name].before, expected.steps[name].before)
        np.testing.assert_array_equal(found.steps[name].after, expected.steps[name].after)


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


CHANGES = {
    "a submodule": lambda m: setattr(m.layer2[0], "attention", SE(64, 4)),
    "a submodule without parameters": lambda m: setattr(m.layer1[0], "attention", Squash()),
    "a submodule twice": lambda m: setattr(m.layer2[0], "attention", m.layer2[1].attention),
    "a name": lambda m: m.layer4.add_module("last", m.layer4._modules.pop("1")),
    "a parameter": lambda m: setattr(m.layer2[0].conv1, "weight", nn.Parameter(m.layer2[0].conv1.weight * 2)),
    "a buffer": lambda m: setattr(m.layer2[0].norm1, "running_mean", m.layer2[0].norm1.running_mean + 1),
    "values in place": lambda m: m.layer2[0].conv1.weight.mul_(2),
    "precision of the parameters": lambda m: m.double().float(),
}


@pytest.mark.parametrize("change", CHANGES)
@torch.no_grad()
def test_a_module_that_changed_since_is_traced_as_it_is_now(change):
    module, batch = network("se"), pictures()
    tracer = Tracer(module)
    before = tracer(batch)
    torch.manual_seed(4)
    CHANGES[change](module)
    expected = trace(module, batch)
    for _ in range(2):
        assert_alike(tracer(batch), expected)
    if change != "precision of the parameters":
        same = [gate.name for gate in before.gates] == [gate.name for gate in expected.gates]
        assert not same or not torch.equal(before.output, expected.output)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.ones(1, 1, 6, 1))

    def forward(self, features):
        return features * torch.sigmoid(features.mean((1, 2, 3), keepdim=True).expand(-1, 1, 6, 5) + self.bias)


@torch.no_grad()
def test_a_parameter_that_got_another_shape_in_place_is_noticed():
    module, batch = Scaled(), gallery.features()
    tracer = Tracer(module)
    assert [gate.kind for gate in tracer(batch).gates] == ["height"]
    module.bias.data = torch.ones(1, 1, 1, 5)
    assert [gate.kind for gate in tracer(batch).gates] == ["width"]
    assert_alike(tracer(batch), trace(module, batch))


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


@torch.no_grad()
def test_a_parameter_that_was_replaced_lives_until_the_next_pass_at_most():
    module = network("se")
    tracer = Tracer(module)
    for batch in (pictures(), pictures()[:1]):
        tracer(batch)
    old = weakref.ref(module.fc.weight)
    module.fc.weight = nn.Parameter(module.fc.weight * 2)
    tracer(pictures())
    gc.collect()
    assert old() is None


class Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.se, self.fails = SE(3, 1), False

    def forward(self, features):
        features = self.se(features)
        if self.fails:
            raise RuntimeError("on purpose")
        return self.se(features)


@torch.no_grad()
def test_an_exception_in_a_replay_passes_through_and_the_next_pass_is_right():
    module, batch = Failing(), pictures()
    tracer = Tracer(module)
    for fails in (False, True, False, True, False):
        module.fails = fails
        if fails:
            with pytest.raises(RuntimeError, match="on purpose"):
                tracer(batch)
        else:
            assert_alike(tracer(batch), trace(module, batch))
    assert torch.overrides._get_current_function_mode_stack() == []


@torch.no_grad()
def test_what_was_compiled_since_is_refused():
    module = network("se")
    tracer = Tracer(module)
    tracer(pictures())
    module.layer1.compile()
    with pytest.raises(TraceError, match="'layer1' is compiled"):
        tracer(pictures())
