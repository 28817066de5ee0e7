"""Whatever changes between two passes of one `Tracer`, each gives what a discovery would give, and runs once."""

import gc
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from attention.capture import TraceError, Tracer, trace
from attention.layers import SE
from tests import gallery
from tests.alike import assert_alike, seeded
from tests.blocks import CHANNELS, Function
from tests.own import network, pictures
from tests.ungated import scripted_block

EVERY = list(gallery.blocks())


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


def _chainable(name):
    """Whether any block takes what this one gives: the shape of its features, densely."""
    output = gallery.made(name)(gallery.features())
    return output.shape == gallery.features().shape and output.is_contiguous()


CHAINED = [name for name in EVERY if _chainable(name)]
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


def _swish_of(module, features):
    return features * torch.sigmoid(features)


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
        lambda m, x: x * m.conv(x).clamp(min=-5, max=1), lambda m, x: x * m.conv(x).clamp(max=-5, min=1), conv=conv()
    ),
    "another function": Choosing(
        lambda m, x: x * torch.sigmoid(m.conv(x)), lambda m, x: x * torch.relu(m.conv(x)), conv=conv()
    ),
    "another owner": Choosing(lambda m, x: m.one(x), lambda m, x: m.other(x), one=Squash(), other=Squash()),
    "more gates": Choosing(lambda m, x: m.one(x), lambda m, x: m.one(m.one(x)), one=Squash()),
    "no gate": Choosing(lambda m, x: m.one(x), lambda m, x: x + 1, one=Squash()),
    "another slice": Choosing(
        lambda m, x: x[:, :4] * torch.sigmoid(x[:, 4:]), lambda m, x: x[:, 4:] * x[:, 4:].sigmoid()
    ),
    "no gate for another reason": Choosing(
        lambda m, x: m.one(x) * torch.sigmoid(m.other(x)), lambda m, x: x * torch.sigmoid(x), one=conv(), other=conv()
    ),
    "rejected elsewhere": Choosing(
        lambda m, x: m.one(x), lambda m, x: m.other(x), one=Function(_swish_of), other=Function(_swish_of)
    ),
    "iterated": Choosing(
        lambda m, x: torch.stack([one * torch.sigmoid(m.conv(one[None])[0]) for one in x]),
        lambda m, x: torch.stack([one * torch.sigmoid(m.conv(x)[0]) for one in x]),
        conv=conv(),
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
    "a shape by value": Choosing(lambda m, x: _picked(x, 0), lambda m, x: _picked(x, 1)),
    "shapes of several by value": Choosing(lambda m, x: _distinct(x, 0), lambda m, x: _distinct(x, 1)),
    "a tensor of the pass for one from elsewhere": Choosing(
        lambda m, x: m.conv(x) * torch.sigmoid(_FULL), lambda m, x: m.conv(x) * torch.sigmoid(x), conv=conv()
    ),
}
_FULL, _THRESHOLDS = torch.ones(2, CHANNELS, 6, 5), (torch.tensor(-9.0), torch.tensor(0.0))
_BOUNDS = torch.tensor(-9.0), torch.tensor(9.0)
_MAP, _VECTOR = torch.ones(1, 1, 6, 5), torch.ones(1, CHANNELS, 1, 1)


def _swish(mixed, features, which):
    gate = torch.sigmoid(mixed)
    return (mixed, features)[which] * gate


def _picked(features, which):
    """As many channels as pass a threshold that torch compares with the features: the calls do not show how many."""
    kept = torch.nonzero(features.mean((0, 2, 3)) > _THRESHOLDS[which])[:, 0]
    chosen = features.index_select(1, kept)
    return chosen * torch.sigmoid(chosen.mean((2, 3), keepdim=True))


def _distinct(features, which):
    """Each number of a row once, which is all five of them or the bound alone: the calls do not show how many."""
    numbers, _ = torch.unique(features.mean((0, 1, 2)).clamp(_BOUNDS[which]), return_counts=True)
    return features * torch.sigmoid(numbers)


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


CHANGES = {
    "a submodule": lambda m: setattr(m.layer2[0], "attention", SE(64, 4)),
    "a submodule without parameters": lambda m: setattr(m.layer1[0], "attention", Squash()),
    "a submodule twice": lambda m: setattr(m.layer2[0], "attention", m.layer2[1].attention),
    "a name": lambda m: m.layer4.add_module("last", m.layer4._modules.pop("1")),
    "a parameter": lambda m: setattr(m.layer2[0].branch[0], "weight", nn.Parameter(m.layer2[0].branch[0].weight * 2)),
    "a buffer": lambda m: setattr(m.layer2[0].branch[1], "running_mean", m.layer2[0].branch[1].running_mean + 1),
    "values in place": lambda m: m.layer2[0].branch[0].weight.mul_(-2),
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
def test_a_parameter_that_was_replaced_lives_until_the_next_pass_at_most():
    module = network("se")
    tracer = Tracer(module)
    for batch in (pictures(), pictures()[:1]):
        tracer(batch)
    old = weakref.ref(module.head[2].weight)
    module.head[2].weight = nn.Parameter(module.head[2].weight * 2)
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
def test_what_was_compiled_since_is_refused(monkeypatch):
    module = network("se")
    tracer = Tracer(module)
    tracer(pictures())
    monkeypatch.setattr(module.layer1, "_compiled_call_impl", module.layer1._call_impl)
    with pytest.raises(TraceError, match="'layer1' is compiled"):
        tracer(pictures())


class Scripted(nn.Module):
    """Reads what scripted code made before and after the place where the passes part."""

    def __init__(self):
        super().__init__()
        self.mix, self.early, self.late = conv(), False, False

    def forward(self, features):
        hidden = scripted_block(features)
        features = self.mix(hidden) + hidden
        features = features * 2 if self.early else features / 2
        features = features * torch.sigmoid(hidden)
        return features + hidden if self.late else features - hidden


@torch.no_grad()
def test_what_was_made_out_of_sight_is_said_as_often_wherever_the_passes_part():
    module, batch = Scripted(), gallery.features()
    tracer = Tracer(module)
    for early, late in ((False, False), (False, True), (True, True), (True, False), (False, False)):
        module.early, module.late = early, late
        assert_alike(tracer(batch), trace(module, batch))
