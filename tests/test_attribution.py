"""Each heatmap equals a slow one from its equation; what it costs is known, and what is not valid says why."""

import copy
import re

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import nn

from attention import attribution, networks
from attention.attribution import (
    AttributionError,
    Attributor,
    GradCam,
    GuidedGradCam,
    IntegratedGradients,
    Occlusion,
    heatmaps,
    make_method,
)
from attention.attribution.layers import Layers, Places
from attention.attribution.methods import EigenCam, GradCamPlusPlus, ScoreCam
from attention.charts import comparing
from tests import own, references
from tests.attributed import SHAPE, Functional, Shared, Small, picture, seeded

METHODS = (GradCam(), GradCamPlusPlus(), EigenCam(), ScoreCam(), GuidedGradCam(), IntegratedGradients(), Occlusion())
EACH = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)


def doubled(module):
    return copy.deepcopy(module).double()


def logit(module, target):
    """From an array without the axis of the pictures to one logit, in float64."""
    with torch.no_grad():
        return lambda values: float(module(torch.from_numpy(values)[None])[0, target])


@pytest.mark.parametrize("target", range(4))
@pytest.mark.parametrize("layer", ["first", "second", "first.0"])
def test_grad_cam_is_that_of_its_equation(layer, target):
    module = seeded(Small)
    exact = doubled(module)
    before = {"first.0": exact.first[0], "first": exact.first, "second": nn.Sequential(exact.first, exact.second)}[
        layer
    ]
    after = {
        "first.0": nn.Sequential(exact.first[1], exact.second, exact.head),
        "first": nn.Sequential(exact.second, exact.head),
        "second": exact.head,
    }[layer]
    with torch.no_grad():
        features = before(picture().double())[0].numpy()
        slow = references.grad_cam(features, logit(after, target))
    heatmap = Attributor(module)(picture(), target, method=GradCam(layer))
    np.testing.assert_allclose(heatmap.values, slow, atol=1e-5)
    assert (heatmap.layer, heatmap.target, heatmap.method) == (layer, target, "grad-cam")
    assert (heatmap.minimum, heatmap.maximum) == (heatmap.values.min(), heatmap.values.max())


@pytest.mark.parametrize("method", [ScoreCam(), IntegratedGradients(steps=8), Occlusion()], ids=lambda one: one.name)
def test_fewer_pictures_go_through_at_once_where_there_is_little_room_and_the_map_is_the_same(method, monkeypatch):
    module, sizes = seeded(Small), []
    usual = Attributor(module)(picture(), 1, method=method)
    inside = Attributor(module).layers(SHAPE).bytes
    forward = Small.forward
    monkeypatch.setattr(Small, "forward", lambda self, x: sizes.append(len(x)) or forward(self, x))
    monkeypatch.setenv("GATESCOPE_MAX_PASSES_BYTES", str(2 * inside))
    taken: list[int] = []
    taking = heatmaps.PASSES.taking
    monkeypatch.setattr(heatmaps.PASSES, "taking", lambda size: taken.append(size) or taking(size))
    few = Attributor(module)(picture(), 1, method=method)
    assert taken == [2 * inside]
    np.testing.assert_allclose(few.values, usual.values, atol=1e-5)
    assert max(sizes) == 2


def test_what_all_tensors_of_a_pass_take_is_counted():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
    found = Attributor(module).layers((1, 3, 6, 6))
    assert found.bytes == 4 * (4 * 6 * 6 + 2)  # what is done in place, and a view, take nothing


@pytest.mark.parametrize("method", [GuidedGradCam(), IntegratedGradients()], ids=lambda one: one.name)
def test_a_gradient_that_would_keep_too_much_is_refused_before_it_is_made(method, monkeypatch):
    module = seeded(Small)
    monkeypatch.setenv("GATESCOPE_MAX_PASSES_BYTES", "1000")
    with pytest.raises(AttributionError, match=r"keeps [\d,]+ bytes of this network's features; at most 1,000 are"):
        Attributor(module)(picture(), 1, method=method)
    assert Attributor(module)(picture(), 1).method == "grad-cam"


def features_and_gradient(module, target):
    exact = doubled(module)
    features = exact.first(picture().double()).detach().requires_grad_()
    exact.head(exact.second(features))[0, target].backward()
    return features[0].detach().numpy(), features.grad[0].numpy()


