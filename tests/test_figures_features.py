"""Feature maps have one colour scale wherever they are drawn, none of a gate's, and the legends say so."""

import io

import numpy as np
import pytest
from PIL import Image

from attention import images
from attention.charts import channels, explorable, spatial
from attention.charts.colours import CLASS_HEATMAP, COLOUR_MAPS, FEATURE_ENDS, FEATURES, colour_steps
from attention.models import zoo
from attention.observe import Picture, observe, read_picture
from attention.ui import excitation, tinted
from tests.charts import colours

ENDS = ((0, 0, 0), (255, 255, 255))


@pytest.fixture(scope="module")
def seen():
    return observe(zoo.load("cbam"), read_picture(images.samples()[0].path))


@pytest.fixture(scope="module")
def block(seen):
    return next(block for block in seen.blocks if block.name == "layer2.1.attention")


def charts(seen, block):
    """Each chart of feature maps, and how many of its heatmaps, from the left, are no maps of features."""
    inner, places = seen.steps(block.channel.name), seen.steps(block.spatial.name)
    gate, values = block.spatial.values[0], block.channel.values[0]
    one = {"channel 0": inner.before[0, 0]}
    yield spatial.features(one, "One channel"), []
    yield spatial.spatial_pooling(places), []
    yield spatial.dials(inner.before[0], values, gate, "layer2.1"), [1, 2]
    yield spatial.derivation(places, gate), [2, 4, 5]
    yield channels.squeezed(np.arange(300, dtype=np.float32), "average", 0), []


def test_every_figure_draws_features_from_black_to_white(seen, block):
    assert tuple(map(tuple, colour_steps(FEATURES)[[0, -1]].tolist())) == ENDS
    for chart, others in charts(seen, block):
        scales = [colours(each.colorscale) for each in chart.figure.data if each.type == "heatmap"]
        drawn = [scale for number, scale in enumerate(scales) if number not in others]
        assert drawn and all(each == colours(FEATURES) for each in drawn), chart.key
        assert all(scales[number] != colours(FEATURES) for number in others), chart.key


def grey(picture: bytes) -> bool:
    red, green, blue, *_ = np.moveaxis(np.asarray(Image.open(io.BytesIO(picture)), int), -1, 0)
    return bool((red == green).all() and (green == blue).all())


def test_maps_before_and_after_a_gate_and_maps_on_a_picture_have_the_same_scale(seen, block):
    inner = seen.steps(block.channel.name)
    before, after = inner.before[0, 3], inner.after[0, 3]
    assert grey(channels.before_after(before, after))
    card = seen.of(Picture("grey card", Image.new("RGB", (64, 64), "grey"), "grey card"))
    tiles = excitation._on_picture("features", card, {"before": before, "after": after})
    assert all(grey(tile.picture) for tile in tiles)


def test_a_block_to_explore_draws_features_alike(seen, block):
    places, gate = seen.steps(block.spatial.name), block.spatial.values[0]
    inner = seen.steps(block.channel.name)
    both = (
        explorable.channel(inner, block.channel.values[0], "sigmoid", "a block"),
        explorable.spatial(places, gate, "sigmoid", "a block"),
    )
    for chart in both:
        sent = chart.figure["colours"]["features"]
        assert (sent[0], sent[-1]) == ("0,0,0", "255,255,255")
        assert FEATURE_ENDS in chart.caption


def test_the_legends_say_it(seen, block):
    inner = seen.steps(block.channel.name)
    legends = [chart.caption for chart, _ in charts(seen, block) if chart.key in ("pooled", "dials")]
    legends.append(channels.reweighted({"": [0]}, inner.before[0], inner.after[0], block.channel.values[0]).caption)
    assert len(legends) == 3 and all(FEATURE_ENDS in legend for legend in legends)


def test_no_gate_can_be_drawn_as_features_or_a_class_are():
    offered = [colours(COLOUR_MAPS[name]) for name in tinted.COLOUR_MAPS]
    assert colours(FEATURES) not in offered and colours(CLASS_HEATMAP) not in offered
