"""What torch.save and safetensors write is read back, whatever a training script wrapped around it."""

import argparse
import collections
import dataclasses
import datetime
import enum
import functools
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors

from attention.models import checkpoints, states
from attention.models.pickles import Name
from tests import attacks

TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32, torch.int64, torch.bool)


def state():
    generator = torch.Generator().manual_seed(3)
    tensors = {f"conv.{dtype}": (100 * torch.randn(2, 3, 1, generator=generator)).to(dtype) for dtype in TYPES}
    return tensors | {
        "scalar": torch.tensor(7),
        "none": torch.empty(0, 4),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }


def deflated(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as wrapper:
        wrapper.writestr(name, content)
    return file.getvalue()


def assert_is_the_state(found):
    assert set(found) == set(state())
    for name, value in state().items():
        assert found[name].dtype == value.dtype and torch.equal(found[name], value) and not found[name].requires_grad


FILES = {
    "safetensors": lambda: save_safetensors(state()),
    "torch": lambda: attacks.saved(state()),
    "a zip around it": lambda: deflated("resnet18-0952-0123abcd.pth", attacks.saved(state())),
    "a zip around safetensors": lambda: deflated("model.safetensors", save_safetensors(state())),
}
WRAPPERS = {
    "state_dict": lambda: {"state_dict": state(), "epoch": 3, "loss": 0.5, "name": "a", "optimizer": {"lr": [0.1]}},
    "model": lambda: {"model": state(), "done": True},
    "module": lambda: {"module": state()},
    "model in state_dict": lambda: {"state_dict": {"model": state()}},
    "the average before the last": lambda: {"model": {"other": torch.ones(1)}, "model_ema": state()},
}


@pytest.mark.parametrize("form", FILES)
def test_what_was_written_is_read_from_bytes_and_from_a_path(form, tmp_path):
    data = FILES[form]()
    assert_is_the_state(checkpoints.read(data))
    (tmp_path / "no-suffix").write_bytes(data)
    assert_is_the_state(checkpoints.read(tmp_path / "no-suffix"))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_is_taken_off(wrapper):
    assert_is_the_state(checkpoints.read(attacks.saved(WRAPPERS[wrapper]())))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "model.module."])
@pytest.mark.parametrize("save", [attacks.saved, save_safetensors])
def test_a_prefix_that_every_key_has_is_taken_off(prefix, save):
    assert_is_the_state(checkpoints.read(save({prefix + name: value for name, value in state().items()})))


def test_what_was_taken_off_is_said():
    prefixed = {f"module.model.{name}": value for name, value in state().items()}
    found = checkpoints.contents(attacks.saved({"model": {"other": torch.ones(1)}, "model_ema": prefixed, "epoch": 1}))
    assert_is_the_state(found.state)
    assert found.notes == (
        "the weights under 'model_ema', not those under 'model'",
        "'module.' taken off every key",
        "'model.' taken off every key",
    )
    assert checkpoints.contents(save_safetensors(state())).notes == ()


def test_a_prefix_that_one_key_lacks_stays():
    mixed = {"module.a": torch.ones(1), "a": torch.zeros(1)}
    assert set(checkpoints.read(attacks.saved(mixed))) == {"module.a", "a"}


def test_tensors_that_share_their_numbers_are_read():
    weight = torch.arange(6.0)
    found = checkpoints.read(attacks.saved({"all": weight, "part": weight[2:4], "turned": weight.view(2, 3).T}))
    assert torch.equal(found["part"], weight[2:4]) and torch.equal(found["turned"], weight.view(2, 3).T)


def test_a_path_without_a_file_is_said(tmp_path):
    with pytest.raises(checkpoints.CheckpointError, match=r"none\.pt cannot be read: No such file"):
        checkpoints.read(tmp_path / "none.pt")


def test_the_reason_names_what_a_file_asks_to_run():
    with pytest.raises(checkpoints.CheckpointError, match=r"asks to run posix\.system, which no weights need"):
        checkpoints.read(attacks.saved({"state_dict": state(), "args": attacks.Harm()}))


