"""Weight files from the Hugging Face hub, through its own client and in its own cache."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attention.zoo.downloads import DownloadError, Progress, fail, hash_of

if TYPE_CHECKING:
    from tqdm import tqdm

FILES = ("model.safetensors", "pytorch_model.bin")
"""What timm looks for, in this order."""
SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class OnHub:
    """A weight file in a repository of the hub, whose cache names each file by its SHA-256."""

    repository: str
    file: str = ""
    """Empty where it is one of FILES."""

    def here(self) -> Path | None:
        from huggingface_hub import try_to_load_from_cache

        for name in self._names():
            # A file that a person put there by hand lies under "main", which the client takes for a commit's name.
            found = try_to_load_from_cache(self.repository, name)
            if isinstance(found, str):
                return Path(found)
        return None

    def checksum(self) -> str:
        """The file's name in the cache, once it is there, unless a person put it there by hand."""
        path = self.here()
        return path.resolve().name if path and SHA256.fullmatch(path.resolve().name) else ""

    def fetch(self, progress: Progress) -> Path:
        path = self.here()
        fresh = path is None
        path = path or self._download(progress)
        expected = path.resolve().name
        if SHA256.fullmatch(expected) and hash_of(path, "sha256") != expected:
            if not fresh:
                raise DownloadError(f"{path} is damaged; delete {path.resolve()}, and it is fetched anew.")
            path.resolve().unlink()
            path.unlink()
            error = ValueError("what came has another checksum than the file should have")
            fail(self._url(path.name), error, self._by_hand())
        return path

    def _download(self, progress: Progress) -> Path:
        """By one quick question first, because the client asks again and again for half a minute."""
        from httpx2 import HTTPError
        from huggingface_hub import get_hf_file_metadata, hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        *others, last = self._names()
        for name in (*others, last):
            url = self._url(name)
            try:
                progress(0, get_hf_file_metadata(url).size)
                return Path(hf_hub_download(self.repository, name, tqdm_class=_reporter(progress)))
            except (HTTPError, OSError) as error:
                if not isinstance(error, EntryNotFoundError) or name == last:
                    fail(url, error, self._by_hand())
        raise AssertionError("the last name either returned or failed")

    def _names(self) -> tuple[str, ...]:
        return (self.file,) if self.file else FILES

    def _url(self, name: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.repository, name)

    def _by_hand(self) -> Path:
        """Where `here` finds a file that a person put there: beside those of the commit that "main" was last."""
        from huggingface_hub import constants

        folder = Path(constants.HF_HUB_CACHE) / f"models--{self.repository.replace('/', '--')}"
        main = folder / "refs" / "main"
        return folder / "snapshots" / (main.read_text() if main.exists() else "main") / self._names()[0]


def _reporter(progress: Progress) -> "type[tqdm[Any]]":
    """What the client takes for a progress bar: it draws nothing, and tells `progress`."""
    from tqdm import tqdm

    class Reporter(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            self.done, self.size = int(options.get("initial") or 0), options.get("total")
            super().__init__(*args, **options | {"disable": True})

        def update(self, n: float | None = 1) -> None:
            self.done += int(n or 0)
            progress(self.done, self.size)

    return Reporter
