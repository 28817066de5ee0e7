"""The words of the field: each is explained where it first stands on a page."""

from types import SimpleNamespace

import pytest

from attention import terms
from attention.ui import recorder
from attention.ui.pages import PAGES
from tests.test_page_data import TABS, opened

PROSE = ("markdown", "caption", "header", "subheader")


def elements(block):
    for child in block.children.values():
        yield from elements(child) if hasattr(child, "children") else [child]


def first(page, link):
    """The terms of a page by their patterns: the sentence in which each first stands, and what is explained there."""
    found = {}
    for each in elements(opened(page, link).main):
        if each.type in PROSE:
            for term in terms.find(each.value):
                found.setdefault(term, (each.value, each.proto.help))
    return found


@pytest.mark.parametrize(
    ("page", "network", "tab"),
    [
        *((page, network, "") for page in PAGES for network in ("se", "cbam")),
        *(("excitation", "se", tab) for tab in ("Against the usual gate", "Through depth", "Reduction ratio")),
        *(("cbam", "cbam", tab) for tab in ("Against the usual gate", "Through depth")),
        *(("intervene", "cbam", tab) for tab in ("Class heatmap", "Over many pictures")),
    ],
)
def test_a_term_is_explained_where_it_first_stands(page, network, tab):
    link = {"network": network, "picture": "Cat"} | ({TABS[page]: tab} if tab else {})
    unexplained = [
        (term, sentence) for term, (sentence, help) in first(page, link).items() if terms.TERMS[term] not in help
    ]
    assert unexplained == []


def test_a_term_stays_where_it_was_explained_while_the_headline_changes(monkeypatch):
    state = {recorder._RECORDER: recorder.Recorder("A page")}
    monkeypatch.setattr(recorder, "st", SimpleNamespace(session_state=state))
    monkeypatch.setattr(recorder.presenting, "is_on", lambda: False)
    explain = recorder.explain
    assert explain("A channel.", "strip").startswith("**channel**: one of the maps")
    assert explain("Channel 7 and its block.", "headline").startswith("**Channel**: one of the maps")
    assert explain("Its channels.", "more").startswith("**channels**")
    assert explain("The block of a channel.", "bars") is None
    explain("Nothing is known.", "headline")
    assert explain("The block of a channel.", "bars").startswith("**block**: a part of a network")
    assert explain("A channel.", "strip").startswith("**channel**")
    assert explain("A block.", "below") is None


def test_terms_are_met_as_they_stand_whole_and_not_in_code():
    assert terms.find(r"P\(cat\) of the Kernels: p \= 0\.05 in `channels.2`, ungrouped") == {
        "P": "P",
        r"kernels?": "Kernels",
        r"p (?:=|≤|<)": "p =",
    }
    assert terms.find("what passes, a superblock, block-diagonal") == {}
