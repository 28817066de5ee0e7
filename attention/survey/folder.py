"""What pictures there are, and of which class: a folder, a zip that is read where it lies, or a CSV of path,label."""

import csv
import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from attention import images
from attention.survey.errors import SurveyError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
MAX_MEMBERS = 200_000
"""Of a zip file."""
ALLOWED = "a folder of pictures, a zip file of one, or a CSV file with the columns path and label"


@dataclass(frozen=True, eq=False)
class Pictures:
    """A list of pictures in a fixed order, each with its class; the bytes stay where they are until they are read."""

    root: Path
    """The folder, the zip file or the CSV file."""
    paths: tuple[str, ...]
    """Below the folder, inside the zip file, or as the CSV file has them."""
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    """The class of each picture, an index into `classes`, (N,)."""
    sizes: tuple[int, ...]
    """Of each file, in bytes; -1 where there is no such file."""
    left_out: int = 0
    """Files of the folder or zip that are no pictures by their name."""

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, number: int) -> bytes:
        """The bytes of a picture, at most `images.MAX_BYTES` + 1 of them. Raises OSError or BadZipFile."""
        with self._open(self.paths[number]) as file:
            return file.read(images.MAX_BYTES + 1)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the path, class and size of every picture, in order: not over what the files hold."""
        digest = hashlib.sha256()
        for path, label, size in zip(self.paths, self.labels, self.sizes, strict=True):
            digest.update(f"{path}\0{self.classes[label]}\0{size}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def limited(self, count: int) -> "Pictures":
        """At most so many of the pictures, spread evenly over the list, so that each class keeps its share."""
        if count >= len(self):
            return self
        kept = [number * len(self) // count for number in range(count)]
        paths = tuple(self.paths[number] for number in kept)
        sizes = tuple(self.sizes[number] for number in kept)
        return replace(self, paths=paths, labels=self.labels[kept], sizes=sizes)

    @cached_property
    def _open(self) -> Callable:
        if zipfile.is_zipfile(self.root):
            return zipfile.ZipFile(self.root).open
        base = self.root.parent if self.root.is_file() else self.root
        return lambda path: (base / path).open("rb")

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "_open"}


def pictures(source: Path) -> Pictures:
    """The pictures of a folder, zip file or CSV file, in the order of their names (a CSV's: of its rows).

    The class of a picture is the first folder below which the pictures lie apart; where all lie in one folder, it is
    that one. Hidden files and folders are passed over. Raises SurveyError where there is no picture.
    """
    if source.is_dir():
        return _listed(source, _walk(source))
    if zipfile.is_zipfile(source):
        return _listed(source, _members(source))
    if source.is_file() and source.suffix.lower() == ".csv":
        return _tabled(source)
    raise SurveyError(f"{source} is {'another file' if source.exists() else 'not there'}; {ALLOWED} is allowed.")


def _walk(root: Path) -> Iterable[tuple[str, int]]:
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        for path in (Path(folder, name) for name in files):
            yield path.relative_to(root).as_posix(), path.stat().st_size if path.exists() else -1


def _members(file: Path) -> Iterable[tuple[str, int]]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as error:
        raise SurveyError(f"{file.name} is a damaged zip file; {ALLOWED} is allowed.") from error
    if len(members) > MAX_MEMBERS:
        raise SurveyError(f"{file.name} has {len(members):,} members; at most {MAX_MEMBERS:,} are allowed.")
    return [(member.filename, member.file_size) for member in members if not member.is_dir()]


def _listed(root: Path, files: Iterable[tuple[str, int]]) -> Pictures:
    visible = [(path, size) for path, size in files if not hidden(path)]
    found = sorted((path, size) for path, size in visible if path.lower().endswith(ENDINGS))
    if not found:
        others = f"{len(visible)} files and no picture among them" if visible else "no files"
        raise SurveyError(f"{root} holds {others}; pictures named {', '.join(ENDINGS)} are allowed.")
    names = _classes(root, [path for path, _ in found])
    rows = [(path, name, size) for (path, size), name in zip(found, names, strict=True)]
    return _labelled(root, rows, len(visible) - len(found))


def hidden(path: str) -> bool:
    """Whether a picture of this path below a folder is passed over."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(path).parts)


def _classes(root: Path, paths: list[str]) -> list[str]:
    """Of each path: the folder below those that all share, or the innermost shared one."""
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    ends = zip(min(folders), max(folders), strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends))
    innermost = folders[0][shared - 1] if shared else root.resolve().stem
    return [folder[shared] if len(folder) > shared else innermost for folder in folders]


def _tabled(file: Path) -> Pictures:
    try:
        with file.open(encoding="utf-8-sig", newline="") as rows:
            table = list(csv.DictReader(rows))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SurveyError(f"{file.name} is no table of text in UTF-8; {ALLOWED} is allowed.") from error
    if not table or not {"path", "label"} <= table[0].keys():
        columns = ", ".join(map(str, table[0])) if table else "no rows"
        raise SurveyError(f"{file.name} has {columns}; rows under the columns path and label are allowed.")
    for number, row in enumerate(table, start=2):
        if not row["path"] or not row["label"]:
            raise SurveyError(f"{file.name} lacks a path or a label in line {number}; each row must have both.")
    places = [file.parent / row["path"] for row in table]
    sizes = [place.stat().st_size if place.is_file() else -1 for place in places]
    return _labelled(file, [(row["path"], row["label"], size) for row, size in zip(table, sizes, strict=True)])


def _labelled(root: Path, rows: list[tuple[str, str, int]], left_out: int = 0) -> Pictures:
    """Of the path, class and size of each picture."""
    paths, names, sizes = zip(*rows, strict=True)
    classes = tuple(sorted(set(names)))
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[name] for name in names], np.int64)
    return Pictures(root, paths, classes, labels, sizes, left_out)
