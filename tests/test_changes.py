"""Each change does what its sentence says, and nothing to the picture itself."""

import numpy as np
import pytest

from attention import changes
from tests.pictures import photo


def array(picture):
    return np.asarray(picture).astype(int)


def every():
    yield "flip", changes.flip(photo())
    yield "patch", changes.patch(photo(), (10, 10, 30, 30))
    for name, known in changes.STRENGTHS.items():
        yield name, known.change(photo(), known.usual)


@pytest.mark.parametrize(("name", "changed"), list(every()), ids=lambda each: each if isinstance(each, str) else "")
def test_a_changed_copy_has_the_size_of_the_picture_and_other_pixels(name, changed):
    assert changed.size == photo().size and changed.mode == "RGB"
    assert (array(changed) != array(photo())).any()


def test_a_flip_undoes_itself():
    np.testing.assert_array_equal(array(changes.flip(photo())), array(photo())[:, ::-1])
    np.testing.assert_array_equal(array(changes.flip(changes.flip(photo()))), array(photo()))


def test_a_crop_is_the_enlarged_middle():
    cropped, whole = array(changes.crop(photo(), 0.5)), array(photo())
    assert np.abs(cropped[32, 48] - whole[32, 48]).max() <= 2
    assert np.abs(cropped[1, 48] - whole[16, 48]).max() <= 3


def test_a_blur_keeps_the_mean_and_takes_the_contrast():
    noisy = changes.noise(photo(), 40)
    blurred = changes.blur(noisy, 5)
    assert array(blurred).mean() == pytest.approx(array(noisy).mean(), abs=1)
    assert np.diff(array(blurred), axis=1).std() < np.diff(array(noisy), axis=1).std() / 4


def test_noise_has_the_deviation_that_was_asked_for_and_is_the_same_each_time():
    grey = photo().point(lambda value: 128)
    noisy = array(changes.noise(grey, 20))
    assert noisy.std() == pytest.approx(20, rel=0.05) and noisy.mean() == pytest.approx(128, abs=1)
    np.testing.assert_array_equal(noisy, array(changes.noise(grey, 20)))


def test_brightness_is_a_factor_that_ends_at_white():
    whole = array(photo())
    np.testing.assert_allclose(array(changes.brightness(photo(), 0.5)), whole * 0.5, atol=1)
    np.testing.assert_allclose(array(changes.brightness(photo(), 2.0)), np.minimum(whole * 2, 255), atol=1)


def test_a_patch_hides_its_place_and_no_other():
    changed = (array(changes.patch(photo(), (10, 20, 30, 40))) != array(photo())).any(-1)
    rows, columns = np.nonzero(changed)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (10, 20, 29, 39)
