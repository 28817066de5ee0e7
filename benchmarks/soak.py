"""A server under scripted use for a while, and what it holds meanwhile: python -m benchmarks.soak --minutes 120.

Rounds of visitors come, bring a picture each, open a page with one of several networks, and leave. A line of JSON for
each round has memory, handles, threads and temporary files; the last line says how memory in the last quarter of the
rounds compares with that in the second.
"""

import asyncio
import itertools
import json
import os
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from benchmarks.visitors import Visitor, memory, server

NETWORKS = ("se", "cbam", "plain", "se-resnext", "efficientnet-b0", "cbam-b0", "timm/seresnet50")
PAGES = ("excitation", "cbam", "intervene", "compare", "models", "survey")
AT_ONCE = 3


async def rounds(address: str, number: int) -> list[Visitor]:
    """The visitors of one round, all at the same time, each with another network and page."""
    chosen = itertools.islice(itertools.cycle(NETWORKS), number * AT_ONCE, (number + 1) * AT_ONCE)
    visitors = []
    for place, network in enumerate(chosen):
        query = f"network={network}&weights=Random" if "/" in network else f"network={network}"
        page = PAGES[(number + place) % len(PAGES)]
        visitors.append(Visitor(address, number * AT_ONCE + place, page=page, query=query))
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
        with server(port) as (address, pid):
            end = time.monotonic() + 60 * minutes
            for number in itertools.count():
                visitors = asyncio.run(rounds(address, number))
                left = [str(path.relative_to(folder)) for path in Path(folder).rglob("*")]
                said = {"round": number, **memory(pid), "temporary files": len(left)}
                said["errors"] = [error for each in visitors for error in each.errors]
                print(json.dumps(said), flush=True)
                held.append(said["MiB"])
                if time.monotonic() > end:
                    break
            time.sleep(100)  # until those who left are forgotten
            quarter = max(len(held) // 4, 1)
            second, last = (float(np.median(part)) for part in (held[quarter : 2 * quarter] or held, held[-quarter:]))
            said = {"rounds": len(held), "MiB, second quarter": second, "MiB, last quarter": last}
            print(json.dumps(said | {"growth": round(last / second - 1, 3), "after": memory(pid)}), flush=True)


if __name__ == "__main__":
    main()
