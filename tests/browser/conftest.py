"""Fixtures of the browser tests. Without a browser they skip and say so, but in CI, where they fail."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.dashboard import Server, Visitor, find_chromium, launch, serve, serve_own

Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        assert os.environ.get("CI") != "true", "CI has to run the browser tests, and there is no Chromium"
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = launch(playwright, program)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(browser: Browser) -> Iterator[Server]:
    """One server for all tests that do not need a fresh one."""
    with serve_own() as running:  # with the guard, whose policy a browser holds to
        yield running


@pytest.fixture
def afterwards() -> Iterator[ExitStack]:
    """What ends after a test's visits have been checked."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def fresh_server(browser: Browser, afterwards: ExitStack) -> Server:
    """A server that nobody has visited."""
    return afterwards.enter_context(serve())


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> dict[str, BrowserContext]:
    """A browser profile for each appearance; the pages in one share what they have fetched."""
    return {appearance: browser.new_context(color_scheme=appearance) for appearance in ("light", "dark")}


@pytest.fixture
def visit(contexts: dict[str, BrowserContext], afterwards: ExitStack) -> Iterator[Visit]:
    """`visit(server)` is a `Visitor` in a window of its own; at the end each must have seen nothing go wrong."""
    visitors = []

    def start(server: Server, *, appearance: str = "light") -> Visitor:
        visitors.append(Visitor(contexts[appearance], server))
        return visitors[-1]

    yield start
    try:
        for visitor in visitors:
            visitor.check()
    finally:
        for visitor in visitors:
            visitor.page.close()