def test_grad_cam_plus_plus_is_that_of_its_equation():
    module = seeded(Small)
    features, gradient = features_and_gradient(module, 1)
    slow = np.zeros(features.shape[1:])
    for channel, slopes in zip(features, gradient, strict=True):
        weight = 0.0
        for slope in slopes.flat:
            if slope:
                weight += slope**2 / (2 * slope**2 + channel.sum() * slope**3) * max(slope, 0)
        slow += weight * channel
    values = Attributor(module)(picture(), 1, method=GradCamPlusPlus("first")).values
    np.testing.assert_allclose(values, np.maximum(slow, 0), atol=1e-4 * slow.max())


@pytest.mark.parametrize("layer", ["first", "first.0"])
def test_eigen_cam_is_the_first_principal_direction_by_power_iteration_and_asks_for_no_class(layer):
    module = seeded(Small)
    with torch.no_grad():
        features = module.get_submodule(layer)(picture())[0].double().numpy()
    places = features.reshape(len(features), -1)
    direction = np.ones(len(places))
    for _ in range(5000):
        direction = places @ (places.T @ direction)
        direction /= np.linalg.norm(direction)
    along = (direction @ places).reshape(features.shape[1:])
    heatmaps = [Attributor(module)(picture(), target, method=EigenCam(layer)).values for target in (0, 3)]
    np.testing.assert_allclose(heatmaps[0], np.maximum(along * np.sign(along.sum()), 0), atol=1e-4 * abs(along).max())
    assert np.array_equal(*heatmaps)


class Cut(Small):
    """Runs under no_grad."""

    @torch.no_grad()
    def forward(self, given):
        return super().forward(given)


def test_a_network_that_cuts_its_gradients_off_is_one_sentence_and_what_needs_none_goes_on():
    module, plain = seeded(Cut), seeded(Small)
    for method in METHODS:
        if isinstance(method, EigenCam | ScoreCam | Occlusion):
            values = Attributor(module)(picture(), 1, method=method).values
            assert np.array_equal(values, Attributor(plain)(picture(), 1, method=method).values)
        elif not method.obstacle(Attributor(module).layers(SHAPE)):
            with pytest.raises(AttributionError, match=f"no_grad or detach, and {re.escape(method.title)} needs them"):
                Attributor(module)(picture(), 1, method=method)


def test_guided_grad_cam_is_grad_cam_times_the_gradient_that_lets_only_positive_parts_back():
    module = seeded(Shared)
    exact, target = doubled(module), 2
    given = picture().double()[0].requires_grad_()
    first = exact.first(given[None])
    second = exact.second(first.relu())
    head = exact.head.weight[target] / second[0, 0].numel()
    back = (head[None, :, None, None] * torch.ones_like(second)).clamp(min=0) * (second > 0)
    (back,) = torch.autograd.grad(second, first, back, retain_graph=True)
    (back,) = torch.autograd.grad(first, given, back.clamp(min=0) * (first > 0))
    coarse = Attributor(module)(picture(), target).values
    attributed = Attributor(module)(picture(), target, method=GuidedGradCam())
    enlarged = references.enlarged(coarse.astype(np.float64), *SHAPE[2:])
    np.testing.assert_allclose(attributed.values, np.abs(back.numpy() * enlarged).sum(0), atol=1e-6)


def test_integrated_gradients_are_those_of_many_small_steps():
    module, target = seeded(Small, nn.SiLU), 1
    exact = doubled(module)

    def gradient(values):
        given = torch.from_numpy(values)[None].requires_grad_()
        return torch.autograd.grad(exact(given)[0, target], given)[0][0].numpy()

    slow = references.integrated_gradients(picture().double()[0].numpy(), gradient)
    values = Attributor(module)(picture(), target, method=IntegratedGradients()).values
    np.testing.assert_allclose(values, slow, atol=1e-4)


def test_integrated_gradients_add_up_to_what_the_picture_changed():
    module = seeded(Small, nn.SiLU)
    with torch.no_grad():
        change = (module(picture()) - module(torch.zeros(SHAPE)))[0]
    for target in range(4):
        found = Attributor(module)(picture(), target, method=IntegratedGradients())
        assert found.values.sum() == pytest.approx(float(change[target]), abs=1e-3)
        assert found.promised == pytest.approx(float(change[target]), abs=1e-5)
        off = abs(float(found.values.sum()) - found.promised)
        assert comparing.completeness(found).endswith(f"against the mean colour: off by {off:.3f}")
    assert comparing.completeness(Attributor(module)(picture(), 0)) == ""


