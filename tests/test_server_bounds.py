"""What one link, one picture and one process may take: told before memory is spent, bounded, and let go of."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest
from torch import nn

from attention import images, settings
from attention.images import Decoding, PictureError
from attention.models import libraries, network, zoo
from attention.models.limits import CheckpointError
from attention.records import Floats, Gate
from attention.sizes import OVERHEAD, bytes_of
from attention.store import Store

ROOT = Path(__file__).parents[1]
MEASURE = """
import json, sys
from pathlib import Path
from attention import images
data = Path(sys.argv[1]).read_bytes()
images.Image.init()
Path("/proc/self/clear_refs").write_text("5")
peak = lambda: int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024
before = peak()
images.read(data)
print(json.dumps(peak() - before))
"""


@pytest.mark.parametrize(
    "name", ["timm/vit_gigantic_patch14_clip_224", "torchvision/regnet_y_128gf", "torchvision/vit_h_14"]
)
def test_a_link_to_a_huge_network_is_refused_before_a_weight_is_made(name, monkeypatch):
    monkeypatch.setattr(libraries, "seeded", lambda make: pytest.fail("it was built"))
    with pytest.raises(CheckpointError, match=r"at most .* are allowed"):
        zoo.card(name)


def test_the_page_says_so_and_shows_another_network(monkeypatch):
    monkeypatch.setattr(libraries, "seeded", lambda make: pytest.fail("it was built"))
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    app.query_params["network"] = "torchvision/regnet_y_128gf"
    app.run()
    assert not app.exception
    assert "take 2,462 MiB" in app.error[0].value.replace("\\", "") and "Until another is chosen" in app.error[0].value


def test_a_network_whose_size_nobody_can_tell_is_not_opened(monkeypatch):
    library = libraries.LIBRARIES["pytorchcv"]
    monkeypatch.setattr(library, "build", lambda name: pytest.fail("it was built"), raising=False)
    monkeypatch.setattr("attention.cost.measure_built", lambda build, shape: 1 / 0)
    with pytest.raises(zoo.ZooError, match="cannot be told before it is built"):
        libraries.counted(library, "resnet10")


class Slow(nn.Module):
    """Takes its time where others are built meanwhile."""

    def __init__(self, begun: threading.Event, done: threading.Event) -> None:
        super().__init__()
        begun.set()
        assert done.wait(60)
        self.layer = nn.Linear(4, 4)


def test_building_one_network_does_not_stop_another_nor_change_its_weights():
    begun, done = threading.Event(), threading.Event()
    slow: list[nn.Module] = []
    thread = threading.Thread(target=lambda: slow.append(network.seeded(lambda: Slow(begun, done))))
    thread.start()
    assert begun.wait(60)
    before = torch.random.get_rng_state()
    small = network.seeded(lambda: nn.Linear(4, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    done.set()
    thread.join(60)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(network.SEED)
        wanted = nn.Linear(4, 4)
    assert torch.equal(small.weight, wanted.weight) and torch.equal(slow[0].layer.weight, wanted.weight)


def test_bytes_are_those_of_arrays_tensors_modules_pictures_and_what_holds_them():
    array = np.zeros((10, 10), np.float32)
    assert bytes_of(array) == 400 and bytes_of(torch.zeros(5, dtype=torch.float64)) == 40
    assert bytes_of(nn.Linear(3, 2)) == 4 * (6 + 2)
    assert bytes_of(Image.new("RGB", (4, 5))) == 60
    assert bytes_of([array, array]) == OVERHEAD + 400  # the same memory
    gate = Gate("a", "spatial", "sigmoid", array[None], (1, 1, 10, 10), 0.0, 1.0)
    assert 400 <= bytes_of({"gate": gate}) <= 400 + 20 * OVERHEAD


def test_the_store_lets_go_of_what_was_used_longest_ago():
    store = Store(budget=1000)
    made: list[str] = []

    def make(name: str) -> Floats:
        made.append(name)
        return np.zeros(100, np.float32)

    for name in ("a", "b", "a", "c"):
        store.get("array", name, lambda name=name: make(name))
    assert made == ["a", "b", "c"] and store.held == 800
    assert store.has("array", "a") and store.has("array", "c") and not store.has("array", "b")
    store.get("large", "d", lambda: np.zeros(1000, np.float32))
    assert store.has("large", "d") and store.held == 4000  # what was made last is kept, however large


def saved(tmp_path: Path, mode: str, size: tuple[int, int]) -> Path:
    picture = Image.new(mode, size)
    if mode == "RGBA":
        picture.putalpha(128)
    picture.save(tmp_path / "large.png")
    return tmp_path / "large.png"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells a process's peak")
@pytest.mark.parametrize(("mode", "pixel"), [("P", 1), ("RGBA", 4), ("I;16", 2), ("LA", 4)])
def test_reading_a_picture_takes_at_most_300_mb_above_its_own_pixels(tmp_path, mode, pixel):
    size = (7071, 7071)
    command = [sys.executable, "-c", MEASURE, str(saved(tmp_path, mode, size))]
    peak = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout)
    assert peak - size[0] * size[1] * pixel <= 300e6


def test_a_long_side_is_refused_by_the_header_alone(tmp_path):
    data = saved(tmp_path, "L", (1, 30_000)).read_bytes()
    with pytest.raises(PictureError, match="1 x 30,000 = 30,000 pixels; at most 20,000 a side are allowed"):
        images.read(data)


def test_bounds_are_those_of_the_environment(tmp_path, monkeypatch):
    data = saved(tmp_path, "L", (30, 40)).read_bytes()
    assert images.read(data).size == (30, 40)
    monkeypatch.setenv("GATESCOPE_MAX_PICTURE_SIDE", "39")
    with pytest.raises(PictureError, match="at most 39 a side"):
        images.read(data)
    monkeypatch.setenv("GATESCOPE_MAX_PICTURE_SIDE", "many")
    with pytest.raises(settings.SettingError, match="a whole number from 0"):
        images.read(data)


def test_pictures_are_read_together_as_long_as_they_fit(monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_DECODING_MIB", "100")
    decoding, side = Decoding(), 1600
    inside, most, together = 0, 0, threading.Barrier(2)
    lock = threading.Lock()

    def read(wait: bool) -> None:
        nonlocal inside, most
        with decoding.room((side, side)):
            with lock:
                inside += 1
                most = max(most, inside)
            if wait:
                together.wait(30)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=read, args=(number < 2,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most >= 2 and most * side * side * 4 * images.COPIES <= 100 * 2**20
    with decoding.room((100_000, 100_000)):  # more than there is: it has all of it
        pass


def test_the_guide_lists_every_bound():
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    for name, (default, meaning) in settings.SETTINGS.items():
        assert f"| `{name}` | {default:,} | {meaning} |" in guide
