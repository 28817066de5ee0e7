"""One call of a torch function, as the rules of propagation read it, and what is known of the tensors of a pass.

What is known is kept beside the tensors and not on them.
"""

import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from torch import Tensor, nn

from attention.capture.axes import Axes

_serial = itertools.count(1)


def new_preactivation() -> frozenset[int]:
    """The name of a tensor that is no elementwise function of an earlier one."""
    return frozenset((next(_serial),))


class TensorInfo(NamedTuple):
    """What is known of one tensor that came out of the pass."""

    preactivations: frozenset[int]
    """The tensors of which it is an elementwise function: x and sigmoid(x) have the same."""
    axes: Axes | None = None
    """What its axes mean; None where they are as PyTorch's layers lay them out."""
    constant: frozenset[int] = frozenset()
    """The dimensions that only repeat one value: expanded, repeated or upsampled from extent 1."""
    activation: str = ""
    """The last bounded activation, as long as nothing undid it."""
    pooled: int = 0
    """1 after a reduction, 2 after a learned layer on top of one."""
    part: tuple[int, tuple[Any, ...]] | None = None
    """Which part of which tensor it was cut out as: two parts of one tensor are a GLU."""
    projected_from: frozenset[int] = frozenset()
    """The pre-activations of what one learned layer made it of: two projections of one tensor are a GLU."""
    layers: frozenset[int] = frozenset()
    """Which layer that was, by its weight; several after a sum of projections."""
    ancestors: tuple[frozenset[int], ...] = ()
    """From which pre-activations it comes, by the number of learned layers between; none: from its own alone."""
    reduced_from: frozenset[int] = frozenset()
    """The pre-activations whose sum or extreme it is: what these are divided by bounds them."""
    positive: bool = False
    """Whether no number of it is below 0."""
    spans: bool = False
    """Whether it is the difference of two extremes."""
    samples: tuple[int, int] | None = None
    """Which pictures of the batch it belongs to, the first and how many, where a loop took a part of the batch."""
    depends: bool = True
    """Whether it depends on the input."""


CONSTANT = TensorInfo(frozenset(), depends=False)
UNKNOWN = TensorInfo(frozenset())
"""What is known of a tensor that no torch function of the pass made: by scripted code or numpy, or before the pass."""

Value = TypeVar("Value")


class TensorTable(Generic[Value]):
    """What is known of living tensors, by identity.

    A tensor's death leaves a stale row, which the next tensor at its address takes over, so the table does
    not grow beyond the tensors that lived at one time.
    """

    def __init__(self) -> None:
        self._rows: dict[int, tuple[weakref.ref[Tensor], Value]] = {}

    def get(self, tensor: Tensor) -> Value | None:
        row = self._rows.get(id(tensor))
        return row[1] if row is not None and row[0]() is tensor else None

    def put(self, tensor: Tensor, value: Value) -> None:
        self._rows[id(tensor)] = (weakref.ref(tensor), value)

    def living(self) -> Iterator[Tensor]:
        """The tensors that live."""
        return (tensor for reference, _ in self._rows.values() if (tensor := reference()) is not None)


class TensorInfos(TensorTable[TensorInfo]):
    """What is known of the tensors of one pass. `learned` are the parameters and buffers: constants of the pass."""

    def __init__(self, learned: Iterable[Tensor]) -> None:
        super().__init__()
        self._learned = {id(tensor) for tensor in learned}

    def info_of(self, tensor: Tensor) -> TensorInfo:
        """What is known of a tensor; one that nobody saw being made may depend on the input (`UNKNOWN`)."""
        info = self.get(tensor)
        if info is not None:
            return info
        return CONSTANT if self.is_learned(tensor) or not tensor.is_floating_point() else UNKNOWN

    def is_learned(self, tensor: Tensor) -> bool:
        return id(tensor) in self._learned or isinstance(tensor, nn.Parameter)


