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
from typing import TYPE_CHECKING, Any, Final, TypeVar

import backoff
from sqlalchemy import Connection, Engine, create_engine, event, exc, insert, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import QueuePool

from target_promoter.errors import StoreError, StoreLostError
from target_promoter.store.schema import SCHEMA_VERSION, facts, metadata, request_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import URL

T = TypeVar("T")

LOCK_TIMEOUT_SECONDS: Final = 30.0
"""How long a transaction waits for another program that holds the store."""

RECONNECT_SECONDS: Final = 60.0
"""How long a lost connection to PostgreSQL is tried again before the run fails."""

_ADVISORY_LOCK: Final = 0x50524F4D4F544552  # "PROMOTER": the one lock every writer of a PostgreSQL store takes


class Store:
    """The store: people, contacts, surveys and all else that outlives a run.

    Args:
        engine: The engine of an opened, checked store.
        url: Its address.
    """

    def __init__(self, engine: Engine, url: URL) -> None:
        """Wrap an engine; use `open_store`."""
        self._engine = engine
        self._url = url
        self._writer = threading.Lock()
        self.name = _printable(url)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction of the store's only writer.

        The work is done again, whole, when PostgreSQL's connection is lost; it must touch nothing but the store.

        Args:
            work: What to do with the connection.

        Returns:
            What the work returns, after it was committed.

        Raises:
            StoreError: The store refused, or stayed away too long.
        """
        return self._repeated(lambda: self._write_once(work))

    def read(self, work: Callable[[Connection], T]) -> T:
        """Do work that only reads, beside the writer, on one consistent view.

        Args:
            work: What to do with the connection.

        Returns:
            What the work returns.

        Raises:
            StoreError: The store refused, or stayed away too long.
        """
        return self._repeated(lambda: self._read_once(work))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite; else it is a database of PostgreSQL."""
        return self._url.get_backend_name() == "sqlite"

    def _write_once(self, work: Callable[[Connection], T]) -> T:
        with self._writer, self._errors(), self._engine.connect() as connection:
            connection.execution_options(store_write=True)
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
                return work(connection)

    def _read_once(self, work: Callable[[Connection], T]) -> T:
        with self._errors(), self._engine.connect() as connection, connection.begin():
            return work(connection)

    def _repeated(self, work: Callable[[], T]) -> T:
        repeat = backoff.on_exception(
            backoff.expo,
            StoreLostError,
            max_time=RECONNECT_SECONDS,
            max_value=2,
            jitter=backoff.full_jitter,
            logger=None,
        )
        return repeat(work)()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            # SQLite's words about a corrupt file come from the first PRAGMA, before SQLAlchemy wraps them.
            raise StoreError.from_database(self.name, error) from error
        except exc.DBAPIError as error:
            if error.connection_invalidated or (
                self._url.get_backend_name() == "postgresql" and isinstance(error, exc.OperationalError)
            ):
                raise StoreLostError(self.name) from error
            raise StoreError.from_database(self.name, error.orig) from error


def open_store(url: str, *, now: float) -> Store:
    """Open the store, and create it if it is not there.

    Args:
        url: SQLAlchemy address of a SQLite file or a PostgreSQL database.
        now: The time, in epoch seconds; a new store remembers it.

    Returns:
        The store, of the version this program writes.

    Raises:
        StoreError: It cannot be opened, is no store, or is of another version.
    """
    address = make_url(url)
    name = _printable(address)
    engine = _sqlite(address, name) if address.get_backend_name() == "sqlite" else _postgresql(address)
    store = Store(engine, address)
    try:
        store.write(lambda connection: _prepare(connection, name, now))
    except BaseException:
        store.close()
        raise
    return store


def find_store(url: str) -> Store | None:
    """Open a store that is there, and change nothing about it; where there is none, none is created.

    Args:
        url: SQLAlchemy address of a SQLite file or a PostgreSQL database.

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
    engine = _sqlite(address, name) if sqlite else _postgresql(address)
    store = Store(engine, address)
    found = False
    try:
        found = store.read(lambda connection: _is_store(connection, name))
    finally:
        if not found:
            store.close()
    return store if found else None


def _is_store(connection: Connection, name: str) -> bool:
    """Return whether the tables of a store of this version are there."""
    tables = set(inspect(connection).get_table_names())
    if facts.name in tables:
        version = connection.scalar(select(facts.c.value).where(facts.c.name == "schema_version"))
        if version != str(SCHEMA_VERSION):
            raise StoreError.other_version(name, version, SCHEMA_VERSION)
        return True
    if tables & set(metadata.tables):
        raise StoreError.foreign(name)
    return False


def _prepare(connection: Connection, name: str, now: float) -> None:
    """Create the tables of a new store, or check the version of an old one."""
    if _is_store(connection, name):
        return
    metadata.create_all(connection, checkfirst=False)
    connection.execute(
        insert(facts),
        [
            {"name": "schema_version", "value": str(SCHEMA_VERSION)},
            {"name": "created_at", "value": repr(now)},
            {"name": "salt", "value": os.urandom(16).hex()},
        ],
    )
    connection.execute(insert(request_clock).values(id=1, next_at=0.0, rate=0.0, rated_at=0.0, held_until=0.0))


def _sqlite(url: URL, name: str) -> Engine:
    if url.database in {None, "", ":memory:"}:
        raise StoreError.in_memory()
    path = str(url.database)
    try:
        # SQLite gives its -wal and -shm files the mode of the file itself: personal data, so 0600.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError.from_os(name, error) from error
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=-1,
        connect_args={"timeout": LOCK_TIMEOUT_SECONDS, "check_same_thread": False, "isolation_level": None},
    )

    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        # A claim must be on the disk before its request leaves, even if the power goes.
        connection.execute("PRAGMA synchronous = FULL")

    def begin(connection: Connection) -> None:
        # The sqlite3 module would begin lazily and deferred, and a later upgrade to a writer could fail at once.
        writes = connection.get_execution_options().get("store_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
    return engine


def _postgresql(url: URL) -> Engine:
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            poolclass=QueuePool,
            pool_size=8,
            max_overflow=-1,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 10},
        )
    except ModuleNotFoundError as error:
        raise StoreError.no_driver() from error


def _printable(url: URL) -> str:
    """The store's address without its password."""
    return url.render_as_string(hide_password=True)


def rows_among(
    connection: Connection,
    columns: str,
    table: str,
    key: str,
    keys: Any,  # noqa: ANN401 - list of text or of bytes
) -> list[Any]:
    """Select the rows whose key is among many, by index, in steps of one prepared statement.

    Args:
        connection: An open transaction.
        columns: The columns to select, as SQL.
        table: The table, as SQL.
        key: The key column, as SQL; more conditions may follow in `table`'s place with a join.
        keys: The keys looked for; a list or set of text or bytes.

    Returns:
        The rows, in no order.
    """
    wanted = list(keys)
    if not wanted:
        return []
    if connection.dialect.name == "postgresql":
        # = ANY with an array is planned as one index look-up; a long IN list is not.
        statement = f"SELECT {columns} FROM {table} WHERE {key} = ANY(%s)"  # noqa: S608 - names from this program only
        return list(connection.exec_driver_sql(statement, (wanted,)).all())
    step = 500
    marks = ",".join("?" * step)
    statement = f"SELECT {columns} FROM {table} WHERE {key} IN ({marks})"  # noqa: S608 - names from this program only
    rows: list[Any] = []
    for start in range(0, len(wanted), step):
        part = wanted[start : start + step]
        part += part[-1:] * (step - len(part))
        rows.extend(connection.exec_driver_sql(statement, tuple(part)).all())
    return rows
