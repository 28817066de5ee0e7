"""A list of saved views comes back as it was written, and what is wrong with one from elsewhere is said."""

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attention import views
from attention.ui.pages import PAGES
from attention.ui.presenting import KEYS
from attention.views import SavedView

ROOT = Path(__file__).parents[1]
ONE = {"title": "A cat", "page": "cbam", "query": "network=cbam&picture=Cat"}


def written(*listed, **rest):
    return json.dumps({"views": list(listed), **rest}).encode()


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=views.MOST_LETTERS))
def test_a_list_comes_back_as_it_was_written(title):
    listed = (SavedView(title, "cbam", "network=cbam&block=layer1.0"), SavedView("Second", "grouped", ""))
    assert views.read(views.write(listed).encode(), PAGES, KEYS) == listed


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_that_an_editor_saved_in_its_own_encoding_is_read(encoding):
    listed = (SavedView("Größe", "cbam", "network=cbam"),)
    assert views.read(views.write(listed).encode(encoding), PAGES, KEYS) == listed


def test_a_list_is_as_long_as_is_allowed_and_no_longer():
    assert len(views.read(written(*[ONE] * views.MOST_VIEWS), PAGES, KEYS)) == views.MOST_VIEWS
    longest = SavedView("x" * views.MOST_LETTERS, "cbam", f"picture={'x' * (views.LONGEST_QUERY - 8)}")
    assert views.read(views.write([longest]).encode(), PAGES, KEYS) == (longest,)
    with pytest.raises(views.ViewsError, match=f"1 to {views.MOST_VIEWS} views"):
        views.read(written(*[ONE] * (views.MOST_VIEWS + 1)), PAGES, KEYS)


def test_a_query_is_read_as_an_address_is():
    assert SavedView("", "", "a=1&a=2&b=x+y").asked == {"a": ["1", "2"], "b": ["x y"]}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b" " * (views.MOST_BYTES + 1), "at most 500,000"),
        (b"no json", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no list"),
        (written(), "no list"),
        (written(ONE, extra=1), "no list"),
        (written(*[ONE] * 101), "no list"),
        (written("cbam"), "View 1 has other parts"),
        (written(ONE, ONE | {"url": "x"}), "View 2 has other parts"),
        (written(ONE | {"query": {"network": "cbam"}}), "each a text"),
        (written(ONE | {"title": ""}), "title of view 1"),
        (written(ONE | {"title": "a\nb"}), "title of view 1"),
        (written(ONE | {"title": "x" * 121}), "title of view 1"),
        (written(ONE | {"page": "../../etc"}), "not here"),
        (written(ONE | {"page": "https://example.com"}), "not here"),
        (written(ONE | {"query": "embed=true"}), "'embed'"),
        (written(ONE | {"query": "network=" + "x" * 20_000}), "address of view 1"),
        (written(ONE | {"query": "&".join(["network=a"] * 51)}), "address of view 1"),
    ],
)
def test_a_file_that_is_no_list_of_views_is_refused_in_one_sentence(data, said):
    with pytest.raises(views.ViewsError, match=r"^[^\n]+\.$") as refused:
        views.read(data, PAGES, KEYS)
    assert said in str(refused.value)


def bound_keys() -> set[str]:
    """The keys, written out, of all widgets that the pages bind to their address."""
    files = [*(ROOT / "attention" / "ui").rglob("*.py"), *(ROOT / "pages").glob("*.py")]
    calls = [node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    keys = []
    for call in calls:
        words = {word.arg: word.value for word in call.keywords}
        called = getattr(call.func, "attr", getattr(call.func, "id", ""))
        linked = called in ("choose", "choose_number", "choose_channel")
        if "key" in words and ("bind" in words or (linked and "linked" not in words)):
            keys.append(words["key"])
    return {key.value for key in keys if isinstance(key, ast.Constant)}


def test_every_key_that_a_page_binds_to_its_address_may_be_in_a_saved_view():
    assert len(bound_keys()) > 30 and bound_keys() <= KEYS
