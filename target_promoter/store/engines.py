"""The two databases a store can be in: how each is opened, how a transaction begins, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Engine, create_engine, event, exc, text
from sqlalchemy.pool import QueuePool

from target_promoter.errors import StoreBusyError, StoreError, StoreLostError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine import URL

ATTEMPT_SECONDS: Final = 3.0
"""How long one attempt to write waits for another program that holds the store."""

WRITING: Final = "store_attempt"
"""The execution option of a connection that is to write: how long its attempt waits, in seconds."""

_CONNECT_SECONDS: Final = 5
_POOL: Final = 8
_WRITING_CACHE_KIB: Final = 8_000
"""How much of a large store the writer keeps in memory: the upper levels of its indexes, and what a batch asks for."""

_READING_CACHE_KIB: Final = 2_000
"""The same of a transaction that only reads: it counts what is there, and looks at no page twice."""

_ADVISORY_LOCK: Final = 0x50524F4D4F544552  # "PROMOTER": the one lock every writer of a PostgreSQL store takes

# The settings hold for one transaction. A writer that was stopped in its middle must not hold up the others for ever.
_BEGIN_WRITING: Final = text(
    "SELECT set_config('lock_timeout', :attempt, true), "
    "set_config('idle_in_transaction_session_timeout', '60s', true), pg_advisory_xact_lock(:lock)"
).bindparams(lock=_ADVISORY_LOCK)


def sqlite_engine(url: URL, name: str) -> Engine:
    """Return the engine of a SQLite file, which is created if it is not there.

    Raises:
        StoreError: The file cannot be opened for writing.
    """
    if url.database in {None, "", ":memory:"}:
        raise StoreError.in_memory()
    path = Path(str(url.database))
    _make_private(path, name)
    for suffix in ("-wal", "-shm"):  # SQLite gives new ones the mode of the file itself.
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            _make_private(beside, name)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=_POOL,
        pool_use_lifo=True,  # The one used last has in its cache what is needed next.
        max_overflow=-1,
        hide_parameters=True,
        connect_args={"timeout": ATTEMPT_SECONDS, "check_same_thread": False, "isolation_level": None},
    )

    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        # A claim must be on the disk before its request leaves, even if the power goes.
        connection.execute("PRAGMA synchronous = FULL")

    def begin(connection: Connection) -> None:
        # The sqlite3 module would begin lazily and deferred, and a later upgrade to a writer could fail at once.
        attempt = connection.get_execution_options().get(WRITING)
        if attempt is None:
            connection.exec_driver_sql(f"PRAGMA cache_size = -{_READING_CACHE_KIB}")
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql(f"PRAGMA cache_size = -{_WRITING_CACHE_KIB}")
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {attempt * 1000:.0f}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
    return engine


def back_up(path: Path, copy: Path, name: str) -> None:
    """Copy a SQLite file as it is at one moment; a copy of that name is replaced when the new one is whole.

    Raises:
        StoreError: The copy cannot be made.
    """
    part = copy.with_name(f"{copy.name}.part")
    part.unlink(missing_ok=True)
    _make_private(part, name)
    try:
        with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(part)) as target:
            source.backup(target)
    except sqlite3.Error as error:
        raise sqlite_error(name, error) from error
    part.replace(copy)


def copy_path(path: Path, version: int) -> Path:
    """Return where a SQLite store is kept as it was before it was brought to a newer version."""
    return path.with_name(f"{path.name}.version-{version}")


def _make_private(path: Path, name: str) -> None:
    """Make a file of personal data, if it is not there, and have nobody else read it."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            mode = os.fstat(file).st_mode
            if mode & 0o077:
                with contextlib.suppress(PermissionError):  # The file is somebody else's, who lets this user write.
                    os.fchmod(file, mode & 0o700)
        finally:
            os.close(file)
    except OSError as error:
        raise StoreError.from_os(name, error) from error


def postgresql_engine(url: URL) -> Engine:
    """Return the engine of a PostgreSQL database.

    Raises:
        StoreError: The driver is not installed.
    """
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            poolclass=QueuePool,
            pool_size=_POOL,
            max_overflow=-1,
            pool_pre_ping=True,
            hide_parameters=True,
            # A network that went away without a word is noticed in seconds, not hours.
            connect_args={"connect_timeout": _CONNECT_SECONDS, "keepalives_idle": 10, "tcp_user_timeout": 20_000},
        )
    except ModuleNotFoundError as error:
        raise StoreError.no_driver() from error

    def begin(connection: Connection) -> None:
        attempt = connection.get_execution_options().get(WRITING)
        if attempt is not None:
            connection.execute(_BEGIN_WRITING, {"attempt": f"{attempt * 1000:.0f}ms"})

    event.listen(engine, "begin", begin)
    return engine


def sqlite_error(name: str, error: BaseException | None) -> StoreError:
    """Return what an error of SQLite means.

    Args:
        error: What the driver raised.
    """
    words = str(error)
    kind = StoreBusyError if "locked" in words or "busy" in words else StoreError
    return kind.from_database(name, error)


def postgresql_error(name: str, error: exc.DBAPIError) -> StoreError:
    """Return what an error of PostgreSQL means.

    Args:
        error: What SQLAlchemy raised.
    """
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if state == "55P03" or state.startswith("40"):
        return StoreBusyError.from_database(name, error.orig)
    # Without a state the server said nothing at all; 08 is a broken connection, 57P a server going down or coming up.
    unsaid = not state and isinstance(error, exc.OperationalError)
    if error.connection_invalidated or unsaid or state.startswith(("08", "57P", "25P03")):
        return StoreLostError(name)
    return StoreError.from_database(name, error.orig)
