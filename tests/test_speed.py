"""What makes the program fast, counted: statements and threads. How fast it is: `tests/benchmarks`."""

from __future__ import annotations

import re
import sqlite3
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, insert, text

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts, pulled
from target_promoter.delivery.sender import Workers
from target_promoter.delivery.turn import Turns
from target_promoter.intake import forgetting
from target_promoter.intake.identifiers import identifiers_of, identifiers_of_all
from target_promoter.intake.intake import Intake
from target_promoter.people import forgetting as people_forgetting
from target_promoter.people import people
from target_promoter.records.streams import recognize
from target_promoter.report.person import story
from target_promoter.store import schema as tables
from target_promoter.store.database import open_store
from target_promoter.store.summary import Summary
from target_promoter.surveys import claims, schedule, surveys, throttle
from target_promoter.surveys.known_events import KnownEvents
from target_promoter.surveys.rules import Rules
from tests import month
from tests.benchmarks import large_store
from tests.benchmarks.large_store import CAMPAIGN, EVENT, Size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_promoter.store.database import Store
    from target_promoter.store.transaction import Transaction

NOW = 1_750_000_000.0
COLUMNS = ("id", "email", "plan", "received_at")


def asked_of(store: Store) -> list[tuple[str, Any]]:
    """Return a list that holds each statement that a store's database is asked from now on, with its values."""
    asked: list[tuple[str, Any]] = []
    event.listen(
        store._engine,
        "before_cursor_execute",
        lambda _, __, statement, parameters, *___: asked.append((statement, parameters)),
    )
    return asked


class Statements:
    """Takes people into a store, and counts the statements that each batch costs."""

    def __init__(self, url: str) -> None:
        """Open a new store."""
        self.settings = Settings.from_config({"api_key": "k", "store_url": url, "campaigns": {"Order Completed": 78}})
        self.store: Store = open_store(url, now=NOW)
        self.summary = Summary(sandbox=False, dry_run=False, started_at=NOW)
        self.seen: list[str] = []
        event.listen(self.store._engine, "before_cursor_execute", self._note)
        self._intake = Intake(self.store, self.settings, self.summary, clock=lambda: NOW)
        self._stream = recognize("users", {"properties": {name: {} for name in COLUMNS}}, ["id"], self.settings)

    def _note(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self.seen.append(statement)

    def take(self, number: int, plan: str) -> int:
        """Take a batch of people; return how many statements it cost."""
        before = len(self.seen)
        records = [
            {"id": one, "email": f"p{one}@example.com", "plan": plan, "received_at": NOW}
            for one in range(1, number + 1)
        ]
        rows, _, _ = self._stream.split(records, {})
        self._intake.take(rows)
        return len(self.seen) - before


@pytest.fixture
def statements(store_url: str) -> Iterator[Statements]:
    """Yield a store whose statements are counted, once on SQLite and once on PostgreSQL."""
    counting = Statements(store_url)
    yield counting
    counting.store.close()


def test_a_batch_costs_hardly_more_statements_when_it_is_larger(statements: Statements) -> None:
    """New people, unchanged ones and changed ones are looked up and written a hundred and more at a time."""
    few = [statements.take(10, plan) for plan in ("a", "a", "b")]
    many = [statements.take(400, plan) for plan in ("a", "a", "b")]
    # Of a person and a contact with six and five columns, SQLite takes some 150 and 200 with a statement.
    assert max(many) <= max(few) + 6


def test_people_who_did_not_change_are_only_read(statements: Statements) -> None:
    """An unchanged second sync writes nothing at all."""
    statements.take(50, "a")
    statements.seen.clear()
    statements.take(50, "a")
    assert not [one for one in statements.seen if one.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))]
    assert statements.summary.value("identify", "unchanged") == 50


def test_look_ups_go_by_index(tmp_path: Path) -> None:
    """Nothing that a batch or a turn of delivery asks reads a table of people, contacts, surveys or messages whole."""
    counting = Statements(f"sqlite:///{tmp_path / 'store.db'}")
    counting.take(50, "a")
    # Without an open survey, open ones are not looked for.
    open_survey = insert(tables.surveys).values(**month.survey(1, NOW, status="queued"))
    counting.store.write(lambda tx: tx.execute(open_survey))
    asked = asked_of(counting.store)

    named: list[Any] = [
        SimpleNamespace(**{"user_id": None, "anonymous_id": None, "email": None, kind: "1"})
        for kind in ("user_id", "anonymous_id", "email")
    ]

    def ask(connection: Any) -> None:  # noqa: ANN401 - a connection
        people.load(connection, ["1", "2"])
        people.load_by_email(connection, ["p1@example.com"])
        people.anonymous_links_of(connection, ["1"])
        KnownEvents(connection).among([b"m"])
        surveys.by_message(connection, [b"m"])
        surveys.of_occurrences(connection, {bytes([place]): who for place, who in enumerate(named)})
        surveys.of_rows(connection, [b"m"], [b"m"])
        surveys.any_open(connection)
        contacts.due(connection, NOW, most=50)
        contacts.next_due(connection)
        contacts.free_leases(connection, lambda _: False)
        rules = Rules(counting.settings, NOW, NOW)
        claims.due(connection, NOW, rules.sendable(), most=50)
        claims.next_due(connection, rules.sendable(), NOW)
        claims.falls_due(connection, NOW, rules.sendable())
        schedule.count_open(connection, counting.settings, NOW)
        claims.unsettled(connection, NOW, most=50)
        throttle.load(connection, ["e:p1@example.com"])

    counting.store.read(ask)
    selects = [one for one in asked if one[0].lstrip().startswith("SELECT")]
    assert len(selects) >= 13
    assert sum("id, occurrence" in statement for statement, _ in selects) == 3
    with counting.store._engine.connect() as connection:
        for statement, parameters in selects:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            for step in plan:
                whole = step[3].startswith("SCAN") and "USING" not in step[3]
                assert not whole or step[3].startswith("SCAN anon"), f"{step[3]}: {statement}"
                assert "TEMP B-TREE" not in step[3] or not _is_of_due_surveys(statement), f"{step[3]}: {statement}"
        assert connection.scalar(text("SELECT count(*) FROM people")) == 50
    counting.store.close()


