"""A weight file that a person brings becomes a network of the zoo, and says what was found and what is assumed."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as save_safetensors

from attention import capture
from attention.images import Preprocessing
from attention.models import families, network, own, recognise, weight_files, zoo
from attention.models import published as layouts
from attention.records import GatescopeError
from tests import attacks, published

STATE = published.cbam_resnet(classes=3).state_dict()
DATA = attacks.saved({"state_dict": {f"module.{key}": value for key, value in STATE.items()}, "epoch": 9})


def test_a_path_and_its_bytes_give_the_same_network(tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes(DATA)
    by_path, by_bytes = zoo.load(path), weight_files.assemble(weight_files.opened(DATA, "folder/mine.pth"))
    assert vars(by_path.card) == vars(by_bytes.card)
    picture = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        expected = published.cbam_resnet(classes=3).eval()
        expected.load_state_dict(STATE)
        for network in (by_path, by_bytes):
            assert torch.allclose(network.module(picture), expected(picture), rtol=1e-4, atol=1e-5)
            assert not network.module.training


def test_its_card_says_what_was_found_counted_and_assumed():
    file = weight_files.opened(DATA, "mine.pth")
    card = weight_files.assemble(file).card
    assert (card.name, card.title, card.source, card.accuracy) == ("mine.pth", "mine.pth", "file", None)
    assert card.sha256 == hashlib.sha256(DATA).hexdigest()
    assert card.parameters == sum(value.numel() for key, value in STATE.items() if _is_parameter(key))
    assert card.gates == {"channel": 4, "spatial": 4}
    assert card.labels == ("class 0", "class 1", "class 2")
    assert file.architecture.family in card.description
    assert file.notes == ("the weights under 'state_dict'", "'module.' taken off every key")
    assert all(phrase in card.description for phrase in file.architecture.evidence + file.notes)
    assert card.assumed == (
        "pictures of 224 px",
        "the central 87.5% of a picture",
        "bilinear interpolation",
        "ImageNet's mean and standard deviation",
    )


def _is_parameter(key):
    return not key.endswith(("running_mean", "running_var", "num_batches_tracked"))


def test_what_a_person_says_takes_the_place_of_what_is_assumed():
    seen = Preprocessing(96, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), whole_pixels=True)
    network = weight_files.assemble(weight_files.opened(DATA, "mine.pth"), seen=seen, labels=("cat", "dog", "cow"))
    assert network.labels == ("cat", "dog", "cow") and network.card.assumed == ()
    assert network.transform == seen
    trace = capture.trace(network.module, torch.zeros(1, 3, 96, 96))
    assert trace.gates[0].feature_shape[-2:] == (24, 24)


@pytest.mark.parametrize(
    ("part", "value", "unsaid"),
    [("size", 96, "px"), ("mean", (0.5, 0.5, 0.5), "mean"), ("std", (0.5, 0.5, 0.5), "deviation")],
)
def test_what_a_person_does_not_say_stays_assumed(part, value, unsaid):
    file = weight_files.opened(DATA, "mine.pth")
    assumed = weight_files.assemble(file, seen=replace(weight_files.USUAL, **{part: value})).card.assumed
    rest = {"px", "mean", "deviation"} - {unsaid}
    assert "the central 87.5% of a picture" in assumed and unsaid not in " ".join(assumed)
    assert all(word in " ".join(assumed) for word in rest)


@pytest.mark.parametrize("name", own.NAMES)
def test_the_projects_own_weights_see_pictures_as_they_were_trained(name):
    card, known = zoo.load(own.weights_file(name)).card, zoo.card(name)
    fields = ("input_size", "mean", "std", "crop", "interpolation")
    assert [getattr(card, field) for field in fields] == [getattr(known, field) for field in fields]
    assert f"pictures of {known.input_size} px" in card.assumed


def test_a_thousand_classes_have_imagenets_names_and_that_is_said():
    data = save_safetensors(published.se_resnet(bottleneck=False, classes=1000).state_dict())
    card = weight_files.assemble(weight_files.opened(data, "se.safetensors")).card
    assert card.labels[:2] == ("tench", "goldfish") and len(card.labels) == 1000
    assert card.assumed[-1] == weight_files.IMAGENET
    names = [f"class {number}" for number in range(1000)]
    own = weight_files.assemble(weight_files.opened(data, "se.safetensors"), labels=names).card
    assert list(own.labels) == names and weight_files.IMAGENET not in own.assumed


def test_what_was_assumed_of_the_bands_is_not_where_somebody_says_them():
    data = save_safetensors(published.se_resnet(bottleneck=False, classes=10).state_dict())
    card = weight_files.assemble(weight_files.opened(data, "se.safetensors")).card
    assumed = replace(card, assumed=("its size", network.reads(card.bands)))
    said = network.with_bands(assumed, ("blue", "green", "red"))
    assert said.bands == ("blue", "green", "red") and said.assumed == ("its size",)


def test_networks_with_the_same_keys_are_named_and_can_be_chosen():
    from timm import create_model

    data = attacks.saved(create_model("efficientnet_b0", num_classes=2).state_dict())
    file = weight_files.opened(data, "b0.pt")
    (other,) = file.architecture.alternatives
    assert other in weight_files.families()
    assert any(other in phrase for phrase in weight_files.assemble(file).card.assumed)
    chosen = weight_files.opened(data, "b0.pt", family=other)
    assert chosen.architecture.family == other
    assert weight_files.assemble(chosen).card.gates == {"channel": 16}


def test_the_file_of_efficientnet_b0_is_known_by_its_checksum_and_computes_the_same():
    """Its keys are those of two networks that pad differently."""
    data = own.weights_file("efficientnet-b0").read_bytes()
    file, network = weight_files.opened(data, "mine.safetensors"), zoo.load("efficientnet-b0")
    assert file.architecture.family.startswith("EfficientNet-B0, as it comes")
    assert "its checksum is that of a file of this project" in file.notes
    loaded, picture = weight_files.assemble(file), torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        assert torch.equal(loaded.module(picture), network.module(picture))
    assert loaded.labels == network.labels and loaded.transform == network.transform
    again = weight_files.opened(attacks.saved(network.module.state_dict()), "again.pt")
    assert again.architecture.family == "EfficientNet, timm's layout"
    assert again.architecture.alternatives == ("EfficientNet, timm's layout, TensorFlow's padding",)


def test_the_weights_of_an_own_network_are_recognised():
    card = zoo.load(own.weights_file("cbam")).card
    assert card.gates == {"channel": 8, "spatial": 8} and card.parameters == zoo.card("cbam").parameters


def test_what_does_not_go_together_is_refused_in_one_sentence(tmp_path):
    file = weight_files.opened(DATA, "mine.pth")
    with pytest.raises(zoo.ZooError, match=r"2 labels are given, and mine\.pth has 3 classes\."):
        weight_files.assemble(file, labels=("a", "b"))
    with pytest.raises(recognise.RecognitionError, match="are not those of RegNet"):
        weight_files.opened(DATA, "mine.pth", family="RegNet, timm's layout")
    with pytest.raises(zoo.ZooError, match="random ones are allowed for networks by name"):
        zoo.load(tmp_path / "mine.pth", random=True)
    with pytest.raises(GatescopeError, match=r"none\.pt cannot be read: No such file"):
        zoo.load(Path("none.pt"))
    for mean, std in (((0.0,) * 3, (0.0,) * 3), ((float("nan"),) * 3, (1.0,) * 3)):
        with pytest.raises(GatescopeError, match="a deviation above 0, a millionth at least, are allowed"):
            Preprocessing(224, mean=mean, std=std)


def test_a_size_that_a_network_cannot_see_is_refused():
    from pytorchcv.model_provider import get_model

    file = weight_files.opened(attacks.saved(get_model("cbam_resnet18", num_classes=4).state_dict()), "fixed.pth")
    assert weight_files.assemble(file).card.gates == {"channel": 8, "spatial": 8}
    with pytest.raises(zoo.ZooError, match=r"fixed\.pth cannot see pictures of 128 × 128 px .*; try 224\."):
        weight_files.assemble(file, seen=replace(weight_files.USUAL, size=128))


def wide(channels, **sizes):
    """Weights of a network whose first convolution alone makes a gigabyte of a picture, in a file of 22 MB."""
    sizes = {"stages": (1,), "inner": (16,), "outputs": (16,), "groups": 1, "stem_kernel": 7, "classes": 2} | sizes
    residual = families.Residual(bottleneck=False, stem=channels, **sizes)
    network = layouts.ResNet(residual, {"se": lambda outputs: layouts.SE(outputs, 4)})
    return attacks.saved(network.state_dict())


def test_a_small_file_that_names_a_large_network_is_refused_before_it_runs():
    file = weight_files.opened(wide(20_000), "wide.pth")
    sentence = (
        r"One pass of wide\.pth at 224 × 224 px takes 1,003,520,000 bytes for its largest tensor; at most 268,435,456 "
    )
    with pytest.raises(zoo.ZooError, match=sentence):
        weight_files.assemble(file)
    assert weight_files.assemble(file, seen=replace(weight_files.USUAL, size=32)).card.gates == {"channel": 1}


def test_the_other_limits_of_a_network_are_settings_too(monkeypatch):
    file = weight_files.opened(wide(8, classes=50_001), "many.pth")
    with pytest.raises(zoo.ZooError, match=r"many\.pth has 50,001 classes; at most 50,000 are allowed"):
        weight_files.assemble(file)
    file = weight_files.opened(wide(8), "slow.pth")
    assert weight_files.assemble(file).card.gates == {"channel": 1}
    monkeypatch.setenv("GATESCOPE_MAX_MACS", "1000000")
    with pytest.raises(zoo.ZooError, match=r"takes [\d,]+ multiply-accumulates; at most 1,000,000 are allowed"):
        weight_files.assemble(file)


def test_finite_weights_of_endless_scores_are_refused():
    state = {key: -value if key.endswith("running_var") else value for key, value in STATE.items()}
    with pytest.raises(zoo.ZooError, match=r"mine\.pth scores a picture of noise as NaN or infinite"):
        weight_files.assemble(weight_files.opened(attacks.saved(state), "mine.pth"))
