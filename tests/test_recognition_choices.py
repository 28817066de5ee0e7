"""Which family is taken, on what evidence, by whose word; and the sentences where none fits."""

import re

import pytest
import torch

from attention import networks
from attention.models import families, recognise
from attention.records import GatescopeError
from tests import attacks, published


def meta(build):
    with torch.device("meta"):
        return build().state_dict()


def timm_state(name):
    import timm

    return meta(lambda: timm.create_model(name))


def pytorchcv_state(name):
    from pytorchcv.model_provider import get_model

    return meta(lambda: get_model(name))


def torchvision_state(name):
    from torchvision import models

    return meta(lambda: models.get_model(name))


FULL = {
    "torchvision wide_resnet50_2": (torchvision_state, {"depth": 50, "classes": 1000}),
    "torchvision resnext50_32x4d": (torchvision_state, {"depth": 50, "groups": 32}),
    "torchvision resnet152": (torchvision_state, {"depth": 152, "stages": (3, 8, 36, 3)}),
    "torchvision mobilenet_v3_large": (torchvision_state, {"size": "large", "width": 1.0}),
    "torchvision efficientnet_b1": (torchvision_state, {"size": "B1"}),
    "torchvision efficientnet_b2": (torchvision_state, {"size": "B2"}),
    "torchvision efficientnet_b3": (torchvision_state, {"size": "B3"}),
    "torchvision efficientnet_b4": (torchvision_state, {"size": "B4"}),
    "timm seresnet50": (timm_state, {"depth": 50, "reduction": 16}),
    "timm seresnext26d_32x4d": (timm_state, {"depth": 26, "groups": 32}),
    "timm seresnext26t_32x4d": (timm_state, {"depth": 26, "groups": 32}),
    "timm ecaresnet50d": (timm_state, {"depth": 50}),
    "timm legacy_seresnet50": (timm_state, {"depth": 50, "reduction": 16}),
    "timm legacy_seresnext50_32x4d": (timm_state, {"depth": 50, "groups": 32}),
    "timm legacy_senet154": (timm_state, {"depth": 152, "groups": 64}),
    "timm mobilenetv3_large_100": (timm_state, {"size": "large"}),
    "timm efficientnet_b3": (timm_state, {"size": "B3"}),
    "timm regnety_032": (timm_state, {"size": "regnety_032"}),
    "timm regnetx_002": (timm_state, {"size": "regnetx_002"}),
    "pytorchcv resnet10": (pytorchcv_state, {"depth": 10, "block": "basic"}),
    "pytorchcv resnet152": (pytorchcv_state, {"depth": 152}),
    "pytorchcv seresnet50": (pytorchcv_state, {"depth": 50, "reduction": 16}),
    "pytorchcv seresnext50_32x4d": (pytorchcv_state, {"depth": 50, "groups": 32}),
    "pytorchcv resnext101_64x4d": (pytorchcv_state, {"depth": 101, "groups": 64}),
    "pytorchcv cbam_resnet18": (pytorchcv_state, {"depth": 18, "spatial kernel": 7}),
    "pytorchcv bam_resnet50": (pytorchcv_state, {"depth": 50, "reduction": 16}),
}


@pytest.mark.parametrize("name", FULL)
def test_a_network_of_a_zoo_is_recognised_at_its_full_size(name):
    library, architecture = name.split()
    state_of, settings = FULL[name]
    recognised = recognise.recognise(state_of(architecture))
    assert library in recognised.family and settings.items() <= recognised.settings.items()


@pytest.mark.parametrize("size", ["b5", "b6", "b7", "b8"])
def test_the_scales_of_the_largest_efficientnets_are_those_that_timm_builds(size):
    state = timm_state(f"efficientnet_{size}")
    channels = [len(state[f"conv_{end}.weight"]) for end in ("stem", "head")]
    repeats = len({key.split(".")[2] for key in state if key.startswith("blocks.5.")})
    assert list(families.efficientnets(*channels, repeats)) == [size]