LIMITS = {
    "file_bytes": (checkpoints.Limits(file_bytes=2**20), r"has 4 MiB; at most 1 MiB are allowed"),
    "tensor_bytes": (checkpoints.Limits(tensor_bytes=3 * 2**20), r"would take 4 MiB of memory; at most 3 MiB"),
    "header_bytes": (checkpoints.Limits(header_bytes=100), r"claims \d+ bytes; at most 100 are allowed"),
    "tensors": (checkpoints.Limits(tensors=5), r"claims 6 tensors; at most 5 are allowed"),
    "dimensions": (checkpoints.Limits(dimensions=1), r"'b' has 2 dimensions; at most 1 are allowed"),
}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("save", [attacks.saved, save_safetensors])
def test_a_limit_is_a_setting(limit, save):
    data = save({"a": torch.zeros(2**20), "b": torch.zeros(4, 4)} | {name: torch.tensor(1) for name in "cdef"})
    assert len(checkpoints.read(data)) == 6
    limits, sentence = LIMITS[limit]
    with pytest.raises(checkpoints.CheckpointError, match=sentence):
        checkpoints.read(data, limits)


@pytest.mark.parametrize("save", [attacks.saved, save_safetensors])
def test_what_is_just_within_the_limits_is_read(save):
    data = save({"a": torch.zeros(2**20), "b": torch.zeros(4, 4)})
    least = checkpoints.Limits(file_bytes=len(data), tensor_bytes=4 * (2**20 + 16), tensors=2, dimensions=2)
    assert sorted(checkpoints.read(data, least)) == ["a", "b"]


def test_half_precision_counts_as_the_floats_it_becomes():
    data = save_safetensors({"a": torch.zeros(2**20, dtype=torch.float16)})
    with pytest.raises(checkpoints.CheckpointError, match="would take 4 MiB"):
        checkpoints.read(data, checkpoints.Limits(tensor_bytes=3 * 2**20))


def test_how_much_a_wrapper_may_unpack_to_is_a_setting():
    data = deflated("a.pth", attacks.saved({"a": torch.zeros(2**12)}))
    with pytest.raises(checkpoints.CheckpointError, match="at most 4 times are allowed"):
        checkpoints.read(data)
    assert not checkpoints.read(data, checkpoints.Limits(inflation=100))["a"].any()


def test_a_limit_is_read_from_the_environment(monkeypatch):
    data = save_safetensors({"a": torch.zeros(2), "b": torch.zeros(2)})
    monkeypatch.setenv("GATESCOPE_MAX_TENSORS", "1")
    with pytest.raises(checkpoints.CheckpointError, match="claims 2 tensors; at most 1 are allowed"):
        checkpoints.read(data)
    assert len(checkpoints.read(data, checkpoints.Limits())) == 2
    monkeypatch.setenv("GATESCOPE_MAX_TENSORS", "2")
    assert len(checkpoints.read(data)) == 2


def test_the_defaults_let_the_largest_networks_that_are_recognised_through():
    from torchvision.models import resnet152

    from attention.models.limits import Claim, check_claims, check_size

    with torch.device("meta"):
        claims = {name: Claim(tuple(tensor.shape), tensor.dtype) for name, tensor in resnet152().state_dict().items()}
    check_claims(claims, checkpoints.Limits())
    check_size(sum(claim.bytes for claim in claims.values()), checkpoints.Limits())
    assert checkpoints.Limits().file_bytes > 581e6  # RegNetY-32GF


