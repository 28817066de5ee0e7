"""A block is called a block in every sentence about it: headlines, captions, and what those hear who see no figure."""

import json
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from attention import images
from attention.models import zoo
from attention.observe import observe, read_picture

pytestmark = pytest.mark.usefixtures("sparing")
ROOT = Path(__file__).parents[1]
SAMPLE = images.samples()[0]
FIGURES = ("plotly_chart", "imgs")
OPEN = [
    ("cbam", {"tab": "Against the usual gate"}),
    ("cbam", {"tab": "Through depth"}),
    ("excitation", {"part": "Three steps"}),
    ("excitation", {"part": "Through depth"}),
    ("excitation", {"part": "Against the usual gate"}),
    ("lesson_cbam", {"step": "1"}),
    ("lesson_cbam", {"step": "4"}),
    ("lesson_cbam", {"step": "12"}),
    ("lesson_se", {"step": "3"}),
    ("overview", {}),
]


@pytest.mark.parametrize(("page", "at"), OPEN)
def test_a_block_is_called_so(page, at):
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    for key, value in {"network": "cbam", "picture": SAMPLE.title, **at}.items():
        app.query_params[key] = value
    app = (app if page == "overview" else app.switch_page(f"pages/{page}.py")).run()
    if at.get("step") == "3":
        app.segmented_control(key=next(each.key for each in app.segmented_control if "guess" in each.key)).set_value(
            "Just show me"
        ).run()
    assert not app.exception and not app.error
    seen = observe(zoo.load("cbam"), read_picture(SAMPLE.path))
    texts = [each.value for kind in (app.header, app.markdown, app.caption) for each in kind]
    drawn = [str(each.proto) for kind in FIGURES for each in app.main.get(kind)]
    given = [json.loads(each.proto.json) for each in app.main.get("bidi_component") if each.proto.json]
    assert drawn or given
    alts = [text for proto in drawn for text in re.findall(r'\b(?:alt|caption): "((?:[^"\\]|\\.)*)"', proto)]
    alts += [data[key] for data in given if isinstance(data, dict) for key in ("alt", "name") if key in data]
    read = [text.replace("\\", "") for text in (*texts, *alts)]
    short = "|".join(map(re.escape, seen.names.values()))
    bare = [text for text in read if re.search(rf"(?<![Bb]lock )(?<![\w.`])(?:{short})(?!\.?\w)", text)]
    assert not [text for text in bare if not text.startswith("**layer")]  # the title of a card
    assert any(re.search(rf"[Bb]lock (?:{short})", text) for text in read)
