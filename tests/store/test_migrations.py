"""A store of every version there was works on with this program; what can go wrong on the way leaves it as it was."""

from __future__ import annotations

import logging
import signal
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import inspect, select

from target_promoter.delivery import limit
from target_promoter.errors import StoreError
from target_promoter.people import people
from target_promoter.store import rejected, runs, schema
from target_promoter.store.database import Store, find_store, open_store
from target_promoter.store.dry_run import open_dry_run
from target_promoter.store.schema import SCHEMA_VERSION
from target_promoter.surveys.claims import Claim
from tests.delivering import Process, survey
from tests.house import NOW, House, at, identify, track
from tests.store.old_stores import VERSIONS, restore

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.store.transaction import Transaction

pytestmark = pytest.mark.slow

ANN = ("customers", {"id": 1, "email": "ann@example.com", "first_name": "Ann", "plan": "gold", "score": 12.5})
BOBS_REQUEST = (
    '{"campaign_id":78,"contact":{"email":"bob@example.com","first_name":"Bob","attributes":{"order_completed_at":'
    '"2025-06-15T14:06:40Z","order_completed_total":"20","user_id":"2"}},"attributes":{"total":20}}'
)
KILLED = """
import os, signal, sys
from target_promoter.store import migrations
from target_promoter.store.database import open_store
step = migrations._STEPS[-1]
migrations._STEPS = (*migrations._STEPS[:-1], lambda tx: (step(tx), os.kill(os.getpid(), signal.SIGKILL)))
open_store(sys.argv[1], now=1.0)
"""


@pytest.fixture(params=VERSIONS, ids=[f"version {version}" for version in VERSIONS])
def version(request: pytest.FixtureRequest) -> int:
    """Return each older version."""
    version: int = request.param
    return version


@pytest.fixture
def old_url(store_url: str, version: int) -> str:
    """Return the address of a store of an older version."""
    restore(store_url, version)
    return store_url


@pytest.fixture
def house(old_url: str) -> House:
    """Return a house that goes on with a store of an older version, two minutes later."""
    house = House(old_url)
    house.now = NOW + 120
    return house


def delivered(house: House) -> list[Any]:
    """Take turns for half a minute, and return all requests that were made; the limit gives a turn few."""
    process = Process(house)
    return [request for second in range(30) for request in process.turn(second).requests]


def surveyed(house: House) -> dict[str, str]:
    """Do the same and return the surveys' requests by address."""
    return {one.email: one.request for one in delivered(house) if isinstance(one, Claim)}


def version_in(url: str) -> str | None:
    """Return the version that a store has, whichever it is."""
    store = find_store(url, as_it_is=True)
    assert store is not None
    try:
        return store.read(lambda tx: runs.fact(tx, "schema_version"))
    finally:
        store.close()


def test_what_was_surveyed_or_waits_is_known(house: House) -> None:
    """An event that a survey was sent, refused, claimed or waits for leads to no second one."""
    orders = [("1", "o-1", 10.5), ("2", "o-2", 20), ("4", "o-4", 40)]
    calls = [track("Order Completed", who, messageId=order, total=total) for who, order, total in orders]
    assert house.take(*calls, track("Ticket Closed", "3", messageId="t-3")) == {"track": {"duplicate": 4}}


def test_a_claimed_survey_is_settled_with_the_very_same_request(house: House) -> None:
    """Bob's request may have been carried out: it is sent again word for word."""
    process = Process(house)
    bobs = [one for one in process.turn(0).requests if one.email == "bob@example.com"]
    assert [one.request for one in bobs] == [BOBS_REQUEST]  # type: ignore[union-attr] # a claim
    process.last = list(bobs)
    process.turn(1, "not_eligible", room=0)
    assert survey(house, "o-2").status == "presumed"


def test_a_survey_that_waits_goes_out_when_its_person_comes(house: House) -> None:
    """Both one that waits for a user id and one of an anonymous visitor, each with what the event said."""
    house.take(identify("77", "hal@example.com"), identify("10", "ida@example.com", anonymousId="anon-9"))
    sent = surveyed(house)
    assert '"attributes":{"total":77}' in sent["hal@example.com"]
    assert '"attributes":{"total":9}' in sent["ida@example.com"]
    assert house.attributes("hal@example.com")["order_completed_total"] == "77"
    assert house.attributes("ida@example.com")["order_completed_total"] == "9"


