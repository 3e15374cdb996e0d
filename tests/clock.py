"""The time that programs in processes of their own go by, moved by a test while they run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MOVED = """
import os, time

now = time.time


def moved():
    with open(os.environ["TESTS_CLOCK"]) as file:
        return now() + float(file.read())


time.time = moved
"""


class Clock:
    """A clock for new interpreters that are started with its environment; it goes on from where it is set.

    Args:
        folder: Where its files lie.
    """

    def __init__(self, folder: Path) -> None:
        """Begin with the time as it is."""
        self._file = folder / "clock"
        self._ahead = 0.0
        (folder / "sitecustomize.py").write_text(_MOVED, encoding="utf-8")
        self.env = {"PYTHONPATH": str(folder), "TESTS_CLOCK": str(self._file)}
        self.set(time.time())

    @property
    def now(self) -> float:
        """The time that programs believe, in epoch seconds."""
        return time.time() + self._ahead

    def set(self, now: float) -> None:
        """Have programs believe that it is another time, in epoch seconds."""
        self._ahead = now - time.time()
        part = self._file.with_suffix(".part")
        part.write_text(repr(self._ahead), encoding="ascii")
        part.replace(self._file)
