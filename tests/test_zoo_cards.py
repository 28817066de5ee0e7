"""What a card says is what the library says, and the network sees what the library would show it."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torchvision import transforms

from attention import images
from attention.cli import main
from attention.models import own, zoo
from attention.models.libraries import LIBRARIES, PYTORCHCV_ASSUMES
from attention.models.network import on_noise

NAMES = zoo.curated_names()
COUNTED = {"parameters", "gates", "download", "assumed"}
LEVELS = 4
"""Levels of 255: Pillow rounds between its two passes, and on fractions of a pixel the last bit differs."""


def library(name):
    source, _, short = name.partition("/")
    return LIBRARIES[source], short


def test_the_names_on_offer_are_the_own_ones_and_then_each_library_s():
    assert zoo.names() == own.names() + NAMES
    assert set(zoo.curated_entries()) == set(NAMES) and len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_its_library_says_today(name):
    source, short = library(name)
    assert short in source.names()
    told, card = asdict(source.describe(short)), asdict(zoo.card(name))
    assert {key: card[key] for key in told.keys() - COUNTED} == {key: told[key] for key in told.keys() - COUNTED}
    assert set(told["assumed"]) <= set(card["assumed"])
    assert zoo.curated_entries()[name].weights == source.weights(short)
    assert card["download"] > 0 or "no trained weights are published" in card["assumed"]


@pytest.mark.parametrize(
    "name", ["torchvision/mobilenet_v3_small", "timm/test_efficientnet", "pytorchcv/cbam_resnet18"]
)
def test_a_card_is_what_a_fresh_computation_gives(name):
    fresh = zoo.computed_entry(name)
    assert asdict(fresh.card) == asdict(zoo.card(name)) and fresh.weights == zoo.curated_entries()[name].weights


def test_cards_made_anew_are_those_on_offer(tmp_path, monkeypatch):
    """One of weights on a server, one of weights on the hub, and one without weights."""
    made = {"torchvision": "mobilenet_v3_small", "timm": "test_efficientnet", "pytorchcv": "cbam_resnet18"}
    shipped = json.loads(zoo.FILE.read_text(encoding="utf-8"))
    monkeypatch.setattr(zoo, "CURATED", made)
    monkeypatch.setattr(zoo, "FILE", tmp_path / "cards.json")
    said = CliRunner().invoke(main, ["cards"], catch_exceptions=False).output.splitlines()
    names = [f"{source}/{name}" for source, name in made.items()]
    assert json.loads(zoo.FILE.read_text(encoding="utf-8")) == {name: shipped[name] for name in names}
    assert said[0] == "torchvision/mobilenet_v3_small: 2.54 M parameters, 224 px, gates: 9 channel" and len(said) == 3


def test_the_parameters_are_as_many_as_the_libraries_say():
    from pytorchcv.models.common import model_store
    from torchvision import models

    said = {
        f"torchvision/{name}": models.get_model_weights(name).DEFAULT.meta["num_params"]
        for name in models.list_models(module=models)
    }
    said |= {f"pytorchcv/{name}": row[0] for name, row in model_store.get_model_metainfo_dict().items()}
    counted = {name: zoo.card(name).parameters for name in [*NAMES, "torchvision/googlenet"] if name in said}
    assert len(counted) > 30 and counted == {name: said[name] for name in counted}


def test_the_published_numbers_are_those_of_the_papers_tables():
    cards = {name: zoo.card(name) for name in NAMES}
    assert cards["torchvision/resnet50"].accuracy == 0.80858 and cards["torchvision/resnet50"].gates == {}
    assert cards["pytorchcv/cbam_resnet50"].accuracy == 0.7983
    assert cards["pytorchcv/cbam_resnet50"].parameters == 28_089_624
    assert cards["pytorchcv/cbam_resnet50"].gates == {"channel": 16, "spatial": 16}
    assert all(card.accuracy is None for card in cards.values() if card.source == "timm")
    assert cards["timm/seresnet50"].licence == "apache-2.0"


@pytest.fixture(scope="module")
def photo():
    return images.read(images.samples()[0].path.read_bytes())


SIZES = [(640, 480), (333, 517), (1000, 321), (225, 224), (160, 213)]


def differences(name, theirs, photo):
    """Between what the library's own transform makes of a photo in several sizes, and what ours makes, in levels."""
    preprocessing = zoo.preprocessing(zoo.card(name))
    scale = torch.tensor(preprocessing.std)[:, None, None] * 255
    for size in SIZES:
        picture = photo.resize(size)
        yield ((theirs(picture) - preprocessing(picture)) * scale).abs()


