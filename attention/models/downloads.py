"""Weight files from servers and the Hugging Face hub: where they lie, and how they get there, whole or not at all."""

import contextlib
import hashlib
import os
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from attention.files import open_plain
from attention.limits import Limits
from attention.models.network import ZooError
from attention.numbers import duration
from attention.records import GatescopeError

if TYPE_CHECKING:
    from httpx2 import Response
    from tqdm import tqdm

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there, and those that there will be, where the server says so; also while another
download of the same file is waited for. What it raises ends the download, of which nothing is left then."""
PATIENCE = 20.0
"""Seconds without a byte after which a server is given up."""
POLL = 0.5
"""Seconds between two reports of who waits for another's download."""
CHUNK = 2**20
WRONG_CHECKSUM = "what came has another checksum than the file should have"


FILES = ("model.safetensors", "pytorch_model.bin")
"""What timm looks for in a repository of the hub, in this order."""
SHA256 = re.compile("[0-9a-f]{64}")


class DownloadError(ZooError):
    """A weight file that could not be fetched, or that is not the one it should be."""


@dataclass(frozen=True)
class OnServer:
    """A weight file under an address of its own, kept where its library keeps it."""

    url: str
    library: Literal["torchvision", "timm", "pytorchcv"]
    digest: str = ""
    """The first hexadecimal digits of the file's SHA-256, of pytorchcv's files SHA-1; empty where nobody states it."""

    @property
    def path(self) -> Path:
        """Where the file belongs. pytorchcv publishes each in a zip file of the same name."""
        folder = Path("~/.torch/models").expanduser() if self.library == "pytorchcv" else torch_folder()
        return folder / Path(urlsplit(self.url).path).name.removesuffix(".zip")

    def here(self) -> Path | None:
        """The file on this machine, unread, or None."""
        return self.path if self.path.exists() else None

    def checksum(self) -> str:
        """What the file is checked against, in hexadecimal digits; empty where nobody states it."""
        return self.digest

    def fetch(self, progress: Progress) -> Path:
        """The file on this machine, downloaded where it was not there, and checked. Raises DownloadError."""
        if not self.path.exists():
            self._download_once(progress)
        elif not self._is_right(self.path):
            raise DownloadError(f"{self.path} is damaged or another file; delete it, and it is fetched anew.")
        return self.path

    def _download_once(self, progress: Progress) -> None:
        with _locked(self.path, progress, url=self.url, path=self.path) as timed:
            if not self.path.exists():
                self._download(timed)

    def _download(self, progress: Progress) -> None:
        """Through files that end in .part, which are renamed when they are whole and right, and stay where the
        connection broke."""
        import httpx2

        part = self.path.with_name(self.path.name + ".part")
        raw = self.path.with_name(f"{self.path.name}.zip.part") if self.url.endswith(".zip") else part
        try:
            receive(self.url, raw, progress, resume=bool(self.digest))
            if raw != part:
                _unzip(raw, self.path.name, part)
        except (GatescopeError, OSError):  # it was stopped, or the disk is full
            for half in {raw, part}:
                half.unlink(missing_ok=True)
            raise
        except (httpx2.HTTPError, zipfile.BadZipFile, KeyError) as error:
            raise failure(self.url, error, self.path) from error
        if not self._is_right(part):
            part.unlink()
            raise failure(self.url, ValueError(WRONG_CHECKSUM), self.path)
        part.replace(self.path)

    def _is_right(self, path: Path) -> bool:
        return hash_of(path, "sha1" if self.library == "pytorchcv" else "sha256").startswith(self.digest)


@contextlib.contextmanager
def _locked(locked: Path, progress: Progress, *, url: str, path: Path) -> Iterator[Progress]:
    """One download of a file at a time, in all processes; whoever comes meanwhile waits for it, and reports. What the
    download reports by ends it where it takes too long.

    Raises DownloadError where the file from this address cannot be written to this path.
    """
    from filelock import FileLock, Timeout

    timed = _with_time_limit(progress, url, path)
    try:
        locked.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{locked}.lock")
        while True:
            try:
                lock.acquire(timeout=POLL)
                break
            except Timeout:
                timed(0, None)
        try:
            yield timed
        finally:
            lock.release()
    except OSError as error:
        raise failure(url, error, path) from error


def _with_time_limit(progress: Progress, url: str, path: Path) -> Progress:
    """The same, which ends a download that takes longer than `Limits` allow."""
    most = Limits.of_environment().download_seconds
    end = time.monotonic() + most

    def told(done: int, total: int | None) -> None:
        if time.monotonic() > end:
            raise failure(url, ValueError(f"it took longer than the {duration(most)} that are allowed"), path)
        progress(done, total)

    return told


