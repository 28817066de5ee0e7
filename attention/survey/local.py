"""The engine on this machine: threads, each with batches of its own and one thread of torch.

Small batches in two threads keep their activations in the cache; a batch spread over two threads of torch, or
processes that hand batches on, took up to twice as long (benchmarks/survey.py).
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def workers() -> int:
    """As many as this process may use processors."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ordered(work: Callable[[int], T], numbers: Iterable[int], threads: int) -> Generator[T]:
    """`work` of each number, in the order of the numbers, at most twice as many ahead as there are threads."""
    with one_thread_of_torch(), ThreadPoolExecutor(threads, "survey") as pool:
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


# How many surveys are within, and torch's setting before the first: it is the process's, and they may overlap.
_within: list[int] = []
_setting = threading.Lock()


@contextlib.contextmanager
def one_thread_of_torch() -> Iterator[None]:
    """Threads that start within run torch on one thread each; the last survey to leave puts the setting back."""
    import torch

    with _setting:
        _within.append(_within[0] if _within else torch.get_num_threads())
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _setting:
            before = _within.pop()
            if not _within:
                torch.set_num_threads(before)
