"""A file that was damaged anywhere, by chance or on purpose, is read or refused in one sentence, and nothing else."""

import io
import zipfile

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as save_safetensors

from attention.models import checkpoints
from tests import attacks

STATE = {"module.a": torch.ones(3, 2), "module.b": torch.nn.Parameter(torch.ones(2)), "module.n": torch.tensor(3)}


def _wrapped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as wrapper:
        wrapper.writestr("a.pth", content)
    return file.getvalue()


SAVED = attacks.saved({"state_dict": STATE, "epoch": 3, "loss": [0.5]})
FILES = {"torch": SAVED, "safetensors": save_safetensors(STATE), "a zip around it": _wrapped(SAVED)}
PIECES = st.one_of(st.binary(max_size=8), st.sampled_from([b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f", b"PK\5\6"]))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """One of the files with a few pieces put over or between its bytes, or with its end cut off."""
    data = bytearray(FILES[draw(st.sampled_from(sorted(FILES)))])
    for _ in range(draw(st.integers(0, 3))):
        place, piece = draw(st.integers(0, len(data))), draw(PIECES)
        data[place : place + draw(st.sampled_from([len(piece), 0]))] = piece
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


@settings(max_examples=1500)
@given(damaged())
def test_damage_ends_in_tensors_or_in_one_sentence(data):
    try:
        state = checkpoints.read(data)
    except checkpoints.CheckpointError as error:
        sentence = str(error)
        assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 400
    else:
        assert state and all(isinstance(value, torch.Tensor) for value in state.values())


def test_the_files_are_read_while_nothing_is_damaged():
    for data in FILES.values():
        assert set(checkpoints.read(data)) == {"a", "b", "n"}
