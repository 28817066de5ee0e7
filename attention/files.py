"""What a file is by its first bytes, in words; files read without waiting for what never ends, and written whole or
not at all.
"""

import contextlib
import errno
import io
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from attention.limits import MIB, Limits
from attention.records import GatescopeError


class FileError(GatescopeError):
    """A file that cannot be read or written; the message says why."""


def reason_of(error: Exception) -> str:
    """What went wrong, in the words of the system where it said something."""
    return str(getattr(error, "strerror", None) or error)


def open_plain(path: Path) -> io.BufferedReader:
    """A file to read, which ends where it ended when it was opened: a read that finds more raises OSError.

    Raises OSError where it is none that ends: a pipe, a socket, a device.
    """
    # Without O_NONBLOCK the opening of a pipe waits for somebody who writes to it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    return io.BufferedReader(_FixedSizeFile(descriptor, path, facts.st_size), 128 * 1024)


def open_inside(folder: Path, path: str) -> io.BufferedReader:
    """The same for a file below a folder. Raises OSError also where what was opened lies outside of it, as by a link
    that was laid there since the folder was listed."""
    file = open_plain(folder / path)
    target = (folder / path).resolve()
    if target.is_relative_to(folder.resolve()) and os.path.samestat(os.fstat(file.fileno()), target.stat()):
        return file
    file.close()
    raise OSError(errno.EPERM, "it leads out of the folder", str(folder / path))


class _FixedSizeFile(io.RawIOBase):
    """An open file of so many bytes; one that grows would be read for as long as it does."""

    def __init__(self, descriptor: int, path: Path, size: int) -> None:
        self._file, self._path, self._size = io.FileIO(descriptor), path, size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(*((self._size + place, os.SEEK_SET) if whence == os.SEEK_END else (place, whence)))

    def readinto(self, buffer: Any) -> int | None:
        count = self._file.readinto(buffer)
        if self._file.tell() > self._size:
            raise OSError(errno.EFBIG, "it grew while it was read", str(self._path))
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def read(path: Path) -> bytes:
    """What a file holds. Raises FileError, also for one larger than `Limits.file_bytes`."""
    most = Limits.of_environment().file_bytes
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size <= most:
                return file.read()
    except OSError as error:
        raise FileError(f"{path} cannot be read: {reason_of(error)}.") from None
    raise FileError(f"{path} cannot be read: it has {size / MIB:,.0f} MiB; at most {most / MIB:,.0f} MiB are allowed.")


@contextlib.contextmanager
def errors_naming(path: Path) -> Iterator[None]:
    """What is found to be wrong with a file within is said with its path before it."""
    try:
        yield
    except GatescopeError as error:
        error.args = (f"{path}: {error}",)
        raise