def test_the_published_cbam_resnet_50_is_recognised_with_its_evidence():
    state = meta(lambda: published.cbam_resnet((3, 4, 6, 3), classes=1000))
    recognised = recognise.recognise(state)
    assert recognised.family == "CBAM-ResNet, the published code's layout" and recognised.alternatives == ()
    assert recognised.evidence == (
        "layer1.0.cbam.ChannelGate.mlp.1.weight [16, 256]: CBAM's shared MLP",
        "16 bottleneck blocks in stages of 3, 4, 6, 3: 50 layers",
        "reduction 16",
        "spatial kernel 7x7",
        "1,000 classes",
        f"all {len(state)} keys and shapes are those of this network",
    )
    with torch.device("meta"):
        module = recognised.build()
    assert sum(parameter.numel() for parameter in module.parameters()) == 28_089_624


def test_weights_that_two_networks_have_name_the_other():
    state = timm_state("efficientnet_b0")
    recognised = recognise.recognise(state)
    other = "EfficientNet, timm's layout, TensorFlow's padding"
    assert (recognised.family, recognised.alternatives) == ("EfficientNet, timm's layout", (other,))
    assert recognise.recognise(state, family=other).family == other


def test_the_stride_of_a_bottleneck_is_a_choice():
    from pytorchcv.models.resnet import ResBottleneck

    state = pytorchcv_state("resnet50b")
    recognised = recognise.recognise(state)
    other = "ResNet, pytorchcv's layout, stride in the 3x3"
    assert other in recognised.alternatives
    chosen = recognise.recognise(state, family=other)
    with torch.device("meta"):
        blocks = [module for module in chosen.build().modules() if isinstance(module, ResBottleneck)]
    assert {block.conv1.conv.stride for block in blocks} == {(1, 1)}


def test_old_files_may_lack_the_counters_of_training_steps():
    source = networks.build("cbam", 5).eval()
    state = {key: value for key, value in source.state_dict().items() if not key.endswith("num_batches_tracked")}
    recognised = recognise.recognise(state)
    assert "num_batches_tracked, which counts training steps, is missing" in recognised.evidence[-1]
    picture = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(recognise.load(state, recognised)(picture), source(picture))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_become_the_networks(dtype):
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in networks.build("se", 5).state_dict().items()}
    module = recognise.load(state, recognise.recognise(state))
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert torch.equal(module.head[2].weight, state["head.2.weight"].float())


@pytest.mark.parametrize(
    ("key", "kind"), [("head.2.weight", torch.int64), ("stem.1.num_batches_tracked", torch.float32)]
)
def test_whole_numbers_are_no_weights_and_fractions_no_counters(key, kind):
    state = networks.build("se", 5).state_dict()
    state[key] = state[key].to(kind)
    with pytest.raises(recognise.RecognitionError, match=rf"1 of another kind of number \({key}\)"):
        recognise.load(state, recognise.recognise(state))


def changed_state():
    state = networks.build("se", 5).state_dict()
    del state["head.2.bias"]
    state["layer1.0.branch.0.weight"] = torch.zeros(1, 2)
    return state | {"extra.weight": torch.ones(1), "extra.bias": torch.ones(1)}


def test_what_does_not_fit_is_listed_and_nothing_is_ignored():
    state, family = changed_state(), "SE-ResNet, this project's layout"
    sentence = (
        "1 missing (head.2.bias); 2 left over (extra.weight, extra.bias); "
        "1 of another shape (layer1.0.branch.0.weight [1, 2] instead of [32, 32, 3, 3])"
    )
    with pytest.raises(
        recognise.RecognitionError, match=re.escape(f"come closest to {family}, but do not fit it: {sentence}")
    ):
        recognise.recognise(state)
    chosen = recognise.recognise(state, family=family)
    assert chosen.evidence[-1] == f"chosen by hand, and the keys differ: {sentence}"
    with pytest.raises(recognise.RecognitionError, match=re.escape(f"do not fit {family}: {sentence}.")) as caught:
        recognise.load(state, chosen)
    assert isinstance(caught.value, GatescopeError)
    differences = caught.value.differences
    assert (differences.missing, differences.left_over) == (("head.2.bias",), ("extra.weight", "extra.bias"))


