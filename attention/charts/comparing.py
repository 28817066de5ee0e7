"""Networks and pictures beside one another: one scale for heatmaps, agreement with its null, curves, what moved."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from attention import comparison, numbers
from attention.analysis import evidence
from attention.analysis.evidence import Test
from attention.analysis.faithfulness import KINDS, Faithfulness
from attention.charts.chart import FONT, LEGEND, Chart
from attention.charts.colours import ACCENT, CHANGE, GATE, NULL, OKABE_ITO, PALE_GATE
from attention.charts.overlay import Scale, data_uri
from attention.comparison import GateAgreement, MapTest
from attention.numbers import amount, fixed, p_value, signed
from attention.records import Doubles, Floats, Heatmap

COARSE = 64
"""Maps of more places a side are of single pixels, whose few largest values would leave all others black."""
_AXIS = {"tickfont": FONT, "title_font": FONT, "zeroline": False}
_MARGIN = {"l": 8, "r": 8, "t": 30, "b": 8}


def one_scale(maps: Sequence[Floats]) -> Scale:
    """From 0 to the largest value of all maps; of maps of pixels, to what only one in two hundred places exceeds."""
    tops = [float(np.quantile(each, 0.995) if min(each.shape) > COARSE else each.max()) for each in maps]
    return Scale(0.0, max(tops, default=1.0) or 1.0)


def completeness(heatmap: Heatmap) -> str:
    """How far a map is from the sum that its method promises, as the end of a caption; "" where it promises none."""
    if heatmap.promised is None:
        return ""
    total = float(heatmap.values.sum())
    return (
        f"; its values add up to {fixed(total)}, where the class has {signed(heatmap.promised)} against the mean "
        f"colour: off by {fixed(abs(total - heatmap.promised))}"
    )


def agreement(found: Mapping[str, Doubles], shifts: Mapping[str, Doubles], flat: Sequence[str]) -> Chart:
    """Each spatial gate against the heatmaps: here, by its rank among other pictures' gates, and over all pictures.

    `found` has the agreement of each picture's heatmap (a row) with each picture's gate (a column), the picture at hand
    first; `shifts` that of this picture's gate with its heatmap shifted; `flat` names the gates that are nearly
    constant here.
    """
    tested = comparison.agreement_tests(found)
    names, count = [each.name for each in tested], tested[0].pictures
    here, over, draws = [each.here for each in tested], [each.over for each in tested], tested[0].over.draws
    caption = (
        "Rank correlation of a spatial gate with the class heatmap (Grad-CAM of the last block, of the class chosen "
        "above here, and of the first guess for the others), on the finer grid of the two. Left, this picture's "
        f"heatmap: orange with its own gate, grey the middle 95% with the same gate for {count - 1} other pictures. No "
        f"p below {numbers.number(1 / count)} can come of {amount(count, 'picture')}, before Holm's correction over "
        f"{amount(len(names), 'gate')}. Right, the mean over n = {amount(count, 'picture')}; grey, the middle 95% of "
        f"{draws} draws in which each heatmap is given the gate of a picture drawn at random, seed 0. A gate that is "
        "alike for all pictures agrees with a heatmap by its habit of position, and lies in the grey."
    )
    if flat:
        caption += f" Nearly constant here, and so saying little: {', '.join(flat)}."
    caption += f" {_shifts_in_words(names, here, shifts)}"
    table: dict[str, Sequence[Any]] = {
        "gate": names,
        "here": [test.observed for test in here],
        "rank": [each.rank for each in tested],
    }
    table |= {"pictures": [count] * len(names)}
    for place, tests in (("here", here), ("over pictures", over)):
        table |= {
            f"{place}, {part}": [getattr(test, part) for test in tests] for part in ("low", "high", "p", "p_adjusted")
        }
    table["over pictures"] = [test.observed for test in over]
    table |= _shift_columns(list(shifts.values()))
    headline = _agreement_headline(tested)
    return Chart("agreement", _agreement_figure(names, here, over), headline, caption, headline, table)


def heatmap_agreement(found: Doubles, shifts: Doubles, names: tuple[str, str]) -> Chart:
    """One network's heatmaps against another's: here, by the rank among other pictures' heatmaps, and over pictures.

    `found` has the agreement of the first network's heatmap of each picture (a row) with the second's of each picture
    (a column), the picture at hand first; `shifts` that of this picture's two, the second shifted.
    """
    what = f"{names[0]} and {names[1]}"
    ((_, here, rank, over, count),) = comparison.agreement_tests({what: found})
    verdict = (
        f"agree {'more' if over.observed > over.low else 'less'} on the same picture than on different ones"
        if over.holds
        else "show no evidence of agreeing more on the same picture than on different ones"
    )
    headline = (
        f"Over n = {amount(count, 'picture')}, the heatmaps of {what} {verdict}: {fixed(over.observed, 2)} in the "
        f"mean, where chance gives {fixed(over.low, 2)} to {fixed(over.high, 2)} ({p_value(over.p)}). Here they agree "
        f"by {fixed(here.observed, 2)}: of {count} heatmaps of {names[1]}, that of this picture is number {rank}."
    )
    caption = (
        "Rank correlation of two networks' class heatmaps (the other pictures' are Grad-CAM of each network's first "
        f"guess) over what both see, on {comparison.GRID[0]} × {comparison.GRID[1]} places. Left, this picture's "
        f"heatmap of {names[0]}: orange with {names[1]}'s of the same picture, grey the middle 95% with its heatmaps "
        f"of {count - 1} other pictures. Right, the mean over the pictures; grey, the middle 95% of {over.draws} "
        f"draws in which the pictures are dealt out anew, seed 0. {_shifts_in_words([what], [here], {what: shifts})}"
    )
    table: dict[str, Sequence[Any]] = {
        "networks": [what],
        "here": [here.observed],
        "rank": [rank],
        "pictures": [count],
        **_shift_columns([shifts]),
    }
    table |= {"other pictures, low": [here.low], "other pictures, high": [here.high]}
    table |= {"over pictures": [over.observed], "low": [over.low], "high": [over.high], "p": [over.p]}
    return Chart("heatmap_agreement", _agreement_figure([what], [here], [over]), headline, caption, headline, table)


def _shifts_in_words(names: Sequence[str], here: Sequence[Test], shifts: Mapping[str, Doubles]) -> str:
    """How often a heatmap that is shifted round its edges agrees as much, in words."""
    count = max(len(each) for each in shifts.values())
    more = {name: int((shifts[name] >= test.observed).sum()) for name, test in zip(names, here, strict=True)}
    counts = ", ".join(f"{number} for {name}" for name, number in more.items())
    return (
        "Shifted round its edges, this picture's heatmap agrees at least as much in so many of "
        f"{count} shifts: {counts}."
    )


def _shift_columns(shifts: Sequence[Doubles]) -> dict[str, Sequence[float]]:
    """The middle 95% of what shifted heatmaps reach, as columns of a table."""
    low, high = zip(*map(evidence.null_range, shifts), strict=True)
    return {"shifted, low": low, "shifted, high": high}


def _agreement_headline(tested: Sequence[GateAgreement]) -> str:
    """What holds over the pictures, and what is so here."""
    sure = [
        f"{each.name} {'more' if each.over.observed > each.over.low else 'less'} ({p_value(each.over.p_adjusted)})"
        for each in tested
        if each.over.holds
    ]
    network = (
        f"gates agree with the heatmap of their own picture otherwise than with those of others: {', '.join(sure)}."
        if sure
        else "there is no evidence that a gate agrees with the heatmap of its own picture more than with those of "
        f"others (smallest {p_value(min(each.over.p_adjusted for each in tested))})."
    )
    best = max(tested, key=lambda each: each.here.observed)
    return (
        f"Over n = {amount(best.pictures, 'picture')}, {network} Here {best.name} agrees the most, by a rank "
        f"correlation of {fixed(best.here.observed, 2)}: number {best.rank} among the same gate for "
        f"{amount(best.pictures, 'picture')}."
    )


def _agreement_figure(names: Sequence[str], here: Sequence[Test], over: Sequence[Test]) -> go.Figure:
    """A row a gate, in depth order from the top; the gate in orange over its null in grey, full where it holds."""
    titles = ("this picture", "mean over the pictures")
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    for column, tests in enumerate((here, over), start=1):
        low, high = (np.array([getattr(test, end) for test in tests], np.float32) for end in ("low", "high"))
        place = {"y": list(names), "row": 1, "col": column, "showlegend": column == 1}
        grey = {"color": NULL, "opacity": 0.45}
        figure.add_bar(x=high - low, base=low, orientation="h", width=0.6, marker=grey, name="other pictures'", **place)
        symbols = ["circle" if test.holds else "circle-open" for test in tests]
        orange = {"color": ACCENT, "size": 12, "symbol": symbols, "line": {"width": 2}}
        hover = [f"{fixed(test.observed, 2)}, {p_value(test.p_adjusted)}" for test in tests]
        dots = {"mode": "markers", "marker": orange, "text": hover, "hovertemplate": "%{y}: %{text}<extra></extra>"}
        figure.add_scatter(x=[test.observed for test in tests], name="its own picture's", **dots, **place)
        figure.update_xaxes(_AXIS | {"title": titles[column - 1], "range": [-1.02, 1.02]}, row=1, col=column)
    figure.update_yaxes(_AXIS | {"autorange": "reversed"})
    return figure.update_layout(height=130 + 30 * len(names), margin=_MARGIN, legend=LEGEND)


def deletion(tested: Mapping[str, MapTest], beside: Mapping[str, MapTest], baseline: str) -> Chart:
    """Maps by deletion and insertion against random maps like them; what knows nothing of the picture stands beside.

    The p-values are Holm's over all areas of `tested`.
    """
    first = next(iter(tested.values()))
    areas = [(name, number) for name in tested for number in range(len(KINDS))]
    tests = evidence.tests(
        [tested[name].curves.areas[number] for name, number in areas],
        [[draw.areas[number] for draw in tested[name].null] for name, number in areas],
    )
    test_of = dict(zip(areas, tests, strict=True))
    headline = " ".join(_verdict(name, *(test_of[name, number] for number in range(len(KINDS)))) for name in tested)
    others = "; ".join(
        f"{name} {fixed(one.curves.deletion.area)} and {fixed(one.curves.insertion.area)}"
        for name, one in beside.items()
    )
    shares, null = first.curves.deletion.shares, first.null
    caption = (
        f"P of the class while pixels go or come back, in {len(shares) - 1} steps; what is missing becomes {baseline}. "
        f"Grey: the middle 95% of {tests[0].draws} random maps with the grid, the values and the smoothness of the "
        f"heatmap, seed 0; each map has its own. Areas beside: {others}. Pictures with holes are unlike all that the "
        "network was trained on: compare curves with the band, and not with 0 or 1. p is two-sided, with Holm's "
        f"correction over {amount(len(tests), 'area')}, for this picture alone."
    )
    every = {**tested, **beside}
    table: dict[str, Any] = {"share": shares}
    table |= {
        f"{name}: {kind}": getattr(one.curves, kind).probabilities for name, one in every.items() for kind in KINDS
    }
    for kind in KINDS:
        table |= {
            f"random maps, {end}: {kind}": edge for end, edge in zip(("low", "high"), _band(null, kind), strict=True)
        }
    return Chart(
        "curves", _curves({name: one.curves for name, one in every.items()}, null), headline, caption, headline, table
    )


def _verdict(name: str, deleted: Test, inserted: Test) -> str:
    """What one map reaches, and whether random maps like it reach that."""
    parts = []
    for kind, test, better in (("deletion", deleted, "lower"), ("insertion", inserted, "higher")):
        side = "lower" if test.observed < (test.low + test.high) / 2 else "higher"
        verdict = (
            f"{'better' if side == better else 'worse'} than random maps like it"
            if test.holds
            else "no evidence of a difference from random maps like it"
        )
        parts.append(
            f"{fixed(test.observed)} by {kind}, {verdict} ({fixed(test.low)} to {fixed(test.high)}, "
            f"{p_value(test.p_adjusted)})"
        )
    return f"{name}: area {'; '.join(parts)}."


def _curves(maps: Mapping[str, Faithfulness], draws: Sequence[Faithfulness]) -> go.Figure:
    """Deletion and insertion side by side; the grey band holds the middle 95% of the random maps."""
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    shares = (100 * draws[0].deletion.shares).astype(np.float32)
    for column, kind in enumerate(KINDS, start=1):
        band = _band(draws, kind)
        edge = {"x": shares, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(y=band[0], showlegend=False, row=1, col=column, **edge)
        name = f"middle 95% of {len(draws)} random maps"
        fill = {"fill": "tonexty", "fillcolor": "rgba(140,140,140,0.35)", "showlegend": column == 1, "name": name}
        figure.add_scatter(y=band[1], row=1, col=column, **fill, **edge)
        hover = "%{x:.0f}%: %{y:.3f}<extra></extra>"
        for number, (title, both) in enumerate(maps.items()):
            line = {"color": (OKABE_ITO[0], ACCENT, *OKABE_ITO[2:])[number], "width": 3, "dash": _DASHES[number]}
            values = getattr(both, kind).probabilities.astype(np.float32)
            look = {"x": shares, "y": values, "name": title, "line": line, "hovertemplate": hover}
            figure.add_scatter(showlegend=column == 1, row=1, col=column, **look)
        figure.update_xaxes(_AXIS | {"title": f"% of the pixels {_DONE[kind]}"}, row=1, col=column)
    figure.update_yaxes(_AXIS | {"range": [0, 1.02]})
    figure.update_yaxes(title="probability", row=1, col=1)
    return figure.update_layout(height=360, margin=_MARGIN, legend=LEGEND)


def _band(draws: Sequence[Faithfulness], kind: str) -> Floats:
    """The middle 95% of the random maps' probabilities, (2, steps + 1): from, to."""
    curves = [getattr(draw, kind).probabilities for draw in draws]
    return np.percentile(curves, evidence.RANGE, 0).astype(np.float32)


