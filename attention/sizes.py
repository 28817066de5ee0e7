"""How much memory a result holds, as far as its arrays, tensors, pictures and bytes tell."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

OVERHEAD = 64
"""Bytes of anything that is not looked into."""


def bytes_of(value: Any, seen: set[int] | None = None) -> int:
    """Bytes of a value and of all that it holds, each thing counted once; neither numpy nor torch is imported."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, bytes | bytearray | str):
        return len(value)
    if hasattr(value, "parameters") and hasattr(value, "buffers"):  # a torch module
        return sum(bytes_of(tensor, seen) for tensor in (*value.parameters(), *value.buffers()))
    if hasattr(value, "element_size"):  # a torch tensor
        return int(value.numel() * value.element_size())
    if hasattr(value, "nbytes"):
        return int(value.nbytes)
    if hasattr(value, "getbands"):  # a picture of PIL
        return int(value.width * value.height * len(value.getbands()))
    if isinstance(value, Mapping):
        return OVERHEAD + sum(bytes_of(each, seen) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return OVERHEAD + sum(bytes_of(each, seen) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        return OVERHEAD + sum(bytes_of(getattr(value, each.name), seen) for each in fields(value))
    if hasattr(value, "__dict__") and not callable(value):
        return OVERHEAD + sum(bytes_of(each, seen) for each in vars(value).values())
    return OVERHEAD
