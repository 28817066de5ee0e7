"""The network drawn to scale: every parameter and every MAC is in it once, and attention's share is blue."""

import pytest

from attention import images
from attention.charts import network
from attention.charts.colours import GATE
from attention.models import zoo
from attention.observe import observe, read_picture
from attention.records import Part


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


def test_the_scale_goes_to_the_whole_and_no_name_is_too_small_to_read():
    layout = network.to_scale(whole_of("se")).figure.layout
    assert layout.xaxis.tickvals[-1] == layout.xaxis.range[1] == 1
    assert layout.uniformtext.mode == "hide" and layout.uniformtext.minsize >= 11
