"""What it costs that torch's threads sleep while they wait, alone and beside others: python -m benchmarks.waiting.

Processes that pass a picture through a network at the same time, as many as processors and three times as many, each
with torch's own number of threads, by OpenMP's waiting policies. Seconds of a pass: the median over all processes.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
PASSES = """
import sys, time, torch
from attention.models import zoo
network = zoo.load(sys.argv[1])
batch = torch.rand(1, 3, 224, 224)
with torch.inference_mode():
    network.module(batch)
    end, times = time.perf_counter() + float(sys.argv[2]), []
    while time.perf_counter() < end or not times:
        start = time.perf_counter()
        network.module(batch)
        times.append(time.perf_counter() - start)
print(*times)
"""


@click.command()
@click.option("--network", default="cbam-b0", show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="Of each policy and number of processes.")
def main(network: str, seconds: float) -> None:
    """Print the seconds of a pass by waiting policy and number of processes at once."""
    processors = os.cpu_count() or 1
    for count in (1, processors, 3 * processors):
        for policy in ("ACTIVE", "default", "PASSIVE"):
            median = statistics.median(at_once(count, policy, network, seconds))
            print(json.dumps({"processes": count, "policy": policy, "median pass, s": round(median, 4)}), flush=True)


def at_once(count: int, policy: str, network: str, seconds: float) -> list[float]:
    """Seconds of every pass of so many processes at the same time."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if policy != "default":
        environment["OMP_WAIT_POLICY"] = policy
    command = [sys.executable, "-c", PASSES, network, str(seconds)]
    running = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    return [float(word) for process in running for word in process.communicate()[0].split()]


if __name__ == "__main__":
    main()
