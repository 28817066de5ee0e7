"""What the network sees of a picture, and the pictures that come with the project."""

import json
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torchvision.transforms import CenterCrop

from attention import analysis, images, labels
from attention.images import PictureError, Preprocessing, read
from attention.models import zoo
from attention.observe import observe, read_picture
from attention.records import GatescopeError
from tests import pictures

LICENCES = {"Public domain", "CC0 1.0", "CC BY 2.0"}
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return pictures.photo()


@pytest.mark.parametrize("size", [1, 2, images.LARGEST_SIDE - 1, images.LARGEST_SIDE])
def test_an_image_size_is_allowed_up_to_its_bounds(size):
    assert images.parse_size(str(size)) == size and images.parse_size(f"{size}x7") == (size, 7)
    assert images.parse_size(f"7x{size}") == (7, size)
    for beyond in (0, images.LARGEST_SIDE + 1):
        for text in (str(beyond), f"{beyond}x7", f"7x{beyond}"):
            with pytest.raises(PictureError, match=f"1 to {images.LARGEST_SIDE} pixels"):
                images.parse_size(text)


sizes = st.tuples(st.integers(1, 400), st.integers(1, 400))
crops = st.floats(0.05, 1)


@given(sizes, crops)
def test_the_box_is_a_central_square_inside_the_picture(size: tuple[int, int], crop: float) -> None:
    left, top, right, bottom = Preprocessing(9, crop=crop, mean=MEAN, std=STD).box(size)
    assert right - left == pytest.approx(bottom - top) == pytest.approx(crop * min(size))
    assert left + right == pytest.approx(size[0])
    assert top + bottom == pytest.approx(size[1])
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]


@pytest.mark.parametrize("over", range(10))
def test_a_crop_of_whole_pixels_begins_where_torchvisions_does(over: int) -> None:
    rows = np.arange(24 + over, dtype=np.uint8)[:, None] * np.ones((1, 24), np.uint8)
    first = int(np.asarray(CenterCrop(24)(Image.fromarray(rows)))[0, 0])
    seen = Preprocessing(24, mean=MEAN, std=STD, whole_pixels=True).box((24, 24 + over))
    assert seen == (0, first, 24, first + 24)


@pytest.mark.parametrize(("size", "crop"), [((96, 64), 1.0), ((64, 96), 0.5), ((80, 80), 0.75), ((96, 64), 0.25)])
def test_the_tensor_equals_a_crop_a_resize_and_plain_arithmetic(photo: Image.Image, size, crop: float) -> None:
    picture = photo.resize(size)
    side = int(min(size) * crop)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    square = picture.crop((left, top, left + side, top + side)).resize((24, 24), Image.Resampling.BICUBIC)
    expected = np.zeros((3, 24, 24))
    for channel in range(3):
        expected[channel] = (np.asarray(square)[:, :, channel] / 255 - MEAN[channel]) / STD[channel]
    tensor = Preprocessing(24, crop=crop, mean=MEAN, std=STD)(picture)
    assert tensor.is_contiguous()
    assert str(tensor.dtype) == "torch.float32"
    levels = np.abs(tensor.numpy() - expected) * np.reshape(STD, (3, 1, 1)) * 255
    edge = 4 if crop < 1 else 0  # there the filter sees past the box, but not past a crop that was cut out
    assert levels[:, edge : 24 - edge, edge : 24 - edge].max() < 1.01


def test_the_square_is_what_the_tensor_shows_and_agrees_with_pillow_s_own_fit(photo: Image.Image) -> None:
    preprocessing = Preprocessing(32, mean=(0, 0, 0), std=(1, 1, 1))
    square = preprocessing.square(photo)
    assert (np.asarray(square) == np.asarray(ImageOps.fit(photo, (32, 32), Image.Resampling.BICUBIC))).all()
    shown = preprocessing(photo).numpy().transpose(1, 2, 0) * 255
    assert np.abs(shown - np.asarray(square)).max() < 1e-3


@given(sizes, crops, st.tuples(st.integers(1, 40), st.integers(1, 40)), st.booleans())
def test_the_box_of_another_shape_is_central_inside_and_of_that_shape(size, crop, shape, whole) -> None:
    left, top, right, bottom = Preprocessing(shape, crop=crop, mean=MEAN, std=STD, whole_pixels=whole).box(size)
    assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
    if not whole:
        assert (right - left) * shape[0] == pytest.approx((bottom - top) * shape[1])
        assert (left + right, top + bottom) == pytest.approx(size)
        assert max((right - left) / size[0], (bottom - top) / size[1]) == pytest.approx(crop)


