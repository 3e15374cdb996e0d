"""Opening the store, its transactions, and what can go wrong with it.

One writer at a time, on SQLite because the file says so and on PostgreSQL by an advisory lock: no two transactions ever
take the same rows in another order, so there is no deadlock and no lost update to think about.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import backoff
from sqlalchemy import Engine, exc, insert, inspect, text
from sqlalchemy.engine import make_url

from target_promoter.errors import StoreBusyError, StoreError, StoreLostError
from target_promoter.store.engines import (
    ATTEMPT_SECONDS,
    WRITING,
    postgresql_engine,
    postgresql_error,
    sqlite_engine,
    sqlite_error,
)
from target_promoter.store.schema import SCHEMA_VERSION, facts, metadata, request_clock
from target_promoter.store.transaction import Transaction
from target_promoter.values.masking import masked_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import URL

T = TypeVar("T")

LOCK_TIMEOUT_SECONDS: Final = 30.0
"""How long a transaction waits for another program that holds the store."""

RECONNECT_SECONDS: Final = 60.0
"""How long a lost connection to PostgreSQL is tried again before the run fails."""

_HURRIED_SECONDS: Final = 0.5
"""How long the one attempt of a run that is told to stop waits."""

_OPENING_SECONDS: Final = 5.0
"""The same while the store is opened, when its address may simply be wrong."""


class Store:
    """The store: people, contacts, surveys and all else that outlives a run.

    Args:
        engine: The engine of an opened, checked store.
    """

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine = engine
        self._url = url
        self._writer = threading.Lock()
        self._hurried = False
        self._opened = False
        self.name = _printable(url)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Do work in one transaction of the store's only writer.

        The work is done again, whole, when PostgreSQL's connection is lost or another program holds the store; it must
        touch nothing but the store.

        Returns:
            What the work returns, after it was committed.

        Raises:
            StoreError: The store refused, or stayed away too long.
        """
        return self._repeated(lambda: self._write_once(work))

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Do work that only reads, beside the writer, on one consistent view.

        Returns:
            What the work returns.

        Raises:
            StoreError: The store refused, or stayed away too long.
        """
        return self._repeated(lambda: self._read_once(work))

    def analyze(self) -> None:
        """Have PostgreSQL look at how full its tables are; until then it takes them for empty, and reads them whole."""
        if not self.is_sqlite:
            tables = ", ".join(metadata.tables)
            self.write(lambda tx: tx.sql(f"ANALYZE {tables}"))

    def hurry(self) -> None:
        """From now on wait hardly for another program, and not for a lost connection: the run is told to stop."""
        self._hurried = True

    def opened(self) -> None:
        """Say that the store was there and is a store: from now on a lost connection is worth waiting for."""
        self._opened = True

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite; else it is a database of PostgreSQL."""
        return self._url.get_backend_name() == "sqlite"

    def _write_once(self, work: Callable[[Transaction], T]) -> T:
        with self._writer, self._errors(), self._engine.connect() as connection:
            connection.execution_options(**{WRITING: _HURRIED_SECONDS if self._hurried else ATTEMPT_SECONDS})
            with connection.begin():
                return work(Transaction(connection))

    def _read_once(self, work: Callable[[Transaction], T]) -> T:
        with self._errors(), self._engine.connect() as connection, connection.begin():
            return work(Transaction(connection))

    def _repeated(self, work: Callable[[], T]) -> T:
        for error, seconds in (
            (StoreLostError, RECONNECT_SECONDS if self._opened else _OPENING_SECONDS),
            (StoreBusyError, LOCK_TIMEOUT_SECONDS),
        ):
            work = backoff.on_exception(
                backoff.expo,
                error,
                max_time=seconds,
                max_value=1,
                jitter=backoff.full_jitter,
                giveup=lambda _: self._hurried,
                logger=None,
            )(work)
        return work()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            # SQLite's words about a corrupt file come from the first PRAGMA, before SQLAlchemy wraps them.
            raise sqlite_error(self.name, error) from error
        except exc.DBAPIError as error:
            raise (
                sqlite_error(self.name, error.orig) if self.is_sqlite else postgresql_error(self.name, error)
            ) from error


def open_store(url: str, *, now: float) -> Store:
    """Open the store, and create it if it is not there.

    Args:
        now: The time, in epoch seconds; a new store remembers it.

    Returns:
        The store, of the version this program writes.

    Raises:
        StoreError: It cannot be opened, is no store, or is of another version.
    """
    address = make_url(url)
    name = _printable(address)
    sqlite = address.get_backend_name() == "sqlite"
    store = Store(sqlite_engine(address, name) if sqlite else postgresql_engine(address), address)
    try:
        store.write(lambda tx: _prepare(tx, name, now))
        store.opened()
    except BaseException:
        store.close()
        raise
    return store


def find_store(url: str) -> Store | None:
    """Open a store that is there, and change nothing about it; where there is none, none is created.

    Returns:
        The store; None if the file or the tables are missing.

    Raises:
        StoreError: It cannot be opened, is no store, or is of another version.
    """
    address = make_url(url)
    name = _printable(address)
    sqlite = address.get_backend_name() == "sqlite"
    path = Path(address.database or "")
    if sqlite and (not path.exists() or not path.stat().st_size):
        return None
    store = Store(sqlite_engine(address, name) if sqlite else postgresql_engine(address), address)
    found = False
    try:
        found = store.read(lambda tx: _is_store(tx, name))
    finally:
        if not found:
            store.close()
    return store if found else None


def _is_store(tx: Transaction, name: str) -> bool:
    """Return whether the tables of a store of this version are there."""
    tables = set(inspect(tx.connection).get_table_names())
    if facts.name in tables:
        version = tx.scalar(text("SELECT value FROM facts WHERE name = 'schema_version'"))
        if version != str(SCHEMA_VERSION):
            raise StoreError.other_version(name, version, SCHEMA_VERSION)
        return True
    if tables & set(metadata.tables):
        raise StoreError.foreign(name)
    return False


def _prepare(tx: Transaction, name: str, now: float) -> None:
    """Create the tables of a new store, or check the version of an old one."""
    if _is_store(tx, name):
        return
    metadata.create_all(tx.connection, checkfirst=False)
    tx.execute(
        insert(facts),
        [
            {"name": "schema_version", "value": str(SCHEMA_VERSION)},
            {"name": "created_at", "value": repr(now)},
            {"name": "salt", "value": os.urandom(16).hex()},
        ],
    )
    tx.execute(insert(request_clock).values(id=1, next_at=0.0, rate=0.0, rated_at=0.0, held_until=0.0))


def _printable(url: URL) -> str:
    """The store's address without its password."""
    return masked_url(url.render_as_string(hide_password=False))
