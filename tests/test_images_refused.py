"""What is no picture, or too large a one, is refused in one sentence and before it can do harm."""

import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from attention import images
from attention.images import PictureError, read
from attention.limits import Limits
from tests.pictures import encode, pixels, png


def bmp(width: int, height: int) -> bytes:
    data = encode(Image.new("RGB", (1, 1)), "BMP")
    return data[:18] + struct.pack("<2i", width, height) + data[26:]


def gif(width: int, height: int) -> bytes:
    return encode(Image.new("L", (1, 1)), "GIF").replace(struct.pack("<2H", 1, 1), struct.pack("<2H", width, height))


def tiff(width: int, height: int) -> bytes:
    data = encode(Image.new("L", (1, 1)), "TIFF")
    for tag, value in ((256, width), (257, height)):
        place = data.index(struct.pack("<H", tag), struct.unpack("<I", data[4:8])[0])
        data = data[:place] + struct.pack("<HHII", tag, 4, 1, value) + data[place + 12 :]
    return data


@pytest.mark.parametrize("make", [png, bmp, gif, tiff])
@pytest.mark.parametrize("size", [(60_000, 60_000), (12_000, 9_000), (10_000, 6_000)])
def test_a_bomb_is_refused_by_its_header_before_any_pixel_is_decoded(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[int, int], bytes], size: tuple[int, int]
) -> None:
    data = make(*size)
    assert len(data) < 1000
    assert pixels(make(1, 1)).shape == (1, 1, 3)
    with monkeypatch.context() as patched:
        patched.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("it was decoded"))
        with pytest.raises(PictureError, match="pixels"):
            read(data)


def test_the_longest_side_and_the_largest_area_are_allowed_and_one_pixel_more_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATESCOPE_MAX_PICTURE_SIDE", "40")
    monkeypatch.setenv("GATESCOPE_MAX_PICTURE_PIXELS", "400")
    for size, allowed in {(40, 10): True, (41, 1): False, (20, 20): True, (21, 20): False}.items():
        data = encode(Image.new("RGB", size), "PNG")
        if allowed:
            assert read(data).size == size
        else:
            with pytest.raises(PictureError, match="pixels"):
                read(data)


def test_more_bytes_than_allowed_are_refused() -> None:
    with pytest.raises(PictureError, match="more than the 20 MiB that are allowed"):
        read(bytes(Limits().picture_bytes + 1))


def test_just_as_many_bytes_as_are_allowed_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(Image.new("RGB", (8, 8)), "PNG")
    monkeypatch.setenv("GATESCOPE_MAX_PICTURE_BYTES", str(len(data)))
    assert read(data).size == (8, 8)
    monkeypatch.setenv("GATESCOPE_MAX_PICTURE_BYTES", str(len(data) - 1))
    with pytest.raises(PictureError, match="more than the"):
        read(data)


def hostile() -> dict[str, bytes]:
    whole = {form: encode(Image.effect_noise((64, 64), 60).convert("RGB"), form) for form in (*images.FORMATS, "PPM")}
    cut = {f"{form} cut off": whole[form][: len(whole[form]) // 2] for form in images.FORMATS}
    return cut | {
        "empty": b"",
        "text renamed to .jpg": b"hello, I am a photo",
        "zeros": bytes(1000),
        "only a JPEG's beginning": b"\xff\xd8\xff\xe0\x00\x10JFIF",
        "0 x 0": png(0, 0),
        "0 x 5": png(0, 5),
        "no pixels": png(5, 5),
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
        "PDF": b"%PDF-1.7\n1 0 obj",
        "HEIC": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
        "a format that Pillow reads and we do not": whole["PPM"],
        "PNG text that unpacks to more than Pillow allows": _text_bomb(),
    }


def _text_bomb() -> bytes:
    chunk = b"Comment\0\0" + zlib.compress(bytes(2**23))
    body = struct.pack(">I", len(chunk)) + b"zTXt" + chunk + struct.pack(">I", zlib.crc32(b"zTXt" + chunk))
    start = png(1, 1)
    return start[:33] + body + start[33:]


@pytest.mark.parametrize("name", hostile())
def test_what_is_no_picture_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(PictureError) as refusal:
        read(hostile()[name])
    message = str(refusal.value)
    assert message[0].isupper()
    assert message.endswith(".")
    assert "\n" not in message
    assert ". " not in message
    assert images.ALLOWED in message or "allowed" in message


@pytest.mark.parametrize(("name", "word"), [("SVG", "SVG"), ("PDF", "PDF"), ("HEIC", "HEIC"), ("empty", "empty")])
def test_the_sentence_names_what_the_file_is(name: str, word: str) -> None:
    with pytest.raises(PictureError, match=word):
        read(hostile()[name])


def is_rgb_or_refused(data: bytes) -> bool:
    try:
        picture = read(data)
    except PictureError:
        return True
    return picture.mode == "RGB" and 0 < max(picture.size) <= images.MAX_SIDE


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"MM\0*", png(2, 2)])
)
def test_any_bytes_give_an_rgb_picture_or_the_package_s_error(tail: bytes, start: bytes) -> None:
    assert is_rgb_or_refused(start + tail)


@given(st.data())
def test_any_damage_to_a_picture_gives_an_rgb_picture_or_the_package_s_error(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(images.FORMATS))
    whole = bytearray(encode(Image.linear_gradient("L").resize((24, 24)).convert("RGB"), form))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6)):
        whole[place] = value
    assert is_rgb_or_refused(bytes(whole))


@pytest.mark.parametrize("error", [struct.error, IndexError, SyntaxError, EOFError, MemoryError, TypeError])
def test_whatever_a_decoder_raises_becomes_the_package_s_error(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(_: ImageFile.ImageFile) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(ImageFile.ImageFile, "load", fail)
        with pytest.raises(PictureError, match="damaged"):
            read(png(1, 1))
