"""What a person asks of the gates: plain records, what each action needs, and the gates that it is for."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, NamedTuple, get_args

from attention.records import Gate, GatescopeError, Kind

Action = Literal["off", "mean", "shuffle", "top", "top-off", "set", "replace", "invert", "move"]
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
    """Dotted path of a gate, or of a module that has gates in it."""
    size: tuple[int, ...] = ()
    """Of a stage: (height, width) of the feature maps that its gates multiply."""
    name: str = ""
    """What the person calls it."""
    count: int | None = None
    seed: int | None = None
    points: tuple[tuple[int, float], ...] = ()
    """Places and their values; a channel's number, or row * width + column of a map, counted from 0."""
    shift: tuple[int, int] = (0, 0)
    """Cells to the right, and down."""
    pictures: tuple[str, ...] = ()


class Rule(NamedTuple):
    """What an action needs besides its place, and the kinds of gates that it is for; None is every kind."""

    needs: str | None = None
    kinds: tuple[str, ...] | None = None


_PLACED = tuple(kind for kind in get_args(Kind) if kind != "sample")
"""Kinds whose gates have places to choose among."""
RULES: dict[Action, Rule] = {
    "off": Rule(),
    "mean": Rule(),
    "shuffle": Rule("seed"),
    "top": Rule("count", _PLACED),
    "top-off": Rule("count", _PLACED),
    "set": Rule("points", _PLACED),
    "replace": Rule("pictures"),
    "invert": Rule(None, ("spatial",)),
    "move": Rule("shift", ("spatial",)),
}
_EVERYWHERE = {"action", "kind", "block", "size", "name"}


def possible(kind: str) -> tuple[Action, ...]:
    """The actions that gates of this kind allow; "any" is what all of them do."""
    return tuple(action for action, rule in RULES.items() if rule.kinds is None or kind in rule.kinds)


def targets(edit: Edit, gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates that the edit is for, in depth order."""
    return tuple(gate for gate in gates if edit.kind in (ANY, gate.kind) and _at(edit, gate))


def check(edit: Edit, gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates that the edit is for. Raises EditError where there are none, or where it does not fit one of them."""
    check_form(edit)
    found = targets(edit, gates)
    if not found:
        raise EditError(f"An edit is for {place(edit)}, and the network has no such gate; {_near(edit, gates)}.")
    for gate in found:
        _check_fit(edit, gate)
    return found


def check_form(edit: Edit) -> None:
    """What can be told without the gates. Raises EditError."""
    rule = RULES.get(edit.action)
    if rule is None:
        raise EditError(f"There is no action {edit.action!r}; there are {', '.join(RULES)}.")
    if rule.kinds and edit.kind not in rule.kinds:
        raise EditError(
            f"The action {edit.action!r} is for gates of the kind {' or '.join(rule.kinds)}, not {edit.kind}."
        )
    if edit.kind not in (ANY, *get_args(Kind)):
        raise EditError(f"There is no kind of gates {edit.kind!r}; there are any, {', '.join(get_args(Kind))}.")
    if edit.block and edit.size:
        raise EditError(f"An edit is for the block {edit.block!r} and for a size; only one of the two is allowed.")
    for field in fields(edit):
        given = getattr(edit, field.name) != field.default
        if given and field.name not in _EVERYWHERE and field.name != rule.needs:
            raise EditError(
                f"The action {edit.action!r} has no {field.name!r}; it takes {rule.needs or 'nothing more'}."
            )
    if rule.needs and getattr(edit, rule.needs) == Edit.__dataclass_fields__[rule.needs].default:
        raise EditError(f"The action {edit.action!r} needs {rule.needs!r}, and none is given.")


def unnamed(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """The same edits without what the person calls them."""
    return tuple(replace(edit, name="") for edit in edits)


def place(edit: Edit) -> str:
    """Where the edit is, in words."""
    kind = "any" if edit.kind == ANY else f"a {edit.kind}"
    where = f" in {edit.block!r}" if edit.block else f" over {size_in_words(edit.size)} features" if edit.size else ""
    return f"{kind} gate{where}"


def size_in_words(size: Sequence[int]) -> str:
    """Of a feature map: 20 × 20."""
    return " × ".join(map(str, size))


def places(gate: Gate) -> int:
    """How many values the gate has for one picture."""
    return math.prod(gate.values.shape[1:])


def size(gate: Gate) -> tuple[int, ...]:
    """(height, width) of the feature map that the gate multiplies; gates of one size are of one stage."""
    return gate.feature_shape[2:]


def _at(edit: Edit, gate: Gate) -> bool:
    if edit.size:
        return size(gate) == edit.size
    inside = gate.name.startswith((f"{edit.block}.", f"{edit.block}#"))
    return not edit.block or gate.name == edit.block or inside


def _check_fit(edit: Edit, gate: Gate) -> None:
    count = places(gate)
    if edit.count is not None and not 1 <= edit.count <= count:
        raise EditError(
            f"{gate.name} has {count} places, and {edit.count} of them were asked for; 1 to {count} are allowed."
        )
    outside = [point for point, _ in edit.points if not 0 <= point < count]
    if outside:
        raise EditError(
            f"{gate.name} has {count} places, and {outside[0]} was asked for; 0 to {count - 1} are allowed."
        )


def _near(edit: Edit, gates: Sequence[Gate]) -> str:
    if not gates:
        return "it has none at all"
    names = [gate.name for gate in gates]
    near = difflib.get_close_matches(edit.block, names, n=3, cutoff=0.0) if edit.block else names[:3]
    return "there are " + ", ".join(f"{gate.name} ({gate.kind})" for gate in gates if gate.name in near)