def assert_same(name, theirs, photo):
    for levels in differences(name, theirs, photo):
        assert levels.max() <= LEVELS + 0.01 and levels.mean() < 0.2


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("torchvision/")])
def test_the_network_sees_what_torchvision_s_transform_shows_it(name, photo):
    from torchvision import models

    assert_same(name, models.get_model_weights(library(name)[1]).DEFAULT.transforms(), photo)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("timm/")])
def test_the_network_sees_what_timm_s_transform_shows_it(name, photo):
    from timm.data import create_transform, resolve_data_config
    from timm.models import get_pretrained_cfg

    config = resolve_data_config(pretrained_cfg=get_pretrained_cfg(library(name)[1]).to_dict())
    if config["crop_mode"] != "center":
        assert any(said.startswith("the picture's shape") for said in zoo.card(name).assumed)
    assert_same(name, create_transform(**config | {"crop_mode": "center"}), photo)


def test_the_network_sees_what_pytorchcv_measures_with(photo):
    theirs = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    assert_same("pytorchcv/cbam_resnet50", theirs, photo)


def test_a_square_between_the_pixels_would_differ_by_far_more(photo):
    """What the rounding to whole pixels is for."""
    from attention.images import Preprocessing

    card = zoo.card("pytorchcv/cbam_resnet50")
    given = {"crop": card.crop, "mean": (0, 0, 0), "std": (1, 1, 1), "interpolation": card.interpolation}
    exact, snapped = (Preprocessing(card.input_size, whole_pixels=each, **given) for each in (False, True))
    shown = [np.asarray(each.square(photo.resize((640, 427)))).astype(int) for each in (exact, snapped)]
    assert np.abs(shown[0] - shown[1]).max() > 50


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet50", r"'resnet50'; near it are torchvision/resnet50, timm/resnet50, pytorchcv/resnet50"),
        ("timm/seresnet5O", r"near it are timm/seresnet50"),
        ("pytorchcv/resnet20_cifar10", r"no classifier .*near it are pytorchcv/resnet"),
        ("torchvision/fasterrcnn_resnet50_fpn", r"no classifier .*there are torchvision/alexnet"),
        ("keras/resnet50", r"near it are torchvision/resnet50"),
        ("", r"there are plain, se, cbam"),
        ("timm/vit_base_patch16_sapiens2", r"gives features and no classes"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_what_can(name, said):
    with pytest.raises(zoo.ZooError, match=said) as caught:
        zoo.card(name)
    assert "\n" not in str(caught.value) and str(caught.value).endswith((".", "classes; only classifiers are allowed."))


@pytest.mark.parametrize("shape", [(3, 224, 160), (1, 224, 224)])
def test_pictures_that_are_not_square_or_not_in_colour_are_refused(shape):
    from attention.models.libraries import square_side

    with pytest.raises(zoo.ZooError, match="3 channels and square pictures are allowed"):
        square_side("a network", shape)


def test_a_network_that_gives_no_score_for_each_class_is_refused():
    card = zoo.card("timm/test_resnet")
    with pytest.raises(zoo.ZooError, match=r"^timm/test_resnet does not answer with one score for each class; only"):
        on_noise(torch.nn.Conv2d(3, 1, 1), card)


def test_what_a_library_cannot_build_is_a_sentence_with_its_reason(monkeypatch):
    def fail(name):
        raise ImportError(f"{name} needs einops")

    monkeypatch.setattr("timm.create_model", fail)
    with pytest.raises(zoo.ZooError, match=r"^timm/test_vit2 cannot be built here: ImportError: test_vit2 needs"):
        zoo.card("timm/test_vit2")


def test_what_pytorchcv_does_not_say_of_a_network_is_assumed_and_said():
    source = LIBRARIES["pytorchcv"]
    assert any("this network's is another one" in each for each in source.describe("efficientnet_b0c").assumed)
    card = source.describe("resneta10")
    assert (card.input_size, card.crop) == (224, 0.875)
    assert any("224 px and 0.875, the most common" in each for each in card.assumed)
    assert source.describe("resnet10").assumed == PYTORCHCV_ASSUMES


def test_classes_that_timm_has_no_words_for_are_numbered():
    words = LIBRARIES["timm"].labels("convnext_base.clip_laion2b")
    assert words == tuple(f"class {number}" for number in range(640))


def test_any_other_classifier_is_carded_when_it_is_asked_for():
    card = zoo.card("timm/test_vit")
    assert card.parameters > 0 and card.gates is not None and zoo.card("timm/test_vit") is card
    tagged = zoo.card("timm/test_resnet.r160_in1k")
    assert tagged.parameters == zoo.card("timm/test_resnet").parameters
