"""torch.save's zip format: stored entries, of which `data.pkl` says which tensors the others make up.

The directory is read so that torch's reader and Python's cannot be shown two different ones. The pickle is judged from
its operations, of which none is carried out: `weights_only=True` keeps code out, but lets calls through that grow a
kilobyte to gigabytes (a bytearray of any length, a dictionary copied again and again), and tuples so deep that Python
itself crashes on them.
"""

import os
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, BinaryIO

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint

from attention.models.limits import CheckpointError, Claim, Limits, check_claims, check_header, check_size, shown

DAMAGED = "The file cannot be read: it is damaged, or torch.save did not write it."
END = struct.Struct("<4s4H2LH")
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR_64 = struct.Struct("<4sLQL")
WEIGHTS = (".safetensors", ".pt", ".pth")
CUT_OFF = "The directory at the end of the zip file is damaged; the file may be cut off."
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model", "module")
"""Under which a training script keeps the state dict; the average over training, which is what it evaluates, first."""
DEEPEST = 4
"""Wrappers in one another."""
CALLS = {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter", "collections.OrderedDict"}
TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
MEMO = {"BINPUT", "LONG_BINPUT"}
TUPLES_OF_A_TENSOR = 6
"""Its storage, its size, its strides, its arguments, those of a Parameter; and one to spare."""


def read(file: BinaryIO, limits: Limits) -> Any:
    """What was saved. Raises CheckpointError where the file is no such archive, damaged, or over the limits."""
    entries = _entries(file, limits)
    pickle = _pickle(entries)
    _check_entries(entries, file.seek(0, os.SEEK_END))
    check_header(pickle.file_size, "pickle in the file", limits)
    _check_code(file)
    _check_pickle(_content(file, pickle), limits)
    _check_tensors(unwrapped(_load(file, "meta"))[0], limits)
    return _load(file, "cpu")


def unpacked(file: BinaryIO, limits: Limits) -> BytesIO | None:
    """The one weight file that a zip file holds, as pytorchcv's store has them; None where it holds something else.

    Raises CheckpointError where the file inside is damaged, or many times larger than the zip.
    """
    inside = _entries(file, limits)
    if len(inside) != 1 or not inside[0].filename.endswith(WEIGHTS):
        return None
    _check_inflation(inside[0], limits)
    return BytesIO(_content(file, inside[0]))


def unwrapped(content: Any) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The state dict inside what was saved, and the wrappers that were taken off, a phrase each.

    Raises CheckpointError where what is inside is no state dict.
    """
    content, notes = _inside(content)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"The file holds a {type(content).__name__}; a state dict is allowed: names and tensors.")
    if not content:
        raise CheckpointError("The file holds no tensor; a state dict with weights is allowed.")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{shown(name)} in the file is a {type(value).__name__}; only tensors by name are allowed, "
                f"alone or under one of the keys {', '.join(WRAPPERS)}."
            )
    return {name: value.detach() for name, value in content.items()}, notes


def _inside(content: Any) -> tuple[Any, tuple[str, ...]]:
    notes: list[str] = []
    while isinstance(content, Mapping):
        there = [key for key in WRAPPERS if isinstance(content.get(key), Mapping)]
        if not there:
            break
        if len(notes) == DEEPEST:  # a pickle may put a dictionary into itself
            raise CheckpointError(f"The file holds more than {DEEPEST} wrappers in one another.")
        besides = f", not those under {', '.join(map(repr, there[1:]))}" if there[1:] else ""
        notes.append(f"the weights under {there[0]!r}{besides}")
        content = content[there[0]]
    return content, tuple(notes)


def _pickle(entries: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise CheckpointError("The file is a TorchScript program; a file with a state dict alone is allowed.")
    pickles = [entry for entry in entries if entry.filename.count("/") == 1 and entry.filename.endswith("/data.pkl")]
    if len(pickles) != 1:
        given = ", ".join(shown(entry.filename) for entry in entries[:3]) or "nothing"
        raise CheckpointError(f"The zip file holds {given} and no data.pkl; a file of torch.save is allowed.")
    return pickles[0]


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Raises CheckpointError where an entry unpacks to more than it takes, or two take the same bytes."""
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            given = f"{shown(entry.filename)} is compressed, from {entry.file_size:,} bytes to {entry.compress_size:,}"
            raise CheckpointError(f"{given}; only stored entries are allowed, as torch.save writes them.")
    claimed = sum(entry.file_size for entry in entries)
    if claimed > size:
        raise CheckpointError(f"The zip file's entries claim {claimed:,} bytes; the file itself has {size:,}.")


def _check_code(file: BinaryIO) -> None:
    """Raises CheckpointError where the file asks for anything that torch does not know to be harmless."""
    try:
        foreign = get_unsafe_globals_in_checkpoint(_rewound(file))
    except Exception as error:  # on damaged data torch raises nearly every type there is
        raise CheckpointError(DAMAGED) from error
    if foreign:
        raise CheckpointError(_refusal(foreign))


def _check_tensors(state: dict[str, Tensor], limits: Limits) -> None:
    """Raises CheckpointError where tensors, which have no data yet, would be too large or have too little of it."""
    claims = {name: Claim(tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()}
    check_claims(claims, limits)
    for name, claim in claims.items():
        if (stored := state[name].untyped_storage().nbytes()) < claim.bytes:
            given = f"claims {claim.numel:,} numbers, {claim.bytes:,} bytes, and {stored:,} are stored"
            raise CheckpointError(f"{shown(name)} {given}; tensors whose numbers are all in the file are allowed.")


def _load(file: BinaryIO, device: str) -> Any:
    try:
        return torch.load(_rewound(file), map_location=device, weights_only=True)
    except Exception as error:  # on damaged data torch raises nearly every type there is
        raise CheckpointError(DAMAGED) from error


def _rewound(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file


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


def _check_pickle(pickle: bytes, limits: Limits) -> None:
    """Raises CheckpointError where a pickle does anything but build dictionaries and lists of values and tensors.

    torch has gone through it before: it has none of the operations that `weights_only` does not know.
    """
    try:
        _check_operations(pickletools.genops(pickle), len(pickle), TUPLES_OF_A_TENSOR * limits.tensors)
    except CheckpointError:
        raise
    except (ValueError, IndexError, UnicodeError):
        raise CheckpointError("The pickle in the file is damaged.") from None


def _refusal(names: Iterable[str]) -> str:
    """The sentence for a pickle that calls these."""
    listed = sorted(names)
    named = ", ".join(name[:60] for name in listed[:3]) + f" and {len(listed) - 3} more" * (len(listed) > 3)
    return f"The file asks to run {named}; save the state dict alone, torch.save(model.state_dict(), ...), without it."


def _check_operations(operations: Iterator, size: int, tuples: int) -> None:
    before, last = "", ""
    for operation, argument, _ in operations:
        name = operation.name
        if name in MEMO:
            if argument > size:  # Python's memo grows to the largest number in it
                raise CheckpointError("The pickle in the file is damaged: it counts further than it is long.")
            continue
        if name == "GLOBAL" and not _is_allowed(called := argument.replace(" ", ".", 1)):
            raise CheckpointError(_refusal([called]))
        if name == "NEWOBJ" or (name == "REDUCE" and not _is_tensor_call(before, last)):
            raise CheckpointError(_refusal(["a call that no tensor needs"]))
        tuples -= name in TUPLES
        if tuples < 0:
            raise CheckpointError("The pickle in the file holds more tuples than its tensors can need.")
        before, last = last, name


def _is_allowed(called: str) -> bool:
    return called in CALLS or (called.startswith("torch.") and called.endswith("Storage"))


def _is_tensor_call(before: str, last: str) -> bool:
    """OrderedDict() takes nothing; the others end in one that was just made and is empty, the backward hooks."""
    return last == "EMPTY_TUPLE" or (last in ("TUPLE", "TUPLE3") and before == "REDUCE")
