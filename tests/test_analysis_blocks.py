"""Every gate of every network stands in one block that the pages can show."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from attention import analysis, capture
from attention.interventions import Edit, targets
from attention.kinds import KINDS
from attention.models import zoo
from attention.records import Gate, GateHealth
from tests import coordinate

SHAPES = {
    "channel": (1, 4),
    "spatial": (1, 3, 2),
    "full": (1, 4, 3, 2),
    "height": (1, 3),
    "width": (1, 2),
    "channel-height": (1, 4, 3),
    "channel-width": (1, 4, 2),
    "token": (1, 6),
    "sample": (1,),
    "volume": (1, 5, 3, 2),
    "depth": (1, 5),
    "channel-depth": (1, 4, 5),
    "depth-height": (1, 5, 3),
    "depth-width": (1, 5, 2),
}
BLOCKS = {  # how many blocks, and of which kinds each
    "torchvision/mobilenet_v3_small": (9, "channel"),
    "torchvision/regnet_y_400mf": (16, "channel"),
    "timm/ecaresnet26t": (8, "channel"),
    "timm/resnest14d": (4, "channel"),
    "timm/skresnet18": (8, "channel"),
    "timm/gcresnext26ts": (0, ""),
    "timm/bat_resnext26ts": (0, ""),
    "timm/coatnet_nano_rw_224": (7, "channel"),
    coordinate.NAME: (8, "channel-width channel-height"),
    "pytorchcv/bam_resnet18": (3, "full"),
    "pytorchcv/cbam_resnet18": (8, "channel spatial"),
}
"""Neither gcresnext26ts, which adds its context, nor bat_resnext26ts, which multiplies matrices, has a gate."""


def gate(name: str, kind: str) -> Gate:
    values = np.random.default_rng(len(name)).random(SHAPES[kind], np.float32)
    return Gate(name, kind, "sigmoid", values, (1, 4, 3, 2), float(values.min()), float(values.max()))


paths = st.lists(st.sampled_from(["a", "b", "a.x", "a.y", "b.x", "a#1", "a#2", "#1", "a.x.u"]), unique=True)


@given(paths, st.data())
def test_every_gate_stands_in_one_block_in_order_and_no_two_blocks_share_a_name(names, data):
    gates = [gate(name, data.draw(st.sampled_from(list(SHAPES)))) for name in names]
    blocks = analysis.blocks(gates)
    inside = [id(each) for block in blocks for each in block.gates]
    assert sorted(inside) == sorted(map(id, gates))
    assert all(block.name for block in blocks) and len({block.name for block in blocks}) == len(blocks)
    for block in blocks:  # an edit of a block is one of all of its gates, and of no other block's
        assert set(targets(Edit("off", block=block.name), gates)) == set(block.gates)
    firsts = [min(gates.index(each) for each in block.gates) for block in blocks]
    assert firsts == sorted(firsts)
    for block in blocks:
        kinds = [each.kind for each in block.gates]
        assert len(set(kinds)) == len(kinds)


def test_coordinate_attention_is_one_block_by_the_name_of_its_module():
    (block,) = analysis.blocks([gate("a.att#1", "channel-height"), gate("a.att#2", "channel-width")])
    assert (block.name, block.channel, block.spatial) == ("a.att", None, None)
    assert list(analysis.profiles(block)) == ["height", "width"]


def test_gates_of_features_of_other_shapes_are_no_block():
    channel, spatial = gate("#1", "channel"), gate("#2", "spatial")
    assert len(analysis.blocks([channel, spatial])) == 1
    for shape in ((1, 4, 6, 4), (1, 8, 3, 2)):
        first, second = analysis.blocks([replace(channel, feature_shape=shape), spatial])
        assert (first.spatial, second.channel) == (None, None)


def test_a_block_without_a_module_of_its_own_is_called_after_all_of_its_gates():
    given = gate("#1", "channel"), gate("se", "channel"), gate("map", "spatial"), gate("last", "full")
    assert [block.name for block in analysis.blocks(given)] == ["#1", "se + map", "last"]


@pytest.mark.parametrize("path", ["", "stage1."])
def test_a_module_that_applies_several_gates_is_no_part_of_its_neighbours_block(path):
    kinds = {"scse#1": "channel", "scse#2": "spatial", "coord#1": "channel-height", "coord#2": "channel-width"}
    given = [gate(path + name, kind) for name, kind in kinds.items()] + [gate(f"{path}map", "spatial")]
    assert [block.name for block in analysis.blocks(given)] == [f"{path}{name}" for name in ("scse", "coord", "map")]


def test_a_full_gate_joins_no_neighbour():
    assert len(analysis.blocks([gate("a.one", "channel"), gate("a.two", "full")])) == 2


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("wanted", SHAPES)
def test_an_average_is_a_slow_loop_over_what_falls_away(kind, wanted):
    own = gate("a", kind)
    found = analysis.averaged_gate(own, wanted)
    axes, kept = KINDS[kind].axes, KINDS[wanted].axes
    if not set(kept) <= set(axes):
        assert found is None
        return
    sums: dict[tuple[int, ...], list[float]] = {}
    for place in np.ndindex(*own.values.shape[1:]):
        key = tuple(index for index, axis in zip(place, axes, strict=True) if axis in kept)
        sums.setdefault(key, []).append(float(own.values[(0, *place)]))
    for key, numbers in sums.items():
        assert found.values[(0, *key)] == pytest.approx(sum(numbers) / len(numbers), rel=1e-5)
    assert (found.minimum, found.maximum) == (found.values.min(), found.values.max())
    assert found.kind == wanted


def test_a_full_gate_of_tokens_has_channels_and_no_map():
    values = np.random.default_rng(0).random((1, 4, 6), np.float32)
    own = Gate("a", "full", "sigmoid", values, (1, 6, 4), 0.0, 1.0)
    np.testing.assert_allclose(analysis.averaged_gate(own, "channel").values, values.mean(2), rtol=1e-6)
    assert analysis.averaged_gate(own, "spatial") is None


@pytest.mark.parametrize("name", BLOCKS)
def test_the_blocks_of_a_zoo_network_are_those_it_is_known_for(name, monkeypatch):
    coordinate.offer(monkeypatch)
    number, kinds = BLOCKS[name]
    network = zoo.load(name, random=True)
    side = network.card.input_size
    with torch.inference_mode():
        gates = capture.trace(network.module, torch.rand(1, 3, side, side)).gates
    blocks = analysis.blocks(gates)
    assert len(blocks) == number
    for block in blocks:
        assert " ".join(each.kind for each in block.gates) == kinds
        assert block.channel or block.spatial or analysis.channel_view(block)
        assert "×" in analysis.features(block.gates[0])
        view = analysis.channel_view(block)
        assert view.values.shape[1] == np.prod(view.feature_shape[1:-2])


@pytest.mark.parametrize(
    ("values", "shape", "found"),
    [
        ([[0.25, 0.5, 0.75, 0.5]], (1, 2, 2, 3, 3), 2),
        ([[0.25, 0.75, 0.5, 0.5]], (1, 2, 2, 3, 3), 1),  # of the branches' own channels
        ([[0.5, 0.5]], (1, 2, 5, 3, 3), 1),  # a volume
        ([[0.5, 0.5]], (1, 2, 3, 3), 1),
    ],
)
def test_branches_are_those_whose_numbers_add_up_to_1(values, shape, found):
    own = Gate("a", "channel", "softmax", np.asarray(values, np.float32), shape, 0.25, 0.75)
    assert analysis.branch_count(own) == found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_branches_in_16_bits_are_branches_and_are_off_at_their_share(dtype):
    weights = torch.randn(4, 3, 64, generator=torch.manual_seed(0)).to(dtype).softmax(1).float().reshape(4, -1).numpy()
    own = Gate("a", "channel", "softmax", weights, (4, 3, 64, 5, 5), float(weights.min()), float(weights.max()))
    assert (analysis.branch_count(own), analysis.neutral_value(own, [own])) == (3, 1 / 3)
    beside = replace(own, activation="sigmoid")  # whose numbers add up to 1 by chance
    assert (analysis.branch_count(beside), analysis.neutral_value(beside, [beside])) == (1, 1)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 64, 40, 30), "64 channels at 40 × 30"),
        ((1, 40, 30, 4), "4 channels at 40 × 30"),
        ((1, 2, 64, 8, 8), "2 branches of 64 channels at 8 × 8"),
        ((1, 196, 384), "features of 196 × 384"),
    ],
)
def test_the_features_are_told_with_their_shape(shape, words):
    values = np.zeros((1, 4), np.float32)
    assert analysis.features(Gate("a", "channel", "sigmoid", values, shape, 0, 0)) == words


def gate_of(kind, name):
    return Gate(name, kind, "sigmoid", np.full((1, 4), 0.5, np.float32), (1, 4, 2, 2), 0.5, 0.5)


def test_a_page_opens_on_the_gate_that_varies_most_from_picture_to_picture_as_the_card_has_it():
    gates = {name: [gate_of("channel", f"{name}.gate")] for name in "abc"}
    gates["c"][0].values[0, 0] = 0.9
    health = [
        GateHealth(f"{name}.gate", "channel", 0.0, 0.0, d) for name, d in zip("abc", (0.1, 0.3, 0.2), strict=True)
    ]
    assert analysis.most_varied(gates, health) == "b"
    assert analysis.most_varied(gates, health[:2]) == "c"  # one is not on the card: by this picture
    assert analysis.most_varied(gates, ()) == "c"
    gates["b"].append(gate_of("spatial", "b.map"))
    assert analysis.most_varied(gates, [*health, GateHealth("b.map", "spatial", 0.0, 0.0, 0.05)]) == "c"  # 0.175 < 0.2


class Weighing(nn.Module):
    """A gate that somebody else multiplies: of channels with a kernel of 1, of places with one of 7."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.channels = kernel == 1
        self.conv = nn.Conv2d(
            channels if self.channels else 1, channels if self.channels else 1, kernel, padding=kernel // 2
        )

    def forward(self, x):
        return self.conv(x.mean((2, 3) if self.channels else 1, keepdim=True)).sigmoid()


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ca, self.sa, self.se = Weighing(8, 1), Weighing(8, 7), Weighing(8, 1)

    def forward(self, x):
        y = self.ca(x) * x
        y = self.sa(y) * y
        return x + self.se(y) * y


