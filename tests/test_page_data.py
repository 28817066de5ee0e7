"""The numbers of the charts of the pages can be taken away, in every part of them."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[1] / "app.py"
PARTS = [
    *(("excitation", "part", part) for part in ("Three steps", "Through depth", "Reduction ratio", "Second picture")),
    *(("cbam", "tab", part) for part in ("How the map came about", "Channel attention", "Before and after")),
    *(("survey", "part", part) for part in ("Role of excitation", "Selectivity by depth", "Gate health")),
    *(("survey", "part", part) for part in ("One channel", "Where it looks", "Right and wrong")),
    *(("grouped", "section", part) for part in ("Over the groups", "Equal budget")),
]
ELSEWHERE = {
    "gate_strip": "gate",
    "derivation": "map",
    "branches": "channel_gate",
    "difference": "second",
    "channel_classes": "channel",
    "changes": "maps",
    **{f"{step}_{branch}": step for step in ("squeeze", "hidden") for branch in ("average", "max")},
}
"""The charts whose numbers stand under another chart's, by the name of that."""
DRAWINGS = {"strip", "partition"}
"""A slider in colours, and a drawing of what is counted below it."""


@pytest.mark.parametrize(("page", "key", "part"), PARTS)
def test_every_chart_has_its_data(page, key, part):
    app = AppTest.from_file(APP, default_timeout=120)
    app.query_params["network"] = "cbam"
    app.query_params[key] = part
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception and not app.error
    charts = {chart.proto.id.rsplit("-", 1)[1] for chart in app.get("plotly_chart")} - DRAWINGS
    without = {chart for chart in charts if not has_data(app, chart)}
    assert charts and not without


def has_data(app: AppTest, chart: str) -> bool:
    return f"data_{ELSEWHERE.get(chart, chart)}" in app.session_state
