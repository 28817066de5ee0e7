"""What reading a picture takes, measured, and how pictures wait for one another."""

import re
import subprocess
import sys
import threading

import pytest
from PIL import Image

from attention import images
from attention.images import PictureError, read
from attention.limits import Budget
from benchmarks.pictures import encoded
from tests.pictures import encode, png

CEILING = 300
"""MB above the picture's own pixels."""


@pytest.mark.parametrize(
    "kind", ["PNG RGBA", "PNG P transparent", "PNG I;16", "TIFF F", "WEBP RGB", "JPEG progressive"]
)
def test_reading_takes_no_more_than_the_ceiling_above_the_pixels(kind, tmp_path):
    form, mode = ("JPEG progressive", "RGB") if kind == "JPEG progressive" else kind.split(" ", 1)
    (tmp_path / "picture").write_bytes(encoded(form, mode))
    code = "import sys; from pathlib import Path; from benchmarks import pictures; pictures.measure(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path / "picture")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=images.ROOT).stdout
    above = re.fullmatch(r"own +\d+ MB, above them +(\d+) MB, .*: 1600 x 1067\n", said)
    assert above, said
    assert 0 < int(above[1]) <= CEILING


def test_a_side_that_is_too_long_is_refused_before_a_pixel_is_decoded():
    with pytest.raises(PictureError, match=r"has 1 x 50,000,000 pixels; at most 30,000 are allowed on a side"):
        read(png(1, 50_000_000))


def test_what_a_decoder_takes_is_bounded_by_format(monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_DECODER_BYTES", "5000")
    picture = Image.new("RGB", (30, 30))
    assert read(encode(picture, "PNG")).size == read(encode(picture, "JPEG")).size == (30, 30)
    for form, options, taken in (("WEBP", {}, "10,800"), ("JPEG", {"progressive": True}, "5,400")):
        with pytest.raises(PictureError, match=f"from {form} takes {taken} bytes beside them; at most 5,000"):
            read(encode(picture, form, **options))


def test_pictures_are_decoded_side_by_side_up_to_the_budget_and_in_the_order_in_which_they_came():
    budget, order, go = Budget(lambda: 100), [], threading.Event()
    started = [threading.Event() for _ in range(4)]

    def take(number: int, size: int) -> None:
        with budget.taking(size):
            order.append(number)
            started[number].set()
            assert go.wait(60)

    threads = []
    for number, size in enumerate((60, 40, 150, 1)):
        threads.append(threading.Thread(target=take, args=(number, size)))
        threads[-1].start()
        assert started[number].wait(60 if number < 2 else 0.2) == (number < 2)
    go.set()
    for thread in threads:
        thread.join(60)
    assert order == [0, 1, 2, 3]


def test_two_pictures_are_decoded_at_the_same_time(monkeypatch):
    both, upright = threading.Barrier(2), images._upright

    def meet(picture, data):
        both.wait(60)
        return upright(picture, data)

    monkeypatch.setattr(images, "_upright", meet)
    threads = [threading.Thread(target=read, args=(png(1, 1),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not both.broken
