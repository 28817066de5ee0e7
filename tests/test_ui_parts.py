"""What the pages' parts work out by themselves: which blocks a page of cards has, which picture lies behind a pill."""

import io
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageOps

from attention import images
from attention.survey.result import Failure
from attention.ui import gallery, jobs, overview, usual, widgets
from attention.ui.intervene import controls
from attention.ui.survey import loading


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
    style = gallery._style.__wrapped__()  # as it is made anew, whatever other tests let it keep
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


def test_whose_each_sample_is_stands_below_it():
    for sample in images.samples():
        said = gallery.describe(sample.title).replace("\\", "")
        assert (
            said.startswith(f"By {sample.author} ({sample.licence}), ") and sample.changes.replace("none", "") in said
        )


def small(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((16, 12)), float)


class Page:
    """What a part of a page writes, in order, by the call that writes it; nothing is drawn."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple, dict]] = []

    def __getattr__(self, name):
        return lambda *given, **settings: self.calls.append((name, given, settings))

    def columns(self, count, **_):
        return [self] * (count if isinstance(count, int) else len(count))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def of(self, name):
        return [given for call, given, _ in self.calls if call == name]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9])
def test_pictures_that_could_not_be_used_are_counted_and_the_first_are_named(monkeypatch, count):
    page, failures = Page(), [Failure(f"{number}.png", f"why {number}") for number in range(count)]
    monkeypatch.setattr(loading, "st", page)
    monkeypatch.setattr(loading, "MOST_FAILURES", 3)
    loading._draw_facts(SimpleNamespace(result=SimpleNamespace(provenance={"a": 1}, failures=failures)))
    facts, *listed = page.of("dataframe")
    assert facts == ({"fact": ["a"], "value": ["1"]},)
    if not count:
        assert not listed and not page.of("markdown")
        return
    named = range(min(count, 3))
    columns = {"picture": [f"{n}.png" for n in named], "why": [f"why {n}" for n in named]}
    assert listed == [(columns,)]
    assert page.of("markdown") == [(f"{count} picture{'s' * (count > 1)} could not be used:",)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9])
def test_the_first_edits_are_listed_and_the_others_counted(monkeypatch, count):
    page, listed = Page(), []
    monkeypatch.setattr(controls, "st", page)
    monkeypatch.setattr(controls, "MOST_LISTED", 3)
    monkeypatch.setattr(controls, "_draw_edit", lambda session, number, edit: listed.append((number, edit)))
    monkeypatch.setattr(controls, "_export", lambda session: None)
    monkeypatch.setattr(controls, "_import", lambda session: None)
    controls.draw_all_edits(SimpleNamespace(history=SimpleNamespace(now=[f"edit {n}" for n in range(count)])))
    assert listed == [(number, f"edit {number}") for number in range(min(count, 3))]
    more = [(f"And {count - 3} more; the export has all of them.",)] * (count > 3)
    assert page.of("caption") == more
    assert (("No edit stands.",) in page.of("markdown")) is (count == 0)


def test_how_far_a_survey_is_is_said_from_its_start_on():
    running = loading._RunningSurvey(None, SimpleNamespace(title="SE"), range(7), "my pictures")
    assert running.describe(None) == (0, "SE over my pictures: 0 of 7 pictures")
    progress = SimpleNamespace(done=3, total=4)
    assert running.describe(progress)[0] == 0.75


@pytest.mark.parametrize(("over", "at_once"), [(-1, True), (0, True), (1, False)])
def test_what_is_usual_is_learned_unasked_up_to_a_bound_of_all_passes(monkeypatch, over, at_once):
    """One pass for each sample, and one for the grey card."""
    passes = len(images.samples()) + 1
    monkeypatch.setattr(usual, "AT_ONCE", 1000 * passes)
    network = SimpleNamespace(macs=1000 + over)
    seen = SimpleNamespace(inventory=SimpleNamespace(network=network), has_usual_gates=False, against_usual={"view": 1})
    assert usual.find(seen, make=True) == ({"view": 1} if at_once else {})
    assert usual.find(seen) == {}
    seen.has_usual_gates = True
    assert usual.find(seen) == {"view": 1}


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


@pytest.mark.parametrize("counted", [("pass", "passes"), ("picture", "pictures")])
def test_how_far_a_job_is_runs_from_nothing_to_all_that_it_counts(counted):
    one, several = counted
    assert jobs._count_in_words(counted, None) == (0, "Starting")
    assert jobs._count_in_words(counted, jobs.Count(1, 4)) == (0.25, f"1 of 4 {several}")
    assert jobs._count_in_words(counted, jobs.Count(1, 1)) == (1, f"1 of 1 {one}")


def test_the_key_of_a_widget_means_one_thing_on_all_pages():
    """Streamlit keeps what stands in the address when a page is left, and gives it to the next widget of that key."""
    same = {"block": "the block", "class": "the class", "scale": "of a heatmap", "unit": "a channel of the block"}
    homes: dict[str, set[str]] = {}
    for path in Path(widgets.__file__).parent.rglob("*.py"):
        for key in re.findall(r'\bkey="(\w+)"', path.read_text(encoding="utf-8")):
            homes.setdefault(key, set()).add(path.name)
    assert len(homes) > 50
    assert {key for key, files in homes.items() if len(files) > 1} == same.keys()
