"""Two engines that run batches and give their results in order: threads on this machine, and actors of Ray Data.

Small batches in two threads keep their activations in the cache; a batch spread over two threads of torch, or
processes that hand batches on, took up to twice as long (benchmarks/survey.py). On a cluster every node must see the
pictures under the same path; a worker that dies is replaced and its batches are run again.
"""

import logging
import os
import pickle
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from attention.records import GatescopeError
from attention.survey.partials import Partial
from attention.survey.passes import BatchPlan, Worker
from attention.survey.result import SurveyError
from attention.threads import one_thread_each

T = TypeVar("T")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ordered(work: Callable[[int], T], numbers: Iterable[int], threads: int) -> Generator[T]:
    """`work` of each number, in the order of the numbers, at most twice as many ahead as there are threads."""
    with one_thread_each(), ThreadPoolExecutor(threads, "survey") as pool:
        ahead: deque[Future[T]] = deque()
        try:
            for number in numbers:
                ahead.append(pool.submit(work, number))
                if len(ahead) >= 2 * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


BATCHES = 8
"""Batches in one task of Ray's."""


class RayActor:
    """A worker in a process of Ray's."""

    def __init__(self, plan: bytes) -> None:
        import torch

        torch.set_num_threads(1)
        self._worker = Worker(pickle.loads(plan))

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        return {"part": [pickle.dumps(self._part(int(number))) for number in rows["id"]]}

    def _part(self, number: int) -> Partial | GatescopeError:
        """A batch, or what is wrong with the network: running it again would not help."""
        try:
            return self._worker(number)
        except GatescopeError as error:
            return error


def ray_partials(plan: BatchPlan, start: int, workers: int | None) -> Generator[Partial]:
    """The Partial of each batch from `start` on, in their order. Raises SurveyError where there is no Ray."""
    ray = _import_ray()
    started_here = not ray.is_initialized()
    if started_here:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        for row in _dataset(plan, range(start, len(plan)), workers).iter_rows():
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
        sentence = (
            "Ray is not installed; `pip install -r requirements-ray.txt` installs it, and --engine local does without."
        )
        raise SurveyError(sentence) from None
    return ray


def _dataset(plan: BatchPlan, numbers: range, workers: int | None) -> Any:
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
    return rows.map_batches(
        RayActor, fn_constructor_args=(pickle.dumps(plan),), batch_size=BATCHES, compute=pool, num_cpus=1
    )
