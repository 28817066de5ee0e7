"""On which device a network runs: what a person names, checked against what this machine has."""

import re
from typing import TYPE_CHECKING

from attention.records import GatescopeError

if TYPE_CHECKING:  # options are read without torch
    import torch

ALLOWED = "auto, cpu, cuda, cuda:1 (by number) and mps"


class DeviceError(GatescopeError):
    """A device that there is not."""


def device_of(name: str) -> "torch.device":
    """`auto` is the first of cuda and mps that this machine has, else the CPU. Raises DeviceError where there is no
    such device."""
    import torch

    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", name):
        raise DeviceError(f"The device is {name[:40]!r}; {ALLOWED} are allowed.")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, found in available.items() if found)
    kind, _, number = name.partition(":")
    if not available[kind]:
        found = ", ".join(each for each, found in available.items() if found)
        raise DeviceError(f"This machine has no {kind} that its torch can use; there is {found}.")
    if number and int(number) >= torch.cuda.device_count():
        raise DeviceError(f"There is no {name}; this machine has {torch.cuda.device_count()} of them, from cuda:0 on.")
    return torch.device(name)
