"""A server under scripted use for a while, and what it holds meanwhile: python -m benchmarks.soak --minutes 120.

Rounds of visitors come, bring a picture each, and open a page with one of several networks. What the page has to start,
a survey, a comparison, edits, one starts and stops, one starts and waits for, and one starts and leaves. A line of JSON
for each round has memory, handles, threads and temporary files; the last line says how memory in the last quarter of
the rounds compares with that in the second, and what the least was in each: what runs at the moment counts too, so the
least is nearest to what stays.
"""

import asyncio
import itertools
import json
import os
import re
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg

from benchmarks.visitors import Visitor, memory, server

NETWORKS = ("se", "cbam", "plain", "se-resnext", "efficientnet-b0", "cbam-b0", "timm/seresnet50")
PAGES = (
    ("excitation", ""),
    ("cbam", ""),
    ("survey", ""),
    ("intervene", ""),
    ("compare", "about=Gates+against+heatmap"),
    ("compare", "about=Shuffled+weights"),
    ("models", ""),
    ("survey", ""),
)
ENDINGS = ("stops it", "waits", "leaves")
AT_ONCE = 3
WAIT = 90
"""Seconds that somebody waits for what was started, at most."""


class Worker(Visitor):
    """A visitor who starts one thing after the other that the page offers."""

    def __init__(self, address: str, number: int, *, page: str, query: str) -> None:
        super().__init__(address, number, page=page, query=query)
        self.ending = ENDINGS[number // AT_ONCE % len(ENDINGS)]
        self.own_files = bool(number % 2)
        """Whether a survey is over the visitor's own picture, or over the samples."""
        self.started: list[str] = []

    async def _stay(self, state: BackMsg) -> None:
        if self.own_page == "survey":
            await self._choose(state, "survey_from", ["Start one"])
            if self.own_files:
                await self._choose(state, "survey_pictures", "Your pictures")
                await self._ask("own pictures", await self._upload(state, r"survey_files_\d+"))
        while starts := {re.split(r"-(?=\w+$)", name)[-1] for name in self._those("start_.+|survey_start")} - set(
            self.started
        ):
            self.started.append(min(starts))
            await self._press(state, self.started[-1])
            if self.ending == "leaves":
                return
            await self._end(state)

    async def _end(self, state: BackMsg) -> None:
        """Until nothing runs that could be stopped."""
        since = time.monotonic()
        while stops := self._those("stop_.+|survey_stop"):
            if self.ending == "stops it" or time.monotonic() > since + WAIT:
                await self._press(state, stops[0].rpartition("-")[2])
            await asyncio.sleep(0.5)
            await self._ask("another look", state)

    async def _choose(self, state: BackMsg, key: str, value: str | list[str]) -> None:
        if not self._those(key):
            self.errors.append(f"{self.own_page} of {self.query} has no {key}, but {sorted(self.widgets)}")
            return
        widget = state.rerun_script.widget_states.widgets.add(id=self._those(key)[0])
        if isinstance(value, str):
            widget.string_value = value
        else:
            widget.string_array_value.data.extend(value)
        await self._ask(key, state)

    async def _press(self, state: BackMsg, key: str) -> None:
        widgets = state.rerun_script.widget_states.widgets
        widgets.add(id=self._those(key)[0]).trigger_value = True
        await self._ask(key, state)
        del widgets[-1]


async def rounds(address: str, number: int) -> list[Worker]:
    """The visitors of one round, all at the same time, each with another network and page."""
    visitors = []
    for place in range(number * AT_ONCE, (number + 1) * AT_ONCE):
        network, (page, part) = NETWORKS[place % len(NETWORKS)], PAGES[place % len(PAGES)]
        query = f"network={network}&{part}" + "&weights=Random" * ("/" in network)
        visitors.append(Worker(address, place, page=page, query=query))
    await asyncio.gather(*(visitor.visit() for visitor in visitors))
    return visitors


@click.command()
@click.option("--minutes", default=120.0, show_default=True)
@click.option("--port", default=8660, show_default=True)
def main(minutes: float, port: int) -> None:
    """A line of JSON for each round, and one for all."""
    held: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        with server(port) as (address, pids):
            end = time.monotonic() + 60 * minutes
            for number in itertools.count():
                visitors = asyncio.run(rounds(address, number))
                left = [str(path.relative_to(folder)) for path in Path(folder).rglob("*")]
                report = {"round": number, **memory(*pids), "temporary files": len(left)}
                report["started"] = [f"{each.own_page}, {each.ending}: {' '.join(each.started)}" for each in visitors]
                report["errors"] = [error for each in visitors for error in each.errors]
                print(json.dumps(report), flush=True)
                held.append(report["MiB"])
                if time.monotonic() > end:
                    break
            time.sleep(100)  # until those who left are forgotten
            quarter = max(len(held) // 4, 1)
            second, last = (float(np.median(part)) for part in (held[quarter : 2 * quarter] or held, held[-quarter:]))
            report = {"rounds": len(held), "MiB, second quarter": second, "MiB, last quarter": last}
            report["MiB, the least of each quarter"] = [
                min(held[at : at + quarter]) for at in range(0, len(held), quarter)
            ]
            left = [str(path.relative_to(folder)) for path in Path(folder).rglob("*")]
            report |= {"growth": round(last / second - 1, 3), "after": memory(*pids), "temporary files after": left}
            print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
