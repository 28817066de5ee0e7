"""What networks have in common on one picture, and the command that says it in a file and a picture."""

import io
import json
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from matplotlib.figure import Figure
from PIL import Image

from attention import capture, comparison, images
from attention import cli as command
from attention.analysis import agreement
from attention.attribution import Attributor, GradCam
from attention.charts import printed
from attention.comparison import Compared
from attention.cost import measure
from attention.models import code, zoo
from attention.observe import observe, read_picture
from attention.records import Heatmap
from tests import factories

pytestmark = pytest.mark.usefixtures("sparing")
SAMPLE = next(sample for sample in images.samples() if sample.title == "Reims cathedral")
CARD = zoo.card("cbam")


def heatmap(values):
    values = np.asarray(values, np.float32)
    return Heatmap(values, 0, "grad-cam", "layer4.1", float(values.min()), float(values.max()))


def column(values=None, *, box=(0.0, 0.0, 100.0, 100.0), card=CARD, gates=(), labels=CARD.labels):
    shares = np.full(len(CARD.labels), 1 / len(CARD.labels))
    observation = SimpleNamespace(
        network=SimpleNamespace(card=card),
        labels=labels,
        probabilities_or_none=shares,
        trace=SimpleNamespace(gates=gates),
        box=box,
    )
    return Compared(observation, 0, None if values is None else heatmap(values), 0.0)


def bar(start):
    """A bar from top to bottom, in which no two places are equal."""
    values = np.zeros((10, 10))
    values[:, start : start + 2] = 1 + np.arange(20).reshape(10, 2) / 100
    return values


@pytest.fixture(scope="module")
def picture():
    return images.read(SAMPLE.path.read_bytes())


def on_picture(*networks):
    """Observations of the sample, of networks by name or as they are."""
    seen = read_picture(SAMPLE.path)
    return [observe(zoo.load(each) if isinstance(each, str) else each, seen) for each in networks]


@pytest.fixture(scope="module")
def columns():
    return comparison.compare(on_picture("plain", "cbam"), None)


@pytest.mark.parametrize(
    ("label", "found"), [("church", 1), ("Church", 1), ("church, church building", 1), ("crane", None), ("cat", None)]
)
def test_a_class_is_found_by_the_first_name_of_its_label_where_only_one_has_it(label, found):
    labels = ("tench, Tinca tinca", "church, church building", "crane", "crane, a machine")
    assert comparison.class_index(labels, label) == found


def test_equal_heatmaps_overlap_in_full_and_apart_ones_not_at_all():
    same, _ = comparison.mean_overlaps([column(bar(0)), column(bar(0))])
    apart, _ = comparison.mean_overlaps([column(bar(0)), column(bar(8))])
    assert same == pytest.approx(1, abs=0.02) and apart == pytest.approx(0, abs=0.02)
    three, _ = comparison.mean_overlaps([column(bar(0)), column(bar(0)), column(bar(8))])
    assert three == pytest.approx(1 / 3, abs=0.02)


def test_a_blob_in_the_middle_overlaps_with_what_is_in_the_middle():
    _, middle = comparison.mean_overlaps([column(bar(4)), column(bar(4))])
    _, edge = comparison.mean_overlaps([column(bar(0)), column(bar(0))])
    assert middle > 0.3 > edge


def test_different_squares_are_compared_where_both_look():
    """The second network sees the left half alone; the bar lies at the same place of the picture."""
    wide, narrow = np.zeros((20, 20)), np.zeros((20, 20))
    wide[:, 4:6], narrow[:, 8:12] = 1, 1
    found, _ = comparison.mean_overlaps([column(wide), column(narrow, box=(0.0, 0.0, 50.0, 100.0))])
    assert found > 0.9
    wrong, _ = comparison.mean_overlaps([column(wide), column(narrow)])
    assert wrong < 0.3


def test_fewer_than_two_heatmaps_have_nothing_in_common():
    assert comparison.mean_overlaps([column(bar(0)), column()]) is None


@pytest.mark.parametrize("mute", [np.zeros((10, 10)), -bar(4)])
def test_a_heatmap_in_which_nothing_speaks_for_the_class_is_left_out(mute):
    """All its places are equal to one another, or to nothing: by ties it would share with any map what chance does."""
    assert comparison.mean_overlaps([column(bar(0)), column(mute)]) is None
    whole = comparison.mean_overlaps([column(bar(0)), column(bar(0))])
    assert comparison.mean_overlaps([column(bar(0)), column(mute), column(bar(0))]) == whole