@pytest.mark.parametrize("side", [0.2, 0.35])
def test_occlusion_is_that_of_a_loop_over_the_squares(side):
    module, target = seeded(Small), 3
    window = round(side * min(SHAPE[2:]))
    with torch.no_grad():
        slow = references.occlusion(
            picture().double()[0].numpy(), logit(doubled(module), target), window, max(1, window // 2)
        )
    values = Attributor(module)(picture(), target, method=Occlusion(side)).values
    np.testing.assert_allclose(values, slow, atol=1e-5)


@EACH
@pytest.mark.parametrize("grad", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_a_heatmap_is_the_same_whatever_the_caller_does_with_gradients(method, grad):
    attribute = Attributor(seeded(Small))
    wanted = attribute(picture(), 0, method=method).values
    with grad():
        np.testing.assert_array_equal(attribute(picture(), 0, method=method).values, wanted)


@EACH
def test_the_passes_are_those_that_were_announced(method):
    told = []
    Attributor(seeded(Small))(picture(), 0, method=method, progress=lambda done, total: told.append((done, total)))
    passes = method.passes(SHAPE, Attributor(seeded(Small)).layers(SHAPE)).forward
    assert {total for _, total in told} == {passes}
    done = [each for each, _ in told]
    assert done == sorted(done) and done[0] == 0 and done[-1] == passes
    assert max(np.diff(done)) <= attribution.methods.AT_ONCE


@pytest.mark.parametrize("method", [*METHODS, Occlusion(0.35)], ids=repr)
def test_as_many_pictures_run_as_were_announced(method):
    class Counting(Small):
        pictures = 0

        def forward(self, batch):
            Counting.pictures += len(batch)
            return super().forward(batch)

    attribute = Attributor(seeded(Counting))
    layers = attribute.layers(SHAPE)
    Counting.pictures = 0
    attribute(picture(), 0, method=method)
    assert Counting.pictures == method.passes(SHAPE, layers).forward


@EACH
def test_what_the_progress_raises_ends_the_work_and_leaves_nothing_behind(method):
    class Cancelled(BaseException):
        pass

    def cancel(done, total):
        raise Cancelled

    attribute = Attributor(seeded(Small))
    wanted = attribute(picture(), 0, method=method).values
    with pytest.raises(Cancelled):
        attribute(picture(), 0, method=method, progress=cancel)
    np.testing.assert_array_equal(attribute(picture(), 0, method=method).values, wanted)


@pytest.mark.parametrize("variant", networks.VARIANTS)
def test_the_blocks_of_the_own_networks_are_their_residual_blocks_and_the_stem(variant):
    layers = Attributor(own.network(variant)).layers((1, 3, 64, 64))
    assert layers.blocks == ("stem", *(f"layer{stage}.{block}" for stage in range(1, 5) for block in range(2)))
    assert layers.maps["layer4.1"][:2] == (2, 2) and layers.classes == 10 and not layers.others


def test_a_module_that_is_built_and_never_called_is_no_layer():
    module = seeded(Small)
    module.unused = nn.Conv2d(3, 4, 3)
    assert Attributor(module).layers(SHAPE).blocks == ("first", "second")


def test_a_module_that_is_called_twice_is_no_layer():
    assert "relu" not in Attributor(seeded(Shared)).layers(SHAPE).maps


def test_features_with_the_channels_last_are_the_same_map():
    class Last(nn.Module):
        def forward(self, features):
            return features.permute(0, 2, 3, 1)

    class Head(nn.Module):
        def forward(self, features):
            return features.mean((1, 2))

    module = nn.Sequential(nn.Sequential(nn.Conv2d(3, 7, 3, padding=1), Last()), Head())
    attribute = Attributor(module)
    assert attribute.layers(SHAPE).blocks == ("0",)
    first, last = (attribute(picture(), 1, method=GradCam(name)).values for name in ("0.0", "0"))
    np.testing.assert_allclose(first, last, atol=1e-7)


class Tokens(nn.Module):
    """A transformer in small: a class token before 3 x 2 patches, and a head that reads it alone, or their mean."""

    def __init__(self, mean=False):
        super().__init__()
        self.patches, self.first = nn.Conv2d(3, 8, (4, 5), (4, 5)), nn.Parameter(torch.randn(1, 1, 8))
        layers = (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0) for _ in range(3))
        self.blocks, self.head, self.mean = nn.Sequential(*layers), nn.Linear(8, 4), mean

    def tokens(self, pictures):
        return torch.cat([self.first, self.patches(pictures).flatten(2).transpose(1, 2)], 1)

    def forward(self, pictures):
        tokens = self.blocks(self.tokens(pictures))
        return self.head(tokens[:, 1:].mean(1) if self.mean else tokens[:, 0])


@pytest.mark.parametrize(
    ("maps", "usual"),
    [
        ({"a": Places(3, 2), "b": Places(3, 2)}, "b"),
        ({"a": Places(3, 2, "tokens", 1, 8), "b": Places(3, 2, "tokens", 1, 8)}, "a"),
        ({"a": Places(3, 2, "tokens", 1, 4), "b": Places(3, 2, "tokens", 1, 8)}, "b"),
        ({"b": Places(3, 2, "tokens", 1, 8)}, "b"),
    ],
    ids=["no other tokens", "a class token", "unlike the one before", "alone"],
)
def test_the_usual_block_is_the_last_or_with_a_class_token_the_one_before_that_is_alike(maps, usual):
    assert Layers(maps=maps, blocks=tuple(maps)).usual == usual


def test_tokens_are_put_back_into_their_places():
    module, target = seeded(Tokens), 2
    attribute = Attributor(module)
    layers = attribute.layers(SHAPE)
    assert layers.blocks == ("patches", "blocks.0", "blocks.1", "blocks.2") and layers.usual == "blocks.1"
    assert layers.maps["blocks.1"] == (3, 2, "tokens", 1, 8)
    exact = doubled(module)
    seen = exact.blocks[1](exact.blocks[0](exact.tokens(picture().double()))).detach().requires_grad_()
    exact.head(exact.blocks[2](seen)[:, 0])[0, target].backward()
    slow = np.zeros((3, 2))
    for row, column in np.ndindex(3, 2):
        for channel in range(8):
            weight = float(seen.grad[0, 1:, channel].mean())
            slow[row, column] += weight * float(seen.detach()[0, 1 + 2 * row + column, channel])
    heatmap = attribute(picture(), target)
    assert heatmap.layer == "blocks.1"
    np.testing.assert_allclose(heatmap.values, np.maximum(slow, 0), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "usual", "size"),
    [
        (lambda: torchvision.models.vit_b_32(num_classes=5), "encoder.layers.encoder_layer_10", (7, 7)),
        (lambda: torchvision.models.swin_t(num_classes=5), "features.7.1", (7, 7)),
        (lambda: timm.create_model("vit_tiny_patch16_224", num_classes=5), "blocks.10", (14, 14)),
        (lambda: timm.create_model("swin_tiny_patch4_window7_224", num_classes=5), "layers.3.blocks.1", (7, 7)),
    ],
)
def test_transformers_have_heatmaps_and_open_on_a_late_block(make, usual, size):
    torch.manual_seed(0)
    module = make().eval()
    for parameter in module.parameters():
        if not parameter.any():  # some heads begin with zeros, behind which nothing has a gradient
            nn.init.normal_(parameter, std=0.1)
    heatmap = Attributor(module)(torch.randn(1, 3, 224, 224), 1)
    assert heatmap.layer == usual and heatmap.values.shape == size and heatmap.maximum > 0


