"""The page of the surveys says what the survey says, in every view, and takes every link."""

import gc
import threading
from pathlib import Path

import numpy as np
import pytest
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest

from attention import images, survey
from attention.jobs import Job
from attention.ui import widgets
from attention.ui.survey import loading
from benchmarks.survey_page import PARTS
from tests import jobs
from tests.charts import numbers, sent_chart
from tests.pages import filled
from tests.surveys import folder, network

ROOT = Path(__file__).parents[1]


def opened(source: str = "Ready-made", **parameters: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    for key, value in parameters.items():
        app.query_params[key] = value
    app.session_state["survey_from"] = source
    app.switch_page("pages/survey.py").run()
    return sound(app)


def sound(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    assert not app.error, [error.value for error in app.error]
    return app


def said(app: AppTest) -> str:
    return "\n".join(
        each.value for kind in (app.header, app.markdown, app.caption, app.info, app.warning) for each in kind
    )


def test_a_survey_is_there_to_take_away_as_a_file_and_as_a_report():
    offered = [button.proto.label for button in opened(network="se").main.get("download_button")]
    assert offered[:2] == ["Parquet", "Survey report, HTML"]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> bytes:
    """The file of a survey of a tiny network over noise, one picture of which is broken."""
    root = tmp_path_factory.mktemp("small")
    pictures = folder(root / "pictures", {"a": 12, "b": 9, "odd *name*": 4})
    (pictures / "a" / "00003.png").write_bytes(b"broken")
    survey.write(survey.run(network(), survey.list_pictures(pictures)), root / "r.parquet")
    return (root / "r.parquet").read_bytes()


def uploaded(data: bytes, **parameters: str) -> AppTest:
    app = opened("Open a file", **parameters)
    app.file_uploader(key="survey_file").set_value(("r.parquet", data, "application/octet-stream")).run()
    return app


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["cbam", "se", "se-resnext"])
def test_every_view_of_every_ready_made_survey_opens(name, part):
    app = opened(network=name, part=part)
    assert app.title[0].value == "What holds over many pictures?"
    assert "3,925 pictures in 10 classes" in said(app)
    assert len(app.get("plotly_chart")) > 1
    left_out = part == "Where it looks" and name != "cbam"
    assert (part in [tab.label for tab in app.tabs]) != left_out == (f"“{part}” needs" in said(app))
    assert left_out or filled(app) == [part]


@pytest.mark.parametrize("part", PARTS)
def test_every_view_of_the_ready_made_survey_of_the_samples_opens(part):
    app = opened(network="efficientnet-b0", part=part)
    assert f"{len(images.samples())} pictures in 1 class" in said(app)


def test_no_ready_made_survey_misses_a_picture():
    results = [survey.read(file) for file in sorted(Path(ROOT, "assets/surveys").glob("*.parquet"))]
    assert len(results) == 5
    assert not any(result.failures or result.provenance["pictures"]["left_out"] for result in results)


def test_a_survey_of_one_class_opens_with_what_needs_no_classes():
    app = opened(network="efficientnet-b0")
    assert [tab.label for tab in app.tabs] == ["Gate health", "One channel", "Role of excitation"]
    assert "“Selectivity by depth” needs" in said(app) and "“Right and wrong” needs" in said(app)
    assert "The pictures lie in one folder" in said(app)


def test_pictures_of_one_class_are_not_held_against_themselves():
    app = opened(network="cbam-b0", part="Where it looks")
    assert not app.multiselect and "all pictures, n = 25" in said(app).replace("\\", "")
    titles = [note["text"] for note in sent_chart(app, "maps")["layout"]["annotations"]]
    assert [title.partition("\n")[0].partition("<br>")[0] for title in titles] == [
        "all pictures",
        "closeness to the centre",
    ]
    role = opened(network="cbam-b0", part="Role of excitation")
    assert {trace["name"] for trace in sent_chart(role, "role")["data"]} == {"mean over all classes"}


@pytest.mark.parametrize("part", PARTS)
def test_every_view_of_an_uploaded_result_opens(small, part):
    app = sound(uploaded(small, part=part))
    assert "**Tiny** over 24 pictures in 3 classes" in said(app)
    assert "1 of 25 pictures could not be used; “Pictures, network and settings” names them." in said(app).replace(
        "\\", ""
    )


def test_a_presented_channel_lists_the_beginning_of_what_its_page_lists(small):
    asked = ({}, {"present": "1"})
    whole, first = ([table.value for table in uploaded(small, part="One channel", **each).dataframe] for each in asked)
    assert len(whole) == len(first) == 2
    for listed, presented in zip(whole, first, strict=True):
        assert 1 < len(presented) < len(listed)
        assert presented.equals(listed[: len(presented)])


def test_the_lines_are_the_class_means_of_the_last_block_of_each_stage():
    app = opened(network="se", classes="tench", block="layer3.0.attention")
    result = loading.ready_survey("se").result
    gates = {gate.name: gate for gate in result.gates}
    tench = result.classes.index("n01440764")
    lines = [trace for trace in sent_chart(app, "role")["data"] if trace["name"] == "tench"]
    drawn = ["layer1.1", "layer2.1", "layer3.0", "layer3.1", "layer4.1"]  # and the block that is selected
    assert len(lines) == len(drawn)
    for line, block in zip(lines, drawn, strict=True):
        gate = gates[f"{block}.attention"]
        channels = numbers(line["x"])
        assert len(channels) == min(50, gate.shape[0])
        np.testing.assert_allclose(numbers(line["y"]), gate.classes.mean[tench, channels], rtol=1e-6)


def test_the_mean_over_all_classes_is_drawn_beside_them():
    app = opened(network="se", block="layer4.1.attention")
    gate = next(gate for gate in loading.ready_survey("se").result.gates if gate.name == "layer4.1.attention")
    line = [trace for trace in sent_chart(app, "role")["data"] if trace["name"] == "mean over all classes"][-1]
    np.testing.assert_allclose(numbers(line["y"]), gate.classes.mean.mean(0)[numbers(line["x"])], rtol=1e-6)


def test_the_band_is_one_deviation_within_the_class():
    app = opened(network="se", classes="tench", band="true", block="layer4.1.attention")
    gate = next(gate for gate in loading.ready_survey("se").result.gates if gate.name == "layer4.1.attention")
    band = [trace for trace in sent_chart(app, "role")["data"] if trace.get("fill") == "toself"][-1]
    channels, edge = np.split(numbers(band["x"]), 2)[0], np.split(numbers(band["y"]), 2)[0]
    np.testing.assert_allclose(edge, (gate.classes.mean + gate.classes.std)[0, channels], rtol=1e-6)


def test_a_block_a_channel_and_classes_of_a_link_are_those_of_all_views():
    for part in ("Role of excitation", "One channel", "Right and wrong"):
        app = opened(network="se", part=part, block="layer4.0.attention", unit="7", classes="church")
        assert app.number_input(key="unit").value == 7
        assert app.multiselect(key="classes").value == ["church"]
    app = opened(network="se", part="One channel", block="layer4.0.attention", unit="7")
    assert widgets.literal("Channel 7 of block layer4.0:") in said(app)


def test_links_to_what_is_not_there_say_so():
    app = opened(network="se", block="nowhere", unit="100000", part="Nothing", classes="unicorn")
    assert said(app).count("link_off") >= 3


def test_a_channel_that_nobody_chose_is_the_most_class_specific_one():
    app = opened(network="se", block="layer4.1.attention")
    gate = next(gate for gate in loading.ready_survey("se").result.gates if gate.name == "layer4.1.attention")
    assert app.number_input(key="unit").value == np.nanargmax(survey.statistics.share_between(gate).index)


def test_without_a_ready_made_survey_the_page_says_what_to_do():
    for parameters in ({"network": "plain"}, {"network": "timm/seresnet50", "weights": "Random"}):
        assert "There is no ready-made survey" in said(opened(**parameters))


def test_what_is_no_result_is_refused_in_one_sentence():
    app = uploaded(b"PAR1 nonsense")
    assert not app.exception
    assert "is no result of a survey" in app.error[0].value


def finished(app: AppTest) -> AppTest:
    """The page once the survey that was started on it is done."""
    app = jobs.finished(app)
    assert "_survey_running" not in app.session_state
    return sound(app)


def test_a_survey_of_the_samples_runs_while_other_pages_are_open_and_is_kept():
    app = opened("Start one", network="se", part="One channel")
    app.number_input(key="survey_most").set_value(6).run()
    app.button(key="survey_start").click().run()
    app.switch_page("pages/grouped.py").run()
    app.switch_page("pages/survey.py").run()
    app = finished(app)
    assert r"**SE\-ResNet** over 6 pictures in 1 class: The samples" in said(app)
    assert "The pictures lie in one folder, “" in said(app).replace("\\", "")
    for part in PARTS:
        app.query_params["part"] = part
        app.switch_page("pages/survey.py").run()
        sound(app)
        if part == "One channel":
            small = [each for each in app.get("image") if ".jpg, gate 0." in each.proto.imgs[0].alt]
            assert len(small) == 12  # six for each end


def test_a_folder_that_the_server_allows_is_surveyed_and_its_path_stays_here(tmp_path, monkeypatch):
    pictures = folder(tmp_path / "holidays", {"a": 3, "b": 3}, side=40)
    monkeypatch.setattr("attention.serving.current._allowed", [pictures])
    app = opened("Start one", network="se")
    app.selectbox(key="survey_pictures").set_value("holidays").run()
    app.button(key="survey_start").click().run()
    app = finished(app)
    assert "over 6 pictures in 2 classes: holidays" in said(app)
    assert [each for each in app.caption if "is gone when this page is loaded anew" in each.value]
    ready = opened("Ready-made", network="se")
    assert not [each for each in ready.caption if "is gone when" in each.value]
    assert str(tmp_path) not in str(app.session_state["_survey_made"].result.provenance)


def test_uploaded_files_are_surveyed():
    app = opened("Start one", network="se")
    app.selectbox(key="survey_pictures").set_value("Your pictures").run()
    assert app.button(key="survey_start").disabled
    files = [(each.path.name, each.path.read_bytes(), "image/jpeg") for each in images.samples()[:3]]
    app.file_uploader(key="survey_files_0").set_value(files).run()
    app.button(key="survey_start").click().run()
    assert "over 3 pictures in 1 class: Your pictures" in said(finished(app))


def test_a_survey_of_a_network_without_gates_says_so():
    app = opened("Start one", network="plain")
    app.number_input(key="survey_most").set_value(2).run()
    app.button(key="survey_start").click().run()
    assert "has no gates" in said(finished(app))


def test_a_survey_that_runs_is_as_far_as_its_pictures_are_and_begins_with_none(tmp_path):
    pictures = survey.list_pictures(folder(tmp_path / "pictures", {"a": 4}))
    running = loading._RunningSurvey(None, network().card, pictures, "mine")
    assert running.describe(None) == (0, "Tiny over mine: 0 of 4 pictures")
    for done in range(5):
        share, words = running.describe(survey.Progress(done, 4, 0, 1.0))
        assert share == done / 4 and words.startswith(f"Tiny over mine: {done} of 4 pictures")


@pytest.fixture
def slow(monkeypatch) -> threading.Event:
    """Every survey reports its first picture again and again until this is set."""
    go = threading.Event()

    def run(network, pictures, *, progress):
        while not go.wait(0.01):
            progress(survey.Progress(1, len(pictures), 0, 1.0))
        progress(survey.Progress(2, len(pictures), 0, 1.0))
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(survey, "run", run)
    return go


def test_a_survey_is_stopped_and_started_anew_and_says_so_without_an_error(slow):
    app = opened("Start one", network="se")
    for _ in range(2):
        app.button(key="survey_start").click().run()
        assert len(jobs.under_way()) == 1 and sound(app).button(key="survey_stop")
        sound(app.button(key="survey_stop").click().run())
        app = finished(app)
        assert "The survey was stopped before it was done: nothing of it is kept." in said(app).replace("\\", "")


def test_a_click_while_the_first_one_is_followed_starts_no_second_survey(slow, monkeypatch):
    started, listed = [], loading._list_pictures

    def clicked_again(*asked):
        monkeypatch.setattr(loading, "_list_pictures", listed)
        run = get_script_run_ctx()
        run.script_requests.request_rerun(RerunData(run.query_string, page_script_hash=run.page_script_hash))
        return listed(*asked)

    monkeypatch.setattr(loading, "_list_pictures", clicked_again)
    monkeypatch.setattr(loading, "Job", lambda *given, **named: started.append(named) or Job(*given, **named))
    app = sound(opened("Start one", network="se").button(key="survey_start").click().run())
    assert not started
    sound(app.button(key="survey_start").click().run())
    assert len(started) == 1
    stop = app.button(key="survey_stop")
    for _ in range(2):
        sound(stop.click().run())
    sound(finished(app))


@pytest.mark.parametrize("at", ["before it begins", "while it reads", "when it is done"])
def test_stop_ends_in_no_error_wherever_the_survey_is(at, monkeypatch):
    reached, go = threading.Event(), threading.Event()

    def run(network, pictures, *, progress):
        steps = {"before it begins": 0, "while it reads": 1, "when it is done": 2}[at]
        for number in range(2):
            if number == steps:
                reached.set(), go.wait(60)
            progress(survey.Progress(number + 1, 2, 0, 1.0))
        result = before(network, pictures, progress=lambda _: None)
        if steps == 2:
            reached.set(), go.wait(60)
        return result

    before = survey.run
    monkeypatch.setattr(survey, "run", run)
    app = opened("Start one", network="se")
    app.number_input(key="survey_most").set_value(2).run()
    app.button(key="survey_start").click().run()
    assert reached.wait(60)
    sound(app.button(key="survey_stop").click().run())
    go.set()
    app = sound(finished(app))
    stopped = "The survey was stopped before it was done" in said(app)
    assert stopped != (at == "when it is done") and app.button(key="survey_start")


def test_a_survey_ends_when_its_time_is_over_in_one_sentence(slow, monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_SURVEY_SECONDS", "0")
    app = opened("Start one", network="se")
    app.button(key="survey_start").click().run()
    assert "The survey took longer than 0 seconds, and was stopped" in said(sound(finished(app))).replace("\\", "")


def test_a_second_survey_waits_for_its_turn_in_one_sentence(slow):
    first, second = (opened("Start one", network="se") for _ in range(2))
    first.button(key="survey_start").click().run()
    second.button(key="survey_start").click().run()
    assert [error.value for error in second.error] == [widgets.literal(loading.ONE_AT_A_TIME.busy)]
    first.button(key="survey_stop").click().run()
    finished(first)


def test_the_survey_of_a_session_that_ends_ends_too(slow):
    app = opened("Start one", network="se")
    app.button(key="survey_start").click().run()
    assert jobs.under_way()
    del app
    gc.collect()
    assert jobs.ended()
