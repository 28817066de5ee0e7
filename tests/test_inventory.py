"""Laws of the inventory: its counts are those of a slow loop, its sums close, and what it folds is alike."""

import copy
import threading
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from attention import capture, networks, numbers
from attention.cost import CostError, measure
from attention.inventory import COUNTS, all_rows, folded_rows, inventory
from attention.models import zoo
from attention.records import Inventory, Part, within

SIDE = 64
NETWORKS = (
    *networks.VARIANTS,
    "torchvision/mobilenet_v3_small",
    "timm/resnest14d",
    "timm/skresnet18",
    "timm/efficientnet_b4",
)
EVERY = pytest.mark.parametrize("name", NETWORKS)


@cache
def module(name: str) -> nn.Module:
    return zoo.load(name, random=True).module


def taken(own: nn.Module, side: int = SIDE) -> Inventory:
    with torch.inference_mode():
        gates = capture.trace(own, torch.rand(1, 3, side, side)).gates
    return inventory(own, measure(own, (1, 3, side, side)), gates)


@pytest.fixture(scope="module")
def inventories() -> dict[str, Inventory]:
    return {name: taken(module(name)) for name in NETWORKS}


def all_parts(part: Part) -> list[Part]:
    return [part, *(inner for child in part.parts for inner in all_parts(child))]


@EVERY
def test_the_whole_costs_what_torch_counts(name, inventories):
    own, network = module(name), inventories[name].network
    assert network.parameters == sum(parameter.numel() for parameter in own.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        own(torch.zeros(1, 3, SIDE, SIDE))
    assert network.macs == counter.get_total_flops() // 2


@EVERY
def test_every_convolution_costs_what_a_hook_on_it_computes(name, inventories):
    """The slow twin: each convolution of the network itself, from its weight and the output that it really gave."""
    own, wanted = copy.deepcopy(module(name)), {}

    def look(path):
        def hook(part, _inputs, output):
            wanted[path] = part.weight.numel() * output.shape[2] * output.shape[3], part.groups, tuple(output.shape[1:])

        return hook

    for path, part in own.named_modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(look(path))
    with torch.no_grad():
        own(torch.zeros(1, 3, SIDE, SIDE))
    shown = {part.name: part for part in all_parts(inventories[name].network) if part.kernel}
    assert shown
    for path, part in shown.items():
        macs, groups, output = wanted[path]
        assert (part.macs, part.groups, part.output) == (macs, groups, output)
        assert part.ungrouped_macs == macs * groups


@EVERY
def test_nothing_is_counted_twice_or_lost(name, inventories):
    """A part's own share, its modules that have no row, is what a loop over those modules adds up to."""
    own = module(name)
    for part in all_parts(inventories[name].network):
        for count in COUNTS:
            assert getattr(part, count) >= sum(getattr(inner, count) for inner in part.parts) >= 0
        if not part.kernel:
            inside = own.get_submodule(part.name).parameters()
            assert part.parameters == sum(parameter.numel() for parameter in inside)
        assert part.attention_parameters <= part.parameters <= part.ungrouped_parameters
        assert part.attention_macs <= part.macs <= part.ungrouped_macs


@EVERY
def test_every_convolution_stands_in_the_tree_or_inside_an_attention_block(name, inventories):
    parts = {part.name: part for part in all_parts(inventories[name].network)}
    closed = [part.name for part in parts.values() if part.form and not part.parts]
    for path, inner in module(name).named_modules():
        if isinstance(inner, nn.Conv2d):
            assert path in parts or any(path.startswith(f"{block}.") for block in closed)


@EVERY
def test_the_dense_twin_has_the_parameters_of_a_network_without_groups(name, inventories):
    spared = sum(
        part.weight.numel() * (part.groups - 1) for part in module(name).modules() if isinstance(part, nn.Conv2d)
    )
    network = inventories[name].network
    assert network.ungrouped_parameters - network.parameters == spared


@pytest.mark.parametrize("name", ["se", "cbam", "torchvision/mobilenet_v3_small", "timm/efficientnet_b4"])
def test_attention_is_the_blocks_and_nothing_else(name, inventories):
    known = inventories[name].known
    own = module(name)
    blocks = [own.get_submodule(block.name) for block in known]
    parameters = sum(parameter.numel() for block in blocks for parameter in block.parameters())
    assert inventories[name].network.attention_parameters == parameters > 0


@pytest.mark.parametrize(("name", "features"), [("timm/resnest14d", ("conv", "bn0")), ("timm/skresnet18", ("paths",))])
def test_what_makes_the_features_in_an_attention_block_is_not_attention(name, features, inventories):
    own = module(name)
    wanted = 0
    for block in inventories[name].known:
        part = own.get_submodule(block.name)
        whole = sum(parameter.numel() for parameter in part.parameters())
        makers = [parameter for key in features for parameter in part.get_submodule(key).parameters()]
        wanted += whole - sum(parameter.numel() for parameter in makers)
    assert inventories[name].network.attention_parameters == wanted > 0


def of_any_place(part, root):
    named = {"name": part.name.removeprefix(root), "gates": [gate.removeprefix(root) for gate in part.gates]}
    return vars(part) | named | {"parts": len(part.parts)}


@EVERY
@pytest.mark.parametrize("deepest", [1, 2, 4, 99])
def test_rows_that_are_folded_are_alike_and_stand_for_all(name, deepest, inventories):
    network = inventories[name].network
    rows = list(folded_rows(network, deepest=deepest))
    assert rows[0].part is network
    assert max(row.depth for row in rows) <= deepest
    for row in rows:
        for part in row.parts[1:]:
            for one, other in zip(all_parts(row.part), all_parts(part), strict=True):
                assert of_any_place(one, row.part.name) == of_any_place(other, part.name)
        assert row.total("parameters") == sum(part.parameters for part in row.parts)
    shown = {part.name for row in rows for part in row.parts}
    unfolded = {row.part.name for row in all_rows(network) if row.depth <= deepest}
    inside = {inner.name for row in rows if len(row.parts) > 1 for part in row.parts for inner in all_parts(part)}
    assert shown <= unfolded <= shown | inside


def test_blocks_that_differ_in_one_number_are_not_folded():
    same, other = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=2)

    def block(conv):
        return nn.Sequential(copy.deepcopy(conv), nn.Conv2d(4, 4, 1))

    own = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(block(same), block(same), block(other), block(same)))
    rows = [row for row in folded_rows(taken(own).network, deepest=2) if row.depth == 2]
    assert [(row.label, len(row.parts)) for row in rows] == [("1.0 to 1.1", 2), ("1.2", 1), ("1.3", 1)]