def test_the_last_gate_of_each_size_stands_for_its_stage(columns):
    names = [gate.name for gate in comparison.last_of_stages(columns[1].spatial)]
    assert names == [f"layer{stage}.1.attention.spatial" for stage in range(1, 5)]
    assert comparison.last_of_stages(columns[0].spatial) == []


def test_a_column_is_what_a_trace_and_an_attributor_say(columns, picture):
    loaded = zoo.load("cbam")
    batch = loaded.transform(picture)[None]
    with torch.inference_mode():
        traced = capture.trace(loaded.module, batch)
    found = columns[1]
    np.testing.assert_allclose(found.probabilities, traced.output.softmax(1)[0].numpy(), rtol=1e-5)
    asked = columns[0].labels[int(columns[0].probabilities.argmax())]
    assert found.labels[found.target] == asked
    wanted = Attributor(loaded.module)(batch, found.target, method=GradCam())
    np.testing.assert_allclose(found.heatmap.values, wanted.values, rtol=1e-5)
    for gate, other in zip(found.observation.trace.gates, traced.gates, strict=True):
        np.testing.assert_array_equal(gate.values, other.values)


def test_a_class_that_nobody_knows_is_refused():
    with pytest.raises(comparison.ComparisonError, match="None of these networks knows one class 'zebra'"):
        comparison.compare(on_picture("plain"), "zebra")


def test_a_network_that_does_not_know_the_class_has_no_heatmap():
    mobile = zoo.load("torchvision/mobilenet_v3_small", random=True)
    one, other = comparison.compare(on_picture("plain", mobile), "goldfish")
    assert one.heatmap is None and other.heatmap is not None and other.labels[other.target] == "goldfish"
    one, other = comparison.compare(on_picture("plain", mobile), None)
    assert one.target == one.observation.first_target
    known = one.labels[one.target]
    assert (
        other.heatmap
        and (comparison.class_index(other.labels, known) or other.observation.first_target) == other.target
    )
    (said,) = comparison.class_notes([one, other])
    assert "10 in plain, 1,000 in torchvision/mobilenet_v3_small; 10 in all of them" in said


def test_what_has_to_be_known_before_a_comparison_is_said():
    (alike,) = comparison.card_notes([CARD, zoo.card("se")])
    assert "one recipe, with one seed" in alike
    taught, _ = comparison.card_notes([zoo.card("cbam-b0"), zoo.card("efficientnet-b0")])
    assert taught.startswith("cbam-b0 is EfficientNet-B0 with gates added")
    assert len(comparison.card_notes([zoo.card("cbam-b0"), CARD])) == 1
    zoos = zoo.card("timm/seresnet50")
    random, differ = comparison.card_notes([CARD, replace(zoos, random=True)])
    assert "timm/seresnet50: random weights" in random
    assert "recipes differ" in differ and "cbam here on" in differ and "is not trained" in differ
    (differ,) = comparison.card_notes([CARD, zoos])
    assert "timm/seresnet50 by timm's publisher" in differ
    own = replace(CARD, name="own.pt", source="file", training={})
    (unknown,) = comparison.card_notes([CARD, own])
    assert unknown.startswith("How own.pt was trained is not known here") and f"{CARD.name} here on" in unknown
    (unknown,) = comparison.card_notes([own, replace(own, name="b.pt")])
    assert unknown.startswith("How own.pt and b.pt were trained is not known here") and unknown.endswith("gates do.")
    assert comparison.class_notes([column(), column()]) == []
    other = column(labels=("church", "cat"))
    assert "different classes (10 in cbam, 2 in cbam; 1 in" in comparison.class_notes([column(), other])[0]


def test_the_agreement_is_that_of_each_gate_and_of_the_blob(columns):
    found, written = columns[1], comparison.to_dict(columns)["networks"][1]
    for gate, one in zip(found.spatial, written["spatial gates"], strict=True):
        assert one["agreement"] == asdict(agreement.agreement(gate.values[0], found.heatmap.values))
    assert written["blob in the middle"]["overlap"] == pytest.approx(
        agreement.overlap(agreement.centre_blob((32, 32)), agreement.resampled(found.heatmap.values, (32, 32)))
    )


def test_heatmaps_are_held_against_the_other_networks_of_every_picture(columns):
    others = [read_picture(sample.path) for sample in images.samples()[:3] if sample.title != SAMPLE.title]
    first, second = replace(columns[0], others=others), columns[1]
    told = []
    found = comparison.heatmap_agreements(first, second, lambda *progress: told.append(progress))
    assert told == [(6 * done, 6 * len(others)) for done in range(len(others))]
    assert found.shape == (len(others) + 1,) * 2
    maps = [[each.heatmap.values for each in (first, second)]]
    for other in others:
        seen = [each.observation.of(other) for each in (first, second)]
        maps.append([each.heatmap(int(each.probabilities.argmax())).values for each in seen])
    for row, column_ in np.ndindex(*found.shape):
        one, other = (agreement.resampled(each, comparison.GRID) for each in (maps[row][0], maps[column_][1]))
        assert found[row, column_] == pytest.approx(agreement.rank_correlation(one, other))


