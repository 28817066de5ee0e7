"""torch.save's zip format: stored entries, of which `data.pkl` says which tensors the others make up.

The directory is read so that two readers cannot be shown two different ones, and the pickle without a thing of it being
run. What it claims of the tensors is checked before one is made; of the numbers, those that are wanted are read.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import BinaryIO

import torch
from torch import Tensor

from attention.foreign import quote
from attention.models import pickles
from attention.models.limits import CheckpointError, Claim, Limits, check_claims, check_header, check_size
from attention.models.pickles import TensorClaim
from attention.models.states import Choose

END = struct.Struct("<4s4H2LH")
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR_64 = struct.Struct("<4sLQL")
WEIGHTS = (".safetensors", ".pt", ".pth", ".pth.tar", ".ckpt", ".pkl", ".bin")
MAC = "__MACOSX/"
"""Where a Mac puts what it knows of the files in a zip, under their names."""
CUT_OFF = "The directory at the end of the zip file is damaged; the file may be cut off."
STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "UntypedStorage": torch.uint8,
}
"""The types of numbers by the names of torch's storages; which of them weights may have, `limits` says."""


def read(file: BinaryIO, limits: Limits, choose: Choose) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors of the network that was saved, and what was taken out of what, a phrase each.

    Raises CheckpointError where the file is no such archive, damaged, or over the limits, or as `choose` does.
    """
    entries = _entries(file, limits)
    pickle = _pickle(entries)
    root = pickle.filename.removesuffix("data.pkl")
    data = {entry.filename: entry for entry in entries if entry.filename.startswith(f"{root}data/")}
    order = next((entry for entry in entries if entry.filename == f"{root}byteorder"), None)
    _check_entries(entries, [pickle, *data.values(), *filter(None, [order])], file.seek(0, os.SEEK_END))
    check_header(pickle.file_size, "pickle in the file", limits)
    if order and _content(file, order) != b"little":
        raise CheckpointError("The file's numbers have their bytes in the big-endian order; little-endian is allowed.")
    wanted, notes = choose(pickles.read(_content(file, pickle)))
    claims = {name: Claim(claim.shape, _dtype(name, claim)) for name, claim in wanted.items()}
    check_claims(claims, limits)
    stored = {name: data.get(f"{root}data/{claim.storage.key}") for name, claim in wanted.items()}
    for name, claim in wanted.items():
        _check_stored(name, claim, claims[name], stored[name])
    return _tensors(file, wanted, claims, stored), notes


def unpack_inner(file: BinaryIO, limits: Limits) -> BytesIO | None:
    """The one weight file that a zip file holds, as pytorchcv's store has them; None where it holds none, or several.

    Raises CheckpointError where the file inside is damaged, or many times larger than the zip.
    """
    names = {entry.filename: entry for entry in _entries(file, limits)}
    inside = [names[name] for name in names if name.endswith(WEIGHTS) and not name.startswith(MAC)]
    if len(inside) != 1 or any(name.endswith("data.pkl") for name in names):
        return None
    _check_inflation(inside[0], limits)
    return BytesIO(_content(file, inside[0]))


def _pickle(entries: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    pickles = [entry for entry in entries if entry.filename.count("/") == 1 and entry.filename.endswith("/data.pkl")]
    if len(pickles) != 1:
        given = ", ".join(quote(entry.filename) for entry in entries[:3]) or "nothing"
        raise CheckpointError(
            f"The zip file holds {given} and no data.pkl; one of torch.save, or a zip of one weight file, is allowed."
        )
    return pickles[0]


def _check_entries(entries: list[zipfile.ZipInfo], read: list[zipfile.ZipInfo], size: int) -> None:
    """Raises CheckpointError where an entry that is read unpacks to more than it takes, or two take the same bytes."""
    for entry in read:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            given = f"{quote(entry.filename)} is compressed, from {entry.file_size:,} bytes to {entry.compress_size:,}"
            raise CheckpointError(f"{given}; only stored entries are allowed, as torch.save writes them.")
    claimed = sum(entry.compress_size for entry in entries)
    if claimed > size:
        raise CheckpointError(f"The zip file's entries claim {claimed:,} bytes; the file itself has {size:,}.")


def _dtype(name: str, claim: TensorClaim) -> torch.dtype:
    """Raises CheckpointError where torch has no such type, or the file's storage another one."""
    if claim.storage.kind not in STORAGES:
        raise CheckpointError(
            f"{quote(name)} is in a storage of the type {quote(claim.storage.kind)}, which is not read."
        )
    if not claim.dtype:
        return STORAGES[claim.storage.kind]
    given = getattr(torch, claim.dtype.removeprefix("torch."), None)
    if not isinstance(given, torch.dtype):
        raise CheckpointError(f"{quote(name)} is of the type {quote(claim.dtype)}, which torch does not have.")
    return given


