"""The comparison's page says what traces and heatmaps of the same picture say, beside what knows nothing of it."""

import gc
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from attention import analysis, comparison, images
from attention.analysis import agreement, evidence, faithfulness
from attention.attribution import GradCam
from attention.kinds import KINDS
from attention.models import zoo
from attention.numbers import fixed, number
from attention.observe import observe, read_picture
from attention.records import Gate
from attention.ui import jobs
from attention.ui.compare import columns as page
from attention.ui.compare import pictures, tabs
from tests.charts import numbers, sent_chart
from tests.jobs import ended, finished, under_way
from tests.pages import filled

pytestmark = pytest.mark.usefixtures("sparing")
APP = Path(__file__).parents[1] / "app.py"
TITLE = "Reims cathedral"
SMALL = "timm/test_resnet"
TINY = "timm/test_efficientnet"


def opened(**link):
    app = AppTest.from_file(APP, default_timeout=180)
    for key, value in {"picture": TITLE, **link}.items():
        app.query_params[key] = value
    return sound(app.switch_page("pages/compare.py").run())


def sound(app):
    assert not app.exception, app.exception
    assert not app.error, app.error
    return app


def answer(app):
    return app.header[0].value.replace("\\", "")


def said(app):
    kinds = (app.header, app.markdown, app.caption, app.info, app.warning)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def captions(app):
    return [image.proto.imgs[0].caption.replace("\u00a0", " ").replace("\\", "") for image in app.get("image")]


def columns(*names, label=None, random=(), methods=()):
    sample = next(sample for sample in images.samples() if sample.title == TITLE)
    seen = read_picture(sample.path)
    observations = [observe(zoo.load(name, random=name in random), seen) for name in names]
    return comparison.compare(observations, label, methods=methods)


def test_three_networks_stand_side_by_side_on_one_scale():
    app, found = opened(network="cbam"), columns("cbam", "plain", "se")
    top = max(column.heatmap.maximum for column in found)
    for column in found:
        span = f"{number(column.heatmap.minimum)} to {number(column.heatmap.maximum)}"
        assert f"Grad-CAM, at layer4.1, 5 × 5: {span}; colours run from 0 to {number(top)}" in captions(app)
    metrics = {metric.value for metric in app.metric}
    assert metrics == {f"{column.probabilities[column.target]:.1%}" for column in found}
    pairs, middle = comparison.mean_overlaps(found)
    words = "nearly all" if pairs >= 0.75 else "much" if pairs >= 0.5 else "some" if pairs >= 0.25 else "little"
    assert answer(app).startswith(f"The 3 heatmaps of “{found[0].labels[found[0].target]}” share {words}")
    assert answer(app).endswith(f": {pairs:.0%}, by chance 20%.")
    assert f"would share {middle:.0%} with them" in said(app)
    for gate in comparison.last_of_stages(found[0].spatial):
        rows, across = gate.values.shape[1:]
        assert f"{rows} × {across}: {fixed(gate.minimum)} to {fixed(gate.maximum)}" in captions(app)
    assert "0 to 1** · plain and se: none" in said(app) and "each block** · plain: none" in said(app)
    assert "one recipe, with one seed each" in said(app)


def test_each_heatmap_may_have_its_own_scale():
    app = opened(network="cbam", heat="each its own")
    for column in columns("cbam", "plain", "se"):
        assert any(f"colours run from 0 to {number(column.heatmap.maximum)}" in caption for caption in captions(app))


@pytest.mark.parametrize("layer", ["layer3.0", "stem"])
def test_the_class_and_the_block_of_the_link_are_those_of_the_heatmaps(layer):
    app = opened(network="se", beside="plain", **{"class": "golf ball"}, layer1=layer)
    assert {metric.label for metric in app.metric} == {"P(golf ball)"}
    for column in columns("se", "plain", label="golf ball", methods=[GradCam(layer)]):
        rows, across = column.heatmap.values.shape
        span = f"{number(column.heatmap.minimum)} to {number(column.heatmap.maximum)}"
        assert any(caption.startswith(f"Grad-CAM, at {layer}, {rows} × {across}: {span};") for caption in captions(app))


