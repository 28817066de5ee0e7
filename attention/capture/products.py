"""Which calls multiply two tensors, number by number, and where the two stand among the arguments."""

import string
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor


class Product(NamedTuple):
    """A call that multiplies two tensors."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    places: tuple[int | str, int | str]
    """Where the two operands stand among the arguments: a position or a keyword."""
    operands: tuple[Tensor, Tensor]
    """As the call got them."""
    aligned: tuple[Tensor, Tensor]
    """With their dimensions in the order of the product's, so that they broadcast."""
    restore: Callable[[int, Tensor], Tensor] | None = None
    """From an aligned gate back to the form of that operand."""

    def replaced(self, which: int, gate: Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the gate in the place of one operand."""
        gate = self.restore(which, gate) if self.restore else gate
        place = self.places[which]
        if isinstance(place, str):
            return self.args, self.kwargs | {place: gate}
        return (*self.args[:place], gate, *self.args[place + 1 :]), self.kwargs


def _plain(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product | None:
    places = ("input" if not args else 0, "other" if len(args) < 2 else 1)
    return _pair(args, kwargs, places)


def _addition(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product | None:
    places = ("tensor1" if len(args) < 2 else 1, "tensor2" if len(args) < 3 else 2)
    return _pair(args, kwargs, places)


def _pair(args: tuple[Any, ...], kwargs: dict[str, Any], places: tuple[int | str, int | str]) -> Product | None:
    left, right = (args[place] if isinstance(place, int) else kwargs.get(place) for place in places)
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return Product(args, kwargs, places, (left, right), (left, right))
    return None


def _einsum(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product | None:
    """`nchw,nc->nchw`: no index is summed, one operand has all of them."""
    if len(args) != 3 or not isinstance(args[0], str) or args[0].count("->") != 1 or args[0].count(",") != 1:
        return None
    *subscripts, output = _spelled(args[0], args[1:])
    if output not in subscripts or any(not _within(given, output) for given in subscripts):
        return None

    def align(given: str, operand: Tensor) -> Tensor:
        ordered = operand.permute([given.index(letter) for letter in output if letter in given])
        return ordered[tuple(slice(None) if letter in given else None for letter in output)]

    def restore(which: int, gate: Tensor) -> Tensor:
        given = subscripts[which]
        dense = gate[tuple(slice(None) if letter in given else 0 for letter in output)]
        kept = [letter for letter in output if letter in given]
        return dense.permute([kept.index(letter) for letter in given])

    aligned = (align(subscripts[0], args[1]), align(subscripts[1], args[2]))
    return Product(args, kwargs, (1, 2), (args[1], args[2]), aligned, restore)


def _spelled(equation: str, operands: Sequence[Tensor]) -> list[str]:
    """The subscripts of the operands and of the output, with letters for the dots."""
    inputs, output = equation.replace(" ", "").split("->")
    named = inputs.replace("...", "").split(",")
    widths = [tensor.dim() - len(letters) for tensor, letters in zip(operands, named, strict=True)]
    unused = [letter for letter in string.ascii_letters if letter not in equation][: max(widths)]
    widths.append(max(widths))
    return [
        given.replace("...", "".join(unused[len(unused) - width :]))
        for given, width in zip([*inputs.split(","), output], widths, strict=True)
    ]


def _within(given: str, output: str) -> bool:
    """Whether an operand has the samples' index and none that is repeated or summed."""
    return output[:1] in given and len(set(given)) == len(given) and set(given) <= set(output)


PRODUCTS: dict[str, Callable[[tuple[Any, ...], dict[str, Any]], Product | None]] = {
    "mul": _plain,
    "addcmul": _addition,
    "einsum": _einsum,
}
