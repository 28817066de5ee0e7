"""What the pages share: one discovery for a network, whoever looks at whichever picture."""

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from attention.capture import discovery
from attention.models import zoo
from attention.observe import NetworkChoice
from attention.ui import cache

ROOM = Path(__file__).parents[1] / "attention"


def kinds() -> Iterator[str]:
    """What the code calls the results that it keeps, each time."""
    for path in ROOM.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                owner = ast.unparse(call.func.value).rpartition(".")[2].lower()
                if (owner, call.func.attr) in KEEPING and ast.unparse(call.args[0]) != "kind":
                    yield ast.literal_eval(call.args[0])


KEEPING = {("store", "get"), ("store", "find"), *((owner, "keep") for owner in ("self", "seen", "observation"))}


def test_of_each_kind_that_is_kept_there_is_a_bound_and_of_no_other():
    assert {*kinds()} == cache.MOST.keys() >= cache.MAKING.keys()


@pytest.fixture
def judgements(monkeypatch):
    """How many products discovery has looked at so far."""
    match_gate, seen = discovery.match_gate, []
    monkeypatch.setattr(discovery, "match_gate", lambda *given: seen.append(given) or match_gate(*given))
    return seen


def test_a_second_picture_is_traced_without_a_discovery_and_has_gates_of_its_own(judgements):
    cache.STORE.clear()
    choice = NetworkChoice(zoo.card("cbam"), "cbam", lambda: zoo.load("cbam"))
    first, second = (cache.sample(title) for title in list(cache.samples())[:2])
    one = cache.observe(choice, first).trace
    assert judgements
    del judgements[:]
    other = cache.observe(choice, second).trace
    assert judgements == []
    assert [gate.name for gate in other.gates] == [gate.name for gate in one.gates]
    assert not any(np.array_equal(a.values, b.values) for a, b in zip(one.gates, other.gates, strict=True))
    assert cache.observe(choice, first).tracer is cache.observe(choice, second).tracer
