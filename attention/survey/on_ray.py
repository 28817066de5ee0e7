"""The engine on a cluster: the same batches, spread over the actors of Ray Data. The only ray.

Every node must see the pictures under the same path. A worker that dies is replaced and its batches are run again.
"""

import pickle
from collections.abc import Generator
from typing import Any

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
        return {"partial": [pickle.dumps(self._worker(int(number))) for number in rows["id"]]}


def partials(job: Job, start: int, workers: int) -> Generator[Partial]:
    """The Partial of each batch from `start` on, in their order. Raises SurveyError where there is no Ray."""
    try:
        import ray
    except ImportError:
        raise SurveyError(
            "Ray is not installed; `pip install -r requirements-ray.txt`, or take --engine local."
        ) from None
    if start == len(job):
        return
    mine = not ray.is_initialized()
    if mine:
        ray.init(include_dashboard=False, log_to_driver=False, num_cpus=None)
    try:
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        tasks = -(-(len(job) - start) // BATCHES)
        numbers = ray.data.from_items([{"id": number} for number in range(start, len(job))], override_num_blocks=tasks)
        done = numbers.map_batches(
            Actor,
            fn_constructor_args=(pickle.dumps(job),),
            batch_size=BATCHES,
            compute=ray.data.ActorPoolStrategy(size=min(workers, tasks)),
            num_cpus=1,
        )
        for row in done.iter_rows():
            yield pickle.loads(row["partial"])
    finally:
        if mine:
            ray.shutdown()
