"""What grouping saves, in figures: cost over the number of groups, measured time, who answers, published errors."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from attention import grouped, numbers
from attention.charts.chart import Chart, Columns
from attention.charts.colours import ACCENT, NULL, OKABE_ITO
from attention.charts.partition import colour
from attention.grouped import Convolution, GroupedLayer, papers
from attention.numbers import amount, fixed

if TYPE_CHECKING:  # these need torch
    from attention.grouped.experiments import Times

PARAMETERS, MACS, MEASURED = OKABE_ITO[0], OKABE_ITO[2], OKABE_ITO[5]
THEORY = {"color": NULL, "dash": "dash", "width": 3}


def curves(convolution: Convolution) -> Chart:
    """Parameters and MACs over the valid numbers of groups, both axes logarithmic; the number in use is ringed."""
    costs, groups = grouped.curve(convolution), convolution.groups
    parameters = {g: cost.parameters for g, cost in costs.items()}
    macs = {g: cost.macs for g, cost in costs.items()}
    figure = make_subplots(1, 2, subplot_titles=("Parameters", "MACs for one picture"), horizontal_spacing=0.1)
    for column, (counts, shade) in enumerate(((parameters, PARAMETERS), (macs, MACS)), start=1):
        line = go.Scatter(
            x=list(counts),
            y=list(counts.values()),
            mode="lines+markers",
            line={"color": shade, "width": 3},
            marker={"size": [18 if g == groups else 9 for g in counts], "color": shade},
            hovertemplate="g = %{x}: %{y:,}<extra></extra>",
        )
        figure.add_trace(line, row=1, col=column)
        reading = {"text": f"g = {groups}: {counts[groups]:,}", "showarrow": False, "font": {"size": 15}}
        # Plotly places annotations of a logarithmic axis by exponent.
        place = {"x": np.log10(groups), "y": np.log10(counts[groups]), "yshift": 22, "xanchor": "left"}
        figure.add_annotation(**reading, **place, row=1, col=column)
    _mark_groups(figure, list(parameters))
    _number_powers(figure, list(parameters.values()), column=1)
    _number_powers(figure, list(macs.values()), column=2)
    return Chart(
        "curves",
        figure,
        f"Parameters fall from {parameters[1]:,} at one group to {min(parameters.values()):,}.",
        "Each point is a number of groups that divides both channel counts; both axes are logarithmic. Twice the "
        "groups is half the weights and half the multiply-accumulates (MACs); only the bias stays.",
        table={"groups": list(costs), "parameters": list(parameters.values()), "MACs": list(macs.values())},
    )


def times(times: "Times", groups: int) -> Chart:
    """Measured milliseconds beside t(1)/g, and GFLOP/s, over the groups: points, since they lie on no smooth line."""
    measured = times.seconds
    theory, speed = {g: times.theory(g) for g in measured}, {g: times.speed(g) for g in measured}
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
    _mark_groups(figure, valid)
    _number_powers(figure, [1e3 * seconds for seconds in (*measured.values(), *theory.values())], column=1)
    figure.update_yaxes(rangemode="tozero", row=1, col=2)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "x": 0, "y": -0.25})
    faster = measured[1] / measured[groups]
    return Chart(
        "times",
        figure,
        f"With {groups} groups {fixed(faster, 1)} times as fast as with one, where the arithmetic is 1/{groups}.",
        f"Measured on this machine when it was asked for, {amount(times.threads, 'thread')}, one "
        f"picture, float32: the shortest of {times.runs} runs each, in shuffled order, without what a run waits for "
        "other work. The dashed line is what the arithmetic alone promises.",
        f"In {groups} groups it does 1/{groups} of the arithmetic and runs {fixed(faster, 1)} times as fast.",
        {
            "groups": list(measured),
            "ms": [1e3 * seconds for seconds in measured.values()],
            "ms in theory": [1e3 * seconds for seconds in theory.values()],
            "GFLOP/s": list(speed.values()),
        },
    )


def answers(response: NDArray[np.bool_], *, groups: int) -> Chart:
    """(outputs, inputs) as a picture: a cell in the colour of the input's group where that output answers."""
    outputs, inputs = response.shape
    shades = np.arange(inputs) // (inputs // groups) % len(OKABE_ITO) + 1
    cells = go.Heatmap(
        z=response * shades,
        x=np.arange(1, inputs + 1),
        y=np.arange(1, outputs + 1),
        zmin=-0.5,
        zmax=len(OKABE_ITO) + 0.5,
        colorscale=_stepped_scale(["rgba(140,140,140,0.12)", *map(colour, range(len(OKABE_ITO)))]),
        showscale=False,
        xgap=int(inputs <= 64),
        ygap=int(outputs <= 64),
        hovertemplate="input %{x} disturbed, output %{y}: %{customdata}<extra></extra>",
        customdata=np.where(response, "answers", "unchanged"),
    )
    figure = go.Figure(cells)
    figure.update_layout(height=430, margin={"l": 0, "r": 0, "t": 8, "b": 0})
    figure.update_xaxes(title="disturbed input channel", showgrid=False, constrain="domain")
    figure.update_yaxes(
        title="output channel", showgrid=False, autorange="reversed", scaleanchor="x", constrain="domain"
    )
    answered, reached = reach_of_first(response, groups)
    disturbed = {f"input {number} disturbed": row.astype(int) for number, row in enumerate(response.T, start=1)}
    alt = f"Input channel 1 reaches {answered} of {outputs} output channels, {reached} of {groups} groups."
    caption = "Coloured, by the input's group: this output answers when that input is disturbed. Pale: it does not."
    return Chart("proof", figure, alt, caption, table={"output": range(1, outputs + 1), **disturbed})


