"""`package.module:factory` -> a module. The code that is run is the one that whoever starts the server names."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from attention.serving.records import ServingError

if TYPE_CHECKING:  # options are read without torch
    from torch import nn

FORM = "package.module:factory"
HOUSE = Path(__file__).parents[1]


def made(spec: str) -> "nn.Module":
    """The module of this name, or what the function or class of this name gives when it is called without arguments.

    The working directory is looked in first, as by `python -m`. Random weights are those of a fixed seed.
    Raises ServingError where there is no such thing, where it fails, or where it is no torch module.
    """
    from torch import nn

    from attention.zoo import library

    found = _found(spec)
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise ServingError(
            f"{spec} is of the type {type(found).__name__}; a torch module, or what makes one, is allowed."
        )
    return library.seeded(lambda: _called(spec, found))


def failure(error: Exception) -> str:
    """What a person's own code raised, and where, on one line."""
    frames = extract_tb(error.__traceback__)
    own = [frame for frame in frames if not {"site-packages", str(HOUSE)} & {*_folders(frame.filename)}]
    place = (own or frames)[-1]
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{said[:300]} ({Path(place.filename).name}, line {place.lineno})"


def _folders(file: str) -> Iterator[str]:
    """The names of the folders above a file, and their whole paths."""
    for folder in Path(file).parents:
        yield from (folder.name, str(folder))


def _found(spec: str) -> Any:
    path, _, name = spec.partition(":")
    if not path or not all(part.isidentifier() for part in [*path.split("."), *name.split(".")]):
        raise ServingError(f"The model {spec!r} names nothing; {FORM} is allowed, such as nets:small.")
    found = _imported(path)
    for part in name.split("."):
        if not hasattr(found, part):
            raise ServingError(f"There is no {name} in {path}; {_names(found)}.")
        found = getattr(found, part)
    return found


def _imported(path: str) -> Any:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    importlib.invalidate_caches()
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name and f"{path}.".startswith(f"{error.name}."):
            where = "in the working directory or among what is installed"
            raise ServingError(f"There is no module {error.name!r} {where}.") from error
        raise ServingError(f"{path} cannot be imported: {failure(error)}.") from error
    except Exception as error:  # it is a person's own code, and may raise anything
        raise ServingError(f"{path} cannot be imported: {failure(error)}.") from error


def _called(spec: str, factory: Any) -> "nn.Module":
    from torch import nn

    try:
        module = factory()
    except Exception as error:  # it is a person's own code, and may raise anything
        raise ServingError(f"{spec} failed: {failure(error)}.") from error
    if not isinstance(module, nn.Module):
        raise ServingError(f"{spec} returned something of the type {type(module).__name__}; a torch module is allowed.")
    return module


def _names(found: Any) -> str:
    """What could have been meant."""
    own = [
        name
        for name, value in vars(found).items()
        if callable(value) and not name.startswith("_") and value.__module__ == getattr(found, "__name__", None)
    ]
    return f"there is {', '.join(own[:6])}" if own else "nothing is defined there that could be called"