def _check_stored(name: str, layout: TensorClaim, claim: Claim, entry: zipfile.ZipInfo | None) -> None:
    """Raises CheckpointError where a tensor's numbers are not all in the file, each once."""
    last = layout.offset + sum((size - 1) * stride for size, stride in zip(layout.shape, layout.strides, strict=True))
    available = min(layout.storage.numel * STORAGES[layout.storage.kind].itemsize, entry.file_size if entry else 0)
    if claim.numel and (available < claim.bytes or (last + 1) * claim.dtype.itemsize > available):
        given = f"claims {claim.numel:,} numbers, {claim.bytes:,} bytes, and {available:,} are stored"
        raise CheckpointError(f"{quote(name)} {given}; tensors whose numbers are all in the file are allowed.")


def _tensors(
    file: BinaryIO,
    wanted: Mapping[str, TensorClaim],
    claims: Mapping[str, Claim],
    stored: Mapping[str, zipfile.ZipInfo | None],
) -> dict[str, Tensor]:
    """Each storage is read once: tensors that share their numbers in the file share them here."""
    numbers: dict[str, bytearray] = {}
    tensors = {}
    for name, layout in wanted.items():
        claim, entry = claims[name], stored[name]
        if not claim.numel or entry is None:
            tensors[name] = torch.empty(claim.shape, dtype=claim.dtype)
            continue
        if entry.filename not in numbers:
            numbers[entry.filename] = bytearray(_content(file, entry))
        held = numbers[entry.filename]
        whole = torch.frombuffer(held, dtype=claim.dtype, count=len(held) // claim.dtype.itemsize)
        tensors[name] = whole.as_strided(layout.shape, layout.strides, layout.offset)
    return tensors


def _entries(file: BinaryIO, limits: Limits) -> list[zipfile.ZipInfo]:
    """What a zip file holds. Raises CheckpointError where its directory is damaged, too large, or ambiguous."""
    _check_end(file, limits)
    try:
        with zipfile.ZipFile(file) as archive:
            listed = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeError, struct.error):
        raise CheckpointError(CUT_OFF) from None
    if len({entry.filename for entry in listed}) < len(listed):
        raise CheckpointError("The zip file holds two entries of one name; names that occur once are allowed.")
    return listed


def _content(file: BinaryIO, entry: zipfile.ZipInfo) -> bytes:
    """What an entry holds. Raises CheckpointError where it is damaged, or unpacks to more than it claims."""
    try:
        # The size bounds what is unpacked: without it, the whole stream is, however long, and cut afterwards.
        with zipfile.ZipFile(file) as archive, archive.open(entry) as inner:
            return inner.read(entry.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeError):
        raise CheckpointError(f"{quote(entry.filename)} cannot be unpacked: the zip file is damaged.") from None


def _check_inflation(entry: zipfile.ZipInfo, limits: Limits) -> None:
    """Raises CheckpointError where an entry would unpack to too much, or in a way that cannot be bounded."""
    check_size(entry.file_size, limits)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise CheckpointError(f"{quote(entry.filename)} is compressed in a rare way; deflated and stored are allowed.")
    if entry.file_size > limits.inflation * entry.compress_size:
        given = f"unpacks from {entry.compress_size:,} to {entry.file_size:,} bytes"
        raise CheckpointError(f"{quote(entry.filename)} {given}; at most {limits.inflation} times are allowed.")


def _check_end(file: BinaryIO, limits: Limits) -> None:
    """Raises CheckpointError unless the directory is small and ends where the record at the file's end begins."""
    size = file.seek(0, os.SEEK_END)
    length, offset, end = _end(file, size)
    check_header(length, "directory of the zip file", limits)
    if offset + length != end:
        raise CheckpointError(CUT_OFF)


def _end(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Length and offset of the directory, and where the record that says so begins; a comment is not allowed."""
    signature, *_, length, offset, comment = _unpack(file, END, size - END.size)
    if signature != b"PK\5\6" or comment:
        raise CheckpointError(CUT_OFF)
    place = size - END.size - LOCATOR_64.size
    if place < END_64.size or _unpack(file, LOCATOR_64, place)[0] != b"PK\6\7":
        return length, offset, size - END.size
    place -= END_64.size
    signature, *_, long_length, long_offset = _unpack(file, END_64, place)
    agreed = length in (long_length, 2**32 - 1) and offset in (long_offset, 2**32 - 1)
    if signature != b"PK\6\6" or not agreed or _unpack(file, LOCATOR_64, place + END_64.size)[2] != place:
        raise CheckpointError(CUT_OFF)
    return long_length, long_offset, place


def _unpack(file: BinaryIO, record: struct.Struct, place: int) -> tuple:
    if place < 0:
        raise CheckpointError(CUT_OFF)
    file.seek(place)
    return record.unpack(file.read(record.size))