def test_a_survey_that_is_queued_goes_out_on_its_day_and_a_cancellation_counts(house: House) -> None:
    """Cy's survey is due a day after the event, at his new address; Eve reopened her ticket."""
    house.take(track("Ticket Closed", "5", hours=-2, messageId="t-5"))
    assert "cy@example.com" not in surveyed(house)
    house.now += 86_400
    assert "cy@example.com" in surveyed(house)
    assert survey(house, "t-5").status == "cancelled"


def test_who_was_surveyed_is_throttled(house: House) -> None:
    """Ann was surveyed two minutes ago."""
    house.take(track("Order Completed", "1", hours=0, messageId="next"))
    assert "ann@example.com" not in surveyed(house)
    assert survey(house, "next").status == "throttled"


def test_a_contact_that_was_sent_costs_no_request(house: House) -> None:
    """The same row again says nothing, and nothing of Ann is sent; what is new of her is merged with what was known."""
    assert house.take(ANN) == {"identify": {"unchanged": 1}}
    assert "ann@example.com" not in {one.email for one in delivered(house)}
    assert house.attributes("ann@example.com")["plan"] == "gold"
    house.take(("members", {"id": 1, "email": "ann@example.com", "plan": "silver", "updated_at": at(-40)}))
    assert house.attributes("ann@example.com")["plan"] == "gold"
    assert house.attributes("ann@example.com")["score"] == "12.5"
    house.take(("members", {"id": 1, "email": "ann@example.com", "plan": "platinum", "updated_at": at(2)}))
    assert house.attributes("ann@example.com")["plan"] == "platinum"


def test_who_waits_for_an_address_is_complete_when_it_comes(house: House) -> None:
    """What an audience said before is an attribute then."""
    house.take(identify("9", "joe@example.com"))
    assert house.attributes("joe@example.com") == {"plan": "waits for an address"}


def test_who_was_forgotten_is_blocked(house: House) -> None:
    """The salted marks still say who it was."""
    assert house.take(identify("6", "fay@example.com")) == {"identify": {"blocked": 1}}
    assert house.take(identify("66", "fay@example.com")) == {"identify": {"blocked": 1}}


def test_who_was_deleted_is_removed_and_stays_deleted(house: House) -> None:
    """An older call says nothing of Gus."""
    house.take(identify("7", "gus@example.com", hours=-2))
    assert "gus@example.com" not in house.forms


def test_an_anonymous_id_stands_for_its_person(house: House) -> None:
    """Cy was seen with his."""
    taken = house.take(track("Order Completed", None, anonymousId="anon-3", hours=0, messageId="cys"))
    assert taken == {"track": {"queued": 1}}


def test_what_the_account_and_the_streams_said_stays(house: House) -> None:
    """Rejected records, what a stream's SCHEMA was, the learned limit, whose a contact is, the runs and the account."""

    def found(tx: Transaction) -> dict[str, Any]:
        contacts, streams = schema.contacts.c, schema.streams.c
        calls = select(streams.name).where(streams.schema.contains("messageId"))
        runs.check_account(tx, "here", "https://promoter.example/api", "k")
        return {
            "rejected": [one.record for one in rejected.load(tx)],
            "owners": {row.email: row.user_id for row in tx.execute(select(contacts.email, contacts.user_id))},
            "streams": list(tx.scalars(calls)),
            "rate": limit.rate(tx, NOW + 120, limit=600.0),
            "runs": tx.sql("SELECT command, exit_status FROM runs").all(),
        }

    known = house.store.read(found)
    assert known["rejected"] == [{"id": 8, "email": "no address"}]
    assert known["owners"]["ann@example.com"] == "1"
    assert known["owners"]["cy@example.com"] == "3"
    assert known["streams"] == ["calls"]
    assert 150 < known["rate"] < 300
    assert [tuple(row) for row in known["runs"]] == [("sync", 0)]
    with pytest.raises(StoreError, match="another API key"):
        house.store.read(lambda tx: runs.check_account(tx, "here", "https://promoter.example/api", "other"))


