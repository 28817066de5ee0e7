"""What belongs to the whole process, changed for a while by threads that may overlap, and put back.

`torch.set_num_threads` sets two numbers: that of the calling thread, and that of all threads to come, which is the
process's. Two who each read, set and put back the latter leave it wrong for each other; so it is changed here alone,
and from threads of its own, so that no caller's number moves. `warnings.catch_warnings` puts back the filters of the
whole process: two threads that enter and leave it crosswise leave a filter behind. Here the first of all who are within
opens it, and the last closes it.
"""

import contextlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple, TypeVar

T = TypeVar("T")

_changing = threading.Lock()
_thread_counts: list[int] = []
"""The number before the first of those who are within, once for each."""
_scopes: list[warnings.catch_warnings] = []
"""What the first of those who are within has opened, once for each of them."""


def share_the_processors() -> None:
    """Have torch's threads sleep while they wait for each other; in a process that has not loaded torch yet.

    OpenMP's threads spin by default. Where there is more to do than processors, other visitors or other programs, one
    that spins keeps the one that it waits for from running, and a pass takes many times as long
    (`python -m benchmarks.waiting`). A policy that the environment names is kept.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextlib.contextmanager
def one_thread_each() -> Iterator[Callable[[], object]]:
    """Threads that are started within compute on one thread of torch each; the caller keeps its own number. What is
    given they do first: until a thread has asked for the number, torch's convolutions in it go by that of processors.

    Several may be within at once: threads to come are given the number of before again when the last has left.
    """
    import torch

    torch.get_num_threads()  # a thread that has not asked yet would be given the 1 that is for others
    with _changing:
        _thread_counts.append(_thread_counts[0] if _thread_counts else _in_a_new_thread(torch.get_num_threads))
        _in_a_new_thread(lambda: torch.set_num_threads(1))
    try:
        yield torch.get_num_threads
    finally:
        with _changing:
            before = _thread_counts.pop()
            if not _thread_counts:
                _in_a_new_thread(lambda: torch.set_num_threads(before))


def _in_a_new_thread(work: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


class Filter(NamedTuple):
    """The arguments of `warnings.filterwarnings`."""

    action: Literal["ignore", "error"]
    message: str = ""
    category: type[Warning] = Warning
    module: str = ""


@contextlib.contextmanager
def filtered(*filters: Filter) -> Iterator[None]:
    """Warnings go by these filters, the last before the others, in all threads of the process.

    They go until nobody is within any more: so that each must name what it alone causes.
    """
    with _changing:
        scope = _scopes[0] if _scopes else warnings.catch_warnings()
        if not _scopes:
            scope.__enter__()
        _scopes.append(scope)
        for each in filters:
            warnings.filterwarnings(*each)
    try:
        yield
    finally:
        with _changing:
            _scopes.pop()
            if not _scopes:
                scope.__exit__(None, None, None)
