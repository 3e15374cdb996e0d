"""How much memory a sync takes, and whether it grows with the number of records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.figures import Figure, at_most
from tests.benchmarks.inputs import write_users
from tests.benchmarks.processes import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_MIB: Final = 150
_MOST_GROWTH_MIB: Final = 10


def measure(folder: Path, *, records: int) -> Iterator[Figure]:
    """Measure the peak of a sync, and of one a tenth of its size.

    Args:
        folder: Where files are kept.
        records: How many records it has.
    """
    peaks: list[float] = []
    users = folder / "many.jsonl"
    for number in (records // 10, records):
        store = folder / f"memory-{number}.db"
        store.unlink(missing_ok=True)
        config: dict[str, Any] = {
            "api_url": "http://127.0.0.1:9",
            "api_key": "sandbox",
            "store_url": f"sqlite:///{store}",
        }
        write_users(users, number)
        ran = run("tests.benchmarks.intake_alone", config=config, folder=folder, read=users)
        peaks.append(ran.mib)
    small, large = peaks
    yield at_most(
        f"memory at its peak, {records:,} records", f"{large:.0f} MiB", f"{_MOST_MIB} MiB", large / _MOST_MIB, 1.0
    )
    grown = large - small
    most = _MOST_GROWTH_MIB
    yield Figure(
        f"... more than with {records // 10:,}", f"{grown:.1f} MiB", "", None, f"at most {most} MiB", grown <= most
    )
