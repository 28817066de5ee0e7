"""The page on which gates are turned says what edited passes of the same picture say, and takes every link."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from attention import analysis, capture, images, interventions
from attention.analysis import evidence
from attention.analysis.evidence import FEWEST_DRAWS
from attention.charts.colours import CHANNEL_GATE
from attention.interventions import Edit, EditedPasses, EditFile, files
from attention.models import zoo
from attention.numbers import signed
from attention.records import non_defaults
from attention.report import Table
from attention.ui import cache
from attention.ui.intervene import depth, effects, passes
from attention.ui.intervene.controls import NOTHING, ROWS_ON_SCREEN, WORDS, in_words
from attention.ui.intervene.session import NONE
from tests.charts import check_colours, numbers, sent_chart
from tests.jobs import finished

pytestmark = pytest.mark.usefixtures("sparing")
ROOT = Path(__file__).parents[1]
TITLE, OTHER = (sample.title for sample in images.samples()[:2])
BLOCK = "layer4.0.attention"


@pytest.fixture(autouse=True)
def no_results():
    """What other tests had measured is shared by all sessions."""
    cache.STORE.clear()


def opened(**parameters: str) -> AppTest:
    """The page with the edits of the address; with none, unless they are named."""
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    for key, value in ({"edits": NONE} | parameters).items():
        app.query_params[key] = value
    app.switch_page("pages/intervene.py").run()
    return sound(app)


def sound(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    assert not app.error, [error.value for error in app.error]
    return app


def subject(network: str, title: str = TITLE) -> EditedPasses:
    sample = next(sample for sample in images.samples() if sample.title == title)
    loaded = zoo.load(network)
    tracer = capture.Tracer(loaded.module)
    with torch.inference_mode():
        batch = loaded.transform(images.read(sample.path.read_bytes()))[None]
        return EditedPasses(tracer, batch, tracer(batch))


def answer(one: EditedPasses, *edits: Edit, network: str = "cbam") -> str:
    """What the page has to say of these edits, from passes of its own."""
    after = one.edited(interventions.applied(edits, one.before.gates))
    logits = [one.logits(trace)[0] for trace in (one.before, after)]
    first, second = (int(each.argmax()) for each in logits)
    before, now = (analysis.probabilities(each)[first] for each in logits)
    labels = zoo.card(network).labels
    turned = f", and its first guess is now {labels[second]}" if first != second else ""
    move = logits[1][first] - logits[0][first]
    return f"P({labels[first]}) goes from {before:.1%} to {now:.1%}{turned}; its logit moves by {signed(move)}."


def said(app: AppTest) -> str:
    kinds = (app.header, app.markdown, app.caption, app.info)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def choose(app: AppTest, word: str) -> AppTest:
    return sound(app.pills(key="action").set_value(word).run())


def standing(app: AppTest) -> tuple[Edit, ...]:
    """The edits of the page's address."""
    code = app.query_params["edits"]
    return files.from_code(code if isinstance(code, str) else code[-1])


def link(*edits: Edit) -> str:
    return files.to_code(edits)


def test_nothing_is_edited_at_first_and_each_block_is_off_in_turn():
    app = opened(network="se", picture=TITLE)
    assert app.header[0].value.startswith("Nothing is edited")
    assert app.button(key="undo").disabled and app.button(key="redo").disabled
    assert NONE in app.query_params["edits"]
    one = subject("se")
    first = int(one.before.output.argmax())
    blocks = [block.name for block in analysis.blocks(one.before.gates)]
    offs = [Edit("off", block=block) for block in blocks]
    effects = [interventions.effect(one, off.block, [off], seed=0, draws=0) for off in offs]
    (diamonds,) = sent_chart(app, "turns")["data"]
    np.testing.assert_allclose(numbers(diamonds["y"]), [effect.change[first] for effect in effects], atol=1e-4)
    moved = {block: effect.probability(first) for block, effect in zip(blocks, effects, strict=True)}
    most = max(moved, key=lambda block: abs(moved[block][1] - moved[block][0]))
    assert f"without block **{most.removesuffix('.attention')}**: {moved[most][0]:.1%} → {moved[most][1]:.1%}" in said(
        app
    )
    assert "the network was not trained without" in said(app) and "put to their neutral value" in said(app)
    assert "| none | 23.30% |" in said(app) and "arXiv 1709.01507" in said(app)


