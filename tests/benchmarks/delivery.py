"""Delivery: how many requests it takes, how near it comes to the account's limit, and beside intake."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks import large_store
from tests.benchmarks.account import Account
from tests.benchmarks.figures import Figure, at_least, at_most
from tests.benchmarks.inputs import write_tracks, write_users, write_view
from tests.benchmarks.large_store import Size
from tests.benchmarks.processes import Program, Ran, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.conftest import Postgres

_LATENCY_SECONDS: Final = 0.05
_NO_PACE: Final = 10_000_000
_OTHER_THREADS: Final = 3
"""The main thread, the one that decides on requests, and the one that tells how the run gets on."""


def requests(folder: Path, *, people: int) -> Iterator[Figure]:
    """Measure how many requests syncs cost.

    Args:
        folder: Where files are kept.
        people: How many people there are.
    """
    users, changed, tracks = folder / "few.jsonl", folder / "changed.jsonl", folder / "few-tracks.jsonl"
    write_users(users, people)
    write_users(changed, people, of_plan="basic")
    write_tracks(tracks, people, people)
    both = folder / "both.jsonl"
    both.write_bytes(changed.read_bytes() + users.read_bytes())
    surveyed = folder / "surveyed.jsonl"
    surveyed.write_bytes(changed.read_bytes() + tracks.read_bytes())
    syncs = (
        ("a first sync", users, people),
        ("the same again", users, 0),
        ("every contact changed to and fro", both, 0),
        ("every contact changed and surveyed", surveyed, people),
        ("the same again", surveyed, 0),
    )
    with Account(folder) as account:
        config = _config(folder / "requests.db", account, _NO_PACE) | {"max_surveys_per_run": people}
        for what, read, least in syncs:
            ran = run("target_promoter", config=config, folder=folder, read=read)
            sent = ran.summary["api"]["requests"]
            of = f"{what}, {people:,} contacts"
            yield Figure(f"requests: {of}", f"{sent:,}", f"least: {least:,}", None, "the least", sent == least)


def pulled(folder: Path, *, people: int) -> Iterator[Figure]:
    """Measure how many requests a pull and a first sync cost with a store that knows nothing of the account.

    Args:
        folder: Where files are kept.
        people: How many people the account has, in pages of fifty.
    """
    users = folder / "pulled.jsonl"
    write_users(users, people)
    pages = math.ceil(people / 50)
    with Account(folder) as account:
        run("target_promoter", config=_config(folder / "before.db", account, _NO_PACE), folder=folder, read=users)
        config = _config(folder / "after.db", account, _NO_PACE)
        pull = run("target_promoter", "pull", config=config, folder=folder)
        sync = run("target_promoter", config=config, folder=folder, read=users)
    sent = pull.summary["api"]["requests"] + sync.summary["api"]["requests"]
    what = f"requests: a pull and a first sync after a lost store, {people:,} contacts"
    yield Figure(what, f"{sent:,}", f"without a pull: {people:,}", sent / people, "the least", sent == pages)


def mirrored(folder: Path, *, people: int) -> Iterator[Figure]:
    """Measure how many requests it costs that a tenth of a mirrored view's people left it.

    Args:
        folder: Where files are kept.
        people: How many people the view had.
    """
    whole, later = folder / "view.jsonl", folder / "later-view.jsonl"
    write_view(whole, range(people), 1)
    write_view(later, (one for one in range(people) if one % 10), 2)
    with Account(folder) as account:
        number = account.add_list("VIPs")
        config = _config(folder / "view.db", account, _NO_PACE)
        view = {"type": "identify", "fields": {"user_id": "id"}, "traits": ["*"], "mirror": True}
        config["streams"] = {"vips": {**view, "contact_lists": [number]}}
        run("target_promoter", config=config, folder=folder, read=whole)
        ran = run("target_promoter", config=config, folder=folder, read=later)
    sent, least = ran.summary["api"]["requests"], 2 * (people // 10)
    what = f"requests: a mirrored view that {people // 10:,} of {people:,} people left, and its list"
    yield Figure(what, f"{sent:,}", f"two for each who left: {least:,}", sent / people, "the least", sent == least)


def limit(
    folder: Path,
    *,
    per_second: int,
    seconds: int,
    processes: int,
    latency: float = 0.0,
    server: Postgres | None = None,
) -> Iterator[Figure]:
    """Measure delivery of contacts at the account's limit, and how several processes share it.

    Args:
        folder: Where files are kept.
        per_second: The limit, in requests a second.
        seconds: How long delivery takes at the least.
        processes: How many processes share it.
        latency: Seconds that every answer takes.
        server: The PostgreSQL server on which the store is, and whose log is looked at; without one it is a file.
    """
    number = per_second * seconds
    with Account(folder, requests_per_minute=per_second * 60, latency=latency) as account:
        config = _config(folder / f"limit-{per_second}-{processes}.db", account, per_second * 60)
        if server is not None:
            config["store_url"] = server.new_database()
        _fill(folder, config, number)
        logged = "" if server is None else server.log()
        runs = _deliver(folder, config, processes)
        took = max(ran.summary["seconds"] for ran in runs)
        refused = sum(ran.summary["api"]["rate_limited"] for ran in runs)
        of = f"{number:,} contacts at {per_second} a second, {processes} process{'es' if processes > 1 else ''}"
        of += ", PostgreSQL" if server else ""
        if latency:
            of += f", {latency * 1000:.0f} ms an answer"
            rate = number / took
            least = 0.97
            yield at_least(of, f"{rate:.1f} a second", f"limit: {per_second}", rate / per_second, least)
            in_flight = math.ceil(per_second * latency)
            sending = max(ran.threads for ran in runs) - _OTHER_THREADS
            yield at_most("... threads that send", f"{sending}", f"in flight: {in_flight}", sending / in_flight, 1.4)
        else:
            yield at_most(of, f"{took:.1f} s", f"least: {seconds} s", took / seconds, 1.03)
        yield Figure("... requests refused", f"{refused}", "least: 0", None, "none", refused == 0)
        yield from _shares([ran.summary["contacts"]["synced"] for ran in runs])
    if server is not None:
        yield _waits(server, logged)


def _shares(sent: Sequence[int]) -> Iterator[Figure]:
    """Compare the shares of several processes."""
    if len(sent) > 1:
        fair, shares = sum(sent) / len(sent), ", ".join(map(str, sorted(sent)))
        unfair = max(max(sent) / fair, fair / max(min(sent), 1))
        yield at_most("... each process's share", shares, f"fair: {fair:.0f}", unfair, 1.5)


def _waits(server: Postgres, logged: str) -> Figure:
    """Return what a server's log says of waits since it said so much."""
    told = server.log().removeprefix(logged)
    waits = told.count("still waiting for") + told.count("canceling autovacuum")
    what = "... lock waits over 200 ms and cancelled autovacuums in the server's log"
    return Figure(what, f"{waits}", "least: 0", None, "none", waits == 0)


