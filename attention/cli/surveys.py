"""The survey on the command line: a line of progress, Ctrl-C that keeps what was counted, and a summary; and weights
into which the channels are folded that it found constant."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

from attention import files, images
from attention.charts import surveys
from attention.charts.surveys import Selection
from attention.cli.naming import OwnCode, is_code, load
from attention.foreign import in_line
from attention.models.code import FORM
from attention.numbers import amount
from attention.observe import guarded
from attention.records import GatescopeError
from attention.survey import LoadedSurvey, Result, Settings, list_pictures, read, run
from attention.survey.running import print_progress

MOST_FAILURES = 10
"""How many of the pictures that could not be read are named."""


def survey(source: Path, model: str, limit: int | None, settings: Settings, **how: Any) -> None:
    """Run a survey and print what came of it; `how` is what `naming.load` takes. Raises GatescopeError."""
    pictures = list_pictures(source).limited(limit)
    network = load(model, **how)
    with stop_on_ctrl_c() as cancel, guarded(network.card):
        result = run(network, pictures, settings=settings, progress=print_progress(), cancel=cancel)
    print(*map(in_line, [*summary(result), *headlines(result), f"The result is in {settings.out}."]), sep="\n")


def headlines(result: Result) -> list[str]:
    """What the page and the report of the survey say above their charts, a line each."""
    selection = Selection(LoadedSurvey(result))
    if not selection.survey.gates or not result.pictures:
        return []
    charts = [surveys.selectivity(selection), surveys.health(selection), surveys.maps_by_depth(selection.survey)]
    return [chart.headline for chart in (*charts, *surveys.correctness(selection)) if chart]


def summary(result: Result) -> list[str]:
    """What came of a survey, a line each."""
    facts = result.provenance["pictures"]
    classes, gates = amount(len(result.classes), "class", "classes"), amount(len(result.gates), "gate")
    whole = amount(facts["count"], "picture")
    lines = [f"{result.pictures:,} of {whole}, {classes}, {gates} of {result.provenance['network']['name']}"]
    if result.accuracy is not None:
        lines[0] += f"; top-1 {result.accuracy:.2%}"
    if unknown := result.outputs.count(-1):
        lines.append(f"The network knows no class named as {unknown:,} of these are: they have no right and wrong.")
    if left_out := LoadedSurvey(result).left_out:
        lines.append(left_out)
    if result.failures:
        lines.append(f"{amount(len(result.failures), 'picture')} could not be used:")
        lines += [f"  {failure.path}: {failure.reason}" for failure in result.failures[:MOST_FAILURES]]
    if len(result.failures) > MOST_FAILURES:
        lines.append(f"  and {len(result.failures) - MOST_FAILURES:,} more, which the result names.")
    return lines


def fold(result: Path, model: str | None, out: Path, own: OwnCode | None = None) -> str:
    """Write the folded weights of the network that a survey's result is of; what was done. Raises GatescopeError."""
    from attention.interventions import folding

    loaded = LoadedSurvey(read(result))
    name = str(loaded.result.provenance["network"]["name"]) if model is None else model
    if model is None and is_code(name):  # a stranger may have written the result, and what it says is not run
        raise GatescopeError(f"The survey is of code of somebody's own, {name[:80]!r}; --model {FORM} names it.")
    network = load(name, random=loaded.random, own=own)
    loaded.check_network(network.module, network.card.name)
    pictures = [network.transform(images.read(each.path.read_bytes()))[None] for each in images.samples()]
    with guarded(network.card):
        folded, done = folding.fold(network.module, pictures[0], loaded.constant_channels())
        checked = folding.check(network.module, folded, pictures)
    files.write(out, folding.as_file(folded))
    return f"{folding.in_words(done, checked)}\nThe weights are in {out}."


@contextlib.contextmanager
def stop_on_ctrl_c() -> Iterator[Event]:
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
