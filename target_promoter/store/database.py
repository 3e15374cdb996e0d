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
from sqlalchemy import Engine, exc, insert, inspect
from sqlalchemy.engine import make_url

from target_promoter.errors import StoreBusyError, StoreError, StoreLostError, StoreMovedError
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

    from sqlalchemy import Connection
    from sqlalchemy.engine import URL

T = TypeVar("T")

UNFINISHED: Final = "unfinished"
"""The version of a store that is still being moved to its place."""

_VERSION: Final = "SELECT value FROM facts WHERE name = 'schema_version'"

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
        hurried: Returns whether the run is told to stop: then it hardly waits for another program, and not for a lost
            connection.
    """

    def __init__(self, engine: Engine, url: URL, hurried: Callable[[], bool] = bool) -> None:
        self._engine = engine
        self._url = url
        self._writer = threading.Lock()
        self._hurried = hurried
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

    def stream(self, work: Callable[[Transaction], Iterator[T]]) -> Iterator[T]:
        """Yield what work that only reads yields; it is not begun again when the connection is lost.

        Raises:
            StoreError: The store refused.
        """
        with self._errors(), self._engine.connect() as connection, connection.begin():
            yield from work(Transaction(connection))

    @contextlib.contextmanager
    def without_transaction(self) -> Iterator[Connection]:
        """Yield a connection of PostgreSQL for what cannot be done in a transaction.

        Raises:
            StoreError: The store refused.
        """
        with self._errors(), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def analyze(self) -> None:
        """Have PostgreSQL look at how full its tables are; until then it takes them for empty, and reads them whole."""
        if not self.is_sqlite:
            tables = ", ".join(metadata.tables)
            self.write(lambda tx: tx.sql(f"ANALYZE {tables}"))

    def opened(self) -> None:
        """Say that it is a store of this version: from now on a lost connection is worth waiting for.

        From now on, too, a transaction that writes makes sure that it still is one.
        """
        self._opened = True

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @property
    def path(self) -> Path:
        """The file of a SQLite store."""
        return Path(str(self._url.database))

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite; else it is a database of PostgreSQL."""
        return self._url.get_backend_name() == "sqlite"

    def _write_once(self, work: Callable[[Transaction], T]) -> T:
        with self._writer, self._errors(), self._engine.connect() as connection:
            connection.execution_options(**{WRITING: _HURRIED_SECONDS if self._hurried() else ATTEMPT_SECONDS})
            with connection.begin():
                tx = Transaction(connection)
                if self._opened:
                    _check_version(tx, self.name)
                return work(tx)

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
                giveup=lambda _: self._hurried(),
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


def open_store(url: str, *, now: float, keep_copy: bool = True, hurried: Callable[[], bool] = bool) -> Store:
    """Open the store, create it if it is not there, and bring an older one to this program's version.

    Args:
        now: The time, in epoch seconds; a new store remembers it.
        keep_copy: Whether an older SQLite file is kept beside the store as it was.
        hurried: Returns whether the run is told to stop.

    Raises:
        StoreError: It cannot be opened, is no store, was moved, or is of a newer version.
    """
    store = connected(url, hurried)
    try:
        if not _is_ready(store, keep_copy=keep_copy):
            store.write(lambda tx: _create(tx, store.name, now))
        store.opened()
    except BaseException:
        store.close()
        raise
    return store


def find_store(url: str, *, as_it_is: bool = False) -> Store | None:
    """Open a store that is there, and bring an older one to this program's version; none is created.

    Args:
        as_it_is: Whether to leave an older one as it is.

    Returns:
        The store; None if the file or the tables are missing.

    Raises:
        StoreError: It cannot be opened, is no store, was moved, or is of a newer version.
    """
    address = make_url(url)
    path = Path(address.database or "")
    if address.get_backend_name() == "sqlite" and (not path.exists() or not path.stat().st_size):
        return None
    store = connected(url)
    found = False
    try:
        if as_it_is:
            found = store.read(lambda tx: version_of(tx, store.name)) is not None
        else:
            found = _is_ready(store, keep_copy=True)
            store.opened()
    finally:
        if not found:
            store.close()
    return store if found else None


def version_of(tx: Transaction, name: str) -> int | None:
    """Return the version of a store's tables, which this program has or makes newer; None if there are none.

    Raises:
        StoreError: They are somebody else's, were moved, or are of a newer version.
    """
    tables = set(inspect(tx.connection).get_table_names())
    if facts.name in tables:
        version = str(tx.sql(_VERSION).scalar())
        if version.isdigit() and 0 < int(version) <= SCHEMA_VERSION:
            return int(version)
        raise _unfit(tx, name, version)
    if tables & set(metadata.tables):
        raise StoreError.foreign(name)
    return None


def connected(url: str, hurried: Callable[[], bool] = bool) -> Store:
    """Return what is at an address, whether it is a store or not."""
    address = make_url(url)
    name = _printable(address)
    sqlite = address.get_backend_name() == "sqlite"
    return Store(sqlite_engine(address, name) if sqlite else postgresql_engine(address), address, hurried)


def _is_ready(store: Store, *, keep_copy: bool) -> bool:
    """Return whether there is a store, which is of this program's version from now on."""
    version = store.read(lambda tx: version_of(tx, store.name))
    if version is not None and version < SCHEMA_VERSION:
        from target_promoter.store.migrations import migrate  # noqa: PLC0415 - only after an upgrade

        migrate(store, keep_copy=keep_copy)
    return version is not None


def _check_version(tx: Transaction, name: str) -> None:
    """Refuse to write to a store that a newer program changed, or that was moved, since it was opened."""
    version = tx.sql(_VERSION).scalar()
    if version != str(SCHEMA_VERSION):
        raise _unfit(tx, name, version)


def _unfit(tx: Transaction, name: str, version: str | None) -> StoreError:
    moved_to = tx.sql("SELECT value FROM facts WHERE name = 'moved_to'").scalar()
    if moved_to is not None:
        return StoreMovedError(name, moved_to)
    if version == UNFINISHED:
        return StoreError.unfinished(name)
    return StoreError.other_version(name, version, SCHEMA_VERSION)


def _create(tx: Transaction, name: str, now: float) -> None:
    """Create the tables of a new store, unless another program did meanwhile."""
    if version_of(tx, name) is not None:
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
    tx.execute(insert(request_clock).values(id=1, next_at=0.0, rate=0.0, rated_at=0.0, paused_until=0.0))


def _printable(url: URL) -> str:
    """The store's address without its password."""
    return masked_url(url.render_as_string(hide_password=False))
