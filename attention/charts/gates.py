"""One gate on one picture, as charts that the pages show and the report holds."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from attention import analysis
from attention.charts import channels, overlay, signs, spatial
from attention.charts.chart import Chart, Columns, by_place
from attention.charts.overlay import UNIT, Scale, own_range
from attention.numbers import amount, extent, fixed
from attention.observe import Observation
from attention.records import Floats, Gate

SIDE = 512
"""Length of the longer side of a picture below a map, in pixels."""
OPACITY = 0.6


class MapStyle(NamedTuple):
    """How maps are coloured."""

    colour_map: str = "viridis"
    own_range: bool = False
    """Whether the colours run over the map's own range, and not over 0 to 1."""

    def scale(self, values: Floats) -> Scale:
        """The values that the ends of the colour map stand for."""
        return own_range(values) if self.own_range else UNIT


USUAL = MapStyle()


def map_on_picture(
    observation: Observation,
    gate: Gate,
    key: str,
    what: str,
    *,
    style: MapStyle = USUAL,
    opacity: float = OPACITY,
    side: int | None = SIDE,
    numbers: str = "",
) -> Chart:
    """A map (H, W) of a gate laid over the picture; without a `side`, over the whole picture at its own size.

    Its numbers are its own, unless another chart brings them in the table `numbers`.
    """
    values, (picture, box) = gate.values[0], observation.view
    if side is not None:
        picture, box = overlay.close_up(picture, box, side)
    laid = overlay.overlay(
        picture, values, box, colour_map=style.colour_map, scale=style.scale(values), opacity=opacity
    )
    place, (height, width) = analysis.most_open_ninth(values), values.shape
    return Chart(
        key,
        laid,
        f"{what}, {extent(gate.values)}; on average it is most open at the {place}. The map lies on "
        f"{observation.picture.name}, over the square that the network sees.",
        f"{what}, {extent(gate.values)}: {height} × {width} places over the square that the network sees.",
        table={} if numbers else by_place({"gate": values}),
        numbers=numbers,
    )


def map_alone(gate: Gate, key: str, what: str, *, numbers: str = "") -> Chart:
    """The same map without the picture, each value a square."""
    values = gate.values[0]
    side = max(1, SIDE // max(values.shape))
    tile = overlay.map_image(values, "viridis").convert("RGB")
    enlarged = overlay.png(tile.resize((tile.width * side, tile.height * side), Image.Resampling.NEAREST))
    caption = "The same map alone, each value a square."
    return Chart(key, enlarged, f"{what}, {extent(gate.values)}, without the picture.", caption, numbers=numbers)


def colour_scale(gate: Gate, key: str, style: MapStyle = USUAL, *, numbers: str = "") -> Chart:
    """The colours of a map as a bar, with the share of its places that have each."""
    values, summary = gate.values[0], analysis.map_stats(gate.values[0])
    return Chart(
        key,
        spatial.histogram(values, style.colour_map, style.scale(values)),
        f"Colour bar with the distribution of the {values.size} gate values: {extent(gate.values)}, "
        f"mean {fixed(summary.mean)}.",
        "Gate value of a place: 1 passes its features unchanged, 0 shuts them off.",
        numbers=numbers,
    )


def profile(gate: Gate, side: str, *, numbers: str = "") -> Chart:
    """A gate along the height or the width."""
    along = f"Along the {side}, {extent(gate.values)}: the average over the channels."
    return Chart(
        f"profile_{side}",
        spatial.profile(gate.values[0], side),
        f"The gate along the {side}, {amount(gate.values.shape[1], 'value')} from {extent(gate.values)}.",
        f"{along} Bars are drawn from 0.",
        numbers=numbers,
    )


def channel_bars(gate: Gate, key: str, finding: str, chosen: int, *, by_size: bool = True) -> list[Chart]:
    """A channel gate as bars, the chosen one framed; of many channels the most open, and all of them as a strip."""
    values = gate.values[0]
    order = channels.drawn_channels(values, by_size=by_size)
    all_drawn = len(order) == len(values)
    caption = f"Height and colour are the gate, 0 (pale) to 1 (deep); here {extent(values)}. Channels count from 0."
    caption += signs.size_note(values)
    some = "" if all_drawn else f"The {len(order):,} most open of {amount(len(values), 'channel')}. "
    table: Columns = {"channel": range(len(values)), "gate": values}
    bars = channels.gate_bars(values, order, chosen)
    charts = [Chart(key, bars, finding, f"{some}{caption}", table=table)]
    if not all_drawn:
        strip = f"All {amount(len(values), 'channel')} in their order, {channels.STRIP_WIDTH} a row, 0 to 1."
        strip += f" {channels.NO_CHANNEL}" * bool(len(values) % channels.STRIP_WIDTH)
        charts.append(Chart(f"{key}_strip", channels.gate_strip(values, chosen), finding, strip, numbers=key))
    return charts


def cells(gate: Gate, key: str, what: str, *, colour_map: str = "viridis", note: str = "", numbers: str = "") -> Chart:
    """Any gate as a row of cells."""
    values = np.ravel(gate.values[0])
    return Chart(
        key,
        overlay.cells(values, colour_map),
        f"{what}, {amount(len(values), 'value')} from {extent(gate.values)}.",
        f"{what}, {extent(gate.values)}{note}",
        table={} if numbers else {"value": values},
        numbers=numbers,
    )


def passing_in_words(gate: Gate, name: str) -> str:
    """What a channel gate does with the picture, in one sentence; `name` is what its block is called."""
    found, called = analysis.channel_stats(gate.values[0]), analysis.block_called(name, first=True)
    if np.ptp(gate.values) == 0:
        return f"{called} has the same gate for {amount(found.channels, 'channel')}, {fixed(gate.minimum)}."
    value = gate.values[0, found.strongest]
    strongest = f"the strongest is channel {found.strongest} at {fixed(value)}{signs.turned(value)}"
    if analysis.deals_out(gate):
        more, even = int((gate.values[0] > 1 / found.channels).sum()), fixed(1 / found.channels)
        above = f"{more:,} {'gets' if more == 1 else 'get'} more than an even {even}"
        return f"{called}: {found.channels:,} channels share out 1, {above}; {strongest}."
    size = signs.in_size(gate.values)
    ends = (
        f"{found.open:,} of {amount(found.channels, 'channel')} {_is_or_are(found.open)} let through above 0.9{size}, "
        f"{found.held:,} {_is_or_are(found.held)} held below 0.1{size}"
    )
    if not found.open and not found.held:
        ends = f"all {found.channels:,} channels lie between 0.1 and 0.9{size}"
    return f"{called}: {ends}; {strongest}."


def _is_or_are(count: int) -> str:
    return "is" if count == 1 else "are"
