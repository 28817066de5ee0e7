"""torch's number of threads: one within, and afterwards what it was, for whoever overlaps with whom."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from attention import process
from attention.cli import main
from attention.process import one_thread_each

ROOT = Path(__file__).parents[1]


def in_a_new_thread():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


@pytest.fixture(autouse=True)
def three():
    """torch computes on three threads, here and in threads to come."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_threads_started_within_have_one_and_the_caller_keeps_its_own():
    with one_thread_each():
        assert (torch.get_num_threads(), in_a_new_thread()) == (3, 1)
    assert (torch.get_num_threads(), in_a_new_thread()) == (3, 3)


@pytest.mark.parametrize("first_out", [0, 1])
def test_the_last_to_leave_puts_the_number_back(first_out):
    stacks = [ExitStack(), ExitStack()]
    for stack in stacks:
        stack.enter_context(one_thread_each())
    stacks.pop(first_out).close()
    assert in_a_new_thread() == 1
    stacks.pop().close()
    assert in_a_new_thread() == 3


def convolved() -> tuple[float, float]:
    """Seconds on processors of this thread, and of the whole process, while it runs convolutions."""
    picture, weight = torch.rand(1, 64, 64, 64), torch.rand(64, 64, 3, 3)
    alone, whole = time.thread_time(), time.process_time()
    for _ in range(20):
        torch.nn.functional.conv2d(picture, weight)
    return time.thread_time() - alone, time.process_time() - whole


def test_a_thread_started_within_computes_alone_from_its_first_convolution_on():
    with one_thread_each() as first, ThreadPoolExecutor(1, initializer=first) as pool:
        alone, whole = pool.submit(convolved).result()
    assert whole < 1.3 * alone


def test_an_error_within_puts_the_number_back():
    with pytest.raises(ZeroDivisionError), one_thread_each():
        raise ZeroDivisionError
    assert in_a_new_thread() == 3


def test_many_threads_at_once_leave_it_as_it_was():
    seen = []

    def visit():
        for _ in range(10):
            with one_thread_each():
                seen.append(in_a_new_thread())

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 80 and in_a_new_thread() == 3


def test_threads_sleep_while_they_wait_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    process.share_the_processors()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    process.share_the_processors()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_the_command_line_and_the_dashboard_say_so(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    CliRunner().invoke(main, ["report", "--help"])
    assert os.environ.pop("OMP_WAIT_POLICY") == "PASSIVE"
    AppTest.from_file(ROOT / "app.py", default_timeout=120).run()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