RENAMED = {
    "without a head": (lambda key: key.replace("fc.", "") if key.startswith("fc.") else key, None),
    "a head of another name": (lambda key: key.replace("fc.", "linear."), "linear.weight"),
    "a body and a head": (lambda key: f"{'head' if key.startswith('fc.') else 'backbone'}.{key}", None),
}


@pytest.mark.parametrize("how", RENAMED)
def test_what_comes_closest_is_named_where_the_head_is_gone_or_has_another_name(how):
    renamed, left_over = RENAMED[how]
    state = {renamed(key): value for key, value in torchvision_state("resnet18").items()}
    if how == "without a head":
        del state["weight"], state["bias"]
    with pytest.raises(recognise.RecognitionError, match="come closest to ResNet, torchvision's layout") as caught:
        recognise.fit(state)
    assert caught.value.differences.missing == ("fc.weight", "fc.bias")
    assert left_over is None or left_over in caught.value.differences.left_over


def test_a_long_list_is_cut_in_the_sentence_and_whole_beside_it():
    state = networks.build("se", 5).state_dict() | {f"extra.{number}": torch.ones(1) for number in range(99)}
    with pytest.raises(
        recognise.RecognitionError, match=r"99 left over \(extra.0, extra.1, extra.2 \.\.\.\)"
    ) as caught:
        recognise.recognise(state)
    assert caught.value.differences.left_over == tuple(f"extra.{number}" for number in range(99))


def test_each_single_change_of_a_key_is_refused_by_load():
    state = networks.build("plain", 5).state_dict()
    recognised = recognise.recognise(state)
    for key in [key for key in state if not key.endswith("num_batches_tracked")][::7]:
        without = {name: value for name, value in state.items() if name != key}
        for wrong in (without, without | {f"{key}2": state[key]}, state | {key: state[key][None]}):
            with pytest.raises(recognise.RecognitionError, match=re.escape(key)):
                recognise.load(wrong, recognised)


def test_unknown_weights_are_described_with_what_can_be_done():
    state = {f"encoder.{number}.w": torch.ones(2) for number in range(5)}
    with pytest.raises(recognise.RecognitionError) as caught:
        recognise.recognise(state)
    assert str(caught.value) == (
        "The 5 keys (encoder.0.w, encoder.1.w, encoder.2.w ...) are those of no network that is known here; choose a "
        "family, or serve it from its code: python -m attention serve --model package.module:factory --weights FILE."
    )


def test_a_family_whose_keys_are_not_there_is_refused():
    with pytest.raises(recognise.RecognitionError, match="are not those of RegNet, torchvision's layout"):
        recognise.recognise({"a": torch.ones(1)}, family="RegNet, torchvision's layout")
    with pytest.raises(recognise.RecognitionError, match="no family 'VGG'; there are Plain ResNet"):
        recognise.recognise({"a": torch.ones(1)}, family="VGG")