_DASHES = ("dot", "solid", "dash", "dashdot")
_DONE = {"deletion": "removed", "insertion": "restored"}


def shuffling(
    correlations: Mapping[str, Doubles],
    similarities: Mapping[str, Doubles],
    depths: Sequence[str],
    at: int,
    probability: tuple[float, Sequence[float]],
) -> Chart:
    """How like its original each map is, (seeds, depths), by how far down the weights are shuffled.

    `probability` has the class's, with the trained weights, and by seed with all of them shuffled.
    """
    seeds = len(probability[1])
    rows = {name: _median_and_range(values) for name, values in correlations.items()}
    last = rows["heatmap"][:, -1]
    like = np.percentile(similarities["heatmap"][:, -1], [50, *evidence.RANGE])
    same = (
        "is not defined, since it is the same everywhere"
        if np.isnan(last).any()
        else f"is {fixed(last[0])} in the median of {seeds} seeds ({fixed(last[1])} to {fixed(last[2])})"
    )
    headline = (
        f"With all weights shuffled, the rank correlation of the heatmap with the original {same}, its structural "
        f"similarity {fixed(like[0], 2)} ({fixed(like[1], 2)} to {fixed(like[2], 2)}); P of the class is "
        f"{np.median(probability[1]):.1%} in place of {probability[0]:.1%}."
    )
    caption = (
        f"Rank correlation with the map of the trained weights, n = 1 picture: the median of {seeds} orders of the "
        "weights, and below it the middle 95%. Structural similarity is in the table (Wang et al. 2004, the whole map "
        "as one window, each scaled to 0 to 1). A gate sees nothing of what is above it: until its own block is "
        "shuffled it stays at 1 by construction. (After Adebayo et al., arXiv 1810.03292.)"
    )
    table: dict[str, list[Any]] = {"map": [], "shuffled down to": []}
    for measure, found in (("rank correlation", correlations), ("structural similarity", similarities)):
        middles = np.concatenate([_median_and_range(values).T for values in found.values()])
        table |= {
            f"{measure}, {name}": list(column)
            for name, column in zip(("median", "low", "high"), middles.T, strict=True)
        }
    table["map"], table["shuffled down to"] = [name for name in rows for _ in depths], [*depths] * len(rows)
    return Chart("similarity", _similarity_figure(rows, depths, at), headline, caption, headline, table)