def test_score_cam_is_that_of_a_loop_over_the_channels():
    module, target = seeded(Small), 2
    with torch.no_grad():
        features = module.first(picture())[0].numpy()
        scores = []
        for channel in features:
            large = references.enlarged(channel.astype(np.float64), *SHAPE[2:])
            mask = (large - large.min()) / (large.max() - large.min()) if np.ptp(large) else np.zeros_like(large)
            scores.append(float(module(picture() * torch.from_numpy(mask).float())[0, target]))
    weights = np.exp(scores) / np.exp(scores).sum()
    slow = np.maximum(sum(weight * channel for weight, channel in zip(weights, features, strict=True)), 0)
    values = Attributor(module)(picture(), target, method=ScoreCam("first")).values
    np.testing.assert_allclose(values, slow, atol=1e-5)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (seeded(Small, nn.SiLU), "also computes silu"),
        (seeded(Small, nn.ReLU6), "also computes"),
        (seeded(Functional), "also computes relu"),
        (seeded(Small, nn.Sigmoid), "has none"),
        (nn.Sequential(nn.Flatten(), nn.Linear(360, 4), nn.ReLU()), "this network has none"),
    ],
)
def test_guided_backpropagation_is_refused_where_it_would_be_plain_gradients(module, reason):
    attribute = Attributor(module)
    assert reason in GuidedGradCam().obstacle(attribute.layers(SHAPE))
    with pytest.raises(AttributionError, match=reason):
        attribute(picture(), 0, method=GuidedGradCam())


