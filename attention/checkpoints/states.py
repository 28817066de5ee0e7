"""From what a file holds to one state dict: wrappers and prefixes removed, and every weight a finite number."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from attention.checkpoints.limits import CheckpointError, shown

WRAPPERS = ("model_ema", "state_dict", "model", "module")
"""Under which a training script keeps the state dict; the average over training, which is what it evaluates, first."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and trainers put before every key."""


def unwrapped(content: Any) -> dict[str, Tensor]:
    """The state dict inside what was saved. Raises CheckpointError where that is no state dict."""
    while isinstance(content, Mapping):
        wrapper = next((key for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if wrapper is None:
            break
        content = content[wrapper]
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
    return {name: value.detach() for name, value in content.items()}


def without_prefixes(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A prefix is removed where every key has it, so that no two keys become one."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return without_prefixes({name.removeprefix(prefix): value for name, value in state.items()})
    return dict(state)


def check_numbers(state: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError where a weight is NaN or infinite."""
    for name, value in state.items():
        if value.is_floating_point() and value.numel():
            # The extremes of a tensor with a NaN are NaN; unlike isfinite, they need no memory.
            low, high = torch.aminmax(value.detach())
            if not (low.isfinite() and high.isfinite()):
                raise CheckpointError(f"{shown(name)} holds NaN or infinite weights; finite numbers are allowed.")
