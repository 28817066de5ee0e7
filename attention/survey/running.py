"""A survey from its first batch, or from where it was left, to its result: in threads here, or by Ray Data's actors."""

import contextlib
import datetime
import io
import json
import logging
import math
import os
import pickle
import sys
import time
import zipfile
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from threading import Event
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from attention.files import check_replaceable, check_writable, open_plain, replacing
from attention.models import Network
from attention.numbers import amount, fixed
from attention.process import one_thread_each
from attention.records import GatescopeError
from attention.survey import files
from attention.survey.partials import GateColumns, Means, Moments, Partial, TopK, assemble, exemplar_numbers
from attention.survey.passes import BatchPlan, Worker, class_outputs, provenance
from attention.survey.pictures import PictureList
from attention.survey.result import CancelledError, Failure, Result, SurveyError

T = TypeVar("T")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ordered(work: Callable[[int], T], numbers: Iterable[int], threads: int) -> Generator[T]:
    """`work` of each number, in the order of the numbers, at most twice as many ahead as there are threads."""
    with one_thread_each() as first, ThreadPoolExecutor(threads, "survey", initializer=first) as pool:
        ahead: deque[Future[T]] = deque()
        try:
            for number in numbers:
                ahead.append(pool.submit(work, number))
                if len(ahead) >= 2 * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)  # whoever stops early would wait for all that is queued


BATCHES = 8
"""Batches in one task of Ray's."""


class RayActor:
    """A worker in a process of Ray's."""

    def __init__(self, plan: bytes, device: str) -> None:
        import torch

        torch.set_num_threads(1)
        own: BatchPlan = pickle.loads(plan)
        own.network.on(device)
        self._worker = Worker(own)

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        return {"part": [pickle.dumps(self._part(int(number))) for number in rows["id"]]}

    def _part(self, number: int) -> Partial | GatescopeError:
        """A batch, or what is wrong with the network: running it again would not help."""
        try:
            return self._worker(number)
        except GatescopeError as error:
            return error


def ray_partials(plan: BatchPlan, start: int, workers: int | None, gpus: float = 0) -> Generator[Partial]:
    """The Partial of each batch from `start` on, in their order; each worker asks Ray for so many GPUs.

    Raises SurveyError where there is no Ray, or where the cluster has no such GPU.
    """
    ray = _import_ray()
    started_here = not ray.is_initialized()
    if started_here:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would send its makers how it is used
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        if gpus:
            _check_gpus(ray.cluster_resources().get("GPU", 0), gpus)
        for row in _dataset(plan, range(start, len(plan)), workers, gpus).iter_rows():
            part = pickle.loads(row["part"])
            if isinstance(part, GatescopeError):
                raise part
            yield part
    finally:
        if started_here:
            ray.shutdown()


def _import_ray() -> Any:
    try:
        import ray.data
    except ImportError:
        way = "`pip install -r requirements-ray.txt` installs it, and --engine local does without"
        raise SurveyError(f"Ray is not installed; {way}.") from None
    return ray


def _check_gpus(available: float, wanted: float) -> None:
    if wanted > available:
        raise SurveyError(f"Each worker is to have {wanted:g} GPUs, and Ray has {available:g}; none is asked for by 0.")


