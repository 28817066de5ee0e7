"""torch.save's zip format: stored entries, of which `data.pkl` says which tensors the others make up."""

import os
import zipfile
from typing import Any, BinaryIO

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint

from attention.checkpoints import directories, pickles, states
from attention.checkpoints.limits import CheckpointError, Claim, Limits, check_claims, check_header, shown

DAMAGED = "The file cannot be read: it is damaged, or torch.save did not write it."


def read(file: BinaryIO, limits: Limits) -> Any:
    """What was saved. Raises CheckpointError where the file is no such archive, damaged, or over the limits."""
    entries = directories.entries(file, limits)
    pickle = _pickle(entries)
    _check_entries(entries, file.seek(0, os.SEEK_END))
    check_header(pickle.file_size, "pickle in the file", limits)
    _check_code(file)
    pickles.check(directories.content(file, pickle), limits)
    _check_tensors(states.unwrapped(_load(file, "meta"))[0], limits)
    return _load(file, "cpu")


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
        raise CheckpointError(pickles.refusal(foreign))


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
