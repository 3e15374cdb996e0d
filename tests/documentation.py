"""The pages of the documentation, for the tests that hold them to the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
CODE: Final = re.compile(r"`([^`]*)`")
_RECIPE: Final = re.compile(r"^<!-- recipe: (.+?) -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)

PAGES: Final = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
}
"""The text of each page, by its place in the repository."""

RECIPES: Final = {name: text for page in PAGES.values() for name, text in _RECIPE.findall(page)}
"""The files and commands that a test runs as they stand, by name."""


def section(page: str, title: str) -> str:
    """Return what stands on a page under a heading of the second level."""
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGES[page], re.MULTILINE | re.DOTALL)
    assert match is not None, f"{page} has no section {title}."
    return match[1]


def rows(text: str) -> list[list[str]]:
    """Return the rows of all tables in a text that begin with code; a bar in code is no border."""
    lines = [line for line in text.splitlines() if re.match(r"\| ?`", line)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def anchors(page: str) -> set[str]:
    """Return what a link to a place on a page may name: its headings, as GitHub makes anchors of them."""
    text = re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
