"""What a weight file may claim, and the check of every claim before memory is spent on it."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch

from attention.foreign import quote
from attention.limits import MIB, Limits
from attention.records import GatescopeError

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "BOOL": torch.bool,
}
"""The number types that weights, counters and masks of a network have, by their names in a safetensors header."""


class CheckpointError(GatescopeError):
    """A weight file that is not read; the message says why."""


class Claim(NamedTuple):
    """What a file says of a tensor that has not been read."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Its size in the file."""
        return self.numel * self.dtype.itemsize


def check_size(size: int, limits: Limits) -> None:
    """Raises CheckpointError where a file is larger than the limits allow."""
    if size > limits.file_bytes:
        allowed = f"at most {limits.file_bytes / MIB:.0f} MiB are allowed"
        raise CheckpointError(f"The weight file has {size / MIB:,.0f} MiB; {allowed}.")


def check_header(size: int, what: str, limits: Limits) -> None:
    """Raises CheckpointError where a list of contents is larger than the limits allow."""
    if size > limits.header_bytes:
        allowed = f"at most {limits.header_bytes:,} are allowed"
        raise CheckpointError(f"The {what} claims {size:,} bytes; {allowed}.")


def check_claims(claims: Mapping[str, Claim], limits: Limits) -> None:
    """Raises CheckpointError where there are too many tensors, or one is of a wrong type, or all are too large."""
    if len(claims) > limits.tensors:
        raise CheckpointError(f"The file claims {len(claims):,} tensors; at most {limits.tensors:,} are allowed.")
    for name, claim in claims.items():
        _check_claim(name, claim, limits)
    total = sum(claim.numel * max(claim.dtype.itemsize, 4) for claim in claims.values())
    if total > limits.tensor_bytes:
        allowed = f"at most {limits.tensor_bytes / MIB:.0f} MiB are allowed"
        raise CheckpointError(f"The file's tensors would take {total / MIB:,.0f} MiB of memory; {allowed}.")


def _check_claim(name: str, claim: Claim, limits: Limits) -> None:
    if claim.dtype not in DTYPES.values():
        allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES.values())
        raise CheckpointError(f"{quote(name)} is of the type {claim.dtype}; {allowed} are allowed.")
    if len(claim.shape) > limits.dimensions:
        allowed = f"at most {limits.dimensions} are allowed"
        raise CheckpointError(f"{quote(name)} has {len(claim.shape)} dimensions; {allowed}.")
