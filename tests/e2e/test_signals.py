"""A signal ends the run soon, with its state and summary true, wherever it comes."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from target_promoter.sandbox.faults import Faults
from tests.e2e.shop import SCHEMA, Shop, check, identify, order, state
from tests.e2e.stops import stop_many
from tests.programs import Programs, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_promoter.sandbox.server import SandboxServer

BOTH = pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
REAL_CLOCK: dict[str, float] = {}
LONGEST_STOP = 10.0


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Yield what starts the program."""
    with Programs(tmp_path_factory.mktemp("programs")) as started:
        yield started


def people(number: int) -> list[dict[str, Any]]:
    """Return so many customers, each with an order, and a STATE that covers them."""
    now = time.time()
    calls = [SCHEMA, *(identify(str(one), now - 60, email=f"c{one}@example.com") for one in range(1, number + 1))]
    return [*calls, *(order(str(one), f"o{one}", now - 30) for one in range(1, number + 1)), state(number)]


@BOTH
def test_while_it_reads(signum: int, programs: Programs, config: dict[str, Any], tmp_path: Path) -> None:
    """What was read is in the store, its state is printed, and the next run loses and repeats nothing."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    config["requests_per_minute"] = 60
    running = programs.start(config=config, messages=fifo, constants=REAL_CLOCK)
    with fifo.open("w", encoding="utf-8") as tap:
        messages = [*people(20), identify("late", time.time(), email="late@example.com")]
        tap.write("".join(json.dumps(one) + "\n" for one in messages))
        tap.flush()
        until(lambda: running.states)
        began = time.monotonic()
        running.kill(signum)
        ended = running.wait()
    assert time.monotonic() - began < LONGEST_STOP
    assert ended.status == 1
    assert ended.states[-1] == {"read": 20}
    assert ended.summary["identify"]["read"] >= 20
    left = ended.summary["surveys"]["pending"] + ended.summary["surveys"]["sent"]
    assert left == ended.summary["track"]["queued"] == 20
    assert signal.Signals(signum).name in ended.log


@BOTH
def test_while_it_delivers(signum: int, programs: Programs, sandbox: SandboxServer, config: dict[str, Any]) -> None:
    """Requests in flight are waited for; what they came to is in the summary, and what is left makes it fail."""
    config["requests_per_minute"] = 600
    running = programs.start(config=config, messages=people(50), constants=REAL_CLOCK)
    until(lambda: len(sandbox.account.surveys) >= 3)
    began = time.monotonic()
    running.kill(signum)
    ended = running.wait()
    assert time.monotonic() - began < LONGEST_STOP
    assert ended.status == 1
    assert f"Stopped by {signal.Signals(signum).name}" in ended.log
    assert ended.states[-1] == {"read": 50}
    assert ended.summary["surveys"]["sent"] == len(sandbox.account.surveys) < 50
    assert ended.summary["surveys"]["sent"] + ended.summary["surveys"]["pending"] == 50
    assert ended.summary["contacts"]["synced"] + ended.summary["contacts"]["pending"] == 50


def test_while_requests_hang(programs: Programs, sandbox: SandboxServer, config: dict[str, Any]) -> None:
    """Requests without an answer hold the end up for seconds only; they stay claimed, and are not soon sent again."""
    sandbox.set_faults(Faults(rate=1.0, kinds=("hang",)))
    running = programs.start(config=config, messages=people(10), constants=REAL_CLOCK)
    until(lambda: sandbox.account.ledger.busiest_minute >= 10)
    began = time.monotonic()
    running.kill(signal.SIGTERM)
    ended = running.wait()
    assert time.monotonic() - began < LONGEST_STOP
    assert ended.status == 1
    assert ended.summary["surveys"]["pending"] == 10
    sandbox.set_faults(Faults())
    again = programs.start("deliver", config=config, constants=REAL_CLOCK)
    time.sleep(0.5)
    again.kill(signal.SIGTERM)
    assert again.wait().summary["surveys"] == ended.summary["surveys"]
    assert sandbox.account.surveys == []


def test_while_the_store_is_held(programs: Programs, postgres_url: str, config: dict[str, Any], tmp_path: Path) -> None:
    """A run that waits for another program's lock ends all the same; it prints no state of what it could not keep."""
    config["store_url"] = postgres_url
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    running = programs.start(config=config, messages=fifo, constants=REAL_CLOCK)
    with fifo.open("w", encoding="utf-8") as tap:
        tap.write("".join(json.dumps(one) + "\n" for one in people(2)))
        tap.flush()
        until(lambda: running.states)
        with psycopg.connect(postgres_url) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", [0x50524F4D4F544552])
            tap.write("".join(json.dumps(one) + "\n" for one in [identify("x", 1.0, email="x@example.com"), state(3)]))
            tap.flush()
            time.sleep(0.5)
            began = time.monotonic()
            running.kill(signal.SIGTERM)
            ended = running.wait()
    assert time.monotonic() - began < LONGEST_STOP
    assert ended.status == 1
    assert ended.states == [{"read": 2}]
    assert "another program holds it" in ended.log


@pytest.mark.parametrize(
    ("trials", "stops"),
    [
        pytest.param(20, 6, id="120 runs"),
        pytest.param(170, 6, id="1020 runs", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
def test_stopped_at_any_moment(trials: int, stops: int, tmp_path: Path) -> None:
    """A run ends within ten seconds, never with 0 while work is left, and the next ones lose and repeat nothing.

    Most stops are about a state line, the end of the input, and the start and the end of delivery.
    """
    parts = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        parts.append((folder, range(number, trials, 2)))
    with ThreadPoolExecutor(len(parts)) as pool:
        jobs = [pool.submit(stop_many, folder, seeds=seeds, stops=stops) for folder, seeds in parts]
        statuses: Counter[tuple[str, int]] = Counter()
        for job in jobs:
            statuses += job.result()
    assert statuses.total() == trials * stops
    assert sum(number for (_, status), number in statuses.items() if status == 1) > statuses.total() / 4
    print(f"\n{statuses}")  # noqa: T201 - shown with -s


def test_a_stopped_run_loses_nothing(programs: Programs, sandbox: SandboxServer, config: dict[str, Any]) -> None:
    """Stopped again and again and gone on from its last state, each person is surveyed once in the end."""
    shop = Shop(40, 7)
    config["requests_per_minute"] = 1800
    printed: list[Any] = []
    for number in range(8):
        running = programs.start(config=config, messages=shop.after(printed))
        while not running.has_ended and len(sandbox.account.surveys) < 4 * number:
            time.sleep(0.001)
        running.kill(signal.SIGTERM)
        ended = running.wait()
        printed += ended.states
    assert programs.run(config=config, messages=shop.after(printed)).status == 0
    check(shop, sandbox.account, config["store_url"])
