"""What pictures a survey is over, and of which class: a folder, a zip file, a CSV file, uploaded files; and the
pictures of a result, found again in a folder."""

import csv
import errno
import hashlib
import io
import os
import shutil
import stat
import tempfile
import weakref
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attention.files import open_inside, open_plain, read, reason_of
from attention.foreign import readable
from attention.limits import Limits
from attention.numbers import amount
from attention.survey.result import Result, SurveyError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif")
MAX_MEMBERS = 200_000
"""Members that a zip file may have."""
ALLOWED = "a folder of pictures, a zip file of one, or a CSV file with the columns path and label"


@dataclass(frozen=True, eq=False)
class PictureList:
    """A list of pictures in a fixed order, each with its class; the bytes stay where they are until they are read."""

    root: Path
    """The folder, the zip file or the CSV file."""
    paths: tuple[str, ...]
    """Below the folder, inside the zip file, or as the CSV file has them."""
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    """The class of each picture, an index into `classes`, (N,)."""
    sizes: tuple[int, ...]
    """The size of each file in bytes; -1 where there is no such file."""
    left_out: int = 0
    """How many files are no pictures by their name, or no plain files of the folder or zip file: links that lead out
    of it, pipes, sockets, devices, and folders that cannot be read."""

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, number: int) -> bytes:
        """The bytes of a picture, at most one more than a picture may have. Raises OSError or BadZipFile."""
        most = Limits.of_environment().picture_bytes + 1
        if self.sizes[number] < 0:
            raise FileNotFoundError(errno.ENOENT, "there is no such file")
        with self._open(self.paths[number]) as file:
            data = file.read(most)
        if 0 <= self.sizes[number] != len(data) < most:
            raise OSError("its size has changed since it was listed")
        return data

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the path, class and size of every picture, in order: not over what the files hold."""
        digest = hashlib.sha256()
        for path, label, size in zip(self.paths, self.labels, self.sizes, strict=True):
            digest.update(f"{path}\0{self.classes[label]}\0{size}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def limited(self, count: int | None) -> "PictureList":
        """At most so many of the pictures, spread evenly over the list, so that each class keeps its share; all of
        them for None."""
        if count is None or count >= len(self):
            return self
        return self.select([number * len(self) // count for number in range(count)])

    def select(self, numbers: Sequence[int]) -> "PictureList":
        """The pictures of these numbers, in their order."""
        paths = tuple(self.paths[number] for number in numbers)
        sizes = tuple(self.sizes[number] for number in numbers)
        return replace(self, paths=paths, labels=self.labels[list(numbers)], sizes=sizes)

    @cached_property
    def _open(self) -> Callable:
        if zipfile.is_zipfile(self.root):
            return zipfile.ZipFile(self.root).open
        if self.root.is_dir():
            return lambda path: open_inside(self.root, path)
        return lambda path: open_plain(self.root.parent / path)

    def __getstate__(self) -> dict:
        # An open zip file cannot go to another process, which opens it anew.
        return {name: value for name, value in self.__dict__.items() if name != "_open"}


def list_pictures(source: Path) -> PictureList:
    """The pictures of a folder, zip file or CSV file, in the order of their names (a CSV's: of its rows).

    The class of a picture is the first folder below which the pictures lie apart; where all lie in one folder, it is
    that one. Hidden files and folders are passed over. Raises SurveyError where there is no picture.
    """
    if source.is_dir():
        return _from_names(source, _folder_files(source))
    if source.is_file() and zipfile.is_zipfile(source):  # it would wait for a pipe
        return _from_names(source, _zip_members(source))
    if source.is_file() and source.suffix.lower() == ".csv":
        return _from_table(source)
    kind = "another file" if source.exists() else "not there"
    if source.is_file() and source.suffix.lower() == ".zip":
        kind = "a damaged zip file"
    raise SurveyError(f"{source} is {kind}; {ALLOWED} is allowed.")


def _folder_files(root: Path) -> Iterator[tuple[str, int | None]]:
    """The path below the folder and the size of each file; None where it is no plain file of the folder, or a folder
    that cannot be read. Raises SurveyError where `root` itself cannot be."""
    unread: list[OSError] = []
    for folder, below, files in os.walk(root, onerror=unread.append):
        visible = [name for name in below if not name.startswith(".")]
        # In place, since os.walk goes on into what this list holds.
        below[:] = [name for name in visible if not Path(folder, name).is_symlink()]
        for path in (Path(folder, name) for name in (*files, *(set(visible) - set(below)))):
            yield path.relative_to(root).as_posix(), _plain_size(root, path)
    for error in unread:
        if Path(error.filename) == root:
            raise SurveyError(f"{root} cannot be read: {reason_of(error)}.")
        yield Path(error.filename).relative_to(root).as_posix(), None


def _plain_size(root: Path, path: Path) -> int | None:
    try:
        facts = path.lstat()
        if stat.S_ISLNK(facts.st_mode):
            target = path.resolve()
            facts = target.stat()
            if not target.is_relative_to(root.resolve()):
                return None
    except (OSError, RuntimeError):  # a loop of links, or one that leads nowhere
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None


def _zip_members(file: Path) -> list[tuple[str, int | None]]:
    """The name and the size of each member; None where it is a link, a pipe or the like, or its name is taken."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as error:
        raise SurveyError(f"{file.name} is a damaged zip file; {ALLOWED} is allowed.") from error
    if len(members) > MAX_MEMBERS:
        raise SurveyError(f"{file.name} has {len(members):,} members; at most {MAX_MEMBERS:,} are allowed.")
    files = [member for member in members if not member.is_dir()]
    last = {member.filename: member for member in files}  # it is the one that is read
    plain = [member is last[member.filename] and _is_plain(member) for member in files]
    return [
        (member.filename, member.file_size if usable else None) for member, usable in zip(files, plain, strict=True)
    ]


def _is_plain(member: zipfile.ZipInfo) -> bool:
    """By its Unix mode, where it has one."""
    mode = member.external_attr >> 16
    return not stat.S_IFMT(mode) or stat.S_ISREG(mode)


def _from_names(root: Path, files: Iterable[tuple[str, int | None]]) -> PictureList:
    visible = [(path, size) for path, size in files if not is_hidden(path)]
    named = ((path, size) for path, size in visible if path.lower().endswith(ENDINGS))
    pictures = sorted((path, size) for path, size in named if size is not None)
    if not pictures:
        others = f"{amount(len(visible), 'file')} and no picture among them" if visible else "no files"
        raise SurveyError(f"{root} holds {others}; pictures named {', '.join(ENDINGS)} are allowed.")
    names = _class_names(root, [path for path, _ in pictures])
    rows = [(path, name, size) for (path, size), name in zip(pictures, names, strict=True)]
    return _with_classes(root, rows, len(visible) - len(pictures))


def is_hidden(path: str) -> bool:
    """Whether a picture of this path below a folder is passed over."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(path).parts)


def _class_names(root: Path, paths: list[str]) -> list[str]:
    """The class of each path: its folder below those that all share, or the innermost shared one."""
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    # What the first and the last in order have in common, all between them have.
    ends = zip(min(folders), max(folders), strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends))
    innermost = folders[0][shared - 1] if shared else root.resolve().stem
    return [folder[shared] if len(folder) > shared else innermost for folder in folders]


def _from_table(file: Path) -> PictureList:
    try:
        table = list(csv.DictReader(io.StringIO(read(file).decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SurveyError(f"{file.name} is no table of text in UTF-8; {ALLOWED} is allowed.") from error
    if not table or not {"path", "label"} <= table[0].keys():
        columns = ", ".join(map(str, table[0])) if table else "no rows"
        raise SurveyError(f"{file.name} has {columns}; rows under the columns path and label are allowed.")
    for number, row in enumerate(table, start=2):
        if not row["path"] or not row["label"]:
            raise SurveyError(f"{file.name} lacks a path or a label in line {number}; each row must have both.")
    sizes = [_size(file.parent / row["path"]) for row in table]
    return _with_classes(file, [(row["path"], row["label"], size) for row, size in zip(table, sizes, strict=True)])


def _size(path: Path) -> int:
    """-1 where there is no such file, or can be none of this name."""
    try:
        return path.stat().st_size if path.is_file() else -1
    except (OSError, ValueError):
        return -1


def _with_classes(root: Path, rows: list[tuple[str, str, int]], left_out: int = 0) -> PictureList:
    """The list of pictures from the path, class and size of each."""
    paths, written, sizes = zip(*rows, strict=True)
    names = list(map(readable, written))
    classes = tuple(sorted(set(names)))
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[name] for name in names], np.int64)
    return PictureList(root, paths, classes, labels, sizes, left_out)


LONGEST_NAME = 100
"""Characters of an uploaded file's name; of a longer one the end is kept."""


def uploaded_pictures(files: Iterable[tuple[str, bytes]], most: int) -> PictureList:
    """At most `most` pictures out of files by name, or out of one zip file, in a folder that lives as long as they do.

    Raises SurveyError where there is no picture, or no room for them.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="gatescope-"))
    except OSError as error:
        raise _no_room_error(error) from error
    try:
        written = [_write(folder, name, data) for name, data in files]
        zipped = [path for path in written if path.suffix.lower() == ".zip"]
        if zipped and len(written) > 1:
            count = len(written)
            raise SurveyError(f"There are {count} files, a zip file among them; one zip file, or pictures alone.")
        pictures = list_pictures(zipped[0] if zipped else folder).limited(most)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise _no_room_error(error) from error
        raise
    weakref.finalize(pictures, shutil.rmtree, folder, ignore_errors=True)
    return pictures


def _no_room_error(error: OSError) -> SurveyError:
    return SurveyError(f"The server cannot keep these pictures: {error.strerror}; try fewer, or later.")


def _write(folder: Path, name: str, data: bytes) -> Path:
    """The file, under its last name without the folders before it; a second one of a name gets a number before it."""
    last = PureWindowsPath(name).name.lstrip(".").replace("\0", "")[-LONGEST_NAME:] or "picture"
    path = folder / last
    for number in range(2, 1_000_000):
        if not path.exists():
            break
        path = folder / f"{number} {last}"
    path.write_bytes(data)
    return path


class LocatedPictures(NamedTuple):
    """A folder with the pictures that a result names."""

    root: Path
    paths: Mapping[int, str]
    same: bool
    """Whether all pictures of the survey have the same path, class and size there; else the names alone agree."""

    def read(self, number: int) -> bytes:
        """The bytes of a picture, at most one more than a picture may have. Raises OSError where it is not there."""
        if picture_file(self.root, self.paths[number]) is None:
            raise FileNotFoundError(self.paths[number])
        with open_inside(self.root, self.paths[number]) as file:
            return file.read(Limits.of_environment().picture_bytes + 1)


def locate_pictures(result: Result, folder: Path) -> LocatedPictures | None:
    """The pictures that the result names, in the folder; None where it does not have all of them."""
    if not result.paths or not all(picture_file(folder, path) for path in result.paths.values()):
        return None
    facts = result.provenance["pictures"]
    count = facts.get("count")
    same = isinstance(count, int) and list_pictures(folder).limited(count).fingerprint == facts.get("fingerprint")
    return LocatedPictures(folder, result.paths, same)


def picture_file(folder: Path, path: str) -> Path | None:
    """The file of a picture below the folder, by a path that a result names.

    None where there is no such file, and for whatever a survey of the folder would not list or that lies outside of it:
    an absolute path, one with `..`, a hidden one, a link that leads out.
    """
    named = PurePosixPath(path)
    if named.is_absolute() or ".." in named.parts or is_hidden(path) or not path.lower().endswith(ENDINGS):
        return None
    try:
        file = (folder / named).resolve()
        return file if file.is_file() and file.is_relative_to(folder.resolve()) else None
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name that no file can have
        return None
