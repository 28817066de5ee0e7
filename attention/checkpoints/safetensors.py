"""The safetensors format: 8 bytes with the size of a JSON header, the header, then the tensors end to end.

A tensor's place in the file is checked here before anything is read there: inside the file, as long as its shape
and type say, and nobody else's.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

import torch
from torch import Tensor

from attention.checkpoints.limits import DTYPES, CheckpointError, Claim, Limits, check_claims, check_header, shown


def read(file: BinaryIO, limits: Limits) -> dict[str, Tensor]:
    """The tensors of a file. Raises CheckpointError where its header is damaged or lies, or goes over the limits."""
    header, data = _header(file, limits)
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if len(entries) > limits.tensors:
        raise CheckpointError(f"The file claims {len(entries):,} tensors; at most {limits.tensors:,} are allowed.")
    claims = {name: _claim(name, entry) for name, entry in entries.items()}
    check_claims(claims, limits)
    _check_places(claims, {name: _place(name, entry) for name, entry in entries.items()}, _end(file) - data)
    return {name: _tensor(file, claim, data + entries[name]["data_offsets"][0]) for name, claim in claims.items()}


def _header(file: BinaryIO, limits: Limits) -> tuple[dict[str, Any], int]:
    """The JSON header, and where the tensors begin."""
    file.seek(0)
    size = int.from_bytes(file.read(8), "little")
    check_header(size, "header of the safetensors file", limits)
    if 8 + size > _end(file):
        raise CheckpointError(f"The header claims {size:,} bytes, more than the file has; the file may be cut off.")
    file.seek(8)
    try:
        header = json.loads(file.read(size), object_pairs_hook=_without_repeats)
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
        raise CheckpointError(f"The header has no dtype, shape and data_offsets for {shown(name)}.")
    if entry["dtype"] not in list(DTYPES):
        raise CheckpointError(f"{shown(name)} is of the type {shown(entry['dtype'])}; {', '.join(DTYPES)} are allowed.")
    return Claim(_sizes(name, "shape", entry["shape"]), DTYPES[entry["dtype"]])


def _place(name: str, entry: Mapping[str, Any]) -> tuple[int, int]:
    offsets = _sizes(name, "data_offsets", entry["data_offsets"])
    if len(offsets) != 2:
        raise CheckpointError(f"{shown(name)} has {len(offsets)} data_offsets; a beginning and an end are allowed.")
    return offsets[0], offsets[1]


def _sizes(name: str, what: str, values: Any) -> tuple[int, ...]:
    # 2**63 is where torch's own sizes end; bool is an int to Python
    if not isinstance(values, list) or not all(type(value) is int and 0 <= value < 2**63 for value in values):
        raise CheckpointError(f"The {what} of {shown(name)} is {shown(values)}; whole numbers from 0 are allowed.")
    return tuple(values)


def _check_places(claims: Mapping[str, Claim], places: Mapping[str, tuple[int, int]], size: int) -> None:
    """Raises CheckpointError unless the tensors lie end to end and fill the file."""
    position = 0
    for name, (begin, end) in sorted(places.items(), key=lambda place: place[1]):
        if end - begin != claims[name].bytes:
            given = f"bytes {begin:,} to {end:,}, but its shape {list(claims[name].shape)} needs {claims[name].bytes:,}"
            raise CheckpointError(f"{shown(name)} claims {given} bytes.")
        if begin != position:
            given = "overlaps the tensor before it" if begin < position else "leaves a gap before it"
            raise CheckpointError(f"{shown(name)} {given}; tensors that lie end to end are allowed.")
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
