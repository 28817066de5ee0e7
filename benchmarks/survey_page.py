"""What the Survey page takes to draw a large survey, view by view: python -m benchmarks.survey_page.

The survey is generated: two channel gates and a map, random values in which some channels tell the classes apart.
"""

import time
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from attention.survey import LoadedSurvey
from attention.survey.partials import GateColumns, Means, Moments, Partial, TopK, assemble, histogram
from attention.survey.result import Result

APP = Path(__file__).parents[1] / "app.py"
PARTS = (
    "Role of excitation",
    "Selectivity by depth",
    "Gate health",
    "One channel",
    "Where it looks",
    "Right and wrong",
)
SIDE, EACH = 7, 3
"""Side of the map, and the pictures of each class."""


def summarised(values: NDArray[np.float64], labels: NDArray[np.int64], gates: tuple[GateColumns, ...]) -> Partial:
    """What a survey keeps of the values, (N, F), of N pictures with these classes; every third one is named wrong."""
    names = np.unique(labels).tolist()
    shuffled = np.random.default_rng(0).permutation(labels)
    right = np.arange(len(labels)) % 3 > 0
    ranked = values[:, : sum(gate.width for gate in gates if gate.by_channel)].astype(np.float32)
    return Partial(
        len(values),
        gates,
        {name: Moments.from_rows(values[labels == name]) for name in names},
        {correct: Moments.from_rows(values[right == correct]) for correct in (False, True)},
        {name: Means.from_rows(values[shuffled == name]) for name in names},
        histogram(values),
        TopK.from_rows(ranked, np.arange(len(values))),
        TopK.from_rows(-ranked, np.arange(len(values))),
    )


def generated(channels: int, classes: int) -> Result:
    """A survey of `EACH` pictures of every class."""
    random = np.random.default_rng(0)
    labels = np.arange(EACH * classes) % classes
    values = random.uniform(0, 1, (len(labels), 2 * channels + SIDE**2))
    values[:, ::5] = 0.8 * (labels / classes)[:, None] + 0.2 * values[:, ::5]
    features = (1, channels, SIDE, SIDE)
    gates = tuple(
        GateColumns(f"layer4.{place}.channel", "channel", "sigmoid", (channels,), "", features) for place in range(2)
    )
    gates += (GateColumns("layer4.1.spatial", "spatial", "sigmoid", (SIDE, SIDE), "", features),)
    partial = summarised(values.astype(np.float32).astype(np.float64), labels, gates)
    for label in labels.tolist():
        partial.predictions[(label, label)] += 1
    names = tuple(f"class {number}" for number in range(classes))
    facts = {
        "network": {"name": "large", "title": "Large", "random": False},
        "pictures": {"root": "nowhere", "left_out": 0},
    }
    paths = {number: f"{number}.jpg" for number in range(len(labels))}
    return assemble(partial, names, provenance=facts, outputs=tuple(range(classes)), labels=names, paths=paths)


def opened(loaded: LoadedSurvey, part: str) -> AppTest:
    """The page with one of its views of the survey, at the block that has gates of both kinds."""
    app = AppTest.from_file(APP, default_timeout=120)
    app.query_params["part"] = part
    app.query_params["block"] = list(loaded.blocks)[-1]
    app.session_state["survey_from"] = "Open a file"
    app.session_state["_survey_opened"] = loaded
    return app.switch_page("pages/survey.py").run()


@click.command()
@click.option("--channels", default=2048, show_default=True)
@click.option("--classes", default=1000, show_default=True)
def main(channels: int, classes: int) -> None:
    """Times each view twice: what is computed once is computed in the first run."""
    loaded = LoadedSurvey(generated(channels, classes), "large")
    opened(LoadedSurvey(generated(8, 2), "small"), PARTS[0])  # loads the network and what draws
    for part in PARTS:
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            app = opened(loaded, part)
            seconds.append(time.perf_counter() - start)
        sent = sum(len(chart.proto.spec) for chart in app.get("plotly_chart"))
        click.echo(f"{part:22} {seconds[0]:5.2f} s, again {seconds[1]:5.2f} s; charts of {sent / 1024:,.0f} kB")


if __name__ == "__main__":
    main()
