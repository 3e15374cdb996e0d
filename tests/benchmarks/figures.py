"""The table of what was measured."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        what: What was measured.
        measured: The figure, with its unit.
        against: What it is compared with: the least that is possible, or the target that does nothing.
        ratio: The one by the other, as the promise puts it.
        promise: What the ratio must be, such as `at least 3`.
        kept: Whether it is; None where nothing is promised.
    """

    what: str
    measured: str
    against: str = ""
    ratio: float | None = None
    promise: str = ""
    kept: bool | None = None


def at_least(what: str, measured: str, against: str, ratio: float, least: float) -> Figure:
    """Return a figure whose ratio should be high."""
    return Figure(what, measured, against, ratio, f"at least {least:g}", ratio >= least)


def at_most(what: str, measured: str, against: str, ratio: float, most: float) -> Figure:
    """Return a figure whose ratio should be low."""
    return Figure(what, measured, against, ratio, f"at most {most:g}", ratio <= most)


def table(figures: Iterable[Figure]) -> str:
    """Return the table, in Markdown."""
    lines = ["| what | measured | compared with | ratio | promised | kept |", "|---|---|---|---|---|---|"]
    for one in figures:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        kept = {True: "yes", False: "**no**", None: ""}[one.kept]
        lines.append(f"| {one.what} | {one.measured} | {one.against} | {ratio} | {one.promise} | {kept} |")
    return "\n".join(lines)


def machine() -> str:
    """Return what the figures were taken on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = models[0] if models else model
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} cores ({model}), {pages * size / 2**30:.0f} GiB, Python {platform.python_version()}"
