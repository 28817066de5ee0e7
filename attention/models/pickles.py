"""A pickle read without a thing of it being run: what it would import and call becomes inert stand-ins.

`torch.load(weights_only=True)` keeps code out, but refuses every file that holds one harmless object (the arguments of
a training script, a date, a whole module), and lets calls through that grow a kilobyte to gigabytes. Here no name is
looked up and no call made, so that a pickle can take no more memory than what is counted: dictionaries hash text alone,
and nothing is compared, copied or walked. Read are the operations of protocols 1 to 5: protocol 0 has none that could
stand for a tensor, and torch does not read its own files of it.
"""

import pickletools
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from attention.foreign import quote, readable
from attention.models.limits import CheckpointError

MEMORY = 12 * 2**20
"""Bytes that the objects of a pickle may take; those of ResNet-152 with its optimizer take about 3 million."""
HARMFUL = {"os", "posix", "nt", "subprocess", "pty", "runpy", "ctypes", "socket", "shutil", "importlib", "webbrowser"}
HARMFUL |= {"commands", "popen2"}  # Python 2's names of subprocess, which old protocols write
HARMFUL_BUILTINS = {"eval", "exec", "execfile", "compile", "open", "__import__", "input", "breakpoint"}
DAMAGED = "The pickle in the file is damaged."
OTHERS = "\0others"
"""The key under which a mapping keeps a list of its entries whose keys are no text."""


class Name(NamedTuple):
    """A class or function that a pickle names."""

    path: str
    """With its module: "argparse.Namespace"."""


class Storage(NamedTuple):
    """The numbers of tensors, in an entry of the archive."""

    kind: str
    """torch's name for their type: "FloatStorage"."""
    key: str
    numel: int


