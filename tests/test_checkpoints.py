"""What torch.save and safetensors write is read back, whatever a training script wrapped around it."""

import dataclasses
import io
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as save_safetensors

from attention.models import checkpoints
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
    with pytest.raises(checkpoints.CheckpointError, match=r"asks to run posix\.system; save the state dict alone"):
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
    assert len(checkpoints.read(data, checkpoints.DEFAULT)) == 2
    monkeypatch.setenv("GATESCOPE_MAX_TENSORS", "2")
    assert len(checkpoints.read(data)) == 2


@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "9" * 19])
def test_a_limit_in_the_environment_that_is_no_number_is_said(value, monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_FILE_BYTES", value)
    with pytest.raises(checkpoints.CheckpointError, match=r"GATESCOPE_MAX_FILE_BYTES is '.*'; a whole number from 0"):
        checkpoints.read(save_safetensors({"a": torch.zeros(2)}))


def test_the_readme_states_every_limit():
    table = (Path(__file__).parents[1] / "README.md").read_text()
    for field in dataclasses.fields(checkpoints.Limits):
        assert f"| `GATESCOPE_MAX_{field.name.upper()}` | {field.default:,} |" in table


def test_the_defaults_let_the_largest_networks_that_are_recognised_through():
    from torchvision.models import resnet152

    from attention.models.limits import Claim, check_claims, check_size

    with torch.device("meta"):
        claims = {name: Claim(tuple(tensor.shape), tensor.dtype) for name, tensor in resnet152().state_dict().items()}
    check_claims(claims, checkpoints.DEFAULT)
    check_size(sum(claim.bytes for claim in claims.values()), checkpoints.DEFAULT)
    assert checkpoints.DEFAULT.file_bytes > 581e6  # RegNetY-32GF
