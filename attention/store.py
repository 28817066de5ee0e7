"""What costs time, kept by content: computed once, shared by all who ask, and let go of when there is too much."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, TypeVar

Kept = TypeVar("Kept")


class Store:
    """Results by kind and key; of each kind the last used ones, for as many threads as like.

    Who asks for what is being made at the moment waits for it. What fails is kept by nobody: each who asks tries anew.
    """

    def __init__(
        self,
        most: Mapping[str, int] | None = None,
        making: Callable[[str], contextlib.AbstractContextManager[Any]] = lambda kind: contextlib.nullcontext(),
    ) -> None:
        """`most` is how many results of a kind are kept, all of them where it says nothing; `making` is entered while
        one of a kind is made, by the thread that makes it."""
        self._most, self._making = most or {}, making
        self._kept: dict[str, OrderedDict[Hashable, Any]] = {}
        self._at_work: dict[tuple[str, Hashable], tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()

    def get(self, kind: str, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """The result of this kind and key, made where there is none."""
        with self._waiting(kind, key):
            with self._lock:
                kept = self._kept.setdefault(kind, OrderedDict())
                if key in kept:
                    kept.move_to_end(key)
                    return kept[key]
            with self._making(kind):
                result = make()
            with self._lock:
                kept[key] = result
                while len(kept) > self._most.get(kind, len(kept)):
                    kept.popitem(last=False)
            return result

    def has(self, kind: str, key: Hashable) -> bool:
        """Whether there is a result of this kind and key already."""
        with self._lock:
            return key in self._kept.get(kind, ())

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._kept.clear()

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
