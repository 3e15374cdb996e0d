"""Mirrored streams: whoever the newest version of a table lacks loses what that table alone said."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from target_promoter.config.settings import Settings
from target_promoter.intake import mirror
from target_promoter.intake.mirror import VersionReading
from target_promoter.records.streams import recognize
from target_promoter.sandbox.faults import Faults
from target_promoter.store import schema as tables
from target_promoter.store.database import open_store
from target_promoter.target import TargetPromoter
from tests.documentation import RECIPES
from tests.e2e.environments import TAP_POSTGRES, programs
from tests.e2e.test_taps import PIPELINEWISE, Tap, discovered, pipeline
from tests.program import CALLS, command, order
from tests.programs import Outcome, Programs, until
from tests.tap import Run, schema, state, sync

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from target_promoter.sandbox.server import SandboxServer
    from target_promoter.store.transaction import Transaction
    from tests.conftest import Postgres

TEXT = {"type": ["null", "string"]}
COLUMNS: dict[str, Any] = {
    "properties": {"id": TEXT, "email": TEXT, "plan": TEXT, "vip": {"type": ["null", "boolean"]}}
}
VIPS = {"type": "identify", "fields": {"user_id": "id"}, "traits": ["*"], "contact_lists": [7], "mirror": True}


@pytest.fixture
def shop(config: dict[str, Any], sandbox: SandboxServer) -> dict[str, Any]:
    """Return the config of a shop with a mirrored view of its best customers."""
    assert sandbox.account.add_list("VIPs").id == 7
    return config | {"streams": {"vips": VIPS, "customers": {**VIPS, "contact_lists": [], "mirror": False}}}


def row(number: int, version: int | None, stream: str = "vips", **more: object) -> dict[str, Any]:
    """Return a RECORD of a person."""
    values = {"id": str(number), "email": f"p{number}@example.com", "vip": True, "plan": "gold", **more}
    message = {"type": "RECORD", "stream": stream, "record": values}
    return message if version is None else {**message, "version": version}


def activate(version: int, stream: str = "vips") -> dict[str, Any]:
    """Return an ACTIVATE_VERSION message."""
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}


def view(version: int, people: Iterable[int]) -> list[dict[str, Any]]:
    """Return what PipelineWise's tap sends of a table."""
    rows = [row(number, version) for number in people]
    return [schema("vips", COLUMNS), *rows, activate(version), state({"version": version})]


def sdk_view(version: int, people: Iterable[int], *, ends: bool = True) -> list[dict[str, Any]]:
    """Return what a tap of Meltano's SDK sends of a table: the version at its begin, state at its end."""
    rows = [row(number, version) for number in people]
    return [schema("vips", COLUMNS), activate(version), *rows, *([state({"bookmarks": {}})] if ends else [])]


def attributes(sandbox: SandboxServer, number: int) -> dict[str, object]:
    """Return a person's attributes at Promoter but for the user id."""
    found = dict(sandbox.account.contacts[f"p{number}@example.com"].attributes)
    del found["user_id"]
    return found


def lists(sandbox: SandboxServer, number: int) -> tuple[int, ...]:
    """Return the lists that a person is on."""
    return sandbox.account.contacts[f"p{number}@example.com"].lists


def assert_unchanged(run: Run, sandbox: SandboxServer, number: int, words: str, status: int = 0) -> None:
    """Nobody left, and the run says why."""
    assert run.status == status
    assert words in run.log
    assert attributes(sandbox, number)["vip"] == "true"
    assert 7 in lists(sandbox, number)


