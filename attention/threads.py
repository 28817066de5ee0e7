"""The threads that torch computes on: how they wait, and how many they are.

Whoever needs another number takes turns here, and puts back what was there.

`torch.set_num_threads` sets two numbers: that of the calling thread, and that of all threads to come, which is the
process's. Two who each read, set and put back the latter leave it wrong for each other; so it is changed here alone,
and from threads of its own, so that no caller's number moves.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_changing = threading.Lock()
# The number before the first of those who are within, once for each.
_before: list[int] = []


def share_the_processors() -> None:
    """Have torch's threads sleep while they wait for each other; in a process that has not loaded torch yet.

    OpenMP's threads spin by default. Where there is more to do than processors, other visitors or other programs, one
    that spins keeps the one that it waits for from running, and a pass takes many times as long
    (`python -m benchmarks.waiting`). A policy that the environment names is kept.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Threads that are started within compute on one thread of torch each; the caller keeps its own number.

    Several may be within at once: threads to come are given the number of before again when the last has left.
    """
    import torch

    torch.get_num_threads()  # a thread that has not asked yet would be given the 1 that is for others
    with _changing:
        _before.append(_before[0] if _before else _in_a_new_thread(torch.get_num_threads))
        _in_a_new_thread(lambda: torch.set_num_threads(1))
    try:
        yield
    finally:
        with _changing:
            before = _before.pop()
            if not _before:
                _in_a_new_thread(lambda: torch.set_num_threads(before))


def _in_a_new_thread(work: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()
