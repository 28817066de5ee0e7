"""CBAM-B0: what it starts from, what is trained, and each part of the loss beside a slow one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from attention import distillation, networks
from attention.cli import main
from attention.distillation import (
    DistillationRecipe,
    attention_of,
    correlation,
    evidence_of,
    initial_student,
    loss_of,
    trainable,
)
from attention.models import own
from attention.records import GatescopeError
from attention.training import Pictures

TINY = DistillationRecipe(phases=((128, 1), (160, 1)), batch_size=2, fitted=3)


@pytest.fixture(scope="module")
def teacher() -> networks.EfficientNetB0:
    return own.load("efficientnet-b0").module


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    random = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (4, 3, 176, 176), dtype=torch.uint8, generator=random)
    return Pictures(pixels, torch.arange(4) % 2, ["cat", "dog"])


def test_it_starts_with_every_weight_of_the_teacher_and_spatial_gates_that_are_nearly_open(teacher):
    student = initial_student(teacher)
    state = student.state_dict()
    for key, value in teacher.state_dict().items():
        assert torch.equal(state[key.replace(".se.", ".se.channel.")], value), key
    for gates in attention_of(student):
        values = gates.spatial.gate(torch.randn(1, 8, 9, 9))
        assert values.mean() > 0.8 and values.std() < 0.15


def test_what_is_trained_are_the_gates_and_the_layer_behind_each(teacher):
    student = initial_student(teacher)
    parts = trainable(student)
    names = {name for name, parameter in student.named_parameters() if parameter.requires_grad}
    behind = (".conv_pwl.", ".bn3.", "blocks.0.0.conv_pw.", "blocks.0.0.bn2.")
    assert names == {n for n, _ in student.named_parameters() if ".se." in n or any(part in n for part in behind)}
    assert len(names) == len(parts.spatial) + len(parts.others) and len(parts.spatial) == 16 * 3


def test_the_evidence_of_the_places_adds_up_to_the_answer(teacher):
    """Its mean over the places is the logit above the mean of all, weighed by the probabilities."""
    batch = torch.randn(2, 3, 128, 128)
    with torch.no_grad():
        logits, evidence = evidence_of(teacher, batch)
        assert torch.equal(logits, teacher(batch))
        free = logits - teacher.classifier.bias
        wanted = (logits.softmax(1) * free).sum(1) - free.mean(1)
    torch.testing.assert_close(evidence.mean((1, 2)), wanted, rtol=1e-3, atol=1e-3)


def test_the_correlation_is_numpys_on_the_grid_of_the_first():
    one, other = torch.rand(3, 5, 6), torch.rand(3, 5, 6)
    wanted = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(one.numpy(), other.numpy(), strict=True)]
    np.testing.assert_allclose(correlation(one, other), wanted, atol=1e-3)
    assert correlation(torch.rand(1, 14, 14), torch.rand(1, 7, 7)).shape == (1,)


@pytest.mark.parametrize("part", ["answers", "openness", "spread", "habit", "evidence"])
def test_each_part_of_the_loss_is_its_slow_twin(part):
    random = np.random.default_rng(3)
    given, wanted = random.normal(size=(2, 4, 7))
    scales = np.array([0.1, 0.2, 0.5, 0.8]).reshape(4, 1, 1)  # some pictures vary by less than is asked, some by more
    maps = [random.random((4, side, side)) * scales for side in (6, 6, 4)]
    evidence = random.random((4, 4, 4))
    weights = dict.fromkeys(("answers", "openness", "spread", "habit", "evidence"), 0.0) | {part: 1.0}
    recipe = DistillationRecipe(seeing=2, resting=(1,), least=0.1, **weights)
    tensors = [torch.from_numpy(each) for each in maps]
    loss = loss_of(recipe, torch.from_numpy(given), torch.from_numpy(wanted), tensors, torch.from_numpy(evidence))
    assert float(loss) == pytest.approx(TWINS[part](given, wanted, maps, evidence), rel=1e-3)


def _softmax(logits):
    shares = np.exp(logits)
    return shares / shares.sum(1, keepdims=True)


def _divergence(given, wanted, _maps, _evidence):
    p, q = _softmax(wanted), _softmax(given)
    return (p * np.log(p / q)).sum() / len(p)


def _spread(_given, _wanted, maps, _evidence):
    lacking = [[max(0, 0.1 - picture.std(ddof=1)) for picture in maps[number]] for number in (0, 2)]
    return np.mean(lacking)


def _habit(_given, _wanted, maps, _evidence):
    return np.mean([each.mean(0).var(ddof=1) / (np.mean([p.var(ddof=1) for p in each]) + 1e-4) for each in maps])


def _unlike(_given, _wanted, maps, evidence):
    return np.mean([1 - np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(maps[2], evidence, strict=True)])


TWINS = {
    "answers": _divergence,
    "openness": lambda _given, _wanted, maps, _evidence: np.mean([each.mean() for each in maps]),
    "spread": _spread,
    "habit": _habit,
    "evidence": _unlike,
}


def test_fitting_brings_the_channel_gates_to_ses(teacher, pictures):
    student = initial_student(teacher)
    distillation.fit_channel_gates(
        teacher, student, pictures, DistillationRecipe(phases=((128, 1),), batch_size=4, fitted=60)
    )
    for se, cbam in zip(attention_of(teacher), attention_of(student), strict=True):
        features = torch.rand(4, se.conv_reduce.in_channels, 6, 6)
        assert isinstance(cbam, nn.Module)
        assert (se.gate(features) - cbam.channel.gate(features)).abs().mean() < 0.5


@pytest.fixture(scope="module")
def run(tmp_path_factory, pictures) -> tuple[Path, nn.Module]:
    """The checkpoint of a finished run, and its network."""
    checkpoint = tmp_path_factory.mktemp("run") / "straight.pt"
    return checkpoint, distillation.train(pictures, checkpoint, TINY)


def test_a_finished_run_is_exported_with_a_card_that_says_what_it_is(run, tmp_path, monkeypatch):
    checkpoint, made = run
    origin = own.card("efficientnet-b0")
    monkeypatch.setattr(own, "WEIGHTS", tmp_path)
    own.save_card(replace(origin, classes=(), labels=()))
    arguments = ["export", "cbam-b0", "--data", str(tmp_path), "--checkpoint", str(checkpoint)]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == 0
    card, loaded = own.card("cbam-b0"), own.load("cbam-b0").module
    for name, value in made.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float() if value.is_floating_point() else value)
    assert card.parameters == sum(parameter.numel() for parameter in made.parameters())
    assert card.gates == {"channel": 16, "spatial": 16} and card.labels == origin.labels
    assert card.training["seed"] == TINY.seed and card.training["data"] == tmp_path.stem
    assert card.accuracy is None and card.gate_health == () and card.gate_health_over == ""


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(run, tmp_path, pictures, monkeypatch):
    _, straight = run
    monkeypatch.setattr(distillation.click, "echo", _stop)
    with pytest.raises(KeyboardInterrupt):
        distillation.train(pictures, tmp_path / "stopped.pt", TINY)
    monkeypatch.undo()
    with pytest.raises(GatescopeError, match="after 1 of 2 epochs"):
        distillation.export(tmp_path / "stopped.pt", "pictures")
    with pytest.raises(GatescopeError, match="holds another run"):
        distillation.train(pictures, tmp_path / "stopped.pt", DistillationRecipe())
    resumed = distillation.train(pictures, tmp_path / "stopped.pt", TINY)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    frozen, changed = straight.conv_stem.weight, straight.blocks[3][0].conv_pwl.weight
    origin = own.load("efficientnet-b0").module
    assert torch.equal(frozen, origin.conv_stem.weight) and not torch.equal(
        changed, origin.blocks[3][0].conv_pwl.weight
    )


def test_the_rate_falls_over_all_epochs_and_does_not_begin_anew(tmp_path, pictures, monkeypatch):
    shares = []

    def watched(*_arguments):
        shares.append(_arguments[-1][0] / _arguments[-1][1])
        return 0.0

    monkeypatch.setattr(distillation, "_step", watched)
    monkeypatch.setattr(distillation, "fit_channel_gates", lambda *_: None)
    distillation.train(pictures, tmp_path / "watched.pt", TINY)
    assert shares == pytest.approx(np.arange(len(shares)) / len(shares)) and len(shares) > 2


def _stop(_words: str) -> None:
    raise KeyboardInterrupt


def test_the_rate_of_the_fit_falls_in_a_line_from_its_largest_nearly_to_nothing(teacher, monkeypatch):
    rates: list[float] = []

    class Watched(torch.optim.Adam):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    monkeypatch.setattr(distillation.torch.optim, "Adam", Watched)
    se, cbam = attention_of(teacher)[0], attention_of(initial_student(teacher))[0]
    channels = se.conv_reduce.in_channels
    distillation._fit(se, cbam.channel, torch.rand(8, channels, 1, 1), torch.rand(8, channels, 1, 1), 5)
    assert rates == pytest.approx([2e-3, 1.6e-3, 1.2e-3, 0.8e-3, 0.4e-3])