def test_a_network_that_is_not_square_sees_a_crop_of_its_shape(photo: Image.Image) -> None:
    picture = photo.resize((96, 64))
    cut = picture.crop((32, 0, 64, 64)).resize((16, 32), Image.Resampling.BICUBIC)
    seen = Preprocessing((32, 16), mean=(0, 0, 0), std=(1, 1, 1))
    assert seen(picture).shape == (3, 32, 16) and seen.shape == (1, 3, 32, 16)
    assert np.abs(np.asarray(seen.square(picture), float) - np.asarray(cut, float))[:, 2:-2].max() < 1.01


def test_each_channel_reads_its_band_with_its_mean_and_deviation(photo: Image.Image) -> None:
    colours = np.asarray(Preprocessing(24, mean=MEAN, std=STD).square(photo), float) / 255
    levels = np.asarray(Preprocessing(24, mean=MEAN, std=STD).square(photo).convert("L"), float) / 255
    tensor = Preprocessing(24, mean=MEAN, std=STD, bands=("blue", "grey", "red", "grey"))(photo).numpy()
    grey = (levels - sum(MEAN) / 3) / (sum(STD) / 3)
    expected = [(colours[..., 2] - MEAN[2]) / STD[2], grey, (colours[..., 0] - MEAN[0]) / STD[0], grey]
    assert np.allclose(tensor, expected, atol=1e-5)
    shown = Preprocessing(24, mean=MEAN, std=STD, bands=("grey",))
    assert np.allclose(shown(photo).numpy(), [grey], atol=1e-5)
    assert (np.ptp(np.asarray(shown.square(photo)), axis=2) == 0).all()


def test_sizes_are_read_from_words() -> None:
    assert images.parse_size("224") == 224 and images.parse_size(" 256 × 128") == (256, 128) == images.parse_size(
        "256x128"
    )
    assert images.size_in_words(224) == "224 × 224" and images.parse_size(images.size_in_words((2, 3))) == (2, 3)
    for wrong in ("", "0", "-3", "2000", "1x2x3", "9x0"):
        with pytest.raises(PictureError, match="as in 256x128"):
            images.parse_size(wrong)
    with pytest.raises(GatescopeError, match="The bands are none"):
        Preprocessing(8, mean=MEAN, std=STD, bands=())


def test_preprocessing_refuses_what_it_cannot_do(photo: Image.Image) -> None:
    for size, crop in ((0, 1.0), (8, 0.0), (8, 1.5)):
        with pytest.raises(GatescopeError, match="allowed"):
            Preprocessing(size, crop=crop, mean=MEAN, std=STD)
    with pytest.raises(PictureError, match="mode is L"):
        Preprocessing(8, mean=MEAN, std=STD)(photo.convert("L"))


def test_every_sample_is_a_small_picture_with_an_author_a_source_and_a_free_licence() -> None:
    samples = images.samples()
    assert len(samples) >= 20
    assert len({sample.name for sample in samples}) == len({sample.title for sample in samples}) == len(samples)
    for sample in samples:
        assert sample.licence in LICENCES, sample
        assert all((sample.title, sample.author, sample.source, sample.changes)), sample
        assert max(read(sample.path.read_bytes()).size) <= 640, sample
    widths, heights = np.transpose([read(sample.path.read_bytes()).size for sample in samples])
    assert (widths > heights).any()
    assert (widths < heights).any()


def test_every_file_among_the_samples_is_listed_and_all_are_small() -> None:
    folder = images.ASSETS / "samples"
    files = {path.name for path in folder.iterdir()} - {"samples.json", "LICENCES.md"}
    assert files == set(json.loads((folder / "samples.json").read_text(encoding="utf-8")))
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000
    notes = (folder / "LICENCES.md").read_text(encoding="utf-8")
    assert all(sample.licence in notes for sample in images.samples())


def test_what_is_right_to_say_of_a_sample_is_a_class_of_imagenet_and_whether_b0_says_it_is_as_the_list_has_it() -> None:
    network, known = zoo.load("efficientnet-b0"), set(labels.imagenet().values())
    for sample in images.samples():
        observation = observe(network, read_picture(sample.path))
        guess, _ = analysis.top(observation.probabilities, observation.labels, 1)[0]
        assert set(sample.shows) <= known, sample
        assert sample.named == (guess in sample.shows), (sample, guess)
    assert any(not sample.shows for sample in images.samples())


def test_each_thumbnail_is_more_like_its_own_sample_than_like_any_other() -> None:
    width, height = images.THUMBNAIL
    sheet = Image.open(BytesIO(images.thumbnails())).convert("RGB")
    samples = images.samples()
    assert sheet.size == (images.ACROSS * width, -(-len(samples) // images.ACROSS) * height)
    small = [np.asarray(ImageOps.fit(read(each.path.read_bytes()), (width, height)), float) for each in samples]
    for number in range(len(samples)):
        left, above = number % images.ACROSS * width, number // images.ACROSS * height
        cut = np.asarray(sheet.crop((left, above, left + width, above + height)), float)
        assert np.argmin([np.abs(cut - each).mean() for each in small]) == number, samples[number]
