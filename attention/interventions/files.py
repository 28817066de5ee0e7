"""Edits as text: a JSON file to keep, and a short code for a link. Whoever wrote it, nothing unchecked comes in."""

import base64
import binascii
import json
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from attention import files
from attention.foreign import load_json, quote
from attention.interventions.applying import Function, Given, applied
from attention.interventions.edits import NEEDS, Edit, EditError, check_form
from attention.records import Floats, Trace, non_defaults

FORMAT = "gatescope edits 1"
MAX_BYTES = 4 * 2**20
MAX_EDITS = 200
MAX_POINTS = 100_000
MAX_TEXT = 300
MAX_VALUE = 1e6


@dataclass(frozen=True, eq=False)
class EditFile:
    """Edits with what they need: the values of the gates that are put in place, and the network they were made for."""

    edits: tuple[Edit, ...]
    network: str = ""
    given: Given = field(default_factory=dict)

    def foreign_to(self, network: str) -> str:
        """What is to be said where they were made for another network, whose gates have the same names; else ""."""
        same = self.network in ("", network)
        return "" if same else f"These edits were made for {self.network}; here they are those of {network}."


def load_edits(file: Path | str, trace: Trace) -> dict[str, Function]:
    """What `capture.trace(..., edits=...)` applies: the edits of a JSON file, for the gates of this trace.

    Raises EditError where the file holds something else, or edits that do not fit these gates.
    """
    sheet = load(file)
    return applied(sheet.edits, trace.gates, sheet.given)


def load(file: Path | str) -> EditFile:
    """The sheet of a JSON file. Raises EditError where it cannot be read."""
    try:
        data = files.read(Path(file))
    except files.FileError as error:
        raise EditError(str(error)) from None
    with files.errors_naming(Path(file)):
        return read(data)


def write(sheet: EditFile) -> str:
    """The sheet as JSON."""
    edits = []
    for edit in sheet.edits:
        values = sheet.given.get(edit.pictures, {}) if edit.pictures else {}
        kept = {name: np.asarray(array).tolist() for name, array in values.items()}
        edits.append(non_defaults(edit) | ({"values": kept} if kept else {}))
    return json.dumps({"format": FORMAT, "network": sheet.network, "edits": edits}, indent=1)


def read(data: bytes | str) -> EditFile:
    """A sheet from JSON. Raises EditError where it is anything but what `write` gives."""
    if len(data) > MAX_BYTES:
        raise EditError(f"The file has {len(data):,} bytes; edits have at most {MAX_BYTES:,}.")
    try:
        content = load_json(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, EditError) else "The file is no JSON; edits are exported as JSON."
        raise EditError(reason) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("edits"), list):
        raise EditError(f"The file holds no edits: a JSON object with the format {FORMAT!r} and a list is allowed.")
    if len(content["edits"]) > MAX_EDITS:
        raise EditError(f"The file has {len(content['edits'])} edits; at most {MAX_EDITS} are allowed.")
    given: dict[tuple[str, ...], dict[str, Floats]] = {}
    edits = []
    for record in content["edits"]:
        edit, values = _edit(record)
        edits.append(edit)
        given.setdefault(edit.pictures, {}).update(values)
    return EditFile(tuple(edits), _text(content.get("network", "")), given)


def to_code(edits: Sequence[Edit]) -> str:
    """The edits for a link: letters, digits, - and _; the values of other pictures' gates are left out."""
    text = json.dumps([non_defaults(edit) for edit in edits], separators=(",", ":"))
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def from_code(code: str) -> tuple[Edit, ...]:
    """The edits of a link. Raises EditError where it is anything but what `to_code` gives."""
    try:
        packed = base64.urlsafe_b64decode(code.encode("ascii") + b"=" * (-len(code) % 4))
        text = zlib.decompressobj().decompress(packed, MAX_BYTES).decode()
        records = json.loads(text)
    except (ValueError, RecursionError, zlib.error, binascii.Error):
        raise EditError("The link's edits cannot be read: it was cut off or changed on its way.") from None
    return read(json.dumps({"format": FORMAT, "edits": records})).edits


