"""What costs time, kept by content: computed once, shared by all who ask, and let go of when there is too much."""

import contextlib
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple, TypeVar

Kept = TypeVar("Kept")
_CODE = (type, FunctionType, MethodType, BuiltinFunctionType, ModuleType)


class _Stored(NamedTuple):
    """A result, and the memory that its numbers lie in: bytes by identity, since results share it."""

    result: Any
    memory: Mapping[int, int]


class Store:
    """Results by kind and key; the last used ones, for as many threads as like.

    Who asks for what is being made at the moment waits for it. What fails is kept by nobody: each who asks tries anew.
    """

    def __init__(
        self,
        most: Mapping[str, int] | None = None,
        making: Callable[[str], contextlib.AbstractContextManager[Any]] = lambda kind: contextlib.nullcontext(),
        most_bytes: Callable[[], int] | None = None,
    ) -> None:
        """`most` is how many results of a kind are kept, all of them where it says nothing; `most_bytes` what all kinds
        together may take, the newest result aside; `making` is entered while one of a kind is made, by the thread that
        makes it and by those who wait for it."""
        self._most, self._making, self._most_bytes = most or {}, making, most_bytes
        self._kept: OrderedDict[tuple[str, Hashable], _Stored] = OrderedDict()
        self._users: Counter[int] = Counter()
        self._counts: Counter[str] = Counter()
        self._bytes = 0
        self._locks: dict[tuple[str, Hashable], tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """What the arrays, tensors, pictures and bytes in the results take together, each once."""
        return self._bytes

    def get(self, kind: str, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """The result of this kind and key, made where there is none."""
        if (kept := self._entry(kind, key)) is not None:
            return kept.result
        with self._making(kind), self._waiting(kind, key):
            # Somebody else may have made it while this one waited.
            if (kept := self._entry(kind, key)) is not None:
                return kept.result
            result = make()
            memory = memory_of(result) if self._most_bytes else {}
            with self._lock:
                self._keep(kind, key, _Stored(result, memory))
            return result

    def find(self, kind: str, key: Hashable) -> Any:
        """The result of this kind and key; None where there is none."""
        kept = self._entry(kind, key)
        return kept and kept.result

    def _entry(self, kind: str, key: Hashable) -> _Stored | None:
        """What is kept, which is the last used then."""
        with self._lock:
            if (kind, key) in self._kept:
                self._kept.move_to_end((kind, key))
            return self._kept.get((kind, key))

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            while self._kept:
                self._drop(next(iter(self._kept)))

    def _keep(self, kind: str, key: Hashable, entry: _Stored) -> None:
        self._kept[kind, key] = entry
        self._counts[kind] += 1
        self._bytes += sum(size for place, size in entry.memory.items() if not self._users[place])
        self._users.update(entry.memory.keys())
        while self._counts[kind] > self._most.get(kind, self._counts[kind]):
            self._drop(next(each for each in self._kept if each[0] == kind))
        while self._most_bytes and self._bytes > self._most_bytes() and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    def _drop(self, which: tuple[str, Hashable]) -> None:
        memory = self._kept.pop(which).memory
        self._counts[which[0]] -= 1
        self._users.subtract(memory.keys())
        self._bytes -= sum(size for place, size in memory.items() if not self._users[place])
        self._users -= Counter()  # without those that nobody uses

    @contextlib.contextmanager
    def _waiting(self, kind: str, key: Hashable) -> Iterator[None]:
        """One lock for each result that somebody asks for at the moment."""
        with self._lock:
            lock, users = self._locks.get((kind, key), (threading.Lock(), 0))
            self._locks[kind, key] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, users = self._locks[kind, key]
                if users == 1:
                    del self._locks[kind, key]
                else:
                    self._locks[kind, key] = lock, users - 1


def memory_of(result: object) -> dict[int, int]:
    """Bytes by place of the arrays, tensors, pictures and bytes that a result holds, however deep, each once.

    What Python's own objects take besides is not counted.
    """
    memory: dict[int, int] = {}
    seen: dict[int, object] = {}
    waiting: list[Any] = [result]
    while waiting:
        each = waiting.pop()
        if isinstance(each, (*_CODE, Store)) or id(each) in seen:
            continue
        seen[id(each)] = each
        if isinstance(each, bytes | bytearray):
            memory[id(each)] = len(each)
        elif hasattr(each, "untyped_storage"):
            storage = each.untyped_storage()
            memory |= {storage.data_ptr(): storage.nbytes()} if each.device.type != "meta" else {}
        elif hasattr(each, "nbytes"):
            base = each  # a view lies in the memory of the array that it looks at
            while getattr(base, "base", None) is not None and hasattr(base.base, "nbytes"):
                base = base.base
            memory[id(base)] = base.nbytes
        elif hasattr(each, "getbands"):
            memory[id(each)] = each.width * each.height * len(each.getbands())
            waiting += vars(each).values()  # the bands beside it
        elif isinstance(each, Mapping):
            waiting += each.values()
        elif isinstance(each, list | tuple | set | frozenset):
            waiting += each
        else:
            waiting += getattr(each, "__dict__", {}).values()
    return memory
