"""What grouping saves, in figures: cost over the number of groups, measured time, who answers, published errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from attention.charts.colours import ACCENT, NULL, OKABE_ITO
from attention.charts.partition import colour

PARAMETERS, MACS, MEASURED = OKABE_ITO[0], OKABE_ITO[2], OKABE_ITO[5]
THEORY = {"color": NULL, "dash": "dash", "width": 3}


def curves(parameters: Mapping[int, int], macs: Mapping[int, int], *, groups: int) -> go.Figure:
    """Parameters and MACs over the number of groups, both axes logarithmic; the number in use is ringed."""
    figure = make_subplots(1, 2, subplot_titles=("Parameters", "MACs for one picture"), horizontal_spacing=0.1)
    for column, (costs, shade) in enumerate(((parameters, PARAMETERS), (macs, MACS)), start=1):
        valid = list(costs)
        line = go.Scatter(
            x=valid,
            y=list(costs.values()),
            mode="lines+markers",
            line={"color": shade, "width": 3},
            marker={"size": [18 if g == groups else 9 for g in valid], "color": shade},
            hovertemplate="g = %{x}: %{y:,}<extra></extra>",
        )
        figure.add_trace(line, row=1, col=column)
        figure.add_annotation(_reading(groups, costs[groups], f"g = {groups}: {costs[groups]:,}"), row=1, col=column)
    _over_groups(figure, list(parameters))
    _logarithmic(figure, list(parameters.values()), column=1)
    _logarithmic(figure, list(macs.values()), column=2)
    return figure


def times(measured: Mapping[int, float], theory: Mapping[int, float], speed: Mapping[int, float]) -> go.Figure:
    """Measured milliseconds beside t(1)/g, and GFLOP/s, over the groups: points, since they lie on no smooth line."""
    titles = ("Milliseconds for one picture", "Arithmetic per second, GFLOP/s")
    figure = make_subplots(1, 2, subplot_titles=titles, horizontal_spacing=0.1)
    valid = list(measured)
    points: list[tuple[int, Mapping[int, float], dict[str, Any]]] = [
        (1, theory, {"mode": "lines", "line": THEORY, "name": "theory, t(1)/g"}),
        (1, measured, {"mode": "markers", "marker": {"size": 13, "color": MEASURED}, "name": "measured"}),
        (2, speed, {"mode": "markers", "marker": {"size": 13, "color": MEASURED}, "showlegend": False}),
    ]
    for column, values, look in points:
        unit = "ms" if column == 1 else "GFLOP/s"
        hover = f"g = %{{x}}: %{{y:.3g}} {unit}<extra></extra>"
        y = [values[g] * (1e3 if column == 1 else 1) for g in valid]
        figure.add_trace(go.Scatter(x=valid, y=y, hovertemplate=hover, **look), row=1, col=column)
    _over_groups(figure, valid)
    _logarithmic(figure, [1e3 * seconds for seconds in (*measured.values(), *theory.values())], column=1)
    figure.update_yaxes(rangemode="tozero", row=1, col=2)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "x": 0, "y": -0.25})
    return figure


def answers(response: NDArray[np.bool_], *, groups: int) -> go.Figure:
    """(outputs, inputs) as a picture: a cell in the colour of the input's group where that output answers."""
    outputs, inputs = response.shape
    shades = np.arange(inputs) // (inputs // groups) % len(OKABE_ITO) + 1
    cells = go.Heatmap(
        z=response * shades,
        x=np.arange(1, inputs + 1),
        y=np.arange(1, outputs + 1),
        zmin=-0.5,
        zmax=len(OKABE_ITO) + 0.5,
        colorscale=_steps(["rgba(140,140,140,0.12)", *map(colour, range(len(OKABE_ITO)))]),
        showscale=False,
        xgap=int(inputs <= 64),
        ygap=int(outputs <= 64),
        hovertemplate="input %{x} disturbed, output %{y}: %{customdata}<extra></extra>",
        customdata=np.where(response, "answers", "unchanged"),
    )
    figure = go.Figure(cells)
    figure.update_layout(height=430, margin={"l": 0, "r": 0, "t": 8, "b": 0})
    figure.update_xaxes(title="disturbed input channel", showgrid=False, constrain="domain")
    figure.update_yaxes(title="output channel", showgrid=False, autorange="reversed", scaleanchor="x")
    return figure


