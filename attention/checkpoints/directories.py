"""The directory of a zip file, read so that torch's reader and Python's cannot be shown two different ones."""

import os
import struct
import zipfile
import zlib
from io import BytesIO
from typing import BinaryIO

from attention.checkpoints.limits import CheckpointError, Limits, check_header, check_size, shown

END = struct.Struct("<4s4H2LH")
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR_64 = struct.Struct("<4sLQL")
WEIGHTS = (".safetensors", ".pt", ".pth")
DAMAGED = "The directory at the end of the zip file is damaged; the file may be cut off."


def entries(file: BinaryIO, limits: Limits) -> list[zipfile.ZipInfo]:
    """What a zip file holds. Raises CheckpointError where its directory is damaged, too large, or ambiguous."""
    _check_end(file, limits)
    try:
        with zipfile.ZipFile(file) as archive:
            found = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeError, struct.error):
        raise CheckpointError(DAMAGED) from None
    if len({entry.filename for entry in found}) < len(found):
        raise CheckpointError("The zip file holds two entries of one name; names that occur once are allowed.")
    return found


def unpacked(file: BinaryIO, limits: Limits) -> BytesIO | None:
    """The one weight file that a zip file holds, as pytorchcv's store has them; None where it holds something else.

    Raises CheckpointError where the file inside is damaged, or many times larger than the zip.
    """
    found = entries(file, limits)
    if len(found) != 1 or not found[0].filename.endswith(WEIGHTS):
        return None
    _check_inflation(found[0], limits)
    return BytesIO(content(file, found[0]))


def content(file: BinaryIO, entry: zipfile.ZipInfo) -> bytes:
    """What an entry holds. Raises CheckpointError where it is damaged, or unpacks to more than it claims."""
    try:
        # The size bounds what is unpacked: without it, the whole stream is, however long, and cut afterwards.
        with zipfile.ZipFile(file) as archive, archive.open(entry) as inner:
            return inner.read(entry.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeError):
        raise CheckpointError(f"{shown(entry.filename)} cannot be unpacked: the zip file is damaged.") from None


def _check_inflation(entry: zipfile.ZipInfo, limits: Limits) -> None:
    """Raises CheckpointError where an entry would unpack to too much, or in a way that cannot be bounded."""
    check_size(entry.file_size, limits)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise CheckpointError(f"{shown(entry.filename)} is compressed in a rare way; deflated and stored are allowed.")
    if entry.file_size > limits.inflation * entry.compress_size:
        given = f"unpacks from {entry.compress_size:,} to {entry.file_size:,} bytes"
        raise CheckpointError(f"{shown(entry.filename)} {given}; at most {limits.inflation} times are allowed.")


def _check_end(file: BinaryIO, limits: Limits) -> None:
    """Raises CheckpointError unless the directory is small and ends where the record at the file's end begins."""
    size = file.seek(0, os.SEEK_END)
    length, offset, end = _end(file, size)
    check_header(length, "directory of the zip file", limits)
    if offset + length != end:
        raise CheckpointError(DAMAGED)


def _end(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Length and offset of the directory, and where the record that says so begins; a comment is not allowed."""
    signature, *_, length, offset, comment = _unpack(file, END, size - END.size)
    if signature != b"PK\5\6" or comment:
        raise CheckpointError(DAMAGED)
    place = size - END.size - LOCATOR_64.size
    if place < END_64.size or _unpack(file, LOCATOR_64, place)[0] != b"PK\6\7":
        return length, offset, size - END.size
    place -= END_64.size
    signature, *_, long_length, long_offset = _unpack(file, END_64, place)
    agreed = length in (long_length, 2**32 - 1) and offset in (long_offset, 2**32 - 1)
    if signature != b"PK\6\6" or not agreed or _unpack(file, LOCATOR_64, place + END_64.size)[2] != place:
        raise CheckpointError(DAMAGED)
    return long_length, long_offset, place


def _unpack(file: BinaryIO, record: struct.Struct, place: int) -> tuple:
    if place < 0:
        raise CheckpointError(DAMAGED)
    file.seek(place)
    return record.unpack(file.read(record.size))
