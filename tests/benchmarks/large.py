"""A store of a million people and a million surveys, and how long somebody waits who asks it something."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, text

from tests.benchmarks.account import Account
from tests.benchmarks.databases import address, size
from tests.benchmarks.figures import Figure, at_most
from tests.benchmarks.inputs import write_tracks, write_users
from tests.benchmarks.processes import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DAY: Final = 86_400.0
_A_DAYS: Final = 1000
"""How many orders a day brings, and how many people that changed."""

_A_SAMPLE: Final = 10
_DELAY_DAYS: Final = 8

_LATER: Final = (
    # Seven of ten were sent in the last month, the rest is due in the next days.
    """
    UPDATE surveys SET status = 'sent', settled_at = :now - 86400.0 * (id % 29), claimed_user_id = user_id,
        claimed_at = :now - 86400.0 * (id % 29) - 1, claimed_email = 'person.' || substr(user_id, 6) || '@example.com'
    WHERE id % 10 < 7
    """,
    "UPDATE surveys SET due_at = :now + 86400.0 * (1 + id % 7) WHERE id % 10 >= 7",
    "UPDATE contacts SET status = 'synced', sent = :form, synced_at = :now",
)
"""What makes a store that has just taken everything in one that has delivered for a month."""


def measure(folder: Path, *, people: int, rejected: int, store: str, name: str) -> Iterator[Figure]:
    """Fill a store, and measure what is asked of it day by day.

    Args:
        folder: Where files are kept.
        people: How many people it knows; so many are the surveys too.
        rejected: How many rejected records it keeps.
        store: The address of an empty store.
        name: What its database is called.
    """
    config: dict[str, Any] = {
        "api_key": "sandbox",
        "store_url": store,
        "campaigns": {"Order Completed": {"id": 78, "delay_hours": 24 * _DELAY_DAYS}},
        "requests_per_minute": 10_000_000,
    }
    with Account(folder) as account:
        config["api_url"] = account.url
        _fill(folder, config, people, rejected)
        what = f"{people:,} people and surveys ({name})"
        yield Figure(f"{what}: size of the store", f"{size(store) / 2**20:,.0f} MiB")
        yield from _asked(folder, config, people, rejected)


def _asked(folder: Path, config: dict[str, Any], people: int, rejected: int) -> Iterator[Figure]:
    """Ask the program what somebody asks of it, one thing after the other."""
    users, orders, day = (folder / f"{one}.jsonl" for one in ("a-users", "a-orders", "a-day"))
    write_users(users, people, of_plan="basic", begin=people - _A_DAYS)
    write_tracks(orders, people + _A_DAYS, people, begin=people, hours=-24 * _DELAY_DAYS - 0.5)
    day.write_bytes(users.read_bytes() + orders.read_bytes())
    sample = folder / "a-sample.jsonl"
    write_users(sample, people, of_plan="free", begin=people - _A_SAMPLE)
    user = f"user-{people // 2:07}"
    other, another = (f"person.{people // 2 + one:07}@example.com" for one in (1, 2))
    asked: tuple[tuple[str, dict[str, Any], tuple[str, ...], Path | None, float | None], ...] = (
        ("a run that reads nothing", config, (), None, None),
        (f"a daily run of {_A_DAYS:,} orders and {_A_DAYS:,} changed people", config, (), day, None),
        (f"a dry run of {_A_SAMPLE} records", config | {"dry_run": True}, (), sample, 2.0),
        (f"`check --input` of {_A_SAMPLE} records", config, ("check", "--input", str(sample)), None, 2.0),
        ("`report`", config, ("report",), None, None),
        ("`report --format html`", config, ("report", "--format", "html"), None, None),
        ("`report --person` by user id", config, ("report", "--person", user), None, None),
        ("`report --person` by address", config, ("report", "--person", other), None, None),
        (f"`rejected` of {rejected:,} records", config, ("rejected",), None, None),
        ("`forget` by user id", config, ("forget", user), None, None),
        ("`forget` by address", config, ("forget", another), None, None),
    )
    # As on any day but the first after an installation, all of the bytecode is there.
    elsewhere = {"store_url": f"sqlite:///{folder / 'empty.db'}"}
    for _, settings, arguments, read, _ in asked:
        run("target_promoter", *arguments, config=settings | elsewhere, folder=folder, read=read)
    for question, settings, arguments, read, most in asked:
        ran = run("target_promoter", *arguments, config=settings, folder=folder, read=read)
        if ran.status:
            raise RuntimeError(ran.log[-3000:] + ran.printed[-2000:])
        took = f"{ran.seconds:.2f} s ({ran.cpu:.2f} s of the processor), {ran.mib:.0f} MiB of memory"
        if ran.temporary > 2**20:
            took += f", {ran.temporary / 2**20:,.0f} MiB of temporary files"
        if most is None:
            yield Figure(f"... {question}", took)
        else:
            yield at_most(f"... {question}", took, f"{most:g} s", ran.seconds / most, 1.0)


def _fill(folder: Path, config: dict[str, Any], people: int, rejected: int) -> None:
    read = folder / "large.jsonl"
    write_users(read, people)
    run("tests.benchmarks.intake_alone", config=config, folder=folder, read=read)
    write_tracks(read, people, people)
    run("tests.benchmarks.intake_alone", config=config, folder=folder, read=read)
    write_tracks(read, people + rejected, people, begin=people, hours=48.0)  # So far in the future they are rejected.
    run("tests.benchmarks.intake_alone", config=config, folder=folder, read=read)
    read.unlink()
    engine, now = create_engine(address(config["store_url"])), time.time()
    with engine.begin() as connection:
        for statement in _LATER:
            connection.execute(text(statement), {"now": now, "form": b"form"})
    if engine.dialect.name == "postgresql":
        # A month of autovacuum.
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
