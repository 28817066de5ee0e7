"""What a weight file may claim, and the check of every claim before memory is spent on it."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import torch

from attention.records import GatescopeError

if TYPE_CHECKING:
    from attention.cost import Measured

MIB = 2**20

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


@dataclass(frozen=True)
class Limits:
    """The most that a file may claim. The defaults let ResNet-152 (242 MB) and RegNetY-32GF (581 MB) through.

    In the environment each has the name of its field in capitals, after GATESCOPE_MAX_.
    """

    file_bytes: int = 600 * MIB
    """Size of the file as it was given, and of what a zip around it unpacks to."""
    tensor_bytes: int = 600 * MIB
    """Size of all tensors together, half precision counted as the float32 that the network makes of it."""
    header_bytes: int = MIB
    """Size of a list of contents: the header of a safetensors file, the directory of a zip and its pickle."""
    tensors: int = 5_000
    """Their number; ResNet-152 has 932, EfficientNet-B7 1,363."""
    dimensions: int = 8
    """Axes of one tensor; those of convolutional networks have at most 5."""
    inflation: int = 4
    """How many times larger a zip-wrapped file may be than its wrapper; weights shrink to a half at best."""
    classes: int = 50_000
    """That the network tells apart; ImageNet-21k has 21,843."""
    feature_bytes: int = 256 * MIB
    """Size of the largest tensor of one pass; ResNet-50 makes 3 MiB at 224 pixels, EfficientNet-B7 66 MiB at 600."""
    macs: int = 150 * 10**9
    """Multiply-accumulates of one pass; RegNetY-32GF makes 95 billion at 384 pixels."""

    @classmethod
    def of_environment(cls) -> "Limits":
        """The defaults, or what the environment has in their place. Raises CheckpointError where that is no number."""
        names = {field.name: f"GATESCOPE_MAX_{field.name.upper()}" for field in fields(cls)}
        return cls(**{name: _number(key) for name, key in names.items() if key in os.environ})


DEFAULT = Limits()


def _number(key: str) -> int:
    value = os.environ[key]
    if not re.fullmatch("[0-9]{1,18}", value):
        raise CheckpointError(f"{key} is {shown(value)}; a whole number from 0 is allowed.")
    return int(value)


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


def check_cost(cost: "Measured", name: str, size: str, limits: Limits) -> None:
    """Raises CheckpointError where a network, or one pass over a picture of so many pixels, is too large."""
    for taken, allowed, what in (
        (cost.held, limits.tensor_bytes, "bytes for its weights"),
        (cost.largest, limits.feature_bytes, "bytes for its largest tensor"),
        (cost.total_macs, limits.macs, "multiply-accumulates"),
    ):
        if taken > allowed:
            given = f"One pass of {name} at {size} px takes {taken:,} {what}"
            raise CheckpointError(f"{given}; at most {allowed:,} are allowed.")


def check_download(size: int, name: str, limits: Limits) -> None:
    """Raises CheckpointError where the weights of a network are larger than the limits allow."""
    if size > limits.tensor_bytes:
        allowed = f"at most {limits.tensor_bytes / MIB:.0f} MiB are allowed"
        raise CheckpointError(f"The weights of {name} take {size / MIB:,.0f} MiB; {allowed}.")


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
        raise CheckpointError(f"{shown(name)} is of the type {claim.dtype}; {allowed} are allowed.")
    if len(claim.shape) > limits.dimensions:
        allowed = f"at most {limits.dimensions} are allowed"
        raise CheckpointError(f"{shown(name)} has {len(claim.shape)} dimensions; {allowed}.")


def shown(name: object) -> str:
    """A stranger's name for a message: quoted, and short."""
    text = repr(name)
    return text if len(text) <= 80 else f"{text[:76]}...'"
