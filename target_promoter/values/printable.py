"""Text from outside as people may see it: a log, a terminal and a report take nothing else of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Self

LONGEST_LINE: Final = 16_000
"""The most characters of a line; a config for a wide table is a long one."""


class Lines(str):
    """Lines that the program itself made of printable ones: the only text that may break a line."""

    __slots__ = ()

    @classmethod
    def of(cls, lines: Iterable[object]) -> Self:
        """Return lines, each made printable."""
        return cls("\n".join(map(printable, lines)))

    def __str__(self) -> str:
        """Stay what it is, where a plain text would be made of it."""
        return self


def printable(text: object, longest: int = LONGEST_LINE) -> str:
    """Return a text on one line, without what a terminal obeys and no page or database can hold.

    `Lines` keep their line breaks.
    """
    shown = str(text)
    if isinstance(shown, Lines):
        return shown
    if len(shown) > longest:
        shown = f"{shown[: longest - 1]}…"
    return shown if shown.isprintable() else "".join(one if one.isprintable() else " " for one in shown)