class TensorClaim(NamedTuple):
    """What a pickle says of a tensor: how it lies in a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str = ""
    """torch's name for the numbers' type, where the storage is of bytes without one."""


@dataclass(eq=False, slots=True)
class Standin:
    """An object of a class that is not imported, or what a call that is not made would give."""

    path: str
    """Dotted name of the class or function."""
    arguments: Any = ()
    state: Any = None
    """Its attributes, a mapping mostly."""
    items: Any = field(default=None)
    """What was put into it as into a list or a dictionary."""


def read(pickle: bytes) -> Any:
    """What a pickle holds, of dictionaries, lists, tuples, text, numbers, TensorClaims and Standins.

    Raises CheckpointError where it is damaged, makes too many objects, or names what no weight file needs.
    """
    machine = _Machine()
    try:
        for operation, argument, _ in pickletools.genops(pickle):
            machine.run(operation.name, argument)
        return machine.stack.pop()
    except CheckpointError:
        raise
    except (ValueError, IndexError, UnicodeError, TypeError, KeyError):
        raise CheckpointError(DAMAGED) from None


def refusal(names: Iterable[str]) -> str:
    """The sentence for a pickle that calls these."""
    listed = sorted(names)
    named = ", ".join(name[:60] for name in listed[:3]) + f" and {len(listed) - 3} more" * (len(listed) > 3)
    return f"The file asks to run {named}, which no weights need; it is not opened."


Items = TypeVar("Items", list[Any], dict[str, Any])
VALUES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}
LITERALS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "BINFLOAT"}
LITERALS |= {"BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
LITERALS |= {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
"""Operations that make a tuple of so many."""
IGNORED = {"PROTO", "FRAME", "STOP"}
CACHED = {"NONE", "NEWTRUE", "NEWFALSE", "EMPTY_TUPLE", "BININT1"}
"""Operations that make nothing new."""


class _Machine:
    """The stack machine of a pickle, whose calls make stand-ins."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: list[Any] = []
        self.memory = 0

    def run(self, name: str, argument: Any) -> None:
        """One operation. Raises IndexError and the like where there is nothing that it can be done to."""
        if name in VALUES:
            self.push(VALUES[name](), new=name not in CACHED)
        elif name in LITERALS:
            self.push(readable(argument) if isinstance(argument, str) else argument, new=name not in CACHED)
        elif name in TUPLES:
            self.push(tuple([self.pop() for _ in range(TUPLES[name])][::-1]))
        elif name not in IGNORED:
            operation = getattr(self, f"_{name.lower()}", None)
            if operation is None:
                raise CheckpointError(f"The pickle in the file has the operation {name}, which no weights need.")
            operation(argument)

    def push(self, value: Any, *, new: bool = True) -> None:
        self.spend(8 + new * (sys.getsizeof(value) + 16))  # its place, itself, and what the garbage collector needs
        self.stack.append(value)

    def spend(self, size: int) -> None:
        self.memory += size
        if self.memory > MEMORY:
            raise CheckpointError(f"The pickle in the file would take more than {MEMORY / 2**20:.0f} MiB of memory.")

    def pop(self) -> Any:
        """The last of the stack, but nothing from below a mark."""
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise IndexError
        return self.stack.pop()

    def after_mark(self) -> list[Any]:
        place = self.marks.pop()
        values, self.stack[place:] = self.stack[place:], []
        return values

    def named(self, path: str) -> Name:
        top, _, last = path.partition(".")
        if top in HARMFUL or (top in ("builtins", "__builtin__") and last in HARMFUL_BUILTINS):
            raise CheckpointError(refusal([path]))
        return Name(path)

    def _mark(self, _: Any) -> None:
        self.spend(40)  # an integer, and its place
        self.marks.append(len(self.stack))

    def _pop(self, _: Any) -> None:
        self.pop()

    def _pop_mark(self, _: Any) -> None:
        self.after_mark()

    def _binput(self, number: int) -> None:
        if number > len(self.memo):  # Python's own memo would grow to any number
            raise CheckpointError("The pickle in the file is damaged: it counts further than it is long.")
        if number == len(self.memo):
            self.spend(8)
            self.memo.append(None)
        self.memo[number] = self.stack[-1]

    _long_binput = _binput

    def _memoize(self, _: Any) -> None:
        self._binput(len(self.memo))

    def _binget(self, number: int) -> None:
        self.push(self.memo[number], new=False)

    _long_binget = _binget

    def _tuple(self, _: Any) -> None:
        self.push(tuple(self.after_mark()))

    def _frozenset(self, _: Any) -> None:
        self.push(self.after_mark())

    def _append(self, _: Any) -> None:
        self._put_values([self.pop()])

    def _appends(self, _: Any) -> None:
        self._put_values(self.after_mark())

    _additems = _appends

    def _setitem(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self._put_items([key, value])

    def _setitems(self, _: Any) -> None:
        self._put_items(self.after_mark())

    def _items(self, empty: Items) -> Items:
        """The list or dictionary on the stack, or that of a stand-in, which begins as this empty one."""
        target = self.stack[-1]
        if isinstance(target, Standin):
            target.items = empty if target.items is None else target.items
            target = target.items
        if not isinstance(target, type(empty)):
            raise TypeError
        return target

    def _put_values(self, values: list[Any]) -> None:
        target = self._items([])
        before = sys.getsizeof(target)
        target.extend(values)
        self.spend(sys.getsizeof(target) - before)

    def _put_items(self, values: list[Any]) -> None:
        target = self._items({})
        before = sys.getsizeof(target)
        for key, value in zip(values[::2], values[1::2], strict=True):
            if isinstance(key, str) and key != OTHERS:
                target[key] = value
            else:  # what else could be a key may take for ever to be hashed or compared, or crash Python
                self.spend(80)  # a pair, its place, and what the garbage collector needs
                target.setdefault(OTHERS, []).append((key, value))
        self.spend(sys.getsizeof(target) - before)

    def _global(self, argument: Any) -> None:
        self.push(self.named(str(argument).replace(" ", ".", 1)))

    def _stack_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError
        self.push(self.named(f"{module}.{name}"))

    def _reduce(self, _: Any) -> None:
        arguments, called = self.pop(), self.pop()
        self.push(_call_result(called, arguments))

    def _newobj(self, _: Any) -> None:
        arguments, kind = self.pop(), self.pop()
        self.push(Standin(_path(kind), arguments))

    def _newobj_ex(self, _: Any) -> None:
        keywords, arguments, kind = self.pop(), self.pop(), self.pop()
        self.push(Standin(_path(kind), (arguments, keywords)))

    def _build(self, _: Any) -> None:
        state, target = self.pop(), self.stack[-1]
        if isinstance(target, Standin):
            target.state = state

    def _binpersid(self, _: Any) -> None:
        self.push(_storage(self.pop()))


def _path(kind: Any) -> str:
    return kind.path if isinstance(kind, Name) else "a call"


def _storage(identity: Any) -> Any:
    """What torch.save puts in a tensor's place: ("storage", type, key, device, number of elements)."""
    match identity:
        case ("storage", Name(path), str(key), str(), int(numel)) if path.startswith("torch.") and 0 <= numel < 2**63:
            return Storage(path.rpartition(".")[2], key, numel)
    return Standin("a persistent object")


def _call_result(called: Any, arguments: Any) -> Any:
    """What the calls that make tensors and their dictionaries would give; of every other call, a stand-in."""
    match _path(called), arguments:
        case "collections.OrderedDict", ():
            return {}
        case (
            ("torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state"),
            (TensorClaim() as claim, *_),
        ):
            return claim
        case "torch._tensor._rebuild_from_type_v2", (Name() as inner, _, tuple(given), *_) if inner != called:
            return _call_result(inner, given)
        case "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor", (
            Storage() as storage,
            offset,
            shape,
            strides,
            *_,
        ):
            return _claim(storage, offset, shape, strides)
        case "torch._utils._rebuild_tensor_v3", (Storage() as storage, offset, shape, strides, _, _, Name(dtype), *_):
            return _claim(storage, offset, shape, strides, dtype)
        case (("copy_reg._reconstructor" | "copyreg._reconstructor"), (Name(path), *_)):
            return Standin(path)
    return Standin(_path(called), arguments)


def _claim(storage: Storage, offset: Any, shape: Any, strides: Any, dtype: str = "") -> TensorClaim:
    if not (isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides)):
        raise CheckpointError(DAMAGED)
    for number in (offset, *shape, *strides):  # 2**63 is where torch's own sizes end; bool is an int to Python
        if type(number) is not int or not 0 <= number < 2**63:
            given = quote(number) if type(number) is int else f"of the type {type(number).__name__}"
            raise CheckpointError(f"A tensor in the file has a size or a place {given}; whole numbers are allowed.")
    return TensorClaim(storage, offset, shape, strides, dtype)
