"""What a chart holds, read back: from a figure, or from a page as it was sent to the browser."""

import base64
import json

import numpy as np
from plotly.colors import get_colorscale, sample_colorscale, unlabel_rgb


def colours(scale):
    """A colour map's colours, whether it is given by its name or by its stops."""
    stops = get_colorscale(scale) if isinstance(scale, str) else scale
    return [colour for _, colour in stops]


def check_colours(sent, values, scale, low=0, high=1):
    """Each colour is that of its value on the scale, but for the rounding to 256 steps."""
    shares = np.clip((np.asarray(values, float) - low) / (high - low), 0, 1)
    expected = [unlabel_rgb(colour) for colour in sample_colorscale(scale, shares.tolist())]
    np.testing.assert_allclose([unlabel_rgb(colour) for colour in sent], expected, atol=2)


def check_look(figure):
    """Legends have names, each its own; no lines of a grid lie over cells; lines across reach both edges."""
    check_across(figure)
    named = [trace.name for trace in figure.data if trace.type != "heatmap" and trace.showlegend is not False]
    if figure.layout.showlegend or (figure.layout.showlegend is None and len(named) > 1):
        assert all(named) and len(set(named)) == len(named), named
    for cells in (trace for trace in figure.data if trace.type == "heatmap"):
        for axis in (figure.layout[f"{side}axis{(cells[f'{side}axis'] or side)[1:]}"] for side in "xy"):
            assert axis.visible is False or axis.showgrid is False


def check_across(figure):
    """A line that is drawn by shares of a plot, for it to go across, goes from one edge to the other."""
    found = 0
    for line in (shape for shape in figure.layout.shapes if shape.type == "line"):
        for ref, ends in ((line.xref, {line.x0, line.x1}), (line.yref, {line.y0, line.y1})):
            if ref is not None and ref.endswith(("domain", "paper")):
                assert ends == {0, 1}, line
                found += 1
    return found


def texts(figure):
    """Everything written into a figure by hand."""
    return [annotation.text for annotation in figure.layout.annotations]


def sent_chart(app, key):
    """The chart of a page with this key, as a dictionary."""
    charts = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart") if chart.proto.id.endswith(f"-{key}")]
    assert len(charts) == 1, f"{len(charts)} charts have the key {key}"
    return charts[0]


def numbers(sent):
    """An array of a chart that was sent: plain numbers, or bytes with their type and shape."""
    if isinstance(sent, list):
        return np.array(sent)
    flat = np.frombuffer(base64.b64decode(sent["bdata"]), sent["dtype"])
    return flat.reshape([int(length) for length in sent.get("shape", str(len(flat))).split(",")])
