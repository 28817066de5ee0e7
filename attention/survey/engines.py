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

from attention.process import one_thread_each
from attention.records import GatescopeError
from attention.survey.partials import Partial
from attention.survey.passes import BatchPlan, Worker
from attention.survey.result import SurveyError

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
            pool.shutdown(cancel_futures=True)


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
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
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
        sentence = (
            "Ray is not installed; `pip install -r requirements-ray.txt` installs it, and --engine local does without."
        )
        raise SurveyError(sentence) from None
    return ray


def _check_gpus(there: float, wanted: float) -> None:
    if wanted > there:
        raise SurveyError(f"Each worker is to have {wanted:g} GPUs, and Ray has {there:g}; none is asked for by 0.")


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
