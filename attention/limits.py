"""What the process allows strangers: every bound in one place, each with a default and a setting of the environment."""

import contextlib
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from attention.records import GatescopeError

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """The most of each. The defaults let ResNet-152 (242 MB) and RegNetY-32GF (581 MB) through.

    In the environment each has the name of its field in capitals, after GATESCOPE_MAX_.
    """

    file_bytes: int = 600 * MIB
    """Size of a weight file as it was given, of what a zip around it unpacks to, and of any file that is read whole."""
    tensor_bytes: int = 600 * MIB
    """Size of all tensors of a network, half precision counted as the float32 that the network makes of it."""
    header_bytes: int = MIB
    """Size of a list of contents: the header of a safetensors file, the directory of a zip and its pickle."""
    tensors: int = 5_000
    """Their number in a file; ResNet-152 has 932, EfficientNet-B7 1,363."""
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
    kept_bytes: int = 2048 * MIB
    """What is kept for all visitors together: networks, uploaded weights, traces, pictures, results."""
    building_bytes: int = 1200 * MIB
    """The numbers of all networks that are built, and of all weight files that are read, at a time: two of the
    largest. Others wait, and one that takes more goes alone."""
    building_seconds: int = 5 * 60
    """Time of the building of a network by name, once its turn has come; the largest take some ten seconds."""
    passes_bytes: int = 3072 * MIB
    """What passes that are large, since they keep all features for a gradient or have several pictures, take together
    at a time. Others wait; fewer pictures go through at once where that is too much, and a gradient that takes more is
    refused."""
    picture_bytes: int = 20 * MIB
    """Size of a picture's file."""
    picture_side: int = 30_000
    """Pixels of a picture's longer side; a panorama of a phone has about 16,000."""
    picture_pixels: int = 50_000_000
    """Pixels of a picture; a phone's largest photo."""
    decoder_bytes: int = 290 * 10**6
    """What the decoding of a picture takes beside its own pixels."""
    decoding_bytes: int = 600 * MIB
    """What the pictures that are decoded at a time take together; one that takes more is decoded alone."""
    uploads_bytes: int = 600 * MIB
    """The files that one visitor has on the server."""
    all_uploads_bytes: int = 2048 * MIB
    """The files of all visitors."""
    job_seconds: int = 30 * 60
    """Time of a job that is started on a page."""
    survey_seconds: int = 4 * 3600
    """Time of a survey that is started on a page."""
    download_seconds: int = 30 * 60
    """Time that the download of a network's weights takes, the waiting for another's of the same file included."""

    @classmethod
    def of_environment(cls) -> "Limits":
        """The defaults, or what the environment has in their place. Raises GatescopeError where that is no number."""
        names = {field.name: f"GATESCOPE_MAX_{field.name.upper()}" for field in fields(cls)}
        return cls(**{name: _number(key) for name, key in names.items() if key in os.environ})


def _number(key: str) -> int:
    value = os.environ[key]
    if not re.fullmatch("[0-9]{1,18}", value):
        raise GatescopeError(f"{key} is {value[:80]!r}; a whole number from 0 is allowed.")
    return int(value)


class Budget:
    """Bytes that several threads take together. They wait in line; one that wants more than all goes alone, and one
    that wants no more than `small` does not wait and is not counted."""

    def __init__(self, most: Callable[[], int], small: int = 0) -> None:
        self._most, self._small, self._taken = most, small, 0
        self._line: deque[object] = deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taking(self, size: int) -> Iterator[None]:
        """Waits until so many bytes are free, and holds them."""
        if size <= self._small:
            yield
            return
        self._wait(size)
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()

    def _wait(self, size: int) -> None:
        ticket = object()

        def free() -> bool:
            return self._line[0] is ticket and (not self._taken or self._taken + size <= self._most())

        with self._changed:
            self._line.append(ticket)
            try:
                self._changed.wait_for(free)
                self._taken += size
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()


SMALL = 64 * MIB
"""What takes no more waits for nobody: the networks that come with Gatescope, and passes of them."""
BUILDING = Budget(lambda: Limits.of_environment().building_bytes, SMALL)
PASSES = Budget(lambda: Limits.of_environment().passes_bytes, SMALL)
LIVE_TENSORS = 4
"""Tensors as large as the largest that a pass without gradients has at a time, its gates' included; 3.3 were measured
of an SE-ResNet at full resolution."""


def at_once(each: int, usual: int) -> int:
    """How many pictures go through a network at a time, `usual` at most, where a picture takes so many bytes."""
    return max(1, min(usual, Limits.of_environment().passes_bytes // max(each, 1)))