@pytest.mark.parametrize("tap", [view, sdk_view])
def test_who_left_the_view_leaves_the_audience_and_its_lists(
    shop: dict[str, Any],
    sandbox: SandboxServer,
    tap: Any,  # noqa: ANN401 - one of two functions
) -> None:
    """True becomes false, other traits go, the list is left; who stays costs no request, and who comes back is back."""
    assert sync(shop, tap(1, [1, 2, 3])).status == 0
    run = sync(shop, tap(2, [1, 3]))
    assert run.status == 0, run.log
    assert attributes(sandbox, 2) == {"vip": "false"}
    assert 7 not in lists(sandbox, 2)
    assert attributes(sandbox, 1) == {"vip": "true", "plan": "gold"}
    assert run.summary["identify"]["unchanged"] == 2
    assert run.summary["api"]["requests"] == 2
    assert run.summary["contacts"] == {**run.summary["contacts"], "synced": 1, "pending": 0}
    assert sync(shop, tap(3, [1, 3])).summary["api"]["requests"] == 0
    run = sync(shop, tap(4, [1, 2, 3]))
    assert run.summary["api"]["requests"] == 1
    assert attributes(sandbox, 2) == {"vip": "true", "plan": "gold"}
    assert 7 in lists(sandbox, 2)


def test_a_store_on_postgresql(shop: dict[str, Any], sandbox: SandboxServer, postgres: Postgres) -> None:
    """It holds the versions as a file does."""
    shop["store_url"] = postgres.new_database().replace("postgresql://", "postgresql+psycopg://")
    sync(shop, view(1, [1, 2, 3]))
    sync(shop, view(2, [1, 3]))
    assert attributes(sandbox, 2) == {"vip": "false"}
    assert attributes(sandbox, 3)["vip"] == "true"
    assert sync(shop, view(3, [1, 3])).summary["api"]["requests"] == 0


