"""The store's transactions: one writer, whole or not at all, and patient only as long as that makes sense."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import insert, select

from target_promoter.errors import StoreBusyError, StoreError, StoreLostError
from target_promoter.store import database, runs, schema
from target_promoter.store.database import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from target_promoter.store.transaction import Transaction
    from tests.conftest import Postgres

LOCK = 0x50524F4D4F544552


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Yield a new store."""
    store = open_store(store_url, now=1.0)
    yield store
    store.close()


@pytest.fixture
def hold(store: Store, store_url: str) -> Iterator[Callable[[], None]]:
    """Hold the store as another program would, and yield what lets it go."""
    if store.is_sqlite:
        other = sqlite3.connect(store_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")

        def let_go() -> None:
            other.execute("ROLLBACK")

        yield let_go
        other.close()
    else:
        with psycopg.connect(store_url) as writer:
            writer.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            yield writer.rollback


def note(store: Store) -> None:
    """Write something."""
    store.write(lambda connection: runs.set_fact(connection, "noted", "yes"))


def noted(store: Store) -> str | None:
    """Return whether it was written."""
    return store.read(lambda connection: runs.fact(connection, "noted"))


def test_a_held_store_is_waited_for(store: Store, hold: Callable[[], None]) -> None:
    """A writer waits until another program lets go, and then writes."""
    writer = threading.Thread(target=note, args=(store,))
    writer.start()
    writer.join(0.2)
    assert writer.is_alive()
    assert noted(store) is None
    hold()
    writer.join(10)
    assert noted(store) == "yes"


def test_a_store_held_for_too_long(store: Store, hold: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time a writer gives up with a sentence."""
    monkeypatch.setattr(database, "LOCK_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(database, "ATTEMPT_SECONDS", 0.1)
    with pytest.raises(StoreBusyError, match="another program holds it: end that program"):
        note(store)
    hold()


def test_who_is_told_to_stop_hardly_waits(
    store: Store, hold: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the run is told to stop, a held store is tried once more, for half a second."""
    monkeypatch.setattr(store, "_hurried", lambda: True)
    began = time.monotonic()
    with pytest.raises(StoreBusyError):
        note(store)
    assert time.monotonic() - began < 2
    hold()
    note(store)
    assert noted(store) == "yes"


def test_a_transaction_is_whole_or_not_at_all(store: Store) -> None:
    """What raises in its middle leaves nothing, and the next one works."""

    def half(connection: Transaction) -> None:
        runs.set_fact(connection, "noted", "half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write(half)
    assert noted(store) is None
    note(store)
    assert noted(store) == "yes"


@pytest.mark.parametrize("number", [0, 1, 998, 999, 1000, 2500])
def test_every_row_is_written_however_many_a_statement_takes(store: Store, number: int) -> None:
    """New rows are all inserted, and known ones all overwritten, whether or not they fill the last statement."""
    columns = schema.facts.c
    query = select(columns.name, columns.value).where(columns.name.startswith("fact ")).order_by(columns.name)
    for value in ("new", "other"):
        rows = [(f"fact {one:04}", value) for one in range(number)]
        store.write(lambda tx, rows=rows: tx.upsert_rows(schema.facts, ("name", "value"), rows))  # type: ignore[misc]
        found = store.read(lambda connection: connection.execute(query).all())
        assert [tuple(row) for row in found] == rows


def test_an_error_shows_no_values(store: Store) -> None:
    """What was to be written is personal data: a refusal of the database does not repeat it."""
    row = {"user_id": "1", "email": "ann@example.com", "identified_at": None, "fingerprints": "", "parts": ""}
    with pytest.raises(StoreError) as caught:
        store.write(lambda connection: connection.execute(insert(schema.people).values(row)))
    assert "people" in str(caught.value)
    assert "ann@example.com" not in str(caught.value)


def test_a_lost_connection_is_made_anew(postgres_url: str, postgres: Postgres) -> None:
    """A connection that the server ends in the middle of a transaction is made anew, and the work done again, whole."""
    store = open_store(postgres_url, now=1.0)
    times: list[int] = []

    def work(connection: Transaction) -> None:
        runs.set_fact(connection, "noted", f"{len(times)}")
        pid = connection.sql("SELECT pg_backend_pid()").scalar_one()
        times.append(pid)
        if len(times) == 1:
            with psycopg.connect(postgres.url("postgres"), autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [pid])
        connection.execute(select(schema.facts.c.name))

    store.write(work)
    assert len(set(times)) == 2
    assert noted(store) == "1"
    store.close()


def test_a_database_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong address is a sentence within seconds, and shows no password."""
    monkeypatch.setattr(database, "_OPENING_SECONDS", 0.2)
    with pytest.raises(StoreLostError, match="see that the database runs") as caught:
        open_store("postgresql://somebody:secret@127.0.0.1:1/store", now=1.0)
    assert "secret" not in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It is named, with what to do."""
    with pytest.raises(StoreError, match="name another file in `store_url`"):
        open_store(f"sqlite:///{tmp_path / 'missing' / 'store.db'}", now=1.0)


def test_somebody_elses_tables(tmp_path: Path) -> None:
    """A database of another program is left alone."""
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE people (name TEXT)")
    theirs.close()
    with pytest.raises(StoreError, match="holds tables of another program"):
        open_store(f"sqlite:///{path}", now=1.0)
