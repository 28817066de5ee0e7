"""Every picture of a stranger comes out upright, in 8-bit RGB."""

import struct
import subprocess
import sys
import threading
import warnings
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFile

from attention import bands, images
from attention.images import Preprocessing
from tests import pictures
from tests.pictures import encode, pixels, png, tiff

LOSSLESS = ("PNG", "BMP", "TIFF")


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return pictures.photo()


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))), st.sampled_from(LOSSLESS))
def test_a_lossless_file_gives_back_the_same_pixels(array: np.ndarray, form: str) -> None:
    assert (pixels(encode(Image.fromarray(array), form)) == array).all()


def test_lossless_webp_and_a_gif_of_few_colours_give_back_the_same_pixels(photo: Image.Image) -> None:
    few = photo.quantize(32).convert("RGB")
    assert (pixels(encode(photo, "WEBP", lossless=True)) == np.asarray(photo)).all()
    assert (pixels(encode(few, "GIF")) == np.asarray(few)).all()


def test_a_jpeg_comes_back_as_plain_pillow_decodes_it(photo: Image.Image) -> None:
    data = encode(photo, "JPEG", quality=90)
    assert (pixels(data) == np.asarray(Image.open(BytesIO(data)))).all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_all_eight_exif_orientations_give_the_same_upright_picture(photo: Image.Image, form: str) -> None:
    turned = {
        1: photo,
        2: photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: photo.transpose(Image.Transpose.ROTATE_180),
        4: photo.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: photo.transpose(Image.Transpose.TRANSPOSE),
        6: photo.transpose(Image.Transpose.ROTATE_90),
        7: photo.transpose(Image.Transpose.TRANSVERSE),
        8: photo.transpose(Image.Transpose.ROTATE_270),
    }
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(form, {})
    for orientation, stored in turned.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        upright = pixels(encode(stored, form, exif=exif, **options))
        assert upright.shape == (64, 96, 3)
        assert np.abs(upright - np.asarray(photo)).max() <= (8 if form == "JPEG" else 0), orientation


