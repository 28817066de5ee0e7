"""What the pages' parts work out by themselves: which blocks a page of cards has, which picture lies behind a pill."""

import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageOps

from attention import images
from attention.ui import gallery, jobs, overview, usual, widgets


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


@pytest.mark.parametrize(("over", "at_once"), [(-1, True), (0, True), (1, False)])
def test_what_is_usual_is_learned_unasked_up_to_a_bound_of_all_passes(monkeypatch, over, at_once):
    """One pass for each sample, and one for the grey card."""
    passes = len(images.samples()) + 1
    monkeypatch.setattr(usual, "AT_ONCE", 1000 * passes)
    network = SimpleNamespace(macs=1000 + over)
    seen = SimpleNamespace(inventory=SimpleNamespace(network=network), usual_known=False, against_usual={"view": 1})
    assert usual.known(seen, make=True) == ({"view": 1} if at_once else {})
    assert usual.known(seen) == {}
    seen.usual_known = True
    assert usual.known(seen) == {"view": 1}


@pytest.mark.parametrize(
    ("passes", "backward", "seconds", "said"),
    [
        (1, 0, 0.99, "1 forward pass, less than a second."),
        (1, 0, 1.0, "1 forward pass, about 1 s on this machine."),
        (3, 4, 0.5, "3 forward passes and 4 backward, about 6 s on this machine."),
        (2, 1, 0.24, "2 forward passes and 1 backward, less than a second."),
        (4000, 0, 1, "4,000 forward passes, about 4,000 s on this machine."),
    ],
)
def test_what_a_job_costs_is_said_with_a_backward_pass_as_two(passes, backward, seconds, said):
    assert jobs.cost(passes, backward, seconds) == said


def test_how_far_a_job_is_runs_from_nothing_to_all_of_its_passes():
    assert jobs._passes(None) == (0, "Starting")
    assert jobs._passes(jobs.PassCount(1, 4)) == (0.25, "1 of 4 passes")
    assert jobs._passes(jobs.PassCount(1, 1)) == (1, "1 of 1 pass")
