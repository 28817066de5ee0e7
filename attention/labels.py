"""The names of the classes: from a file of a person's own, one a line or JSON; and those of ImageNet-1k."""

import json
from functools import cache
from pathlib import PurePath
from typing import Any

from attention import files
from attention.images import ASSETS
from attention.numbers import amount
from attention.records import GatescopeError

MAX_BYTES = 2**20
"""ImageNet-21k's names take 400 kB."""
MAX_LENGTH = 200
"""Length of one name, in characters; ImageNet's longest has 121."""
ALLOWED = 'one name a line, or JSON: a list of names, or {"0": "name", ...}'


class LabelError(GatescopeError):
    """A file that names no classes, or other classes than the network has."""


def read(data: bytes, name: str, classes: int) -> tuple[str, ...]:
    """The bytes of a file of this name -> what a person calls each of so many classes, in the order of the outputs.

    JSON (told by its first character, `[` or `{`) is a list of names, or a table from "0", "1" ... to names or to
    [WordNet id, name], as ImageNet's index has them. Anything else is text with a name on each line.
    Raises LabelError where the file is neither, too large, or names another number of classes.
    """
    if len(data) > MAX_BYTES:
        raise LabelError(f"{_short(name)} has {len(data):,} bytes; at most {MAX_BYTES:,} are allowed.")
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise LabelError(f"{_short(name)} is no text in UTF-8; {ALLOWED} is allowed.") from None
    labels = _from_json(text, name) if text.startswith(("[", "{")) else [line.strip() for line in text.splitlines()]
    if len(labels) != classes:
        raise LabelError(
            f"{_short(name)} names {amount(len(labels), 'class', 'classes')} and the network has {classes:,}; "
            f"one each is allowed."
        )
    for number, label in enumerate(labels):
        if not label or len(label) > MAX_LENGTH or not label.isprintable():
            given = f"{_short(name)} names class {number} {_short(ascii(label))}"
            raise LabelError(f"{given}; 1 to {MAX_LENGTH} printable characters are allowed.")
    return tuple(labels)


def default(classes: int) -> tuple[str, ...]:
    """Names for classes that nobody has named."""
    return tuple(f"class {number}" for number in range(classes))


@cache
def imagenet() -> dict[str, str]:
    """The 1,000 classes of ImageNet-1k in the order of the outputs: WordNet's id and what torchvision calls it.

    Raises FileError where the file of them is damaged.
    """
    with files.shipped_text(ASSETS / "labels" / "imagenet.json") as text:
        return json.loads(text)


def _from_json(text: str, name: str) -> list[str]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise LabelError(f"{_short(name)} begins as JSON and is none; {ALLOWED} is allowed.") from None
    if isinstance(content, dict):
        content = _in_order(content, name)
    return [_label(value, name) for value in content]


def _in_order(table: dict[str, Any], name: str) -> list[Any]:
    numbers = [str(number) for number in range(len(table))]
    if missing := next((number for number in numbers if number not in table), None):
        raise LabelError(f"{_short(name)} has no key {missing!r}; the keys from 0 to {len(table) - 1} are allowed.")
    return [table[number] for number in numbers]


def _label(value: Any, name: str) -> str:
    """A name, or the name beside its WordNet id."""
    if isinstance(value, list) and len(value) == 2:
        value = value[1]
    if not isinstance(value, str):
        raise LabelError(
            f"{_short(name)} holds {_short(json.dumps(value))} where a name is expected; {ALLOWED} is allowed."
        )
    return value.strip()


def _short(text: str) -> str:
    last = PurePath(text).name if "/" in text else text
    return last if len(last) <= 60 else f"{last[:57]}..."