class Net(torch.nn.Module):
    """A network with all that a module may hold: shared parts, a buffer that is not saved, an attribute of any kind."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4)
        self.again = self.first
        self.register_buffer("kept", torch.arange(3))
        self.register_buffer("passing", torch.arange(5), persistent=False)
        self.register_parameter("absent", None)
        self.blocks = torch.nn.ModuleList([torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())])
        self.settings = argparse.Namespace(lr=0.1, path=Path("runs"), day=datetime.date(2020, 2, 2))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.norm(self.first(pictures))


def assert_same(found, wanted):
    assert set(found) == set(wanted)
    assert all(found[name].dtype == value.dtype and torch.equal(found[name], value) for name, value in wanted.items())


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Record:
    a: int


class Text(str):
    """It is made with an argument by name, for which protocol 4 has an operation of its own."""

    def __getnewargs_ex__(self):
        return (), {"object": str(self)}


def in_itself(*before):
    """A tuple that holds itself: half of it is put down, and taken away again."""
    inner = []
    inner.append((*before, inner))
    return inner[0]


HARMLESS = {
    "arguments": argparse.Namespace(lr=0.1, betas=(0.9, 0.99), out=Path("runs/1")),
    "numbers of numpy": np.float64(0.5),
    "an array of numpy": np.arange(3),
    "a date": datetime.datetime(2020, 2, 2, 12),
    "an enum": Colour.RED,
    "a set": {1, 2, "three"},
    "a set that stays": frozenset({1, 2}),
    "a tuple in itself": in_itself(),
    "a long tuple in itself": in_itself(1, 2, 3),
    "an object made with arguments by name": Text("x"),
    "a function": functools.partial(print, "x"),
    "a default dictionary": collections.defaultdict(list, a=[1]),
    "a record": Record(3),
    "a type": torch.float16,
    "a large number": 10**40,
}


@pytest.mark.parametrize("kind", HARMLESS)
@pytest.mark.parametrize("protocol", [1, 2, 4])
def test_an_object_beside_the_weights_is_neither_made_nor_in_the_way(kind, protocol, monkeypatch):
    data = attacks.saved({"state_dict": state(), "object": HARMLESS[kind]}, pickle_protocol=protocol)
    monkeypatch.setattr("importlib.import_module", lambda *_: pytest.fail("something was imported"))
    assert_is_the_state(checkpoints.read(data))


@pytest.mark.parametrize(
    ("wrapped", "note"),
    [
        ({"epoch": 1, "model_state_dict": 0}, "the weights under 'model_state_dict'"),
        ({"net": 0, "acc": 0.9}, "the weights under 'net'"),
        ({"generator": 0, "optimizer": {"state": {"a": {"step": torch.ones(1)}}}}, "the weights under 'generator'"),
        ({"anything": {"deeper": 0}, "loss": {"weight": torch.ones(1)}}, "the weights under 'anything'"),
        ({"ema": 0, "model": {"other": torch.ones(1)}}, "the weights under 'ema', not those under 'model'"),
        ({"state_dict": {"net": 0}}, "the weights under 'state_dict'"),
        ((0, 12), "the weights under '0'"),
        ([{"epoch": 3}, 0], "the weights under '1'"),
    ],
)
def test_any_wrapper_is_taken_off_where_it_is_clear_which(wrapped, note):
    many = {f"layer.{number}": torch.tensor(float(number)) for number in range(20)}

    def filled(value):
        if isinstance(value, dict):
            return {key: filled(each) for key, each in value.items()}
        if isinstance(value, tuple | list):
            return type(value)(map(filled, value))
        return many if value == 0 else value

    found = checkpoints.contents(attacks.saved(filled(wrapped)))
    assert_same(found.state, many)
    assert found.notes[0] == note


def test_several_networks_are_named_and_one_can_be_chosen():
    networks = {"G": {"w": torch.ones(2)}, "D": {"w": torch.zeros(2), "b": torch.ones(1)}, "epoch": 3}
    data = attacks.saved({"gan": networks})
    with pytest.raises(
        checkpoints.SeveralNetworksError, match=r"several networks; choose one of gan\.G, gan\.D\."
    ) as raised:
        checkpoints.read(data)
    assert raised.value.parts == ("gan.G", "gan.D")
    for name in ("G", "D"):
        assert_same(checkpoints.contents(data, part=f"gan.{name}").state, networks[name])
    with pytest.raises(checkpoints.CheckpointError, match=r"holds no network 'gan'; choose one of gan\.G, gan\.D\."):
        checkpoints.contents(data, part="gan")
    with pytest.raises(checkpoints.CheckpointError, match="no network 'gan'; it holds one, and no name is needed"):
        checkpoints.contents(attacks.saved(networks["G"]), part="gan")


def side_by_side(*names, fewest=5):
    """The tensors of networks under these names in one mapping, each of them other numbers."""
    network = {"stem.weight": (8, 3, 3, 3)} | {f"body.{number}.weight": (8, 8, 3, 3) for number in range(2 * fewest)}
    return {
        f"{name}.{key}": torch.full(shape, float(number))
        for number, name in enumerate(names)
        for key, shape in network.items()
    }


@pytest.mark.parametrize("save", [attacks.saved, save_safetensors])
@pytest.mark.parametrize("before", ["", "module."])
def test_networks_side_by_side_in_one_mapping_are_several(save, before):
    inside = side_by_side("student", "teacher")
    data = save({before + name: value for name, value in inside.items()})
    with pytest.raises(checkpoints.SeveralNetworksError) as raised:
        checkpoints.contents(data)
    assert raised.value.parts == (f"{before}student", f"{before}teacher")
    teacher = {name.removeprefix("teacher."): value for name, value in inside.items() if name.startswith("teacher.")}
    assert_same(checkpoints.contents(data, part=f"{before}teacher").state, teacher)
    assert_same(checkpoints.read(data), inside)  # for code that has both


@pytest.mark.parametrize(
    ("names", "taken", "besides"),
    [(("model", "ema_model"), "ema_model", "model"), (("teacher", "model"), "model", "teacher")],
)
def test_of_networks_side_by_side_the_usual_one_is_taken_and_the_others_are_said(names, taken, besides):
    for data in (side_by_side(*names), {name: side_by_side(name) for name in names}):
        found = checkpoints.contents(attacks.saved(data))
        assert found.notes[0] == f"the weights under {taken!r}, not those under {besides!r}"
        assert {value.mean().item() for value in found.state.values()} <= {0.0, float(names.index(taken))}


def test_the_parts_of_one_network_are_not_several():
    for state in (side_by_side("net"), side_by_side("a", "b", fewest=2), {"conv.weight": torch.ones(8, 3, 3, 3)}):
        assert_same(checkpoints.contents(save_safetensors(state)).state, state)


def test_what_is_no_tensor_beside_the_tensors_is_left_aside_and_said():
    found = checkpoints.contents(attacks.saved(state() | {"epoch": 3, "args": HARMLESS["arguments"]}))
    assert_is_the_state(found.state)
    assert found.notes == ("left aside, since they are no tensors: 'epoch', 'args'",)


@pytest.mark.parametrize("wrapper", [None, "model", "ema"])
@pytest.mark.parametrize("protocol", [1, 2, 4])
def test_a_whole_module_gives_its_state_dict(wrapper, protocol):
    net = Net().half()
    written = attacks.saved({wrapper: net, "epoch": 3} if wrapper else net, pickle_protocol=protocol)
    found = checkpoints.contents(written)
    assert_same(found.state, net.state_dict())
    assert found.notes[-1] == "the tensors of a whole 'tests.test_checkpoints.Net', whose code was not read"


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_the_tensors_of_a_torchscript_program_are_read_and_its_code_is_not():
    net, file = Net().eval(), io.BytesIO()
    torch.jit.save(torch.jit.trace(net, torch.ones(1, 3, 2, 2)), file)
    found = checkpoints.contents(file.getvalue())
    wanted = torch.jit.load(io.BytesIO(file.getvalue())).state_dict()
    assert_same({name: found.state[name] for name in wanted}, wanted)


def test_every_tensor_is_what_torch_itself_reads(tmp_path):
    """The slow twin: torch's own reader of the same files."""
    base = torch.arange(24.0)
    tensors = {
        "view": base[3:9], "turned": base.view(4, 6).T, "steps": base[::5], "whole": base, "scalar": torch.tensor(2),
        "none": torch.empty(0, 3), "parameter": torch.nn.Parameter(base[:2]), "half": base.half(), "true": base > 3,
        "last": torch.arange(6).view(2, 3).to(memory_format=torch.contiguous_format),
        "channels": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    }  # fmt: skip
    tensors["marked"] = torch.ones(2)
    tensors["marked"].mark = "an attribute"
    data = attacks.saved(tensors)
    assert_same(checkpoints.read(data), torch.load(io.BytesIO(data), weights_only=True))


def test_only_the_numbers_that_are_wanted_are_read():
    """An optimizer's are three quarters of a file: they may even be missing."""
    data = attacks.saved({"model": {"a": torch.ones(3)}, "optimizer": {"state": {0: {"step": torch.ones(2**20)}}}})
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        pickled, numbers = parts.read("archive/data.pkl"), parts.read("archive/data/0")
    assert torch.equal(checkpoints.read(attacks.archive(pickled, {"0": numbers}))["a"], torch.ones(3))


@pytest.mark.parametrize("letters", [1, 79, 80, 81, 200])
def test_a_strangers_name_stands_as_it_is_up_to_eighty_letters_and_is_cut_beyond(letters):
    said = states._kind(Name("a" * letters))
    assert (said == "a" * letters) == (letters <= 80) and len(said) <= 80
