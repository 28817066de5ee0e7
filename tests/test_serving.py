"""A person's own network by its name in Python, and what goes wrong on the way, each in one sentence."""

import gc
import json
import sys
import tempfile
import warnings
import weakref
from itertools import chain

import pytest
import torch
from safetensors.torch import save_file

from attention import capture, labels, serving
from attention.models import checkpoints, code, weight_files
from attention.models.code import CodeError
from attention.records import GatescopeError
from attention.serving import current, server
from attention.serving.current import parse_arguments
from tests import attacks, factories

NAME = "tests.factories:"
SMALL = ("--image-size", "64")
BATCH = torch.zeros(1, 3, 32, 32)


def network_of(*arguments):
    return serving.network_of(parse_arguments(arguments))


@pytest.mark.parametrize("name", ["classifier", "Gated", "ready"])
def test_a_function_a_class_or_a_module_is_served(name):
    network = network_of("--model", NAME + name, *SMALL)
    assert isinstance(network.module, factories.Gated) and not network.module.training
    assert network.card.source == "code" and network.card.name == NAME + name
    assert network.card.gates == {"channel": 1, "spatial": 1}
    assert network.labels == labels.default(factories.CLASSES)


def test_random_weights_are_the_same_every_time_and_the_generator_stays_as_it_was():
    before = torch.random.get_rng_state()
    first, second = (network_of("--model", NAME + "classifier", *SMALL).module.state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_every_option_is_read_as_it_was_said_and_one_that_is_left_out_says_nothing(tmp_path):
    file = tmp_path / "file"
    file.touch()
    said = {
        "model": (["a:b"], "a:b"),
        "weights": ([file], file),
        "labels": ([file], file),
        "image_size": (["256x128"], "256x128"),
        "mean": ([0.1, 0.2, 0.3], (0.1, 0.2, 0.3)),
        "std": ([1, 2, 3], (1.0, 2.0, 3.0)),
        "adapter": (["a.b:c"], "a.b:c"),
        "output": (["0"], "0"),
        "region": (["whole"], "whole"),
        "outputs": (["values"], "values"),
        "bands": (["red,2"], "red,2"),
        "device": (["cpu"], torch.device("cpu")),
        "data": ([tmp_path, "--data", tmp_path.parent], (tmp_path, tmp_path.parent)),
    }
    words = [(f"--{name.replace('_', '-')}", *map(str, given)) for name, (given, _) in said.items()]
    assert parse_arguments([*chain.from_iterable(words)]) == {name: read for name, (_, read) in said.items()}
    assert parse_arguments([]) == dict.fromkeys(said) | {"data": ()}


def test_a_thousand_classes_are_taken_for_imagenets_and_that_is_said():
    network = network_of("--model", NAME + "imagenet", *SMALL)
    assert network.labels[0] == "tench" and weight_files.IMAGENET in network.card.assumed


def test_a_module_in_the_working_directory_is_found(tmp_path, monkeypatch):
    (tmp_path / "my_own_nets.py").write_text("from tests.factories import Gated\n\n\ndef make():\n    return Gated()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert network_of("--model", "my_own_nets:make", *SMALL).card.title == "Gated"


def test_the_parameters_of_a_lazy_module_are_counted_and_can_be_asked_for_gradients():
    network = network_of("--model", NAME + "Lazy", *SMALL)
    assert network.card.parameters == 8 * 3 * 9 + 8 + 8 * 5 + 5
    network.module(torch.ones(1, *network.transform.shape[1:]))[0, 0].backward()
    assert all(parameter.grad is not None for parameter in network.module.parameters())


@pytest.mark.parametrize("kind", ["Gated", "Wrapped"])
def test_weights_come_out_of_a_file(tmp_path, kind):
    trained = getattr(factories, kind)()
    save_file(trained.state_dict(), tmp_path / "trained.safetensors")
    network = network_of("--model", NAME + kind, *SMALL, "--weights", str(tmp_path / "trained.safetensors"))
    assert all(torch.equal(value, network.module.state_dict()[key]) for key, value in trained.state_dict().items())


def test_weights_that_do_not_fit_are_named(tmp_path):
    state = factories.Gated(classes=7).state_dict() | {"more": torch.zeros(1)}
    del state["first.weight"]
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(CodeError) as raised:
        network_of("--model", NAME + "classifier", *SMALL, "--weights", str(tmp_path / "other.pt"))
    for said in ("1 missing (first.weight)", "1 left over (more)", "last.weight [7, 8] instead of [5, 8]"):
        assert said in str(raised.value)


def test_a_weight_file_with_code_in_it_is_refused(tmp_path):
    torch.save({"model": factories.Gated().state_dict(), "arguments": attacks.Harm()}, tmp_path / "harm.pt")
    with pytest.raises(checkpoints.CheckpointError, match="asks to run"):
        network_of("--model", NAME + "classifier", *SMALL, "--weights", str(tmp_path / "harm.pt"))


def test_a_whole_module_in_a_file_gives_its_weights(tmp_path):
    trained = factories.Gated()
    torch.save(trained, tmp_path / "whole.pt")
    network = network_of("--model", NAME + "classifier", *SMALL, "--weights", str(tmp_path / "whole.pt"))
    assert all(torch.equal(value, network.module.state_dict()[key]) for key, value in trained.state_dict().items())


def test_of_several_networks_in_a_file_the_weights_are_those_that_fit(tmp_path):
    """Which of them is meant, the code says."""
    trained = factories.Gated()
    torch.save(
        {"G": {"a.weight": torch.ones(3), "b.weight": torch.ones(2)}, "D": trained.state_dict()}, tmp_path / "gan.pt"
    )
    network = network_of("--model", NAME + "classifier", *SMALL, "--weights", str(tmp_path / "gan.pt"))
    assert all(torch.equal(value, network.module.state_dict()[key]) for key, value in trained.state_dict().items())


def test_labels_are_read_from_a_file(tmp_path):
    (tmp_path / "names.json").write_text(json.dumps(list("abcde")))
    network = network_of("--model", NAME + "classifier", *SMALL, "--labels", str(tmp_path / "names.json"))
    assert network.labels == tuple("abcde")


def test_the_picture_is_prepared_as_the_arguments_say():
    network = network_of("--model", NAME + "classifier", *SMALL, "--mean", "0", ".5", "1", "--std", "1", "2", "3")
    seen = network.transform
    assert (seen.size, seen.mean, seen.std) == (64, (0, 0.5, 1), (1, 2, 3))
    assert not any("mean" in phrase or "px" in phrase for phrase in network.card.assumed)


def test_a_grey_network_of_a_shape_of_its_own_sees_that():
    network = network_of("--model", NAME + "grey", "--image-size", "64x32")
    assert network.transform.shape == (1, 1, 64, 32) and network.card.bands == ("grey",)
    assert "what the input channel reads: grey" in network.card.assumed
    chosen = network_of("--model", NAME + "grey", "--image-size", "64x32", "--bands", "red")
    assert chosen.card.bands == ("red",) and not any("channel reads" in phrase for phrase in chosen.card.assumed)


@pytest.mark.parametrize(("at", "chance"), [("features", True), ("answer", True), ("", False)])
def test_a_network_whose_passes_draw_random_numbers_is_said_to(at, chance):
    class Drawing(factories.Gated):
        def forward(self, pictures):
            features = pictures + 0.5 * torch.rand(()) if at == "features" else pictures
            answer = super().forward(features)
            return answer + torch.rand(()) if at == "answer" else answer

    network = code.network(Drawing(), "drawing", code.ModelOptions(image_size=32))
    assert any("is chance" in phrase for phrase in network.card.assumed) == chance


def test_settings_in_words_are_those_of_the_command_line():
    given = {"image_size": "64x32", "bands": "nir,4, 3", "region": "0,0,0.5,1"}
    settings = code.ModelOptions(**given)
    assert (settings.image_size, settings.bands, settings.region) == ((64, 32), ("nir", "4", "3"), (0, 0, 0.5, 1))
    same = code.ModelOptions(image_size=(64, 32), bands=("nir", "4", "3"), region=(0, 0, 0.5, 1))
    assert same == settings and code.ModelOptions(region="whole").region == (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        *(("image_size", value) for value in (0, -3, 2.5, True, 10**9, "x", (64, 64, 64), ())),
        *(("region", value) for value in ("half", (0, 0, 1), (0.5, 0, 0.1, 1), (-1, 0, 1, 1), 0.5)),
        *((name, value) for name in ("mean", "std") for value in (0.5, "abc", "123", (0.5, 0.5), (1, 2, None))),
        ("outputs", "classes"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told_with_what_is_allowed(setting, wrong):
    with pytest.raises(GatescopeError, match="allowed") as error:
        code.ModelOptions(**{setting: wrong})
    assert str(error.value).startswith(f"The {setting.replace('_', ' ')}")


@pytest.mark.parametrize("kind", ["script", "trace", "compile"])
def test_a_module_without_eager_code_is_told_so(kind):
    module = factories.Gated().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls the first two deprecated
        made = {"script": torch.jit.script, "compile": torch.compile}.get(
            kind, lambda each: torch.jit.trace(each, BATCH)
        )
        made = made(module)
    with pytest.raises(GatescopeError, match="trace the eager module"):
        code.network(made, "made", code.ModelOptions(image_size=32))


@pytest.mark.parametrize("where", ["answer", "weight"])
def test_nothing_is_said_of_an_answer_that_is_no_number(where):
    class Lost(factories.Gated):
        def forward(self, pictures):
            return super().forward(pictures) * (float("nan") if where == "answer" else 1)

    module = Lost()
    module.last.bias.data.fill_(float("nan"))
    card = code.network(module, "lost", code.ModelOptions(image_size=32)).card
    assert not any("outputs" in phrase or "chance" in phrase for phrase in card.assumed)


def test_what_nobody_says_is_assumed_and_named():
    card = network_of("--model", NAME + "classifier").card
    assert card.input_size == 224 and {"pictures of 224 px", "ImageNet's mean and standard deviation"} <= {
        *card.assumed
    }
    assert "ImageNet's mean" in network_of("--model", NAME + "classifier", *SMALL, "--std", "1", "1", "1").card.assumed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "nets"), "package.module:factory is allowed"),
        (("--model", "os.path:../x"), "names nothing"),
        (("--model", "nowhere_at_all:net"), "no module 'nowhere_at_all'"),
        (("--model", "tests.nowhere.net:net"), "no module 'tests.nowhere'"),
        (("--model", NAME + "clasifier"), "there is Gated, Channel, Segmenting, Twofold, Picky, Wrapped and others."),
        (
            ("--model", NAME + "clips", *SMALL),
            "it convolves along one axis or three, and pictures have two: an adapter",
        ),
        (("--model", NAME + "number"), "is of the type int"),
        (("--model", NAME + "failing"), "KeyError: 'no such data' (factories.py, line"),
        (("--model", NAME + "returning_nothing"), "the type NoneType"),
        (("--model", NAME + "of_some_classes"), "argument: 'classes'; it is called without arguments."),
        (("--model", NAME + "ending"), "it ends the program, SystemExit: usage: train.py --data FOLDER (factories.py"),
        (("--model", NAME + "Ending", *SMALL), "it ends the program, SystemExit: 3 (factories.py, line"),
        (("--model", NAME + "Paired", *SMALL), "argument: 'y'; it has to run"),
        (("--model", "some/nets.py:small"), "is allowed, such as some.nets:small."),
        (
            ("--model", NAME + "grey", *SMALL, "--bands", "red,green"),
            "first convolution reads are 1, and those of a picture",
        ),
        (("--model", NAME + "grey", *SMALL, "--bands", ","), "red, green, blue, grey, a number from 1 on, or a name"),
        (("--model", NAME + "grey", "--image-size", "64x64x64"), "a height and a width, as in 256x128, are allowed"),
        (("--model", NAME + "Paired", *SMALL), "has to run on a batch of pictures and nothing else"),
        (("--model", NAME + "Picky", "--labels", "nowhere.txt"), "does not exist"),
        (("--model", NAME + "Gated", "--image-size", "0"), "image size is '0'; 1 to 1024 pixels"),
        (("--model", NAME + "Gated", "--std", "1", "0", "1"), "deviation above 0"),
        (("--model", NAME + "Gated", "--std", "1", "1e-40", "1"), "a millionth at least"),
        (("--model", NAME + "Gated", "--mean", "1", "nan", "1"), "finite numbers"),
        (("--model", NAME + "Gated", "--mean", "1", "1"), "requires 3 arguments"),
        (("--models", NAME + "Gated"), "--weights, --labels"),
        ((NAME + "Gated",), "unexpected extra argument"),
        (("--image-size", "64"), "No network is named"),
        (("--data", "nowhere"), "Path 'nowhere' does not exist"),
    ],
)
def test_every_mistake_in_the_arguments_is_one_sentence(arguments, said):
    with pytest.raises(GatescopeError) as raised:
        network_of(*arguments)
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_a_module_that_cannot_be_imported_says_where(tmp_path, monkeypatch):
    (tmp_path / "half_written.py").write_text("import torch\n\nimport not_installed_anywhere\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(CodeError, match=r"not_installed_anywhere.*half_written\.py, line 3"):
        network_of("--model", "half_written:make")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "argparse.ArgumentParser().parse_args(['--epochs', '3'])",
            r"it ends the program, SystemExit: 2 \(script\.py, ",
        ),
        ("def make(:", r"SyntaxError: [^()]* \(script\.py, line 2\)\."),
    ],
)
def test_a_script_that_ends_when_it_is_imported_is_one_sentence(tmp_path, monkeypatch, line, said):
    (tmp_path / "script.py").write_text(f"import argparse\n{line}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(CodeError, match=rf"^script cannot be imported: {said}"):
        network_of("--model", "script:make")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"labels": ["one"]}, "1 label was given and the network has 5"),
        ({"labels": "nowhere.txt"}, "nowhere.txt cannot be read"),
        ({"image_size": -1}, "1 to 1024 pixels"),
        ({"mean": (1.0, 2.0)}, "three numbers are allowed"),
    ],
)
def test_every_mistake_in_the_settings_is_one_sentence(settings, said):
    with pytest.raises(GatescopeError, match=said):
        serving.serve(factories.Gated(), **{"image_size": 64} | settings)


