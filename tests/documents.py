"""The documents that people read, as one text, and what reports hold packed: it is held against what is so."""

import base64
import gzip
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAMES = (
    "ten-minutes",
    "guide",
    "opens",
    "found",
    "evidence",
    "networks",
    "performance",
    "architecture",
    "limits",
    "sources",
)


def document(name: str) -> str:
    """One of those in docs/."""
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def unpacked(text: str) -> str:
    """What a report holds packed."""
    return gzip.decompress(base64.b64decode(text)).decode()


def in_one_line(text: str) -> str:
    """Without the lines' ends, which say nothing."""
    return " ".join(text.split())
