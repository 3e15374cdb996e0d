"""How long the program takes to start, against the target that does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.benchmarks.figures import Figure, at_most
from tests.benchmarks.processes import Ran, median, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def measure(folder: Path, *, repeats: int) -> Iterator[Figure]:
    """Measure starts, in turns, the middle one of each.

    Args:
        folder: Where files are kept.
        repeats: How many times each is measured.
    """
    config: dict[str, Any] = {
        "api_url": "http://127.0.0.1:9",
        "api_key": "sandbox",
        "store_url": f"sqlite:///{folder / 'start.db'}",
    }
    ours: dict[str, list[Ran]] = {"--version": [], "an empty input": []}
    idle: dict[str, list[Ran]] = {"--version": [], "an empty input": []}
    for turn in range(repeats + 1):
        some = {
            "--version": (
                run("target_promoter", "--version", folder=folder),
                run("tests.benchmarks.idle_target", "--version", folder=folder),
            ),
            "an empty input": (
                run("target_promoter", config=config, folder=folder),
                run("tests.benchmarks.idle_target", folder=folder),
            ),
        }
        for what, (one, other) in some.items() if turn else ():  # The first compiles the bytecode.
            ours[what].append(one)
            idle[what].append(other)
    for what, runs in ours.items():
        # Of processor time: a start does nothing else, and other programs on the machine do not count in it.
        took, against = median([one.cpu for one in runs]), median([one.cpu for one in idle[what]])
        yield at_most(f"start: {what}", f"{took:.3f} s", f"idle target: {against:.3f} s", took / against, 1.5)