def test_a_shifted_heatmap_comes_in_again_on_the_other_side():
    one, other = column(bar(2)), column(bar(2))
    shifts = comparison.shifted_heatmaps(one, other)
    assert shifts.shape == (99,)
    turned = agreement.resampled(np.roll(bar(2), (0, 3), (0, 1)).astype(np.float32), comparison.GRID)
    fixed = agreement.resampled(bar(2).astype(np.float32), comparison.GRID)
    assert shifts[2] == pytest.approx(agreement.rank_correlation(fixed, turned))
    assert comparison.shifted_heatmaps(one, column(bar(2), box=(0.0, 0.0, 50.0, 100.0))).shape == (99,)


def test_the_sheet_has_a_column_for_each_network_in_the_heatmaps_colours(columns, picture):
    drawn = Image.open(io.BytesIO(printed.networks(picture, columns)))
    assert drawn.format == "PNG" and drawn.width == 2 * round(printed.COLUMN * printed.DPI)
    alone = Image.open(io.BytesIO(printed.networks(picture, columns[:1])))
    assert alone.width < drawn.width and alone.height < drawn.height  # without spatial gates below
    other = [columns[0], replace(columns[1], heatmap=heatmap(np.eye(5)))]
    assert printed.networks(picture, other) != printed.networks(picture, columns)
    for gate in comparison.last_of_stages(columns[1].spatial):  # each is drawn as it lies in the picture
        turned = [replace(each, values=each.values[:, ::-1]) if each is gate else each for each in columns[1].spatial]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(comparison.Compared, "spatial", property(lambda own, new=turned: new * (own is columns[1])))
            other = printed.networks(picture, columns)
        assert other != printed.networks(picture, columns)


def test_the_sheet_is_pictures_and_words_without_axes(columns, picture, monkeypatch):
    drawn, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *to, **how: drawn.append(figure) or save(figure, *to, **how))
    printed.networks(picture, columns)
    assert drawn[0].axes and not any(axes.axison for axes in drawn[0].axes)


def run(*arguments):
    return CliRunner().invoke(command.main, ["compare", *map(str, arguments)], standalone_mode=True)


def test_the_command_writes_what_the_comparison_says(tmp_path, columns):
    done = run(SAMPLE.path, "--model", "plain", "--model", "cbam", "--out", tmp_path / "new")
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "new" / "compare.json").read_text())
    assert told["picture"] == SAMPLE.path.name and SAMPLE.title not in told["other pictures"]
    assert told["overlap of the top fifths"]["pairs of heatmaps"] == pytest.approx(comparison.mean_overlaps(columns)[0])
    for one, each in zip(told["networks"], columns, strict=True):
        assert one["name"] == each.card.name and one["probability"] == pytest.approx(each.probabilities[each.target])
        np.testing.assert_allclose(one["heatmap"]["values"], each.heatmap.values, rtol=1e-5)
        assert len(one["spatial gates"]) == len(each.spatial)
    (pair,) = told["heatmaps against heatmaps"]
    assert pair["networks"] == ["plain", "cbam"] and 1 <= pair["here"]["rank"] <= pair["pictures"]
    gate = told["networks"][1]["spatial gates"][-1]
    ranked = gate["rank correlation"]
    assert ranked["here"]["observed"] == pytest.approx(gate["agreement"]["correlation"])
    assert 1 <= ranked["here"]["rank"] <= ranked["pictures"] == len(told["other pictures"]) + 1
    with Image.open(tmp_path / "new" / "compare.png") as drawn:
        assert drawn.width > 1.9 * printed.COLUMN * printed.DPI
    assert f"cbam: {columns[1].labels[columns[1].target]} " in done.output


def test_the_command_tells_what_each_network_costs(tmp_path):
    done = run(SAMPLE.path, "--model", "plain", "--model", "se-resnext", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "compare.json").read_text())
    assert told["time"] == comparison.TIMED and told["threads"] == torch.get_num_threads()
    for one in told["networks"]:
        loaded = zoo.load(one["name"])
        side = loaded.card.input_size
        assert one["MACs"] == sum(measure(loaded.module, (1, 3, side, side)).macs.values()) > 10**7
        assert one["parameters"] == sum(parameter.numel() for parameter in loaded.module.parameters())
        assert 0 < one["seconds"] < 60


