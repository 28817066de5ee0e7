"""A survey from its first batch, or from where it was left, to its result."""

import contextlib
import datetime
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Literal

from attention.models import Network
from attention.survey import checkpoint, files, local, on_ray, provenance, result
from attention.survey.errors import CancelledError, SurveyError
from attention.survey.folder import Pictures
from attention.survey.partials import Partial
from attention.survey.passes import Job, Worker
from attention.survey.result import Result

Engine = Literal["local", "ray"]
LARGEST_BATCH = 255


@dataclass(frozen=True)
class Settings:
    """How a survey is run. Of these only the size of a batch can move a number, in its last bits."""

    engine: Engine = "local"
    batch_size: int = 8
    """Pictures in one forward pass, 1 to LARGEST_BATCH."""
    workers: int | None = None
    """Threads of `local`, processes of `ray`; None is one for each processor."""
    out: Path | None = None
    """The result file; None to keep the result in memory alone, where nothing can be resumed."""
    resume: bool = False
    """Whether to go on where a survey with the same `out` was stopped, if one was."""

    def __post_init__(self) -> None:
        if self.engine not in ("local", "ray"):
            raise SurveyError(f"There is no engine {self.engine!r}; local and ray are allowed.")
        if not 1 <= self.batch_size <= LARGEST_BATCH:
            raise SurveyError(f"The batch size is {self.batch_size}; 1 to {LARGEST_BATCH} are allowed.")
        if self.workers is not None and self.workers < 1:
            raise SurveyError(f"There are to be {self.workers} workers; 1 or more are allowed.")
        if self.out is not None and not self.out.parent.is_dir():
            raise SurveyError(f"{self.out.parent} is no folder; --out must name a file in one that is there.")


@dataclass(frozen=True)
class Progress:
    """How far a survey is."""

    done: int
    """Pictures, those that could not be read among them."""
    total: int
    failed: int
    rate: float
    """Pictures a second, since this run began."""

    @property
    def seconds_left(self) -> float:
        """At this rate."""
        return (self.total - self.done) / self.rate if self.rate else float("inf")


def run(
    network: Network,
    pictures: Pictures,
    *,
    settings: Settings = Settings(),
    progress: Callable[[Progress], None] | None = None,
    cancel: Event | None = None,
) -> Result:
    """Every gate of the network over every picture; it may run in any thread.

    Batches are merged in the order of the pictures, so engines, numbers of workers and interruptions give the same
    bits. `progress` is called after each batch, in the calling thread. Once `cancel` is set, the survey stops after
    the batch at hand and raises CancelledError. Raises SurveyError where it cannot be made, or gone on with.
    """
    job = Job(network, pictures, provenance.outputs(network, pictures.classes), settings.batch_size)
    known = provenance.of(job)
    store = checkpoint.Checkpoint(settings.out, known) if settings.out else None
    partial, start = store.begin(settings.resume) if store else (Partial(), 0)
    clock = _Clock(partial.pictures, len(pictures))
    with contextlib.closing(_parts(job, start, settings)) as parts:
        for batches, part in enumerate(parts, start=start + 1):
            partial.add(part)
            if store:
                store.save_when_due(partial, batches)
            if progress:
                progress(clock.read(partial))
            if cancel and cancel.is_set() and batches < len(job):
                if store:
                    store.save(partial, batches)
                raise CancelledError(_stopped(partial, job, store))
    found = _result(partial, job, known | {"run": clock.run(settings)})
    if store and settings.out:
        files.write(found, settings.out)
        store.remove()
    return found


def _parts(job: Job, start: int, settings: Settings) -> Generator[Partial]:
    if settings.engine == "ray":
        return on_ray.partials(job, start, settings.workers)
    return local.ordered(Worker(job), range(start, len(job)), settings.workers or local.workers())


def _result(partial: Partial, job: Job, known: dict[str, Any]) -> Result:
    paths = {number: job.pictures.paths[number] for number in result.numbers_of(partial)}
    return result.result(
        partial, job.pictures.classes, provenance=known, outputs=job.outputs, labels=job.network.labels, paths=paths
    )


def _stopped(partial: Partial, job: Job, store: checkpoint.Checkpoint | None) -> str:
    where = f"{store.path} holds them, and --resume goes on" if store else "nothing is kept without a result file"
    return f"The survey was stopped after {partial.pictures:,} of {len(job.pictures):,} pictures; {where}."


class _Clock:
    """The time of this run, and what was done before it."""

    def __init__(self, before: int, total: int) -> None:
        self._began, self._start = datetime.datetime.now(datetime.UTC), time.monotonic()
        self._before, self._total = before, total

    def read(self, partial: Partial) -> Progress:
        seconds = max(time.monotonic() - self._start, 1e-9)
        rate = (partial.pictures - self._before) / seconds
        return Progress(partial.pictures, self._total, len(partial.failures), rate)

    def run(self, settings: Settings) -> dict[str, Any]:
        """What differs between two equal surveys."""
        seconds = round(time.monotonic() - self._start, 3)
        facts = {"began": self._began.isoformat(timespec="seconds"), "seconds": seconds, "resumed_at": self._before}
        return facts | {"engine": settings.engine, "workers": settings.workers}