@pytest.mark.parametrize("asked", [{}, {"block": BLOCK}])
def test_a_first_visit_opens_with_a_gate_switched_off_which_can_be_undone(asked):
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    app.query_params.update({"network": "cbam", "picture": TITLE, **asked})
    sound(app.switch_page("pages/intervene.py").run())
    (edit,) = standing(app)
    assert edit == Edit("off", "channel", asked.get("block", app.select_slider(key="block").value))
    assert answer(subject("cbam"), edit) in app.header[0].value.replace("\\", "")
    assert app.header[0].value.startswith("With the channel gates of block layer")
    assert "edits" in app.session_state["_recorder"].items
    sound(app.button(key="undo").click().run())
    assert app.header[0].value.startswith("Nothing is edited") and app.button(key="undo").disabled
    recorded = app.session_state["_recorder"]
    assert "edits" not in recorded.items and recorded.answer["headline"].startswith("Nothing is edited")


def test_the_strip_shows_the_gates_as_they_are_edited():
    edit = Edit("off", "channel", BLOCK)
    app = opened(network="se", picture=TITLE, edits=link(edit))
    one = subject("se")
    after = {gate.name: gate.values for gate in one.edited(interventions.applied([edit], one.before.gates)).gates}
    means = [1.0 if gate.name == BLOCK else float(after[gate.name].mean()) for gate in one.before.gates]
    strip = sent_chart(app, "strip")["data"][0]
    np.testing.assert_allclose([mean for _, mean in strip["customdata"]], means, atol=1e-5)
    check_colours(strip["marker"]["color"], means, CHANNEL_GATE)


def test_where_nothing_moves_nothing_is_counted_and_no_picture_stands_twice():
    app = opened(network="se", picture=TITLE, section="Later gates")
    assert "so that no gate moves" in app.info[0].value
    app = opened(network="se", picture=TITLE, edits=link(Edit("off", "channel", "layer4.1")), section="Later gates")
    assert "No gate moved that nobody edited." in said(app)


def test_off_can_be_another_pictures_gate_and_the_caption_says_so():
    app = opened(network="se", picture=TITLE, off="resample", **{"from": OTHER})
    one, other = subject("se"), subject("se", OTHER)
    first = int(one.before.output.argmax())
    given = {(OTHER,): {gate.name: gate.values[0] for gate in other.before.gates}}
    edits = [Edit("replace", block=block.name, pictures=(OTHER,)) for block in analysis.blocks(one.before.gates)]
    changes = [interventions.effect(one, "", [edit], given, seed=0, draws=0).change[first] for edit in edits]
    (diamonds,) = sent_chart(app, "turns")["data"]
    np.testing.assert_allclose(numbers(diamonds["y"]), changes, atol=1e-4)
    assert f"put to those of “{OTHER}”" in said(app).replace("\\", "")
    sound(app.segmented_control(key="off").set_value("mean").run())
    assert f"put to their mean over {len(images.samples())} pictures" in said(app)


def test_over_several_pictures_the_median_its_interval_and_the_signs_are_said():
    app = opened(network="se", picture=TITLE)
    others = [sample.title for sample in images.samples()[1:3]]
    sound(app.multiselect(key="along").set_value(others).run())
    moved = []
    for title in (TITLE, *others):
        one = subject("se", title)
        first = int(one.before.output.argmax())
        offs = [Edit("off", block=block.name) for block in analysis.blocks(one.before.gates)]
        moved.append([interventions.effect(one, "", [off], seed=0, draws=0).change[first] for off in offs])
    medians = np.median(moved, axis=0)
    most = int(np.abs(medians).argmax())
    found = evidence.over_pictures([row[most] for row in moved])
    told = said(app).replace("\\", "")
    assert f"the logit moves by {signed(medians[most])} in the median" in told
    assert f"({found.interval}), with the same sign in {found.alike} of 3." in told


