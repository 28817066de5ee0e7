"""Constant channels folded into the weights: exact where the network's form allows it, refused elsewhere."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load
from streamlit.testing.v1 import AppTest
from torch import nn

from attention import capture, images, survey
from attention import cli as command
from attention.interventions import folding
from attention.interventions.folding import FoldError
from attention.layers import SE
from attention.models import zoo
from attention.numbers import number
from attention.survey import LoadedSurvey, SurveyError
from tests.documents import document, in_one_line
from tests.jobs import finished

ROOT = Path(__file__).parents[1]
CHANNELS = 8


class Residual(nn.Module):
    """The gate stands before a shortcut and a ReLU."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.attention = nn.Conv2d(3, CHANNELS, 3), nn.BatchNorm2d(CHANNELS), SE(CHANNELS, 2)
        self.shortcut, self.head = nn.Conv2d(3, CHANNELS, 3), nn.Linear(CHANNELS, 5)

    def forward(self, x):
        x = torch.relu(self.attention(self.norm(self.conv(x))) + self.shortcut(x))
        return self.head(x.mean((2, 3)))


class Inverted(nn.Module):
    """The gate stands behind an activation that is not homogeneous, and before a convolution of its own."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.attention = nn.Conv2d(3, CHANNELS, 3), nn.BatchNorm2d(CHANNELS), SE(CHANNELS, 2)
        self.project, self.head = nn.Conv2d(CHANNELS, 4, 1), nn.Linear(4, 5)

    def forward(self, x):
        x = self.project(self.attention(nn.functional.silu(self.norm(self.conv(x)))))
        return self.head(torch.relu(x).mean((2, 3)))


class Neither(Inverted):
    """The same with an activation on either side."""

    def forward(self, x):
        x = self.project(nn.functional.silu(self.attention(nn.functional.silu(self.norm(self.conv(x))))))
        return self.head(x.mean((2, 3)))


def seeded(made):
    torch.manual_seed(0)
    module = made().eval()
    module.norm.running_mean.normal_()
    nn.init.normal_(module.norm.weight)
    return module


PICTURE = torch.randn(1, 3, 9, 9, generator=torch.Generator().manual_seed(1))
MEAN = np.linspace(0.2, 0.9, CHANNELS, dtype=np.float32)
SOME = np.array([True, False] * (CHANNELS // 2))


@pytest.mark.parametrize(("made", "into", "where"), [(Residual, "norm", "before"), (Inverted, "project", "after")])
def test_the_folded_network_answers_as_one_whose_gate_is_the_mean(made, into, where):
    module = seeded(made)
    folded, (done,) = folding.fold(module, PICTURE, {"attention": (MEAN, SOME)})
    assert (done.channels, done.into, done.where) == (CHANNELS // 2, into, where)

    def constant(values):
        values = values.clone()
        values[:, SOME] = torch.from_numpy(MEAN[SOME])
        return values

    for other in (PICTURE, torch.randn(2, 3, 7, 11)):
        wanted = capture.trace(module, other, edits={"attention": constant}).output
        torch.testing.assert_close(folded(other), wanted, rtol=1e-4, atol=1e-5)
    gate = capture.trace(folded, PICTURE).gates[0].values[0]
    np.testing.assert_allclose(gate[SOME], 1, atol=1e-6)
    assert folded.state_dict().keys() == module.state_dict().keys()


def test_the_network_itself_stays_as_it_was():
    module = seeded(Residual)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    folding.fold(module, PICTURE, {"attention": (MEAN, SOME)})
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_where_no_folding_is_exact_none_is_made():
    with pytest.raises(FoldError, match="No gate of this network has constant channels"):
        folding.fold(seeded(Neither), PICTURE, {"attention": (MEAN, SOME)})


class Unbiased(Residual):
    """The last layer of the gate has no bias that could hold a channel open."""

    def __init__(self):
        super().__init__()
        self.attention.gate.mlp[2] = nn.Linear(CHANNELS // 2, CHANNELS, bias=False)


class Wide(nn.Module):
    """A gate whose layers read and make a channel more than it applies."""

    def __init__(self):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(CHANNELS + 1, 4), nn.ReLU(), nn.Linear(4, CHANNELS + 1))

    def forward(self, x):
        gate = torch.sigmoid(self.mlp(nn.functional.pad(x.mean((2, 3)), (0, 1))))
        return x * gate[:, :CHANNELS, None, None]


class Wider(Residual):
    def __init__(self):
        super().__init__()
        self.attention = Wide()


@pytest.mark.parametrize("made", [Unbiased, Wider])
def test_a_gate_without_layers_that_can_hold_it_open_is_not_folded(made):
    with pytest.raises(FoldError, match="No gate of this network has constant channels"):
        folding.fold(seeded(made), PICTURE, {"attention": (MEAN, SOME)})


class Several(Residual):
    def forward(self, x):
        return super().forward(x), x


def test_a_network_that_returns_several_tensors_is_not_folded():
    with pytest.raises(FoldError, match=r"^A network that is folded returns one tensor, and this one returns tuple\.$"):
        folding.fold(seeded(Several), PICTURE, {"attention": (MEAN, SOME)})


def test_a_channel_that_is_nearly_shut_is_left_alone():
    mean = MEAN.copy()
    mean[0] = folding.LEAST / 2
    _, (done,) = folding.fold(seeded(Residual), PICTURE, {"attention": (mean, SOME)})
    assert done.channels == CHANNELS // 2 - 1


def test_the_check_counts_first_guesses_and_the_largest_change():
    class Fixed(nn.Module):
        def __init__(self, answers):
            super().__init__()
            self.answers = torch.tensor(answers)

        def forward(self, x):
            return self.answers[x[:, 0, 0, 0].long()]

    pictures = [torch.full((1, 1, 1, 1), number) for number in range(2)]
    found = folding.check(Fixed([[0.0, 3.0], [1.0, 2.0]]), Fixed([[0.5, 3.0], [2.5, 2.0]]), pictures)
    assert (found.change, found.outputs, found.same_guess, found.pictures) == (1.5, 3.0, 1, 2)


def test_the_command_writes_weights_that_open_and_says_what_they_change(tmp_path):
    out, result = tmp_path / "folded.safetensors", ROOT / "assets/surveys/se.parquet"
    done = CliRunner().invoke(command.main, ["fold", str(result), "--out", str(out)])
    assert done.exit_code == 0, done.output
    loaded, network = LoadedSurvey(survey.read(result)), zoo.load("se")
    constant = sum(int(channels.sum()) for _, channels in loaded.constant_channels().values())
    assert done.output.startswith(
        f"{constant} constant channels of 8 gates are folded, 8 into the norm before the gate"
    )
    folded = zoo.load("se").module
    folded.load_state_dict(load(out.read_bytes()))
    pictures = [network.transform(images.read(each.path.read_bytes()))[None] for each in images.samples()]
    with torch.no_grad():
        change = max(float((folded(one) - network.module(one)).abs().max()) for one in pictures)
    assert f"changes an output by {number(change)} at most" in done.output
    said = f"Of `se`, {constant} channels of 8 gates are folded into norms, which changes an output by {change:.3f}"
    assert f"{said} at most" in in_one_line(document("evidence"))


def test_weights_that_were_not_surveyed_are_not_folded(tmp_path):
    out, other, same = (tmp_path / name for name in ("folded.safetensors", "other.pth", "same.pth"))
    weights = zoo.load("se").module.state_dict()
    torch.save(weights, same)
    torch.save(weights | {"head.2.bias": weights["head.2.bias"] + 1}, other)

    def folded(path):
        result = str(ROOT / "assets/surveys/se.parquet")
        return CliRunner().invoke(command.main, ["fold", result, "--model", str(path), "--out", str(out)])

    refused = folded(other)
    assert isinstance(refused.exception, SurveyError) and not out.exists()
    assert str(refused.exception) == (
        "other.pth has other weights than the network of the survey, se; the one that was surveyed is allowed."
    )
    assert folded(same).exit_code == 0 and out.exists()


def test_the_page_offers_the_folded_weights():
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    app.query_params.update({"network": "se", "part": "Gate health"})
    app.session_state["folding"] = True
    app.switch_page("pages/survey.py").run()
    app = finished(app.button(key="start_folding").click().run())
    assert not app.exception and not app.error
    assert any("constant channels of 8 gates are folded" in each.value for each in app.markdown)
    assert json.dumps([each.proto.label for each in app.get("download_button")]).count("Folded weights") == 1


def test_the_check_takes_a_change_of_either_sign():
    pictures = [torch.tensor([[1.0, 5.0]]), torch.tensor([[4.0, 3.0]])]
    checked = folding.check(nn.Identity(), nn.Hardtanh(-1, 3.5), pictures)
    assert (checked.change, checked.outputs, checked.same_guess, checked.pictures) == (1.5, 4.0, 2, 2)
