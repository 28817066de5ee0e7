"""A survey between two batches, in a file: what it has counted so far, to the last bit, and what it rests on."""

import json
import time
import zipfile
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attention.survey.errors import SurveyError
from attention.survey.partials import Block, Failure, Highest, Means, Moments, Partial

EVERY = 10.0
"""Seconds between two savings, or twenty times what the last one took: at most a twentieth of the time."""
GROUPS: dict[str, type] = {"classes": Moments, "verdicts": Moments, "shuffled": Means}


class Checkpoint:
    """The file beside a result that is not finished: its name with `.partial` after it."""

    def __init__(self, result: Path, provenance: dict[str, Any]) -> None:
        self.path = result.with_name(result.name + ".partial")
        self._writing = self.path.with_name(self.path.name + ".writing")
        self._provenance = provenance
        self._due = time.monotonic() + EVERY

    def begin(self, resume: bool) -> tuple[Partial, int]:
        """What was counted before, and the batches of it; nothing where there is no file.

        Raises SurveyError where there is one and nobody asked to go on with it, or where it is of another survey.
        """
        if not self.path.exists():
            return Partial(), 0
        if not resume:
            raise SurveyError(f"{self.path} holds an unfinished survey; go on with --resume, or delete it.")
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                header = json.loads(str(arrays["header"]))
                self._same(header["provenance"])
                return _unpacked(header, arrays), header["batches"]
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            if isinstance(error, SurveyError):
                raise
            raise SurveyError(f"{self.path} is no unfinished survey; delete it, and start again.") from error

    def _same(self, before: dict[str, Any]) -> None:
        now = json.loads(json.dumps(self._provenance))
        if differs := [name for name in now if now[name] != before.get(name)]:
            raise SurveyError(
                f"{self.path} is of another survey (other {', '.join(differs)}); only the same one can be gone on with."
            )

    def save_when_due(self, partial: Partial, batches: int) -> None:
        """Save, if it has been long enough since the last time."""
        if time.monotonic() >= self._due:
            self.save(partial, batches)

    def save(self, partial: Partial, batches: int) -> None:
        """Replace the file in one step, so that a kill leaves the last one whole."""
        start = time.monotonic()
        header = _header(partial) | {"provenance": self._provenance, "batches": batches}
        with self._writing.open("wb") as file:
            np.savez(file, **_arrays(partial, json.dumps(header)))  # type: ignore[arg-type] # its stub takes them for allow_pickle
        self._writing.replace(self.path)
        self._due = time.monotonic() + max(EVERY, 20 * (time.monotonic() - start))

    def remove(self) -> None:
        """The survey is finished."""
        self.path.unlink(missing_ok=True)
        self._writing.unlink(missing_ok=True)


def _header(partial: Partial) -> dict[str, Any]:
    return {
        "pictures": partial.pictures,
        "blocks": partial.blocks,
        "predictions": [[*key, count] for key, count in partial.predictions.items()],
        "failures": partial.failures,
        "groups": {name: sorted(map(int, getattr(partial, name))) for name in GROUPS},
        "ranked": partial.top is not None,
    }


def _arrays(partial: Partial, header: str) -> dict[str, NDArray]:
    arrays: dict[str, NDArray] = {"header": np.array(header), "histogram": partial.histogram}
    for group in GROUPS:
        for key, part in getattr(partial, group).items():
            arrays |= {f"{group}/{int(key)}/{name}": np.asarray(value) for name, value in vars(part).items()}
    for end in ("top", "bottom"):
        if kept := getattr(partial, end):
            arrays |= {f"{end}/{name}": value for name, value in vars(kept).items()}
    return arrays


def _unpacked(header: dict[str, Any], arrays: Any) -> Partial:
    partial = Partial(header["pictures"], histogram=arrays["histogram"])
    if header["blocks"] is not None:
        partial.blocks = tuple(
            Block(name, kind, act, tuple(shape), how) for name, kind, act, shape, how in header["blocks"]
        )
    partial.predictions = Counter({(label, said): count for label, said, count in header["predictions"]})
    partial.failures = [Failure(*failure) for failure in header["failures"]]
    for group, record in GROUPS.items():
        for key in header["groups"][group]:
            count, *rest = (arrays[f"{group}/{int(key)}/{field.name}"] for field in fields(record))
            getattr(partial, group)[bool(key) if group == "verdicts" else key] = record(int(count), *rest)
    if header["ranked"]:
        partial.top, partial.bottom = (
            Highest(arrays[f"{end}/values"], arrays[f"{end}/pictures"]) for end in ("top", "bottom")
        )
    return partial
