"""The package as others install it: a wheel in an environment of its own, used from a folder that is not the clone."""

import shutil
import socket
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.test_serving_processes import healthy

ROOT = Path(__file__).parents[1]
OTHERS_MODULE = """
from torch import nn

class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.gate, self.last = nn.Conv2d(3, 8, 3), nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, pictures):
        features = self.first(pictures)
        return self.last((features * self.gate(features.mean((2, 3))).sigmoid()[..., None, None]).mean((2, 3)))
"""
NOTEBOOK = """
import asyncio, urllib.request
import attention, nets

async def cell():
    return attention.serve(nets.Gated(), image_size=32)

print(urllib.request.urlopen(asyncio.run(cell()) + "/_stcore/health").read())
"""
PAGES = """
from streamlit.testing.v1 import AppTest
from attention import serving, ui
from attention.charts import explorable
from attention.images import samples
from attention.report import Document, html

app = AppTest.from_file(serving.APP, default_timeout=120).run()
for page in ui.PAGES:
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception and not app.error, page
assert explorable.script() in html(Document("", "", (), ())) and explorable.style()
print(serving.APP, len(samples()))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A fresh environment with the wheel, which takes what the package needs from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("installed")
    leave = shutil.ignore_patterns(".*venv*", ".git", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, folder / "clone", ignore=leave)  # a build leaves its own files in the clone
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        folder / "clone",
        at=folder,
    )
    venv.create(folder / "env", with_pip=False)
    (wheel,) = folder.glob("gatescope-*.whl")
    python = folder / "env" / "bin" / "python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", at=folder).strip())
    run(sys.executable, "-m", "pip", "-q", "--python", python, "install", "--no-deps", wheel, at=folder)
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "nets.py").write_text(OTHERS_MODULE)
    return folder


def run(*command, at):
    done = subprocess.run([*map(str, command)], cwd=at, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_does_what_python_m_attention_does(environment):
    command = environment / "env" / "bin" / "gatescope"
    said = run(command, "--help", at=environment / "elsewhere")
    assert "Usage: gatescope" in said and "survey" in said


def test_every_page_opens_with_the_samples_and_weights_that_came_along(environment):
    said = run(environment / "env" / "bin" / "python", "-c", PAGES, at=environment / "elsewhere").split()
    assert Path(said[-2]).is_relative_to(environment / "env") and int(said[-1]) >= 20


def test_a_module_is_served_from_a_notebook_in_another_folder(environment):
    said = run(environment / "env" / "bin" / "python", "-c", NOTEBOOK, at=environment / "elsewhere")
    assert said.endswith("b'ok'\n")


@pytest.mark.parametrize("own", [(), ("--model", "nets:Gated", "--image-size", "32")])
def test_the_command_serves_the_dashboard_with_a_network_of_the_folder_or_without(environment, own):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [environment / "env" / "bin" / "gatescope", "serve", "--headless", "--port", str(port), *own]
    with subprocess.Popen(command, cwd=environment / "elsewhere", stdout=subprocess.DEVNULL) as process:
        try:
            assert healthy(f"http://localhost:{port}", process)
        finally:
            process.kill()


def test_the_extras_are_those_of_the_requirements_and_the_core_is_torch_and_numpy(environment):
    ask = "from importlib.metadata import requires; print(*requires('gatescope'), sep='\\n')"
    listed = run(environment / "env" / "bin" / "python", "-c", ask, at=environment / "elsewhere").splitlines()
    core = {line.partition(">")[0].partition("<")[0] for line in listed if "extra ==" not in line}
    assert core == {"torch", "numpy"}
    extras = {line.rpartition("extra == ")[2].strip("\"'") for line in listed if "extra ==" in line}
    assert extras == {"dashboard", "zoo", "survey", "ray"}


LIBRARIES = {
    "zoo.load('timm/resnet18', random=True)": "timm",
    "zoo.card('timm/resnet26')": "timm",
    "recognise.recognise(timm.create_model('seresnet50', num_classes=3).state_dict())": "timm",
}


@pytest.mark.parametrize("call", LIBRARIES)
def test_a_library_that_is_not_installed_is_one_sentence(call, monkeypatch):
    import timm

    from attention.models import recognise, zoo

    for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        zoo.ZooError, match=r"timm[\w.]* is not installed; `pip install 'gatescope\[zoo\]'` brings it\."
    ):
        eval(call, {"zoo": zoo, "recognise": recognise, "timm": Made(timm)})


class Made:
    """timm as it was before it was taken away."""

    def __init__(self, timm):
        self.create_model = timm.create_model


def test_a_command_whose_libraries_are_missing_says_how_to_get_them(tmp_path):
    hide = "import sys; sys.modules['click'] = None; from attention.__main__ import run; run()"
    done = subprocess.run([sys.executable, "-c", hide], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("Error: click is not installed; `pip install")
