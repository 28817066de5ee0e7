"""Results are made once and shared, and let go of by use: so many of a kind, and so many bytes of all together."""

import contextlib
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from attention.store import Store, memory_of


def test_of_a_kind_the_last_used_are_kept():
    store = Store({"a": 2})
    for number in (1, 2, 1, 3):
        assert store.get("a", number, lambda number=number: number) == number
    assert [store.find("a", number) for number in (1, 2, 3)] == [1, None, 3]


def test_bytes_are_counted_once_however_many_hold_them():
    module = nn.Sequential(nn.Linear(10, 10, bias=False), nn.Linear(10, 10, bias=False))
    numbers = np.zeros(100, np.float32)
    held = {"module": module, "again": [module[0].weight, numbers[:50], numbers], "picture": Image.new("RGB", (5, 4))}
    assert sum(memory_of(held).values()) == 2 * 400 + 400 + 60
    assert memory_of(nn.Linear(10, 10, device="meta")) == {} and memory_of(lambda: numbers) == {}
    assert sum(memory_of(torch.zeros(8).expand(100, 8)).values()) == 32


def test_what_lies_beside_the_colours_of_a_picture_is_counted_too():
    picture = Image.new("RGB", (5, 4))
    picture.layers = np.zeros((4, 5, 9), np.uint16)
    assert sum(memory_of([picture]).values()) == 60 + 360


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 300)), max_size=40))
def test_all_together_take_no_more_than_is_allowed_but_for_the_newest(asked):
    store, slow = Store(most_bytes=lambda: 500), {}
    shared = bytes(90)
    for key, size in asked:
        store.get("a", key, lambda size=size: [bytes(size), shared])
        slow[key] = slow.pop(key, size)
        while len(slow) > 1 and sum(slow.values()) + 90 > 500:
            del slow[next(iter(slow))]
        assert store.bytes == sum(slow.values()) + 90
    assert [key for key in range(7) if store.find("a", key)] == sorted(slow)
    store.clear()
    assert store.bytes == 0


def test_the_newest_is_kept_even_where_it_is_more_than_all_may_take():
    store = Store(most_bytes=lambda: 100)
    for key, size in (("small", 50), ("large", 300), ("larger", 400)):
        store.get("a", key, lambda size=size: bytes(size))
        assert len(store.find("a", key)) == size and store.bytes == size


def test_a_network_goes_with_what_is_made_of_it():
    store = Store(most_bytes=lambda: 1000)
    module = nn.Linear(10, 10, bias=False)
    store.get("network", "n", lambda: module)
    store.get("tracer", "n", lambda: [module])
    assert store.bytes == 400
    store.get("trace", "t", lambda: bytes(700))
    assert store.bytes == 700 and not store.find("network", "n") and not store.find("tracer", "n")


def test_making_one_does_not_stop_another():
    store, begun, go = Store(), threading.Event(), threading.Event()

    def large() -> str:
        begun.set()
        assert go.wait(60)
        return "large"

    thread = threading.Thread(target=store.get, args=("network", "large", large))
    thread.start()
    assert begun.wait(60)
    assert store.get("network", "small", lambda: "small") == "small"
    go.set()
    thread.join()
    assert store.find("network", "large") == "large"


def test_who_makes_a_result_and_who_waits_for_it_are_told_and_nobody_else():
    told, begun, go = [], threading.Event(), threading.Event()

    @contextlib.contextmanager
    def making(kind: str) -> Iterator[None]:
        told.append((kind, threading.current_thread().name))
        if threading.current_thread().name == "second":
            go.set()
        yield

    def make() -> str:
        begun.set()
        assert go.wait(60)
        return "made"

    store = Store(making=making)
    first = threading.Thread(target=store.get, args=("trace", 1, make), name="first")
    first.start()
    assert begun.wait(60)
    second = threading.Thread(target=store.get, args=("trace", 1, pytest.fail), name="second")
    second.start()
    for each in (first, second):
        each.join()
    assert store.get("trace", 1, pytest.fail) == "made"
    assert told == [("trace", "first"), ("trace", "second")]
