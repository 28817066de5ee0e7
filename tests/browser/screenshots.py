"""Pictures of the dashboard: `python -m tests.browser.screenshots` takes those of docs/, `... FOLDER` all there are."""

import io
import itertools
from pathlib import Path

import click
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.browser.dashboard import PAGES, ROOT, Server, Visitor, find_chromium, launch, serve_own

DOCUMENTS = (
    ("overview", "light"),
    ("excitation", "light"),
    ("cbam", "dark"),
    ("grouped", "light"),
    ("lesson_se", "light"),
    ("intervene", "light"),
    ("models", "light"),
)
ROLE = "/survey?network=se&block=layer4.1.attention&classes=tench&classes=church&classes=parachute"
MAIN = '[data-testid="stMain"]'


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
def main(folder: Path | None) -> None:
    """Take every page in both appearances, 1280 and 1920 pixels wide and as long as it is, into FOLDER as PNG.

    Without FOLDER: the first screens that the documents show, into docs/screenshots.
    """
    program = find_chromium()
    if program is None:
        raise click.ClickException("there is no Chromium on this machine")
    with sync_playwright() as playwright, serve_own() as server:
        browser = launch(playwright, program)
        if folder:
            _whole_pages(browser, server, folder)
        else:
            _first_screens(browser, server, ROOT / "docs" / "screenshots")


def _first_screens(browser: Browser, server: Server, folder: Path) -> None:
    for name, appearance in DOCUMENTS:
        visitor = _visit(browser, server, name, appearance, 1280)
        _save(visitor.page.screenshot(), folder / f"{name}-{appearance}.webp")
    visitor.open(ROLE)
    visitor.check()
    _save(visitor.page.locator(".st-key-role").screenshot(), folder / "role-of-excitation.webp")


def _whole_pages(browser: Browser, server: Server, folder: Path) -> None:
    for name, appearance, width in itertools.product(PAGES, ("light", "dark"), (1280, 1920)):
        visitor = _visit(browser, server, name, appearance, width)
        height = visitor.page.locator(MAIN).evaluate("element => element.scrollHeight")
        visitor.page.set_viewport_size({"width": width, "height": height})
        visitor.settle()
        _save(visitor.page.screenshot(), folder / f"{name}-{appearance}-{width}.png")


def _visit(browser: Browser, server: Server, name: str, appearance: str, width: int) -> Visitor:
    visitor = Visitor(browser.new_context(color_scheme=appearance), server, width=width)
    visitor.open(PAGES[name])
    visitor.check()
    return visitor


def _save(screenshot: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(screenshot)).convert("RGB").save(path, quality=85)
    click.echo(f"{path} ({path.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
