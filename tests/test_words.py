"""Sentences that need the code to be understood, and must not come back."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READ = [
    path for room in ("ui", "charts", "report", "cli") for path in sorted((ROOT / "attention" / room).rglob("*.py"))
]
READ += [*sorted((ROOT / "pages").glob("*.py")), ROOT / "attention" / "analysis" / "predictions.py"]
UNREAD = [
    "on offer",
    "what it rests on",
    "top fifths",
    "lies between the classes, so much",
    "so much lies between",
    "their P by softmax",
    "under the null",
    "a root mean square)",
    "most in bin",
    "0 of 16 gates moved",
    "draws on the block",
    "correlate with r =",
]
"""Pieces of sentences that readers stumbled over when they read them alone."""


def texts(path: Path) -> str:
    """All that a file has in quotes but for its docstrings, a part of a sentence a line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return "\n".join(node.value for node in strings if id(node) not in said)


@pytest.mark.parametrize("phrase", UNREAD)
def test_no_sentence_comes_back_that_nobody_understood(phrase):
    found = [path for path in READ if re.search(rf"\b{re.escape(phrase)}", texts(path), re.IGNORECASE)]
    assert found == []