def test_each_block_off_is_tested_once_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(depth, "draws_for", lambda blocks: 19)
    app = opened(network="se", picture=TITLE)
    assert "160 passes, 19 random draws a block" in said(app)
    app = finished(app.button(key="start_blocks").click().run())
    one = subject("se")
    first = int(one.before.output.argmax())
    offs = [Edit("off", block=block.name) for block in analysis.blocks(one.before.gates)]
    nulls = [interventions.effect(one, off.block, [off], seed=0, draws=19).null[:, first] for off in offs]
    band, diamonds = sent_chart(app, "turns")["data"]
    np.testing.assert_allclose(numbers(band["base"]), [np.percentile(null, 2.5) for null in nulls], atol=1e-4)
    assert diamonds["marker"]["symbol"] == ["diamond-open"] * 8  # 19 draws are too few for one of eight
    assert "In 0 of 8 blocks there is evidence that it matters which channel gets which value" in said(app)


def test_a_block_off_is_answered_by_an_edited_pass_and_undone_and_redone():
    app = choose(opened(network="cbam", picture=TITLE, block=BLOCK), WORDS["off"])
    off = answer(subject("cbam"), Edit("off", "channel", BLOCK))
    assert off in said(app)
    assert standing(app) == (Edit("off", "channel", BLOCK),)
    sound(app.button(key="undo").click().run())
    assert app.header[0].value.startswith("Nothing is edited") and NONE in app.query_params["edits"]
    assert app.pills(key="action").value == NOTHING
    sound(app.button(key="redo").click().run())
    assert off in said(app)
    assert app.pills(key="action").value == WORDS["off"]


def test_the_change_stands_beside_the_random_band_of_the_seed_that_is_shown(monkeypatch):
    monkeypatch.setattr(effects, "FEWEST_DRAWS", FEWEST_DRAWS)
    monkeypatch.setattr(passes, "FEWEST_DRAWS", FEWEST_DRAWS)
    edit = Edit("top", "channel", BLOCK, count=20)
    app = opened(network="cbam", picture=TITLE, block=BLOCK, edits=link(edit), seed="7")
    one = subject("cbam")
    first, gates = int(one.before.output.argmax()), one.before.gates
    controls = [interventions.random_control([edit], gates, seed=7, draw=draw) for draw in range(FEWEST_DRAWS)]
    draws = interventions.changes(one, controls)[:, first]
    np.testing.assert_allclose(numbers(sent_chart(app, "chance")["data"][0]["x"]), draws, atol=1e-4)
    low, high = np.percentile(draws, (2.5, 97.5))
    assert f"95% lie from {signed(low)} to {signed(high)}" in said(app)
    assert re.search(r"(Here it matters|there is no evidence that it matters) which channel .* \(p = ", said(app))
    assert app.number_input(key="seed").value == 7


def test_other_settings_of_each_block_off_ask_for_another_test(monkeypatch):
    asked = []
    monkeypatch.setattr(depth.jobs, "result_of", lambda *name_and_key, **_: asked.append(name_and_key[:2]))
    for link in ({}, {"off": "mean"}, {"off": "resample"}, {"seed": "1"}, {"picture": images.samples()[2].title}):
        opened(**{"network": "cbam", "picture": TITLE, "edits": NONE, "section": "Each block off"} | link)
    keys = [key for name, key in asked if name == "blocks"]
    assert len(keys) == len(set(keys)) == 5


def test_a_report_says_what_is_edited_and_what_the_page_answers(monkeypatch):
    monkeypatch.setattr(effects, "FEWEST_DRAWS", FEWEST_DRAWS)
    monkeypatch.setattr(passes, "FEWEST_DRAWS", FEWEST_DRAWS)
    edits = [Edit("shuffle", "channel", BLOCK, seed=3), Edit("off", "spatial", size=(20, 20))]
    app = opened(network="cbam", picture=TITLE, block=BLOCK, edits=link(*edits))
    (section,) = app.session_state["_recorder"].sections()
    answer, *items = section.items
    assert answer.startswith("With 2 edits, P(") and " (p = " in answer and "\\" not in answer
    (kept,) = [item for item in items if isinstance(item, Table) and item.name == "edits"]
    assert kept.open and kept.columns["edit"][0].startswith("the channel gates of block ")
    assert [json.loads(text) for text in kept.columns["in a file of edits"]] == json.loads(
        json.dumps([non_defaults(edit) for edit in edits])
    )