def _dataset(plan: BatchPlan, numbers: range, workers: int | None, gpus: float) -> Any:
    """A lazy dataset of one row a batch, in the order of the batches."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    tasks = max(1, -(-len(numbers) // BATCHES))
    rows = ray.data.from_items([{"id": number} for number in numbers], override_num_blocks=tasks)
    available = int(ray.cluster_resources().get("CPU", 1))
    pool = ray.data.ActorPoolStrategy(size=min(workers or available, tasks))
    given = (pickle.dumps(plan), "cuda" if gpus else "cpu")
    asked = {"num_cpus": 1, "num_gpus": gpus} if gpus else {"num_cpus": 1}
    return rows.map_batches(RayActor, fn_constructor_args=given, batch_size=BATCHES, compute=pool, **asked)


Engine = Literal["local", "ray"]
LARGEST_BATCH, WORKERS = 255, 1024
SAVE_SECONDS = 10.0
"""Seconds between two savings, or twenty times what the last one took: at most a twentieth of the time."""


@dataclass(frozen=True)
class Settings:
    """How a survey is run. Of these only the size of a batch can move a number, in its last bits."""

    engine: Engine = "local"
    batch_size: int = 8
    """Pictures in one forward pass, 1 to LARGEST_BATCH."""
    workers: int | None = None
    """Threads of `local`, processes of `ray`, 1 to WORKERS; None is one for each processor."""
    gpus: float = 0
    """What share of a GPU each process of `ray` asks for; its network is moved there."""
    out: Path | None = None
    """The result file; None to keep the result in memory alone, where nothing can be resumed."""
    resume: bool = False
    """Whether to go on where a survey with the same `out` was stopped, if one was."""

    def __post_init__(self) -> None:
        if self.engine not in ("local", "ray"):
            raise SurveyError(f"There is no engine {self.engine!r}; local and ray are allowed.")
        if not 1 <= self.batch_size <= LARGEST_BATCH:
            raise SurveyError(f"The batch size is {self.batch_size}; 1 to {LARGEST_BATCH} are allowed.")
        if self.workers is not None and not 1 <= self.workers <= WORKERS:
            raise SurveyError(f"There are to be {self.workers} workers; 1 to {WORKERS:,} are allowed.")
        if not 0 <= self.gpus < math.inf or (self.gpus and self.engine != "ray"):
            raise SurveyError(f"Each worker is to have {self.gpus:g} GPUs; 0 or more are allowed, with --engine ray.")
        if self.out is not None:
            check_writable(self.out.parent)
            check_replaceable(_checkpoint_path(self.out))


@dataclass(frozen=True)
class Progress:
    """How far a survey is."""

    done: int
    """Pictures, those that could not be read among them."""
    total: int
    failed: int
    rate: float
    """Pictures a second, since this run began."""
    halved: int = 0
    """How often batches were halved, since the memory of the device did not hold them."""

    @property
    def seconds_left(self) -> float:
        """At this rate."""
        return (self.total - self.done) / self.rate if self.rate else float("inf")

    def __str__(self) -> str:
        minutes, seconds = divmod(round(self.seconds_left), 60)
        failed = f", {self.failed:,} could not be read" if self.failed else ""
        done = f"{self.done:,} of {amount(self.total, 'picture')}{failed}"
        parts = f", each batch in {2**self.halved} parts for want of memory" if self.halved else ""
        return f"{done}, {fixed(self.rate, 1)} a second, {minutes}:{seconds:02} left{parts}"


def print_progress() -> Callable[[Progress], None]:
    """Progress in one line that is written over, where there is a terminal; else a line each tenth."""
    terminal, shown = sys.stderr.isatty(), -1

    def show(progress: Progress) -> None:
        nonlocal shown
        tenth = 10 * progress.done // progress.total
        if terminal or tenth > shown:
            shown = tenth
            print(str(progress), end="\r" if terminal and progress.done < progress.total else "\n", file=sys.stderr)

    return show


GROUPS = {"classes": ("classes", Moments), "correctness": ("verdicts", Moments), "shuffled": ("shuffled", Means)}
"""The fields of a Partial that are statistics by a key: how an unfinished survey calls each, and its record."""


class Checkpoint:
    """The file beside a result that is not finished, its name with `.partial` after it."""

    def __init__(self, result: Path, provenance: dict[str, Any]) -> None:
        self.path = _checkpoint_path(result)
        self._provenance = provenance
        self._due = time.monotonic() + SAVE_SECONDS

    def begin(self, resume: bool) -> tuple[Partial, int]:
        """What was counted before, and the batches of it; nothing where there is no file.

        Raises SurveyError where there is one and nobody asked to go on with it, or where it is of another survey.
        """
        if not self.path.exists():
            return Partial(), 0
        if not resume:
            raise SurveyError(f"{self.path} holds an unfinished survey; go on with --resume, or delete it.")
        try:
            with open_plain(self.path) as file, np.load(file, allow_pickle=False) as arrays:
                header = json.loads(str(arrays["header"]))
                self._check_same(header["provenance"])
                return _unpack(header, arrays), header["batches"]
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            if isinstance(error, SurveyError):
                raise
            raise SurveyError(f"{self.path} is no unfinished survey; delete it, and start again.") from error

    def _check_same(self, before: dict[str, Any]) -> None:
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
        packed = io.BytesIO()  # on a disk that is full, an older numpy leaves a zip file open behind it
        np.savez(packed, **_arrays(partial, json.dumps(header)))  # type: ignore[arg-type] # its stub takes them for allow_pickle
        with replacing(self.path) as file:
            file.write(packed.getbuffer())
        self._due = time.monotonic() + max(SAVE_SECONDS, 20 * (time.monotonic() - start))

    def remove(self) -> None:
        """The survey is finished."""
        self.path.unlink(missing_ok=True)


def _checkpoint_path(result: Path) -> Path:
    return result.with_name(f"{result.name}.partial")


def _header(partial: Partial) -> dict[str, Any]:
    return {
        "pictures": partial.pictures,
        "blocks": partial.gates,
        "predictions": [[*key, count] for key, count in partial.predictions.items()],
        "failures": partial.failures,
        "groups": {stored: sorted(map(int, getattr(partial, name))) for name, (stored, _) in GROUPS.items()},
        "ranked": partial.top is not None,
    }


def _arrays(partial: Partial, header: str) -> dict[str, NDArray]:
    arrays: dict[str, NDArray] = {"header": np.array(header), "histogram": partial.histogram}
    for field_name, (stored, _) in GROUPS.items():
        for key, part in getattr(partial, field_name).items():
            arrays |= {f"{stored}/{int(key)}/{name}": np.asarray(value) for name, value in vars(part).items()}
    for end in ("top", "bottom"):
        if kept := getattr(partial, end):
            arrays |= {f"{end}/{name}": value for name, value in vars(kept).items()}
    return arrays


def _unpack(header: dict[str, Any], arrays: Any) -> Partial:
    partial = Partial(header["pictures"], histogram=arrays["histogram"])
    if header["blocks"] is not None:
        partial.gates = tuple(
            GateColumns(name, kind, act, tuple(shape), how, tuple(features))
            for name, kind, act, shape, how, features in header["blocks"]
        )
    partial.predictions = Counter({(label, output): count for label, output, count in header["predictions"]})
    partial.failures = [Failure(*failure) for failure in header["failures"]]
    for field_name, (stored, record) in GROUPS.items():
        for key in header["groups"][stored]:
            count, *rest = (arrays[f"{stored}/{int(key)}/{field.name}"] for field in fields(record))
            getattr(partial, field_name)[bool(key) if field_name == "correctness" else key] = record(int(count), *rest)
    if header["ranked"]:
        partial.top, partial.bottom = (
            TopK(arrays[f"{end}/values"], arrays[f"{end}/pictures"]) for end in ("top", "bottom")
        )
    return partial


def run(
    network: Network,
    pictures: PictureList,
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
    plan = BatchPlan(network, pictures, class_outputs(network, pictures.classes), settings.batch_size)
    facts = provenance(plan)
    store = Checkpoint(settings.out, facts) if settings.out else None
    partial, start = store.begin(settings.resume) if store else (Partial(), 0)
    clock = _Clock(partial.pictures, len(pictures))
    with contextlib.closing(_partials(plan, start, settings)) as parts:
        for batches, part in enumerate(parts, start=start + 1):
            partial.add(part)
            if store:
                store.save_when_due(partial, batches)
            if progress:
                progress(clock.read(partial))
            if cancel and cancel.is_set() and batches < len(plan):
                kept = "nothing is kept without a result file"
                if store:
                    store.save(partial, batches)
                    kept = f"{store.path} holds them, and --resume goes on"
                done = f"{partial.pictures:,} of {amount(len(pictures), 'picture')}"
                raise CancelledError(f"The survey was stopped after {done}; {kept}.")
    run = clock.run(settings) | ({"batches_halved": partial.halved} if partial.halved else {})
    result = _result(partial, plan, facts | {"run": run})
    if store and settings.out:
        files.write(result, settings.out)
        store.remove()
    return result


def _partials(plan: BatchPlan, start: int, settings: Settings) -> Generator[Partial]:
    if settings.engine == "ray":
        return ray_partials(plan, start, settings.workers, settings.gpus)
    return map_ordered(Worker(plan), range(start, len(plan)), settings.workers or processors())


def _result(partial: Partial, plan: BatchPlan, facts: dict[str, Any]) -> Result:
    paths = {number: plan.pictures.paths[number] for number in exemplar_numbers(partial)}
    return assemble(
        partial, plan.pictures.classes, provenance=facts, outputs=plan.outputs, labels=plan.network.labels, paths=paths
    )


class _Clock:
    """The time of this run, and what was done before it."""

    def __init__(self, before: int, total: int) -> None:
        self._began, self._start = datetime.datetime.now(datetime.UTC), time.monotonic()
        self._before, self._total = before, total

    def read(self, partial: Partial) -> Progress:
        seconds = max(time.monotonic() - self._start, 1e-9)
        rate = (partial.pictures - self._before) / seconds
        return Progress(partial.pictures, self._total, len(partial.failures), rate, partial.halved)

    def run(self, settings: Settings) -> dict[str, Any]:
        """What differs between two equal surveys."""
        seconds = round(time.monotonic() - self._start, 3)
        facts = {"began": self._began.isoformat(timespec="seconds"), "seconds": seconds, "resumed_at": self._before}
        return facts | {"engine": settings.engine, "workers": settings.workers}
