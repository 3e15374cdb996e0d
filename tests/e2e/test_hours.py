"""`survey_hours` for programs as they run: they wake when the hours begin, and stop when they end."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from target_promoter.config.settings import Settings
from target_promoter.intake.intake import Intake
from target_promoter.records.streams import recognize
from target_promoter.sandbox.records import iso
from target_promoter.store.database import open_store
from target_promoter.store.schema import runs
from target_promoter.store.summary import Summary
from tests.clock import Clock
from tests.conftest import Outcome, outcome, run_program
from tests.program import CALLS, identify, order
from tests.programs import program, until

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.sandbox.server import SandboxServer

HOUR = 3600.0
BERLIN = ZoneInfo("Europe/Berlin")
NINE = dt.datetime(2031, 3, 7, 9, tzinfo=BERLIN).timestamp()
"""A Friday; the Monday after it is in the same winter."""


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config whose surveys are sent in office hours, at a pace that one can watch."""
    hours = {"from": "09:00", "to": "18:00", "days": ["mon", "tue", "wed", "thu", "fri"], "time_zone": "Europe/Berlin"}
    return {**config, "survey_hours": hours, "stored_events": [], "max_event_age_hours": 2}


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """Return the clock of the programs."""
    return Clock(tmp_path)


def start(*arguments: str, config: dict[str, Any], clock: Clock, tmp_path: Path) -> subprocess.Popen[str]:
    """Start the program on a clock, its input open."""
    return subprocess.Popen(
        program(*arguments, config=config, cwd=tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **clock.env},
    )


def end(process: subprocess.Popen[str]) -> Outcome:
    """Close the input of a program, wait for its end, and return what came of it."""
    output, log = process.communicate(timeout=100)
    return outcome(process.returncode, output, log)


def shop(people: int, orders: int, placed_at: float) -> list[dict[str, Any]]:
    """Return the calls of a shop's customers, some of whom placed an order."""
    calls = [identify(str(one), f"c{one}@example.com") for one in range(1, people + 1)]
    calls += [order(f"o-{one}", str(one)) for one in range(1, orders + 1)]
    for call in calls:
        call["record"]["timestamp"] = iso(placed_at)
    return [CALLS, *calls]


def bring(config: dict[str, Any], clock: Clock) -> None:
    """Take in somebody and an order, as another program does that is killed before its first request."""
    settings, now = Settings.from_config(config), clock.now
    stream = recognize("calls", CALLS["schema"], ["messageId"], settings)
    calls = [identify("late", "late@example.com")["record"], order("o-late", "late")["record"]]
    for call in calls:
        call["timestamp"] = iso(now)
    rows, tracks, _ = stream.split(calls, {})
    with contextlib.closing(open_store(config["store_url"], now=now)) as store:
        summary = Summary(sandbox=False, dry_run=False, started_at=now)
        Intake(store, settings, summary, clock=lambda: now).take(rows, tracks)


def test_deliver_wakes_when_the_hours_begin(
    config: dict[str, Any], sandbox: SandboxServer, clock: Clock, tmp_path: Path
) -> None:
    """Busy with the night's contacts at a slow limit, it sends the surveys at nine, before what is left of those."""
    clock.set(NINE - 6 * HOUR)
    night = run_program(config=config, messages=shop(40, 12, clock.now - HOUR), cwd=tmp_path, env=clock.env)
    assert night.status == 0, night.log
    assert night.summary["surveys"]["waiting"] == 12
    assert run_program("resync", config=config, cwd=tmp_path, env=clock.env).status == 0
    sandbox.account.ledger.reset()
    clock.set(NINE - 60)
    deliver = start("deliver", config={**config, "requests_per_minute": 300}, clock=clock, tmp_path=tmp_path)
    until(lambda: len(sandbox.account.requests) >= 2)
    assert not sandbox.account.surveys
    clock.set(NINE + 1)
    ended = end(deliver)
    assert ended.status == 0, ended.log
    assert ended.summary["surveys"] == {**ended.summary["surveys"], "sent": 12, "waiting": 0, "expired": 0}
    kinds = "".join("s" if "survey" in request.path else "c" for request in sandbox.account.requests)
    assert re.fullmatch("c{2,}s{12}c{2,}", kinds), kinds


def test_a_run_whose_tap_still_talks_wakes_when_the_hours_begin(
    config: dict[str, Any], sandbox: SandboxServer, clock: Clock, tmp_path: Path
) -> None:
    """Nothing new need come: what waits is sent while the input is open."""
    clock.set(NINE - 60)
    sync = start(config=config, clock=clock, tmp_path=tmp_path)
    assert sync.stdin is not None
    sync.stdin.writelines(
        f"{json.dumps(one)}\n" for one in (*shop(3, 3, clock.now - HOUR), {"type": "STATE", "value": 1})
    )
    sync.stdin.flush()
    until(lambda: len(sandbox.account.contacts) == 3)
    assert not sandbox.account.surveys
    clock.set(NINE + 1)
    until(lambda: len(sandbox.account.surveys) == 3)
    assert end(sync).status == 0