def reach_of_first(response: NDArray[np.bool_], groups: int) -> tuple[int, int]:
    """How many outputs answer to the first input, and in how many groups."""
    answered = response[:, 0]
    return int(answered.sum()), int(answered.reshape(groups, -1).any(axis=1).sum())


def equal_budget() -> Chart:
    """ResNeXt's blocks of the same size, split ever finer: their weights as bars, the published errors as lines."""
    blocks = papers.EQUAL_BUDGET
    names, weights = [f"{block.cardinality} × {block.width}" for block in blocks], [block.weights for block in blocks]
    errors = {"50 layers": [block.error_50 for block in blocks], "101 layers": [block.error_101 for block in blocks]}
    titles = ("Weights of one block", "Top-1 error on ImageNet, percent")
    figure = make_subplots(1, 2, subplot_titles=titles, horizontal_spacing=0.1)
    bars = go.Bar(x=names, y=weights, text=[f"{n:,}" for n in weights], marker_color=PARAMETERS, showlegend=False)
    figure.add_trace(bars, row=1, col=1)
    for (name, values), shade in zip(errors.items(), (OKABE_ITO[1], ACCENT), strict=True):
        look = {"mode": "lines+markers+text", "textposition": "top center", "line": {"color": shade, "width": 3}}
        points = go.Scatter(x=names, y=values, text=values, name=name, marker={"size": 11}, cliponaxis=False, **look)
        figure.add_trace(points, row=1, col=2)
    least, most = min(map(min, errors.values())), max(map(max, errors.values()))
    figure.update_yaxes(range=[least - 0.3, most + 0.5], col=2)  # room for the numbers
    figure.update_xaxes(type="category", title="paths × channels of each, C × d")
    figure.update_layout(height=360, margin={"l": 0, "r": 0, "t": 48, "b": 0}, legend={"orientation": "h", "y": -0.3})
    figure.update_annotations(font_size=17)
    columns = ("cardinality", "width", "weights", "error_50", "error_101")
    return Chart(
        "budget",
        figure,
        f"At about 70,000 weights a block, error falls from {blocks[0].error_50}% with one path to "
        f"{blocks[-1].error_50}% with {blocks[-1].cardinality}.",
        f"A block has C(256d + 9d² + 256d) weights, counted here; errors as published in {papers.RESNEXT}.",
        table={name: [getattr(block, name) for block in blocks] for name in columns},
    )


def savings(layers: Sequence[GroupedLayer]) -> Chart:
    """The parameters of each grouped layer, and what grouping left out, as one bar a layer; the table has all."""
    inside = [layer for layer in layers if layer.convolution.groups > 1]
    names = [f"{layer.name}, g = {layer.convolution.groups:,}" for layer in inside]
    parameters = [layer.cost.parameters for layer in inside]
    saved = [layer.ungrouped.parameters - layer.cost.parameters for layer in inside]
    figure = go.Figure(
        [
            go.Bar(y=names, x=parameters, orientation="h", name="with its groups", marker_color=PARAMETERS),
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
    alt = f"Grouping saves {sum(saved):,} parameters."
    return Chart("convolutions", figure, alt, "Counted in one forward pass.", table=layer_table(layers))


def layer_table(layers: Sequence[GroupedLayer]) -> Columns:
    """One row a convolution, in the order of execution."""
    shapes = [layer.convolution for layer in layers]
    return {
        "layer": [layer.name for layer in layers],
        "in": [shape.in_channels for shape in shapes],
        "out": [shape.out_channels for shape in shapes],
        "kernel": [f"{shape.kernel[0]} × {shape.kernel[1]}" for shape in shapes],
        "groups": [shape.groups for shape in shapes],
        "output": [f"{shape.height} × {shape.width}" for shape in shapes],
        "parameters": [layer.cost.parameters for layer in layers],
        "ungrouped": [layer.ungrouped.parameters for layer in layers],
        "MACs": [layer.cost.macs for layer in layers],
        "MACs ungrouped": [layer.ungrouped.macs for layer in layers],
    }


def _mark_groups(figure: go.Figure, valid: Sequence[int]) -> None:
    """Each valid number of groups marked on a log2 axis; of close neighbours only some are named."""
    labelled = [g for index, g in enumerate(valid) if len(valid) <= 12 or index % 2 == 0]
    figure.update_xaxes(type="log", tickvals=labelled, ticktext=[str(g) for g in labelled], title="groups g")
    figure.update_layout(height=360, margin={"l": 0, "r": 0, "t": 48, "b": 0}, showlegend=False)
    figure.update_annotations(selector={"yref": "paper"}, font_size=17)


def _number_powers(figure: go.Figure, values: Sequence[float], *, column: int) -> None:
    """A logarithmic axis with a number at every power of ten, and at two and five where there are few powers."""
    digits = (1, 2, 5) if max(values) < 300 * min(values) else (1,)
    ticks = [digit * 10.0**power for power in range(-5, 13) for digit in digits]
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[_with_prefix(tick) for tick in ticks], row=1, col=column)


def _with_prefix(number: float) -> str:
    """Three significant digits at most, with the unit prefix that Streamlit's own axes use."""
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{numbers.number(number / size)}{prefix}"
    return numbers.number(number)


def _stepped_scale(shades: Sequence[str]) -> list[tuple[float, str]]:
    """A colour scale of equal steps without blends."""
    edges = np.linspace(0, 1, len(shades) + 1)
    return [(float(edges[i + side]), shade) for i, shade in enumerate(shades) for side in (0, 1)]
