"""What the documents say is so: Python runs, tables are what the cards say, pictures, links and commands exist."""

import importlib
import json
import operator
import pkgutil
import re

import pytest
from click.testing import CliRunner

import attention
from attention import images, survey
from attention.cli import main
from attention.models import own, zoo
from tests.documents import NAMES, README, ROOT, document, in_one_line

ONE_LINE = in_one_line(README)


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
    assert row in document("networks")


def test_its_table_has_every_network_and_no_other():
    rows = re.findall(r"^\| (\S+) \| [\d.]+ M \|", document("networks"), re.MULTILINE)
    assert tuple(rows) == own.names()


def test_every_document_counts_the_networks_alike():
    word = ["no", "one", "two", "three", "four", "five", "six", "seven"]
    count, wide = len(own.names()), sum(len(zoo.card(name).labels) == 1000 for name in own.names())
    ten = count - wide
    assert f"{word[count].title()} trained networks come with it, {word[wide]} of them with the thousand" in ONE_LINE
    assert f"{word[ten].title()} of the {word[count]} networks that come with" in in_one_line(document("limits"))
    assert f"{word[count].title()} come with Gatescope. {word[ten].title()} are" in in_one_line(document("networks"))


def test_its_pictures_exist_and_are_small():
    pictures = re.findall(r"!\[.+?\]\((\S+)\)", README)
    assert len(pictures) >= 3
    assert [picture for picture in pictures if (ROOT / picture).stat().st_size > 250_000] == []


def test_it_fits_on_a_few_screens():
    assert README.count("\n") <= 150


def test_every_link_between_documents_leads_somewhere():
    texts = {ROOT / "README.md": README, ROOT / "CONTRIBUTING.md": None, ROOT / "CHANGELOG.md": None}
    texts |= {ROOT / "docs" / f"{name}.md": document(name) for name in NAMES}
    for path, text in texts.items():
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text or path.read_text(encoding="utf-8")):
            file, _, heading = target.partition("#")
            found = (path.parent / file).resolve() if file else path
            assert found.exists(), f"{path.name}: {target}"
            headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE) if heading else []
            slugs = [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings]
            assert not heading or heading in slugs, f"{path.name}: {target}"


def test_the_rooms_are_those_that_there_are():
    named = set(re.findall(r"`attention/([\w/.]+?)/?`", document("architecture")))
    named |= set(re.findall(r"`attention/[\w/.]+`, `([\w/.]+?)/?`", document("architecture")))
    assert [name for name in named if not (ROOT / "attention" / name).exists()] == []


def test_its_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make (?:PYTHON=\S+ )?([a-z-]+)", README, re.MULTILINE))
    assert {"run", "test", "check", "help"} <= named
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def test_its_reading_of_the_role_of_excitation_is_measured():
    result = survey.read(ROOT / "assets" / "surveys" / "se.parquet")
    text = in_one_line(document("evidence"))
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
    assert f"{last.index.mean():.1%}" + " of a channel's variance" in text
    assert f"({last.shuffled.mean():.1%}" + " where they are shuffled)" in text
    third = next(gate for gate in result.gates if gate.name == "layer3.1.attention")
    assert survey.statistics.gate_health(third).constant == 1
    counts = dict(zip(survey.statistics.class_names(result), result.gates[0].classes.count, strict=True))
    n = f"n = {counts['tench']} tenches, {counts['church']} churches and {counts['parachute']} parachutes"
    assert n in text


def test_the_example_of_a_comparison_is_what_the_command_says(tmp_path):
    picture = ROOT / "assets" / "samples" / "cathedral.jpg"
    models = [part for name in ("plain", "se", "cbam") for part in ("--model", name)]
    arguments = ["compare", str(picture), *models, "--out", str(tmp_path)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    told = json.loads((tmp_path / "compare.json").read_text())
    example = in_one_line(document("evidence").split("Do they look at the same thing?")[1])
    percent = [f"{each['name']} {each['probability']:.1%}" for each in told["networks"]]
    assert "call the cathedral a church: " + ", ".join(percent) in example
    overlaps = [f"{value:.0%}" for value in told["overlap of the top fifths"].values()]
    assert f"overlap by {overlaps[0]}, where chance gives 20% and a blob in the middle {overlaps[1]}" in example
    cbam = told["networks"][2]
    ranked = {each["name"].split(".attention")[0]: each["rank correlation"] for each in cbam["spatial gates"]}
    assert f"Over n = {ranked['layer1.0']['pictures']} pictures" in example
    for name, each in ranked.items():
        over = each["mean over pictures"]
        said = f"{name} by {over['observed']:.2f} in the mean, where gates of other pictures give "
        said += f"{over['low']:.2f} to {over['high']:.2f} (p = {over['p_adjusted']:.2g})"
        assert (said in example) == (over["p_adjusted"] <= 0.05)
    best = max(ranked, key=lambda name: ranked[name]["here"]["observed"])
    here = ranked[best]["here"]
    assert f"{best} agrees the most, by {here['observed']:.2f}: number {here['rank']} of" in example
    last = cbam["spatial gates"][-1]
    assert last["nearly constant"] and f"passes {last['minimum']:.2f} to {last['maximum']:.2f}" in example


@pytest.mark.parametrize("name", NAMES)
def test_what_it_names_of_the_package_is_there(name):
    rooms = {module.name for module in pkgutil.iter_modules(attention.__path__)}
    named = re.findall(r"`(?:attention\.)?([a-z_]+)\.([A-Za-z_.]+)[`(]", document(name))
    ends = {"py", "html", "css", "js", "parquet"}
    absent = []
    for room, rest in named:
        if room in rooms and rest not in ends:
            try:
                operator.attrgetter(rest)(importlib.import_module(f"attention.{room}"))
            except AttributeError:
                absent.append(f"{room}.{rest}")
    assert absent == []
