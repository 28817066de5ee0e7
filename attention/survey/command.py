"""The survey on the command line: a line of progress, Ctrl-C that keeps what was counted, and a summary."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

from attention.models import zoo
from attention.survey.pictures import list_pictures
from attention.survey.result import Result
from attention.survey.running import Progress, Settings, run

SHOWN = 10
"""How many of the pictures that could not be read are named."""


def survey(source: Path, model: str, limit: int | None, settings: Settings) -> None:
    """Run a survey and print what came of it. Raises GatescopeError."""
    pictures = list_pictures(source)
    pictures = pictures.limited(limit) if limit else pictures
    with _ctrl_c() as cancel:
        result = run(_network(model), pictures, settings=settings, progress=print_progress(), cancel=cancel)
    print("\n".join([*summary(result), f"The result is in {settings.out}."]))


def _network(model: str) -> zoo.Network:
    """A network of the zoo, or that of a weight file of the person's own."""
    return zoo.load(Path(model) if Path(model).is_file() else model)


def summary(result: Result) -> list[str]:
    """What came of a survey, a line each."""
    facts = result.provenance["pictures"]
    lines = [f"{result.pictures:,} of {facts['count']:,} pictures, {len(result.classes):,} classes, "]
    lines[0] += f"{len(result.gates)} gates of {result.provenance['network']['name']}"
    if result.accuracy is not None:
        lines[0] += f"; top-1 {result.accuracy:.2%}"
    if unknown := result.outputs.count(-1):
        lines.append(f"The network knows no class named as {unknown:,} of these are: they have no right and wrong.")
    if facts["left_out"]:
        lines.append(f"{facts['left_out']:,} files were left out: no pictures by their name, or no plain files.")
    if result.failures:
        lines.append(f"{len(result.failures):,} pictures could not be used:")
        lines += [f"  {failure.path}: {failure.reason}" for failure in result.failures[:SHOWN]]
    if len(result.failures) > SHOWN:
        lines.append(f"  and {len(result.failures) - SHOWN:,} more, which the result names.")
    return lines


def print_progress() -> Callable[[Progress], None]:
    """Progress in one line that is written over, where there is a terminal; else a line each tenth."""
    terminal, shown = sys.stderr.isatty(), -1

    def show(progress: Progress) -> None:
        nonlocal shown
        tenth = 10 * progress.done // progress.total
        if terminal or tenth > shown:
            shown = tenth
            print(
                format_progress(progress),
                end="\r" if terminal and progress.done < progress.total else "\n",
                file=sys.stderr,
            )

    return show


def format_progress(progress: Progress) -> str:
    """How far a survey is, in words."""
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    failed = f", {progress.failed:,} could not be read" if progress.failed else ""
    done = f"{progress.done:,} of {progress.total:,} pictures{failed}"
    return f"{done}, {progress.rate:.1f} a second, {minutes}:{seconds:02} left"


@contextlib.contextmanager
def _ctrl_c() -> Iterator[Event]:
    """Set at the first Ctrl-C; the second one ends the process at once, and what was saved before stays."""
    asked = Event()

    def ask(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
