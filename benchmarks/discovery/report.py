"""The rows of the benchmark as Markdown and back, and their totals."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.discovery import reference
from benchmarks.discovery.measure import Row

_HEAD = "| network | pixels | gates | missed | false | same output |\n|---|---|---|---|---|---|\n"
_NONE = "–"
_WITHOUT = "no gates"


def read(path: Path) -> tuple[list[Row], dict[str, str]]:
    """The rows of a report that was written before, and the reasons of the networks that could not be measured."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    rows = [_row(line) for line in text.splitlines() if re.match(r"\| \w+/", line)]
    return rows, dict(re.findall(r"^- `(\S+/\S+)`: (.+)$", text, re.MULTILINE))


def write(path: Path, rows: Iterable[Row], failures: dict[str, str]) -> None:
    """The whole report: totals, one row a network, the classes that the reference knows, and what was not measured."""
    rows = list(rows)
    text = (
        "# Which gates are found\n\n"
        "Made by `python -m benchmarks.discovery`: random weights, one batch of two pictures of noise. A gate is exact"
        " where `trace` reports it in the module, with the axes, and as often as the reference says.\n\n"
        f"{summary(rows)}\n## Networks\n\n{_HEAD}{''.join(map(_line, rows))}\n"
        f"## Classes of the reference\n\n{_classes()}"
    )
    if failures:
        reasons = "".join(f"- `{name}`: {reason}\n" for name, reason in failures.items())
        text += f"\n## Not measured\n\n{reasons}"
    draft = path.with_suffix(".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def summary(rows: list[Row]) -> str:
    """The totals by zoo and by type of attention, as the README shows them."""
    return _totals("zoo", rows, _zoo) + "\n" + _totals("attention", rows, _types)


def _totals(head: str, rows: list[Row], keys: Callable[[Row], Iterable[str]]) -> str:
    """A network counts for each of its keys, its false gates for the first one."""
    table: dict[str, Counter[str]] = {}
    for row in rows:
        for number, key in enumerate(keys(row)):
            one = None if keys is _zoo else key
            parts = {"gates": row.gates, "exact": row.exact, "missed": row.missed}
            counts = {name: part.total() if one is None else part[one] for name, part in parts.items()}
            table.setdefault(key, Counter()).update(counts, networks=1, false=row.false.total() if not number else 0)
    lines = [
        f"| {key} | " + " | ".join(str(counts[c]) for c in ("networks", "gates", "exact", "missed", "false")) + " |\n"
        for key, counts in sorted(table.items(), key=lambda each: (each[0] == _WITHOUT, -each[1]["gates"]))
    ]
    return f"| {head} | networks | gates | exact | missed | false |\n|---|--:|--:|--:|--:|--:|\n{''.join(lines)}"


def _zoo(row: Row) -> list[str]:
    return [row.name.partition("/")[0]]


def _types(row: Row) -> list[str]:
    return list(row.gates) or [_WITHOUT]


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
