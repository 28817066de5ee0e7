"""What a person asks of the gates: plain records, what each action needs, and the gates that it is for."""

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, cast

from attention import analysis
from attention.kinds import ANYWHERE, KINDS, Action, Kind
from attention.records import Gate, GatescopeError

ANY: Literal["any"] = "any"


class EditError(GatescopeError):
    """An edit that cannot be: an unknown action or gate, or numbers that do not fit the gate."""


@dataclass(frozen=True)
class Edit:
    """One change of the gates of one place. With neither `block` nor `size`, of all places.

    "off" gives every value the neutral one, as if the gate were not there; "mean" the gate's own mean; "shuffle"
    deals the values out anew; "top" shuts all but the `count` most open, "top-off" shuts these; "set" gives chosen
    places chosen values; "replace" takes the gate of another picture, or the mean over several; "invert" is 1 - g;
    "move" shifts a map, and what leaves it on one side comes in on the other. Shut is 0.
    """

    action: Action
    kind: Kind | Literal["any"] = ANY
    """Which of the place's gates."""
    block: str = ""
    """Name of a block or of a gate, or else dotted path of a module that has gates in it."""
    size: tuple[int, ...] = ()
    """A stage: (height, width) of the feature maps that its gates multiply."""
    name: str = ""
    """What the person calls it."""
    count: int | None = None
    seed: int | None = None
    points: tuple[tuple[int, float], ...] = ()
    """Places and their values; a channel's number, or row * width + column of a map, counted from 0."""
    shift: tuple[int, int] = (0, 0)
    """Cells to the right, and down."""
    pictures: tuple[str, ...] = ()


NEEDS: dict[Action, str] = {
    "off": "",
    "mean": "",
    "shuffle": "seed",
    "top": "count",
    "top-off": "count",
    "set": "points",
    "replace": "pictures",
    "invert": "",
    "move": "shift",
}
"""What an action needs besides its place: a field of `Edit`, or nothing."""
OFF = ("neutral", "mean", "resample")
"""What "off" can mean: the neutral value, the gate's mean over several pictures, the gate of another picture."""
WITHOUT = (
    "Switched off or edited at inference, not retrained: the network was not trained without, and meets features that "
    "it has never seen."
)
"""What has to be said of every gate that is switched off."""
_PART = re.compile(r"\s*(\d{1,9})\s*(?:[-–]\s*(\d{1,9})\s*)?")
_EVERYWHERE = {"action", "kind", "block", "size", "name"}


def block_off(block: str, pictures: Sequence[str] = ()) -> Edit:
    """The edit that switches a block off: by the neutral value, or by its gates' mean over pictures of these names."""
    return Edit("replace", block=block, pictures=tuple(pictures)) if pictures else Edit("off", block=block)


def off_in_words(pictures: Sequence[str]) -> str:
    """What the gates of a block that is off are put to."""
    if not pictures:
        return "their neutral value"
    return f"those of “{pictures[0]}”" if len(pictures) == 1 else f"their mean over {len(pictures)} pictures"


def allowed_actions(kind: str) -> tuple[Action, ...]:
    """The actions that gates of this kind allow; "any" is what all of them do."""
    return tuple(action for action in NEEDS if action in (ANYWHERE if kind == ANY else KINDS[cast(Kind, kind)].edits))