def test_labels_for_what_is_no_class_are_refused():
    with pytest.raises(CodeError, match="nothing to label: The network returns a dict of out"):
        serving.serve(factories.Segmenting(), image_size=64, labels=["one"])


def test_what_is_no_module_is_refused():
    with pytest.raises(serving.ServingError, match="int cannot be served"):
        serving.serve(3)


def test_a_module_that_cannot_be_traced_is_refused():
    compiled = torch.compile(factories.Gated(), backend="eager")
    with pytest.raises(capture.TraceError, match="compiled"):
        serving.serve(compiled, image_size=64)


def test_what_is_put_here_is_served_under_a_new_key(monkeypatch):
    monkeypatch.setattr(current, "_current", [])
    network = network_of("--model", NAME + "classifier", *SMALL)
    serving.set_network(network)
    first = serving.current_network()
    serving.set_network(network)
    second = serving.current_network()
    assert first.network is second.network is network and first.key != second.key


def test_arguments_build_the_network_once(monkeypatch):
    monkeypatch.setattr(current, "ARGUMENTS", ("--model", NAME + "classifier", *SMALL))
    assert serving.current_network() is serving.current_network() is not None


def test_arguments_of_another_program_are_not_those_of_the_dashboard():
    assert current.ARGUMENTS == () and serving.current_network() is None


def test_a_server_without_a_folder_for_temporary_files_does_not_start(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", list)
    with pytest.raises(serving.ServingError, match=r"No usable temporary directory .*; free some of the disk"):
        serving.show(None, port=0)


def test_a_server_keeps_the_folder_for_temporary_files_that_it_found(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: [str(tmp_path)])
    server._check_temporary()
    monkeypatch.setattr("tempfile._candidate_tempdir_list", list)
    assert tempfile.gettempdir() == str(tmp_path)


def test_what_nobody_uses_any_more_is_let_go_though_collections_leave_out_what_was_in_use():
    """A cycle, as a visitor's pages are, which only a collection of garbage lets go of."""

    class Visitor:
        def __init__(self):
            self.own = self

    visitor = Visitor()
    gone = weakref.ref(visitor)
    try:
        server._return_memory()
        assert gc.get_freeze_count() > 1000
        del visitor
        gc.collect()
        assert gone()  # what was in use then is left out
        server._return_memory()
        assert not gone()
    finally:
        gc.unfreeze()
