"""What the cards claim, against a slow loop; and the commands that measure it."""

import json
import shutil
import tarfile
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from attention import capture, evaluation, images, training
from attention.cli import main
from attention.models import own, zoo
from attention.records import GatescopeError
from attention.training import Recipe

CARD = own.card("se")


@pytest.fixture
def folder(tmp_path):
    """Two class folders of four small random pictures each, in train and in val."""
    random = np.random.default_rng(1)
    for split in ("train", "val"):
        for name in ("n1", "n2"):
            (tmp_path / "data" / split / name).mkdir(parents=True)
            for number in range(4):
                pixels = random.integers(0, 256, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "data" / split / name / f"{number}.png")
    return tmp_path / "data"


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setattr(own, "WEIGHTS", tmp_path / "weights")
    return tmp_path / "weights"


def trained(folder, tmp_path, variant):
    recipe = Recipe(phases=((32, 1),), batch_size=4)
    training.train(variant, training.load_pictures(folder / "train", 40), tmp_path / f"{variant}.pt", recipe)
    return tmp_path / f"{variant}.pt"


def test_a_network_goes_from_training_to_a_card_that_evaluation_reproduces(folder, tmp_path, weights):
    checkpoint = trained(folder, tmp_path, "cbam")
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"n1": "one"}))
    arguments = ["cbam", "--data", str(folder), "--checkpoint", str(checkpoint), "--labels", str(labels)]
    exported = CliRunner().invoke(main, ["export", *arguments, "--input-size", "48"], catch_exceptions=False)
    assert exported.exit_code == 0
    card = zoo.card("cbam")
    assert card.labels == ("one", "n2") and card.validation_pictures == 8 and card.input_size == 48
    measured = CliRunner().invoke(main, ["evaluate", "cbam", "--data", str(folder)], catch_exceptions=False)
    assert f"top-1 {card.accuracy:.2%} of 8 pictures at 48 px" in measured.output
    assert "The card says" not in measured.output
    own.save_card(replace(card, accuracy=0.0625))
    measured = CliRunner().invoke(main, ["evaluate", "cbam", "--data", str(folder)], catch_exceptions=False)
    assert "\nThe card says 6.25%.\n" in measured.output


@pytest.mark.parametrize("variant", ["se", "cbam-b0"])
def test_training_goes_on_from_a_checkpoint_of_its_own_run_alone(folder, tmp_path, variant):
    threads = torch.get_num_threads()
    arguments = ["train", variant, "--data", str(folder), "--checkpoint", str(trained(folder, tmp_path, "se"))]
    try:
        refused = CliRunner().invoke(main, [*arguments, "--threads", str(threads + 1)])
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert isinstance(refused.exception, GatescopeError) and "holds another run" in str(refused.exception)


def test_an_export_that_fails_leaves_the_weights_and_the_card_that_were_there(folder, tmp_path, weights):
    made = own.pack({"a": torch.zeros(2)})
    known = replace(CARD, sha256=own.digest(made))
    own.save(known, made)
    (weights / "cbam.json").mkdir()

    def there():
        return {path.name: path.read_bytes() for path in weights.iterdir() if path.is_file()}

    before = there()
    (folder / "val" / "n1" / "1.png").write_bytes(b"broken")
    arguments = ["export", "se", "--data", str(folder), "--checkpoint", str(trained(folder, tmp_path, "se"))]
    refused = CliRunner().invoke(main, arguments)
    assert isinstance(refused.exception, GatescopeError) and "cannot be used" in str(refused.exception)
    with pytest.raises(GatescopeError, match=r"cbam.json cannot be written"):
        own.save(replace(known, name="cbam"), made)
    assert there() == before and set(before) == {"se.json", "se.safetensors"}


def test_accuracy_and_health_equal_a_slow_loop(folder, tmp_path, weights):
    checkpoint = trained(folder, tmp_path, "se")
    network = own.assemble(*training.export("se", checkpoint, "noise", 48))
    card = evaluation.card_with_accuracy(network, folder / "val")
    right, values = [], {}
    for index, name in enumerate(("n1", "n2")):
        for path in sorted((folder / "val" / name).iterdir()):
            with Image.open(path) as picture:
                trace = capture.trace(network.module, network.transform(picture)[None])
            right.append(int(trace.output.argmax()) == index)
            for gate in trace.gates:
                values.setdefault(gate.name, []).append(gate.values[0])
    assert card.accuracy == np.mean(right)
    assert [gate.name for gate in card.gate_health] == list(values)
    for gate in card.gate_health:
        stacked = np.stack(values[gate.name]).astype(np.float64)
        assert gate.low == (stacked < 0.05).mean() and gate.high == (stacked >= 0.95).mean()
        assert gate.deviation == pytest.approx(stacked.std(0).mean(), abs=1e-5)


