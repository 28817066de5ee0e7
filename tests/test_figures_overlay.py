"""The map over the picture: it lies in the crop and nowhere else, in the colours of its scale."""

import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from plotly.colors import get_colorscale, sample_colorscale, unlabel_rgb

from attention.charts import overlay
from attention.charts.colours import CLASS_HEATMAP, COLOUR_MAPS
from attention.charts.overlay import Scale

BOX = (40, 0, 200, 160)
JPEG_NOISE = 6  # grey levels, on smooth pictures
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])

EACH_MAP = pytest.mark.parametrize("colour_map", COLOUR_MAPS)


def smooth(width=240, height=160):
    """A picture without edges, so that JPEG keeps it."""
    across, down = np.linspace(40, 220, width), np.linspace(0, 30, height)
    grey = (across[None] + down[:, None]).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(np.stack([grey] * 3, axis=-1))


def decoded(data):
    picture = Image.open(io.BytesIO(data))
    assert picture.format == "JPEG"
    return np.asarray(picture.convert("RGB")).astype(float)


def laid(values, *, opacity=1.0, scale=overlay.UNIT, colour_map="viridis"):
    values = np.asarray(values, np.float32)
    return decoded(overlay.overlay(smooth(), values, BOX, colour_map=colour_map, scale=scale, opacity=opacity))


def colour(colour_map, share):
    return np.array(unlabel_rgb(sample_colorscale(COLOUR_MAPS[colour_map], [share])[0]))


def assert_close(given, wanted):
    assert np.abs(given - wanted).max() <= JPEG_NOISE


def test_without_opacity_the_crop_is_the_picture():
    left, top, right, bottom = BOX
    inside = laid(np.random.default_rng(0).random((7, 7)), opacity=0)[top:bottom, left + 8 : right - 8]
    assert_close(inside, np.asarray(smooth(), float)[top:bottom, left + 8 : right - 8])


def test_outside_the_crop_the_picture_is_dimmed_whatever_the_map():
    dark = np.asarray(smooth(), float) * 0.4
    for opacity in (0.0, 1.0):
        drawn = laid(np.ones((4, 4)), opacity=opacity)
        assert_close(drawn[:, :32], dark[:, :32])
        assert_close(drawn[:, 208:], dark[:, 208:])


def test_the_frame_dims_the_same_and_keeps_the_crop():
    drawn, picture = decoded(overlay.dim_unseen(smooth(), BOX)), np.asarray(smooth(), float)
    assert_close(drawn[:, :32], picture[:, :32] * 0.4)
    assert_close(drawn[:, 48:192], picture[:, 48:192])


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_each_corner_of_the_map_lands_in_that_corner_of_the_crop(corner):
    values = np.zeros((2, 2))
    values[corner] = 1
    drawn = laid(values)
    for row, column in np.ndindex(2, 2):
        y, x = (8, 151)[row], BOX[0] + (8, 151)[column]
        assert_close(drawn[y, x], colour("viridis", values[row, column]))


def test_opacity_mixes_picture_and_map_in_its_proportion():
    drawn = laid(np.full((3, 3), 0.5), opacity=0.25)
    wanted = 0.75 * np.asarray(smooth(), float) + 0.25 * colour("viridis", 0.5)
    assert_close(drawn[:, 48:192], wanted[:, 48:192])


@EACH_MAP
def test_the_ends_of_the_scale_have_the_ends_of_the_colour_map(colour_map):
    drawn = overlay.map_image(np.array([[0.2, 0.7]], np.float32), colour_map, Scale(0.2, 0.7)).convert("RGB")
    assert np.abs(np.asarray(drawn)[0] - [colour(colour_map, 0), colour(colour_map, 1)]).max() <= 1


@EACH_MAP
def test_values_outside_the_scale_take_its_ends(colour_map):
    drawn = overlay.map_image(np.array([[-3, 0, 1, 8]], np.float32), colour_map)
    below, low, high, above = np.asarray(drawn.convert("RGB"))[0].tolist()
    assert below == low
    assert above == high


@given(st.lists(st.floats(-2, 3, width=32), min_size=1, max_size=20), st.floats(-1, 0.4), st.floats(0.6, 2))
def test_a_value_takes_the_colour_of_its_share_of_the_scale(values, low, high):
    drawn = overlay.map_image(np.array([values], np.float32), "magma", Scale(low, high))
    for value, index in zip(values, np.asarray(drawn)[0].tolist(), strict=True):
        assert index == pytest.approx(255 * min(max((value - low) / (high - low), 0), 1), abs=0.51)


