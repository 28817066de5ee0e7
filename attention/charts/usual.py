"""A gate against the same gate for other pictures, as charts and in words."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from attention.analysis import block_called, evidence
from attention.analysis.agreement import rank_correlation
from attention.analysis.usual import AgainstUsual, View, most_open
from attention.charts import channels, network
from attention.charts.chart import Chart, Columns, by_place
from attention.charts.colours import GATE, HUE, NULL
from attention.charts.survey_figures import change_map, gate_map, map_grid
from attention.kinds import KINDS, Kind
from attention.numbers import amount, fixed, small

MORE_THAN_ANY = "more than is usual from picture to picture"


def headline(found: AgainstUsual, name: str, kind: Kind) -> str:
    """What the gate does with this picture that it does not do with any other; `name` is what its block is called."""
    place, _ = found.most_opened
    called = block_called(name, first=True)
    if np.ptp(found.values) == 0:
        return f"{called} has the same gate everywhere, {fixed(found.values.flat[0])}."
    if found.values.ndim == 2:
        own = most_open(found.values)
        if 2 * found.same_place > found.count:
            mostly = "mostly " * (found.same_place < found.count)
            others = f"as for {found.same_place} of {found.count} other pictures: that is {mostly}a habit."
        else:
            others = f"which is not its habit: of {found.count} other pictures, {found.same_place or 'none'} "
            others += "has it there." if found.same_place < 2 else "have it there."
        where = "there, too" if place == own else f"at the {place}"
        more = f"it opens more than usual {where}" if found.opens_more else f"it opens nowhere {MORE_THAN_ANY}"
        return f"{called} is most open at the {own}, {others} With this picture {more}."
    own, usual = (fixed(gate[int(place)]) for gate in (found.values, found.usual))
    word, gates = _element(kind), f"{own} with this picture, {usual} on average with others"
    if _is_signed(found):  # above may be nearer to 0, and so less open
        return f"{called} is most above its usual gate at {word} {place}: it is {gates}."
    if found.opens_more:
        return f"{called} lets {word} {place} through more than usual: its gate is {gates}."
    others = f"as with {found.same_place} of" if found.same_place else "unlike with all"
    most = f"{called} lets {word} {most_open(found.values)} through most, {others} {found.count} other pictures"
    return f"{most}, and no {word} {MORE_THAN_ANY}."


def details(found: AgainstUsual, kind: Kind, *, placed: bool = True) -> str:
    """What the headline leaves out: by how much, what a grey card has, how far from usual the whole gate is.

    Where a map is not `placed`, its headline names no place that it is most open at, and a grey card is not held
    against one.
    """
    place, above = found.most_opened
    far = (
        f"As a whole it lies {small(found.distances[0])} from what is usual (root mean square), farther than for "
        f"{found.nearer_count} of {found.count} other pictures."
    )
    if np.ptp(found.values) == 0:
        return far
    grey, word, shut = most_open(found.grey), _element(kind), int(found.difference.argmin())
    some = f"{found.as_far or 'None'} of {found.count} other pictures {'has' if found.as_far == 1 else 'have'}"
    where = "ninth" if found.values.ndim == 2 else word
    rank = f" {some} a {where} as far above its usual gate." * (above > 0)
    if found.values.ndim == 2:
        card = "is most open there too" if found.grey_same_place else f"is most open at the {grey}"
        more = f" The ninth at the {place} is {fixed(above)} above its usual mean.{rank}" * (above > 0)
        return f"{f'For a grey card it {card}.' * placed}{more} {far}".strip()
    card = "the same" if found.grey_same_place else f"{word} {grey}"
    names_strongest = not found.opens_more and not _is_signed(found)

    def both(channel: int) -> str:
        return f"{word} {channel}: {fixed(found.values[channel])}, usually {fixed(found.usual[channel])}"

    if above > 0 and names_strongest:
        rank = f"Most above its usual gate is {both(int(place))}. {some} a {word} as far above its own."
    below = f"Most below its usual gate is {both(shut)}. " * bool(found.difference[shut] < 0)
    others = (
        f"Its strongest {word} is the strongest with {found.same_place or 'none'} of {found.count} other pictures. "
    )
    strongest = f"{'' if names_strongest else others}For a grey card the strongest is {card}."
    return f"{rank} {below}{strongest} {far}".strip()


def _is_signed(found: AgainstUsual) -> bool:
    return min(float(found.values.min()), float(found.usual.min())) < 0


def chart(found: AgainstUsual, name: str, kind: Kind, key: str = "usual") -> Chart:
    """The gate for this picture, its mean over the others, the difference, and the gate for a grey card."""
    alt = f"{headline(found, name, kind)} {details(found, kind)}"
    caption = (
        f"The usual gate is its mean over n = {found.count} other pictures, the samples; the difference is this "
        "picture's less the usual, on a scale symmetric about 0; the grey card is a picture of nothing, the same grey "
        "everywhere. What the usual gate and the grey card have too is a habit, and says nothing of this picture."
    )
    parts: dict[str, NDArray[np.floating]] = {"this picture": found.values, "usual": found.usual}
    parts |= {"this less usual": found.difference, "grey card": found.grey}
    if found.values.ndim == 2:
        reach = float(np.abs(found.difference).max()) or 1.0
        drawn = [gate_map(title, each.astype(np.float64)) for title, each in parts.items()]
        drawn[2] = change_map("this less usual", found.difference, reach)
        alike = rank_correlation(found.values, found.usual)
        said_alike = (
            " This map and the usual one put the places in nearly the same order where this is 1, in orders that have "
            "nothing in common where it is 0: {} (a rank correlation)."
        )
        order = "" if alike is None else said_alike.format(fixed(alike, 2))
        return Chart(key, map_grid(drawn), alt, caption + order, table=by_place(parts))
    figure = channels.difference_figure(found.difference.astype(np.float32), "this − usual", _element(kind))
    return Chart(key, figure, alt, caption, table={_element(kind): range(len(found.values)), **parts})


def through_depth(found: Mapping[View, AgainstUsual], names: Mapping[str, str]) -> Chart:
    """How far each gate is from its usual one, beside how far it is for the other pictures, in depth order.

    `names` are what the blocks are called for short.
    """
    kinds = {block: sum(other == block for other, _ in found) for block, _ in found}
    words = [names[block] + f".{kind}" * (kinds[block] > 1) for block, kind in found]
    own = [float(each.distances[0]) for each in found.values()]
    low, high = zip(*(evidence.null_range(each.distances[1:]) for each in found.values()), strict=True)
    nearer, counts = zip(*((each.nearer_count, each.count) for each in found.values()), strict=True)
    ranks = [_unusualness(each) for each in found.values()]
    most = ranks.index(max(ranks))
    block, kind = list(found)[most]
    gate = f"The {kind} gate" if kinds[block] > 1 else "The gate"
    text = f"{gate} of {block_called(names[block])} is the most unusual: with this picture it is farther from "
    if 2 * nearer[most] <= counts[most]:
        text = f"No gate is unusual here: with this picture even that of {block_called(names[block])} is farther from "
    text += f"what is usual than with {nearer[most]} of {counts[most]} others"
    shares = [some / count for some, count in zip(nearer, counts, strict=True)]
    alike = shares.count(shares[most]) - 1
    if alike:
        so = f"so {'is' if alike == 1 else 'are'} {amount(alike, 'other gate')}"
        text += f"; {so}, by no larger multiple of the others' median distance"
    text += "."
    places = np.arange(len(words))
    hover, spans = {"x": places, "hovertemplate": "%{y:.3f}<extra></extra>"}, np.subtract(high, low)
    figure = go.Figure(
        [
            go.Bar(y=spans, base=low, width=0.7, marker={"color": NULL, "opacity": 0.45}, **hover),
            go.Scatter(y=own, mode="markers", marker={"color": GATE, "size": 12}, **hover),
        ],
        {
            "xaxis": {**network.name_ticks(words), "showgrid": False},
            "yaxis": {"title": "distance from usual", "rangemode": "tozero"},
            "height": 320,
            "margin": {"l": 60, "r": 10, "t": 10, "b": 10},
            "showlegend": False,
        },
    )
    caption = (
        f"{HUE.capitalize()}: the root mean square distance of this picture's gate from its mean over the others. "
        f"Grey: the middle 95% of the same for n = {max(counts)} other pictures, the samples, each against the "
        "rest of them."
    )
    table: Columns = {"gate": words, "distance": own, "nearer pictures": nearer, "other pictures": counts}
    table = {**table, "others from": low, "others to": high}
    return Chart("unusual", figure, text, caption, text, table)


def _unusualness(found: AgainstUsual) -> tuple[float, float]:
    """How unusual a gate is: the share of pictures that are nearer; where that is equal, its distance beside theirs."""
    own, *others = found.distances
    return found.nearer_count / found.count, own / max(float(np.median(others)), 1e-9)  # others may all be the same


def _element(kind: Kind) -> str:
    return KINDS[kind].number_for.removeprefix("each ")
