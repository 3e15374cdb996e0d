"""Intake against the target that does nothing, side by side: the same records, in turns, the middle one of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.benchmarks.figures import Figure, at_least
from tests.benchmarks.inputs import write_tracks, write_users
from tests.benchmarks.processes import Ran, median, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def measure(folder: Path, *, records: int, repeats: int, postgres: str | None) -> Iterator[Figure]:
    """Measure first and second syncs.

    Args:
        folder: Where files are kept.
        records: How many records a sync has.
        repeats: How many times each is measured.
        postgres: The address of an empty PostgreSQL database; without one only SQLite is measured.
    """
    users, tracks = folder / "users.jsonl", folder / "tracks.jsonl"
    write_users(users, records)
    write_tracks(tracks, records, records)
    idle: list[Ran] = []
    idle_tracks: list[Ran] = []
    runs: dict[str, list[Ran]] = {}
    for turn in range(repeats):
        store = f"sqlite:///{folder / f'intake-{turn}.db'}"
        idle.append(run("tests.benchmarks.idle_target", folder=folder, read=users))
        for sync in ("first", "second"):
            runs.setdefault(sync, []).append(_intake(folder, store, users))
        idle_tracks.append(run("tests.benchmarks.idle_target", folder=folder, read=tracks))
        for sync in ("first of events", "second of events"):
            runs.setdefault(sync, []).append(_intake(folder, store, tracks))
    if postgres is not None:
        for sync in ("first", "second", "second"):
            idle.append(run("tests.benchmarks.idle_target", folder=folder, read=users))
            runs.setdefault(f"{sync} (PostgreSQL)", []).append(_intake(folder, postgres, users))
        for sync in ("first", "second", "second"):
            idle_tracks.append(run("tests.benchmarks.idle_target", folder=folder, read=tracks))
            runs.setdefault(f"{sync} of events (PostgreSQL)", []).append(_intake(folder, postgres, tracks))
    least = {
        "first": 2.0,
        "second": 3.3,
        "first of events": 1.2,
        "second of events": 1.8,
        "first (PostgreSQL)": 1.5,
        "second (PostgreSQL)": 2.5,
    }
    for sync, some in runs.items():
        other = idle_tracks if "events" in sync else idle
        took, against = median([one.seconds for one in some]), median([one.seconds for one in other])
        what = f"{sync.replace(' of events', '')} sync of {records:,} {'events' if 'events' in sync else 'people'}"
        measured, compared = f"{records / took:,.0f} records/s", f"idle target: {records / against:,.0f}/s"
        if sync in least:
            yield at_least(what, measured, compared, against / took, least[sync])
        else:
            yield Figure(what, measured, compared, against / took)
        cpu, idle_cpu = median([one.cpu for one in some]), median([one.cpu for one in other])
        yield Figure("... in processor time", f"{cpu:.2f} s", f"idle target: {idle_cpu:.2f} s", idle_cpu / cpu)


def _intake(folder: Path, store: str, read: Path) -> Ran:
    config: dict[str, Any] = {
        "api_url": "http://127.0.0.1:9",
        "api_key": "sandbox",
        "store_url": store,
        "campaigns": {"Order Completed": 78},
        "max_event_age_hours": 24 * 365,
    }
    ran = run("tests.benchmarks.intake_alone", config=config, folder=folder, read=read)
    read_records = sum(ran.summary[part]["read"] for part in ("identify", "track"))
    if not read_records:
        message = f"Nothing was taken in: {ran.log[-2000:]}"
        raise RuntimeError(message)
    return ran