SHAPES = [(), (0,), (0, 0, 0, 0), (1, 0, 3, 3), (2**30, 2**30, 1, 1), (3,)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_of_no_network_are_refused_and_nothing_breaks(shape):
    from attention.models.recognise import KNOWN

    for family in KNOWN:
        state = {key: torch.empty(shape[:2] or shape, device="meta") for key in family.clues}
        more = ("stem.0.weight", "conv1.weight", "fc.weight", "layer1.0.conv2.weight", "layer1.0.conv3.weight")
        state |= {key: torch.empty(shape if shape != (2**30, 2**30, 1, 1) else (2**20,), device="meta") for key in more}
        with pytest.raises(recognise.RecognitionError):
            recognise.recognise(state)


def test_each_family_has_a_name_of_its_own_and_keys_that_tell_it():
    from attention.models.recognise import KNOWN

    assert len(set(recognise.FAMILIES)) == len(recognise.FAMILIES) == len(KNOWN)
    assert all(family.clues for family in KNOWN)


WRAPPED = {
    "a prefix of any name": (
        lambda state: {f"net.{key}": value for key, value in state.items()},
        "'net.' taken off every",
    ),
    "two of them": (lambda state: {f"a.b.{key}": value for key, value in state.items()}, "'a.b.' taken off every key"),
    "Lightning's attribute, with a loss and a metric beside": (
        lambda state: (
            {f"backbone.{key}": value for key, value in state.items()}
            | {"loss_fn.weight": torch.ones(3), "accuracy.tp": torch.tensor(0)}
        ),
        "left aside, since they are not under it: 2 of them, loss_fn.weight, accuracy.tp",
    ),
    "an average's counter": (
        lambda state: {f"module.{key}": value for key, value in state.items()} | {"n_averaged": torch.tensor(3)},
        "left aside, since they are not under it: n_averaged",
    ),
    "a loss's weight without a prefix": (
        lambda state: state | {"criterion.weight": torch.ones(3)},
        "left aside, since they are no weights of a network: criterion.weight",
    ),
    "counters of a profiler": (
        lambda state: state | {"total_ops": torch.zeros(1), "layer1.0.conv1.total_params": torch.zeros(1)},
        "left aside, since they are no weights of a network: 2 of them, total_ops, layer1.0.conv1.total_params",
    ),
    "both": (
        lambda state: {f"net.{key}": value for key, value in (state | {"layer1.total_ops": torch.zeros(1)}).items()},
        "left aside, since they are no weights of a network: layer1.total_ops",
    ),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_a_network_is_found_under_a_prefix_and_beside_what_is_none(kind):
    network = published.se_resnet(bottleneck=False, classes=3)
    wrap, note = WRAPPED[kind]
    fitted = recognise.fit(wrap(network.state_dict()))
    assert fitted.architecture.family == "SE-ResNet, the published code's layout"
    assert set(fitted.state) == set(network.state_dict()) and any(said.startswith(note) for said in fitted.notes)
    module = recognise.load(fitted.state, fitted.architecture)
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in module.state_dict().items())


def test_what_fits_as_it_is_is_left_alone():
    state = published.se_resnet(bottleneck=False, classes=3).state_dict()
    fitted = recognise.fit(state)
    assert fitted.notes == () and list(fitted.state) == list(state)


def test_attention_of_another_name_is_not_left_aside():
    """Without its gates the network would fit, and give other answers."""
    state = published.se_resnet(bottleneck=False, classes=3).state_dict()
    renamed = {key.replace(".se.", ".gate."): value for key, value in state.items()}
    with pytest.raises(recognise.RecognitionError, match="left over"):
        recognise.fit({f"net.{key}": value for key, value in renamed.items()})


def test_a_refusal_says_what_was_left_aside_before():
    """Without it, who has named the last layer otherwise reads that it is missing, and not that it was seen."""
    state = published.se_resnet(bottleneck=False, classes=3).state_dict()
    own = {
        f"head{key.removeprefix('fc')}" if key.startswith("fc.") else f"body.{key}": each for key, each in state.items()
    }
    with pytest.raises(recognise.RecognitionError) as caught:
        recognise.fit(own)
    assert "'body.' taken off" in str(caught.value) and "2 of them, head.weight, head.bias" in str(caught.value)


def test_of_two_readings_that_do_not_fit_the_one_that_differs_least_is_told():
    state = published.se_resnet(bottleneck=False, classes=3).state_dict()
    del state["layer1.0.bn1.weight"]
    with pytest.raises(recognise.RecognitionError) as caught:
        recognise.fit({f"net.{key}": value for key, value in state.items()})
    assert caught.value.differences.missing == ("layer1.0.bn1.weight",) and len(caught.value.differences) == 1


def test_a_family_chosen_by_hand_finds_its_network_under_a_prefix_too():
    network = published.se_resnet(bottleneck=False, classes=3)
    state = {f"net.{key}": value for key, value in network.state_dict().items()}
    assert recognise.fit(state, "SE-ResNet, the published code's layout").notes == ("'net.' taken off every key",)


def test_keys_of_very_many_parts_cost_nothing():
    state = {"a." * 200_000 + f"weight{number}": torch.ones(1) for number in range(3)}
    assert max(map(len, recognise.common_prefixes(state))) == 2 * recognise.MOST
    with pytest.raises(recognise.RecognitionError):
        recognise.fit(state)


AA = {
    "seresnetaa50d": "SE-ResNet, timm's layout, anti-aliased by averages",
    "resnetaa50": "ResNet, timm's layout, anti-aliased by averages",
    "resnetblur50": "ResNet, timm's layout, anti-aliased by blurring",
    "seresnextaa101d_32x8d": "SE-ResNeXt, timm's layout, anti-aliased by averages",
}


@pytest.mark.parametrize("name", AA)
def test_an_anti_aliased_network_is_one_of_several_that_the_keys_allow_and_can_be_chosen(name):
    import timm

    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3).eval()
    with torch.inference_mode(mode=False):
        recognised = recognise.recognise(network.state_dict())
        assert AA[name] in recognised.alternatives
        assert (
            f"and of {len(recognised.alternatives)} others: the keys cannot tell which it is" in recognised.evidence[-1]
        )
        chosen = recognise.load(network.state_dict(), recognise.recognise(network.state_dict(), family=AA[name]))
        taken = recognise.load(network.state_dict(), recognised)
    picture = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(chosen(picture), network(picture), atol=1e-5)
        assert not torch.allclose(taken(picture), network(picture), atol=1e-3)