def test_networks_of_other_blocks_have_a_choice_of_their_own(home):
    app = opened(network="se", beside=["plain", SMALL], random=SMALL)
    both, own = app.selectbox(key="layer1"), app.selectbox(key="layer2")
    assert (
        both.label.replace("\\", "") == "Block of se, plain" and both.value == "layer4.1" and "layer1.0" in both.options
    )
    assert own.label.replace("\\", "") == "Block of test_resnet" and own.value == own.options[-1]
    assert both.help and not own.help  # it is explained once
    sound(own.set_value("layer2.0").run())
    said_of = [caption for caption in captions(app) if caption.startswith("Grad-CAM, at")]
    assert [caption.split(", ")[1] for caption in said_of] == ["at layer4.1", "at layer4.1", "at layer2.0"]
    app = opened(network="se", beside="plain", layer1="layer9.9")
    assert "The link asks for layer1 “layer9.9”; there is" in said(app)


def test_a_method_that_is_valid_for_none_is_not_offered():
    app = opened(network=TINY, weights="Random")
    sound(app.multiselect(key="beside").set_value([]).run())
    reason = "Guided Grad-CAM is valid for none of these networks. Guided backpropagation changes"
    assert reason in app.selectbox(key="method").help.replace("\\", "")
    assert app.selectbox(key="method").options == [
        "Grad-CAM",
        "Grad-CAM++",
        "Eigen-CAM",
        "Score-CAM",
        "Integrated gradients",
        "Occlusion",
    ]


def test_the_first_guess_is_the_class_until_another_is_chosen():
    app = opened(network="plain", beside="se")
    (first,) = columns("plain")
    guess = first.labels[first.target]
    assert {metric.label for metric in app.metric} == {f"P({guess})"}
    sound(app.selectbox(key="class").set_value("tench").run())
    assert {metric.label for metric in app.metric} == {"P(tench)"}


def test_agreement_is_that_of_the_gates_with_other_pictures_beside_it():
    app = opened(network="cbam", beside="plain")
    sound(finished(app.button(key="start_agreement").click().run()))
    (column,) = columns("cbam")
    every = [agreement.agreement(gate.values[0], column.heatmap.values) for gate in column.spatial]
    dots = [trace for trace in sent_chart(app, "agreement")["data"] if trace.get("name") == "its own picture's"]
    assert numbers(dots[0]["x"]) == pytest.approx([each.correlation for each in every])
    pictures = {sample.title: read_picture(sample.path) for sample in images.samples()}
    observations = [column.observation.of(picture) for picture in pictures.values()]
    means = np.zeros(len(every))
    for each in observations:
        heatmap = each.heatmap(int(each.probabilities.argmax())).values
        gates = [gate.values[0] for gate in each.trace.gates if gate.kind == "spatial"]
        means += [agreement.agreement(gate, heatmap).correlation / len(observations) for gate in gates]
    assert numbers(dots[1]["x"]) == pytest.approx(means, abs=1e-6)
    names = analysis.short_names([gate.name for gate in column.spatial])
    looks = [analysis.map_stats(gate.values[0]) for gate in column.spatial]
    flat = [name for name, look in zip(names, looks, strict=True) if look.nearly_constant]
    told = said(app).replace("\\", "")
    assert flat and f"Nearly constant here, and so saying little: {', '.join(flat)}." in told


def test_heatmaps_of_two_networks_are_held_against_those_of_other_pictures():
    app = opened(network="cbam", beside="plain", about="Heatmaps against heatmaps")
    sound(finished(app.button(key="start_heatmap_agreement").click().run()))
    first, second = columns("cbam", "plain")
    here = agreement.rank_correlation(
        *(agreement.resampled(each.heatmap.values, comparison.GRID) for each in (first, second))
    )
    others, own = sent_chart(app, "heatmap_agreement")["data"][:2]
    assert numbers(own["x"]) == pytest.approx([here], abs=1e-6)
    assert numbers(others["base"])[0] < numbers(others["base"])[0] + numbers(others["x"])[0] <= 1
    told = said(app).replace("\\", "")
    assert "the heatmaps of cbam and plain" in told and "of 24 shifts" in told


