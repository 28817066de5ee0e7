"""A module as the pages need it: a batch of pictures in, a score for each class out, by hooks that stay on it."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from attention.records import WHOLE, Box, GatescopeError, in_rows

if TYPE_CHECKING:  # options are read without torch
    from torch import Tensor, nn

Adapter = Callable[["Tensor"], Any]
"""A batch of pictures (N, C, H, W) -> what the module takes: one argument, a tuple of them, or a dict by name."""
Output = str | Callable[[Any], "Tensor"]
"""Where in what a module returns its answer stands, `"out"`, `"0"`, `"aux.logits"`; or a function that takes it out."""


class AdaptError(GatescopeError):
    """What an adapter, an output or a region cannot do with a module."""


def region_of(text: str) -> Box:
    """`whole`, or left, top, right, bottom in shares: `0.25,0.25,0.75,0.75`. Raises AdaptError."""
    if text.strip() == "whole":
        return WHOLE
    try:
        left, top, right, bottom = map(float, text.split(","))
    except ValueError:
        raise AdaptError(
            f"The region is {text[:40]!r}; whole, or four shares such as 0,0,0.5,0.5, is allowed."
        ) from None
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise AdaptError(f"The region is {text[:40]!r}; left below right and top below bottom, 0 to 1, are allowed.")
    return left, top, right, bottom


def answers(output: Any, path: str = "") -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor in what a module returns: where it stands, as an `Output`, and its shape."""
    if hasattr(output, "shape"):
        yield path, tuple(output.shape)
    for key, value in _parts(output).items():
        yield from answers(value, f"{path}.{key}" if path else key)


def adapt(
    module: "nn.Module", *, adapter: Adapter | None = None, output: Output | None = None, region: Box | None = None
) -> None:
    """Let the module take a batch of pictures by the adapter, and return one of its outputs, from now on.

    With a region, a score for each class and place, (N, classes, H, W), becomes its mean over that part of the map; a
    lone number of each picture is a table (N, 1). What cannot be done is an AdaptError of the pass.
    """
    if adapter is not None:
        module.register_forward_pre_hook(_adapting(adapter), with_kwargs=True)
    if output is not None or region is not None:
        module.register_forward_hook(_choosing(output, region))
    module.register_forward_hook(_in_rows)


def sharing(module: "nn.Module") -> "nn.Module":
    """A copy of the module with hooks of its own, whose parameters and buffers are the module's."""
    tensors = (*module.parameters(), *module.buffers())
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})


def _adapting(adapter: Adapter) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
    def adapted(
        _: "nn.Module", given: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            taken = adapter(*given, **named)
        except Exception as error:  # it is a person's own code, and may raise anything
            said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise AdaptError(f"The adapter fails on a batch of pictures: {said}.") from error
        if isinstance(taken, Mapping):
            return (), dict(taken)
        return (tuple(taken) if isinstance(taken, tuple | list) else (taken,)), {}

    return adapted


def _choosing(output: Output | None, region: Box | None) -> Callable[..., "Tensor"]:
    def chosen(_: "nn.Module", given: tuple[Any, ...], returned: Any) -> "Tensor":
        answer = output(returned) if callable(output) else _at(returned, output or "")
        return answer if region is None else _mean(answer, region)

    return chosen


def _in_rows(_: "nn.Module", given: tuple[Any, ...], returned: Any) -> Any:
    return in_rows(returned, given)


def _at(returned: Any, path: str) -> Any:
    found = returned
    for key in path.split(".") if path else ():
        found = _parts(found).get(key)
    if found is None:
        raise AdaptError(f"There is no output {path!r}; the network returns {_there(returned)}.")
    return found


def _there(returned: Any) -> str:
    """Which outputs there are to be named, in words."""
    named = ", ".join(path for path, _ in answers(returned))
    return named or (
        "a tensor alone" if hasattr(returned, "shape") else f"an object of the type {type(returned).__name__}"
    )


def _mean(answer: Any, region: Box) -> "Tensor":
    if getattr(answer, "ndim", 0) != 4:
        shape = " × ".join(map(str, getattr(answer, "shape", ()))) or type(answer).__name__
        several = f", of which one is to be chosen: {named}" if (named := ", ".join(_parts(answer))) else ""
        wanted = "A region is of a score for each class and place, (N, classes, H, W)"
        raise AdaptError(f"{wanted}, and this is {shape}{several}.")
    (top, bottom), (left, right) = (
        _span(start, end, size) for start, end, size in zip(region[1::-1], region[:1:-1], answer.shape[2:], strict=True)
    )
    part: Tensor = answer[:, :, top:bottom, left:right]
    return part.mean((2, 3))


def _span(start: float, end: float, size: int) -> tuple[int, int]:
    """From which place to which, one at least."""
    first = min(round(start * size), size - 1)
    return first, max(round(end * size), first + 1)


def _parts(value: Any) -> dict[str, Any]:
    """What stands in a container, by its key or number."""
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        names = getattr(value, "_fields", range(len(value)))
        return {str(name): part for name, part in zip(names, value, strict=True)}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return {}
