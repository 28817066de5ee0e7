"""What costs time, kept by content: computed once, shared by all who ask, and let go of when there is too much."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, TypeVar

from attention.sizes import bytes_of

Kept = TypeVar("Kept")


class Store:
    """Results by kind and key; of each kind the last used ones, and of all what fits, for as many threads as like.

    Who asks for what is being made at the moment waits for it. What fails is kept by nobody: each who asks tries anew.
    """

    def __init__(
        self,
        most: Mapping[str, int] | None = None,
        making: Callable[[str], contextlib.AbstractContextManager[Any]] = lambda kind: contextlib.nullcontext(),
        budget: int | None = None,
    ) -> None:
        """`most` is how many results of a kind are kept, all of them where it says nothing, and `budget` how many bytes
        all results together may hold; those used longest ago go first. `making` is entered while one of a kind is made,
        by the thread that makes it."""
        self._most, self._making, self._budget = most or {}, making, budget
        self._kept: OrderedDict[tuple[str, Hashable], tuple[Any, int]] = OrderedDict()
        self._at_work: dict[tuple[str, Hashable], tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()

    def get(self, kind: str, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """The result of this kind and key, made where there is none."""
        with self._waiting(kind, key):
            with self._lock:
                if (kind, key) in self._kept:
                    self._kept.move_to_end((kind, key))
                    return self._kept[kind, key][0]
            with self._making(kind):
                result = make()
            size = bytes_of(result) if self._budget is not None else 0
            with self._lock:
                self._kept[kind, key] = result, size
                self._let_go(kind)
            return result

    def has(self, kind: str, key: Hashable) -> bool:
        """Whether there is a result of this kind and key already."""
        with self._lock:
            return (kind, key) in self._kept

    @property
    def held(self) -> int:
        """Bytes of all results, where there is a budget."""
        with self._lock:
            return sum(size for _, size in self._kept.values())

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._kept.clear()

    def _let_go(self, kind: str) -> None:
        """Lets go of too many of a kind, and of too much in all, but never of what was made last."""
        alike = [each for each in self._kept if each[0] == kind]
        for each in alike[: max(len(alike) - self._most.get(kind, len(alike)), 0)]:
            del self._kept[each]
        held = sum(size for _, size in self._kept.values())
        while self._budget is not None and held > self._budget and len(self._kept) > 1:
            _, (_, size) = self._kept.popitem(last=False)
            held -= size

    @contextlib.contextmanager
    def _waiting(self, kind: str, key: Hashable) -> Iterator[None]:
        """One lock for each result that somebody asks for at the moment."""
        with self._lock:
            lock, users = self._at_work.get((kind, key), (threading.Lock(), 0))
            self._at_work[kind, key] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, users = self._at_work[kind, key]
                if users == 1:
                    del self._at_work[kind, key]
                else:
                    self._at_work[kind, key] = lock, users - 1