def test_a_view_that_is_empty_keeps_nobody(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Of a few people all may leave at once."""
    sync(shop, view(1, [1, 2]))
    assert sync(shop, view(2, [])).status == 0
    assert attributes(sandbox, 1) == attributes(sandbox, 2) == {"vip": "false"}


def test_a_view_that_lost_more_than_a_fifth_changes_nobody_and_fails(
    shop: dict[str, Any], sandbox: SandboxServer
) -> None:
    """Eleven of forty are too many; eight of forty are not."""
    sync(shop, view(1, range(1, 41)))
    assert_unchanged(sync(shop, view(2, range(1, 30))), sandbox, 35, "lacks 11 of 40 people", status=1)
    run = sync(shop, view(3, range(1, 33)))
    assert run.status == 0, run.log
    assert attributes(sandbox, 35) == {"vip": "false"}
    assert attributes(sandbox, 30)["vip"] == "true"


def test_half_a_version_changes_nobody(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Neither one that was announced alone, nor one whose rows stopped coming, nor one that is still being read."""
    sync(shop, view(1, [1, 2, 3]))
    ended_early = "before the table version of the mirrored stream `vips` was read to its end"
    assert_unchanged(sync(shop, [schema("vips", COLUMNS), activate(2)]), sandbox, 2, ended_early)
    assert_unchanged(sync(shop, view(3, [1])[:-2]), sandbox, 2, "no table version")
    assert_unchanged(sync(shop, sdk_view(4, [1], ends=False)), sandbox, 2, ended_early)
    reading = [*sdk_view(5, [1], ends=False), state({"currently_syncing": "vips", "bookmarks": {}})]
    assert_unchanged(sync(shop, reading), sandbox, 2, ended_early)
    # What was read of a version that was stopped does not count for the next one.
    sync(shop, view(6, [1, 3]))
    assert attributes(sandbox, 2) == {"vip": "false"}


def test_a_version_that_is_read_on_after_a_stop_is_one(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """PipelineWise's tap goes on with the version it stopped in, and sends the rest of the rows alone."""
    sync(shop, view(1, [1, 2, 3]))
    sync(shop, view(2, [1])[:-2])
    run = sync(shop, view(2, [3]))
    assert run.status == 0
    assert attributes(sandbox, 1)["vip"] == attributes(sandbox, 3)["vip"] == "true"
    assert attributes(sandbox, 2) == {"vip": "false"}


def test_a_stream_without_versions_changes_nobody(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Whether no version is named at all, or rows come without one, or the same one comes each time."""
    sync(shop, view(5, [1, 2]))
    rows = [schema("vips", COLUMNS), row(1, None)]
    assert_unchanged(sync(shop, rows), sandbox, 2, "sent no table version (ACTIVATE_VERSION)")
    assert_unchanged(sync(shop, [*rows, activate(6), state({"a": 1})]), sandbox, 2, "read to its end")
    assert_unchanged(sync(shop, sdk_view(5, [1])), sandbox, 2, "no newer table version")
    assert_unchanged(sync(shop, sdk_view(4, [1])), sandbox, 2, "no newer table version")


def test_a_stream_that_was_read_by_and_by_is_not_mistaken_for_one_read_in_full(
    shop: dict[str, Any], sandbox: SandboxServer
) -> None:
    """An incremental tap names the same version in each run; `mirror` switched on later takes nobody off."""
    mirrored, shop["streams"] = shop["streams"], {"vips": {**VIPS, "mirror": False}}
    sync(shop, sdk_view(1, [1, 2, 3]))
    shop["streams"] = mirrored
    assert_unchanged(sync(shop, sdk_view(1, [1])), sandbox, 2, "no newer table version")
    assert "read otherwise" not in sync(shop, view(2, [1, 3])).log
    assert attributes(sandbox, 2) == {"vip": "false"}


def test_what_another_stream_says_stands(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Two streams say the same trait: only what one alone said goes with it."""
    second = row(2, None, "customers")
    del second["record"]["vip"]
    customers = [schema("customers", COLUMNS), row(1, None, "customers", plan=None), second]
    sync(shop, [*view(1, [1, 2, 3]), *customers])
    sync(shop, view(2, [3]))
    assert attributes(sandbox, 1) == {"vip": "true"}
    assert attributes(sandbox, 2) == {"vip": "false", "plan": "gold"}


def test_a_rejected_or_blocked_row_is_there(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Whoever's row cannot be taken has not left."""
    sync(shop, view(1, [1, 2, 3, 4]))
    bad = row(2, 2, vip="certainly")
    run = sync(shop, [schema("vips", COLUMNS), row(1, 2), bad, row(3, 2, email="none"), activate(2), state(2)])
    assert run.summary["identify"]["rejected"] == 1
    assert attributes(sandbox, 2)["vip"] == attributes(sandbox, 3)["vip"] == "true"
    assert attributes(sandbox, 4) == {"vip": "false"}


def test_of_several_rows_of_a_person_the_one_that_is_left_stands(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Rows are known by their key: a person leaves with the last of them."""
    columns = {"properties": {**COLUMNS["properties"], "person": TEXT}}
    shop["streams"] = {"vips": {**VIPS, "fields": {"user_id": "person"}, "traits": ["vip", "plan"]}}

    def rows(version: int, *keys: str) -> list[dict[str, Any]]:
        made = [row(7, version, id=key, person="7", plan=f"plan {key}") for key in keys]
        return [schema("vips", columns), *made, row(8, version, id="x", person="8"), activate(version), state(version)]

    sync(shop, rows(1, "a", "b"))
    assert attributes(sandbox, 7)["plan"] == "plan b"
    sync(shop, rows(2, "a"))
    assert attributes(sandbox, 7) == {"vip": "true", "plan": "plan a"}
    sync(shop, rows(3))
    assert attributes(sandbox, 7) == {"vip": "false"}


def test_the_address_and_the_name_stay(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Else nobody could be told that the person left."""
    columns = {"properties": {**COLUMNS["properties"], "first_name": TEXT}}
    sync(shop, [schema("vips", columns), row(1, 1, first_name="Ann"), row(2, 1), activate(1), state(1)])
    sync(shop, view(2, [2]))
    assert sandbox.account.contacts["p1@example.com"].first_name == "Ann"


def test_a_dry_run_says_who_would_leave(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """It changes nobody, neither in the store nor at Promoter."""
    sync(shop, view(1, [1, 2]))
    before = len(sandbox.account.requests)
    sync(shop | {"dry_run": True}, view(2, [1]))
    assert len(sandbox.account.requests) == before
    sync(shop, view(3, [1, 2]))
    assert len(sandbox.account.requests) == before


def test_a_contact_that_is_on_the_list_no_more_counts_as_taken_off(
    shop: dict[str, Any], sandbox: SandboxServer
) -> None:
    """Somebody took it off by hand; Promoter's answer makes no difference."""
    sync(shop, view(1, [1, 2]))
    sandbox.account.leave_list(7, "p2@example.com")
    run = sync(shop, view(2, [1]))
    assert run.status == 0
    assert run.summary["contacts"]["pending"] == 0


@pytest.mark.parametrize("begins", [[], [activate(2)]], ids=["PipelineWise", "SDK"])
def test_a_stop_within_a_version_changes_nobody(
    shop: dict[str, Any], sandbox: SandboxServer, tmp_path: Path, begins: list[dict[str, Any]]
) -> None:
    """SIGTERM comes when half of the rows are read: they are kept, nobody left, and the next whole version decides."""
    sync(shop, view(1, range(1, 9)))
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    half = [schema("vips", COLUMNS), *begins, *(row(one, 2, plan="lead") for one in (1, 2, 3))]
    with Programs(tmp_path) as programs:
        running = programs.start(config=shop, messages=fifo, constants={})
        with fifo.open("w", encoding="utf-8") as tap:
            tap.writelines(f"{json.dumps(one)}\n" for one in (*half, state({"currently_syncing": "vips"}), row(4, 2)))
            tap.flush()
            until(lambda: running.states)
            running.kill(signal.SIGTERM)
            stopped = running.wait()
    assert stopped.status == 1
    assert stopped.summary["identify"]["changed"] == 3
    assert "left" not in stopped.log
    sync(shop, [])
    assert attributes(sandbox, 1) == {"vip": "true", "plan": "lead"}
    for number in range(4, 9):
        assert (attributes(sandbox, number)["vip"], 7 in lists(sandbox, number)) == ("true", True)
    sync(shop, view(3, range(1, 8)) if not begins else sdk_view(3, range(1, 8)))
    assert attributes(sandbox, 7)["vip"] == "true"
    assert attributes(sandbox, 8) == {"vip": "false"}


def test_blocked_and_forgotten_people_of_a_version(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Whose row says not to send it is there; who was forgotten is not known by it again, and nobody misses them."""
    columns = {"properties": {**COLUMNS["properties"], "integrations": {"type": ["null", "object"]}}}
    sync(shop, view(1, range(1, 5)))
    assert command("forget", "3", config=shop).exit_code == 0
    rows = [row(1, 2), row(2, 2, integrations={"All": False}), row(3, 2)]
    run = sync(shop, [schema("vips", columns), *rows, activate(2), state(2)])
    assert run.status == 0, run.log
    assert run.summary["identify"]["blocked"] == 2
    assert attributes(sandbox, 2) == {"vip": "true", "plan": "gold"}
    assert attributes(sandbox, 4) == {"vip": "false"}
    assert seen_in_versions(shop) == {("1", 2), ("2", 2)}
    assert sync(shop, view(3, [1, 2])).summary["api"]["requests"] == 0


def test_promoter_refuses_to_take_somebody_off_a_list(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """The attribute is changed all the same; the refusal is told in the run and the report, and not tried for ever."""
    sync(shop, view(1, [1, 2]))
    sandbox.set_faults(Faults(rate=1.0, kinds=("error",), statuses=(400,), only="/remove/"))
    run = sync(shop, view(2, [1]))
    sandbox.set_faults(Faults())
    assert run.summary["contacts"] == {**run.summary["contacts"], "refused": 1, "pending": 0}
    assert "refused" in run.log
    assert (attributes(sandbox, 2), 7 in lists(sandbox, 2)) == ({"vip": "false"}, True)
    assert "the list 7 was not left" in command("report", config=shop).output
    assert sync(shop, view(3, [1])).summary["api"]["requests"] == 0
    # Who comes back is on the list, and may leave it again.
    sync(shop, view(4, [1, 2]))
    assert attributes(sandbox, 2) == {"vip": "true", "plan": "gold"}
    sync(shop, view(5, [1]))
    assert (attributes(sandbox, 2), 7 in lists(sandbox, 2)) == ({"vip": "false"}, False)


def leave_undelivered(shop: dict[str, Any], version: int, people: Iterable[int]) -> None:
    """Take a version that lacks people as a run does that is killed before its first request."""
    stream = recognize("vips", COLUMNS, ["id"], Settings.from_config(shop))
    reading = VersionReading()
    reading.record(version)
    reading.activate(version)

    def work(tx: Transaction) -> None:
        mirror.mark_rows(tx, "vips", version, [(str(one), "") for one in people])
        mirror.take_version(tx, stream, reading, time.time(), unnamed=0)

    with contextlib.closing(open_store(shop["store_url"], now=0)) as store:
        store.write(work)


def test_who_comes_back_before_the_requests_were_sent(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Left with one version and back with the next, the contact is as it was: no request, and the list is not left."""
    sync(shop, view(1, [1, 2, 3]))
    leave_undelivered(shop, 2, [1, 3])
    assert sync(shop, view(3, [1, 2, 3])).summary["api"]["requests"] == 0
    assert (attributes(sandbox, 2), 7 in lists(sandbox, 2)) == ({"vip": "true", "plan": "gold"}, True)


def test_a_store_is_moved_while_people_leave(shop: dict[str, Any], sandbox: SandboxServer, postgres: Postgres) -> None:
    """Whom the version had, which lists are to be left, what was pulled: all goes along, and the new store ends it."""
    sync(shop, view(1, [1, 2, 3]))
    sandbox.account.unsubscribe("p3@example.com")
    assert command("pull", config=shop).exit_code == 0
    leave_undelivered(shop, 2, [1, 3])
    new = postgres.new_database()
    assert command("move", new, config=shop).exit_code == 0
    shop["store_url"] = new
    sandbox.account.ledger.reset()
    assert sync(shop, []).summary["api"]["requests"] == 2
    assert (attributes(sandbox, 2), 7 in lists(sandbox, 2)) == ({"vip": "false"}, False)
    assert sync(shop, view(3, [1, 3])).summary["api"]["requests"] == 0
    run = sync(shop, [CALLS, order("o-1", "1"), order("o-3", "3")])
    assert (run.summary["surveys"]["sent"], run.summary["surveys"]["withheld"]) == (1, 1)
    sync(shop, view(4, [3]))
    assert attributes(sandbox, 1)["vip"] == "false"


def seen_in_versions(shop: dict[str, Any]) -> set[tuple[str, int]]:
    """Return the people of the versions that the store knows, each with the number of the last one."""
    with contextlib.closing(open_store(shop["store_url"], now=0)) as store:
        rows = store.read(lambda tx: tx.execute(select(tables.version_rows)).all())
    return {(user, version) for _, user, _, version in rows}


def test_rows_of_a_version_are_kept_once(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """What was seen in a version is in the store, a row a person, and goes with those who left."""
    del sandbox
    sync(shop, view(1, range(1, 9)))
    sync(shop, view(2, range(1, 8)))
    assert seen_in_versions(shop) == {(str(number), 2) for number in range(1, 8)}


@pytest.mark.parametrize("tap", ["PipelineWise", "SDK"])
def test_taps_on_a_real_database(
    config: dict[str, Any], sandbox: SandboxServer, postgres: Postgres, tmp_path: Path, tap: str
) -> None:
    """The recipe, with PipelineWise's tap on a table (it reads no views in full), and the SDK's on a view."""
    number = sandbox.account.add_list("Loyal").id
    url = postgres.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE people (id integer PRIMARY KEY, email text, loyal boolean)")
        connection.execute("INSERT INTO people SELECT n, 'p' || n || '@example.com', true FROM generate_series(1, 3) n")
        connection.execute("CREATE VIEW loyal_customers AS SELECT * FROM people")
    name = "public-people" if tap == "PipelineWise" else "public-loyal_customers"
    recipe = json.loads(RECIPES["audience.json"])["streams"]["public-loyal_customers"]
    config["streams"] = {name: {**recipe, "contact_lists": [number]}}
    command = programs(PIPELINEWISE if tap == "PipelineWise" else TAP_POSTGRES) / "tap-postgres"
    address = psycopg.conninfo.conninfo_to_dict(url)
    login = {"user": "postgres", "password": "any", "dbname": address["dbname"], "filter_schemas": "public"}
    login |= {"host": address["host"], "port": int(str(address["port"]))}
    sdk = {"sqlalchemy_url": url.replace("postgres@", "postgres:any@"), "emit_activate_version_messages": True}
    (tmp_path / "tap.json").write_text(json.dumps(login if tap == "PipelineWise" else sdk), encoding="utf-8")
    made: Tap = [command, "--config", tmp_path / "tap.json"], discovered(command, tmp_path / "tap.json")
    joined = pipeline(made, name, "FULL_TABLE", "", config, tmp_path)

    def in_a_later_second() -> Outcome:
        # The SDK's table versions are whole seconds.
        second = int(time.time())
        until(lambda: int(time.time()) > second)
        return joined.run()

    assert joined.run().status == 0
    assert lists(sandbox, 2) == (number,)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM people WHERE id = 2")
    run = in_a_later_second()
    assert run.status == 0, run.log
    assert attributes(sandbox, 2) == {"loyal": "false"}
    assert number not in lists(sandbox, 2)
    assert attributes(sandbox, 1) == {"loyal": "true"}
    assert run.summary["api"]["requests"] == 2
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO people VALUES (2, 'p2@example.com', true)")
    assert joined.run().summary["api"]["requests"] == 1
    assert attributes(sandbox, 2) == {"loyal": "true"}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM people")
    assert in_a_later_second().status == 0
    assert attributes(sandbox, 1) == {"loyal": "false"}


def test_report_check_and_story_say_who_left(shop: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """How many are in, how many left, and of a person when and why."""
    del sandbox
    (tmp_path / "config.json").write_text(json.dumps(shop), encoding="utf-8")

    def told(*arguments: str) -> str:
        command = TargetPromoter.get_singer_command()
        return CliRunner().invoke(command, ["--config", str(tmp_path / "config.json"), *arguments]).output

    sync(shop, [schema("vips", COLUMNS), row(1, None)])
    assert "mirror vips: no table version was read yet" in told("check")
    sync(shop, view(1, [1, 2, 3]))
    (tmp_path / "sample.jsonl").write_text("".join(json.dumps(one) + "\n" for one in view(2, [1, 3])), encoding="utf-8")
    assert '1 person would leave "vips"' in told("check", "--input", str(tmp_path / "sample.jsonl"))
    sync(shop, view(2, [1, 3]))
    assert "mirror vips: 2 people in the table version read" in told("check")
    report = json.loads(told("report", "--format", "json"))
    (mirrored,) = report["contacts"]["mirrored"]
    assert (mirrored["stream"], mirrored["people"], mirrored["left"], mirrored["missing"]) == ("vips", 2, 1, 0)
    story = json.loads(told("report", "--format", "json", "--person", "2"))
    (moment,) = [one for one in story["moments"] if "Left vips" in one["what"]]
    assert "vip False" in moment["what"] or "vip false" in moment["what"]
    assert "the newest table version of vips lacks user id 2" in moment["why"]


def test_forget_and_drop_leave_nothing(shop: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """Neither of a person nor of a stream."""
    del sandbox
    (tmp_path / "config.json").write_text(json.dumps(shop), encoding="utf-8")
    sync(shop, view(1, [1, 2]))

    def rows(*arguments: str) -> set[str]:
        command = TargetPromoter.get_singer_command()
        done = CliRunner().invoke(command, ["--config", str(tmp_path / "config.json"), *arguments])
        assert done.exit_code == 0, done.output
        store = open_store(shop["store_url"], now=0)
        found = store.read(lambda tx: set(tx.scalars(select(tables.version_rows.c.user_id))))
        store.close()
        return found

    assert rows("forget", "2", "--yes") == {"1"}
    assert rows("drop", "vips") == set()


def test_mirror_is_for_people(shop: dict[str, Any]) -> None:
    """A stream of another type is refused."""
    shop["streams"] = {"*": {"mirror": True}}
    calls = schema("calls", {"properties": {"type": {}, "traits": {}, "userId": {}}})
    assert "is for tables of people" in sync(shop, [calls]).log