def _median_and_range(values: Doubles) -> Doubles:
    """The median over the seeds, and the ends of their middle 95%: (3, depths); NaN where one is not defined."""
    return np.percentile(values, [50, *evidence.RANGE], axis=0)


def _similarity_figure(maps: Mapping[str, Doubles], depths: Sequence[str], chosen: int) -> go.Figure:
    """The median for each map (a row), by how far down the weights are shuffled (a column), in words with its ends."""
    values = np.array([row[0] for row in maps.values()], np.float32)
    texts = [
        [
            "–" if np.isnan(one).any() else f"{fixed(one[0], 2)}\n{fixed(one[1], 2)} to {fixed(one[2], 2)}"
            for one in row.T
        ]
        for row in maps.values()
    ]
    cells: dict[str, Any] = {"z": values, "x": list(depths), "y": list(maps), "text": texts}
    cells |= {"texttemplate": "%{text}", "textfont": {"size": 11}}
    colours = {"colorscale": CHANGE, "zmin": -1, "zmax": 1, "colorbar": {"thickness": 12, "tickfont": FONT}}
    hover = "%{y}, shuffled down to %{x}: %{text}<extra></extra>"
    figure = go.Figure(go.Heatmap(hovertemplate=hover, xgap=2, ygap=2, **cells, **colours))
    frame = {"type": "rect", "x0": chosen - 0.5, "x1": chosen + 0.5, "y0": -0.5, "y1": len(maps) - 0.5}
    figure.add_shape(line={"color": ACCENT, "width": 3}, **frame)
    figure.update_yaxes(_AXIS | {"autorange": "reversed", "showgrid": False})
    figure.update_xaxes(_AXIS | {"title": "weights shuffled from the head down to", "showgrid": False})
    return figure.update_layout(height=130 + 40 * len(maps), margin=_MARGIN)


