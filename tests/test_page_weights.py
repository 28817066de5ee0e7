"""A person's own weights on every page: uploaded in the sidebar, recognised, and shown."""

import re
import tomllib

import pytest
import torch
from safetensors.torch import save as save_safetensors
from streamlit.testing.v1 import AppTest

from attention import images, serving, ui
from attention.limits import Limits
from attention.models import checkpoints, own
from attention.ui import widgets
from tests import attacks, published
from tests.test_recognition import LAYOUTS

pytestmark = pytest.mark.usefixtures("sparing")
SHOWN = ("published CBAM", "published SE", "torchvision MobileNetV3", "timm SE-ResNet", "pytorchcv CBAM")
ATTACKS = (
    "code",
    "deflated bomb",
    "stride 0",
    "huge header",
    "overlapping offsets",
    "shape lie",
    "legacy format",
    "NaN",
)
CBAM = "CBAM-ResNet, the published code's layout"


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the overview is drawn at once, as for somebody who has scrolled there."""
    monkeypatch.setattr(widgets, "is_near", lambda part, where: True)


def opened(page="overview"):
    app = AppTest.from_file(serving.APP, default_timeout=120).run()
    if page != "overview":
        app.switch_page(f"pages/{page}.py").run()
    return app.segmented_control(key="origin").set_value("Your weights").run()


def uploaded(app, name, data):
    uploader = next(each for each in app.file_uploader if each.key.startswith("weights_"))
    return uploader.set_value((name, data, "application/octet-stream")).run()


def made(build):
    torch.manual_seed(0)
    return build().eval().state_dict()


def saved(state):
    return attacks.saved({"state_dict": {f"module.{key}": value for key, value in state.items()}})


def texts(app):
    kinds = ("caption", "markdown", "header", "info")
    return " ".join(element.value for kind in kinds for element in app.get(kind)).replace("\\", "")


def sound(app):
    assert not app.exception and not app.error, [error.value for error in app.error]
    return app


@pytest.fixture(scope="module")
def cbam():
    return saved(made(published.cbam_resnet))


@pytest.mark.parametrize("layout", SHOWN)
def test_each_layout_is_recognised_and_opens_on_every_page(layout):
    build, family, _ = LAYOUTS[layout]
    data = saved(made(build))
    app = uploaded(opened(), "mine.pth", data)
    known = "taken for" if layout.startswith("timm") else "recognised as"  # its anti-aliased kin have the same keys
    for page in ui.PAGES:
        sound(app.switch_page(f"pages/{page}.py").run())
        if layout == SHOWN[0]:  # each page takes a file
            sound(uploaded(app, "mine.pth", data))
        assert f"**mine.pth** was {known} **{family}**" in texts(app), page
        assert len(app.get("progress")) == 5 and "Classes it knows: 7;" in texts(app), page
        assert "ImageNet's mean and standard deviation" in texts(app), page


def test_an_uploaded_network_stays_chosen_on_the_next_page(cbam):
    app = sound(uploaded(opened(), "mine.pth", cbam))
    app.switch_page("pages/cbam.py").run()
    assert "recognised as" in texts(sound(app)) and app.segmented_control(key="origin").value == "Your weights"
    assert app.select_slider(key="block")


def test_a_grey_network_that_is_not_square_opens_and_its_bands_are_chosen():
    app = sound(
        uploaded(opened(), "grey.pth", saved(made(LAYOUTS["published SE, for small grey pictures, another head"][0])))
    )
    assert "what the input channel reads: grey" in texts(app) and "no pooling behind it" in texts(app)
    app.text_input(key="size").set_value("64 x 32").run()
    assert "sees it, 64 × 32 px" in texts(sound(app))
    assert "what the 1" not in texts(sound(app.text_input(key="bands").set_value("green").run()))
    app.text_input(key="bands").set_value("green, red").run()
    assert ["2 bands are given, and grey.pth reads 1" in each.value.replace("\\", "") for each in app.error] == [True]


def test_networks_that_share_their_keys_are_compared_side_by_side():
    app = sound(uploaded(opened("compare"), "mine.pth", saved(made(LAYOUTS["timm SE-ResNet"][0]))))
    other = "mine.pth as SE-ResNet, timm's layout, anti-aliased by averages"
    assert other in app.multiselect(key="beside").options
    sound(app.multiselect(key="beside").set_value([other]).run())
    assert texts(app).count("8.73 M parameters") == 2


def test_of_several_networks_in_a_file_one_is_chosen():
    networks = {"G": made(published.cbam_resnet), "D": made(published.se_resnet), "epoch": 3}
    app = sound(uploaded(opened(), "gan.pth", attacks.saved(networks)))
    assert app.selectbox(key="network_in_file").options == ["G", "D"] and f"recognised as **{CBAM}**" in texts(app)
    sound(app.selectbox(key="network_in_file").set_value("D").run())
    assert "recognised as **SE-ResNet, the published code's layout**" in texts(app)
    sound(uploaded(app, "mine.pth", saved(made(published.se_resnet))))
    assert not [each for each in app.selectbox if each.key == "network_in_file"]


def test_the_file_of_efficientnet_b0_is_known_and_what_is_left_aside_is_said():
    data = own.weights_file("efficientnet-b0").read_bytes()
    app = sound(uploaded(opened(), "b0.safetensors", data))
    assert "recognised as **EfficientNet-B0, as it comes with this project**" in texts(app)
    state = {f"net.{key}": value for key, value in made(published.cbam_resnet).items()} | {"loss.weight": torch.ones(1)}
    app = sound(uploaded(app, "mine.pth", attacks.saved({"anything": state})))
    for phrase in ("the weights under 'anything'", "'net.' taken off", "not under it: loss.weight"):
        assert phrase in texts(app)


def test_without_a_file_the_page_shows_another_network_and_says_so():
    app = sound(opened())
    assert "Until there is one" in texts(app) and "CBAM-B0" in texts(app)


def test_the_bytes_of_a_file_are_let_go(cbam, monkeypatch):
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

    removed = []
    remove = MemoryUploadedFileManager.remove_file

    def noted(self, session_id, file_id):
        removed.extend(record.data for record in self.get_files(session_id, [file_id]))
        remove(self, session_id, file_id)
        assert not self.get_files(session_id, [file_id])

    monkeypatch.setattr(MemoryUploadedFileManager, "remove_file", noted)
    app = sound(uploaded(opened(), "mine.pth", cbam))
    assert removed == [cbam]
    assert "weights_0" not in app.session_state


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.pt", b""),
        ("picture.pt", next(iter(images.samples())).path.read_bytes()),
        ("cut.safetensors", save_safetensors({"w": torch.zeros(9)})[:-4]),
        ("![](x).pt", b"no weights"),
    ],
)
def test_a_file_that_is_not_read_is_one_sentence_and_the_network_before_stays(cbam, name, data):
    app = sound(uploaded(opened(), "mine.pth", cbam))
    app = uploaded(app, name, data)
    with pytest.raises(checkpoints.CheckpointError) as expected:
        checkpoints.read(data)
    assert not app.exception and len(app.error) == 1
    said = app.error[0].value
    assert said.replace("\\", "") == f"{name}: {expected.value}" and "![" not in said
    assert "**mine.pth** was recognised" in texts(app)
    assert not sound(uploaded(app, "mine.pth", cbam)).error


def test_an_attack_is_one_sentence_on_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = opened()
    for name in ATTACKS:
        make, said = attacks.ATTACKS[name]
        uploaded(app, f"{name}.pt", make())
        assert not app.exception and len(app.error) == 1, name
        assert re.search(said, app.error[0].value.replace("\\", "")), name
    assert not list(tmp_path.iterdir())


def test_weights_of_no_known_network_can_be_given_a_family_and_say_what_does_not_fit(cbam):
    state = made(published.cbam_resnet) | {"more.weight": torch.zeros(3)}
    del state["layer2.0.bn2.bias"]
    app = uploaded(opened(), "other.pth", saved(state))
    assert not app.exception and len(app.error) == 1 and "other" in app.error[0].value
    app.selectbox(key="family").select(CBAM).run()
    assert not app.exception and len(app.error) == 1
    said = app.error[0].value.replace("\\", "")
    assert "1 missing (layer2.0.bn2.bias)" in said and "1 left over (more.weight)" in said
    assert {*app.dataframe[0].value["key"]} == {"layer2.0.bn2.bias", "more.weight"}
    assert app.header and "this is the network that comes first" in texts(app)
    uploaded(app, "mine.pth", cbam)
    assert sound(app).selectbox(key="family").value == "As recognised"


def test_a_file_that_does_not_fit_leaves_the_network_of_the_one_before(cbam):
    app = sound(uploaded(opened(), "mine.pth", cbam))
    before = app.session_state["_view"].choice.key
    state = made(published.cbam_resnet)
    del state["layer2.0.bn2.bias"]
    uploaded(app, "other.pth", saved(state))
    assert not app.exception and len(app.error) == 1 and "other.pth" in app.error[0].value.replace("\\", "")
    assert "this is still the file before it: mine.pth" in texts(app).replace("\\", "")
    assert app.session_state["_view"].choice.key == before


def test_a_family_that_was_chosen_by_hand_takes_the_place_of_the_recognised_one():
    build, family, _ = LAYOUTS["torchvision ResNet"]
    app = sound(uploaded(opened(), "mine.pth", saved(made(build))))
    others = [other for other in app.selectbox(key="family").options if "ResNet, timm" in other]
    app.selectbox(key="family").select("ResNet, timm's layout").run()
    assert others and "recognised as **ResNet, timm's layout**" in texts(sound(app)) and family not in texts(app)


def test_pictures_and_classes_are_prepared_as_the_person_says(cbam):
    app = sound(uploaded(opened(), "mine.pth", cbam))
    assert "pictures of 224 px; the central 87.5% of a picture; bilinear interpolation; ImageNet's mean" in texts(app)
    app.text_input(key="size").set_value("96").run()
    app.text_input(key="mean").set_value("0.5, 0.5, 0.5").run()
    labels = next(each for each in app.file_uploader if each.key.startswith("labels_"))
    labels.set_value(("names.txt", "\n".join("abcdefg").encode(), "text/plain")).run()
    assert "96 × 96 px" in texts(sound(app)) and "ImageNet's standard deviation" in texts(app)
    assert not any(phrase in texts(app) for phrase in ("pictures of", "ImageNet's mean"))
    assert {bar.proto.text[0] for bar in app.get("progress")} <= set("abcdefg")


def test_the_projects_own_weights_see_what_the_network_on_offer_sees():
    app = sound(uploaded(opened(), "mine.safetensors", own.weights_file("cbam").read_bytes()))
    assert "pictures of 160 px; the central 100.0% of a picture" in texts(app)
    assert "160 × 160 px" in texts(app)


def test_an_uploaded_network_stands_beside_another_one(cbam):
    app = sound(uploaded(opened("compare"), "my_net.pth", cbam))
    app.segmented_control(key="origin").set_value("From the list").run()
    app.multiselect(key="beside").set_value(["my_net.pth"]).run()
    assert "**my_net.pth**" in texts(sound(app)) and "heatmaps of their own first guesses" in texts(app)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda app: app.text_input(key="std").set_value("1 2"), "three numbers are allowed"),
        (lambda app: app.text_input(key="std").set_value("1 0 1"), "deviation above 0"),
        (
            lambda app: next(each for each in app.file_uploader if each.key.startswith("labels_")).set_value(
                ("few.txt", b"one\ntwo", "text/plain")
            ),
            "few.txt names 2 classes and the network has 7",
        ),
    ],
)
def test_settings_that_make_no_sense_are_one_sentence(cbam, change, said):
    app = sound(uploaded(opened(), "mine.pth", cbam))
    change(app).run()
    assert not app.exception and len(app.error) == 1 and said in app.error[0].value.replace("\\", "")


def test_a_page_without_such_gates_leads_back_to_the_networks_on_offer():
    build, *_ = LAYOUTS["torchvision ResNet"]
    app = sound(uploaded(opened("cbam"), "mine.pth", saved(made(build))))
    app.button(key="instead_cbam").click().run()
    assert sound(app).segmented_control(key="origin").value == "From the list"
    assert app.selectbox(key="network").value == "cbam"


def test_pictures_keep_their_own_limit_beside_that_of_weights():
    app = opened()
    app.segmented_control(key="source").set_value("Upload").run()
    limits = {each.key: each.proto.max_upload_size_mb for each in app.file_uploader}
    assert limits["upload"] * 2**20 == Limits().picture_bytes
    allowed = tomllib.loads((serving.APP.parent / ".streamlit" / "config.toml").read_text())["server"]["maxUploadSize"]
    assert [size for key, size in limits.items() if key.startswith("weights_")] == [allowed]
    assert Limits().picture_bytes < allowed * 2**20 <= checkpoints.Limits().file_bytes
