"""The command: one network after the other, and the report after each."""

from pathlib import Path

import click

from benchmarks.discovery import modules, networks, report
from benchmarks.discovery.apart import apart
from benchmarks.discovery.measure import Row


@click.command()
@click.option("--family", default="", help=f"Only these: {', '.join(networks.FAMILIES)}; the start of a name will do.")
@click.option(
    "--out",
    default=Path("docs/discovery.md"),
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The report. Networks that it has a row of are not measured again.",
)
@click.option("--limit", default=300, show_default=True, help="Seconds that one network may take.")
def main(family: str, out: Path, limit: int) -> None:
    """Compares the gates that `trace` finds with the reference's, network by network, and writes the report."""
    rows, failures = report.read(out)
    known, order = {row.name: row for row in rows}, networks.listed()
    failures = {name: reason for name, reason in failures.items() if name in order}
    tallies = modules.tallies()
    for name in networks.listed(family):
        if name in known:
            continue
        answer = apart(name, limit)
        if isinstance(answer, str):
            failures[name] = answer
        else:
            known[name] = answer
            failures.pop(name, None)
        click.echo(f"{name}: {answer if isinstance(answer, str) else _told(answer)}")
        report.write(out, [known[each] for each in order if each in known], failures, tallies)
    rows = [known[name] for name in order if name in known]
    report.write(out, rows, failures, tallies)
    click.echo(f"{report.summary(rows)}\n{report.blocks(tallies)}")


def _told(row: Row) -> str:
    false = "".join(f", false {count} {what}" for what, count in row.false.items())
    output = "" if row.same_output else ", another output"
    return f"{row.exact.total()} of {row.gates.total()}{false}{output}"


if __name__ == "__main__":
    main()