@contextlib.contextmanager
def shipped_text(path: Path) -> Iterator[str]:
    """The text of a file that comes with the package. Raises FileError where it, or what is made of it within, is not
    as it should be."""
    try:
        yield read(path).decode()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        where = f"{path.parent.name}/{path.name}"
        raise FileError(f"{where}, which comes with Gatescope, is damaged or not there; install it anew.") from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` once it is whole; nothing is left of one that is not. The
    folders above are made.

    Raises FileError where it cannot be written, as when the disk is full, or where a pipe, a socket or a device would
    be lost.
    """
    check_replaceable(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{path.parent} cannot be made: {reason_of(error)}.") from None
    writing = _temporary_path(path)
    try:
        writing.unlink(missing_ok=True)  # of a process that was killed, or a pipe or a link that somebody laid there
        with writing.open("xb") as file:
            yield file
        writing.replace(path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {reason_of(error)}; what was there stays.") from error
    finally:
        with contextlib.suppress(OSError):
            writing.unlink(missing_ok=True)


def _temporary_path(path: Path) -> Path:
    """Where a file is written that is to take this place."""
    return path.with_name(f"{path.name}.writing")


def write(path: Path, content: str | bytes) -> None:
    """Put the content there, whole or not at all; the folders above are made. Raises FileError."""
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def check_writable(folder: Path) -> None:
    """Raises FileError where no file can be written to the folder, or, where it is not there, to the one above, or
    where a name in it is too long."""
    absolute = existing = folder.absolute()
    try:
        existing = next(each for each in (absolute, *absolute.parents) if each.exists())
        tempfile.TemporaryFile(dir=existing).close()
    except OSError:
        raise FileError(f"{existing} is no folder that can be written to; one that can be made is allowed.") from None
    for name in absolute.parts[len(existing.parts) :]:
        _check_length(existing / name, folder)


def check_replaceable(path: Path) -> None:
    """Raises FileError where something else than a plain file is there: it would be replaced; and where its name is too
    long to be written."""
    _check_length(_temporary_path(path), path)
    try:
        kind = path.stat().st_mode
    except OSError:  # nothing is there, or a link that leads nowhere
        return
    if not stat.S_ISREG(kind):
        raise FileError(f"{path} cannot be written: it is no plain file; one, or a name that is free, is allowed.")


def _check_length(place: Path, path: Path) -> None:
    try:
        place.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise FileError(f"{path} cannot be written: {error.strerror}; a shorter name is allowed.") from None


SIGNATURES = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"II*\0": "a TIFF picture, or a camera's raw file",
    b"MM\0*": "a TIFF picture, or a camera's raw file",
    b"FUJIFILMCCD-RAW": "a camera's raw file",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"8BPS": "a Photoshop file",
    b"gimp xcf": "a GIMP file",
    b"v/1\1": "an OpenEXR picture",
    b"#?RADIANCE": "a Radiance HDR picture",
    b"\0\0\1\0": "an icon",
    b"SIMPLE  =": "a FITS file",
    b"\x1aE\xdf\xa3": "a video file",
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript file",
    b"PK\3\4": "a zip archive",
    b"\x1f\x8b": "packed with gzip: unpack it first",
    b"BZh": "packed with bzip2: unpack it first",
    b"\xfd7zXZ": "packed with xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "packed with Zstandard: unpack it first",
    b"7z\xbc\xaf'\x1c": "a 7z archive: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
    b"\x93NUMPY": "an array of numpy",
    b"\x89HDF": "an HDF5 file, as Keras writes them",
    b"MATLAB 5.0": "a MATLAB file",
    b"GGUF": "a GGUF file, of a language model",
    b"version https://git-lfs": "a pointer of git-lfs, in place of the file itself: fetch that with git lfs pull",
}
SIGNATURES_WITHIN = {
    (4, b"TFL3"): "a TensorFlow Lite model",
    (8, b"WEBP"): "a WebP picture",
    (8, b"CR\2\0"): "a camera's raw file",
    (128, b"DICM"): "a DICOM file",
    (257, b"ustar"): "a tar archive: unpack it first",
    (344, b"n+1\0"): "a NIfTI volume",
}
"""By where they stand."""
BRANDS = {b"avif": "an AVIF picture", b"avis": "an AVIF picture", b"crx ": "a camera's raw file"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), "a HEIC picture"
)
"""What files in boxes (ISO/IEC 14496-12) call themselves; most others are videos."""
SIGNATURE_BYTES = 512
"""Bytes of a file's beginning that `kind` looks at."""


def kind(start: bytes) -> str | None:
    """What a file that begins with these bytes is, in words, or None where they say nothing."""
    # These first: a camera's raw file begins as a TIFF picture does.
    for (place, mark), name in SIGNATURES_WITHIN.items():
        if start[place : place + len(mark)] == mark:
            return name
    for beginning, name in SIGNATURES.items():
        if start.startswith(beginning):
            return name
    if start[4:8] == b"ftyp":
        return BRANDS.get(start[8:12], "a video file")
    if start[:1] == b"\x08" and start[2:3] == b"\x12":  # its version, then who wrote it
        return "an ONNX graph"
    return _kind_of_text(start[:SIGNATURE_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n"))


def _kind_of_text(start: bytes) -> str | None:
    """The same of a text."""
    if start.lower().startswith((b"<!doctype html", b"<html")):
        return "a saved web page, in place of the file that it speaks of"
    if b"<svg" in start or start.startswith(b"<?xml"):
        return "an SVG drawing or other XML"
    if start.startswith(b"{") and (b'"weight_map"' in start or b"-of-0" in start):
        return "the list of weights that lie in several files: join them in one first"
    return "a text of JSON" if start.startswith(b'{"') else None
