"""The rows of the benchmark as Markdown and back, and their totals."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.discovery import reference
from benchmarks.discovery.measure import Row
from benchmarks.discovery.modules import Tally

_HEAD = "| network | pixels | gates | missed | false | same output |\n|---|---|---|---|---|---|\n"
_COLUMNS = ("networks", "gates", "exact", "missed", "false")
_NONE = "–"
_OTHERS = (
    "\nThe totals by zoo also count gates of classes that are no attention blocks by name, and that no list would have"
    " had: many were found by `trace` first. Each joined the reference after its code was read, because it multiplies"
    " features by what it computes from them; the reason is below. That `trace` finds them says less about it than the"
    " blocks above.\n\n"
)
_WITHOUT = "no gates"
_HERE = Path(__file__).parent


def read(path: Path) -> tuple[list[Row], dict[str, str]]:
    """The rows of a report that was written before, and the reasons of the networks that could not be measured."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    rows = [_row(line) for line in text.splitlines() if re.match(r"\| \w+/", line)]
    return rows, dict(re.findall(r"^- `(\S+/\S+)`: (.+)$", text, re.MULTILINE))


def write(path: Path, rows: Iterable[Row], failures: dict[str, str], tallies: Iterable[Tally] = ()) -> None:
    """The whole report: totals, blocks by hand, what is found and what is not, one row a network, the classes that the
    reference knows, and what was not measured."""
    rows = list(rows)
    by_hand, found = ((_HERE / name).read_text(encoding="utf-8") for name in ("blocks.md", "found.md"))
    text = (
        "# Which gates are found\n\n"
        "Made by `python -m benchmarks.discovery`: random weights, one batch of two pictures of noise. A gate is exact"
        " where `trace` reports it in the module, with the axes, and as often as the reference says.\n\n"
        f"{summary(rows)}{_OTHERS}{others(rows)}\n{by_hand}\n{blocks(tallies)}\n{found}\n"
        f"## Networks\n\n{_HEAD}{''.join(map(_line, rows))}\n## Classes of the reference\n\n{_classes()}"
    )
    if failures:
        reasons = "".join(f"- `{name}`: {reason}\n" for name, reason in failures.items())
        text += f"\n## Not measured\n\n{reasons}"
    draft = path.with_suffix(".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def summary(rows: list[Row]) -> str:
    """The totals by zoo and by type of attention, as the README shows them."""
    zoos: dict[str, Counter[str]] = {}
    for row in rows:
        _count(zoos, row.name.partition("/")[0], row)
    named = _types(rows, lambda kind: kind in reference.NAMED)
    for row in rows:
        if not row.gates:
            _count(named, _WITHOUT, row)
    return _table("zoo", zoos) + "\n" + _table("attention", named)


def others(rows: list[Row]) -> str:
    """The totals of the gates whose classes are no attention blocks by name."""
    return _table("other gates", _types(rows, lambda kind: kind not in reference.NAMED))


def blocks(tallies: Iterable[Tally]) -> str:
    """The blocks by hand: how many there are of each set, and how many of their gates are found."""
    heads = ("blocks", "gates", "exact", "missed", "false", "blocks all right")
    lines = [f"| {name} | " + " | ".join(map(str, counts)) + " |\n" for name, *counts in tallies]
    return f"| written by hand | {' | '.join(heads)} |\n|---|{'--:|' * len(heads)}\n{''.join(lines)}"


def _types(rows: list[Row], wanted: Callable[[str], bool]) -> dict[str, Counter[str]]:
    """By type. What is false in a network with gates is no type's, and stands in the totals by zoo."""
    table: dict[str, Counter[str]] = {}
    for row in rows:
        for kind in filter(wanted, row.gates):
            one = Row(row.name, row.size, _only(row.gates, kind), _only(row.missed, kind), Counter(), row.same_output)
            _count(table, kind, one)
    return dict(sorted(table.items(), key=lambda each: -each[1]["gates"]))


def _only(counts: Counter[str], kind: str) -> Counter[str]:
    return Counter({kind: counts[kind]})


def _count(table: dict[str, Counter[str]], key: str, row: Row) -> None:
    counts = table.setdefault(key, Counter())
    parts = {"gates": row.gates, "exact": row.exact, "missed": row.missed, "false": row.false}
    counts.update({name: part.total() for name, part in parts.items()}, networks=1)


def _table(head: str, table: dict[str, Counter[str]]) -> str:
    lines = [f"| {key} | " + " | ".join(str(counts[c]) for c in _COLUMNS) + " |\n" for key, counts in table.items()]
    return f"| {head} | {' | '.join(_COLUMNS)} |\n|---|{'--:|' * len(_COLUMNS)}\n{''.join(lines)}"


def _line(row: Row) -> str:
    counts = " | ".join(map(_counts, (row.gates, row.missed, row.false)))
    return f"| {row.name} | {row.size} | {counts} | {'yes' if row.same_output else 'no'} |\n"


def _row(line: str) -> Row:
    name, size, gates, missed, false, same = (cell.strip() for cell in line.strip("|\n ").split("|"))
    return Row(name, size, _counter(gates), _counter(missed), _counter(false), same == "yes")


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or _NONE


def _counter(cell: str) -> Counter[str]:
    counts = Counter()
    for part in cell.split(", ") if cell != _NONE else []:
        count, _, what = part.partition(" ")
        counts[what] = int(count)
    return counts


def _classes() -> str:
    lines = []
    for name, known in reference.CLASSES.items():
        kinds = "by its options" if callable(known.kinds) else ", ".join(known.kinds)
        lines.append(f"| {name} | {known.type} | {kinds} | {known.why} |\n")
    return f"| class | attention | gates of one call | why |\n|---|---|---|---|\n{''.join(lines)}"