@EACH_MAP
def test_a_colour_map_only_gets_lighter_or_only_darker(colour_map):
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
    steps = np.diff(np.asarray(overlay.map_image(ramp, colour_map).convert("RGB"))[0] @ LUMINANCE)
    assert (steps >= -1).all() or (steps <= 1).all()
    assert abs(steps.sum()) > 100


def test_a_constant_map_has_one_colour_on_every_scale():
    values = np.full((3, 3), 0.4, np.float32)
    for scale in (overlay.UNIT, overlay.own_range(values)):
        assert len(overlay.map_image(values, "viridis", scale).getcolors()) == 1


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=9))
def test_the_own_range_is_the_range_or_for_a_constant_starts_at_it(values):
    scale = overlay.own_range(np.array(values, np.float32))
    assert scale.low == min(values)
    assert scale.high == (max(values) if max(values) > min(values) else scale.low + 1)


@given(width=st.integers(1, 90), height=st.integers(1, 90), rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_any_picture_with_any_map_stays_as_large_as_it_is(width, height, rows, columns):
    side = min(width, height)
    box = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
    values = np.random.default_rng(0).random((rows, columns), dtype=np.float32)
    data = overlay.overlay(Image.new("RGB", (width, height), "grey"), values, box, colour_map="cividis")
    assert Image.open(io.BytesIO(data)).size == (width, height)


@given(width=st.integers(1, 300), height=st.integers(1, 300), side=st.integers(1, 200))
def test_reducing_keeps_the_crop_on_the_same_part_of_the_picture(width, height, side):
    small, box = overlay.reduce(Image.new("RGB", (width, height)), (0, height / 4, width, height), side)
    assert max(small.size) == min(side, max(width, height))
    assert box == pytest.approx((0, small.height / 4, small.width, small.height))


@given(width=st.integers(1, 400), height=st.integers(1, 400), at=st.floats(0, 1))
def test_a_close_up_keeps_all_of_the_crop_and_is_at_most_twice_as_long_as_wide(width, height, at):
    side = min(width, height)
    left, top = round(at * (width - side)), round(at * (height - side))
    picture = Image.new("RGB", (width, height))
    picture.paste("white", (left, top, left + side, top + side))
    near, box = overlay.close_up(picture, (left, top, left + side, top + side), 400)
    assert max(near.size) <= overlay.LONGEST * min(near.size)
    assert np.array(near.crop(tuple(map(round, box)))).min() == 255
    assert np.array(near, float).sum() == np.array(picture, float).sum()


def test_a_box_that_is_thinner_than_a_pixel_has_one_pixel():
    assert overlay.pixel_box((2.6, 3.4, 9.5, 5.6)) == (3, 3, 10, 6)
    assert overlay.pixel_box((2.6, 3.4, 2.7, 3.4)) == (3, 3, 4, 4)


def test_cells_stand_in_the_order_of_the_channels():
    values = np.array([0, 1, 0.5, 0.25], np.float32)
    drawn = np.asarray(Image.open(io.BytesIO(overlay.cells(values))).convert("RGB"))
    width = drawn.shape[1] // 4
    for place, value in enumerate(values):
        assert np.abs(drawn[14, place * width + width // 2] - colour("channel", value)).max() <= 1


@pytest.mark.parametrize("channels", [1, 7, 64, 512, 2688])
def test_a_row_of_cells_has_one_shape_however_many_they_are(channels):
    drawn = Image.open(io.BytesIO(overlay.cells(np.zeros(channels, np.float32))))
    assert drawn.width % channels == 0
    assert drawn.height == pytest.approx(drawn.width * 5 / 32, abs=1)


def test_no_colour_is_one_that_the_theme_would_replace_in_a_chart():
    taken = re.compile(r"#0000[0-3][0-9a-f]", re.IGNORECASE)
    for scale in (*COLOUR_MAPS.values(), CLASS_HEATMAP):
        stops = get_colorscale(scale) if isinstance(scale, str) else scale
        assert not [colour for _, colour in stops if taken.fullmatch(colour)]
