"""The store under trouble: a sentence, a failed run where work is left, and nothing sent that is not recorded."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from target_promoter.sandbox.faults import Faults
from target_promoter.store import schema
from target_promoter.store.database import open_store
from tests.conftest import own_postgres, program, run_program
from tests.e2e.shop import Shop, Watch, check
from tests.programs import SETTLING, SHORT_CLOCK, Programs, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_promoter.sandbox.server import SandboxServer
    from tests.conftest import Postgres

HELD = {
    **SHORT_CLOCK,
    "target_promoter.store.database.LOCK_TIMEOUT_SECONDS": 1.0,
    "target_promoter.store.database.ATTEMPT_SECONDS": 0.5,
}
LOST = {**SHORT_CLOCK, "target_promoter.store.database.RECONNECT_SECONDS": 1.0}
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Yield what starts the program."""
    with Programs(tmp_path_factory.mktemp("programs")) as started:
        yield started


def nothing_unrecorded(watch: Watch, store_url: str) -> None:
    """Check that each survey the account was asked for is claimed or settled in the store."""
    store = open_store(store_url, now=1.0)
    query = select(schema.surveys.c.message_id).where(schema.surveys.c.status.not_in(("queued", "waiting")))
    recorded = store.read(lambda connection: set(connection.scalars(query)))
    store.close()
    assert set(watch.asked) <= recorded