def told_too_high(
    folder: Path, *, per_second: int, times: float, seconds: int, most: float, most_refused: int, by_second: bool = True
) -> Iterator[Figure]:
    """Measure delivery when the account allows less than the setting says.

    Args:
        folder: Where files are kept.
        per_second: What the account allows, in requests a second.
        times: How many times as much the setting says.
        seconds: How long delivery takes at the least.
        most: How many times the least it may take.
        most_refused: How many requests may be refused.
        by_second: Whether the account counts by the second; else by the minute.
    """
    number, minute = per_second * seconds, per_second * 60
    limit = {"requests_per_second": per_second} if by_second else {"requests_per_minute": minute}
    with Account(folder, **limit) as account:
        config = _config(folder / "too-high.db", account, int(minute * times))
        _fill(folder, config, number)
        (ran,) = _deliver(folder, config, 1)
        took, refused = ran.summary["seconds"], ran.summary["api"]["rate_limited"]
        what = f"{number:,} contacts at {per_second} a second, told {times:g} times as much"
        yield at_most(what, f"{took:.1f} s", f"least: {seconds} s", took / seconds, most)
        yield Figure("... requests refused", f"{refused}", "", None, f"at most {most_refused}", refused <= most_refused)


def surveys(
    folder: Path,
    *,
    per_second: int,
    seconds: int,
    processes: int = 1,
    due: int = 0,
    cancelled_by: Sequence[str | dict[str, str]] = (),
    server: Postgres | None = None,
) -> Iterator[Figure]:
    """Measure surveys at the account's limit, and how several processes share it.

    Args:
        folder: Where files are kept.
        per_second: The limit, in requests a second.
        seconds: How long delivery takes at the least.
        processes: How many processes share it.
        due: How many surveys are due, if more than are sent.
        cancelled_by: The events that cancel a survey (`cancel_on`), none of which happened.
        server: The PostgreSQL server on which the store is, and whose log is looked at; without one it is a file.
    """
    number = per_second * seconds
    with Account(folder, latency=_LATENCY_SECONDS) as account:
        config = _config(folder / "surveys.db", account, per_second * 60) | {"max_surveys_per_run": number}
        config["campaigns"] = {"Order Completed": {"id": 78, "cancel_on": list(cancelled_by)}}
        if server is not None:
            config["store_url"] = server.new_database()
        if due:
            large_store.fill(config["store_url"], Size(people=due, surveys=due, due=due), time.time())
        else:
            _fill(folder, config, number, surveys=True)
        logged = "" if server is None else server.log()
        runs = _deliver(folder, config, processes)
        took = max(ran.summary["seconds"] for ran in runs)
        sent = [ran.summary["surveys"]["sent"] for ran in runs]
    of = f"{number:,} surveys" + (f" of {due:,} due" if due else "")
    of += f" at {per_second} a second, {processes} process{'es' if processes > 1 else ''}"
    of += ", `cancel_on`" if cancelled_by else ""
    of += ", PostgreSQL" if server else ""
    rate = sum(sent) / took
    yield at_least(of, f"{rate:.1f} a second", f"limit: {per_second}", rate / per_second, 0.97)
    yield from _shares(sent)
    if server is not None:
        yield _waits(server, logged)