def test_an_edit_that_changes_nothing_says_so():
    gate = next(gate for gate in subject("cbam").before.gates if gate.name == f"{BLOCK}.channel")
    edit = Edit("set", "channel", BLOCK, points=((3, float(gate.values[0, 3])),))
    app = opened(network="cbam", picture=TITLE, block=BLOCK, edits=link(edit))
    assert app.header[0].value.endswith(", nothing changes: every output is the same to the last bit.")
    assert "chance" not in [chart.proto.id.rsplit("-", 1)[1] for chart in app.get("plotly_chart")]


@pytest.mark.parametrize("kind", ["channel", "spatial", "any"])
def test_every_edit_is_answered_at_once(kind):
    app = opened(network="cbam", picture=TITLE, block=BLOCK)
    sound(app.segmented_control(key="kind").set_value(kind).run())
    one = subject("cbam")
    words = app.pills(key="action").options[1:]
    assert len(words) == {"channel": 7, "spatial": 9, "any": 4}[kind]
    for word in words:
        choose(app, word)
        (edit,) = standing(app)
        assert WORDS[edit.action] == word and edit.kind == kind
        assert not any(each.disabled for each in (*app.slider, *app.number_input)), "there is something to choose"
        if edit.action != "replace":
            assert answer(one, edit) in said(app)


def test_the_seeds_of_a_shuffle_are_those_that_a_file_may_hold():
    app = opened(network="cbam", picture=TITLE, block=BLOCK)
    choose(app, WORDS["shuffle"])
    seed = app.number_input(key="shuffle_seed")
    assert (seed.min, seed.value) == (0, 0)
    sound(seed.set_value(int(seed.max)).run())
    (largest,) = standing(app)
    assert largest.seed == seed.max
    with pytest.raises(interventions.EditError, match="whole numbers from 0"):
        files.from_code(link(replace(largest, seed=largest.seed + 1)))


def test_gates_of_a_second_picture_take_the_place():
    app = choose(opened(network="se", picture=TITLE, block=BLOCK), WORDS["replace"])
    sound(app.multiselect(key="donors").set_value([OTHER]).run())
    one, other = subject("se"), subject("se", OTHER)
    values = {gate.name: gate.values[0] for gate in other.before.gates}
    edit = Edit("replace", "channel", BLOCK, pictures=(OTHER,))
    after = one.edited(interventions.applied([edit], one.before.gates, {(OTHER,): values}))
    change = (after.output - one.before.output)[0, one.before.output.argmax()]
    assert f"its logit moves by {signed(change)}." in said(app)


def test_channels_are_set_by_their_numbers_and_by_the_slider_and_one_step_back_undoes_the_slider():
    app = choose(opened(network="se", picture=TITLE, block=BLOCK), WORDS["set"])
    sound(app.text_input(key="places").set_value("2, 5-6").run())
    for value in (0.25, 0.75):
        sound(app.slider(key="brush").set_value(value).run())
    (edit,) = standing(app)
    assert {place: value for place, value in edit.points if value} == {2: 0.75, 5: 0.75, 6: 0.75}
    assert answer(subject("se"), edit, network="se") in said(app)
    sound(app.button(key="undo").click().run())
    (before,) = standing(app)
    assert len(before.points) == 1


def test_what_names_no_channels_is_refused_and_nothing_is_lost():
    app = choose(opened(network="se", picture=TITLE, block=BLOCK), WORDS["set"])
    edits = standing(app)
    app.text_input(key="places").set_value("2, many").run()
    assert "names no places of this gate" in app.error[0].value and not app.exception
    assert standing(app) == edits


def test_edits_reach_a_stage_or_the_whole_network():
    app = opened(network="se", picture=TITLE, block=BLOCK, reach="Its stage")
    choose(app, WORDS["off"])
    (edit,) = standing(app)
    assert edit == Edit("off", "channel", size=(5, 5))
    sound(app.segmented_control(key="reach").set_value("All blocks").run())
    assert app.pills(key="action").value == NOTHING
    choose(app, WORDS["off"])
    assert standing(app) == (edit, Edit("off", "channel"))
    assert answer(subject("se"), Edit("off"), network="se") in said(app)


