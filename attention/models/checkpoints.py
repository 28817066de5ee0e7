"""Weight files from people who may be hostile: what a file claims is checked before a tensor of it is made.

file -> kind (by its first bytes) -> claims (names, shapes, dtypes) -> limits -> tensors -> state dict

safetensors: 8 bytes with the size of a JSON header, the header, then the tensors end to end. A tensor's place in the
file is checked here before anything is read there: inside the file, as long as its shape and type say, and nobody
else's. Files of torch.save are `archives`' part.
"""

import os
from collections.abc import Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import torch
from torch import Tensor

from attention import files
from attention.files import errors_naming, open_plain, reason_of
from attention.foreign import load_json, quote
from attention.limits import BUILDING
from attention.models import archives, states
from attention.models.limits import DTYPES, CheckpointError, Claim, Limits, check_claims, check_header, check_size
from attention.models.states import Choose, SeveralNetworksError

__all__ = ["CheckpointError", "Contents", "Limits", "SeveralNetworksError", "contents", "read"]

ALLOWED = "a safetensors file or one of torch.save with a state dict is allowed"
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
"""How every file of torch.save before version 1.6 begins."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and trainers put before every key."""


class Contents(NamedTuple):
    """What a file holds."""

    state: dict[str, Tensor]
    """On the CPU."""
    notes: tuple[str, ...]
    """What was taken out of what, and off the keys, a phrase each."""


def read(source: Path | bytes, limits: Limits | None = None) -> dict[str, Tensor]:
    """The state dict that `contents` finds, without its notes, and with all networks of one mapping in it."""
    return contents(source, limits, apart=False).state


def contents(
    source: Path | bytes, limits: Limits | None = None, *, part: str | None = None, apart: bool = True
) -> Contents:
    """The state dict in a safetensors file or one of torch.save, a zip around one, or such a file's bytes.

    Wrappers such as {"state_dict": ...} and prefixes that every key has (`module.`, `_orig_mod.`, `model.`) are
    removed, and the tensors of whole modules are taken out; `part` says which, where a file holds several networks, and
    `apart` whether those of one mapping are several, as `states.choose_state` has it. No code in the file is run.

    Raises SeveralNetworksError where that is left open, and CheckpointError where the file is none of these, is
    damaged, claims more than the limits allow (the environment's, where none are given), or holds weights that are no
    numbers.
    """
    limits, choose = limits or Limits.of_environment(), partial(states.choose_state, part=part, apart=apart)
    if isinstance(source, bytes):
        return _contents(BytesIO(source), limits, choose)
    try:
        with open_plain(source) as file, errors_naming(source):
            return _contents(file, limits, choose)
    except OSError as error:
        raise CheckpointError(f"{source.name} cannot be read: {reason_of(error)}.") from None


def _contents(file: BinaryIO, limits: Limits, choose: Choose) -> Contents:
    kind = _kind(file, limits)
    # The most that the tensors can come to: only the reading tells how much it is.
    with BUILDING.taking(min(limits.tensor_bytes, limits.inflation * _end(file))):
        state, notes = _read(file, kind, limits, choose)
    _check_numbers(state)
    state, prefixes = _without_prefixes(state)
    return Contents(state, notes + prefixes)