def test_a_network_without_maps_has_no_grad_cam_and_all_that_needs_no_layer():
    attribute = Attributor(nn.Sequential(nn.Flatten(), nn.Linear(360, 4)))
    with pytest.raises(AttributionError, match="needs a block"):
        attribute(picture(), 0)
    assert attribute(picture(), 0, method=Occlusion()).values.shape == SHAPE[2:]


@pytest.mark.parametrize(
    ("given", "target", "method", "reason"),
    [
        (picture(), 4, None, "no class 4: the network has 0 to 3"),
        (picture(), -1, None, "no class -1"),
        (picture(), 0, GradCam("third"), "'third' puts out no map of places; the blocks that do are first to second"),
        (picture(), 0, GradCam("head"), "'head' puts out no map"),
        (picture().repeat(2, 1, 1, 1), 0, None, r"one picture \(1, C, H, W\)"),
    ],
)
def test_what_cannot_be_attributed_is_said_in_one_sentence(given, target, method, reason):
    with pytest.raises(AttributionError, match=reason):
        Attributor(seeded(Small))(given, target, method=method)


def test_an_output_that_is_no_row_of_logits_is_named():
    with pytest.raises(AttributionError, match="heatmaps need logits"):
        Attributor(nn.Conv2d(3, 4, 3))(picture(), 0)


class Segmenting(Small):
    """Gives a map of scores for each class, in a dict, as torchvision's segmentation networks do."""

    def forward(self, given):
        return {"out": self.second(self.first(given)), "aux": given}


@EACH
def test_a_function_of_ones_own_says_what_heatmaps_are_of(method):
    """Held against the same function as the last layer of a module."""

    class Reading(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.first, self.second = inner.first, inner.second

        def forward(self, given):
            part = self.second(self.first(given))[:, :, :2]
            return torch.stack([part[:, 1].mean((1, 2)), part[:, 2].amax((1, 2))], 1)

    module = seeded(Segmenting)
    alone = Attributor(module, lambda output: output["out"][:, 1, :2].mean((1, 2)))
    both = Attributor(
        module,
        lambda output: torch.stack([output["out"][:, 1, :2].mean((1, 2)), output["out"][:, 2, :2].amax((1, 2))], 1),
    )
    plain = Attributor(Reading(module))
    for target in (0, 1):
        wanted = plain(picture(), target, method=method).values
        np.testing.assert_allclose(both(picture(), target, method=method).values, wanted, rtol=1e-5, atol=1e-7)
    assert np.array_equal(alone(picture(), method=method).values, both(picture(), 0, method=method).values)
    assert set(module(picture())) == {"out", "aux"}  # the module itself is as it was


def test_the_convolution_that_makes_a_spatial_gate_is_no_block():
    """Its one map is the gate's, which heatmaps are held against."""

    class Handmade(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.gate, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 1, 3, padding=1), nn.Linear(8, 5)

        def forward(self, given):
            features = self.features(given)
            return self.head((features * self.gate(features).sigmoid()).mean((2, 3)))

    assert Attributor(seeded(Handmade)).layers(SHAPE).blocks == ("features",)


class Odd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features):
        return features.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("odd")


def test_any_other_error_of_a_gradient_is_the_network_s_own():
    module = seeded(Small)
    module.register_forward_hook(lambda module, given, output: Odd.apply(output))
    with pytest.raises(RuntimeError, match="odd"):
        Attributor(module)(picture(), 1)


def test_one_token_is_no_map():
    module = nn.Sequential(nn.Conv2d(3, 8, SHAPE[2:]), nn.Flatten(), nn.Unflatten(1, (1, 8)), nn.Flatten())
    assert Attributor(module).layers(SHAPE).maps == {}


def test_an_unknown_method_is_named_with_those_that_there_are():
    with pytest.raises(AttributionError, match=r"^There is no method 'lime'; there are grad-cam, .*occlusion.*\.$"):
        make_method("lime")
