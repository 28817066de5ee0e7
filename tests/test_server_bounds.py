"""A link to a huge network costs nothing, and the page goes on with another."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from attention.models import libraries, zoo

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "name", ["timm/vit_gigantic_patch14_clip_224", "torchvision/regnet_y_128gf", "torchvision/vit_h_14"]
)
def test_a_link_to_a_huge_network_is_refused_before_a_weight_is_made(name, monkeypatch):
    monkeypatch.setattr(libraries, "seeded", lambda make: pytest.fail("it was built"))
    with pytest.raises(zoo.ZooError, match=r"at most .* are allowed"):
        zoo.card(name)


def test_the_page_says_so_and_shows_another_network(monkeypatch):
    monkeypatch.setattr(libraries, "seeded", lambda make: pytest.fail("it was built"))
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    app.query_params["network"] = "torchvision/regnet_y_128gf"
    app.run()
    assert not app.exception
    said = app.error[0].value.replace("\\", "")
    assert "The numbers of torchvision/regnet_y_128gf take 2," in said and "Until another is chosen" in said


def failing():
    import errno

    from attention.ui import widgets

    with widgets.errors():
        raise OSError(errno.ENOSPC, "of /srv", "/srv/of/the/server")


def test_a_full_disk_of_the_server_is_one_sentence_without_a_path(capsys):
    app = AppTest.from_function(failing).run()
    assert not app.exception
    assert [each.value for each in app.error] == [
        "The server cannot read or write a file of its own: No space left on device."
    ]
    assert "OSError" in capsys.readouterr().err
