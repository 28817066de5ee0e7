"""A survey of a folder, against every value of every picture; stopped, gone on with, and over what cannot be read."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from attention import analysis, capture, files, images, survey
from attention.models import zoo
from attention.survey import passes, running
from tests.surveys import Tiny, all_values, folder, network, same

COUNTS = {"a": 11, "b": 7, "strange": 5}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return survey.list_pictures(folder(tmp_path_factory.mktemp("pictures"), COUNTS))


@pytest.fixture(scope="module")
def tiny():
    return network()


@pytest.fixture(scope="module")
def result(tiny, pictures):
    return survey.run(tiny, pictures, settings=survey.Settings(batch_size=4))


@pytest.fixture(scope="module")
def reference(tiny, pictures):
    return all_values(tiny, pictures)


def agrees(summary, values):
    """Whether a summary is that of these values, (N, ...)."""
    assert summary.count == len(values)
    np.testing.assert_allclose(summary.mean, values.mean(0), rtol=1e-5)
    np.testing.assert_allclose(summary.std, values.std(0), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(summary.minimum, values.min(0), rtol=1e-5)
    np.testing.assert_allclose(summary.maximum, values.max(0), rtol=1e-5)


def row(summary, number):
    return survey.Summary(*(getattr(summary, name)[number] for name in ("count", "mean", "std", "minimum", "maximum")))


def test_every_statistic_is_that_of_all_values_at_once(result, reference, pictures):
    values, said = reference
    assert [(gate.name, gate.kind, gate.shape) for gate in result.gates] == [
        ("#1", "channel", (3,)),
        ("#2", "spatial", (8, 8)),
    ]
    expected = np.array(result.outputs)[pictures.labels]
    for gate in result.gates:
        held = values[gate.name]
        agrees(gate.overall, held)
        for number in range(3):
            agrees(row(gate.classes, number), held[pictures.labels == number])
        agrees(gate.correct, held[(said == expected)])
        agrees(gate.wrong, held[(said != expected) & (expected >= 0)])
        assert gate.histogram.sum(-1).tolist() == np.full(gate.shape, len(held)).tolist()


class Halved(Tiny):
    """The same two gates, the second of features of half the size: two blocks, and not one."""

    def forward(self, x):
        x = x * torch.sigmoid(self.channel(x.mean((2, 3))))[:, :, None, None]
        x = nn.functional.avg_pool2d(x, 2)
        return self.head((x * torch.sigmoid(self.place(x))).mean((2, 3)))


@pytest.mark.parametrize(("module", "count"), [(Tiny, 1), (Halved, 2)])
def test_a_survey_has_the_blocks_of_its_passes(module, count, pictures, tmp_path):
    net = network(module())
    result = survey.run(net, pictures, settings=survey.Settings(batch_size=4, out=tmp_path / "r.parquet"))
    with torch.inference_mode():
        gates = capture.trace(net.module, net.transform(images.read(pictures.read(0)))[None]).gates
    assert [gate.feature_shape for gate in result.gates] == [gate.feature_shape for gate in gates]
    for found in (result, survey.read(tmp_path / "r.parquet")):
        blocks = list(survey.LoadedSurvey(found).blocks)
        assert blocks == [block.name for block in analysis.blocks(gates)] and len(blocks) == count


def test_exemplars_are_the_pictures_of_the_extreme_gates_and_have_paths(result, reference, pictures):
    gate, values = result.gates[0], reference[0]["#1"]
    for end, order in ((gate.top, np.argsort(-values, 0)), (gate.bottom, np.argsort(values, 0))):
        assert end.pictures.tolist() == order[:9].tolist()
        np.testing.assert_allclose(end.values, np.take_along_axis(values, order[:9], 0), rtol=1e-5)
        assert all(result.paths[number] == pictures.paths[number] for number in end.pictures.ravel().tolist())
    assert result.gates[1].top is None and not result.gates[1].by_channel


def test_predictions_and_accuracy_count_the_classes_that_the_network_knows(result, reference, pictures):
    said, labels = reference[1], pictures.labels
    assert result.outputs == (0, 1, -1)
    for label, output, count in result.predictions:
        assert count == ((labels == label) & (said == output)).sum()
    assert result.pictures == 23
    assert result.accuracy == pytest.approx((said == labels)[labels < 2].mean())


def test_the_shuffled_classes_have_the_sizes_of_the_classes_and_the_same_mean(result):
    for gate in result.gates:
        counts, means = gate.shuffled
        assert counts.tolist() == gate.classes.count.tolist()
        np.testing.assert_allclose(np.average(means, 0, counts), gate.overall.mean)
        assert not np.allclose(means, gate.classes.mean)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_no_bit(result, tiny, pictures, workers):
    assert same(result, survey.run(tiny, pictures, settings=survey.Settings(batch_size=4, workers=workers)))


def test_another_size_of_batch_changes_rounding_alone(result, tiny, pictures):
    other = survey.run(tiny, pictures, settings=survey.Settings(batch_size=9))
    for one, two in zip(result.gates, other.gates, strict=True):
        np.testing.assert_allclose(one.classes.mean, two.classes.mean, rtol=1e-6)
        np.testing.assert_allclose(one.classes.std, two.classes.std, rtol=1e-4)


def stopped_after(batches):
    """A cancel event, and the progress that sets it."""
    cancel, seen = threading.Event(), []

    def progress(at):
        seen.append(at)
        if len(seen) == batches:
            cancel.set()

    return {"cancel": cancel, "progress": progress}


def test_a_stopped_survey_goes_on_to_the_same_bits(result, tiny, pictures, tmp_path):
    settings = {"batch_size": 4, "out": tmp_path / "r.parquet"}
    for _ in range(2):
        with pytest.raises(survey.CancelledError, match="--resume goes on"):
            survey.run(tiny, pictures, settings=survey.Settings(**settings, resume=True), **stopped_after(2))
        assert [path.name for path in tmp_path.iterdir()] == ["r.parquet.partial"]
    with pytest.raises(survey.SurveyError, match="holds an unfinished survey; go on with --resume, or delete it"):
        survey.run(tiny, pictures, settings=survey.Settings(**settings))
    finished = survey.run(tiny, pictures, settings=survey.Settings(**settings, resume=True))
    assert same(result, finished) and finished.provenance["run"]["resumed_at"] == 16
    assert [path.name for path in tmp_path.iterdir()] == ["r.parquet"]


def test_a_survey_that_is_stopped_during_its_last_batch_is_finished(result, tiny, pictures, tmp_path):
    settings = survey.Settings(batch_size=4, out=tmp_path / "r.parquet")
    finished = survey.run(tiny, pictures, settings=settings, **stopped_after(6))
    assert same(result, finished) and [path.name for path in tmp_path.iterdir()] == ["r.parquet"]


def test_a_survey_of_something_else_is_not_gone_on_with(tiny, pictures, tmp_path):
    out = {"out": tmp_path / "r.parquet", "resume": True}
    with pytest.raises(survey.CancelledError):
        survey.run(tiny, pictures, settings=survey.Settings(batch_size=4, **out), **stopped_after(1))
    with pytest.raises(survey.SurveyError, match=r"another survey \(other batch_size\)"):
        survey.run(tiny, pictures, settings=survey.Settings(batch_size=5, **out))
    with pytest.raises(survey.SurveyError, match=r"another survey \(other pictures\)"):
        survey.run(tiny, pictures.limited(20), settings=survey.Settings(batch_size=4, **out))
    with pytest.raises(survey.SurveyError, match=r"another survey \(other network\)"):
        survey.run(network(Tiny()), pictures, settings=survey.Settings(batch_size=4, **out))


@pytest.mark.parametrize("held", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_damaged_unfinished_survey_is_refused(tiny, pictures, tmp_path, held):
    (tmp_path / "r.parquet.partial").write_bytes(held)
    with pytest.raises(survey.SurveyError, match="is no unfinished survey; delete it"):
        survey.run(tiny, pictures, settings=survey.Settings(out=tmp_path / "r.parquet", resume=True))


def test_a_survey_saves_itself_now_and_then(tiny, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "SAVE_SECONDS", 0)
    found = []
    settings = survey.Settings(batch_size=4, out=tmp_path / "r.parquet")
    survey.run(tiny, pictures, settings=settings, progress=lambda _: found.append([*tmp_path.iterdir()]))
    assert [[path.name for path in each] for each in found] == [["r.parquet.partial"]] * 6


def test_progress_counts_all_pictures_and_the_failed_ones(tiny, tmp_path):
    source = folder(tmp_path, {"a": 5})
    (source / "a" / "00001.png").write_bytes(b"broken")
    seen = []
    survey.run(tiny, survey.list_pictures(source), settings=survey.Settings(batch_size=2), progress=seen.append)
    assert [(at.done, at.total, at.failed) for at in seen] == [(2, 5, 1), (4, 5, 1), (5, 5, 1)]
    assert all(at.rate > 0 for at in seen) and seen[-1].seconds_left == 0 < seen[0].seconds_left


def spoiled(source):
    """Four ways for a file to be no picture, and one that is not there."""
    files = sorted((source / "a").iterdir())
    files[0].write_bytes(b"")
    files[1].write_bytes(b"%PDF-1.7")
    files[2].write_bytes(files[2].read_bytes()[:60])
    Image.new("1", (8000, 8000)).save(files[3])
    pictures = survey.list_pictures(source)
    files[4].unlink()
    return pictures


def test_pictures_that_cannot_be_read_are_named_and_the_others_are_surveyed(tiny, tmp_path):
    pictures = spoiled(folder(tmp_path, {"a": 6, "b": 2}))
    result = survey.run(tiny, pictures, settings=survey.Settings(batch_size=3))
    said = ["The file is empty", "a PDF document", "cannot be decoded", "at most 50,000,000", "there is no such file"]
    assert [failure.path for failure in result.failures] == list(pictures.paths[:5])
    assert all(part in failure.reason for part, failure in zip(said, result.failures, strict=True))
    assert result.pictures == 3 and result.gates[0].classes.count.tolist() == [1, 2]


def test_a_folder_without_one_usable_picture_gives_a_result_without_numbers(tiny, tmp_path):
    source = folder(tmp_path, {"a": 2})
    for path in (source / "a").iterdir():
        path.write_bytes(b"broken")
    result = survey.run(tiny, survey.list_pictures(source))
    assert result.gates == () and result.pictures == 0 and result.accuracy is None and len(result.failures) == 2


class Infinite(Tiny):
    """No finite numbers for dark pictures."""

    def forward(self, x):
        return super().forward(x / (x.mean((1, 2, 3), keepdim=True) > -1.9))


@pytest.mark.parametrize("together", [1, 3])
def test_a_picture_for_which_the_network_has_no_finite_numbers_is_a_failure(tmp_path, together):
    source = folder(tmp_path, {"a": 3})
    Image.new("RGB", (8, 8)).save(source / "a" / "00001.png")
    settings = survey.Settings(batch_size=together)
    result = survey.run(network(Infinite()), survey.list_pictures(source), settings=settings)
    assert [failure.path for failure in result.failures] == ["a/00001.png"] and result.pictures == 2
    assert np.isfinite(result.gates[0].overall.mean).all()


def test_a_network_without_gates_has_predictions_alone(pictures):
    plain = network(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)))
    result = survey.run(plain, pictures)
    assert result.gates == () and result.pictures == 23 and result.paths == {}


class Fickle(Tiny):
    """Leaves its spatial gate out where the batch is not full."""

    def forward(self, x):
        return super().forward(x) if len(x) == 4 else self.head((x * torch.sigmoid(x.mean((2, 3), True))).mean((2, 3)))


def test_a_network_whose_gates_differ_between_pictures_is_refused(pictures):
    with pytest.raises(survey.SurveyError, match="applies other gates to some pictures"):
        survey.run(network(Fickle()), pictures, settings=survey.Settings(batch_size=4))


def test_a_network_that_is_no_classifier_is_refused(pictures):
    with pytest.raises(survey.SurveyError, match="only classifiers are allowed"):
        survey.run(network(nn.Conv2d(3, 3, 1)), pictures)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"engine": "spark"}, "no engine 'spark'; local and ray"),
        ({"batch_size": 0}, "batch size is 0; 1 to 255"),
        ({"batch_size": 256}, "batch size is 256; 1 to 255"),
        ({"workers": 0}, "0 workers; 1 to 1,024"),
        ({"workers": 1025}, "1025 workers; 1 to 1,024"),
    ],
)
def test_settings_that_cannot_be_are_refused(given, said):
    with pytest.raises(survey.SurveyError, match=said):
        survey.Settings(**given)


@pytest.mark.parametrize("given", [{"batch_size": 1}, {"batch_size": 255}, {"workers": 1}, {"workers": 1024}])
def test_the_least_and_the_most_of_a_setting_are_allowed(given):
    assert vars(survey.Settings(**given)).items() >= given.items()


def test_a_result_in_a_folder_that_cannot_be_made_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(files.FileError, match="is no folder that can be written to; one that can be made is allowed"):
        survey.Settings(out=tmp_path / "file" / "r.parquet")


def test_the_folder_of_a_result_is_made(tiny, pictures, tmp_path):
    out = tmp_path / "new" / "inner" / "r.parquet"
    with pytest.raises(survey.CancelledError):
        survey.run(tiny, pictures, settings=survey.Settings(batch_size=4, out=out), **stopped_after(1))
    result = survey.run(tiny, pictures, settings=survey.Settings(batch_size=4, out=out, resume=True))
    assert same(survey.read(out).gates, result.gates)


def test_torch_is_left_as_it_was_and_no_thread_stays(tiny, pictures):
    before = torch.get_num_threads(), torch.is_grad_enabled(), threading.active_count()
    survey.run(tiny, pictures)
    with pytest.raises(survey.CancelledError, match="nothing is kept without a result file"):
        survey.run(tiny, pictures, settings=survey.Settings(batch_size=4), **stopped_after(1))
    assert (torch.get_num_threads(), torch.is_grad_enabled(), threading.active_count()) == before


def test_the_provenance_says_what_the_numbers_rest_on(result, tiny, pictures):
    known = json.loads(json.dumps(result.provenance))
    assert known["network"]["weights_sha256"] == passes.weights_sha256(tiny.module)
    assert known["pictures"]["fingerprint"] == pictures.fingerprint and known["pictures"]["count"] == 23
    assert known["preprocessing"]["size"] == 8 and known["versions"]["torch"] == torch.__version__.split("+")[0]


def test_a_changed_weight_changes_the_weights_hash():
    one, other = Tiny(), Tiny()
    other.load_state_dict(one.state_dict())
    assert passes.weights_sha256(one) == passes.weights_sha256(other)
    with torch.no_grad():
        other.head.bias[0] += 1e-3
    assert passes.weights_sha256(one) != passes.weights_sha256(other)


def test_classes_are_known_by_folder_label_or_wordnet_id():
    cbam = zoo.load("cbam")
    assert passes.class_outputs(cbam, ("n03888257", "Golf Ball", "pug")) == (9, 8, -1)
    imagenet = network(nn.Identity(), classes=tuple(f"class {number}" for number in range(1000)))
    assert passes.class_outputs(imagenet, ("n01440764", "n03888257")) == (0, 701)
    assert passes.class_outputs(imagenet, ("n01440764", "class 3")) == (-1, 3)


def test_of_two_outputs_of_one_label_the_first_is_the_class():
    birds = network(nn.Identity(), classes=("Crane", "dog", "crane", "DOG"))
    birds = replace(birds, card=replace(birds.card, classes=()))
    assert passes.class_outputs(birds, ("crane", "Crane", "dog", "Dog", "cat")) == (0, 0, 1, 1, -1)
