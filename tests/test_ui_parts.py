"""What the pages' parts work out by themselves: which blocks a page of cards has, which picture lies behind a pill."""

import io
import re

import numpy as np
import pytest
from PIL import Image, ImageOps

from attention import images
from attention.ui import gallery, overview, widgets


@pytest.mark.parametrize("most", [overview.MOST_MAPS, overview.MOST_CARDS])
def test_every_block_is_on_one_page_of_cards_and_no_page_has_more_than_fit(monkeypatch, most):
    for count in range(1, 3 * most + 2):
        names, said = [f"b{number}" for number in range(count)], []
        monkeypatch.setattr(overview.st, "caption", said.append)

        def page(number, names=names):
            def chosen(label, first, last, usual, **_):
                assert label == "Cards" and first == usual == 1
                return last if number > last else number

            monkeypatch.setattr(widgets, "choose_number", chosen)
            return list(overview._choose_cards(names, most))

        pages = [page(number) for number in range(1, -(-count // most) + 1)]
        assert [block for blocks in pages for block in blocks] == list(range(count))
        assert [len(blocks) for blocks in pages[:-1]] == [most] * (len(pages) - 1) and len(pages[-1]) <= most
        assert page(99) == pages[-1]
        expected = [f"Blocks {p[0] + 1} to {p[-1] + 1} of {count}: b{p[0]} to b{p[-1]}." for p in pages]
        assert said == ([] if count <= most else [*expected, expected[-1]])


def test_behind_each_pill_lies_the_thumbnail_of_its_own_sample():
    sheet = Image.open(io.BytesIO(images.thumbnails())).convert("RGB")
    style = gallery._style()
    (wide,) = map(int, re.findall(r"background-size: (\d+)px auto", style))
    scale = sheet.width / wide
    moved = re.findall(r"nth-of-type\((\d+)\) \{ background-position: -(\d+)px -(\d+)px", style)
    samples = [small(ImageOps.fit(images.read(each.path.read_bytes()), (64, 48))) for each in images.samples()]
    assert [int(number) for number, _, _ in moved] == list(range(1, len(samples) + 1))
    for place, (_, left, above) in enumerate(moved):
        corner = (int(left) * scale, int(above) * scale)
        size = (gallery.WIDTH * scale, gallery.HEIGHT * scale)
        seen = small(sheet.crop([*map(round, corner), *(round(a + b) for a, b in zip(corner, size, strict=True))]))
        assert int(np.argmin([abs(seen - sample).mean() for sample in samples])) == place


def small(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((16, 12)), float)