def beside_intake(folder: Path, *, records: int) -> Iterator[Figure]:
    """Measure what delivery costs intake that runs beside it.

    Args:
        folder: Where files are kept.
        records: How many records a sync has.
    """
    users, changed = folder / "beside.jsonl", folder / "beside-changed.jsonl"
    write_users(users, records)
    write_users(changed, records, of_plan="basic")
    with Account(folder) as account:
        took: dict[str, float] = {}
        for module in ("tests.benchmarks.intake_alone", "tests.benchmarks.intake_beside_delivery"):
            config = _config(folder / f"{module}.db", account, 600)
            run("tests.benchmarks.intake_alone", config=config, folder=folder, read=users)
            ran = run(module, config=config, folder=folder, read=changed)
            took[module] = ran.seconds
        alone, beside = took.values()
        what = f"intake of {records:,} changed people beside delivery"
        yield at_least(
            what, f"{records / beside:,.0f} records/s", f"alone: {records / alone:,.0f}/s", alone / beside, 0.75
        )


def _fill(folder: Path, config: dict[str, Any], number: int, *, surveys: bool = False) -> None:
    """Fill a store with contacts, or with surveys whose contacts need no request of their own."""
    users, tracks = folder / "fill.jsonl", folder / "fill-tracks.jsonl"
    write_users(users, number)
    if surveys:
        write_tracks(tracks, number, number)
        users.write_bytes(users.read_bytes() + tracks.read_bytes())
    run("tests.benchmarks.intake_alone", config=config, folder=folder, read=users)


def _deliver(folder: Path, config: dict[str, Any], processes: int) -> list[Ran]:
    programs = [Program("target_promoter", "deliver", config=config, folder=folder) for _ in range(processes)]
    return [program.end() for program in programs]


def _config(store: Path, account: Account, requests_per_minute: int) -> dict[str, Any]:
    store.unlink(missing_ok=True)
    return {
        "api_url": account.url,
        "api_key": "sandbox",
        "store_url": f"sqlite:///{store}",
        "campaigns": {"Order Completed": 78},
        "requests_per_minute": requests_per_minute,
    }
