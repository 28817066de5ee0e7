"""Every step of every lesson opens, asks, and answers with the numbers of the picture that is chosen."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from attention import images, layers
from attention.grouped import convolutions
from attention.models import zoo
from attention.observe import observe, read_picture
from attention.ui.lessons import cbam, gated, grouped, se
from attention.ui.lessons.steps import UNDECIDED

pytestmark = pytest.mark.usefixtures("sparing")
ROOT = Path(__file__).parents[1]
STEPS = {"lesson_grouped": 11, "lesson_se": 12, "lesson_cbam": 12}
NETWORK = {"lesson_grouped": "se-resnext", "lesson_se": "se", "lesson_cbam": "cbam"}
EVERY_STEP = [(page, step) for page, count in STEPS.items() for step in range(1, count + 1)]
SAMPLE = images.samples()[0]


def opened(page: str, **parameters: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    for key, value in ({"network": NETWORK[page]} | parameters).items():
        app.query_params[key] = value
    return sound(app.switch_page(f"pages/{page}.py").run())


def sound(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    assert not app.error, [error.value for error in app.error]
    return app


def guess(app: AppTest):
    """The question of a step; None where it asks nothing."""
    return next((each for each in app.segmented_control if (each.key or "").startswith("guess_")), None)


def said(app: AppTest) -> str:
    return "\n".join(each.value for kind in (app.header, app.markdown, app.caption) for each in kind)


def figures(app: AppTest) -> int:
    kinds = ("plotly_chart", "bidi_component", "image", "code")
    main = [each for kind in kinds for each in app.main.get(kind)]
    return len(main) + ("| What | How | Number |" in said(app))


@pytest.mark.parametrize(("page", "step"), EVERY_STEP)
def test_every_step_opens_by_its_link_and_shows_its_figure(page, step):
    app = opened(page, step=str(step))
    assert app.header[0].value.startswith(f"{step}. ")
    assert f"Step {step} of {STEPS[page]}" in [text.value for text in app.text]
    assert not [caption.value for caption in app.caption if re.fullmatch("`[^`]*`[.]", caption.value)]  # a name alone
    if question := guess(app):
        assert question.options[-1] == UNDECIDED and len(set(question.options)) >= 3
        drawn_by_mermaid = gated.BEFORE in question.options  # which this kind of test does not see
        assert figures(app) >= 1 or drawn_by_mermaid
        sound(question.set_value(UNDECIDED).run())
        assert any(":material/visibility: **It is " in each.value for each in app.markdown)
    assert figures(app) >= 1


@pytest.mark.parametrize("page", STEPS)
def test_back_and_next_lead_through_the_lesson_and_end_at_its_ends(page):
    app = opened(page)
    assert app.button(key="Previous_step").disabled
    sound(app.button(key="Next_step").click().run())
    assert app.header[0].value.startswith("2. ") and app.query_params["step"] == "2"
    sound(app.button(key="Previous_step").click().run())
    assert app.header[0].value.startswith("1. ")
    last = opened(page, step=str(STEPS[page]))
    assert last.button(key="Next_step").disabled and not last.button(key="Previous_step").disabled


def test_the_lesson_on_groups_speaks_of_no_gates():
    for step in range(1, STEPS["lesson_grouped"] + 1):
        captions = opened("lesson_grouped", step=str(step)).main.caption
        assert not [each.value for each in captions if re.search(r"\bgates?\b", each.value)]


def test_a_link_to_a_step_that_is_none_says_so_and_shows_the_first():
    app = opened("lesson_se", step="99")
    assert app.header[0].value.startswith("1. ") and "there is 1 to 12" in said(app)


def observed(network: str):
    return observe(zoo.load(network), read_picture(SAMPLE.path))


@pytest.fixture(scope="module")
def lesson():
    seen = observed("cbam")
    return gated.Gated(seen, next(block for block in seen.blocks if block.name == "layer2.1.attention"))


def test_a_right_and_a_wrong_guess_are_told_with_the_number():
    seen = observed("se")
    lesson = gated.Gated(seen, next(block for block in seen.blocks if block.name == "layer2.0.attention"))
    candidates = gated.candidates(lesson.order)
    best = max(candidates, key=lambda channel: lesson.values[channel])
    link = {"picture": SAMPLE.title, "block": lesson.block.name, "step": "3"}
    for option, verdict in (
        (f"channel {best}", "**Yes.**"),
        (f"channel {min(set(candidates) - {best})}", "**No, it is"),
    ):
        app = opened("lesson_se", **link)
        sound(guess(app).set_value(option).run())
        assert verdict in said(app) and f"channel {best} {lesson.values[best]:.3f}" in said(app)


def test_what_is_drawn_before_the_guess_does_not_say_how_many_weights_there_are():
    for step in (2, 5):
        app = opened("lesson_grouped", step=str(step))
        (figure,) = app.main.get("plotly_chart")
        before = figure.proto.spec
        sound(guess(app).set_value(UNDECIDED).run())
        told = next(each.value for each in app.markdown if ":material/visibility:" in each.value)
        right = max(re.findall(r"[\d,]{4,}", told.partition(":")[2]), key=told.rindex)
        assert right in told and right not in before


def test_a_guess_says_nothing_of_another_block():
    app = opened("lesson_se", step="3", block="layer2.0.attention")
    sound(guess(app).set_value(UNDECIDED).run())
    sound(app.selectbox(key="block").set_value("layer3.0.attention").run())
    assert guess(app).value is None


def test_the_plain_layer_is_ours_where_the_biases_are_zero(lesson):
    torch.manual_seed(0)
    ours, plain, features = layers.SE(32, 4), layers.PlainSE(32, 4), torch.randn(2, 32, 5, 7)
    with torch.no_grad():
        plain.reduce.weight.copy_(ours.gate.mlp[0].weight)
        plain.restore.weight.copy_(ours.gate.mlp[2].weight)
        assert (ours(features) - plain(features)).abs().max() > 1e-3  # the biases do something
        ours.gate.mlp[0].bias.zero_()
        ours.gate.mlp[2].bias.zero_()
        torch.testing.assert_close(ours(features), plain(features))
    assert se.plain_difference(lesson) <= 1e-5


@pytest.mark.parametrize("network", ["cbam", "cbam-b0"])
def test_the_kernel_of_seven_gives_the_gate_of_the_pass_and_that_of_one_its_own_sum_normalised_by_the_block(network):
    """With fixed numbers in one of these networks, and by each map's own mean and spread in the other."""
    seen = observed(network)
    for block in [block for block in seen.blocks if block.spatial][::3]:
        lesson = gated.Gated(seen, block)
        maps, steps = cbam.both_sizes(lesson.spatial_steps, "sigmoid"), lesson.spatial_steps
        np.testing.assert_allclose(maps[cbam.SEVEN], lesson.map, atol=1e-4)
        summed = sum(kernel.sum() * values for kernel, values in zip(steps.kernel, steps.pooled.values(), strict=True))
        norm = seen.network.module.get_submodule(f"{block.spatial.name}.gate").norm
        with torch.no_grad():
            expected = torch.sigmoid(norm(torch.from_numpy(summed)[None]))[0, 0]
        np.testing.assert_allclose(maps[cbam.ONE], expected, atol=1e-4)


