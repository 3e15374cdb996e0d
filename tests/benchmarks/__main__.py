"""Measures what the project promises of its speed: `python -m tests.benchmarks`; see `--help`."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmarks import delivery, intake, large, memory, start, stopping, store, year
from tests.benchmarks.figures import machine, table
from tests.benchmarks.processes import Program
from tests.conftest import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.benchmarks.figures import Figure


# What waits for a lock for so long is logged with what is looked for as a deadlock.
_TELLING_WAITS: Final = ("log_lock_waits=on", "deadlock_timeout=200ms", "autovacuum_naptime=5s")


@contextlib.contextmanager
def _postgres(folder: Path, *settings: str) -> Iterator[Postgres]:
    place = Path(tempfile.mkdtemp(prefix="postgres-", dir=folder))
    server = Postgres(place)
    server.start(*settings)
    try:
        yield server
    finally:
        server.stop()


def _requests(folder: Path, quick: bool) -> Iterable[Figure]:  # noqa: FBT001 - all parts are called alike
    return itertools.chain(
        delivery.requests(folder, people=200 if quick else 2000),
        delivery.pulled(folder, people=500 if quick else 10_000),
        delivery.mirrored(folder, people=200 if quick else 2000),
    )


def _limit(folder: Path, quick: bool) -> Iterable[Figure]:  # noqa: FBT001
    seconds = 15 if quick else 90
    yield from delivery.limit(folder, per_second=20, seconds=seconds, processes=1)
    yield from delivery.limit(folder, per_second=20, seconds=seconds, processes=3)
    yield from delivery.limit(folder, per_second=200, seconds=seconds, processes=1, latency=0.05)
    yield from delivery.told_too_high(folder, per_second=20, times=10, seconds=30, most=1.2, most_refused=40)
    yield from delivery.told_too_high(folder, per_second=20, times=500, seconds=30, most=1.3, most_refused=80)
    with _postgres(folder, *_TELLING_WAITS) as server:
        yield from delivery.limit(folder, per_second=100, seconds=2 * seconds, processes=4, server=server)
    if not quick:
        yield from delivery.told_too_high(
            folder, per_second=20, times=2.5, seconds=240, most=1.2, most_refused=240, by_second=False
        )


def _surveys(folder: Path, quick: bool) -> Iterable[Figure]:  # noqa: FBT001
    seconds = 15 if quick else 90
    cancelled_by = ("Order Refunded", {"event": "Order Cancelled", "match": "order_id"})
    yield from delivery.surveys(folder, per_second=200, seconds=seconds)
    yield from delivery.surveys(folder, per_second=200, seconds=seconds, cancelled_by=cancelled_by)
    yield from delivery.surveys(folder, per_second=200, seconds=seconds, due=20_000 if quick else 1_000_000)
    yield from delivery.surveys(folder, per_second=100, seconds=seconds, processes=4)
    with _postgres(folder, *_TELLING_WAITS) as server:
        yield from delivery.surveys(folder, per_second=200, seconds=seconds, cancelled_by=cancelled_by, server=server)
        due = 20_000 if quick else 1_000_000
        yield from delivery.surveys(folder, per_second=200, seconds=seconds, due=due, server=server)
        yield from delivery.surveys(folder, per_second=100, seconds=2 * seconds, processes=4, server=server)


def _intake(folder: Path, quick: bool) -> Iterable[Figure]:  # noqa: FBT001
    records = 20_000 if quick else 200_000
    with _postgres(folder) as server:
        yield from intake.measure(folder, records=records, repeats=1 if quick else 3, postgres=server.new_database())
        yield from delivery.beside_intake(folder, records=records)


def _memory(folder: Path, quick: bool) -> Iterable[Figure]:  # noqa: FBT001
    return memory.measure(folder, records=50_000 if quick else 1_000_000)


def _stop(folder: Path, quick: bool) -> Iterable[Figure]:  # noqa: FBT001
    return stopping.measure(folder, records=200_000 if quick else 1_000_000)


def _store(folder: Path, quick: bool) -> Iterable[Figure]:  # noqa: FBT001
    numbers = (50_000, 100_000) if quick else (1_000_000, 10_000_000)
    return store.measure(folder, people_number=numbers[0], messages_number=numbers[1])


def _start(folder: Path, quick: bool) -> Iterable[Figure]:  # noqa: FBT001
    return start.measure(folder, repeats=3 if quick else 25)


def _year(folder: Path, quick: bool) -> Iterable[Figure]:  # noqa: FBT001
    if quick:
        return year.measure(folder, customers=400, orders=20, days=60)
    return year.measure(folder, customers=5000, orders=250, days=365)


def _large(folder: Path, quick: bool) -> Iterable[Figure]:  # noqa: FBT001
    path = folder / "large.db"
    for old in folder.glob("large.db*"):
        old.unlink()
    yield from large.measure(folder, **_sizes(quick), store=f"sqlite:///{path}", name="SQLite")


def _large_postgres(folder: Path, quick: bool) -> Iterable[Figure]:  # noqa: FBT001
    with _postgres(folder) as server:
        yield from large.measure(folder, **_sizes(quick), store=server.new_database(), name="PostgreSQL")


def _sizes(quick: bool) -> dict[str, int]:  # noqa: FBT001
    return {"people": 10_000, "rejected": 2000} if quick else {"people": 1_000_000, "rejected": 200_000}


PARTS: Final = {
    "start": _start,
    "requests": _requests,
    "limit": _limit,
    "surveys": _surveys,
    "intake": _intake,
    "memory": _memory,
    "stop": _stop,
    "store": _store,
    "year": _year,
    "large": _large,
    "large-postgres": _large_postgres,
}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure: {', '.join(PARTS)}; all without")
    parser.add_argument("--quick", action="store_true", help="at a small scale, to see that it works")
    parser.add_argument("--folder", type=Path, help="where to keep files; without it a temporary folder")
    parser.add_argument(
        "--python",
        default=sys.executable,
        help="the Python of the environment whose target is measured, such as an older tree's; without it this one",
    )
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    Program.measured = asked.python
    figures: list[Figure] = []
    with contextlib.ExitStack() as closing:
        folder = asked.folder or Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for name in asked.parts or PARTS:
            for figure in PARTS[name](folder, asked.quick):
                figures.append(figure)
                sys.stderr.write(f"{figure.what}: {figure.measured}\n")
    sys.stdout.write(f"{table(figures)}\n\n{machine()}\n")


if __name__ == "__main__":
    main()
