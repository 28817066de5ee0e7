"""The page on grouped convolution: its numbers, what a link may ask for, and every section."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from attention import grouped
from attention.grouped import Convolution
from attention.models import zoo
from attention.records import GatescopeError
from attention.ui import cache
from attention.ui.grouped import EXAMPLES, NUMBERS

ROOT = Path(__file__).parents[1]


def opened(**parameters: object) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    for key, value in parameters.items():
        app.query_params[key] = str(value)
    return sound(sound(app.run()).switch_page("pages/grouped.py").run())


def sound(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    return app


def groups(app: AppTest) -> object:
    return app.session_state["g"]


def answer(app: AppTest) -> str:
    return app.header[0].value


def everything(app: AppTest) -> str:
    return "\n".join(text.value for text in (*app.markdown, *app.caption, *app.code))


def test_the_page_opens_with_its_answer_and_every_line_of_the_derivation():
    app = opened()
    assert app.title[0].value == "Grouped convolution: what does it save?"
    assert answer(app) == "In 4 groups, a kernel reads 8 of 32 channels: 2,304 weights instead of 9,216."
    for step in grouped.cost_of(Convolution(32, 32, (3, 3), 4, 28, 28, False)).steps:
        assert f"| {step.what} | ${step.formula}$ | **{step.value:,}** |" in everything(app)
    assert "nn.Conv2d(32, 32, (3, 3), groups=4, bias=False)" in everything(app)


def test_a_link_opens_with_its_numbers():
    app = opened(c1=96, c2=256, h1=5, w1=5, g=2, h=27, w=27, bias="true")
    assert "307,200 weights instead of 614,400" in answer(app)
    assert "**307,456**" in everything(app)
    assert not app.info


@pytest.mark.parametrize(
    ("asked", "shown", "sentence"),
    [
        ({"g": 5}, 4, "g = 5 does not divide both C₁ and C₂; this is g = 4, the nearest that does."),
        ({"c1": 12, "c2": 18, "g": 4}, 3, "g = 4 does not divide both C₁ and C₂; this is g = 3,"),
        ({"c1": 99_999}, 4, "The link asks for C₁ = 99999; it can be 1 to 2,048, and is 32 here."),
        ({"h1": "three"}, 4, "The link asks for h₁ = three; it can be 1 to 11, and is 3 here."),
        ({"w": "9" * 5000}, 4, "it can be 1 to 512, and is 28 here."),
        ({"h": "inf"}, 4, "The link asks for H = inf; it can be 1 to 512, and is 28 here."),
        ({"c2": "12.5"}, 4, "The link asks for C₂ = 12.5; it can be 1 to 2,048, and is 32 here."),
    ],
)
def test_a_link_that_asks_for_what_cannot_be_says_so(asked, shown, sentence):
    app = opened(**asked)
    assert sentence in app.info[0].value.replace("\\", "")
    assert groups(app) == shown


@pytest.mark.parametrize("wish", ["-4", "0", "none", "²", "4.5"])
def test_a_number_of_groups_that_is_none_opens_with_the_first_and_says_so(wish):
    app = opened(g=wish)
    assert groups(app) == 4
    sentence = f"The link asks for g = {wish}; it can be what divides both C₁ and C₂, and is 4 here."
    assert app.info[0].value.replace("\\", "") == sentence


@pytest.mark.parametrize(("key", "asked", "allowed"), [("light", "5", "all, 1, 2, 3, 4"), ("layers", "3", "1, 2")])
def test_what_a_link_asks_for_in_a_part_of_the_page_and_cannot_have_is_said(key, asked, allowed):
    app = opened(section="The proof", **{key: asked})
    said = everything(app).replace("\\", "")
    assert f"The link asks for {key} “{asked}”; there is {allowed}. This is shown instead." in said


def test_groups_move_to_the_nearest_that_divides_and_come_back():
    app = opened(g=8)
    sound(app.number_input(key="c1").set_value(12).run())
    assert groups(app) == 4
    assert "g = 8 does not divide both" in app.info[0].value
    assert app.number_input(key="c2").value == 32
    sound(app.number_input(key="c1").set_value(64).run())
    assert groups(app) == 8
    assert not app.info


def test_a_click_on_a_number_of_groups_is_the_new_wish():
    app = opened(g=8)
    sound(app.number_input(key="c1").set_value(12).run())
    sound(app.button_group(key="g").set_value(2).run())
    sound(app.number_input(key="c1").set_value(64).run())
    assert groups(app) == 2
    assert not app.info


def test_coprime_channels_leave_one_group():
    app = opened(c1=7, c2=9)
    assert groups(app) == 1
    assert answer(app) == "With one group nothing is saved: every kernel reads all 7 channels, 567 weights."


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_sets_every_number(name):
    app = opened()
    sound(app.button(key=f"example_{name}").click().run())
    example = EXAMPLES[name]
    values = [app.number_input(key=key).value for key in NUMBERS]
    assert values == [
        example.in_channels, example.out_channels, *example.kernel, example.height, example.width
    ]  # fmt: skip
    assert (groups(app), app.toggle(key="bias").value) == (example.groups, example.bias)
    assert f"{grouped.cost_of(example).weights:,} weights" in answer(app)


def test_a_group_that_is_no_longer_there_is_not_lit():
    app = opened(g=8, light=7)
    assert app.select_slider(key="light").value == "7"
    sound(app.button_group(key="g").set_value(2).run())
    assert app.select_slider(key="light").value == "all"


def test_time_is_measured_when_asked_for_and_forgotten_with_other_numbers():
    app = opened(section="Time, measured", c1=8, c2=8, h=4, w=4)
    assert "Nothing has been measured" in everything(app)
    sound(app.button(key="measure_times").click().run())
    assert "Measured on this machine when it was asked for, 1 thread" in everything(app).replace("\\", "")
    sound(app.button_group(key="g").set_value(2).run())
    assert "In 2 groups it does 1/2 of the arithmetic" in everything(app).replace("\\", "")
    sound(app.number_input(key="h").set_value(5).run())
    assert "Nothing has been measured" in everything(app)


def test_what_takes_too_long_to_measure_is_refused_in_a_sentence():
    app = opened(section="Time, measured", c1=1024, c2=1024, h=112, w=112)
    sound(app.button(key="measure_times").click().run())
    assert "choose a smaller H, W, C1 or C2" in app.error[0].value.replace("\\", "")


def test_the_proof_reaches_further_with_two_layers_and_a_shuffle():
    app = opened(section="The proof")
    assert "**8 of 32** output channels answer, in **1 of 4** groups" in everything(app)
    sound(app.button_group(key="layers").set_value(2).run())
    assert "in **1 of 4** groups" in everything(app)
    sound(app.toggle(key="shuffle").set_value(True).run())
    assert "**32 of 32** output channels answer, in **4 of 4** groups" in everything(app)
    assert "all 1,024 answers are as the theory says" in everything(app)


def test_a_proof_of_many_channels_shows_the_first_groups_and_says_so():
    app = opened(section="The proof", c1=512, c2=256, g=8)
    assert "Of 512 → 256 channels, the first 2 groups." in everything(app)


def test_published_errors_come_with_their_source():
    app = opened(section="Equal budget")
    sources = everything(app).replace("\\", "")
    assert "arXiv 1611.05431" in sources and "arXiv 1707.01083" in sources
    assert app.dataframe[1].value["two groups"].tolist()[-1] == 60_965_224


def test_the_networks_grouped_layers_are_listed_with_what_they_save():
    app = opened(section="In this network", network="se-resnext")
    assert "**8 of 30** convolutions of SE-ResNeXt are grouped: **783,360** parameters" in everything(app).replace(
        "\\", ""
    )


def test_for_a_network_without_grouped_convolutions_another_shows_them():
    app = opened(section="In this network", network="cbam")
    assert "CBAM\\-ResNet has no grouped convolutions" in app.info[0].value
    assert app.selectbox(key="network").value == "cbam"
    assert "**8 of 30** convolutions of SE-ResNeXt" in everything(app).replace("\\", "")


def test_a_network_that_cannot_be_loaded_costs_only_its_own_section(monkeypatch):
    def fail(name, *, random):
        raise GatescopeError("The weight file is not there.")

    cache.STORE.clear()
    monkeypatch.setattr(zoo, "load", fail)
    app = opened(section="In this network")
    assert "2,304 weights instead of 9,216" in answer(app)
    assert "The weight file is not there." in [error.value.replace("\\", "") for error in app.main.get("error")]