def test_a_tar_archive_is_as_good_as_its_directory(folder, tmp_path):
    with tarfile.open(tmp_path / "data.tar", "w") as archive:
        archive.add(folder / "val", "val")
    with evaluation.data_folder(tmp_path / "data.tar") as opened:
        assert sorted(path.name for path in (opened / "val").iterdir()) == ["n1", "n2"]
    assert not opened.exists()


@pytest.mark.parametrize(("name", "kept"), [("val/n1/0.png", 3000), ("../0.png", None)])
def test_a_tar_that_is_cut_off_or_leads_elsewhere_is_refused(name, kept, tmp_path):
    whole, member = BytesIO(), tarfile.TarInfo(name)
    member.size = 5000
    with tarfile.open(fileobj=whole, mode="w") as archive:
        archive.addfile(member, BytesIO(bytes(5000)))
    path = tmp_path / "data.tar"
    path.write_bytes(whole.getvalue()[:kept])
    refused = r"data\.tar cannot be unpacked: .*; a whole tar of plain files is allowed\.$"
    with pytest.raises(GatescopeError, match=refused), evaluation.data_folder(path):
        pass
    assert not (tmp_path / "0.png").exists()


def test_what_is_neither_a_directory_nor_an_archive_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no archive")
    with pytest.raises(GatescopeError, match="neither a directory"), evaluation.data_folder(tmp_path / "notes.txt"):
        pass


def test_missing_class_folders_are_named(tmp_path):
    with pytest.raises(GatescopeError, match="lacks class folders of se: n01440764, n02102040"):
        evaluation.card_with_accuracy(zoo.load("se"), tmp_path)


def test_a_network_that_names_no_class_folders_is_refused(tmp_path):
    network = zoo.load("torchvision/shufflenet_v2_x0_5", random=True)
    with pytest.raises(GatescopeError, match="shufflenet_v2_x0_5 names no class folders"):
        evaluation.card_with_accuracy(network, tmp_path)


def test_other_folders_are_left_out_and_a_broken_picture_is_refused(folder, tmp_path, weights):
    network = zoo.own.assemble(*training.export("se", trained(folder, tmp_path, "se"), "noise", 48))
    before = evaluation.card_with_accuracy(network, folder / "val")
    (folder / "val" / "others").mkdir()
    (folder / "val" / "n1" / "0.png").rename(folder / "val" / "others" / "0.png")
    (folder / "val" / "n1" / "notes.txt").touch()
    assert (before.validation_pictures, evaluation.card_with_accuracy(network, folder / "val").validation_pictures) == (
        8,
        7,
    )
    (folder / "val" / "n1" / "1.png").write_bytes(b"broken")
    with pytest.raises(GatescopeError, match=r"1 picture of .* cannot be used; n1/1.png: The file is not a picture"):
        evaluation.card_with_accuracy(network, folder / "val")


def test_torch_is_left_as_it_was(folder, tmp_path, weights):
    before = torch.get_num_threads(), torch.is_grad_enabled()
    made = training.export("se", trained(folder, tmp_path, "se"), "noise", 48)
    evaluation.card_with_accuracy(own.assemble(*made), folder / "val")
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == before


def test_a_network_of_other_classes_gets_the_health_of_its_gates_on_its_card_and_no_accuracy(folder, tmp_path, weights):
    weights.mkdir()
    for file in (images.ASSETS / "weights").glob("efficientnet-b0.*"):
        shutil.copy(file, weights)
    known, network = own.card("efficientnet-b0"), own.load("efficientnet-b0")
    own.save_card(replace(known, classes=(), labels=(), gate_health=(), gate_health_over=""))
    arguments = ["evaluate", "efficientnet-b0", "--data", str(folder), "--save"]
    said = CliRunner().invoke(main, arguments, catch_exceptions=False).output
    card = own.card("efficientnet-b0")
    assert "efficientnet-b0: no accuracy at 224 px" in said and card.accuracy is None and card.labels == known.labels
    assert card.health_pictures == f"8 pictures of {folder.stem}"
    batch = torch.stack([network.transform(images.read(path.read_bytes())) for path in sorted(folder.glob("val/*/*"))])
    for health, gate in zip(card.gate_health, capture.trace(network.module, batch).gates, strict=True):
        assert health.name == gate.name and health.deviation == pytest.approx(gate.values.std(0).mean(), abs=1e-4)


def test_a_card_with_an_accuracy_is_not_written_over(folder, tmp_path, weights):
    card, data = training.export("se", trained(folder, tmp_path, "se"), "noise", 48)
    own.save(evaluation.card_with_accuracy(own.assemble(card, data), folder / "val"), data)
    refused = CliRunner().invoke(main, ["evaluate", "se", "--data", str(folder), "--save"])
    assert refused.exit_code and "without accuracy" in refused.output
