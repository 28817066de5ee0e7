"""Every bound is a setting, stands in one table, and holds for networks whatever they are named by."""

import ast
import dataclasses
import operator
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from attention.limits import BUILDING, SMALL, Budget, Limits, at_once
from attention.models import checkpoints, libraries, zoo
from attention.models import network as module
from attention.models.code import ModelOptions, network
from attention.records import GatescopeError
from tests import attacks
from tests.documents import document


def test_the_guide_states_every_bound_and_no_other():
    rows = re.findall(r"^\| `GATESCOPE_MAX_(\w+)` \| ([\d,]+) \|", document("guide"), re.MULTILINE)
    assert rows == [(field.name.upper(), f"{field.default:,}") for field in dataclasses.fields(Limits)]


COMPARED = {ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le}


def refusals() -> Iterator[tuple[str, str, ast.expr]]:
    """Where the code refuses what is more than so much in a sentence that says it: the place, the bound, the question
    before it."""
    for path in sorted((Path(__file__).parents[1] / "attention").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.If) and isinstance(node.body[0], ast.Raise):
                said = (pairwise(each.values) for each in ast.walk(node.body[0]) if isinstance(each, ast.JoinedStr))
                for before, held in (pair for pairs in said for pair in pairs):
                    if isinstance(held, ast.FormattedValue) and ast.unparse(before).endswith("at most '"):
                        yield f"{path.name}:{node.lineno}", named(held.value), node.test


def named(number: ast.expr) -> str:
    """What a number is called, whether it is named just there or divided to be read."""
    inside = number.target if isinstance(number, ast.NamedExpr) else getattr(number, "left", number)
    return ast.unparse(inside)


def test_just_as_much_as_is_said_to_be_allowed_at_most_is_allowed_and_no_more():
    found = 0
    for place, bound, question in refusals():
        turned = isinstance(question, ast.UnaryOp) and isinstance(question.op, ast.Not)
        for each in (each for each in ast.walk(question) if isinstance(each, ast.Compare)):
            for sign, most in zip(each.ops, each.comparators, strict=True):
                if named(most) == bound:
                    refused = [COMPARED[type(sign)](asked, 10) is not turned for asked in (9, 10, 11)]
                    assert refused == [False, False, True], place
                    found += 1
    assert found > 10 and found == len([*refusals()])


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Limits)])
def test_a_bound_is_read_from_the_environment(field, monkeypatch):
    monkeypatch.setenv(f"GATESCOPE_MAX_{field.upper()}", "7")
    assert Limits.of_environment() == dataclasses.replace(Limits(), **{field: 7})


@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "9" * 19])
def test_a_bound_in_the_environment_that_is_no_number_is_said(value, monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_FILE_BYTES", value)
    with pytest.raises(GatescopeError, match=r"GATESCOPE_MAX_FILE_BYTES is '.*'; a whole number from 0"):
        Limits.of_environment()


def by_name():
    zoo.load("torchvision/squeezenet1_1", random=True)


def looked_up():
    libraries.full_card(libraries.LIBRARIES["timm"], "test_vit")


def by_code():
    from torch import nn

    network(nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "mine:net", ModelOptions())


@pytest.mark.parametrize("ask", [by_name, looked_up, by_code])
@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("TENSOR_BYTES", r"The numbers of .* take [\d,]+ bytes; at most 100 are allowed"),
        ("FEATURE_BYTES", r"One pass of .* px takes [\d,]+ bytes for its largest tensor; at most 100 are allowed"),
        ("MACS", r"One pass of .* px takes [\d,]+ multiply-accumulates; at most 100 are allowed"),
    ],
)
def test_no_network_is_larger_than_the_bounds(ask, setting, sentence, monkeypatch):
    ask()
    monkeypatch.setenv(f"GATESCOPE_MAX_{setting}", "100")
    with pytest.raises(zoo.ZooError, match=sentence):
        ask()


@pytest.mark.parametrize("name", ["timm/vit_giant_patch14_clip_224", "torchvision/vit_h_14"])
def test_a_network_that_is_too_large_is_refused_without_a_number_of_it(name, monkeypatch):
    monkeypatch.setattr(libraries, "seeded", lambda make: pytest.fail("it was built"))
    with pytest.raises(
        zoo.ZooError, match=r"The numbers of .* take [2-9],\d{3},\d{3},\d{3} bytes; at most 629,145,600"
    ):
        zoo.card(name)


def by_file():
    import torch

    checkpoints.contents(attacks.saved({"layer1.0.weight": torch.ones(20_000)}))


@pytest.mark.parametrize("ask", [by_name, looked_up, by_file])
def test_what_is_built_or_read_waits_for_what_others_build(ask, monkeypatch):
    ask()
    monkeypatch.setattr(BUILDING, "_small", 0)
    with ThreadPoolExecutor(1) as pool:
        with BUILDING.taking(Limits().building_bytes):
            asked = pool.submit(ask)
            with pytest.raises(TimeoutError):
                asked.result(0.3)
        asked.result(60)


def test_what_is_small_does_not_wait_for_what_is_large():
    done = threading.Event()
    budget = Budget(lambda: 10, 3)
    with budget.taking(100), budget.taking(3):
        done.set()
    assert done.is_set()
    with budget.taking(10):  # nothing of it is left
        pass


def test_two_that_take_just_what_is_allowed_go_together_and_a_third_waits():
    budget, held = Budget(lambda: 10), list[AbstractContextManager[None]]()

    def take(size):
        held.append(budget.taking(size))
        held[-1].__enter__()

    with ThreadPoolExecutor(2) as pool:
        with budget.taking(4):
            pool.submit(take, 6).result(20)
            third = pool.submit(take, 1)
            with pytest.raises(TimeoutError):
                third.result(0.3)
        third.result(20)
    for each in held:
        each.__exit__(None, None, None)


def test_a_small_one_that_would_fit_does_not_go_before_a_large_one_that_waits():
    budget, order = Budget(lambda: 10), []

    def take(size):
        with budget.taking(size):
            order.append(size)

    with ThreadPoolExecutor(2) as pool:
        with budget.taking(6):
            large = pool.submit(take, 10)
            while not budget._line:
                time.sleep(0.01)
            small = pool.submit(take, 1)
            with pytest.raises(TimeoutError):
                small.result(0.3)
            assert not large.done()
        for each in (large, small):
            each.result(20)
    assert order == [10, 1]


@pytest.mark.parametrize(("each", "pictures"), [(0, 8), (SMALL, 8), (2**30, 3), (2**31, 1), (2**40, 1)])
def test_so_many_pictures_go_through_at_once_as_there_is_room_for(each, pictures):
    assert at_once(each, 8) == pictures


def test_the_building_of_a_network_by_name_ends_with_its_time(monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_BUILDING_SECONDS", "60")
    clock = iter([1000.0, 1060.0])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock, 1060.1)))
    made = []

    def make():
        made.append(torch.rand(3))  # sixty seconds after the beginning
        made.append(torch.rand(3))

    with pytest.raises(zoo.ZooError, match="took longer to build than the 60 seconds that are allowed"):
        module.seeded(make)
    assert len(made) == 1
    monkeypatch.undo()
    monkeypatch.setenv("GATESCOPE_MAX_BUILDING_SECONDS", "0")
    with pytest.raises(zoo.ZooError, match="0 seconds that are allowed"):
        zoo.load("timm/test_resnet", random=True)
    monkeypatch.undo()
    assert zoo.load("timm/test_resnet", random=True).card.random
