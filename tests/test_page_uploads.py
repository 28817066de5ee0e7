"""What a browser sends beyond the bound of its widget is refused by the server, and let go of."""

import base64
import io
import re
import textwrap
import tomllib
from types import SimpleNamespace

import pytest
from PIL import Image
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.testing.v1 import AppTest

from attention import serving
from attention.interventions import files as edits
from attention.limits import Limits
from attention.ui import choosing, uploads
from attention.ui.survey import loading

SCRIPT = """
import streamlit as st
from attention.ui import uploads
st.write([each.name for each in uploads.files("Files", None, 1, key="files", several={several})])
"""


def sent(*sizes, several):
    app = AppTest.from_string(SCRIPT.format(several=several)).run()
    files = [(f"{size}.bin", bytes(size), "application/octet-stream") for size in sizes]
    return app.file_uploader(key="files").set_value(files if several else files[0]).run()


@pytest.mark.parametrize("several", [False, True])
def test_a_file_of_the_bound_is_taken_and_one_of_a_byte_more_is_not(several):
    assert "1048576.bin" in str(sent(2**20, several=several).json[0].value)
    refused = sent(2**20 + 1, several=several)
    assert "bin" not in str(refused.json[0].value)
    assert [error.value for error in refused.error] == [r"1048577\.bin has 1 MiB; 1 are allowed."]


def test_the_others_are_taken():
    assert str(sent(5, 2**21, 7, several=True).json[0].value).count("bin") == 2


def test_a_picture_that_is_too_large_is_refused_on_a_page(monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_PICTURE_BYTES", str(2**20))
    app = AppTest.from_file(serving.APP, default_timeout=120).run()
    app.segmented_control(key="source").set_value("Upload").run()
    picture = io.BytesIO()
    Image.new("RGB", (700, 700)).save(picture, "BMP")
    app.file_uploader(key="upload").set_value([("large.bmp", picture.getvalue(), "image/bmp")]).run()
    assert not app.exception and [error.value for error in app.error] == [r"large\.bmp has 1 MiB; 1 are allowed."]


def test_what_is_let_go_of_is_forgotten(monkeypatch):
    held = MemoryUploadedFileManager("/upload")
    held.add_file("one", UploadedFileRec("a", "a.bin", "", bytes(9)))
    context = SimpleNamespace(uploaded_file_mgr=held, session_id="one")
    monkeypatch.setattr(uploads, "get_script_run_ctx", lambda: context)
    uploads.let_go(SimpleNamespace(file_id="a"))
    assert not held.file_storage["one"]


def test_several_pictures_are_chosen_by_thumbnails_that_are_their_own_and_names_that_are_no_markup():
    script = """
        import io
        import streamlit as st
        from PIL import Image
        from attention.ui import cache, gallery
        def one(name, colour):
            file = io.BytesIO()
            Image.new("RGB", (300, 200), colour).save(file, "PNG")
            return cache.picture(name, file.getvalue())
        own = {"**a**.png": one("a", "red"), "b.png": one("b", "blue")}
        st.text(gallery.choose_own(own))
    """
    app = AppTest.from_string(textwrap.dedent(script), default_timeout=60).run()
    assert not app.exception
    (pills,) = app.get("button_group")
    assert [option.content for option in pills.proto.options] == [r"\*\*a\*\*\.png", r"b\.png"]
    assert app.text[0].value == "**a**.png"
    style = str(app.get("html")[0].proto.body)
    found = re.findall(r"nth-of-type\((\d)\)[^}]*base64,([^)]*)\)", style)
    colours = [Image.open(io.BytesIO(base64.b64decode(data))).resize((1, 1)).getpixel((0, 0)) for _, data in found]
    assert [number for number, _ in found] == ["1", "2"]
    assert [max(range(3), key=colour.__getitem__) for colour in colours] == [0, 2]


def test_no_page_offers_to_take_a_larger_file_than_the_server_does():
    told = tomllib.loads((serving.APP.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    for most in (loading.MEGABYTES, choosing.MEGABYTES, edits.MAX_BYTES // 2**20, Limits().picture_bytes // 2**20):
        assert 1 <= most <= told["server"]["maxUploadSize"]
