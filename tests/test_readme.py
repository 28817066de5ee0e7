"""What the README says is so: its Python runs, its table is what the cards say, its pictures and commands exist."""

import re
from pathlib import Path

import pytest

from attention import images, survey
from attention.models import own, zoo

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_python_runs_and_prints_every_gate(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "photo.jpg").write_bytes(images.samples()[0].path.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(zoo.card("cbam").gate_health)


@pytest.mark.parametrize("name", own.names())
def test_its_table_says_what_the_card_says(name):
    card = zoo.card(name)
    accuracy = "not measured" if card.accuracy is None else f"{card.accuracy:.1%}"
    row = f"| {name} | {card.parameters / 1e6:.2f} M | {card.input_size} px | {accuracy} |"
    assert row.replace("%", " %") in README


def test_its_table_has_every_network_and_no_other():
    rows = re.findall(r"^\| (\S+) \| [\d.]+ M \|", README, re.MULTILINE)
    assert tuple(rows) == own.names()


def test_its_pictures_exist_and_are_small():
    pictures = re.findall(r"!\[.+?\]\((\S+)\)", README)
    assert len(pictures) >= 3
    assert [picture for picture in pictures if (ROOT / picture).stat().st_size > 250_000] == []


def test_its_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make (?:PYTHON=\S+ )?([a-z]+)", README, re.MULTILINE))
    assert {"run", "test", "check", "help"} <= named
    assert named <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def test_its_reading_of_the_role_of_excitation_is_measured():
    result = survey.read(ROOT / "assets" / "surveys" / "se.parquet")
    text = " ".join(README.split())
    means = {gate.name: gate.classes.mean for gate in result.gates}
    apart = {name: float((mean.max(0) - mean.min(0)).mean()) for name, mean in means.items()}
    for block, said in {
        "layer4.1": "{:.3f} apart in the mean over its channels",
        "layer1.1": "{:.3f} apart in layer1.1",
        "layer2.1": "{:.3f} in layer2.1",
        "layer3.1": "{:.3f} in layer3.1",
    }.items():
        assert said.format(apart[f"{block}.attention"]) in text
    last = survey.statistics.share_between(result.gates[-1])
    assert f"{last.index.mean():.1%}".replace("%", " %") + " of a channel's variance" in text
    assert f"({last.shuffled.mean():.1%}".replace("%", " %") + " where they are shuffled)" in text
    third = next(gate for gate in result.gates if gate.name == "layer3.1.attention")
    assert survey.statistics.gate_health(third).constant == 1
    counts = dict(zip(survey.statistics.class_names(result), result.gates[0].classes.count, strict=True))
    n = f"n = {counts['tench']} tenches, {counts['church']} churches and {counts['parachute']} parachutes"
    assert n in text
