"""Bands by colour, number and name, and TIFF files of many bands, held against the arrays that they were made of."""

import contextlib

import numpy as np
import pytest
from PIL import Image

from attention import bands, images
from attention.images import PictureError, Preprocessing
from attention.limits import Limits
from tests.pictures import encode, photo, tiff

NAMES = ("B2", "B3", "B4", "near infrared", "B11 & <B12>", "")


def made(dtype: str, count: int = 6, high: int = 255) -> np.ndarray:
    return np.random.default_rng(0).integers(0, high, (20, 40, count), endpoint=True).astype(dtype)


def plain(*wanted: str) -> Preprocessing:
    return Preprocessing((20, 40), mean=(0, 0, 0), std=(1, 1, 1), bands=wanted)


def seen(data: bytes, count: int) -> np.ndarray:
    """What a network sees of every band, (H, W, bands), in levels of 0 to 255."""
    tensor = plain(*map(str, range(1, count + 1)))(images.read(data))
    return (tensor * 255).round().numpy().transpose(1, 2, 0).astype(int)


@pytest.mark.parametrize("layout", [{}, {"planar": True}, {"tile": 16}, {"tile": 16, "planar": True}], ids=str)
@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("dtype", ["<u1", "<u2", ">u2", "<i2", "<f4", "<u4"])
def test_every_band_of_every_layout_is_what_was_written(dtype: str, deflated: bool, layout: dict) -> None:
    values = made(dtype)
    number = {"u": 1, "i": 2, "f": 3}[dtype[1]]
    read = seen(tiff(values, number, deflated=deflated, **layout), 6)
    low, high = (0, 1023 if dtype[1:] == "u2" else 255)  # ten bits are the least that 16 are stretched as
    assert np.array_equal(read, ((values.astype(float) - low) * 255 / (high - low) + 1e-4).astype(int))


@pytest.mark.parametrize("count", [2, 3, 5, 40])
def test_other_numbers_of_bands_are_read(count: int) -> None:
    values = made("u2", count, 65535)
    data = tiff(values)
    assert np.abs(seen(data, count) - values / 257).max() <= 1
    shown = np.asarray(images.read(data)).astype(int)
    assert np.abs(shown - (values[..., :3] if count > 2 else values[..., :1]) / 257).max() <= 1


def test_bands_are_named_by_the_file_and_chosen_by_name_number_and_colour() -> None:
    values = made("u1")
    picture = images.read(tiff(values, names=NAMES))
    assert [layer.name for layer in bands.layers_of(picture)] == list(NAMES)
    tensor = plain("NEAR infrared", "b11 & <b12>", "6", "red", "1")(picture).numpy() * 255
    assert np.array_equal(tensor.round().transpose(1, 2, 0), values[..., [3, 4, 5, 0, 0]])
    assert (
        bands.bands_in_words(picture) == "the bands 1 to 6: 1 (B2), 2 (B3), 3 (B4), 4 (near infrared), 5 (B11 & <B12>)"
    )


def test_what_the_file_calls_red_green_and_blue_is_shown_so() -> None:
    values = made("u1", 5)
    picture = images.read(tiff(values, names=("nir", "Blue", "Green", "Red", "x")))
    assert np.array_equal(np.asarray(picture), values[..., [3, 2, 1]])
    assert picture.info["note"] == "its bands 4, 3, 2 of 5"


def test_a_picture_of_colours_has_its_bands_by_number_too() -> None:
    assert plain("3", "2", "1")(photo()).equal(plain("blue", "green", "red")(photo()))
    for wrong in ("4", "0", "infrared", "01"):
        with pytest.raises(PictureError, match=rf"the band '{wrong}', and the picture has red, green, blue \(1 to 3\)"):
            plain(wrong)(photo())


def test_a_changed_picture_has_lost_the_bands_that_were_not_changed_with_it() -> None:
    picture = images.read(tiff(made("u1")))
    with pytest.raises(PictureError, match="reads the band '5', and the picture has red"):
        plain("5")(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))


def test_every_band_is_turned_upright_and_scaled_down_with_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    values = made("u1")
    picture = images.read(tiff(values, further={274: [6]}))
    turned = np.rot90(values, -1)
    assert np.array_equal(np.asarray(picture), turned[..., :3])
    assert np.array_equal(np.asarray(bands.plane(picture, "5")), turned[..., 4])
    monkeypatch.setattr(images, "MAX_SIDE", 10)
    assert {layer.image.size for layer in bands.layers_of(images.read(tiff(values)))} == {(10, 5)}


def test_a_value_that_is_no_number_is_counted() -> None:
    values = made("f4")
    values[3, 4, 5] = np.nan
    with pytest.raises(PictureError, match="1 of the picture's 4,800 values are no finite numbers"):
        images.read(tiff(values, 3))


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"picture_pixels": 700}, "40 x 20 = 800 pixels; at most 700"),
        ({"picture_side": 30}, "at most 30 are allowed on a side"),
        ({"decoder_bytes": 9000}, "so many from TIFF of 6 bands takes 9,600 bytes beside them; at most 9,000"),
    ],
)
def test_what_a_file_of_bands_would_take_is_bounded(limits: dict, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in limits.items():
        monkeypatch.setenv(f"GATESCOPE_MAX_{name.upper()}", str(value))
    assert all(getattr(Limits.of_environment(), name) == value for name, value in limits.items())
    with pytest.raises(PictureError, match=said):
        images.read(tiff(made("u1")))


def test_all_values_of_a_file_of_bands_count_as_the_pixels_of_a_picture_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    with pytest.raises(PictureError, match=r"has 4,800 values in 6 bands; at most 4,000 are allowed\.$"):
        images.read(tiff(made("u1")))


def test_damage_of_a_file_of_bands_is_one_sentence() -> None:
    whole = tiff(made("u2"), tile=16, deflated=True, names=NAMES)
    random = np.random.default_rng(1)
    for _ in range(150):
        hurt = bytearray(whole[: random.integers(9, len(whole))] if random.random() < 0.5 else whole)
        hurt[random.integers(8, min(len(hurt), 400))] = random.integers(256)
        with contextlib.suppress(PictureError):
            images.read(bytes(hurt))


def test_transparency_is_no_band_and_colours_of_16_bits_have_no_note() -> None:
    for mode in ("LA", "RGBA"):
        assert bands.layers_of(images.read(encode(photo().convert(mode), "TIFF"))) == ()
    values = made("u2", 3, 65535)
    read = images.read(tiff(values))
    assert np.abs(np.asarray(read).astype(int) - values // 257).max() <= 1
    assert read.info["note"] == ""


def test_bands_are_read_from_words() -> None:
    assert bands.parse_bands("red grey,grey") == ("red", "grey", "grey")
    assert bands.parse_bands(" 4 3, near  infrared,B8A ") == ("4", "3", "near infrared", "B8A")
    for wrong in ("", " ", ",".join(["1"] * 65), "x" * 61):
        with pytest.raises(PictureError, match="a number from 1 on, or a name that the file gives"):
            bands.parse_bands(wrong)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_white_is_the_last_of_as_few_bits_as_hold_the_highest_value(bits):
    for highest in (2 ** (bits - 2) if bits > 10 else 1, 2**bits - 1):
        assert bands.black_and_white(0, highest, sixteen_bit=True)[:2] == (0, 2**bits - 1)


@pytest.mark.parametrize(("compression", "read"), [(1, True), (6, False), (7, False)])
def test_bands_under_jpeg_old_or_new_are_not_read(compression: int, read: bool) -> None:
    assert bool(bands.tiff(tiff(made("u1"), further={259: [compression]}))) is read