def test_the_network_that_a_part_is_about_stands_in_the_address():
    link = {"network": "cbam", "beside": ["plain", "se"]}
    app = opened(**link, about="Deletion and insertion", of="se")
    assert app.selectbox(key="of").options == ["cbam", "plain", "se"] and app.selectbox(key="of").value == "se"
    app = opened(**link, about="Heatmaps against heatmaps", **{"with": "se"})
    assert app.selectbox(key="with").options == ["plain", "se"] and app.selectbox(key="with").value == "se"


def test_networks_without_spatial_gates_have_nothing_to_agree_and_the_page_says_so():
    assert "None of these networks has spatial gates" in said(opened(network="plain", beside="se"))


@pytest.mark.parametrize("part", page.TABS)
def test_every_part_opens_for_every_own_network(part):
    app = opened(network="se-resnext", about=part)
    app.multiselect(key="beside").set_value(["plain", "se", "cbam"]).run()
    assert len(sound(app).metric) == 4 and filled(app) == [part]


def test_deletion_and_insertion_are_told_their_cost_and_give_curves_with_a_band(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(tabs, "draws_for", evidence.draws_for)
        app = opened(network="cbam", beside="plain", about="Deletion and insertion")
        assert "4,444 forward passes" in said(app) and not app.get("plotly_chart")
    app = sound(opened(network="cbam", beside="plain", about="Deletion and insertion"))
    sound(finished(app.button(key="start_faithfulness").click().run()))
    traces = sent_chart(app, "curves")["data"]
    names = [trace.get("name") for trace in traces]
    assert "heatmap" in names and "middle 95% of 3 random maps" in names
    assert "gate layer4.1.attention.spatial" in names
    (column,) = columns("cbam")
    heatmap = [numbers(trace["y"]) for trace in traces if trace.get("name") == "heatmap"]
    assert heatmap[0][0] == pytest.approx(column.probabilities[column.target], abs=1e-3)
    assert heatmap[1][-1] == pytest.approx(heatmap[0][0]) and heatmap[0][-1] == pytest.approx(heatmap[1][0])
    assert "start_faithfulness" not in [button.key for button in app.button]  # it is not computed a second time


def test_shuffled_weights_show_which_maps_depend_on_them():
    app = opened(network="cbam", beside="plain", about="Shuffled weights")
    sound(finished(app.button(key="start_sanity").click().run()))
    (cells,) = sent_chart(app, "similarity")["data"]
    assert cells["x"] == ["head", *(f"layer{stage}.{block}" for stage in (4, 3, 2, 1) for block in (1, 0)), "stem"]
    values = numbers(cells["z"])
    assert len(values) == 9
    first = cells["y"].index("layer1.0")
    assert values[first][:8] == pytest.approx(1)  # it sees nothing of what is above it
    assert values[first][-1] < 0.999
    sound(app.select_slider(key="down").set_value("stem").run())
    assert any("down to stem" in caption for caption in captions(app))


def test_heavy_heatmaps_wait_to_be_started_and_say_what_they_cost():
    app = opened(network="se", beside="plain", method="Guided Grad-CAM")
    assert "4 forward passes and 4 backward" in said(app)
    assert answer(app).endswith("have a heatmap of “church” so far.") and "start its heatmap" in said(app)
    assert not [caption for caption in captions(app) if caption.startswith("Guided")]
    sound(finished(app.button(key="start_heatmap").click().run()))
    assert len([caption for caption in captions(app) if caption.startswith("Guided Grad-CAM, at layer4.1")]) == 2


def test_a_method_that_is_not_valid_is_refused_with_its_reason():
    name = "torchvision/mobilenet_v3_small"
    app = opened(network="se", beside=name, random=name, method="Guided Grad-CAM")
    assert f"{name} has no heatmap here. Guided backpropagation changes the gradient of nn.ReLU" in said(app)
    assert "also computes hardswish" in said(app)


def test_a_network_of_the_zoo_stands_beside_with_random_weights_that_are_called_so(home):
    app = opened(network="cbam", beside=SMALL, about="Cost and training")
    assert f"The weights of {SMALL}" in said(app) and "it is left out" in said(app)
    app.pills(key="random").set_value([SMALL]).run()
    told = said(sound(app))
    assert f"**{SMALL} (random weights)**" in told and f"{SMALL}: random weights, which have learned nothing." in told
    assert f"They know different classes (10 in cbam, 1,000 in {SMALL}; 10 in all of them): it is easier to" in told
    assert len(app.metric) == 2  # both know a church


def test_a_class_that_one_network_does_not_know_has_no_heatmap_there(home):
    app = opened(network="cbam", beside=TINY, random=TINY, **{"class": "goldfish"})
    assert "It does not know the class “goldfish”: there is no heatmap." in said(app)
    assert [metric.label for metric in app.metric] == ["P(goldfish)"]
    assert "Fewer than two of these networks have a heatmap" in answer(app)


def test_at_first_a_network_of_other_classes_is_asked_about_its_own_first_guess(home):
    app = opened(network=TINY, weights="Random", beside="cbam")
    ours, theirs = columns(TINY, random=[TINY])[0], columns("cbam")[0]
    first = [each.labels[each.target].partition(",")[0] for each in (ours, theirs)]
    assert [metric.label.replace("\\", "") for metric in app.metric] == [f"P({label})" for label in first]
    assert "heatmaps of their own first guesses share" in answer(app) and "no heatmap" not in said(app)


def test_a_name_that_there_is_not_is_left_out():
    app = AppTest.from_file(APP, default_timeout=180)
    app.query_params["beside"] = "plian"
    app.switch_page("pages/compare.py").run()
    assert not app.exception and [error.value.endswith("It is left out.") for error in app.error] == [True]
    assert answer(app) == "Choose another network to compare with."


@pytest.mark.parametrize("change", pictures.CHANGES)
def test_every_change_shows_which_gates_moved_the_most_first(change):
    app = opened(network="cbam", side="Two pictures", change=change, other="Dog")
    bars, marks = sent_chart(app, "moved")["data"]
    moved = numbers(bars["x"])
    assert len(moved) == 16 and list(moved) == sorted(moved, reverse=True) and moved[0] > 0
    assert len(numbers(marks["x"])) == 16 and marks["name"] == "for “Dog”"
    assert f"{bars['y'][0]} moved most, by {moved[0]:.3f}" in answer(app)
    assert app.selectbox(key="other").label == "Another picture, as a yardstick"


def test_another_picture_moves_the_gates_as_far_as_its_own_trace_says():
    app = opened(network="se", side="Two pictures", second_kind="another picture", other="Dog")
    loaded = zoo.load("se")
    pictures = {sample.title: read_picture(sample.path) for sample in images.samples()}
    one, other = (observe(loaded, pictures[title]).trace for title in (TITLE, "Dog"))
    changes = [float(np.abs(a.values - b.values).mean()) for a, b in zip(one.gates, other.gates, strict=True)]
    (bars,) = sent_chart(app, "moved")["data"]
    assert app.selectbox(key="other").label == "The second picture"
    assert numbers(bars["x"]) == pytest.approx(sorted(changes, reverse=True), rel=1e-3)


RANKS = [(kind, len(KINDS[kind].axes)) for kind in KINDS if kind != "full"] + [("full", rank) for rank in (2, 3, 4)]


@pytest.mark.parametrize(("kind", "rank"), RANKS)
def test_a_mirrored_picture_is_compared_mirrored_back(kind, rank):
    """What has a width is turned round, and nothing else: channels, rows and tokens have no left and right."""
    values = np.random.default_rng(rank).random((1, *range(2, 2 + rank))).astype(np.float32)
    wide = "width" in kind or kind in ("spatial", "volume") or (kind == "full" and rank > 2)
    gate, turned = (
        Gate("g", kind, "sigmoid", each, (1,), 0, 1) for each in (values, values[..., ::-1] if wide else values)
    )
    first, second = (SimpleNamespace(trace=SimpleNamespace(gates=[each])) for each in (gate, turned))
    (move,) = pictures._moves(first, second, first, mirrored=True)
    assert move.change == move.yardstick == 0
    (move,) = pictures._moves(first, second, second, mirrored=False)
    assert move.change == move.yardstick == pytest.approx(np.abs(values - turned.values).mean())


def test_a_network_without_gates_has_nothing_that_moves():
    app = opened(network="plain", side="Two pictures")
    assert "has no gates" in app.info[0].value


def test_links_that_ask_for_what_there_is_not_say_so():
    told = said(opened(network="cbam", beside="plain", **{"class": "zebra", "about": "Nothing"}))
    assert told.count("The link asks for") == 2


def test_what_a_job_costs_counts_a_backward_pass_as_two():
    assert jobs.cost(32, 32, 0.1) == "32 forward passes and 32 backward, about 10 s on this machine."
    assert jobs.cost(226, 0, 0.001) == "226 forward passes, less than a second."


@pytest.fixture
def slow(monkeypatch) -> threading.Event:
    """Curves report their first pass again and again until this is set."""
    go = threading.Event()

    def remove(column, maps, other, report, *, baseline, draws):
        while not go.wait(0.01):
            report(1, 294)

    monkeypatch.setattr(tabs, "_test_maps", remove)
    monkeypatch.setattr(jobs, "AT_ONCE", 0)
    return go


def test_other_settings_of_deletion_ask_for_another_test(monkeypatch):
    asked = []
    monkeypatch.setattr(tabs.jobs, "result_of", lambda *name_and_key, **_: asked.append(name_and_key[:2]))
    others = {"missing": faithfulness.BASELINES[1]}, {"picture": images.samples()[2].title}
    for link in ({}, *others):
        opened(network="cbam", beside="plain", about="Deletion and insertion", **link)
    keys = [key for name, key in asked if name == "faithfulness"]
    assert len(keys) == len(set(keys)) == 3


def test_a_job_is_stopped_and_started_anew_and_says_so_without_an_error(slow):
    app = opened(network="se", beside="plain", about="Deletion and insertion")
    for _ in range(2):
        sound(app.button(key="start_faithfulness").click().run())
        assert len(under_way()) == 1 and "start_faithfulness" not in [button.key for button in app.button]
        sound(app.button(key="stop_faithfulness").click().run())
        app = sound(finished(app))
        assert "Stopped before it was done: nothing of it is kept." in said(app)


def test_a_job_ends_where_something_else_is_asked_for(slow):
    app = opened(network="se", beside="plain", about="Deletion and insertion")
    sound(app.button(key="start_faithfulness").click().run())
    assert under_way()
    app.query_params["class"] = "tench"
    sound(app.selectbox(key="class").set_value("tench").run())
    assert ended() and "start_faithfulness" in [button.key for button in app.button]
    assert "Stopped" not in said(app)


def test_the_job_of_a_session_that_ends_ends_too(slow):
    app = opened(network="se", beside="plain", about="Deletion and insertion")
    sound(app.button(key="start_faithfulness").click().run())
    assert under_way()
    del app
    gc.collect()
    assert ended()


@pytest.mark.parametrize(
    ("network", "beside"),
    [("cbam-b0", ["efficientnet-b0"]), ("efficientnet-b0", ["cbam-b0"]), ("cbam", ["plain", "se"])],
)
def test_the_networks_that_stand_beside_one_at_first_know_its_classes(network, beside):
    app = opened(network=network)
    assert app.multiselect(key="beside").value == beside
    assert "by chance 20%" in answer(app)
