"""What a command calls a network: a name, a weight file, one of its networks, one of its families, and its bands."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from attention import cli, images, serving, survey
from attention.models import zoo
from attention.records import GatescopeError
from tests import attacks, factories, published
from tests.pictures import tiff
from tests.test_recognition import LAYOUTS

pytestmark = pytest.mark.usefixtures("sparing")
SAMPLE = str(images.samples()[0].path)
TAKEN = "SE-ResNet, timm's layout"
OTHER = "SE-ResNet, timm's layout, anti-aliased by averages"


def run(*arguments):
    return CliRunner().invoke(cli.main, [*map(str, arguments)], standalone_mode=True)


@pytest.fixture
def shared(tmp_path):
    """A weight file whose keys two families have."""
    torch.manual_seed(0)
    path = tmp_path / "mine.pth"
    path.write_bytes(attacks.saved(LAYOUTS["timm SE-ResNet"][0]().state_dict()))
    return path


def test_words_are_read_as_a_name_a_file_a_part_and_a_family(shared):
    assert zoo.named("timm/seresnet50") == zoo.Named("timm/seresnet50")
    assert zoo.named("timm/se as good") == zoo.Named("timm/se as good")
    assert zoo.named(str(shared)) == zoo.Named(shared)
    assert zoo.named(f"{shared} as {OTHER}") == zoo.Named(shared, None, OTHER)
    assert zoo.named(f"{shared}:D as {OTHER}") == zoo.Named(shared, "D", OTHER)
    odd = shared.rename(shared.with_name("as it was as: 1.pth"))
    assert zoo.named(str(odd)) == zoo.Named(odd) and zoo.named(f"{odd}:G") == zoo.Named(odd, "G")


def test_a_weight_file_that_is_not_there_is_said_and_sought_as_no_name():
    with pytest.raises(zoo.ZooError, match=r"^There is no file 'gone\.pth'; the path of a weight file, or a network's"):
        zoo.named("gone.pth:D as CBAM")


def test_two_families_with_the_same_keys_are_compared_by_command(shared, tmp_path):
    done = run(
        "compare", SAMPLE, "--model", shared, "--model", f"{shared} as {OTHER.upper()}", "--out", tmp_path / "out"
    )
    assert done.exit_code == 0, done.output
    assert OTHER in done.output and f"'{shared} as FAMILY'" in done.output  # every candidate is named
    first, second = json.loads((tmp_path / "out" / "compare.json").read_text())["networks"]
    assert (first["name"], second["name"]) == ("mine.pth", f"mine.pth as {OTHER}")
    assert first["parameters"] == second["parameters"] and first["heatmap"] != second["heatmap"]


def test_a_family_that_does_not_fit_or_is_none_is_one_sentence(shared, tmp_path):
    for family, said in (
        ("BAM-ResNet, pytorchcv's layout", "are not those of BAM"),
        ("BAM", "There is no family 'BAM'"),
    ):
        done = run("ablate", SAMPLE, "--model", f"{shared} as {family}", "--out", tmp_path / "out")
        assert done.exit_code == 1 and said in str(done.exception)


def test_of_several_networks_in_a_file_one_is_named(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "gan.pth"
    path.write_bytes(
        attacks.saved({"G": published.cbam_resnet().state_dict(), "D": published.se_resnet().state_dict()})
    )
    done = run("report", SAMPLE, "--model", path, "--out", tmp_path / "out.html")
    assert done.exit_code == 1 and "G" in str(done.exception) and "D" in str(done.exception)
    loaded = zoo.load(path, part="D")
    assert loaded.card.name == "gan.pth:D" and set(loaded.card.gates) == {"channel"}
    assert run("report", SAMPLE, "--model", f"{path}:D", "--out", tmp_path / "out.html").exit_code == 0


COMMANDS = {
    "report": ["--out", "out.html"],
    "compare": ["--model", "plain", "--out", "out"],
    "ablate": ["--draws", "19", "--out", "out"],
    "survey": ["--out", "out.parquet", "--workers", "1"],
    "many": ["--out", "out"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_takes_bands_by_number_and_name(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    values = np.random.default_rng(0).integers(0, 255, (160, 160, 6), endpoint=True).astype("u1")
    Path("pictures", "six.tif").write_bytes(tiff(values, names=["", "", "", "nir", "", ""]))
    given = "pictures" if command in ("survey", "many") else Path("pictures", "six.tif")
    rest = ["--model", "se", *COMMANDS[command]]
    done = run(command, given, *rest, "--bands", "nir,6,red")
    assert done.exit_code == 0, (done.output, done.exception)
    if command == "survey":
        assert "1 of 1 picture," in done.output
    refused = run(command, given, *rest, "--bands", "1,2")
    assert refused.exit_code == 1 and "2 bands are given, and se reads 3" in str(refused.exception)


CODE = "tests.factories:Gated"
MANY = ["many", Path(SAMPLE).parent, "--limit", "2", "--out", "out"]
SURVEY = ["survey", Path(SAMPLE).parent, "--limit", "2", "--out", "out.parquet"]


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Weights and names of the classes of a network of one's own code, as words of a command."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(3)
    (tmp_path / "own.pth").write_bytes(attacks.saved(factories.Gated().state_dict()))
    (tmp_path / "names.txt").write_text("\n".join("ABCDE"))
    return ["--weights", tmp_path / "own.pth", "--labels", tmp_path / "names.txt", "--image-size", "64x48"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_code_of_ones_own_in_the_words_of_serve(command, said):
    given = [Path(SAMPLE).parent, "--limit", "2"] if command in ("survey", "many") else [SAMPLE]
    done = run(command, *given, "--model", CODE, *said, *COMMANDS[command])
    assert done.exit_code == 0, (done.output, done.exception)
    assert f"{CODE}: assumed, since nobody says it: " in done.output and "pictures of" not in done.output
    assert any(Path().glob("out*"))


def test_a_survey_of_code_is_that_of_the_network_that_serve_shows(said):
    assert run(*SURVEY, "--model", CODE, *said).exit_code == 0
    network = serving.network_of(serving.current.parse_arguments(list(map(str, ("--model", CODE, *said)))))
    expected = survey.run(network, survey.list_pictures(SURVEY[1]).limited(2))
    read = survey.read(Path("out.parquet"))
    assert read.provenance["network"]["name"] == CODE and list(read.labels) == list("ABCDE")
    for found, gate in zip(read.gates, expected.gates, strict=True):
        assert found.name == gate.name and np.array_equal(found.overall.mean, gate.overall.mean)


def test_what_is_said_of_code_goes_with_code(said):
    done = run(*MANY, "--model", "se", *said)
    expected = "--weights, --labels, --image-size: what is said of code; --model package.module:factory names some"
    assert done.exit_code == 2 and expected in " ".join(done.output.split())
    done = run(*MANY, "--model", CODE, "--random")
    assert done.exit_code == 2 and "--random goes with a name" in done.output


def test_other_weights_of_the_same_code_are_another_run(said):
    assert run(*MANY, "--model", CODE, *said).exit_code == 0
    done = run(*MANY, "--model", CODE, *said[2:])
    assert done.exit_code == 1 and "is of another run (other weights)" in str(done.exception)


def test_code_that_a_file_names_is_not_run(said):
    """Whoever wrote the result of a survey may be a stranger; who gives the command names the code."""
    assert run(*SURVEY, "--model", CODE, *said).exit_code == 0
    done = run("fold", "out.parquet", "--out", "folded.safetensors")
    assert done.exit_code == 1 and "--model package.module:factory names it" in str(done.exception)
    done = run("fold", "out.parquet", "--model", CODE, *said, "--out", "folded.safetensors")
    assert "has constant channels" in str(
        done.exception
    )  # which is looked for once the weights are those of the survey


@pytest.mark.parametrize("command", COMMANDS)
def test_what_code_of_ones_own_raises_is_one_sentence(command, said):
    given = [Path(SAMPLE).parent, "--limit", "2"] if command in ("survey", "many") else [SAMPLE]
    done = run(command, *given, "--model", "tests.factories:Picky", "--image-size", "64", *COMMANDS[command])
    assert isinstance(done.exception, GatescopeError)
    assert str(done.exception).startswith("tests.factories:Picky failed: LookupError: no noise (factories.py, line")


def test_of_several_networks_in_a_file_it_is_said_how_one_is_named(tmp_path):
    state = published.se_resnet(bottleneck=False, classes=3).state_dict()
    file = tmp_path / "both.pth"
    file.write_bytes(attacks.saved({f"{name}.{key}": each for name in "ab" for key, each in state.items()}))
    done = run("many", Path(SAMPLE).parent, "--model", file, "--out", tmp_path / "out")
    assert str(done.exception).endswith(f"several networks; choose one of a, b, as in '{file}:a'.")
    assert zoo.named(f"{file}:a") == zoo.Named(file, "a")