def move_bars(names: Sequence[str], changes: Sequence[float], yardsticks: Sequence[float], other: str) -> go.Figure:
    """How far each gate moved, the most at the top; in grey, where given, how far for a picture of something else."""
    rows = {"y": list(names), "hovertemplate": "%{y}: %{x:.3f}<extra></extra>"}
    blue = {"color": OKABE_ITO[0]}
    bars = go.Bar(x=np.array(changes, np.float32), orientation="h", marker=blue, name="moved", **rows)
    mark = {"color": NULL, "symbol": "line-ns", "size": 16, "line": {"width": 4, "color": NULL}}
    yardstick = go.Scatter(x=np.array(yardsticks, np.float32), mode="markers", marker=mark, name=other, **rows)
    figure = go.Figure([bars, yardstick] if yardsticks else bars)
    figure.update_yaxes(_AXIS | {"autorange": "reversed"})
    figure.update_xaxes(_AXIS | {"title": "mean absolute change of the gate's values", "rangemode": "tozero"})
    return figure.update_layout(height=110 + 26 * len(names), margin=_MARGIN, legend=LEGEND, bargap=0.3)


def profiles(networks: Mapping[str, Sequence[Floats]]) -> go.Figure:
    """Each network's channel gates by depth: the median of each block's channels, and the middle half as a band."""
    figure = make_subplots(1, len(networks), shared_yaxes=True, horizontal_spacing=0.02, subplot_titles=list(networks))
    for column, gates in enumerate(networks.values(), start=1):
        low, middle, high = (
            np.array([np.quantile(gate, share) for gate in gates], np.float32) for share in (0.25, 0.5, 0.75)
        )
        blocks = list(range(1, len(gates) + 1))
        place = {"row": 1, "col": column, "showlegend": False, "x": blocks}
        figure.add_scatter(y=low, mode="lines", line={"width": 0}, hoverinfo="skip", **place)
        band = {"fill": "tonexty", "fillcolor": PALE_GATE, "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(y=high, mode="lines", **band, **place)
        line = {"color": GATE, "width": 3}
        figure.add_scatter(
            y=middle, line=line, mode="lines+markers", hovertemplate="block %{x}: %{y:.3f}<extra></extra>", **place
        )
        figure.update_xaxes(_AXIS | {"title": "block", "dtick": max(1, len(gates) // 8)}, row=1, col=column)
    figure.update_yaxes(_AXIS | {"range": [0, 1]})
    return figure.update_layout(height=320, margin=_MARGIN)


def picture_with_frame(jpeg: bytes, edges: tuple[float, float, float, float]) -> go.Figure:
    """A square picture to draw a frame on, in % from its upper left; `edges` are left, top, right and bottom of the
    frame that stands. A frame is only told of where it holds points, so there are some, unseen."""
    ticks = np.arange(0, 101, 2.5)
    x, y = (each.ravel() for each in np.meshgrid(ticks, ticks))
    still = {"opacity": 0}
    unseen = {"marker": still, "selected": {"marker": still}, "unselected": {"marker": still}}
    points = go.Scatter(x=x, y=y, mode="markers", hoverinfo="skip", **unseen)
    photo = {"source": data_uri(jpeg), "xref": "x", "yref": "y", "x": 0, "y": 0, "sizex": 100, "sizey": 100}
    left, top, right, bottom = edges
    patch = {"x0": left, "y0": top, "x1": right, "y1": bottom, "line": {"color": ACCENT, "width": 3}}
    axis = {"visible": False, "constrain": "domain"}
    layout = {
        "height": 330,
        "margin": _MARGIN,
        "dragmode": "select",
        "images": [photo | {"layer": "below"}],
        "shapes": [patch],
        "xaxis": {**axis, "range": [0, 100]},
        "yaxis": {**axis, "range": [100, 0], "scaleanchor": "x"},
    }
    return go.Figure(points, layout)
