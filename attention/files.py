"""Files read without waiting for what never ends, and written whole or not at all."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from attention.records import GatescopeError


class FileError(GatescopeError):
    """A file that cannot be read or written; the message says why."""


def open_plain(path: Path) -> BinaryIO:
    """A file to read. Raises OSError where it is none that ends: a pipe, a socket, a device."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is no plain file")
    return os.fdopen(descriptor, "rb")


def read(path: Path) -> bytes:
    """What a file holds. Raises FileError."""
    try:
        with open_plain(path) as file:
            return file.read()
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from None


@contextlib.contextmanager
def shipped(path: Path) -> Iterator[str]:
    """The text of a file that comes with the package. Raises FileError where it, or what is made of it within, is not
    as it should be."""
    try:
        yield read(path).decode()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        where = f"{path.parent.name}/{path.name}"
        raise FileError(f"{where}, which comes with Gatescope, is damaged or not there; install it anew.") from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` once it is whole; nothing is left of one that is not.

    Raises FileError where it cannot be written, as when the disk is full.
    """
    writing = path.with_name(f"{path.name}.writing")
    try:
        with writing.open("wb") as file:
            yield file
        writing.replace(path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}; what was there stays.") from error
    finally:
        with contextlib.suppress(OSError):
            writing.unlink(missing_ok=True)


def write(path: Path, content: str | bytes) -> None:
    """Put the content there, whole or not at all; the folders above are made. Raises FileError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{path.parent} cannot be made: {error.strerror or error}.") from None
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def insist_writable(folder: Path) -> None:
    """Raises FileError where no file can be written to the folder, or, where it is not there, to the one above."""
    try:
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        tempfile.TemporaryFile(dir=there).close()
    except OSError:
        raise FileError(f"{there} is no folder that can be written to; one that can be made is allowed.") from None
