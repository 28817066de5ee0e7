"""The engine on a cluster: the same batches, spread over the actors of Ray Data. The only ray.

Every node must see the pictures under the same path. A worker that dies is replaced and its batches are run again.
"""

import logging
import os
import pickle
from collections.abc import Generator
from typing import Any

from attention.records import GatescopeError
from attention.survey.errors import SurveyError
from attention.survey.partials import Partial
from attention.survey.passes import Job, Worker

BATCHES = 8
"""In one task."""


class Actor:
    """A worker in a process of Ray's."""

    def __init__(self, job: bytes) -> None:
        import torch

        torch.set_num_threads(1)
        self._worker = Worker(pickle.loads(job))

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        return {"part": [pickle.dumps(self._part(int(number))) for number in rows["id"]]}

    def _part(self, number: int) -> Partial | GatescopeError:
        """A batch, or what is wrong with the network: running it again would not help."""
        try:
            return self._worker(number)
        except GatescopeError as error:
            return error


def partials(job: Job, start: int, workers: int | None) -> Generator[Partial]:
    """The Partial of each batch from `start` on, in their order. Raises SurveyError where there is no Ray."""
    ray = _imported()
    mine = not ray.is_initialized()
    if mine:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        for row in _parts(job, range(start, len(job)), workers).iter_rows():
            part = pickle.loads(row["part"])
            if isinstance(part, GatescopeError):
                raise part
            yield part
    finally:
        if mine:
            ray.shutdown()


def _imported() -> Any:
    try:
        import ray.data
    except ImportError:
        told = (
            "Ray is not installed; `pip install -r requirements-ray.txt` installs it, and --engine local does without."
        )
        raise SurveyError(told) from None
    return ray


def _parts(job: Job, numbers: range, workers: int | None) -> Any:
    """A lazy dataset of one row a batch, in the order of the batches."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    tasks = max(1, -(-len(numbers) // BATCHES))
    rows = ray.data.from_items([{"id": number} for number in numbers], override_num_blocks=tasks)
    processors = int(ray.cluster_resources().get("CPU", 1))
    pool = ray.data.ActorPoolStrategy(size=min(workers or processors, tasks))
    return rows.map_batches(
        Actor, fn_constructor_args=(pickle.dumps(job),), batch_size=BATCHES, compute=pool, num_cpus=1
    )