def test_a_network_that_others_share_their_keys_with_is_taken_for_it_and_not_recognised():
    from attention.models import weight_files

    data = attacks.saved(timm_network("resnet18").state_dict())
    card = weight_files.assemble(weight_files.opened(data, "mine.pth")).card
    assert card.description.startswith("taken for ResNet, torchvision's layout: ")
    alike = (
        "the family: ResNet, torchvision's layout; the same keys and shapes have ResNet, timm's layout; ResNet, timm's"
    )
    assert any(phrase.startswith(alike) for phrase in card.assumed)


def test_what_nobody_says_of_a_changed_network_is_said_to_be_assumed():
    from tests.test_recognition import LAYOUTS

    recognised = recognise.recognise(LAYOUTS["torchvision ResNet, a head of two layers"][0]().state_dict())
    assert recognised.assumed == ("ReLU between the linear layers of the head",)
    assert "a changed head, fc of linear layers 0 (2048 to 32), 3 (32 to 5)" in recognised.evidence
    assert recognise.recognise(LAYOUTS["published SE"][0]().state_dict()).assumed == ()


def test_a_first_convolution_of_3x3_may_have_a_pooling_behind_it_and_that_is_a_choice():
    network = published.for_cifar(published.se_resnet(bottleneck=False)).eval()
    network.maxpool = torch.nn.MaxPool2d(3, 2, 1)
    recognised = recognise.recognise(network.state_dict())
    assert recognised.assumed == ("a first convolution of 3x3 that halves nothing, and no pooling behind it",)
    assert recognised.alternatives == (recognised.family + recognise.POOLED,)
    chosen = recognise.recognise(network.state_dict(), recognised.alternatives[0])
    picture = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(recognise.load(network.state_dict(), chosen)(picture), network(picture), atol=1e-5)
        assert not torch.allclose(recognise.load(network.state_dict(), recognised)(picture), network(picture))


def timm_network(name):
    import timm

    return timm.create_model(name, num_classes=3)


def test_a_prefix_is_that_of_at_least_half_of_the_keys():
    assert recognise.common_prefixes(["net.a", "net.b", "c", "d"]) == ["net."]
    assert recognise.common_prefixes(["net.a", "net.b", "c", "d", "e"]) == []