def tables_of(store: Store) -> dict[str, Any]:
    """Return tables, columns and indexes of a store, as the database describes them."""

    def describe(tx: Transaction) -> dict[str, Any]:
        found = inspect(tx.connection)
        return {
            table: {
                "columns": {
                    column["name"]: (str(column["type"]), column["nullable"], column["default"])
                    for column in found.get_columns(table)
                },
                "key": found.get_pk_constraint(table)["constrained_columns"],
                "unique": [one["column_names"] for one in found.get_unique_constraints(table)],
                "indexes": {one["name"]: one["column_names"] for one in found.get_indexes(table)},
            }
            for table in found.get_table_names()
        }

    return store.read(describe)


def test_a_migrated_store_has_the_tables_of_a_new_one(
    house: House, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Else the steps and `schema.py` say two things."""
    sqlite = house.store.is_sqlite
    new = open_store(
        f"sqlite:///{tmp_path / 'new.db'}" if sqlite else request.getfixturevalue("new_postgres_url")(), now=NOW
    )
    assert tables_of(house.store) == tables_of(new)
    new.close()


def test_the_file_as_it_was_is_kept_beside_it(tmp_path: Path, version: int, caplog: pytest.LogCaptureFixture) -> None:
    """Whole, for its owner alone, and named in the log: whoever goes back to the older program needs it."""
    path = tmp_path / "store.db"
    restore(f"sqlite:///{path}", version)
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        open_store(f"sqlite:///{path}", now=NOW).close()
    kept = tmp_path / f"store.db.version-{version}"
    assert str(kept) in caplog.text
    assert {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {"store.db": 0o600, kept.name: 0o600}
    assert version_in(f"sqlite:///{kept}") == str(version)
    with sqlite3.connect(kept) as file:
        assert file.execute("SELECT count(*) FROM people").fetchone() == (7,)
    file.close()


def test_two_programs_at_once_migrate_it_once(old_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever comes second finds it done."""
    failures: list[BaseException] = []

    def open_it() -> None:
        try:
            open_store(old_url, now=NOW).close()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    programs = [threading.Thread(target=open_it) for _ in range(4)]
    with caplog.at_level(logging.WARNING):
        for program in programs:
            program.start()
        for program in programs:
            program.join(60)
    assert failures == []
    assert caplog.text.count("was upgraded from version") == 1
    assert version_in(old_url) == str(SCHEMA_VERSION)


def test_a_kill_in_the_middle_leaves_the_old_store(old_url: str, version: int) -> None:
    """The next program that opens it begins anew."""
    killed = subprocess.run([sys.executable, "-c", KILLED, old_url], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert version_in(old_url) == str(version)
    house = House(old_url)
    assert version_in(old_url) == str(SCHEMA_VERSION)
    assert house.take(ANN) == {"identify": {"unchanged": 1}}


def test_a_program_that_still_runs_stops_when_a_newer_one_changes_the_store(store_url: str) -> None:
    """It refuses at its next transaction, and so does whoever opens it."""
    running = open_store(store_url, now=NOW)
    running.write(lambda tx: runs.set_fact(tx, "noted", "yes"))
    newer = open_store(store_url, now=NOW)
    newer.write(lambda tx: runs.set_fact(tx, "schema_version", str(SCHEMA_VERSION + 1)))
    newer.close()
    with pytest.raises(StoreError, match="install the newer target-promoter"):
        running.write(lambda tx: runs.set_fact(tx, "noted", "no"))
    running.close()
    with pytest.raises(StoreError, match="install the newer target-promoter"):
        open_store(store_url, now=NOW)


@pytest.mark.parametrize("statement", ["SELECT mark FROM forgotten", "SELECT held_until FROM request_clock"])
def test_a_program_of_version_2_that_still_runs_finds_neither_people_nor_the_limit(
    statement: str, house: House
) -> None:
    """It looks at the version only when it opens the store; now neither a batch nor a turn of delivery can begin."""
    with pytest.raises(StoreError, match=r"mark|held_until"):
        house.store.read(lambda tx: tx.sql(statement))


def test_a_dry_run_leaves_an_older_store_as_it_is(old_url: str, version: int) -> None:
    """It works on a copy that is upgraded to this version; PostgreSQL is not copied so, and says what to do."""
    if old_url.startswith("sqlite"):
        store = open_dry_run(old_url, NOW)
        known = store.read(lambda tx: people.load(tx, ["1"]))
        assert known["1"].person().email == "ann@example.com"
        store.close()
    else:
        with pytest.raises(StoreError, match="run `target-promoter check` first"):
            open_dry_run(old_url, NOW)
    assert version_in(old_url) == str(version)
