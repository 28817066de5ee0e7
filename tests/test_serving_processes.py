"""`python -m attention serve` and `attention.serve` as a person starts them: processes of their own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVE = [sys.executable, "-m", "attention", "serve", "--image-size", "64", "--headless"]
NOTEBOOK = """
import asyncio, sys, threading, urllib.request
import attention
from attention import serving
from streamlit import config
from tests import factories

async def cell():  # the code of a notebook's cells runs inside its event loop
    module = factories.classifier()
    first = attention.serve(module, image_size=64, labels=list("abcde"), port=int(sys.argv[1]))
    key = serving.current_network().key
    assert serving.current_network().network.labels == tuple("abcde")
    assert serving.current_network().network.module is not module and module.training
    second = attention.serve(factories.Segmenting(), image_size=64)
    assert first == second and serving.current_network().key != key
    return first

print(urllib.request.urlopen(asyncio.run(cell()) + "/_stcore/health").read())
assert hasattr(sys.modules["pandas"], "Series")  # while another thread loads it, plotly fails on half of it
assert config.get_option("theme.baseRadius") == "6px"  # the settings beside app.py are found from anywhere
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def interruptible():
    """Ctrl-C reaches what is started: a program of a shell's background ignores it, and hands that down."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_serve_opens_the_dashboard_until_it_is_interrupted():
    port = free_port()
    command = [*SERVE, "--model", "tests.factories:classifier", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert healthy(f"http://localhost:{port}", process)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[0]
        finally:
            process.kill()
    assert process.returncode == 0 and "Traceback" not in said
    assert f"tests.factories:classifier is at http://localhost:{port}" in said


def healthy(address, process):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                return answer.read() == b"ok"
        except OSError:
            time.sleep(0.1)
    return False


def test_what_cannot_be_served_ends_in_one_sentence_before_the_server_starts():
    run = subprocess.run([*SERVE, "--model", "tests.factories:failing"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1 and not run.stdout
    assert run.stderr.startswith("Error: tests.factories:failing failed: KeyError: 'no such data' (factories.py, line")
    assert run.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("localhost", 0)) as other:
        port = other.getsockname()[1]
        command = [*SERVE, "--model", "tests.factories:classifier", "--port", str(port)]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1 and run.stderr.startswith(f"Error: Port {port} of 'localhost' cannot be had")


def test_in_a_notebook_serving_gives_the_address_at_once_and_another_module_takes_the_place_of_the_first(tmp_path):
    port = free_port()
    (tmp_path / "cells.py").write_text(NOTEBOOK)
    command = [sys.executable, str(tmp_path / "cells.py"), str(port)]
    run = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "b'ok'"


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT), "STREAMLIT_SERVER_HEADLESS": "true"}