@pytest.mark.parametrize(("mode", "form"), [("I;16", "PNG"), ("I;16", "TIFF"), ("I;16B", "TIFF")])
def test_16_bit_grey_equals_its_8_bits_within_one_level(mode: str, form: str) -> None:
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    order = ">u2" if mode == "I;16B" else "<u2"
    picture = Image.frombytes(mode, (16, 16), levels.astype(order).tobytes())
    assert np.abs(pixels(encode(picture, form)) - (levels // 257)[..., None]).max() <= 1


@pytest.mark.parametrize("values", [np.int32([[-500, 0, 500]]), np.float32([[0.25, 0.5, 0.75]])])
def test_32_bit_grey_is_stretched_from_its_minimum_to_its_maximum(values: np.ndarray) -> None:
    assert np.abs(pixels(encode(Image.fromarray(values), "TIFF"))[0, :, 0] - [0, 127, 255]).max() <= 1


def test_a_flat_picture_of_32_bits_is_a_picture_and_one_without_finite_numbers_is_refused() -> None:
    assert np.ptp(pixels(encode(Image.fromarray(np.full((3, 3), 7, np.int32)), "TIFF"))) == 0
    for bad in (np.nan, np.inf):
        with pytest.raises(images.PictureError, match="finite"):
            images.read(encode(Image.fromarray(np.float32([[1, bad, 2]])), "TIFF"))


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_fewer_bits_in_16_are_stretched_over_all_greys_and_said(bits: int) -> None:
    levels = np.linspace(0, 2**bits - 1, 256).round().astype(np.uint16).reshape(16, 16)
    read = images.read(encode(Image.frombytes("I;16", (16, 16), levels.astype("<u2").tobytes()), "PNG"))
    assert np.abs(np.asarray(read)[..., 0].astype(int) - np.arange(256).reshape(16, 16)).max() <= 1
    assert read.info["note"] == ("" if bits == 16 else f"its values are of {bits} bits in 16, and stretched so")


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("form", ["PNG", "<TIFF", ">TIFF"])
@pytest.mark.parametrize("count", [3, 4])
def test_colours_of_fewer_bits_in_16_are_stretched_as_greys_are_and_said(bits: int, form: str, count: int) -> None:
    levels = np.random.default_rng(0).integers(0, 2**bits, (20, 30, 4)).astype(np.uint16)
    levels[0, 0, :3], levels[..., 3] = 2**bits - 1, 65535  # the white of these bits; and nothing is transparent
    if form == "PNG":
        rows = (b"\0" + row.tobytes() for row in levels[..., :count].astype(">u2"))
        data = png(30, 20, b"".join(rows), bits=16, kind=2 if count == 3 else 6)
    else:
        data = tiff(levels[..., :count].astype(f"{form[0]}u2"), further={338: [2]} if count == 4 else {})
    read = images.read(data)
    slow = levels[..., :3].astype(float) * 255 / (2**bits - 1)
    assert np.abs(np.asarray(read) - slow).max() <= 1.01
    assert read.info["note"] == ("" if bits == 16 else f"its values are of {bits} bits in 16, and stretched so")


def test_one_value_that_is_no_number_is_counted() -> None:
    with pytest.raises(images.PictureError, match="1 of the picture's 3 values are no finite numbers"):
        images.read(encode(Image.fromarray(np.float32([[1, np.nan, 2]])), "TIFF"))


@pytest.mark.parametrize("bands", [4, 5, 6])
def test_a_tiff_of_more_bands_shows_its_colours_and_says_what_is_left_aside(bands: int) -> None:
    values = np.arange(4 * 4 * bands, dtype=np.uint8).reshape(4, 4, bands)
    read = images.read(tiff(values))
    assert np.array_equal(np.asarray(read), values[..., :3]) and read.info["note"] == f"its first 3 bands of {bands}"


def test_of_more_bands_in_a_tiff_of_64_bit_places_the_colours_are_shown_and_the_others_counted() -> None:
    values = np.arange(4 * 4 * 4, dtype=np.uint8).reshape(4, 4, 4)
    tags = {256: [4], 257: [4], 258: [8] * 4, 259: [1], 262: [2], 273: [0], 277: [4], 278: [4], 279: [64], 338: [0]}
    behind = 16 + 8 + 20 * len(tags) + 8
    entries = (
        struct.pack("<HHQ8s", tag, 3, len(given), struct.pack(f"<{len(given)}H", *given))
        for tag, given in (tags | {273: [behind]}).items()
    )
    header = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(tags))
    read = images.read(header + b"".join(entries) + bytes(8) + values.tobytes())
    assert np.array_equal(np.asarray(read), values[..., :3]) and read.info["note"] == "its first 3 bands of 4"


def test_a_tiff_that_is_not_read_is_named_for_what_it_is() -> None:
    with pytest.raises(
        images.PictureError, match="a TIFF picture of 3 bands of 64 floating-point bits, or compressed,"
    ):
        images.read(tiff(np.ones((4, 4, 3)), 3))


def test_of_several_pictures_in_a_file_the_first_is_shown_and_the_others_are_counted() -> None:
    first, *others = (Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue"))
    for form in ("TIFF", "GIF"):
        read = images.read(encode(first, form, save_all=True, append_images=others))
        assert np.asarray(read)[0, 0].tolist() == [255, 0, 0] and read.info["note"] == "the first of its 3 pictures"


@pytest.mark.skipif(not images.AVIF, reason="this Pillow was built without AVIF")
def test_avif_is_read_as_browsers_make_it(photo: Image.Image) -> None:
    assert np.abs(pixels(encode(photo, "AVIF", quality=100)) - np.asarray(photo, int)).mean() < 4
    with pytest.raises(images.PictureError, match="AVIF picture that is cut off or damaged"):
        images.read(encode(photo, "AVIF")[:-300])


@given(arrays(np.uint8, (4, 5, 4)), st.sampled_from(["PNG", "WEBP", "TIFF"]))
def test_transparency_shows_white_and_never_the_hidden_colour(array: np.ndarray, form: str) -> None:
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    alpha = array[..., 3:] / 255
    blended = array[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(pixels(encode(Image.fromarray(array), form, **options)) - blended).max() <= 1


def test_grey_with_alpha_and_palettes_with_transparency_show_white_too() -> None:
    grey = Image.fromarray(np.uint8([[[0, 0], [0, 255], [200, 255]]]), "LA")
    assert pixels(encode(grey, "PNG"))[0, :, 0].tolist() == [255, 0, 200]
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    for form in ("PNG", "GIF"):
        assert pixels(encode(palette, form, transparency=0)).tolist() == [[[255] * 3, [0, 0, 255]]]
    assert pixels(encode(palette, "PNG", transparency=bytes([0, 255]))).tolist() == [[[255] * 3, [0, 0, 255]]]


def test_one_bit_grey_palette_and_cmyk_become_rgb(photo: Image.Image) -> None:
    for mode in ("1", "L", "P"):
        stored = photo.convert(mode)
        assert (pixels(encode(stored, "PNG")) == np.asarray(stored.convert("RGB"))).all()
    cmyk = photo.convert("CMYK")
    for form in ("TIFF", "JPEG"):
        difference = pixels(encode(cmyk, form, quality=95)) - np.asarray(photo)
        assert np.abs(difference).mean() < 4


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_only_the_first_frame_counts(form: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("black", "white", "red")]
    options = {"WEBP": {"lossless": True}}.get(form, {})
    data = encode(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert Image.open(BytesIO(data)).n_frames == 3
    assert pixels(data).max() == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 4000)])
def test_extreme_shapes_stay_pictures(size: tuple[int, int]) -> None:
    picture = images.read(encode(Image.new("RGB", size, "teal"), "PNG"))
    assert max(picture.size) == min(max(size), images.MAX_SIDE)
    assert Preprocessing(8, mean=(0, 0, 0), std=(1, 1, 1))(picture).shape == (3, 8, 8)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16", "I", "F"])
def test_a_large_picture_of_any_mode_is_scaled_down_as_its_rgb_is(mode: str) -> None:
    ramp = Image.linear_gradient("L").rotate(90).resize((3300, 20))
    stored = Image.fromarray(np.asarray(ramp).astype(np.uint16) * 257) if mode == "I;16" else ramp.convert(mode)
    kept = pixels(encode(stored, "TIFF" if mode in ("CMYK", "I", "F") else "PNG"))
    slow = ramp.convert("RGB").resize((1600, 10), Image.Resampling.BICUBIC)
    assert kept.shape == (10, 1600, 3)
    assert np.abs(kept - np.asarray(slow)).mean() < (80 if mode == "1" else 3)


def test_a_large_photo_is_kept_at_the_longest_side_allowed_and_in_its_proportions() -> None:
    y, x = np.mgrid[:2400, :3200]
    large = Image.fromarray(np.stack([x // 13, y // 10, (x + y) // 23], -1).astype(np.uint8))
    slow = np.asarray(large.resize((1600, 1200), Image.Resampling.BICUBIC)).astype(int)
    for form in ("JPEG", "PNG"):
        kept = pixels(encode(large, form))
        assert kept.shape == (1200, 1600, 3)
        assert np.abs(kept - slow).mean() < 2


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "P"])
@pytest.mark.parametrize("size", [(2100, 1900), (3000, 40), (40, 3000)])
def test_strip_by_strip_is_the_whole_at_once(mode: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), np.uint8)
    stored = Image.fromarray(noise[..., 0].astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(noise)
    data = encode(stored if mode in ("I;16", "RGBA") else stored.convert("RGB").convert(mode), "PNG")
    monkeypatch.setattr(bands, "STRIP", 10**9)
    whole = pixels(data)
    monkeypatch.setattr(bands, "STRIP", 20_000)
    assert np.abs(pixels(data) - whole).max() <= 1


def test_a_renamed_picture_is_read_by_its_content(photo: Image.Image, tmp_path) -> None:
    path = tmp_path / "really-a-png.jpg"
    path.write_bytes(encode(photo, "PNG"))
    assert (pixels(path.read_bytes()) == np.asarray(photo)).all()


def test_threads_read_side_by_side_and_leave_the_warning_filters_alone(photo: Image.Image) -> None:
    data, before, results = encode(photo, "PNG"), list(warnings.filters), []
    threads = [threading.Thread(target=lambda: results.append(pixels(data))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all((result == np.asarray(photo)).all() for result in results)
    assert warnings.filters == before


def test_pictures_are_read_without_loading_torch() -> None:
    script = "import sys; from attention import images; images.read(images.samples()[0].path.read_bytes());"
    script += "print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=images.ASSETS.parent)
    assert (run.stdout.strip(), run.returncode) == ("False", 0), run.stderr


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded, load = [], ImageFile.ImageFile.load

    def record(picture: ImageFile.ImageFile) -> object:
        decoded.append(picture.size)
        return load(picture)

    monkeypatch.setattr(ImageFile.ImageFile, "load", record)
    assert images.read(encode(Image.new("RGB", (6400, 4800)), "JPEG")).size == (1600, 1200)
    assert set(decoded) == {(1600, 1200)}


def test_a_phones_heic_is_read_upright_and_small():
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8)).resize((2400, 1800), Image.Resampling.NEAREST)
    file = BytesIO()
    picture.save(file, "HEIF", quality=90)
    shown = images.read(file.getvalue())
    assert shown.mode == "RGB" and shown.size == (1600, 1200)
    small, wanted = (np.asarray(each.resize((8, 6), Image.Resampling.BOX), float) for each in (shown, picture))
    assert np.abs(small - wanted).max() < 20


@pytest.mark.parametrize(("low", "high"), [(-100, 98), (-128, 127)])
def test_a_tiff_of_signed_bytes_is_stretched_from_its_least_value_and_says_so(low, high):
    values = np.linspace(low, high, 12 * 10).round().astype(np.int8).reshape(12, 10, 1)
    picture = images.read(pictures.tiff(values, 2))
    greys = np.array(picture)[..., 0].astype(int)
    assert (greys[0, 0], greys[-1, -1]) == (0, 255)
    np.testing.assert_allclose(greys, (values[..., 0].astype(int) - low) * 255 / (high - low), atol=0.51)
    assert picture.info["note"] == f"its values of −{-low} to {high} are stretched over all greys"
