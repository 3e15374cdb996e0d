"""A stop in the middle of a large first sync: what it costs again, and how much memory a run with delivery takes."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.account import Account
from tests.benchmarks.figures import Figure, at_most
from tests.benchmarks.inputs import STATE_EVERY, write_users
from tests.benchmarks.processes import Program, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_MIB: Final = 150
_LOOK_SECONDS: Final = 0.05


def measure(folder: Path, *, records: int) -> Iterator[Figure]:
    """Stop a sync in its middle, go on from the state it printed, and then read all again.

    Args:
        folder: Where files are kept.
        records: How many records the whole sync has.
    """
    users, rest = folder / "stopped.jsonl", folder / "rest.jsonl"
    write_users(users, records)
    store = folder / "stopped.db"
    store.unlink(missing_ok=True)
    with Account(folder) as account:
        config: dict[str, Any] = {
            "api_url": account.url,
            "api_key": "sandbox",
            "store_url": f"sqlite:///{store}",
            "requests_per_minute": 60_000,
        }
        stopped = Program("target_promoter", config=config, folder=folder, read=users)
        while _rows(stopped.printed()) < records // 2:
            time.sleep(_LOOK_SECONDS)
        first = stopped.end(signal.SIGTERM)
        read, stands_for = first.summary["identify"]["read"], _rows(first.printed)
        least = read % STATE_EVERY
        yield Figure(
            f"a stop after {read:,} of {records:,} people: records read again",
            f"{read - stands_for:,}",
            f"least: {least:,}, read since the tap's last STATE",
            None,
            "the least",
            read - stands_for == least,
        )
        write_users(rest, records, begin=stands_for)
        second = run("tests.benchmarks.intake_beside_delivery", config=config, folder=folder, read=rest)
        again = run("tests.benchmarks.intake_beside_delivery", config=config, folder=folder, read=users)
        totals = account.totals()
    changed = first.summary["identify"]["changed"] + second.summary["identify"]["changed"]
    yield Figure(
        "... people that were new", f"{changed:,}", f"least: {records:,}", None, "the least", changed == records
    )
    unchanged = again.summary["identify"]["unchanged"]
    what = "... unchanged when all is read once more"
    yield Figure(what, f"{unchanged:,}", f"{records:,}", None, "all", unchanged == records)
    twice = totals["requests"] - totals["contacts"]
    what = f"... requests for a contact that was sent before, of {totals['requests']:,}"
    yield Figure(what, f"{twice}", "least: 0", None, "none", bool(totals["requests"]) and twice == 0)
    peak = max(ran.mib for ran in (first, second, again))
    what = f"memory at its peak with delivery beside, {records:,} records"
    yield at_most(what, f"{peak:.0f} MiB", f"{_MOST_MIB} MiB", peak / _MOST_MIB, 1.0)


def _rows(printed: str) -> int:
    """Return how many rows the last whole line of state stands for."""
    lines = printed[: printed.rfind("\n") + 1].splitlines()
    return int(json.loads(lines[-1])["bookmarks"]["users"]["rows"]) if lines else 0
