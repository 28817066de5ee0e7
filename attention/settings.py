"""What a server allows, each bound with its default, and the name that it has in the environment."""

import os
import re
from typing import NamedTuple

from attention.records import GatescopeError

MIB = 2**20


class SettingError(GatescopeError):
    """A setting in the environment that is no number."""


class Setting(NamedTuple):
    """One bound."""

    default: int
    meaning: str


SETTINGS = {
    "GATESCOPE_MAX_HELD_MIB": Setting(2048, "what one process keeps of networks, passes and pictures, in MiB"),
    "GATESCOPE_MAX_PICTURE_SIDE": Setting(20_000, "the longer side of a picture, in pixels"),
    "GATESCOPE_MAX_PICTURE_PIXELS": Setting(50_000_000, "the pixels of a picture"),
    "GATESCOPE_MAX_DECODING_MIB": Setting(1024, "what pictures that are decoded at the same time may take, in MiB"),
    "GATESCOPE_MAX_UPLOADS_MIB": Setting(600, "the files that one visitor has on the server, in MiB"),
    "GATESCOPE_MAX_ALL_UPLOADS_MIB": Setting(2048, "the files of all visitors, in MiB"),
}
"""All but those of weight files, which `attention.models.limits` has."""


def setting(name: str) -> int:
    """A bound: that of the environment, or its default. Raises SettingError where that is no whole number."""
    given = os.environ.get(name)
    if given is None:
        return SETTINGS[name].default
    if not re.fullmatch("[0-9]{1,18}", given):
        raise SettingError(f"{name} is {given[:40]!r}; a whole number from 0 is allowed.")
    return int(given)


def held_bytes() -> int:
    """What one process keeps of networks, passes and pictures, in bytes."""
    return setting("GATESCOPE_MAX_HELD_MIB") * MIB
