"""Charts as files without a browser, drawn by matplotlib: what each edit changes, and networks side by side."""

import contextlib
import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from attention import analysis, comparison
from attention.analysis.evidence import Test
from attention.charts import comparing, overlay
from attention.charts.colours import ACCENT, NULL, OKABE_ITO
from attention.charts.overlay import UNIT, Scale
from attention.comparison import Compared
from attention.numbers import fixed, p_value, span
from attention.records import Floats, Ground

if TYPE_CHECKING:  # it comes with captum, and takes a second to load
    from matplotlib.axes import Axes

INKS: dict[Ground, tuple[str, str]] = {"light": ("#ffffff", "#0b131b"), "dark": ("#10151b", "#e6ebf1")}
"""Paper and ink."""
COLUMN = 3.2
"""Width of a network's column, in inches."""
DPI = 120
SIDE = 640
"""Side of a picture in a column, in pixels."""


class EditRow(NamedTuple):
    """One edit: what it does to the measure of the class, and to its probability, beside the random draws."""

    name: str
    test: Test
    before: float
    """Probability of the class."""
    after: float


@contextlib.contextmanager
def _on_ground(ground: Ground) -> Iterator[None]:
    """What is drawn inside stands on light or dark ground, in matplotlib's own font; a name with `$` stays one."""
    import matplotlib

    paper, ink = INKS[ground]
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    look: dict[Any, Any] = {**matplotlib.rcParamsDefault, "text.parse_math": False, **dict.fromkeys(inked, ink)}
    look |= dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), paper)
    with matplotlib.rc_context(look):
        yield


def edits(rows: Sequence[EditRow], title: str, note: str, measure: str = "logit", *, ground: Ground = "light") -> bytes:
    """A diamond for each change of the measure over its null range, grey, on one axis symmetric about zero: PNG."""
    from matplotlib.figure import Figure

    with _on_ground(ground):
        figure = Figure((10, 1.4 + 0.4 * len(rows)), layout="constrained")
        axes = figure.subplots()
        at = np.arange(len(rows))
        for place, row in zip(at, rows, strict=True):
            axes.barh(place, row.test.high - row.test.low, left=row.test.low, height=0.5, color=NULL)
        axes.plot([row.test.observed for row in rows], at, "D", ms=9, mfc=OKABE_ITO[0], mec=ACCENT, ls="none")
        reach = 1.1 * max(
            [abs(end) for row in rows for end in (row.test.observed, row.test.low, row.test.high)] + [1e-6]
        )
        axes.set(xlim=(-reach, reach), ylim=(len(rows) - 0.5, -0.5), yticks=at, xlabel=f"change of the {measure}")
        axes.set_yticklabels([row.name for row in rows])
        axes.axvline(0, color=NULL, lw=1, zorder=0)
        effects = axes.secondary_yaxis("right")
        effects.set_yticks(
            at, [f"P {row.before:.1%} → {row.after:.1%}, {p_value(row.test.p_adjusted)}" for row in rows]
        )
        for side in (axes, effects):
            side.tick_params(length=0)
            for spine in side.spines.values():
                spine.set_visible(False)
        figure.suptitle(title, x=0.01, ha="left", fontsize=13)
        axes.set_title(note, loc="left", fontsize=9, wrap=True)
        return _png(figure)


def networks(picture: Image.Image, columns: Sequence[Compared], *, ground: Ground = "light") -> bytes:
    """The networks side by side, as PNG: the class heatmap, the best guesses, the last spatial gate of each size."""
    from matplotlib.figure import Figure

    with _on_ground(ground):
        scale = comparing.one_scale([each.heatmap.values for each in columns if each.heatmap])
        stages = max(len(comparison.last_of_stages(each.spatial)) for each in columns)
        share = picture.height / picture.width
        heights = [COLUMN * share, 1.5, *[COLUMN / 2 * share + 0.3] * ((stages + 1) // 2)]
        figure = Figure((len(columns) * COLUMN, sum(heights) + 1.2), layout="constrained")
        title = f"{columns[0].observation.picture.name}, seen by {len(columns)} networks"
        figure.suptitle(textwrap.shorten(title, 34 * len(columns), placeholder=" …"), x=0.02, ha="left", fontsize=13)
        parts = figure.subfigures(1, len(columns), squeeze=False)[0]
        for part, column in zip(parts, columns, strict=True):
            part.suptitle(f"{column.card.name}{' (random weights)' * column.card.random}", fontsize=13)
            heatmap, guesses, *gates = part.subfigures(len(heights), 1, height_ratios=heights)
            _draw_heatmap(heatmap.subplots(), picture, column, scale)
            _write_guesses(guesses.subplots(), column)
            by_size = comparison.last_of_stages(column.spatial)
            titles = dict(zip(column.spatial, analysis.gate_titles(column.spatial), strict=True))
            for row, place in enumerate(gates):
                few = [(gate, titles[gate]) for gate in by_size[2 * row : 2 * row + 2]]
                for axes, (gate, name) in zip(place.subplots(1, 2), [*few, (None, ""), (None, "")], strict=False):
                    axes.axis("off")
                    if gate is not None:
                        axes.imshow(_overlay(picture, column, gate.values[0], "viridis", UNIT))
                        axes.set_title(f"{name}: {fixed(gate.minimum)} to {fixed(gate.maximum)}", fontsize=8)
        return _png(figure)


def _draw_heatmap(axes: "Axes", picture: Image.Image, column: Compared, scale: Scale) -> None:
    axes.axis("off")
    if column.heatmap is None or column.target is None:
        what = "no score for each class" if column.probabilities is None else "does not know the class"
        axes.text(0.5, 0.5, what, ha="center")
        return
    axes.imshow(_overlay(picture, column, column.heatmap.values, "inferno", scale))
    values = f"{column.heatmap.method}: {span(column.heatmap.minimum, column.heatmap.maximum)}"
    label = column.observation.targets[column.target].partition(",")[0]
    measure = label if column.probabilities is None else f"P({label})"
    axes.set_title(f"{measure} = {column.observation.answer(column.target)}\n{values}\ncolours: {span(*scale)}")
    axes.title.set_fontsize(9)


def _write_guesses(axes: "Axes", column: Compared) -> None:
    axes.axis("off")
    top = [] if column.probabilities is None else analysis.top(column.probabilities, column.labels)
    lines = [f"{probability:.1%}  {label.partition(',')[0][:34]}" for label, probability in top]
    lines += [] if column.spatial else ["no spatial gates"]
    axes.text(0.05, 0.95, "\n".join(lines), va="top", fontsize=9)


def _overlay(picture: Image.Image, column: Compared, values: Floats, colour_map: str, scale: Scale) -> Image.Image:
    small, box = overlay.reduce(picture, column.observation.box, SIDE)
    laid = overlay.overlay(small, np.asarray(values), box, colour_map=colour_map, scale=scale, opacity=0.6)
    return Image.open(io.BytesIO(laid))


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()
