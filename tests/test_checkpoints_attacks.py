"""Each file that means harm ends in one sentence, runs nothing, and leaves memory where it was."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from attention.models import checkpoints
from attention.records import GatescopeError
from tests import attacks

EVERY = pytest.mark.parametrize("name", attacks.ATTACKS)
ALLOWED_MB = 16
"""What the parsing of a header of one mebibyte may take, twice over; the smallest bomb is of 40, the others of 500."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """All the files, which take a while to make."""
    made = tmp_path_factory.mktemp("attacks")
    for number, name in enumerate(attacks.ATTACKS):
        attacks.write(name, made / f"{number}.pt")
    return made


@EVERY
def test_an_attack_ends_in_one_sentence(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    path = folder / f"{list(attacks.ATTACKS).index(name)}.pt"
    with pytest.raises(checkpoints.CheckpointError, match=attacks.ATTACKS[name][1]) as caught:
        checkpoints.read(path)
    assert isinstance(caught.value, GatescopeError)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 400
    assert not (folder / attacks.MARK).exists()


def test_uploaded_bytes_are_refused_as_files_are():
    with pytest.raises(checkpoints.CheckpointError, match="a PNG picture"):
        checkpoints.read(attacks.picture())


def test_the_code_in_the_attack_would_run_if_it_were_let(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    attacks.Harm().__reduce__()[0](attacks.Harm().__reduce__()[1][0])
    assert (tmp_path / attacks.MARK).exists()


@pytest.mark.skipif(torch.__version__.startswith("2.4."), reason="torch 2.4 allows neither bytearray nor encode")
def test_torch_itself_would_let_growing_pickles_through():
    grown = attacks.archive(b"\x80\2cbuiltins\nbytearray\nJ\0\0\x10\0\x85R.")
    assert len(torch.load(io.BytesIO(grown), weights_only=True)) == 2**20
    assert len(torch.load(io.BytesIO(attacks.growing_string(3)), weights_only=True)) == 4 * 2**3


MEASURE = """
import sys
from pathlib import Path
from attention.models import checkpoints

def memory(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(what))) / 1024

def measured(name, source):
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    try:
        state = checkpoints.read(source)
    except checkpoints.CheckpointError:
        state = None
    peak = memory("VmHWM") - before
    print(name, state is None, peak, memory("VmRSS") - before)

folder, honest = Path(sys.argv[1]), Path(sys.argv[2])
for file in sorted(honest.glob("small.*")):
    checkpoints.read(file)
for number in range(int(sys.argv[3])):
    measured(number, folder / f"{number}.pt")
for number in range(int(sys.argv[3])):
    file = folder / f"{number}.pt"
    if file.stat().st_size < 2**24:
        measured(number, file.read_bytes())
measured("large", honest / "large.pt")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read from Linux's /proc")
def test_an_attack_leaves_memory_where_it_was(folder, tmp_path):
    import torch
    from safetensors.torch import save_file

    torch.save({"a": torch.ones(9)}, tmp_path / "small.pt")
    save_file({"a": torch.ones(9)}, tmp_path / "small.safetensors")
    torch.save({"a": torch.ones(2**24)}, tmp_path / "large.pt")
    command = [sys.executable, "-c", MEASURE, folder, tmp_path, str(len(attacks.ATTACKS))]
    root = Path(__file__).parents[1]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    *attempts, last = (line.split() for line in run.stdout.splitlines())
    names = list(attacks.ATTACKS)
    assert {names[int(number)] for number, *_ in attempts} == set(names)
    assert {names[int(number)] for number, refused, *_ in attempts if refused != "True"} == set()
    assert {names[int(number)]: peak for number, _, peak, _ in attempts if float(peak) > ALLOWED_MB} == {}
    assert {names[int(number)]: rest for number, _, _, rest in attempts if float(rest) > ALLOWED_MB} == {}
    assert last[0] == "large" and float(last[2]) > 60, "a file of 64 MiB that is read must be seen by this measure"
