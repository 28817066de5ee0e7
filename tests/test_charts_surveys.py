"""The charts of a survey: one maker for its page, its report and its command; their words are their numbers."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from attention import survey
from attention.charts import surveys
from attention.charts.chart import Chart
from attention.charts.surveys import Selection
from attention.cli.surveys import headlines
from attention.foreign import plain
from attention.numbers import fixed
from attention.report import survey_report
from attention.survey.partials import histogram
from attention.survey.statistics import INDICES
from attention.ui.survey import gates
from tests.surveys import folder, network

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> survey.LoadedSurvey:
    source = folder(tmp_path_factory.mktemp("p") / "pictures", {"a": 12, "b": 9, "<b>c": 7})
    result = survey.run(network(), survey.list_pictures(source))
    return survey.LoadedSurvey(replace(result, outputs=(-1, 0, 1)))


@pytest.fixture
def selection(loaded) -> Selection:
    return Selection(loaded, "#1 + #2", 1, (0, 2))


def every(selection: Selection) -> list[Chart]:
    gate = selection.gate
    return [
        surveys.role(selection),
        *(surveys.selectivity(selection, index) for index in INDICES),
        surveys.health(selection),
        *surveys.mean_maps(selection),
        surveys.maps_by_depth(selection.survey),
        *surveys.correctness(selection),
        surveys.channel_values(gate, 1),
        surveys.channel_classes(selection, gate, 1),
    ]


def test_every_chart_has_a_key_words_a_caption_and_numbers(selection):
    charts = every(selection)
    assert len({chart.key for chart in charts}) == len(charts) == 9 + len(INDICES)
    for chart in charts:
        assert chart.alt and chart.caption and chart.table_name
        columns = [len(column) for column in chart.table.values()]
        assert len(set(columns)) <= 1 and (columns or chart.numbers in {each.key for each in charts})
        assert not chart.headline or chart.headline == chart.alt


def test_a_name_is_no_markup_in_a_figure_and_itself_in_the_numbers(selection):
    for chart in every(selection):
        assert "<b>" not in str(plain(chart.figure.to_dict())), chart.key
    assert "<b>c" in surveys.role(selection).table["class"]
    assert "<b>c" in surveys.channel_classes(selection, selection.gate, 1).table["class"]


def test_the_report_holds_the_charts_of_the_page(loaded):
    found = {
        item.key: item for part in survey_report(loaded).sections for item in part.items if isinstance(item, Chart)
    }
    whole = Selection(loaded, classes=(0, 1, 2))
    made = [
        surveys.role(whole, most=256, band=True),
        *(surveys.selectivity(whole, index) for index in INDICES),
        surveys.health(whole),
        surveys.maps_by_depth(loaded),
        *surveys.correctness(whole),
    ]
    assert [chart.key for chart in made] == list(found)
    for chart in made:
        held = found[chart.key]
        assert (held.headline, held.caption, held.alt) == (chart.headline, chart.caption, chart.alt)
        assert held.figure.to_json() == chart.figure.to_json()
        assert all(np.array_equal(held.table[name], column) for name, column in chart.table.items() if name != "std")


def test_the_headline_of_health_counts_the_constant_channels(loaded):
    (gate,) = (gate for gate in loaded.gates if gate.by_channel)
    still = replace(gate, overall=replace(gate.overall, std=np.array([0.0, 0.0199, 0.02])))
    moved = survey.LoadedSurvey(replace(loaded.result, gates=(still, *loaded.result.gates[1:])))
    chart = surveys.health(Selection(moved))
    assert chart.headline.startswith("2 of 3 channels of 1 gate hardly change") and chart.headline.endswith(
        "channels, 67%, is in gate channel."
    )
    assert chart.table["constant"][0] == 2 / 3 and chart.figure.data[4].y[0] == pytest.approx(2 / 3)


def test_gates_that_one_module_applies_are_called_by_their_kind_and_by_their_number_where_that_is_no_name(loaded):
    def called(*gates):
        named = [replace(loaded.gates[0], name=name, kind=kind) for name, kind in gates]
        blocks = {str(number): (gate, None) for number, gate in enumerate(named)}
        return survey.LoadedSurvey.gate_names.func(SimpleNamespace(gates=tuple(named), blocks=blocks))

    assert called(("0.3#1", "channel"), ("0.3#2", "spatial"), ("1.gate", "channel")) == [
        "0.3.channel",
        "0.3.spatial",
        "1.gate",
    ]
    assert called(("0.3#1", "channel"), ("0.3#2", "channel")) == ["3#1", "3#2"]


def test_the_headline_of_health_names_the_gate_with_the_most_constant_channels(loaded):
    (gate,) = (gate for gate in loaded.gates if gate.by_channel)
    gates = [
        replace(gate, name=f"{name}.gate", overall=replace(gate.overall, std=np.array(std)))
        for name, std in (("one", [0.0, 0.5, 0.5]), ("two", [0.0, 0.0, 0.5]), ("three", [0.5, 0.5, 0.5]))
    ]
    chart = surveys.health(Selection(survey.LoadedSurvey(replace(loaded.result, gates=tuple(gates)))))
    assert chart.headline.startswith("3 of 9 channels of 3 gates hardly change from picture to picture; the largest")
    assert chart.headline.endswith(" share of a gate's channels, 67%, is in gate two.")
    alike = survey.LoadedSurvey(
        replace(loaded.result, gates=(gates[1], replace(gates[1], name="three.gate"), gates[0]))
    )
    assert surveys.health(Selection(alike)).headline.endswith("channels, 67%, is in gate two and 1 other gate.")


def test_the_headline_of_selectivity_names_the_highest_gate_and_says_that_it_is_by_chance(selection):
    for index, how in INDICES.items():
        chart = surveys.selectivity(selection, index)
        of_gates = zip(selection.survey.gate_names, selection.survey.gates, strict=True)
        means = {name: np.nanmean(how.of_gate(gate).index) for name, gate in of_gates}
        most = max(means, key=means.get)
        assert chart.headline.startswith("No gate is more class-specific than by chance")  # of so few pictures
        assert f"gate {most} is the highest here, {fixed(means[most])}" in chart.headline
        np.testing.assert_allclose(chart.table["mean"], list(means.values()))


def test_what_many_pictures_show_of_classes_is_more_than_chance():
    whole = Selection(survey.LoadedSurvey(survey.read(ROOT / "assets" / "surveys" / "cbam.parquet")))
    for index, how in INDICES.items():
        means = {gate.name: np.nanmean(how.of_gate(gate).index) for gate in whole.survey.gates}
        names = dict(zip(means, whole.survey.gate_names, strict=True))
        most, least = max(means, key=means.get), min(means, key=means.get)
        headline = surveys.selectivity(whole, index).headline
        assert headline.startswith(f"Gate {names[most]} is the most class-specific, {fixed(means[most])}")
        assert f"{names[least]} the least, {fixed(means[least])}" in headline
    assert "The class of a picture explains " in (said := surveys.role(whole).headline) and "than chance" not in said


@pytest.mark.parametrize(
    ("pictures", "said", "unsaid"),
    [
        ({"a": 1}, ["All pictures are of one class", "Fewer than two pictures say nothing"], ["hardly", "specific"]),
        ({"a": 1, "b": 1}, ["No class has a second picture", "hardly change"], ["specific", "explains"]),
        ({"a": 3, "b": 2}, ["explains no more of the gates than chance", "No gate is more"], ["is the most class"]),
    ],
)
def test_so_few_pictures_are_said_to_say_no_more_than_they_do(tmp_path, pictures, said, unsaid):
    result = survey.run(network(), survey.list_pictures(folder(tmp_path / "pictures", pictures)))
    loaded = survey.LoadedSurvey(result)
    told = " ".join([surveys.role(Selection(loaded)).headline, *headlines(result)])
    assert all(words in told for words in said) and not any(words in told for words in unsaid)
    foldable = [constant.any() for _, constant in loaded.constant_channels().values()]
    assert any(foldable) <= (loaded.result.pictures > 1)
    assert ("Fewer than two" in survey_report(loaded).answer) == (loaded.result.pictures < 2)


@pytest.mark.parametrize(("correct", "wrong"), [(2, 1), (3, 4), (18, 1), (18, 2)])
def test_right_and_wrong_are_held_against_chance_where_there_are_enough_of_them(loaded, correct, wrong):
    gate = loaded.gates[0]
    counted = {"correct": replace(gate.correct, count=np.int64(correct))}
    counted |= {"wrong": replace(gate.wrong, count=np.int64(wrong))}
    few = survey.LoadedSurvey(replace(loaded.result, gates=(replace(gate, **counted),)))
    headline = surveys.correctness(Selection(few))[0].headline
    assert ("are too few to hold that against chance" in headline) == (correct + wrong < 20)
    assert ("what chance gives" in headline) == (correct + wrong >= 20)


def test_right_and_wrong_differ_by_the_size_of_their_differences_whichever_way_these_go(loaded):
    gate, turns = loaded.gates[0], np.array([1, -1, 1])
    correct, wrong = (
        replace(gate.correct, count=np.int64(10), mean=0.5 + apart * turns, std=np.full(3, 0.3)) for apart in (0, 0.1)
    )
    classes = replace(gate.classes, mean=np.outer([0.2, 0.5, 0.7], turns))
    turned = replace(gate, correct=correct, wrong=wrong, classes=classes)
    chart = surveys.correctness(Selection(survey.LoadedSurvey(replace(loaded.result, gates=(turned,)))))[0]
    pooled = np.sqrt((10 * 0.3**2 + 10 * 0.3**2) / 18)
    right, missed = loaded.result.right_and_wrong.T
    mix = abs((missed / missed.sum() - right / right.sum()) @ [0.2, 0.5, 0.7]) / pooled
    assert chart.table["mean |d|"] == pytest.approx([0.1 / pooled])
    assert chart.table["by the mix of classes"] == pytest.approx([mix]) and mix > 0.01
    assert chart.figure.data[0].y[0] == pytest.approx(0.1 / pooled)
    assert f": {fixed(0.1 / pooled)} standard deviations" in chart.headline
    assert f"would make {fixed(mix)} by itself" in chart.headline


def test_the_channels_and_the_class_that_differ_most_are_named_whichever_way_they_differ(loaded):
    channel, place = loaded.gates
    correct, means = channel.correct, np.full((3, *place.shape), 0.5)
    means[1, 0, 0] = 0.2  # 0.2 below the mean over the classes there, and the others 0.1 above it
    channel = replace(channel, wrong=replace(channel.wrong, mean=correct.mean + np.array([0.1, -0.3, 0.2])))
    place = replace(place, classes=replace(place.classes, mean=means))
    chosen = Selection(survey.LoadedSurvey(replace(loaded.result, gates=(channel, place))), "#1 + #2", 1, (0, 1, 2))
    _, channels = surveys.correctness(chosen)
    assert list(channels.table["channel"]) == [1, 2, 0] and "largest difference is that of channel 1" in channels.alt
    _, changes = surveys.mean_maps(chosen)
    assert changes.alt == "The map of a differs most from the mean over all classes, by 0.200."
    assert [(each.zmin, each.zmax) for each in changes.figure.data] == [pytest.approx((-0.2, 0.2))] * 3


@pytest.mark.parametrize(("low", "high"), [(0, 0.05), (0.4, 0.45), (0.95, 1)])
def test_most_values_are_said_to_lie_where_they_lie_and_not_where_those_beyond_0_and_1_do(loaded, low, high):
    inside = np.random.default_rng(0).uniform(low, high, 20)
    values = np.r_[inside, np.linspace(0, 1, 10), np.full(30, -0.5), np.full(30, 1.5)]
    gate = replace(loaded.gates[0], histogram=histogram(np.repeat(values[:, None], 3, 1)))
    alt = surveys.channel_values(gate, 1).alt
    assert low <= float(alt.split("most lie near ")[1][:-1]) <= high
    assert f"how many of {len(values)} pictures" in alt
    outside = replace(gate, histogram=histogram(np.full((4, 3), 1.5)))
    assert surveys.channel_values(outside, 1).alt.endswith("most lie beyond 0 to 1.")


def test_without_a_selection_nothing_stands_out_and_without_numbers_there_is_no_chart(loaded):
    whole = Selection(loaded)
    assert whole.gate_number == -1 and surveys.mean_maps(whole) == []
    assert surveys.role_blocks(whole) == ["#1 + #2"] and len(surveys.correctness(whole)) == 1
    one = loaded.result.gates[0]
    alone = replace(one, classes=replace(one.classes, count=np.array([12, 0, 0])))
    single = survey.LoadedSurvey(replace(loaded.result, gates=(alone,)))
    assert surveys.selectivity(Selection(single)) is None
    sure = replace(one, wrong=replace(one.wrong, count=np.int64(0)))
    assert surveys.correctness(Selection(survey.LoadedSurvey(replace(loaded.result, gates=(sure,))))) == []
    assert surveys.maps_by_depth(single) is None


@pytest.mark.parametrize("unknown", [0, 1, 2, 3])
def test_of_the_classes_that_the_network_does_not_know_the_first_is_named_and_the_others_are_counted(loaded, unknown):
    outputs = tuple(-1 if number < unknown else number for number in range(3))
    said = " ".join(survey.LoadedSurvey(replace(loaded.result, outputs=outputs)).warnings("below"))
    first, *others = loaded.result.classes
    assert (f"“{first}”" in said) == (unknown > 0) and not any(f"“{name}”" in said for name in others)
    assert (f"and {unknown - 1} more name none" in said) == ("more" in said) == (unknown > 1)


@pytest.mark.parametrize(("group", "said"), [("wrong", ", 0 wrong)"), ("correct", "(here")])
def test_where_one_of_right_and_wrong_is_missing_it_is_said_what_it_needs(loaded, group, said):
    first = loaded.gates[0]
    none = replace(first, **{group: replace(getattr(first, group), count=np.int64(0))})
    found = gates.missing(survey.LoadedSurvey(replace(loaded.result, gates=(none,))))
    assert said in found["Right and wrong"]
    assert "Right and wrong" not in gates.missing(loaded)


class Placed(nn.Module):
    """A gate by place alone, the same at all places."""

    def __init__(self):
        super().__init__()
        self.place, self.head = nn.Conv2d(3, 1, 1), nn.Linear(3, 3)
        nn.init.zeros_(self.place.weight)

    def forward(self, x):
        return self.head((x * torch.sigmoid(self.place(x))).mean((2, 3)))


def test_what_is_not_there_to_be_said_of_gates_is_said(tmp_path):
    result = survey.run(network(nn.Sequential(Placed())), survey.list_pictures(folder(tmp_path, {"a": 3, "b": 2})))
    loaded = survey.LoadedSurvey(result)
    chosen = Selection(loaded, *loaded.blocks)
    assert surveys.health(chosen).headline == "There are no gates by channel; the bars are of maps and their places."
    assert surveys.mean_maps(chosen)[0].headline == f"{chosen.called}: the mean map is the same at all places."