def test_what_the_hours_do_not_last_for_goes_on_in_the_next(
    config: dict[str, Any], sandbox: SandboxServer, clock: Clock, tmp_path: Path
) -> None:
    """At six on Friday `deliver` stops and ends well; on Monday at nine the rest leaves, though it is days old."""
    # Of a new store it would be too much to wait: an older one may have surveyed for what was due before it was made.
    open_store(config["store_url"], now=NINE - 240 * HOUR).close()
    clock.set(NINE + 9 * HOUR - 60)
    slow = {**config, "requests_per_minute": 300}
    messages = shop(30, 30, clock.now - HOUR)
    friday = start(config=slow, clock=clock, tmp_path=tmp_path)
    assert friday.stdin is not None
    friday.stdin.writelines(f"{json.dumps(one)}\n" for one in messages)
    friday.stdin.close()
    friday.stdin = None
    until(lambda: len(sandbox.account.surveys) >= 3)
    clock.set(NINE + 9 * HOUR + 1)
    ended = end(friday)
    assert ended.status == 0, ended.log
    sent = ended.summary["surveys"]["sent"]
    assert 3 <= sent < 15
    assert ended.summary["surveys"] == {**ended.summary["surveys"], "waiting": 30 - sent, "pending": 0}
    clock.set(NINE + 45 * HOUR)
    ended = run_program("deliver", config=config, cwd=tmp_path, env=clock.env)
    assert ended.summary["surveys"] == {**ended.summary["surveys"], "waiting": 30 - sent, "expired": 0}
    clock.set(NINE + 72 * HOUR + 1)
    ended = run_program("deliver", config=config, cwd=tmp_path, env=clock.env)
    assert ended.status == 0, ended.log
    assert ended.summary["surveys"] == {**ended.summary["surveys"], "sent": 30 - sent, "expired": 0, "waiting": 0}
    assert set(sandbox.account.surveys_by_email.values()) == {1}


def test_a_worker_that_is_kept_running_wakes_when_the_hours_begin(
    config: dict[str, Any], sandbox: SandboxServer, clock: Clock, tmp_path: Path
) -> None:
    """With nothing to do it waits; it delivers what falls due and what others bring, and its stop is no failure."""
    clock.set(NINE - 60)
    messages = shop(3, 3, clock.now - HOUR)
    assert run_program(config=config, messages=messages, cwd=tmp_path, env=clock.env).status == 0
    worker = start("deliver", "--keep-running", config=config, clock=clock, tmp_path=tmp_path)
    with contextlib.closing(open_store(config["store_url"], now=clock.now)) as store:
        until(lambda: store.read(lambda tx: tx.scalar(select(func.count()).where(runs.c.command == "deliver"))))
    assert not sandbox.account.surveys
    clock.set(NINE + 1)
    until(lambda: len(sandbox.account.surveys) == 3)
    bring(config, clock)
    until(lambda: "late@example.com" in sandbox.account.surveys_by_email)
    worker.send_signal(signal.SIGTERM)
    ended = end(worker)
    assert ended.status == 0, ended.log
    assert ended.summary["surveys"] == {**ended.summary["surveys"], "sent": 4, "waiting": 0}


def test_a_worker_ends_when_somebody_must_see_to_it(
    config: dict[str, Any], sandbox: SandboxServer, clock: Clock, tmp_path: Path
) -> None:
    """At `max_surveys_per_run`, or with a campaign that is not there, it ends as any run does."""
    clock.set(NINE - 60)
    messages = shop(3, 3, clock.now - HOUR)
    assert run_program(config=config, messages=messages, cwd=tmp_path, env=clock.env).status == 0
    clock.set(NINE + 1)
    limited = {**config, "max_surveys_per_run": 2}
    ended = run_program("deliver", "--keep-running", config=limited, cwd=tmp_path, env=clock.env)
    assert ended.status == 1
    assert "Stopped at `max_surveys_per_run` after 2 surveys" in ended.log
    gone = {**config, "campaigns": {"Order Completed": 1}}
    ended = run_program("deliver", "--keep-running", config=gone, cwd=tmp_path, env=clock.env)
    assert ended.status == 1
    assert "Promoter knows no campaign 1" in ended.log
    assert len(sandbox.account.surveys) == 2
    dry = run_program("deliver", "--keep-running", config={**config, "dry_run": True}, cwd=tmp_path, env=clock.env)
    assert dry.status == 1
    assert "dry_run" in dry.log