def torch_folder() -> Path:
    """torch.hub's folder for weight files, where torchvision and timm keep theirs; found without torch."""
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return Path(os.getenv("TORCH_HOME", f"{cache}/torch")).expanduser() / "hub" / "checkpoints"


def hash_of(path: Path, algorithm: str) -> str:
    """The hash of a file's bytes, in hexadecimal digits. Raises OSError where it is no plain file, or grows."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def receive(url: str, part: Path, progress: Progress, *, resume: bool) -> None:
    """Fill a file from a server, from where it ends if `resume`. Raises httpx2.HTTPError."""
    import httpx2

    start = part.stat().st_size if resume and part.exists() else 0
    # Packed on the way, the length and the range would not be those of the file.
    asked = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with httpx2.stream("GET", url, headers=asked, timeout=PATIENCE, follow_redirects=True) as response:
        if response.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE:
            part.unlink()  # it is as long as the server's file, or longer, and so not its beginning: next time anew
        response.raise_for_status()
        _write(response, part, progress, start if response.status_code == httpx2.codes.PARTIAL_CONTENT else 0)


def _write(response: "Response", part: Path, progress: Progress, done: int) -> None:
    length = response.headers.get("Content-Length")
    total = done + int(length) if length else None
    with part.open("ab" if done else "wb") as file:
        progress(done, total)
        for chunk in response.iter_raw():
            file.write(chunk)
            done += len(chunk)
            progress(done, total)


def _unzip(archive: Path, name: str, part: Path) -> None:
    """One file out of a zip file, which is deleted, whatever it holds."""
    try:
        with zipfile.ZipFile(archive) as files, files.open(name) as source, part.open("wb") as target:
            while chunk := source.read(CHUNK):
                target.write(chunk)
    finally:
        archive.unlink()


def failure(url: str, error: Exception, path: Path) -> DownloadError:
    """One sentence: what could not be fetched, why, and what a person can do instead."""
    host = urlsplit(url).netloc
    return DownloadError(
        f"{path.name} could not be fetched from {host} ({_reason(error)}); "
        f"put the file at {path} by hand, or go on with random weights."
    )


def _reason(error: Exception) -> str:
    import httpx2

    match getattr(error, "response", None):
        case httpx2.Response() as answer:
            return f"it answered {answer.status_code} {answer.reason_phrase}".rstrip()
    match error:
        case httpx2.TimeoutException():
            return "it fell silent"
        case httpx2.ConnectError() | ConnectionError():
            return "there is no connection"
        case zipfile.BadZipFile() | KeyError():
            return "what came is not a zip file with this file in it"
        case OSError(strerror=str(said)):
            return f"the file cannot be written: {said}"
        case httpx2.TransportError() | OSError():
            return "it broke off; another try goes on from there, or starts anew"
    return str(error)


@dataclass(frozen=True)
class OnHub:
    """A weight file in a repository of the hub, whose cache names each file by its SHA-256."""

    repository: str
    file: str = ""
    """Empty where it is one of FILES."""

    @property
    def ours(self) -> Path:
        """Beside it is the lock of who downloads it; the client's own cannot be waited for with an end."""
        from huggingface_hub import constants

        return Path(constants.HF_HUB_CACHE) / ".locks" / self.repository.replace("/", "--")

    def here(self) -> Path | None:
        return next((path for path in map(self._place, self._names()) if path.exists()), None)

    def checksum(self) -> str:
        """The file's name in the cache, once it is there, unless a person put it there by hand."""
        path = self.here()
        return path.resolve().name if path and SHA256.fullmatch(path.resolve().name) else ""

    def fetch(self, progress: Progress) -> Path:
        path = self.here()
        fresh = path is None
        path = path or self._download_once(progress)
        expected = path.resolve().name
        if SHA256.fullmatch(expected) and hash_of(path, "sha256") != expected:
            if not fresh:
                raise DownloadError(f"{path} is damaged; delete {path.resolve()}, and it is fetched anew.")
            path.resolve().unlink()
            path.unlink()
            raise failure(self._url(path.name), ValueError(WRONG_CHECKSUM), path)
        return path

    def _download_once(self, progress: Progress) -> Path:
        from huggingface_hub import constants

        constants.HF_HUB_DISABLE_XET = True  # its own way of downloading cannot be ended
        name = self._names()[0]
        with _locked(self.ours, progress, url=self._url(name), path=self._place(name)) as timed:
            return self.here() or self._download(timed)

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


Weights = OnServer | OnHub
"""Where the trained weights of a network come from."""


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
