"""From what a file holds to one state dict: wrappers and prefixes removed, and every weight a finite number."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from attention.checkpoints.limits import CheckpointError, shown

WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model", "module")
"""Under which a training script keeps the state dict; the average over training, which is what it evaluates, first."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and trainers put before every key."""
DEEPEST = 4
"""Wrappers in one another."""


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


def without_prefixes(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """A prefix is removed where every key has it, so that no two keys become one; and a phrase for each that was."""
    notes: tuple[str, ...] = ()
    while prefix := next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
        notes = (*notes, f"{prefix!r} taken off every key")
    return dict(state), notes


def check_numbers(state: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError where a weight is NaN or infinite, as the 32-bit float that a network makes of it."""
    for name, value in state.items():
        if value.is_floating_point() and value.numel():
            # The extremes of a tensor with a NaN are NaN; unlike isfinite, they need no memory.
            low, high = torch.aminmax(value.detach())
            if not (low.float().isfinite() and high.float().isfinite()):
                raise CheckpointError(f"{shown(name)} holds NaN or infinite weights; finite 32-bit floats are allowed.")