def _edit(record: Any) -> tuple[Edit, dict[str, Floats]]:
    if not isinstance(record, dict):
        raise EditError(f"An edit is {quote(record)}; a JSON object is allowed.")
    unknown = [key for key in record if key not in _FIELDS and key != "values"]
    if unknown:
        raise EditError(f"An edit has the entry {quote(unknown[0])}; there are {', '.join(_FIELDS)} and values.")
    checked = {key: _FIELDS[key](value) for key, value in record.items() if key != "values"}
    if "action" not in checked:
        raise EditError(f"An edit names no action; there are {', '.join(NEEDS)}.")
    edit = Edit(**checked)
    check_form(edit)
    if "values" in record and edit.action != "replace":
        raise EditError(f"The action {edit.action!r} takes no values; only 'replace' does.")
    values = record.get("values", {})
    if not isinstance(values, dict):
        raise EditError(f"The values of an edit are {quote(values)}; an object of arrays by gate is allowed.")
    return edit, {_text(name): _array(name, rows) for name, rows in values.items()}


def _array(name: str, rows: Any) -> Floats:
    try:
        array = np.array(rows)
    except ValueError:  # the rows differ in length
        array = np.array(None)
    if array.dtype.kind not in "if" or not (np.abs(array) <= MAX_VALUE).all():
        raise EditError(f"The values of {quote(name)} are no array of finite numbers; those of 'replace' must be.")
    return array.astype(np.float32)


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise EditError(f"A name in the edits is {quote(value)}; text of at most {MAX_TEXT} letters is allowed.")
    return value


def _whole_number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise EditError(
            f"A count, seed or place in the edits is {quote(value)}; whole numbers from 0 to 2^31 - 1 are allowed."
        )
    return value


def _number(value: Any) -> float:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    if not plain or not math.isfinite(value) or abs(value) > MAX_VALUE:
        raise EditError(f"A gate value in the edits is {quote(value)}; finite numbers up to a million are allowed.")
    return float(value)


def _list(value: Any, length: int | None, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_POINTS or length not in (None, len(value)):
        raise EditError(f"The edits have {quote(value)} where {what} is allowed.")
    return value


def _points(value: Any) -> tuple[tuple[int, float], ...]:
    what = f"a list of at most {MAX_POINTS:,} pairs (place, value)"
    pairs = [_list(pair, 2, "a pair (place, value)") for pair in _list(value, None, what)]
    points = tuple((_whole_number(place), _number(number)) for place, number in pairs)
    if len({place for place, _ in points}) < len(points):
        raise EditError("An edit sets one place twice; each place may have one value.")
    return points


def _shift(value: Any) -> tuple[int, int]:
    right, down = _list(value, 2, "a pair of whole numbers (right, down)")
    for cells in (right, down):
        _whole_number(abs(cells) if isinstance(cells, int) and not isinstance(cells, bool) else cells)
    return right, down


def _size(value: Any) -> tuple[int, ...]:
    sides = _list(value, None, "a list of at most 3 sides")
    if len(sides) > 3:
        raise EditError(f"The edits have a size of {len(sides)} sides; at most 3 are allowed.")
    return tuple(map(_whole_number, sides))


def _pictures(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, _list(value, None, "a list of pictures' names")))


def _no_constant(name: str) -> float:
    raise EditError(f"The file has the number {name}; only finite ones are allowed.")


_FIELDS: dict[str, Callable[[Any], Any]] = {
    "action": _text,
    "kind": _text,
    "block": _text,
    "size": _size,
    "name": _text,
    "count": _whole_number,
    "seed": _whole_number,
    "points": _points,
    "shift": _shift,
    "pictures": _pictures,
}