def test_the_time_of_a_network_is_its_shortest_pass_and_no_other_ones(monkeypatch):
    now = 0.0
    monkeypatch.setattr(comparison.time, "perf_counter", lambda: now)

    class Taking(torch.nn.Module):
        def __init__(self, seconds):
            super().__init__()
            self.passes = iter([2 * seconds, seconds, *[2 * seconds] * 1000])

        def forward(self, x):
            nonlocal now
            now += next(self.passes)

    least = (0.25, 0.5)
    found = comparison.pass_seconds(on_picture(*(zoo.Network(CARD, Taking(seconds)) for seconds in least)))
    assert found == pytest.approx(least)


@pytest.mark.parametrize("layers", [["layer2.1"], ["layer3.0", "stem"]])
def test_the_command_reads_the_blocks_that_are_named(tmp_path, layers, picture):
    named = [part for layer in layers for part in ("--layer", layer)]
    done = run(SAMPLE.path, "--model", "plain", "--model", "cbam", *named, "--class", "church", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "compare.json").read_text())
    for one, layer in zip(told["networks"], layers * (2 // len(layers)), strict=True):
        loaded = zoo.load(one["name"])
        target = loaded.labels.index("church")
        wanted = Attributor(loaded.module)(loaded.transform(picture)[None], target, method=GradCam(layer))
        assert one["heatmap"]["layer"] == layer
        np.testing.assert_allclose(one["heatmap"]["values"], wanted.values, rtol=1e-5)


def test_networks_without_classes_are_compared_by_what_needs_none(picture):
    segmenting = code.network(factories.Segmenting(), "own", code.ModelOptions(image_size=64))
    one, other = found = comparison.compare(on_picture(segmenting, "se"), None)
    assert (
        one.probabilities is one.target is one.heatmap is one.probability is None
        and len(one.observation.trace.gates) == 2
    )
    assert other.heatmap.values.shape == (5, 5) and other.probability == other.probabilities.max()
    told = comparison.to_dict(found)
    assert told["networks"][0]["top classes"] is None and told["networks"][0]["MACs"] > 0
    assert told["notes"][-1].startswith("own: no score for each class, so no class heatmap")
    json.dumps(told)
    assert printed.networks(picture, found) != printed.networks(picture, found[1:])
    alone = comparison.compare(on_picture(segmenting, segmenting), None)
    assert [each.target for each in alone] == [None, None]
    with pytest.raises(comparison.ComparisonError, match="None of these networks has classes"):
        comparison.compare(on_picture(segmenting, segmenting), "church")


def test_the_command_marks_random_weights(tmp_path):
    done = run(SAMPLE.path, "--model", "se", "--model", "timm/test_efficientnet", "--random", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "compare.json").read_text())
    assert [each["random weights"] for each in told["networks"]] == [False, True]
    assert "timm/test_efficientnet (random weights)" in done.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--model", "se"], "1 network was named with --model; two to four are allowed"),
        (["--model", "se"] * 5, "5 networks were named"),
        (["--model", "se"] * 2 + ["--layer", "stem"] * 3, "3 were named with --layer; one, or one for each --model"),
        (["--model", "se"] * 2 + ["--layer", "stem", "--method", "occlusion"], "occlusion reads the picture itself"),
        (["--model", "se", "--model", "cbam", "--method", "lime"], "There is no method 'lime'; there are grad-cam"),
    ],
)
def test_what_the_command_cannot_do_it_says(tmp_path, arguments, reason):
    done = run(SAMPLE.path, *arguments, "--out", tmp_path)
    assert done.exit_code == 2 and reason in done.output
    assert list(tmp_path.iterdir()) == []


def test_the_passes_of_a_test_of_maps_are_counted_as_one_whole():
    network = zoo.load("cbam")
    one = observe(network, read_picture(images.samples()[0].path))
    grid = np.random.default_rng(0).random((2, 5, 5)).astype(np.float32)
    reports = []
    found = comparison.test_maps(
        one, 0, {"heatmap": grid[0]}, {"other": grid[1]}, baseline="mean colour", draws=2,
        report=lambda done, total: reports.append((done, total)),
    )  # fmt: skip
    assert list(found) == ["heatmap", "other"] and [len(each.null) for each in found.values()] == [2, 0]
    looked = [done for done, _ in reports]
    assert looked == sorted(looked) and looked[0] == 0
    assert (
        {total for _, total in reports} == {comparison.passes_to_test(1, 2, 1)} == {looked[-1] + looked[1] - looked[0]}
    )