class Written(nn.Module):
    """Attention as many write it: a forward that multiplies by what its submodules return."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.ca, self.sa = nn.Conv2d(3, 8, 3), Weighing(8, 1), Weighing(8, 7)
        self.layer, self.head = nn.Sequential(Residual(), Residual()), nn.Conv2d(8, 8, 3, stride=2)
        self.late = Weighing(8, 7)

    def forward(self, x):
        x = self.stem(x)
        x = self.ca(x) * x
        x = self.sa(x) * x
        x = self.head(self.layer(x))
        return (self.late(x) * x).mean((2, 3))


def test_blocks_that_are_calls_in_a_forward_are_called_by_what_made_their_gates():
    tracer, batch = capture.Tracer(Written().eval()), torch.rand(1, 3, 16, 16)
    for _ in range(2):  # discovered, and repeated
        gates = tracer(batch).gates
        assert [gate.maker for gate in gates if "#" in gate.name] == [
            *("ca", "sa"),
            *(f"layer.{number}.{name}" for number in (0, 1) for name in ("ca", "sa", "se")),
            "late",
        ]
        blocks = analysis.blocks(gates)
        assert [block.name for block in blocks] == ["#1 + #2", "layer.0", "layer.0#3", "layer.1", "layer.1#3", "#3"]
        assert list(analysis.titles(blocks).values()) == [
            "ca + sa",
            "layer.0",
            "layer.0.se",
            "layer.1",
            "layer.1.se",
            "late",
        ]
        assert analysis.gate_titles(gates)[:3] == ["ca", "sa", "layer.0.ca"]


def test_gates_that_one_submodule_made_twice_keep_their_numbers():
    made = [replace(gate(f"a#{number}", "channel"), maker="a.se") for number in (1, 2)]
    assert analysis.gate_titles(made) == ["a#1", "a#2"]
    assert len(set(analysis.titles(analysis.blocks(made)).values())) == 2