def _read(
    file: BinaryIO, kind: Literal["safetensors", "zip"], limits: Limits, choose: Choose
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors of a file, and what is said of them."""
    if kind == "zip" and (inner := archives.unpack_inner(file, limits)):
        file, kind = inner, _kind(inner, limits)
    return (archives.read if kind == "zip" else _safetensors)(file, limits, choose)


def _kind(file: BinaryIO, limits: Limits) -> Literal["safetensors", "zip"]:
    """Which reader a file is for. Raises CheckpointError where it is empty, too large, or nothing that is read."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(files.SIGNATURE_BYTES)
    if not size:
        raise CheckpointError(f"The file is empty; {ALLOWED}.")
    check_size(size, limits)
    if start.startswith(b"PK\3\4"):
        return "zip"
    if start[8:9] == b"{":
        return "safetensors"
    raise CheckpointError(f"The file is {_not_a_weight_file(start)}.")


def _not_a_weight_file(start: bytes) -> str:
    """What a file that no reader is for may be, in words, and what to do instead."""
    if start.startswith(LEGACY) or start[257:262] == b"ustar":
        way = "load it with torch.load(..., weights_only=True) on a machine of yours and save it again with torch.save"
        return f"in torch's format of before version 1.6, whose sizes cannot be checked before it is read; {way}"
    if start.startswith((b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5")):
        return f"a bare pickle, which could run code; {ALLOWED}"
    return f"{files.kind(start) or 'no weight file, or its beginning is damaged'}; {ALLOWED}"


def _safetensors(file: BinaryIO, limits: Limits, choose: Choose) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors of a file. Raises CheckpointError where its header is damaged or lies, or goes over the limits."""
    header, data = _header(file, limits)
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if not entries:
        raise CheckpointError("The file holds no tensor; a state dict with weights is allowed.")
    claims = {name: _claim(name, entry) for name, entry in entries.items()}
    check_claims(claims, limits)
    _check_places(claims, {name: _place(name, entry) for name, entry in entries.items()}, _end(file) - data)
    places = {id(claims[name]): data + entry["data_offsets"][0] for name, entry in entries.items()}
    wanted, notes = choose(claims)
    return {name: _tensor(file, claim, places[id(claim)]) for name, claim in wanted.items()}, notes


def _header(file: BinaryIO, limits: Limits) -> tuple[dict[str, Any], int]:
    """The JSON header, and where the tensors begin."""
    file.seek(0)
    size = int.from_bytes(file.read(8), "little")
    check_header(size, "header of the safetensors file", limits)
    if 8 + size > _end(file):
        raise CheckpointError(f"The header claims {size:,} bytes, more than the file has; the file may be cut off.")
    file.seek(8)
    try:
        header = load_json(file.read(size), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        raise CheckpointError("The header of the safetensors file is no JSON, or names a thing twice.") from None
    return header, 8 + size


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two entries of one name mean different things to different readers."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def _claim(name: str, entry: Any) -> Claim:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"The header has no dtype, shape and data_offsets for {quote(name)}.")
    if entry["dtype"] not in list(DTYPES):
        raise CheckpointError(f"{quote(name)} is of the type {quote(entry['dtype'])}; {', '.join(DTYPES)} are allowed.")
    return Claim(_sizes(name, "shape", entry["shape"]), DTYPES[entry["dtype"]])


def _place(name: str, entry: Mapping[str, Any]) -> tuple[int, int]:
    offsets = _sizes(name, "data_offsets", entry["data_offsets"])
    if len(offsets) != 2:
        raise CheckpointError(f"{quote(name)} has {len(offsets)} data_offsets; a beginning and an end are allowed.")
    return offsets[0], offsets[1]


def _sizes(name: str, what: str, values: Any) -> tuple[int, ...]:
    # 2**63 is where torch's own sizes end; bool is an int to Python
    if not isinstance(values, list) or not all(type(value) is int and 0 <= value < 2**63 for value in values):
        raise CheckpointError(f"The {what} of {quote(name)} is {quote(values)}; whole numbers from 0 are allowed.")
    return tuple(values)


def _check_places(claims: Mapping[str, Claim], places: Mapping[str, tuple[int, int]], size: int) -> None:
    """Raises CheckpointError unless the tensors lie end to end and fill the file."""
    position = 0
    for name, (begin, end) in sorted(places.items(), key=lambda place: place[1]):
        if end - begin != claims[name].bytes:
            given = f"bytes {begin:,} to {end:,}, but its shape {list(claims[name].shape)} needs {claims[name].bytes:,}"
            raise CheckpointError(f"{quote(name)} claims {given} bytes.")
        if begin != position:
            given = "overlaps the tensor before it" if begin < position else "leaves a gap before it"
            raise CheckpointError(f"{quote(name)} {given}; tensors that lie end to end are allowed.")
        position = end
    if position != size:
        given = f"The tensors claim {position:,} bytes and the file has {size:,} for them"
        raise CheckpointError(f"{given}; the file may be cut off.")


def _tensor(file: BinaryIO, claim: Claim, begin: int) -> Tensor:
    if not claim.numel:
        return torch.empty(claim.shape, dtype=claim.dtype)
    file.seek(begin)
    return torch.frombuffer(bytearray(file.read(claim.bytes)), dtype=claim.dtype).reshape(claim.shape)


def _end(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def _without_prefixes(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """A prefix is removed where every key has it, so that no two keys become one; and a phrase for each that was."""
    notes: tuple[str, ...] = ()
    while prefix := next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
        notes = (*notes, f"{prefix!r} taken off every key")
    return dict(state), notes


def _check_numbers(state: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError where a weight is NaN or infinite, as the 32-bit float that a network makes of it."""
    for name, value in state.items():
        if value.is_floating_point() and value.numel():
            # The extremes of a tensor with a NaN are NaN; unlike isfinite, they need no memory.
            low, high = torch.aminmax(value.detach())
            if not (low.float().isfinite() and high.float().isfinite()):
                raise CheckpointError(f"{quote(name)} holds NaN or infinite weights; finite 32-bit floats are allowed.")
