"""One recipe, and runs that go on to the same result."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from attention import distillation, images, training
from attention.distillation import DistillationRecipe
from attention.models import own
from attention.records import GatescopeError
from attention.training import Pictures, Recipe

TINY = Recipe(phases=((32, 1), (48, 1)), batch_size=4)


@pytest.fixture
def pictures() -> Pictures:
    random = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (10, 3, 64, 64), dtype=torch.uint8, generator=random)
    return Pictures(pixels, torch.arange(10) % 2, ["cat", "dog"])


def test_the_rate_rises_to_its_peak_and_falls_to_zero_in_straight_lines():
    rates = np.array([training.learning_rate(step, 100, TINY) for step in range(100)])
    assert rates.argmax() == 9 or rates.argmax() == 10
    assert rates.max() == pytest.approx(TINY.peak_rate)
    assert np.allclose(np.diff(rates[:10], 2), 0) and np.allclose(np.diff(rates[10:], 2), 0)
    assert 0 < rates[-1] <= TINY.peak_rate / 90


def test_a_network_without_a_recipe_is_refused(tmp_path, pictures):
    with pytest.raises(
        GatescopeError, match="no recipe for 'efficientnet-b0'; there is one for plain, se, cbam, se-re"
    ):
        training.train("efficientnet-b0", pictures, tmp_path / "run.pt", TINY)


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path, pictures, capsys):
    straight = training.train("se", pictures, tmp_path / "straight.pt", TINY)
    epochs = len(TINY.sizes)
    said = capsys.readouterr().out
    assert [f"epoch {number}/{epochs}" in said for number in range(epochs + 2)] == [False, *[True] * epochs, False]
    stopped = tmp_path / "stopped.pt"
    stop_after_one_epoch(pictures, stopped)
    resumed = training.train("se", pictures, stopped, TINY)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


class StoppedError(Exception):
    """In place of a kill: raised when the first epoch is reported, right after its checkpoint was written."""


def stop_after_one_epoch(pictures: Pictures, checkpoint: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.click, "echo", Mock(side_effect=StoppedError))
        with pytest.raises(StoppedError):
            training.train("se", pictures, checkpoint, TINY)
    assert torch.load(checkpoint, weights_only=True)["epochs"] == 1


def test_the_seed_decides_the_weights(tmp_path, pictures):
    runs = [
        training.train("cbam", pictures, tmp_path / f"{number}.pt", replace(TINY, seed=seed)).state_dict()
        for number, seed in enumerate((1, 1, 2))
    ]
    same, other = ([torch.equal(runs[0][name], run[name]) for name in run] for run in runs[1:])
    assert all(same) and not all(other)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path, pictures):
    training.train("se", pictures, tmp_path / "run.pt", TINY)
    with pytest.raises(GatescopeError, match="another run"):
        training.train("se", pictures, tmp_path / "run.pt", replace(TINY, seed=2))
    with pytest.raises(GatescopeError, match="another run"):
        training.train("plain", pictures, tmp_path / "run.pt", TINY)


def test_an_unfinished_run_is_not_exported(tmp_path, pictures):
    stop_after_one_epoch(pictures, tmp_path / "run.pt")
    with pytest.raises(GatescopeError, match="after 1 of 2 epochs"):
        training.export("se", tmp_path / "run.pt", "noise", 64)


def test_an_epoch_sees_every_picture_at_most_once_and_its_classes_stay_with_them(pictures):
    grey = replace_pixels(pictures)
    batches = list(training.batches(grey, replace(TINY, jitter=0.0, mixup=0.0), epoch=0))
    assert [batch.shape for batch, _ in batches] == [(4, 3, 32, 32)] * 2
    values = torch.cat([batch[:, 0, 0, 0] for batch, _ in batches])
    rows = ((values * images.IMAGENET_STD[0] + images.IMAGENET_MEAN[0]) * 255 / 20).round().long()
    assert len(set(rows.tolist())) == 8
    assert torch.equal(torch.cat([shares for _, shares in batches]).argmax(1), pictures.classes[rows])


def test_a_mixture_holds_as_much_of_a_class_as_of_its_picture():
    batch, shares = torch.randn(4, 3, 8, 8), torch.eye(4)
    mixed, mixed_shares = training._mixed(batch, shares, replace(TINY, mixup=1.0), np.random.default_rng(5))
    assert torch.allclose(mixed, torch.einsum("nk,kchw->nchw", mixed_shares, batch), atol=1e-6)
    assert torch.allclose(mixed_shares.sum(1), torch.ones(4))
    assert ((mixed_shares.diagonal() >= 0.5) & (mixed_shares.diagonal() < 1)).all()


def replace_pixels(pictures: Pictures) -> Pictures:
    """The same pictures, each of one grey level, 20 times its row."""
    levels = (torch.arange(10, dtype=torch.uint8) * 20).view(-1, 1, 1, 1)
    return pictures._replace(pixels=levels.expand_as(pictures.pixels).contiguous())


def test_pictures_are_read_in_the_order_of_their_class_folders(tmp_path):
    for name, level in (("b", 200), ("a", 100)):
        (tmp_path / name).mkdir()
        Image.new("RGB", (80, 60), (level, 0, 0)).save(tmp_path / name / "one.png")
    read = training.load_pictures(tmp_path, size=32)
    assert read.names == ["a", "b"] and read.classes.tolist() == [0, 1]
    assert read.pixels.shape == (2, 3, 32, 32) and read.pixels[:, 0, 0, 0].tolist() == [100, 200]


def test_a_folder_without_classes_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(GatescopeError, match="no class folders"):
            training.load_pictures(folder)


@pytest.mark.parametrize("name", [name for name in own.NAMES if name != distillation.TEACHER])
def test_the_recipe_that_stands_in_the_code_is_that_of_the_network_that_comes_along(name):
    """What was added to a recipe since must be what its card says elsewhere."""
    card = own.card(name)
    code = DistillationRecipe() if name == distillation.NAME else Recipe()
    recipe = json.loads(json.dumps(asdict(code)))
    assert recipe | card.training["recipe"] == recipe
    assert recipe.keys() - card.training["recipe"].keys() <= {"interpolation"}
    assert recipe["interpolation"] == card.interpolation and recipe["seed"] == card.training["seed"]
    assert card.training.get("epochs", len(code.sizes)) == sum(count for _, count in code.phases)
