"""The network drawn to scale: every parameter and every MAC is in it once, and attention's share is blue."""

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attention import images
from attention.charts import network
from attention.charts.colours import GATE
from attention.models import zoo
from attention.observe import observe, read_picture
from attention.records import Part

FEW = 4


def whole_of(name: str) -> Part:
    return observe(zoo.load(name), read_picture(images.samples()[0].path)).inventory.network


@pytest.mark.parametrize("name", ["se", "plain", "cbam-b0"])
def test_the_bars_are_the_whole_network_and_the_blue_ones_its_attention(name):
    whole = whole_of(name)
    chart = network.to_scale(whole)
    for title in ("parameters", "MACs"):
        bars = [bar for bar in chart.figure.data if bar.y[0] == title]
        assert sum(bar.x[0] for bar in bars) == pytest.approx(1)
        assert sum(chart.table[title]) == getattr(whole, title.lower())
        blue = sum(bar.x[0] for bar in bars if bar.marker.color == GATE)
        assert blue == pytest.approx(getattr(whole, f"attention_{title.lower()}") / getattr(whole, title.lower()))


def test_a_part_that_is_most_of_the_network_is_drawn_by_its_parts():
    whole = whole_of("cbam-b0")
    names = network.to_scale(whole).table["part"]
    assert names[:2] == ["conv_stem", "blocks.0"] and "blocks" not in names and len(names) <= network.MOST_APART + 1


def part(name: str, parameters: int, parts: tuple[Part, ...] = (), attention: int = 0) -> Part:
    """A part whose MACs are ten times its parameters."""
    numbers = (parameters, 10 * parameters, parameters, 10 * parameters, attention, 10 * attention)
    return Part(name, "Module", *numbers, (), None, (), 1, "", (), parts)


@st.composite
def networks(draw):
    """A network in which the first part is sometimes nearly all, sometimes half, and sometimes has many parts."""

    def within(name: str, deep: int) -> Part:
        inside = range(draw(st.integers(0, FEW)) if deep < 3 else 0)
        parts = tuple(within(f"{name}.{number}".strip("."), 3 if number else deep + 1) for number in inside)
        own = draw(st.sampled_from([0, 1, 2, 10]))
        gates = draw(st.sampled_from([0, own])) + sum(each.attention_parameters for each in parts)
        return part(name, own + sum(each.parameters for each in parts), parts, gates)

    return within("", 0)


def apart(whole: Part) -> list[Part]:
    """Until nothing changes: the first part of more than half goes, and its parts come in its place, where they fit."""
    drawn = list(whole.parts)
    while True:
        for place, each in enumerate(drawn):
            instead = [*drawn[:place], *each.parts, *drawn[place + 1 :]]
            if each.parts and each.parameters > whole.parameters / 2 and len(instead) <= FEW:
                drawn = instead
                break
        else:
            return drawn


HALF = part("", 4, (part("0", 2, (part("0.0", 1), part("0.1", 1))), part("1", 2)))


@settings(max_examples=40)
@example(whole=HALF)
@given(whole=networks())
def test_what_is_drawn_by_its_parts_is_more_than_half_and_its_parts_fit(whole):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "MOST_APART", FEW)
        chart, drawn = network.to_scale(whole), apart(whole)
    assert chart.table["part"][:-1] == [each.name for each in drawn]
    for title, times in (("MACs", 10), ("parameters", 1)):
        sizes = [times * each.parameters for each in drawn]
        of_all, gates = times * whole.parameters, [times * each.attention_parameters for each in drawn]
        sizes += [of_all - sum(sizes)]
        gates += [times * whole.attention_parameters - sum(gates)]
        assert chart.table[title] == sizes
        shares = [(size / of_all, gate / of_all) if of_all else (0, 0) for size, gate in zip(sizes, gates, strict=True)]
        assert chart.table[f"share of {title}, attention"] == pytest.approx([gate for _, gate in shares])
        bars = [bar for bar in chart.figure.data if bar.y[0] == title]
        assert [bar.x[0] for bar in bars[::2]] == pytest.approx([size - gate for size, gate in shares])
        assert [bool(bar.text[0]) for bar in bars[::2]] == [bar.x[0] > network.WIDE for bar in bars[::2]]
        told = [f"%{{customdata}}: {size:.1%} of the {title}<extra></extra>" for size, _ in shares]
        assert [bar.hovertemplate for bar in bars[1::2]] == [bar.hovertemplate for bar in bars[::2]] == told
        assert not any(bar.text[0] for bar in bars[1::2])
        neighbours = [bar.marker.color for bar in bars[::2]]
        assert all(colour != following for colour, following in itertools.pairwise(neighbours))
    largest = max(drawn, key=lambda each: each.parameters, default=whole)
    share = largest.parameters / whole.parameters if whole.parameters else 0
    assert chart.alt.startswith(f"{len(drawn)} parts from the first to the last; ")
    assert f"; {largest.name or 'Module'} holds {share:.0%} of the parameters" in chart.alt


def test_the_scale_goes_to_the_whole_and_no_name_is_too_small_to_read():
    layout = network.to_scale(whole_of("se")).figure.layout
    assert layout.xaxis.tickvals[-1] == layout.xaxis.range[1] == 1
    assert layout.uniformtext.mode == "hide" and layout.uniformtext.minsize >= 11
