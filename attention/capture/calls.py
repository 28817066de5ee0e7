"""One call of a torch function, as the rules read it."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from attention.capture.notes import Note, Notes

_ALIASES = {
    "__add__": "add",
    "__radd__": "add",
    "__iadd__": "add",
    "__sub__": "sub",
    "__isub__": "sub",
    "subtract": "sub",
    "__rsub__": "rsub",
    "__mul__": "mul",
    "__rmul__": "mul",
    "__imul__": "mul",
    "multiply": "mul",
    "__truediv__": "div",
    "__itruediv__": "div",
    "divide": "div",
    "true_divide": "div",
    "__rdiv__": "rdiv",
    "__rtruediv__": "rdiv",
    "__matmul__": "matmul",
    "__pow__": "pow",
    "__neg__": "neg",
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


def in_place(function: Callable[..., Any]) -> bool:
    """Whether the call writes its result into its first argument."""
    spelled = getattr(function, "__name__", "").split(".")[0]
    return spelled == "__imul__" or (spelled.endswith("_") and not spelled.endswith("__"))


def tensors(arguments: Any) -> Iterator[Tensor]:
    """The tensors among the arguments, and in lists of them."""
    for argument in arguments:
        if isinstance(argument, Tensor):
            yield argument
        elif isinstance(argument, tuple | list):
            yield from (item for item in argument if isinstance(item, Tensor))


class Call:
    """A call that has run: its name, arguments and one output, with the notes of the tensors it read."""

    def __init__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], notes: Notes) -> None:
        self.name = name
        self.args = args
        self.kwargs = kwargs
        self.inputs = list(tensors(args))
        if kwargs:
            self.inputs += tensors(kwargs.values())
        if name.endswith("_as"):
            del self.inputs[1:]  # expand_as reads the other's shape alone
        self.notes = [notes.of(tensor) for tensor in self.inputs]
        self.dependent = [note for note in self.notes if note.depends]
        self.depends = bool(self.dependent)
        self.main = self.notes.index(self.dependent[0]) if self.depends else 0
        self.output: Tensor

    @property
    def tensor(self) -> Tensor:
        """The first input that depends on the batch."""
        return self.inputs[self.main]

    @property
    def note(self) -> Note:
        return self.notes[self.main]

    @property
    def same_shape(self) -> bool:
        return self.output.shape == self.tensor.shape

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def scalar(self) -> float | None:
        """The plain number that the tensor is combined with."""
        numbers = [value for value in self.args[:2] if isinstance(value, int | float)]
        return float(numbers[0]) if numbers else None