def targets(edit: Edit, gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates that the edit is for, in depth order."""
    return tuple(gate for gate in _gates_at(edit, gates) if edit.kind in (ANY, gate.kind))


def check(edit: Edit, gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates that the edit is for. Raises EditError where there are none, or where it does not fit one of them."""
    check_form(edit)
    found = targets(edit, gates)
    if not found:
        near = _nearest(edit, gates)
        raise EditError(f"An edit is for {place_in_words(edit)}, and the network has no such gate; {near}.")
    for gate in found:
        _check_fit(edit, gate)
    return found


def check_form(edit: Edit) -> None:
    """What can be told without the gates. Raises EditError."""
    if edit.action not in NEEDS:
        raise EditError(f"There is no action {edit.action!r}; there are {', '.join(NEEDS)}.")
    if edit.kind not in (ANY, *KINDS):
        raise EditError(f"There is no kind of gates {edit.kind!r}; there are any, {', '.join(KINDS)}.")
    if edit.action not in allowed_actions(edit.kind):
        kinds = " or ".join(kind for kind, known in KINDS.items() if edit.action in known.edits)
        raise EditError(f"The action {edit.action!r} is for gates of the kind {kinds}, not {edit.kind}.")
    needs = NEEDS[edit.action]
    if edit.block and edit.size:
        raise EditError(f"An edit is for the block {edit.block!r} and for a size; only one of the two is allowed.")
    for field in fields(edit):
        given = getattr(edit, field.name) != field.default
        if given and field.name not in _EVERYWHERE and field.name != needs:
            raise EditError(f"The action {edit.action!r} has no {field.name!r}; it takes {needs or 'nothing more'}.")
    if needs and getattr(edit, needs) == Edit.__dataclass_fields__[needs].default:
        raise EditError(f"The action {edit.action!r} needs {needs!r}, and none is given.")


def without_names(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """The same edits without what the person calls them."""
    return tuple(replace(edit, name="") for edit in edits)


def place_in_words(edit: Edit) -> str:
    """Where the edit is, in words."""
    kind = "any" if edit.kind == ANY else f"a {edit.kind}"
    where = f" in {edit.block!r}" if edit.block else f" over {size_in_words(edit.size)} features" if edit.size else ""
    return f"{kind} gate{where}"


def size_in_words(size: Sequence[int]) -> str:
    """Height and width of a feature map: 20 × 20."""
    return " × ".join(map(str, size))


def number_of_values(gate: Gate) -> int:
    """How many values the gate has for one picture."""
    return math.prod(gate.values.shape[1:])


def stage_size(gate: Gate) -> tuple[int, ...]:
    """(height, width) of the feature map that the gate multiplies; gates of one size are of one stage."""
    return gate.feature_shape[2:]


def _gates_at(edit: Edit, gates: Sequence[Gate]) -> list[Gate]:
    """A block or a gate that has the name is meant alone: a module of that name may hold others besides."""
    if edit.size:
        return [gate for gate in gates if stage_size(gate) == edit.size]
    blocks = {block.name: block.gates for block in analysis.blocks(gates)} if edit.block else {"": gates}
    named = blocks.get(edit.block) or [gate for gate in gates if gate.name == edit.block]
    inside = (f"{edit.block}.", f"{edit.block}#")
    return [gate for gate in gates if (gate in named if named else gate.name.startswith(inside))]


def _check_fit(edit: Edit, gate: Gate) -> None:
    count = number_of_values(gate)
    if edit.count is not None and not 1 <= edit.count <= count:
        raise EditError(
            f"{gate.name} has {count} places, and {edit.count} of them were asked for; 1 to {count} are allowed."
        )
    outside = [point for point, _ in edit.points if not 0 <= point < count]
    if outside:
        raise EditError(
            f"{gate.name} has {count} places, and {outside[0]} was asked for; 0 to {count - 1} are allowed."
        )


def _nearest(edit: Edit, gates: Sequence[Gate]) -> str:
    if not gates:
        return "it has none at all"
    names = [gate.name for gate in gates]
    near = difflib.get_close_matches(edit.block, names, n=3, cutoff=0.0) if edit.block else names[:3]
    return "there are " + ", ".join(f"{gate.name} ({gate.kind})" for gate in gates if gate.name in near)


def format_ranges(numbers: Sequence[int]) -> str:
    """Numbers of values as a person writes them: 3, 8-12."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def parse_ranges(text: str, count: int) -> tuple[int, ...]:
    """The numbers, sorted, each once. Raises EditError where the text names none, or one that is not below `count`."""
    matches = [_PART.fullmatch(part) for part in text.split(",")]
    ranges = [(int(match[1]), int(match[2] or match[1])) for match in matches if match]
    if len(ranges) < len(matches) or any(not first <= last < count for first, last in ranges):
        raise EditError(
            f"{text[:40]!r} names no places of this gate; numbers from 0 to {count - 1} do, such as 0, 2-3."
        )
    return tuple(sorted({number for first, last in ranges for number in range(first, last + 1)}))
