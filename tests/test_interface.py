"""What a module takes and returns is said by an adapter, an output and a region; everything else follows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from attention import images, serving
from attention.analysis import probabilities
from attention.attribution import Attributor
from attention.cli import main
from attention.interventions import Edit, applied, changes, passes_of
from attention.models import code
from attention.models import network as models_network
from attention.models.code import CodeError, ModelOptions
from attention.models.network import AdaptError, output_shapes, parse_region, preprocessing
from attention.numbers import number
from attention.observe import guarded, observe, read_picture
from attention.serving.current import network_of, parse_arguments
from tests import factories
from tests.test_page_serving import SMALL, start, texts

assert start is not None  # a fixture of theirs
PICTURE = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def seeded(kind, **settings):
    torch.manual_seed(0)
    return code.network(kind(), kind.__name__, ModelOptions(image_size=64, **settings))


def plain():
    torch.manual_seed(0)
    return factories.Gated().eval()


def test_every_tensor_of_what_is_returned_has_a_path():
    returned = {"a": torch.zeros(1, 2), "b": [torch.zeros(3), {"c": torch.zeros(4)}], "d": 5}
    assert dict(output_shapes(returned)) == {"a": (1, 2), "b.0": (3,), "b.1.c": (4,)}
    answer = factories.Answer(torch.zeros(1, 5), (torch.zeros(1, 2, 3, 3),))
    assert dict(output_shapes(answer)) == {"logits": (1, 5), "hidden_states.0": (1, 2, 3, 3)}
    assert dict(output_shapes(torch.zeros(2))) == {"": (2,)}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (factories.Twofold, {"output": "1"}),
        (factories.Twofold, {"output": lambda returned: returned[1]}),
        (factories.Paired, {"adapter": factories.twice}),
        (factories.Paired, {"adapter": "tests.factories:twice"}),
        (factories.Named, {"adapter": factories.by_name, "output": "logits"}),
    ],
)
def test_what_is_adapted_answers_as_the_plain_network_does(kind, settings):
    network = seeded(kind, **settings)
    with torch.no_grad():
        torch.testing.assert_close(network.module(PICTURE), plain()(PICTURE))
    assert len(network.labels) == factories.CLASSES
    one = observe(network, read_picture(images.samples()[0].path))
    wanted = observe(code.network(plain(), "plain", ModelOptions(image_size=64)), one.picture)
    assert {gate.kind for gate in one.trace.gates} == {"channel", "spatial"}
    np.testing.assert_allclose(one.probabilities, wanted.probabilities, atol=1e-6)
    if one.layers.blocks:  # a block that runs twice has no map of its own
        np.testing.assert_allclose(one.heatmap(1).values, wanted.heatmap(1).values, atol=1e-6)
    (moved,) = changes(passes_of(one), [applied([Edit("off")], one.trace.gates)])
    (expected,) = changes(passes_of(wanted), [applied([Edit("off")], wanted.trace.gates)])
    np.testing.assert_allclose(moved, expected, atol=1e-5)
    assert one.inventory.network.parameters == wanted.inventory.network.parameters
    assert one.inventory.network.macs >= wanted.inventory.network.macs


def slow_mean(scores, region):
    """The mean of the places from which to which a region reaches, rounded, one at least in each direction."""
    left, top, right, bottom = region

    def places(start, end, size):
        inside = [place for place in range(size) if round(start * size) <= place < round(end * size)]
        return inside or [min(round(start * size), size - 1)]

    down, across = places(top, bottom, scores.shape[2]), places(left, right, scores.shape[3])
    rows = [scores[:, :, row, column] for row in down for column in across]
    return sum(rows) / len(rows)


@pytest.mark.parametrize(
    "region", ["0.5,0.5,0.51,0.51", "0.99,0.99,1,1", "0,0,0.01,1", "0,0.2,0.6,0.9", "0,0,1,1", "0.3,0.1,0.31,0.95"]
)
def test_a_region_has_one_place_at_least_however_small_it_is(region):
    module, scores = torch.nn.Identity(), torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    models_network.adapt(module, region=parse_region(region))
    torch.testing.assert_close(module(scores), slow_mean(scores, parse_region(region)))


def test_a_map_of_scores_is_averaged_over_a_region_for_answer_and_heatmap():
    network = seeded(factories.Segmenting, output="out", region=(0.0, 0.5, 0.25, 1.0))
    torch.manual_seed(0)
    module = factories.Segmenting().eval()
    with torch.no_grad():
        wanted = module(PICTURE)["out"][:, :, 16:, :8].mean((2, 3))
        torch.testing.assert_close(network.module(PICTURE), wanted)
    assert "its mean over the part of the map from (0.0, 0.5) to (0.25, 1.0)" in " ".join(network.card.assumed)
    one = observe(network, read_picture(images.samples()[0].path))
    np.testing.assert_allclose(one.probabilities, probabilities(one.logits), atol=1e-6)
    assert one.heatmap(0, None).values.ndim == 2


def test_another_output_of_the_same_network_shares_its_weights():
    served = seeded(factories.Twofold)
    assert served.card.answers == {"0": (1, 8, 32, 32), "1": (1, 5)} and served.labels == ()
    varied = code.varied(served, "1", None)
    assert len(varied.labels) == factories.CLASSES
    assert {id(p) for p in varied.module.parameters()} == {id(p) for p in served.module.parameters()}
    with torch.no_grad():
        assert isinstance(served.module(PICTURE), list)


def test_a_network_that_computes_in_16_bits_by_its_own_code_is_served_so():
    network = seeded(factories.Half)
    assert next(network.module.parameters()).dtype == torch.bfloat16
    one = observe(network, read_picture(images.samples()[0].path))
    assert len(one.trace.gates) == 2 and one.probabilities.sum() == pytest.approx(1)
    assert Attributor(network.module)(one.batch, 0).values.dtype == np.float32


@pytest.mark.parametrize(
    ("text", "region"), [("whole", (0, 0, 1, 1)), ("0,0.5,0.25,1", (0, 0.5, 0.25, 1)), (" whole ", (0, 0, 1, 1))]
)
def test_a_region_is_read(text, region):
    assert parse_region(text) == region


@pytest.mark.parametrize("text", ["half", "0,0,1", "0.5,0,0.5,1", "0,0,2,1", "a,b,c,d"])
def test_what_is_no_region_is_one_sentence(text):
    with pytest.raises(AdaptError, match="The region is"):
        parse_region(text)


class Lossy(factories.Gated):
    """Returns a loss too where it is trained, as transformers' models do."""

    def forward(self, x):
        return {"loss": None, "logits": super().forward(x)}


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (Lossy, {"output": "loss"}, "There is no output 'loss'; the network returns logits."),
        (factories.Twofold, {"output": "logits"}, "There is no output 'logits'; the network returns 0, 1."),
        (factories.Gated, {"region": models_network.WHOLE}, "(N, classes, H, W), and this is 1 × 5."),
        (factories.Segmenting, {"region": models_network.WHOLE}, "this is dict, of which one is to be chosen: out."),
        (factories.Gated, {"adapter": lambda _: [][0]}, "The adapter fails on a batch of pictures: IndexError: list"),
        (factories.Paired, {}, "or needs an adapter that makes what it takes"),
        (factories.Paired, {"adapter": "tests.factories:number"}, "a function of a batch of pictures is allowed"),
    ],
)
def test_what_cannot_be_adapted_is_one_sentence(kind, settings, said):
    with pytest.raises((AdaptError, CodeError)) as raised:
        seeded(kind, **settings)
    assert said in str(raised.value)