def test_of_gates_of_several_widths_as_many_values_are_kept_at_most_as_the_narrowest_has():
    app = opened(network="se", picture=TITLE, block=BLOCK, reach="All blocks")
    widths = {gate.values.shape[1] for gate in subject("se").before.gates}
    assert (min(widths), max(widths)) == (32, 256)
    choose(app, WORDS["top"])
    assert standing(app) == (Edit("top", "channel", count=8),)
    assert (app.slider(key="count").min, app.slider(key="count").max) == (1, 32)
    sound(app.slider(key="count").set_value(32).run())
    assert standing(app) == (Edit("top", "channel", count=32),)


def test_later_gates_are_those_of_the_edited_pass():
    edit = Edit("off", "channel", "layer1.0.attention")
    app = opened(network="cbam", picture=TITLE, edits=link(edit), section="Later gates")
    one = subject("cbam")
    functions = interventions.applied([edit], one.before.gates)
    after = {gate.name: gate.values for gate in one.edited(functions).gates}
    moved = [np.abs(after[gate.name] - gate.values).mean() for gate in one.before.gates]
    moved[0] = np.abs(1 - one.before.gates[0].values).mean()
    np.testing.assert_allclose(numbers(sent_chart(app, "later")["data"][0]["y"]), moved, atol=1e-5)


def test_a_screen_lists_the_edits_and_nothing_to_press():
    edits = [Edit("off", "channel", BLOCK, name="*mine*"), *[Edit("mean", "channel", BLOCK)] * 6]
    app = opened(network="se", picture=TITLE, section="All edits", edits=files.to_code(edits), present="1")
    (table,) = (each.value for each in app.markdown if each.value.startswith("| edit | what it does |"))
    assert len(table.splitlines()) == 2 + ROWS_ON_SCREEN
    assert "mine" in table and f"| 2 | {in_words(edits[1])} |" in table.replace("\\", "")
    assert "And 1 more." in said(app) and "Take them away" not in said(app)


def test_edits_are_named_and_taken_away_and_brought_back():
    edit = Edit("off", "channel", BLOCK)
    app = opened(network="se", picture=TITLE, section="All edits", edits=link(edit))
    sound(app.text_input(key="name_0").set_value("no last stage").run())
    (named,) = standing(app)
    assert named == Edit("off", "channel", BLOCK, name="no last stage")
    sound(app.button(key="remove_0").click().run())
    assert "No edit stands." in said(app)
    text = files.write(EditFile((named,), "se"))
    sound(app.file_uploader(key="import").set_value([("edits.json", text.encode(), "application/json")]).run())
    sound(app.button(key="use_import").click().run())
    assert standing(app) == (named,) and "were made for" not in said(app)
    text = files.write(EditFile((named,), "cbam"))
    sound(app.file_uploader(key="import").set_value([("cbam.json", text.encode(), "application/json")]).run())
    sound(app.button(key="use_import").click().run())
    assert standing(app) == (named,) and "These edits were made for cbam; here they are those of se." in said(app)


ELSEWHERE = Edit("replace", "channel", BLOCK, pictures=("nobody",))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [(Edit("off", block="layer9"), "the network has no such gate"), (ELSEWHERE, "In Python the file is enough.")],
)
def test_a_file_that_does_not_fit_is_refused_in_one_sentence_and_nothing_is_lost(wrong, told):
    edit = Edit("off", "channel", BLOCK)
    app = opened(network="se", picture=TITLE, section="All edits", edits=link(edit))
    widths = {gate.name: gate.values[0] for gate in subject("se").before.gates if gate.name.startswith(BLOCK)}
    text = files.write(EditFile((wrong,), "se", {wrong.pictures: widths} if wrong.pictures else {}))
    app.file_uploader(key="import").set_value([("edits.json", text.encode(), "application/json")]).run()
    app.button(key="use_import").click().run()
    assert len(app.error) == 1 and told in app.error[0].value.replace("\\", "") and not app.exception
    assert standing(app) == (edit,)


