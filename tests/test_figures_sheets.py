"""Laws of the sheets: every picture whole and in its place, and the true ends of what it shows below it."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from attention.charts import channels, overlay
from attention.numbers import fixed

few = settings(max_examples=20)


def boxes(figure):
    """Left, right, bottom and top of each picture's place, in shares of the figure."""
    return [(p.x - p.sizex / 2, p.x + p.sizex / 2, p.y, p.y + p.sizey) for p in figure.layout.images]


def texts(figure):
    return [note.text for note in figure.layout.annotations]


def tile(name, *shown):
    return overlay.Tile(name, overlay.png(Image.new("RGB", (8, 4))), shown)


@few
@given(st.dictionaries(st.sampled_from(["", "Most open", "Most closed"]), st.integers(1, 5), min_size=1))
def test_no_picture_or_text_stands_on_another(counts):
    values = np.zeros((2, 2), np.float32)
    figure = overlay.sheet({name: [tile(str(n), values)] * n for name, n in counts.items()})
    places, height = boxes(figure), figure.layout.height
    assert len(places) == sum(counts.values())
    for number, (left, right, low, high) in enumerate(places):
        assert 0 <= left < right <= 1 and 0 <= low < high <= 1
        for l2, r2, b2, t2 in places[:number]:
            assert right <= l2 + 1e-9 or r2 <= left + 1e-9 or high <= b2 + 1e-9 or t2 <= low + 1e-9
    for note in figure.layout.annotations:
        lines = 1 + note.text.count("\n")
        foot = note.y - lines * overlay.LINE / height
        assert note.y <= 1 + 1e-9 and foot >= -1e-9
        for left, right, low, high in places:
            inside = left < note.x < right
            assert not inside or note.y <= low + 1e-9 or foot >= high - 1e-9


@pytest.mark.parametrize("size", [(1, 1), (40, 7), (9, 30)])
def test_a_picture_is_put_in_whole_and_unchanged(size):
    encoded = overlay.png(Image.effect_noise(size, 50))
    (image,) = overlay.sheet({"": [overlay.Tile("", encoded, [np.ones(1)])]}).layout.images
    assert base64.b64decode(image.source.partition(",")[2]) == encoded
    assert image.sizing == "contain"  # whole, in its own shape
    assert Image.open(io.BytesIO(base64.b64decode(image.source.partition(",")[2]))).size == size


def test_the_sheet_of_a_gate_says_each_maps_true_ends_and_holds_its_numbers():
    random = np.random.default_rng(0)
    before, gate = random.normal(size=(6, 3, 4)).astype(np.float32), random.random(6, dtype=np.float32)
    after = before * gate[:, None, None]
    chart = channels.reweighted({"Most open": [4, 1], "Most closed": [0, 2]}, before, after, gate)
    said = texts(chart.figure)
    assert len(chart.figure.layout.images) == 4
    for channel in (4, 1, 0, 2):
        assert f"{channel} × {fixed(gate[channel])}" in said
        assert f"channel {channel} × {fixed(gate[channel])}" in chart.alt
        for side, maps in (("before", before), ("after", after)):
            values = maps[channel]
            assert f"{fixed(values.min())}\nto {fixed(values.max())}" in said
            np.testing.assert_array_equal(chart.table[f"channel {channel} {side}"], values.ravel())