_OPERATORS = "add sub mul matmul pow ne eq le ge lt gt neg"
_ALIASES = {f"__{name}__": name for name in _OPERATORS.split()} | {
    "__radd__": "add",
    "__iadd__": "add",
    "__isub__": "sub",
    "subtract": "sub",
    "__rsub__": "rsub",
    "__rmul__": "mul",
    "__imul__": "mul",
    "multiply": "mul",
    "__truediv__": "div",
    "__itruediv__": "div",
    "divide": "div",
    "true_divide": "div",
    "__rdiv__": "rdiv",
    "__rtruediv__": "rdiv",
    "__and__": "logical_and",
    "__or__": "logical_or",
    "__invert__": "logical_not",
    "negative": "neg",
    "absolute": "abs",
    "expit": "sigmoid",
    "clip": "clamp",
    "concat": "cat",
    "concatenate": "cat",
    "swapaxes": "transpose",
    "swapdims": "transpose",
    "moveaxis": "movedim",
    "broadcast_to": "expand",
}
_names: dict[str, str] = {}


def operation(function: Callable[..., Any]) -> str:
    """One name for all spellings of an operation: `__imul__`, `mul_`, `multiply` and `aten.mul.Tensor` are `mul`."""
    spelled = getattr(function, "__name__", "")
    name = _names.get(spelled)
    if name is None:
        name = spelled.split(".")[0].removeprefix("special_")
        if not name.endswith("__"):
            name = name.removesuffix("_")
        name = _names.setdefault(spelled, _ALIASES.get(name, name))
    return name


def writes_in_place(function: Callable[..., Any]) -> bool:
    """Whether the call writes its result into its first argument."""
    spelled = getattr(function, "__name__", "").split(".")[0]
    return spelled == "__imul__" or (spelled.endswith("_") and not spelled.endswith("__"))


def tensors_in(arguments: Any) -> Iterator[Tensor]:
    """The tensors among the arguments, and in lists of them."""
    for argument in arguments:
        if isinstance(argument, Tensor):
            yield argument
        elif isinstance(argument, tuple | list):
            yield from (item for item in argument if isinstance(item, Tensor))


def in_one_storage(one: Tensor, other: Tensor) -> bool:
    """Whether one is a view of the other; `_base` does not say so in inference mode."""
    try:
        return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):  # sparse tensors and those under torch.func have no storage
        return False


def tensors_written(target: Tensor, living: Iterable[Tensor]) -> list[Tensor]:
    """A tensor that is written into, and the one of which it is a part: in inference mode the largest that lives."""
    whole = target._base
    if whole is None and target.is_inference():
        others = (each for each in living if each is not target and each.numel() >= target.numel())
        whole = max((each for each in others if in_one_storage(each, target)), key=Tensor.numel, default=None)
    return [target] if whole is None else [target, whole]


class Call:
    """A call that has run: its name, arguments and one output, with what is known of the tensors that it read."""

    def __init__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], infos: TensorInfos) -> None:
        self.name = name
        self.args = args
        self.kwargs = kwargs
        self.inputs = list(tensors_in(args))
        if kwargs:
            self.inputs += tensors_in(kwargs.values())
        if name.endswith("_as"):
            del self.inputs[1:]  # expand_as reads the other's shape alone
        self.infos = [infos.info_of(tensor) for tensor in self.inputs]
        self.is_learned = infos.is_learned
        self.dependent = [info for info in self.infos if info.depends]
        self.depends = bool(self.dependent)
        self.main = next((i for i, info in enumerate(self.infos) if info.depends), 0)
        self.output: Tensor

    @property
    def tensor(self) -> Tensor:
        """The first input that depends on the batch."""
        return self.inputs[self.main]

    @property
    def info(self) -> TensorInfo:
        return self.infos[self.main]

    @property
    def same_shape(self) -> bool:
        return self.output.shape == self.tensor.shape

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def scalar(self) -> float | None:
        """The plain number that the tensor is combined with."""
        numbers = [value for value in self.args[:2] if isinstance(value, int | float)]
        return float(numbers[0]) if numbers else None