@pytest.mark.parametrize(("network", "by"), [("cbam", "learned numbers"), ("cbam-b0", "this picture's places")])
def test_the_recipe_of_a_place_names_its_normalisation(network, by):
    text = said(opened("lesson_cbam", network=network, step="7"))
    assert re.search(f"the sum is normalised by [^.]*{by}, and pressed between 0 and 1", text)
    assert "with its normalisation" in text


def test_the_grouped_lesson_asks_about_what_divides_the_layer():
    seen = observed("se-resnext")
    for layer in convolutions(seen.cost):
        shape = layer.convolution
        if shape.in_channels % 2 == 0 and shape.out_channels % 2 == 0:
            asked = grouped.Lesson(seen, layer).convolution
            assert asked.groups > 1 and asked.in_channels % asked.groups == asked.out_channels % asked.groups == 0
            assert shape.groups in (1, shape.in_channels) or asked == shape


@pytest.mark.parametrize(("page", "network"), [("lesson_se", "plain"), ("lesson_cbam", "se")])
def test_a_network_without_such_gates_is_told_from_one_that_has_them(page, network):
    app = opened(page, network=network)
    assert "has no" in app.info[0].value and not app.header


def test_a_network_none_of_whose_blocks_can_be_explained_is_told_from_one_whose_blocks_can():
    app = opened("lesson_se", network="timm/resnest14d", weights="Random")
    assert "has no channel gates of SE's form whose inner steps can be shown" in app.info[0].value
    assert not app.header and [button.label for button in app.main.button] == ["Open se instead"]


@pytest.mark.parametrize("page", STEPS)
def test_a_lesson_goes_on_with_its_block(page):
    app = opened(page)
    link = app.main.get("page_link")[0].proto
    assert link.page == {"lesson_grouped": "grouped", "lesson_se": "excitation", "lesson_cbam": "cbam"}[page]
    assert ("g=8" if page == "lesson_grouped" else f"block={app.selectbox(key='block').value}") in link.query_string
    assert "step" not in link.query_string