@pytest.mark.parametrize(
    ("code", "told"), [("abc", "cannot be read"), (link(Edit("off", block="layer9")), "no such gate")]
)
def test_a_link_with_edits_that_cannot_be_says_so_and_opens_without_them(code, told):
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    app.query_params["network"], app.query_params["edits"] = "se", code
    app.switch_page("pages/intervene.py").run()
    assert not app.exception and len(app.error) == 1
    error = app.error[0].value.replace("\\", "")
    assert error.startswith("The link's edits are left out") and told in error
    assert app.header[0].value.startswith("Nothing is edited")
    assert [each.value for each in app.run().error] == [app.error[0].value], "a page runs more than once by itself"
    app.pills(key="action").set_value("Switch off").run()
    assert not app.exception and not app.error


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("block", "layer9", "layer1.0.attention to layer4.1.attention"),
        ("kind", "token", "Channel"),
        ("reach", "nowhere", "This block, Its stage, All blocks"),
        ("section", "nothing", "Each block off, Over many pictures, Class heatmap, Later gates, All edits"),
        ("class", "unicorn", "tench (0) to"),
        ("seed", "-1", "0 to 9,999"),
    ],
)
def test_a_link_with_a_value_that_there_is_not_says_what_is_shown(key, value, told):
    page = said(opened(network="se", **{key: value}))
    assert f"The link asks for {key} “{value}”; there is {told}" in page


def test_a_link_keeps_the_kind_of_gates_that_is_edited():
    edit = Edit("invert", "spatial", BLOCK)
    app = opened(network="cbam", picture=TITLE, block=BLOCK, kind="Spatial", edits=link(edit))
    assert app.segmented_control(key="kind").value == "spatial" and app.pills(key="action").value == WORDS["invert"]


def test_another_class_can_be_asked_for():
    label = zoo.card("se").labels[2]
    app = opened(network="se", picture=TITLE, edits=link(Edit("off")), **{"class": f"{label} (2)"})
    assert f"P({label}) goes from " in said(app)


def test_another_network_has_edits_of_its_own_and_the_first_keeps_its():
    app = choose(opened(network="se", picture=TITLE, block=BLOCK), WORDS["off"])
    sound(app.selectbox(key="network").set_value("se-resnext").run())
    assert standing(app) == (Edit("off", "channel", BLOCK),)
    sound(app.button(key="undo").click().run())
    sound(app.selectbox(key="network").set_value("se").run())
    assert answer(subject("se"), Edit("off", "channel", BLOCK), network="se") in said(app)


def test_a_network_without_gates_says_so_and_offers_one_that_has_them():
    app = opened(network="plain")
    assert "has no gates" in app.info[0].value
    sound(app.button(key="instead_cbam").click().run())
    assert app.header[0].value.startswith("Nothing is edited")  # as the address says


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["torchvision/mobilenet_v3_small", "timm/skresnet18"])
def test_networks_of_the_zoos_with_random_weights_are_marked_and_answer(name):
    app = opened(network=name, weights="Random", section="All edits")
    assert "random weights here" in app.warning[0].value
    choose(app, WORDS["off"])
    assert re.search(r"switched off, (P\(.+\) goes from|nothing changes)", said(app))
    assert "matters which channel gets which value (p = " in said(app)
    branches = "put to 0.5: each branch weighs as much as the others"
    assert (branches in said(app)) == (name == "timm/skresnet18")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("name", "says"), [("timm/skresnet18", True), ("se", False)])
def test_each_block_off_says_what_its_gates_are_put_to_where_that_is_not_1(name, says):
    app = opened(network=name, weights="Random", edits="none")
    assert ("put to 0.5: each branch weighs as much as the others" in said(app)) == says


@pytest.mark.usefixtures("home")
def test_gates_that_are_neither_of_channels_nor_of_places_are_switched_off_too():
    app = opened(network="pytorchcv/bam_resnet18", weights="Random", section="Later gates", edits=link(Edit("off")))
    assert "This gate is of the kind “full”, which this page edits and does not draw" in said(app)
    assert " goes from " in app.header[0].value


def test_a_picture_of_ones_own_is_edited_too():
    file = io.BytesIO()
    Image.effect_noise((90, 60), 60).convert("RGB").save(file, "PNG")
    app = opened(network="cbam", block=BLOCK)
    sound(app.segmented_control(key="source").set_value("Upload").run())
    sound(app.file_uploader(key="upload").set_value([("own.png", file.getvalue(), "image/png")]).run())
    choose(app, WORDS["mean"])
    assert " goes from " in said(app)
    assert standing(app) == (Edit("mean", "channel", BLOCK),)
