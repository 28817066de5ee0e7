"""Weight files from the Hugging Face hub, through its own client and in its own cache."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attention.zoo.downloads import WRONG, DownloadError, Progress, failure, hash_of

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
        return next((path for path in map(self._place, self._names()) if path.exists()), None)

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
            raise failure(self._url(path.name), ValueError(WRONG), path)
        return path

    def _download(self, progress: Progress) -> Path:
        """By one quick question first, because the client asks again and again for half a minute."""
        from httpx2 import HTTPError
        from huggingface_hub import get_hf_file_metadata, hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        for name in self._names():
            try:
                progress(0, get_hf_file_metadata(self._url(name)).size)
                return Path(hf_hub_download(self.repository, name, tqdm_class=_reporter(progress)))
            except EntryNotFoundError as error:
                missing = error  # the next one may be there
            except (HTTPError, OSError) as error:
                raise failure(self._url(name), error, self._place(name)) from error
        raise failure(self._url(name), missing, self._place(name)) from missing

    def _names(self) -> tuple[str, ...]:
        return (self.file,) if self.file else FILES

    def _url(self, name: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.repository, name)

    def _place(self, name: str) -> Path:
        """Where a file of the newest commit lies that the cache knows of, or one that a person puts there by hand."""
        from huggingface_hub import constants

        folder = Path(constants.HF_HUB_CACHE) / f"models--{self.repository.replace('/', '--')}"
        main = folder / "refs" / "main"
        return folder / "snapshots" / (main.read_text() if main.exists() else "main") / name


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
