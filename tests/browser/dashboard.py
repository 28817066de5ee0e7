"""The dashboard as a person meets it: a server of its own, a real browser, and a watch on what goes wrong."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, WebSocketRoute, expect

ROOT = Path(__file__).parents[2]
PAGES = {
    "lesson_grouped": "/lesson_grouped",
    "lesson_se": "/lesson_se",
    "lesson_cbam": "/lesson_cbam",
    "overview": "/",
    "excitation": "/excitation",
    "cbam": "/cbam",
    "grouped": "/grouped",
    "compare": "/compare",
    "intervene": "/intervene",
    "survey": "/survey",
    "models": "/models",
}
PATIENCE = 120_000  # milliseconds; a first visit waits for torch and plotly, on a machine that may be busy

# Streamlit's page looks for its server under its own address before it looks at the root.
HARMLESS = ("/_stcore/health", "/_stcore/host-config")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

BROKEN = """() => [...document.images].filter(image => image.complete && image.src && !image.naturalWidth
    && image.checkVisibility()).map(image => image.src.slice(0, 200))"""
"""The pictures on the page that could not be fetched."""

expect.set_options(timeout=PATIENCE)


class Server(NamedTuple):
    """A running dashboard: its address, such as `http://127.0.0.1:8501`, and what it prints."""

    origin: str
    log: Path


@contextmanager
def serve(*arguments: str, **environment: str) -> Iterator[Server]:
    """A fresh server on a free port of this machine, until the block ends; `arguments` are the dashboard's own."""
    options = {"address": "127.0.0.1", "headless": "true", "fileWatcherType": "none"}
    command = ["streamlit", "run", "app.py"]
    command += [part for name, value in options.items() for part in (f"--server.{name}", value)]
    with _running(lambda port: [*command, "--server.port", str(port), "--", *arguments], environment) as server:
        yield server


@contextmanager
def serve_own(*arguments: str) -> Iterator[Server]:
    """The same, started by `python -m attention serve`."""
    command = ["attention", "serve", "--address", "127.0.0.1", "--headless", *arguments]
    with _running(lambda port: [*command, "--port", str(port)], {}) as server:
        yield server


@contextmanager
def _running(command: Callable[[int], list[str]], environment: dict[str, str]) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        server = Server(f"http://127.0.0.1:{port}", Path(folder) / "log.txt")
        with server.log.open("wb") as log:
            program = [sys.executable, "-m", *command(port)]
            whole = {**os.environ, **environment}
            process = subprocess.Popen(program, cwd=ROOT, env=whole, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(process, server)
            yield server
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], server: Server) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.origin}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{server.log.read_text()}")


def find_chromium() -> str | None:
    """The path of a Chromium on this machine, or None."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def launch(playwright: Playwright, program: str) -> Browser:
    """A headless browser that calls nobody by itself."""
    return playwright.chromium.launch(executable_path=program, args=ARGUMENTS)


class Visitor:
    """One person's browser window on a server, and the list of what went wrong in it."""

    def __init__(self, context: BrowserContext, server: Server, *, width: int = 1280, height: int = 900) -> None:
        self.server = server
        self.problems: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        self.page.on("request", lambda request: self._on_address(request.url))
        self.page.on("websocket", lambda socket: self._on_address(socket.url))

    def open(self, path: str) -> None:
        """Go to a path such as `/cbam?network=cbam` or to a whole address, and wait until it is drawn."""
        self.page.goto(path if "://" in path else self.server.origin + path)
        self.settle()

    def hold(self) -> Callable[..., None]:
        """From the next page on, a switch: while it is on, the server hears nothing of what is done in this window
        but for the `first` so many things, and what it heard it answers."""
        held = {"on": False, "said": []}

        def pass_on(browser: WebSocketRoute) -> None:
            server = browser.connect_to_server()
            browser.on_message(lambda said: held["said"].append((server, said)) if held["on"] else server.send(said))
            server.on_message(browser.send)

        def switch(on: bool, first: int = 0) -> None:
            held["on"] = on
            for _ in range(first if on else len(held["said"])):
                server, said = held["said"].pop(0)
                server.send(said)

        self.page.route_web_socket(re.compile("/_stcore/stream"), pass_on)
        return switch

    def settle(self) -> None:
        """Wait until the script has run to its end, its charts are drawn and nothing is stale."""
        expect(self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()
        expect(self.page.get_by_test_id("stSkeleton")).to_have_count(0)
        expect(self.page.locator('[data-stale="true"]')).to_have_count(0)
        expect(self.page.locator('[data-testid="stPlotlyChart"]:not(:has(.main-svg))')).to_have_count(0)

    def check(self) -> None:
        """Fail if anything went wrong: in the console, on the page, over the network, or in the server."""
        assert not self.problems, self.problems
        assert self.page.evaluate(BROKEN) == []
        expect(self.page.get_by_test_id("stException")).to_have_count(0)
        log = self.server.log.read_text()
        assert "Traceback" not in log, log

    def _on_console(self, message: ConsoleMessage) -> None:
        address = message.location["url"]
        missing_by_design = "404" in message.text and urlsplit(address).path.endswith(HARMLESS)
        slow = "Invalid color specifier" in message.text  # plotly says so of each bar that has a number for its colour
        # On a busy machine a page may be followed by another before all of its pictures are fetched.
        left = "/media/" in message.text + address and ("404" in message.text or "Image source error" in message.text)
        if slow or (message.type == "error" and not missing_by_design and not left):
            self.problems.append(f"console: {message.text} ({address})")

    def _on_address(self, address: str) -> None:
        parts = urlsplit(address)
        here = urlsplit(self.server.origin).netloc
        if parts.scheme not in ("data", "blob") and parts.netloc != here:
            self.problems.append(f"a request left the machine: {address}")
