"""What a network returns: logits, probabilities, scores, one logit or measured values, told apart and read as that."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest
from torch import nn

from attention import images, serving, ui
from attention.analysis import predictions
from attention.cli import main
from attention.models import code, zoo
from attention.models.code import CodeError, ModelOptions
from attention.observe import Observation, choice_of, observe, read_picture
from attention.report.observation import report_of
from attention.serving import current

LOGITS = torch.randn(6, 5, generator=torch.Generator().manual_seed(3)) * 4
ANSWERS = {
    "logits": LOGITS,
    "probabilities": LOGITS.softmax(1),
    "scores": LOGITS.sigmoid(),
}
pytestmark = pytest.mark.usefixtures("sparing")
PICTURE = read_picture(images.samples()[0].path)


class Ending(nn.Module):
    """An own network with something after its logits."""

    def __init__(self, ending: nn.Module, name: str = "cbam") -> None:
        super().__init__()
        self.network, self.ending = zoo.load(name).module, ending

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.ending(self.network(batch))


class First(nn.Module):
    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return logits[:, :1]


def shown(ending: nn.Module, **settings) -> Observation:
    settings = {"image_size": 160, "mean": zoo.card("cbam").mean, "std": zoo.card("cbam").std} | settings
    return observe(code.network(Ending(ending), "mine", ModelOptions(**settings)), PICTURE)


@pytest.mark.parametrize("kind", ANSWERS)
def test_outputs_are_recognised_by_their_values(kind):
    assert predictions.recognise_outputs(ANSWERS[kind].numpy()) == kind


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([[3.0], [-1.0]], "logits"),
        ([[0.3], [0.9]], "scores"),
        ([[1.0], [1.0]], "scores"),
        ([[0.5, 0.5]], "probabilities"),
    ],
)
def test_lone_and_even_outputs_are_recognised_too(answers, kind):
    assert predictions.recognise_outputs(np.array(answers)) == kind


@pytest.mark.parametrize(("kind", "slow"), [("probabilities", lambda one: one), ("scores", lambda one: one)])
def test_what_is_a_probability_already_is_shown_as_it_is(kind, slow):
    logits = predictions.logits(ANSWERS[kind], kind)
    assert predictions.probabilities(logits, kind) == pytest.approx(slow(ANSWERS[kind].numpy()), abs=1e-6)


def test_logits_of_scores_are_those_before_the_sigmoid_and_of_probabilities_those_before_the_softmax_but_for_a_number():
    assert predictions.logits(ANSWERS["scores"], "scores") == pytest.approx(LOGITS.numpy(), rel=1e-3, abs=1e-3)
    apart = predictions.logits(ANSWERS["probabilities"], "probabilities") - LOGITS.numpy()
    assert apart == pytest.approx(np.repeat(apart[:, :1], 5, 1), abs=1e-4)


def test_certain_answers_stay_finite_and_certain():
    for kind in ("probabilities", "scores"):
        found = predictions.logits(np.array([[1.0, 0.0]]), kind)
        assert np.isfinite(found).all()
        assert predictions.probabilities(found, kind) == pytest.approx(np.array([[1.0, 0.0]]), abs=1e-6)


def test_a_lone_logit_has_the_logistic_function_and_independent_scores_need_not_sum_to_one():
    assert predictions.probabilities(np.array([[0.0], [2.0]])).ravel() == pytest.approx([0.5, 1 / (1 + np.exp(-2))])
    assert predictions.probabilities(predictions.logits(np.array([[0.99, 0.98, 0.01]]), "scores"), "scores")[0] == (
        pytest.approx([0.99, 0.98, 0.01], abs=1e-6)
    )


def test_what_cannot_be_what_it_is_said_to_be_is_refused_in_a_sentence():
    with pytest.raises(predictions.PredictionError, match="0 to 1 is allowed"):
        predictions.logits(np.array([[2.0, 1.0]]), "scores")
    with pytest.raises(predictions.PredictionError, match="measured values"):
        predictions.logits(np.array([[2.0, 1.0]]), "values")
    with pytest.raises(CodeError, match="probabilities"):
        ModelOptions(outputs="odds")


def test_a_network_of_code_is_shown_with_what_it_returns_and_what_was_taken_is_said():
    plain = shown(nn.Identity()).probabilities
    softmax, sigmoid, one = shown(nn.Softmax(1)), shown(nn.Sigmoid()), shown(First())
    assert (softmax.outputs, sigmoid.outputs, one.outputs) == ("probabilities", "scores", "logits")
    assert softmax.probabilities == pytest.approx(plain, abs=1e-4)
    assert sigmoid.probabilities.sum() > 1.01 or sigmoid.probabilities.sum() < 0.99
    assert len(one.labels) == len(one.probabilities) == 1
    assert "that its outputs are probabilities that sum to one, shown as they are" in softmax.card.assumed
    assert (
        "that its outputs are one number of any size, a logit, which the logistic function makes a probability"
        in one.card.assumed
    )


def test_what_a_person_says_stands_above_what_is_recognised():
    assert shown(nn.Softmax(1), outputs="logits").probabilities.max() < 0.5
    values = shown(nn.Identity(), outputs="values")
    assert values.labels == ()
    assert values.probabilities_or_none is None
    assert not any("outputs" in phrase for phrase in values.card.assumed)
    network = zoo.load("cbam")
    said = Observation(replace(choice_of(network), outputs="values"), PICTURE)
    assert said.labels == () and said.key != Observation(choice_of(network), PICTURE).key
    assert "It gives no number for each class." in str(report_of(said).sections[0].items)


def test_the_commands_follow(tmp_path):
    done = CliRunner().invoke(
        main,
        f"compare {images.samples()[0].path} --model se --model cbam --outputs values --out {tmp_path}".split(),
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    networks = json.loads((tmp_path / "compare.json").read_text())["networks"]
    assert [each["top classes"] for each in networks] == [None] * 2


@pytest.mark.parametrize("page", ui.PAGES)
def test_every_page_opens_on_what_is_no_logits_and_follows_the_address(page, monkeypatch):
    monkeypatch.setattr(current, "ARGUMENTS", ("--model", "tests.factories:probabilities", "--image-size", "64"))
    for link, said in (
        ({}, "Its outputs are probabilities that sum to one"),
        ({"outputs": "values"}, "measured values"),
    ):
        app = AppTest.from_file(serving.APP, default_timeout=120)
        for key, value in link.items():
            app.query_params[key] = value
        (app if page == "overview" else app.switch_page(f"pages/{page}.py")).run()
        assert not app.exception and not app.error
        assert app.selectbox(key="outputs").value == link.get("outputs")
        assert any(said in each.value for each in app.get("caption"))
