"""Saved views: pages with their addresses and titles, as a small JSON file that may come from anybody."""

import json
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs

from attention.records import GatescopeError

MOST_BYTES = 500_000
MOST_VIEWS = 100
MOST_LETTERS = 120
"""Most letters of a title."""
LONGEST_QUERY = 20_000
MOST_KEYS = 50
ALLOWED = 'what "Save the list" writes is allowed'
_FIELDS = ("title", "page", "query")


class ViewsError(GatescopeError):
    """A file that is no list of views, or a view that cannot be opened here."""


@dataclass(frozen=True)
class SavedView:
    """One view: a title, a page by its name, and what its address asks for."""

    title: str
    page: str
    query: str
    """As in an address, without the question mark."""

    @property
    def asked(self) -> dict[str, list[str]]:
        """The query by key."""
        return parse_qs(self.query, max_num_fields=MOST_KEYS)


def write(views: Sequence[SavedView]) -> str:
    """The list as JSON."""
    return json.dumps({"views": [asdict(view) for view in views]}, indent=1, ensure_ascii=False) + "\n"


def read(data: bytes, pages: Container[str], keys: Container[str]) -> tuple[SavedView, ...]:
    """The views in a file that `write` wrote, of pages and keys of addresses that there are. Raises ViewsError."""
    if len(data) > MOST_BYTES:
        raise ViewsError(f"The file has {len(data):,} bytes; a list of views of at most {MOST_BYTES:,} is allowed.")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):  # the latter where brackets are nested too deep
        raise ViewsError(f"The file is no JSON; {ALLOWED}.") from None
    entries = found.get("views") if isinstance(found, dict) and set(found) == {"views"} else None
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_VIEWS:
        raise ViewsError(f"The file is no list of 1 to {MOST_VIEWS} views; {ALLOWED}.")
    return tuple(_view(number, each, pages, keys) for number, each in enumerate(entries, start=1))


def _view(number: int, given: Any, pages: Container[str], keys: Container[str]) -> SavedView:
    if not isinstance(given, dict) or set(given) != set(_FIELDS) or not all(isinstance(v, str) for v in given.values()):
        raise ViewsError(f"View {number} has other parts than {', '.join(_FIELDS)}, each a text; {ALLOWED}.")
    view = SavedView(**given)
    if not 0 < len(view.title) <= MOST_LETTERS or not view.title.isprintable():
        raise ViewsError(f"The title of view {number} is no line of 1 to {MOST_LETTERS} characters; {ALLOWED}.")
    if view.page not in pages:
        raise ViewsError(f"View {number} is of the page {view.page[:40]!r}, which is not here; {ALLOWED}.")
    for key in _asked(number, view):
        if key not in keys:
            raise ViewsError(f"View {number} asks for {key[:40]!r}, which no page here knows; {ALLOWED}.")
    return view


def _asked(number: int, view: SavedView) -> dict[str, list[str]]:
    try:
        if len(view.query) <= LONGEST_QUERY and view.query.isprintable():
            return view.asked
    except ValueError:
        pass
    raise ViewsError(
        f"The address of view {number} is none of at most {LONGEST_QUERY:,} characters and {MOST_KEYS} keys; {ALLOWED}."
    )
