"""What a page shows at the moment, kept for the report: its charts and pictures, and the address that leads to it."""

from dataclasses import dataclass, field

import streamlit as st

from attention.report import Chart, Picture, Section, Table

_SHOWN = "_shown"


@dataclass
class Shown:
    """One page as it was drawn last: charts, pictures, and the tables of their numbers.

    A part of the page that is drawn anew replaces its own entries.
    """

    title: str
    items: dict[str, Chart | Picture | Table] = field(default_factory=dict)
    address: dict[str, str] = field(default_factory=dict)

    def sections(self) -> list[Section]:
        """For a report: what the page showed, and what its address said; nothing of a page that has none of it."""
        if not self.items:
            return []
        settings = Table("settings", "Settings of the page, as in its address", _columns(self.address), open=True)
        items = [*self.items.values(), *([settings] if self.address else [])]
        return [Section(f"As shown on the page: {self.title}", items)]


def begin(title: str) -> Shown:
    """Nothing is shown yet."""
    st.session_state[_SHOWN] = found = Shown(title, address=st.query_params.to_dict())
    return found


def note(key: str, item: Chart | Picture | Table) -> None:
    """What was drawn, by the key of its place."""
    found: Shown | None = st.session_state.get(_SHOWN)
    if found:
        found.items[key] = item
        found.address = st.query_params.to_dict()


def _columns(address: dict[str, str]) -> dict[str, list[str]]:
    return {"setting": list(address), "value": list(address.values())}
