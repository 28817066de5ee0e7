"""Weight files from people who may be hostile: what a file claims is checked before a tensor of it is made.

file -> kind (by its first bytes) -> claims (names, shapes, dtypes) -> limits -> tensors -> state dict
"""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from torch import Tensor

from attention.checkpoints import archives, directories, kinds, safetensors, states
from attention.checkpoints.limits import DEFAULT, CheckpointError, Limits

__all__ = ["DEFAULT", "CheckpointError", "Contents", "Limits", "contents", "read"]


class Contents(NamedTuple):
    """What a file holds."""

    state: dict[str, Tensor]
    """On the CPU."""
    notes: tuple[str, ...]
    """What was taken out of what, and off the keys, a phrase each."""


def read(source: Path | bytes, limits: Limits | None = None) -> dict[str, Tensor]:
    """The state dict that `contents` finds, without its notes."""
    return contents(source, limits).state


def contents(source: Path | bytes, limits: Limits | None = None) -> Contents:
    """The state dict in a .safetensors, .pt, .pth or .pth.zip file, or in such a file's bytes.

    Wrappers such as {"state_dict": ...} and prefixes that every key has (`module.`, `_orig_mod.`, `model.`) are
    removed. No code in the file is run. Raises CheckpointError where the file is none of these, is damaged, claims
    more than the limits allow (the environment's, where none are given), or holds weights that are no numbers.
    """
    limits = limits or Limits.of_environment()
    if isinstance(source, bytes):
        return _contents(BytesIO(source), limits)
    try:
        with source.open("rb") as file:
            return _contents(file, limits)
    except OSError as error:
        raise CheckpointError(f"{source.name} cannot be read: {error.strerror or error}.") from None


def _contents(file: BinaryIO, limits: Limits) -> Contents:
    kind = kinds.of(file, limits)
    if kind == "zip" and (inner := directories.unpacked(file, limits)):
        file, kind = inner, kinds.of(inner, limits)
    content = safetensors.read(file, limits) if kind == "safetensors" else archives.read(file, limits)
    state, wrappers = states.unwrapped(content)
    states.check_numbers(state)
    state, prefixes = states.without_prefixes(state)
    return Contents(state, wrappers + prefixes)
