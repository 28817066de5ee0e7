"""The ten minutes for each reader: every command is run, as it stands there, and the Python too."""

import re
import shlex
import shutil

import pytest
from click.testing import CliRunner

from attention import images
from attention.cli import main
from tests.documents import document

TEXT = document("ten-minutes")
START = ".venv/bin/python -m attention "
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A photo, and pictures in a folder for each of two classes."""
    samples = [sample.path for sample in images.samples()[:4]]
    shutil.copy(samples[0], tmp_path / "photo.jpg")
    for number, sample in enumerate(samples):
        kind = tmp_path / "pictures" / ("tench", "church")[number % 2]
        kind.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample, kind)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_does_what_it_says(folder):
    assert len(COMMANDS) == 5 and all(line.startswith(START) for line in COMMANDS)
    for line in COMMANDS:
        ran = CliRunner().invoke(main, shlex.split(line.removeprefix(START)), catch_exceptions=False)
        assert ran.exit_code == 0, ran.output
    made = ("handout.html", "ablation/ablation.json", "compared/compare.png", "survey.parquet", "survey.html")
    assert all((folder / name).stat().st_size for name in made)


def test_its_python_prints_every_gate(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(code, {})
    assert len(capsys.readouterr().out.splitlines()) == 9  # the SE blocks of its table, arXiv 1905.02244
