"""What holds over many pictures, as one chart: the median of each row with its interval."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from attention.analysis.evidence import INTERVAL, OverPictures
from attention.charts.chart import Chart
from attention.charts.colours import GATE, NULL
from attention.numbers import amount


def medians(found: Mapping[str, OverPictures], explained: str, finding: str, left_out: int) -> Chart:
    """The median of each row over the pictures with its interval.

    `explained` says what the number of one picture is, `finding` what the farthest median comes to, and `left_out` is
    how many pictures could not be used.
    """
    names, each = list(found), list(found.values())
    median, low, high = (np.array([getattr(one, part) for one in each]) for part in ("median", "low", "high"))
    rows = np.arange(len(names))
    figure = go.Figure()
    figure.add_scatter(
        x=median,
        y=rows,
        mode="markers",
        error_x={"type": "data", "symmetric": False, "array": high - median, "arrayminus": median - low},
        marker={"color": GATE, "size": 11},
        hovertemplate="%{x:+.3f}<extra></extra>",
    )
    figure.add_vline(0, line={"color": NULL, "dash": "dot"})
    figure.update_yaxes(tickvals=rows, ticktext=list(names), autorange="reversed")
    figure.update_xaxes(title="median over the pictures")
    figure.update_layout(height=110 + 28 * len(names), margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False)
    counts = sorted({one.count for one in each})
    caption = (
        f"{explained} Dots: the median over n = {' or '.join(map(str, counts))} "
        f"{'picture' if counts == [1] else 'pictures'}; lines: {INTERVAL}."
    )
    if left_out:
        caption += f" {amount(left_out, 'picture')} could not be used."
    table: dict[str, Any] = {"row": names, "median": median, "low": low, "high": high}
    table |= {"same sign in": [one.alike for one in each], "pictures": [one.count for one in each]}
    return Chart("many", figure, finding, caption, finding, table)
