"""What a page shows, read back."""

from streamlit.testing.v1 import AppTest


def filled(app: AppTest) -> list[str]:
    """The names of the parts of a page that hold something: of the one that is open."""
    return [part.label for part in app.tabs if len(part.children)]