@pytest.mark.parametrize("squeezed", [lambda answer: answer.squeeze(1), lambda answer: answer.squeeze()])
def test_a_lone_number_of_each_picture_is_a_table_with_one_column(squeezed):
    def module():
        torch.manual_seed(0)
        made = factories.Gated(classes=1)
        made.register_forward_hook(lambda _module, _given, answer: squeezed(answer))
        return made.eval()

    network = code.network(module(), "lone", ModelOptions(image_size=64))
    with torch.no_grad():
        assert torch.equal(network.module(PICTURE)[:, 0], module()(PICTURE))
        assert network.module(PICTURE[:1]).shape == (1, 1)
    assert network.card.outputs == "logits" and len(network.labels) == 1
    heatmap = Attributor(module())(PICTURE[:1])
    assert np.array_equal(heatmap.values, Attributor(network.module)(PICTURE[:1]).values)


class Apart(factories.Gated):
    """Its last layer is in another precision than the rest, by its own code."""

    def __init__(self, dtype):
        super().__init__()
        self.last.to(dtype)
        self.dtype = dtype

    def forward(self, x):
        return self.last(self.features(x).mean((2, 3)).to(self.dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_each_part_of_a_network_stays_in_the_precision_that_its_code_asks_for(dtype):
    torch.manual_seed(0)
    module = Apart(dtype).eval()
    with torch.no_grad():
        wanted = module(PICTURE)
        assert torch.equal(code.network(module, "apart", ModelOptions(image_size=64)).module(PICTURE), wanted)


@pytest.mark.parametrize("kind", [torch.nn.Identity, torch.nn.Sigmoid])
@pytest.mark.parametrize("seed", range(8))
def test_logits_that_lie_from_0_to_1_by_chance_are_no_scores(kind, seed):
    torch.manual_seed(seed)
    module = torch.nn.Sequential(factories.Gated(classes=1), kind())
    torch.nn.init.constant_(module[0].last.bias, 0.5)  # which logits of noise are near
    network = code.network(module, "lone", ModelOptions(image_size=64))
    assert network.card.outputs == ("scores" if kind is torch.nn.Sigmoid else "logits")


class Listed(nn.Module):
    """Lists a convolution first that may see the picture, and may be one inside."""

    def __init__(self, reads):
        super().__init__()
        self.listed, self.first, self.last = nn.Conv2d(reads, 8, 1), nn.Conv2d(3, reads, 3), nn.Linear(8, 5)

    def forward(self, x):
        inside = self.first(x) if x.shape[1] == 3 else x
        return self.last(self.listed(inside).mean((2, 3)))


@pytest.mark.parametrize(("reads", "bands"), [(1, 1), (15, 15), (16, 3), (17, 3)])
def test_a_first_convolution_of_16_channels_or_more_is_not_taken_for_the_one_that_sees_the_picture(reads, bands):
    network = code.network(Listed(reads), "listed", ModelOptions(image_size=16))
    assert len(preprocessing(network.card).bands) == bands


def test_labels_may_be_given_as_they_are():
    assert seeded(factories.Gated, labels=["a", 2, "c", *map(str, range(factories.CLASSES - 3))]).labels[:3] == (
        "a", "2", "c",
    )  # fmt: skip
    with pytest.raises(CodeError, match=r"^2 labels were given and the network has .* classes; one each is allowed\.$"):
        seeded(factories.Gated, labels=["a", "b"])


def test_the_command_line_names_folders_that_are_there(tmp_path):
    assert parse_arguments(["--data", str(tmp_path)])["data"] == (tmp_path,)
    (tmp_path / "file").touch()
    with pytest.raises(serving.ServingError, match="is no folder; one with pictures is allowed"):
        parse_arguments(["--data", str(tmp_path / "file")])


def test_the_command_line_names_them():
    options = ["--model", "tests.factories:Named", "--adapter", "tests.factories:by_name", "--output", "logits", *SMALL]
    assert len(network_of(parse_arguments(options)).labels) == factories.CLASSES
    assert {"--adapter", "--output", "--region"} <= {
        option for parameter in main.commands["serve"].params for option in parameter.opts
    }
    with pytest.raises(AdaptError, match="The region is"):
        network_of(parse_arguments([*options, "--region", "nowhere"]))


def test_the_page_lets_a_person_choose_the_answer(start):
    app = start("--model", "tests.factories:Twofold", *SMALL)
    assert app.selectbox(key="output").options == ["all that it returns", "0", "1"]
    app.selectbox(key="output").set_value("1").run()
    assert not app.exception and not app.error
    assert len(app.get("progress")) == factories.CLASSES


@pytest.mark.parametrize("page", ["overview", "compare", "intervene", "models"])
def test_a_map_of_scores_is_averaged_on_every_page(start, page):
    app = start("--model", "tests.factories:Segmenting", *SMALL, page=page, output="out", region="0,0,0.5,1")
    assert not app.exception and not app.error
    assert len(app.get("progress")) >= factories.CLASSES
    app = start("--model", "tests.factories:Segmenting", *SMALL, output="out", region="nothing")
    assert "The region is" in app.error[0].value and not app.exception
    assert "a dict of out" in texts(app).replace("\\", "")


def test_what_is_no_number_for_each_measure_has_no_heatmap():
    one = observe(seeded(factories.Segmenting, outputs="values"), read_picture(images.samples()[0].path))
    assert one.targets == ()


def test_what_fails_in_a_network_of_ones_own_is_its_failure_and_all_else_a_mistake_here():
    card = seeded(factories.Gated).card
    with pytest.raises(CodeError, match="failed: RuntimeError: odd"), guarded(card):
        raise RuntimeError("odd")
    with pytest.raises(RuntimeError, match=r"^odd$"), guarded(replace(card, source="timm")):
        raise RuntimeError("odd")


def test_a_measured_number_has_a_heatmap_too(start):
    network = seeded(factories.Gated, outputs="values")
    one = observe(network, read_picture(images.samples()[0].path))
    assert one.targets == tuple(f"number {place}" for place in range(factories.CLASSES)) and one.first_target == 0
    assert one.answer(2) == number(float(one.trace.output[0, 2]))
    arguments = ("--model", "tests.factories:classifier", *SMALL, "--outputs", "values")
    app = start(*arguments, page="compare", beside="plain", **{"class": "number 2"})
    assert not app.exception and not app.error
    assert "number 2" in [metric.label for metric in app.metric]
    captions = [caption.replace("\\", "") for element in app.get("image") for caption in element.captions]
    assert any("Grad-CAM" in caption for caption in captions), captions
    for tab in ("Deletion and insertion", "Shuffled weights", "Gates against heatmap"):
        app = start(*arguments, page="compare", beside="plain", about=tab)
        assert not app.exception and not app.error, tab
