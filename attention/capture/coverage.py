"""What a pass was seen to do, in sentences: its gates, what came close and why it is none, or that there is neither."""

from collections import Counter
from collections.abc import Iterable, Sequence

from attention.kinds import KINDS
from attention.numbers import amount
from attention.records import Gate, Rejected, Trace, owner_of

NOTHING = "Nothing here multiplies features by something computed from them."
NO_GATE = "No product here is a gate."
_NAMED = 3
"""How many modules a sentence names."""


def coverage(trace: Trace) -> tuple[str, ...]:
    """One sentence for each kind and activation of the gates, and one for each reason of what is no gate.

    Every product of two tensors that depend on the input is in one of them, wherever torch's functions compute it.
    """
    if not trace.gates and not trace.rejected:
        return (NOTHING,)
    return (*(_gates(trace.gates) if trace.gates else [NO_GATE]), *_rejections(trace.rejected))


def _gates(gates: Sequence[Gate]) -> list[str]:
    groups: dict[tuple[str, str], list[str]] = {}
    for gate in gates:
        groups.setdefault((KINDS[gate.kind].number_for, gate.activation), []).append(owner_of(gate.name))
    return [
        f"{amount(len(names), 'gate')} with a number for {number}, "
        f"{'without a bounded activation' if activation == 'none' else f'from {activation}'}: {_places(names)}."
        for (number, activation), names in groups.items()
    ]


def _rejections(rejected: Sequence[Rejected]) -> list[str]:
    counts: Counter[str] = Counter()
    names: dict[str, list[str]] = {}
    for each in rejected:
        counts[each.reason] += each.count
        names.setdefault(each.reason, []).append(each.name)
    return [
        f"{amount(count, 'operation')} that came close and {'is' if count == 1 else 'are'} no gate: "
        f"{reason} – {_places(names[reason])}."
        for reason, count in counts.items()
    ]


def _places(names: Iterable[str]) -> str:
    """Where, by the paths of the modules: the first few, and how many more."""
    paths = list(dict.fromkeys(names))
    shown = ", ".join(f"“{path}”" if path else "the network itself" for path in paths[:_NAMED])
    return f"in {shown} and {len(paths) - _NAMED} more" if len(paths) > _NAMED else f"in {shown}"