def with_version(path: Path, version: int) -> None:
    """Write another schema version into a store."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET value = ? WHERE name = 'schema_version'", [str(version)])


@pytest.mark.parametrize("kilobytes", [350, 500])
def test_the_disk_is_full(
    kilobytes: int, programs: Programs, sandbox: SandboxServer, config: dict[str, Any], tmp_path: Path
) -> None:
    """Whether intake or delivery meets it: a sentence, exit 1, and after making room all goes on."""
    shop, watch = Shop(400, kilobytes), Watch(sandbox.account)
    config["batch_size_rows"] = 100
    full = programs.run(config=config, messages=shop.messages, largest_file=kilobytes * 1024)
    assert full.status == 1
    assert "disk" in full.log
    assert "Traceback" not in full.log
    if (tmp_path / "store.db").stat().st_size:
        nothing_unrecorded(watch, config["store_url"])
    ended = programs.run(config=config, messages=shop.after(full.states))
    assert ended.status == 0, ended.log
    check(shop, sandbox.account, config["store_url"])


def test_the_file_is_read_only(sandbox: SandboxServer, config: dict[str, Any], tmp_path: Path) -> None:
    """A file that this user may not write to is refused before anything is sent."""
    shop = Shop(3, 1)
    path = tmp_path / "store.db"
    open_store(config["store_url"], now=time.time()).close()
    path.chmod(0o400)

    def as_anybody() -> None:  # Root may write to anything unless it gives that up.
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)

    (tmp_path / "input").write_text("", encoding="utf-8")
    command = program("deliver", config=config, cwd=tmp_path)
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=as_anybody, check=False)
    assert done.returncode == 1
    assert "cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr
    assert shop.messages
    assert sandbox.account.requests == []


def test_another_program_holds_the_file(
    programs: Programs, sandbox: SandboxServer, config: dict[str, Any], tmp_path: Path
) -> None:
    """A short hold is waited for; a long one ends the run, with what was sent still known."""
    shop, watch = Shop(60, 2), Watch(sandbox.account)
    config["requests_per_minute"] = 1200
    running = programs.start(config=config, messages=shop.messages, constants=HELD)
    until(lambda: len(sandbox.account.surveys) >= 3)
    holder = sqlite3.connect(tmp_path / "store.db", isolation_level=None, timeout=30)
    holder.execute("BEGIN IMMEDIATE")
    ended = running.wait()
    assert ended.status == 1
    assert "another program holds it" in ended.log
    holder.execute("ROLLBACK")
    holder.close()
    nothing_unrecorded(watch, config["store_url"])
    again = programs.start("deliver", config=config)
    holder = sqlite3.connect(tmp_path / "store.db", isolation_level=None, timeout=30)
    holder.execute("BEGIN IMMEDIATE")
    time.sleep(0.3)
    holder.execute("ROLLBACK")
    assert again.wait().status == 0
    check(shop, sandbox.account, config["store_url"])
    assert watch.closest() >= SETTLING


@pytest.fixture
def server_of_its_own() -> Iterator[Postgres]:
    """Yield a PostgreSQL server that a test may stop."""
    with own_postgres() as server:
        yield server


def test_postgresql_goes_and_comes_back(
    programs: Programs, sandbox: SandboxServer, config: dict[str, Any], server_of_its_own: Postgres
) -> None:
    """A run lives through a restart of the database in its middle, again and again; if it stays away the run fails."""
    shop, watch = Shop(60, 3), Watch(sandbox.account)
    config |= {"store_url": server_of_its_own.new_database(), "requests_per_minute": 1800}
    running = programs.start(config=config, messages=shop.messages)
    for number in (5, 20, 40):
        until(lambda number=number: len(watch.asked) >= number)  # type: ignore[misc] # a closure
        server_of_its_own.stop()
        server_of_its_own.start()
    ended = running.wait()
    assert ended.status == 0, ended.log
    check(shop, sandbox.account, config["store_url"])
    assert watch.closest() >= SETTLING
    server_of_its_own.stop()
    away = programs.run(
        "deliver", config=config, constants={**LOST, "target_promoter.store.database._OPENING_SECONDS": 1}
    )
    assert away.status == 1
    assert "see that the database runs" in away.log
    assert "Traceback" not in away.log


def test_postgresql_stays_away(
    programs: Programs, sandbox: SandboxServer, config: dict[str, Any], server_of_its_own: Postgres
) -> None:
    """Lost in mid-run and not back in time: a sentence and exit 1; the next run sends what is left, nothing twice."""
    shop, watch = Shop(40, 4), Watch(sandbox.account)
    config |= {"store_url": server_of_its_own.new_database(), "requests_per_minute": 1800}
    running = programs.start(config=config, messages=shop.messages, constants=LOST)
    until(lambda: len(sandbox.account.surveys) >= 5)
    server_of_its_own.stop()
    ended = running.wait()
    assert ended.status == 1
    assert "see that the database runs" in ended.log
    assert "Run summary: " in ended.log
    server_of_its_own.start()
    nothing_unrecorded(watch, config["store_url"])
    assert programs.run(config=config, messages=shop.after(ended.states)).status == 0
    check(shop, sandbox.account, config["store_url"])


@pytest.mark.parametrize(("version", "fix"), [(0, "name another store"), (999, "install the newer target-promoter")])
def test_another_schema_version(
    version: int, fix: str, programs: Programs, sandbox: SandboxServer, config: dict[str, Any], tmp_path: Path
) -> None:
    """An older or newer store is refused before anything is sent, with what to do."""
    open_store(config["store_url"], now=time.time()).close()
    with_version(tmp_path / "store.db", version)
    ended = programs.run(config=config, messages=Shop(3, 5).messages)
    assert ended.status == 1
    assert fix in ended.log
    assert ended.states == []
    assert sandbox.account.requests == []


@pytest.mark.parametrize("damage", ["no store at all", "its middle overwritten"])
def test_a_corrupt_file(
    damage: str, programs: Programs, sandbox: SandboxServer, config: dict[str, Any], tmp_path: Path
) -> None:
    """A file that is no store, or is damaged, is a sentence: nothing more is sent, no state is printed."""
    path = tmp_path / "store.db"
    if damage == "no store at all":
        path.write_bytes(b"this was never a database" * 100)
    else:
        assert programs.run(config=config, messages=Shop(20, 6).messages).status == 0
        content = path.read_bytes()
        path.write_bytes(content[:4096] + os.urandom(len(content) - 4096))
    asked = len(sandbox.account.requests)
    ended = programs.run(config=config, messages=Shop(20, 7).messages)
    assert ended.status == 1
    assert "damaged" in ended.log
    assert "Traceback" not in ended.log
    assert ended.states == []
    assert len(sandbox.account.requests) == asked


def test_another_accounts_store(programs: Programs, sandbox: SandboxServer, config: dict[str, Any]) -> None:
    """A store belongs to the account of its first answer: another key or address is refused, and nothing sent."""
    assert programs.run(config=config, messages=Shop(3, 8).messages).status == 0
    asked = len(sandbox.account.requests)
    other_key = programs.run("deliver", config={**config, "api_key": "other"})
    assert other_key.status == 1
    assert "another API key" in other_key.log
    other_address = programs.run("deliver", config={**config, "api_url": "https://app.promoter.io/api"})
    assert other_address.status == 1
    assert "belongs to the account at" in other_address.log
    assert len(sandbox.account.requests) == asked


def test_a_sandbox_store_for_production(tmp_path: Path) -> None:
    """A store that was tried with the embedded sandbox refuses a production key."""
    messages = Shop(2, 9).messages
    tried = run_program(
        config={"api_url": "sandbox", "campaigns": {"Order Completed": 78}}, messages=messages, cwd=tmp_path
    )
    assert tried.status == 0, tried.log
    url = f"sqlite:///{tmp_path / 'target-promoter-sandbox.db'}"
    refused = run_program(config={"api_key": "live", "store_url": url}, messages=messages, cwd=tmp_path)
    assert refused.status == 1
    assert "belongs to the account at sandbox" in refused.log
    assert refused.states == []


@pytest.mark.parametrize(("hours", "outcome_of_all"), [(1, "throttled"), (30, "stale")])
def test_a_lost_store(
    hours: float,
    outcome_of_all: str,
    programs: Programs,
    sandbox: SandboxServer,
    config: dict[str, Any],
    tmp_path: Path,
) -> None:
    """Nobody is surveyed twice: within its throttle Promoter refuses, and later the events are too old."""
    shop = Shop(10, 10, now=time.time() - hours * 3600)
    first = programs.run(config=config, messages=shop.messages)
    assert first.summary["surveys"]["sent"] == (10 if hours == 1 else 0)
    sandbox.account.advance(25 if hours > 24 else 0)
    for path in tmp_path.glob("store.db*"):
        path.unlink()
    sent = len(sandbox.account.surveys)
    again = programs.run(config=config, messages=shop.messages)
    assert again.status == 0, again.log
    assert again.summary["surveys"]["sent"] == 0
    assert again.summary["surveys" if outcome_of_all == "throttled" else "track"][outcome_of_all] > 0
    assert len(sandbox.account.surveys) == sent


def test_an_answer_that_never_came_and_a_full_disk(
    programs: Programs, sandbox: SandboxServer, config: dict[str, Any]
) -> None:
    """What could not be settled stays claimed with its whole request, and is settled by the next run."""
    sandbox.set_faults(Faults(rate=1.0, kinds=("reset_after",), times=5, only="/survey/"))
    shop = Shop(5, 11)
    ended = programs.run(config=config, messages=shop.messages)
    assert ended.status == 0, ended.log
    assert ended.summary["surveys"]["presumed"] == 5
    check(shop, sandbox.account, config["store_url"])