def equal_budget(names: Sequence[str], weights: Sequence[int], errors: Mapping[str, Sequence[float]]) -> go.Figure:
    """Blocks of the same size, split ever finer: their weights as bars, the published errors as lines."""
    titles = ("Weights of one block", "Top-1 error on ImageNet, percent")
    figure = make_subplots(1, 2, subplot_titles=titles, horizontal_spacing=0.1)
    bars = go.Bar(x=names, y=weights, text=[f"{n:,}" for n in weights], marker_color=PARAMETERS, showlegend=False)
    figure.add_trace(bars, row=1, col=1)
    for (name, values), shade in zip(errors.items(), (OKABE_ITO[1], ACCENT), strict=True):
        look = {"mode": "lines+markers+text", "textposition": "top center", "line": {"color": shade, "width": 3}}
        points = go.Scatter(x=names, y=values, text=values, name=name, marker={"size": 11}, cliponaxis=False, **look)
        figure.add_trace(points, row=1, col=2)
    figure.update_xaxes(type="category", title="paths × channels of each, C × d")
    figure.update_layout(height=360, margin={"l": 0, "r": 0, "t": 48, "b": 0}, legend={"orientation": "h", "y": -0.3})
    figure.update_annotations(font_size=17)
    return figure


def savings(names: Sequence[str], grouped: Sequence[int], ordinary: Sequence[int]) -> go.Figure:
    """The parameters of each layer, and what grouping left out, as one bar a layer."""
    saved = [all_of_it - kept for all_of_it, kept in zip(ordinary, grouped, strict=True)]
    figure = go.Figure(
        [
            go.Bar(y=names, x=grouped, orientation="h", name="with its groups", marker_color=PARAMETERS),
            go.Bar(y=names, x=saved, orientation="h", name="saved by grouping", marker_color=NULL, opacity=0.35),
        ]
    )
    figure.update_traces(hovertemplate="%{y}: %{x:,} parameters<extra>%{fullData.name}</extra>")
    figure.update_layout(
        barmode="stack",
        height=120 + 30 * len(names),
        margin={"l": 0, "r": 0, "t": 30, "b": 0},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    )
    figure.update_yaxes(autorange="reversed", title=None)
    figure.update_xaxes(title="parameters")
    return figure


def _over_groups(figure: go.Figure, valid: Sequence[int]) -> None:
    """Each valid number of groups marked on a log2 axis; of close neighbours only some are named."""
    named = [g for index, g in enumerate(valid) if len(valid) <= 12 or index % 2 == 0]
    figure.update_xaxes(type="log", tickvals=named, ticktext=[str(g) for g in named], title="groups g")
    figure.update_layout(height=360, margin={"l": 0, "r": 0, "t": 48, "b": 0}, showlegend=False)
    figure.update_annotations(selector={"yref": "paper"}, font_size=17)


def _logarithmic(figure: go.Figure, values: Sequence[float], *, column: int) -> None:
    """A logarithmic axis with a number at every power of ten, and at two and five where there are few powers."""
    digits = (1, 2, 5) if max(values) < 300 * min(values) else (1,)
    ticks = [digit * 10.0**power for power in range(-5, 13) for digit in digits]
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[_short(tick) for tick in ticks], row=1, col=column)


def _short(number: float) -> str:
    """Three significant digits at most, with the unit prefix that Streamlit's own axes use."""
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{prefix}"
    return f"{number:.3g}"


def _reading(x: float, y: float, text: str) -> go.layout.Annotation:
    """A label above a point of axes that are logarithmic, where plotly places annotations by exponent."""
    return go.layout.Annotation(
        x=np.log10(x), y=np.log10(y), text=text, showarrow=False, yshift=22, xanchor="left", font={"size": 15}
    )


def _steps(shades: Sequence[str]) -> list[tuple[float, str]]:
    """A colour scale of equal steps without blends."""
    edges = np.linspace(0, 1, len(shades) + 1)
    return [(float(edges[i + side]), shade) for i, shade in enumerate(shades) for side in (0, 1)]