def test_the_module_that_is_measured_is_left_as_it_was():
    own = networks.build("cbam", 10).train()
    before = copy.deepcopy(own.state_dict())
    measure(own, (1, 3, SIDE, SIDE))
    assert own.training
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in own.modules())
    assert all(torch.equal(value, before[key]) for key, value in own.state_dict().items())


def test_what_another_thread_runs_meanwhile_is_not_counted():
    own = networks.build("se", 10).eval()
    alone, stop = measure(own, (1, 3, SIDE, SIDE)), threading.Event()

    def run():
        while not stop.is_set():
            with torch.inference_mode():
                own(torch.zeros(1, 3, 32, 32))

    other = threading.Thread(target=run)
    other.start()
    try:
        assert [vars(measure(own, (1, 3, SIDE, SIDE))) for _ in range(3)] == [vars(alone)] * 3
    finally:
        stop.set()
        other.join()


class Peeking(nn.Module):
    """Looks at its numbers, which a copy without numbers does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        features = self.conv(pictures)
        return features * 2 if float(features.detach().sum()) > 0 else features


def test_a_module_that_looks_at_its_numbers_is_run_and_says_so():
    measured = measure(Peeking(), (1, 3, 16, 16))
    assert measured.macs == {"conv": 3 * 8 * 9 * 16 * 16}
    assert measured.outputs["conv"] == (8, 16, 16)
    assert "a copy of it was run" in measured.note
    assert not measure(nn.Conv2d(3, 8, 3), (1, 3, 16, 16)).note


def test_a_module_that_cannot_run_is_named_in_one_sentence():
    with pytest.raises(CostError, match=r"^Conv2d cannot be counted on an input of 1 × 3 × 16 × 16: \w+Error"):
        measure(nn.Conv2d(4, 8, 3), (1, 3, 16, 16))


def test_attention_between_tokens_is_counted_with_and_without_numbers(monkeypatch):
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, features: Tensor) -> Tensor:
            tokens = features.flatten(2).transpose(1, 2)
            return self.attention(tokens, tokens, tokens, need_weights=False)[0]

    projections, products = 4 * 16 * 8 * 8, 2 * 16 * 16 * 8
    counted = measure(Attending(), (1, 8, 4, 4))
    assert sum(counted.macs.values()) == projections + products

    def refuse(*_):
        raise NotImplementedError

    monkeypatch.setattr("attention.cost.meta_copy", refuse)
    assert sum(measure(Attending(), (1, 8, 4, 4)).macs.values()) == projections + products


def test_a_module_with_two_names_is_counted_once():
    conv = nn.Conv2d(3, 3, 3, padding=1)
    network = taken(nn.Sequential(conv, nn.Sequential(conv, nn.Conv2d(3, 5, 1)))).network
    assert network.parameters == conv.weight.numel() + conv.bias.numel() + 3 * 5 + 5
    assert network.macs == (2 * conv.weight.numel() + 15) * SIDE**2


def test_any_part_of_a_network_that_applies_a_gate_itself_may_be_attention():
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features, self.logits = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)

        def forward(self, pictures: Tensor) -> Tensor:
            features = self.features(pictures)
            return features * torch.sigmoid(self.logits(features.mean((2, 3), keepdim=True)))

    for own, share in ((Gated(), "≤ 100.0%"), (nn.Sequential(Gated(), nn.Conv2d(4, 4, 1)), "≤ 86.8%")):
        assert numbers.attention_share(taken(own), "parameters") == share


@pytest.mark.parametrize(
    ("name", "outer", "inside"),
    [("layer1.0", "layer1", True), ("layer1", "layer1", True), ("layer10.0", "layer1", False), ("layer1", "", True)],
)
def test_a_module_stands_in_another_by_whole_parts_of_its_name(name, outer, inside):
    assert within(name, outer) == inside
