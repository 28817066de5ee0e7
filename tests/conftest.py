"""What all tests share."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings
from streamlit.components.v2 import manifest_scanner

from attention import images, process

process.share_the_processors()  # with a server and a browser beside the tests

DRAWS = 3

# How long an example takes says more about the machine than about the code.
settings.register_profile("gatescope", deadline=None, print_blob=True)
settings.load_profile("gatescope")


@pytest.fixture(scope="session", autouse=True)
def scanned() -> Iterator[None]:
    """What is installed is searched for components once, as by a server, and not anew by each `AppTest`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="module")
def sparing() -> Iterator[None]:
    """Four of the samples, few random draws and the shortest timing, for all tests of the file: pages do the same with
    fewer passes."""
    from attention import comparison
    from attention.ui import cache as kept
    from attention.ui.compare import tabs
    from attention.ui.intervene import depth, effects, passes

    def forget() -> None:
        kept.samples.cache_clear()
        kept.STORE.clear()

    few = images.samples()[:4]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "samples", lambda: few)
        patch.setattr(comparison, "BUDGET", 0.0)
        patch.setattr(effects, "FEWEST_DRAWS", DRAWS)
        patch.setattr(passes, "FEWEST_DRAWS", DRAWS)
        patch.setattr(depth, "draws_for", lambda blocks: DRAWS)
        patch.setattr(tabs, "draws_for", lambda maps: DRAWS)
        patch.setattr(tabs, "SEEDS", 2)
        forget()
        yield
    forget()


class Home:
    """Folders of the test's own for everything that libraries keep, and the hub's address."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        for name, place in {"HOME": folder, "TORCH_HOME": folder / "torch", "HF_HOME": folder / "hub"}.items():
            monkeypatch.setenv(name, str(place))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def __call__(self, address: str) -> None:
        """Let the hub be at this address. Its client has read the environment when it was imported."""
        from huggingface_hub import constants

        told = {
            "ENDPOINT": address,
            "HUGGINGFACE_CO_URL_TEMPLATE": address + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(self.folder / "hub"),
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": True,
        }
        for name, value in told.items():
            self.monkeypatch.setattr(constants, name, value)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Nothing of this machine's is found, and nothing is left on it."""
    return Home(tmp_path, monkeypatch)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser's tests come last: after them an event loop runs in this thread, and others start their own."""
    items.sort(key=lambda item: "browser" in item.path.parts)