def test_nobody_waits_while_a_table_is_searched_for_a_person(store_url: str) -> None:
    """`forget` looks surveys, contacts and all that is kept of a person up by index while it may write.

    A person's story asks for surveys in the same way. What has to be searched for is found before, beside writers.
    """
    counting = Statements(store_url)
    counting.take(50, "a")
    asked: dict[str, Any] = {}
    event.listen(
        counting.store._engine,
        "before_cursor_execute",
        lambda _, __, statement, parameters, ___, many: many or asked.setdefault(statement, parameters),
    )

    def ask(tx: Transaction) -> None:
        surveys.of_people(tx, identifiers_of(tx, "p1@example.com"))
        forgetting.forget(tx, identifiers_of_all(tx, ["1", "p2@example.com"]), [], NOW)

    counting.store.write(ask)
    looked_up = [one for one in asked.items() if one[0].lstrip().startswith(("SELECT", "UPDATE", "DELETE"))]
    assert any("surveys" in statement for statement, _ in looked_up)

    def explain(tx: Transaction) -> list[str]:
        if not tx.is_sqlite:
            tx.sql("SET LOCAL enable_seqscan = off")  # A small table is read whole, by index or not.
        explain = "EXPLAIN QUERY PLAN" if tx.is_sqlite else "EXPLAIN"
        return [row[-1] for statement, values in looked_up for row in tx.sql(f"{explain} {statement}", values).all()]

    large = ("surveys", "contacts", "people", "pulled", "throttles", "anonymous_ids", "kept_properties", "messages")
    scans = [f"{words} {table}" for words in ("SCAN", "Seq Scan on") for table in large]
    steps = counting.store.read(explain)
    assert len(steps) > len(looked_up)
    assert [step for step in steps if step.strip(" ->").startswith(tuple(scans)) and "USING" not in step] == []
    counting.store.close()


def test_a_campaign_that_promoter_does_not_know_costs_a_turn_nothing(tmp_path: Path) -> None:
    """However many of its surveys are due: as many steps of SQLite's machine for thousands as for a few."""
    steps = []
    for number in (10, 5000):
        url = f"sqlite:///{tmp_path / str(number)}.db"
        large_store.fill(url, Size(people=10, surveys=number, due=number), NOW)
        store = open_store(url, now=NOW)
        turns = Turns(store, Settings.from_config({"api_key": "k", "campaigns": {EVENT: CAMPAIGN}}))
        turns.surveys.unknown_campaigns[CAMPAIGN] = "no such campaign"
        turns.take(NOW, [], room=10)
        counted: list[None] = []

        with store._engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.set_progress_handler(lambda counted=counted: counted.append(None), 10)  # type: ignore[misc]
        turn = turns.take(NOW, [], room=10)
        assert (turn.requests, turn.next_at) == ([], None)
        steps.append(len(counted))
        store.close()
    assert 0 < steps[1] <= steps[0] + 10


@pytest.mark.parametrize("whom", ["user-3", "p3@example.com"])
def test_what_is_asked_of_one_person_goes_by_index(tmp_path: Path, whom: str) -> None:
    """Their story, forgetting them and cancelling their surveys look at no table whole, and not at all that waits."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    store = month.fill(url, NOW)
    settings = Settings.from_config({"api_key": "k", "store_url": url, "campaigns": {"Order Completed": 78}})
    asked = asked_of(store)

    def ask(tx: Transaction) -> None:
        named = identifiers_of(tx, whom)
        assert story(tx, settings, whom, [], NOW).moments
        assert forgetting.is_known(tx, named)
        surveys.cancel_waiting(tx, "Order Completed", surveys.of_identifiers(named), NOW)
        assert surveys.forget(tx, named, NOW)[0] > 0
        people_forgetting.forget(tx, named)
        contacts.forget(tx, named, NOW)
        pulled.forget(tx, named)

    store.write(ask)
    large = "surveys|contacts|people|people_rows|throttles|anonymous_ids|kept_properties|cancellations|pulled"
    whole = re.compile(rf"SCAN ({large})\b|USING (COVERING )?INDEX surveys_status")
    statements = asked.copy()
    assert len(statements) > 20
    with store._engine.connect() as connection:
        for statement, parameters in statements:
            if not statement.startswith(("PRAGMA", "BEGIN")):
                one = parameters[0] if isinstance(parameters, list) else parameters
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", one).all()
                assert not any(whole.search(step[3]) for step in plan), (plan, statement)
    store.close()


def _is_of_due_surveys(statement: str) -> bool:
    """Return whether it asks for the surveys that are due, of which a million may be due since the same second."""
    return "FROM surveys" in statement and "surveys.first_due_at" in statement.partition("ORDER BY")[2]


def test_no_more_threads_than_requests_in_flight() -> None:
    """A thread that ended its request takes the next; another one is made only while more are on their way."""
    going, done = threading.Semaphore(0), threading.Semaphore(0)

    def work(_: int) -> None:
        going.acquire()
        done.release()

    workers = Workers[int](work)
    for job in range(20):
        workers.submit(job, at_once=1)
        going.release()
        assert done.acquire(timeout=10)
    assert workers.threads == 1
    for job in range(3):
        workers.submit(job, at_once=job + 1)
    assert workers.threads == 3
    going.release(3)
    workers.end()
