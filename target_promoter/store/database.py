"""Opening the store, its transactions, and what can go wrong with it.

One writer at a time, on SQLite because the file says so and on PostgreSQL by an advisory lock: no two transactions ever
take the same rows in another order, so there is no deadlock and no lost update to think about.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import backoff
from sqlalchemy import Connection, Engine, create_engine, event, exc, insert, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import QueuePool, StaticPool
from typing_extensions import override

from target_promoter.errors import StoreBusyError, StoreError, StoreLostError, StoreMovedError
from target_promoter.store.schema import SCHEMA_VERSION, facts, metadata, request_clock
from target_promoter.store.transaction import Transaction
from target_promoter.values.printable import masked_url

T = TypeVar("T")
K = TypeVar("K")

logger = logging.getLogger("target-promoter.store")

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

_PRIVATE_CACHE_KIB: Final = 64_000
"""How much of a file without name is in memory before any of it is written."""

_CHECKPOINT_PAGES: Final = 8_000
"""How many pages the log of a SQLite file holds before they go to their places: many of them change batch by batch."""

_ADVISORY_LOCK: Final = 0x50524F4D4F544552  # "PROMOTER": the one lock every writer of a PostgreSQL store takes

_FIXES: Final = (
    ("locked", "another program holds it: end that program, then run again"),
    ("lock timeout", "another program holds it: end that program, then run again"),
    ("malformed", "it is damaged: restore it from a backup, or move it away to begin with a new one"),
    ("disk", "the disk may be full: make room, then run again"),
    ("full", "the disk is full: make room, then run again"),
    ("readonly", "it is read-only: let this user write to the file and its folder"),
    ("not a database", "it is not a SQLite file or is damaged: restore it from a backup, or name another file"),
    ("unable to open", "its folder is missing or not writable: create it, or name another file"),
)
"""What to do about what a database says."""

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
        raise StoreError("A store in memory forgets who was surveyed: name a file in `store_url`.")
    path = Path(str(url.database))
    beside = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]
    try:
        # SQLite gives new ones the mode of the file itself.
        for one in (path, *(one for one in beside if one.exists())):
            make_private(one)
    except OSError as error:
        raise StoreError(
            f"The store {name} cannot be opened ({error.strerror}): name another file in `store_url`."
        ) from error
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
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        # A claim must be on the disk before its request leaves, even if the power goes.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # On macOS a disk otherwise keeps it to itself for a while.

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


def private_store(name: str, connection: sqlite3.Connection | None = None) -> Store:
    """Return a store without tables in a file that has no name: however the process ends, nothing of it is left.

    Args:
        name: The name in errors.
        connection: One to a file without name that `unnamed_file` made, if there is something in it already.
    """
    file = connection or unnamed_file()
    file.execute("PRAGMA journal_mode = MEMORY")
    file.execute(f"PRAGMA cache_size = -{_PRIVATE_CACHE_KIB}")
    engine = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: file, hide_parameters=True)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    store = _PrivateStore(engine, make_url("sqlite://"))
    store.name = name
    return store


def unnamed_file() -> sqlite3.Connection:
    """Return a connection to a file that SQLite makes when memory is full, and deletes as soon as it has made it."""
    return sqlite3.connect("", check_same_thread=False, isolation_level=None)


def back_up(path: Path, copy: Path, name: str) -> None:
    """Copy a SQLite file as it is at one moment; a copy of that name is replaced when the new one is whole.

    Raises:
        StoreError: The copy cannot be made.
    """
    part = copy.with_name(f"{copy.name}.part")
    try:
        part.unlink(missing_ok=True)
        make_private(part)
        with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(part)) as target:
            source.backup(target)
        part.replace(copy)
    except OSError as error:
        raise StoreError(
            f"The store {name} cannot be copied to {copy} ({error.strerror}): let this user write there."
        ) from error
    except sqlite3.Error as error:
        raise sqlite_error(name, error) from error


def copy_path(path: Path, version: int) -> Path:
    """Return where a SQLite store is kept as it was before it was upgraded."""
    return path.with_name(f"{path.name}.version-{version}")


def make_private(path: Path) -> None:
    """Make a file of personal data, if it is not there, and have nobody else read it.

    Raises:
        OSError: It cannot be opened for writing.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        mode = os.fstat(file).st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            with contextlib.suppress(PermissionError):  # The file is somebody else's, who lets this user write.
                os.fchmod(file, mode & 0o700)
    finally:
        os.close(file)


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
        raise StoreError("A PostgreSQL store needs a driver: install target-promoter[postgres].") from error

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
    return kind(_refusal(name, error))


def postgresql_error(name: str, error: exc.DBAPIError) -> StoreError:
    """Return what an error of PostgreSQL means.

    Args:
        error: What SQLAlchemy raised.
    """
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if state == "55P03" or state.startswith("40"):
        return StoreBusyError(_refusal(name, error.orig))
    # Without a state the server said nothing at all; 08 is a broken connection, 57P a server going down or coming up.
    unsaid = not state and isinstance(error, exc.OperationalError)
    if error.connection_invalidated or unsaid or state.startswith(("08", "57P", "25P03")):
        return StoreLostError(
            f"The connection to the store {name} is lost: see that the database runs, then run again."
        )
    return StoreError(_refusal(name, error.orig))


def _refusal(name: str, error: BaseException | None) -> str:
    """Return what a database said, and what to do about it."""
    # Further lines of PostgreSQL show the row that it refuses.
    words = next(iter(str(error).splitlines()), "")
    fix = next((fix for part, fix in _FIXES if part in words.lower()), "fix that, then run again")
    return f"The store {name} refused with «{words}»: {fix}."


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

        Raises:
            StoreError: The store refused, or stayed away too long.
        """
        return self._repeated(lambda: self._read_once(work))

    def count(self, work: Callable[[Transaction], Counter[K]]) -> Counter[K]:
        """Return what is counted in the whole store.

        Raises:
            StoreError: The store refused, or stayed away too long.
        """
        return self.read(work)

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


class _PrivateStore(Store):
    """A store that has one connection for all threads: also those that only read wait for each other."""

    @override
    def _read_once(self, work: Callable[[Transaction], T]) -> T:
        return self._write_once(work)


def open_store(url: str, *, now: float, hurried: Callable[[], bool] = bool) -> Store:
    """Open the store, create it if it is not there, and upgrade an older one to this program's version.

    Args:
        now: The time, in epoch seconds; a new store remembers it.
        hurried: Returns whether the run is told to stop.

    Raises:
        StoreError: It cannot be opened, is no store, was moved, or is of a newer version.
    """
    store = connected(url, hurried)
    try:
        if not _is_ready(store):
            store.write(lambda tx: create(tx, store.name, now))
        store.opened()
    except BaseException:
        store.close()
        raise
    return store


def find_store(url: str, *, as_it_is: bool = False) -> Store | None:
    """Open a store that is there, and upgrade an older one to this program's version; none is created.

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
            found = _is_ready(store)
            store.opened()
    finally:
        if not found:
            store.close()
    return store if found else None


def written_version(tx: Transaction, name: str) -> str | None:
    """Return the version that a store's tables say they have; None if there are none.

    Raises:
        StoreError: They are somebody else's.
    """
    tables = set(inspect(tx.connection).get_table_names())
    if facts.name in tables:
        return str(tx.sql(_VERSION).scalar())
    if tables & set(metadata.tables):
        raise StoreError(
            f"The store {name} holds tables of another program: name a database of its own in `store_url`."
        )
    return None


def version_of(tx: Transaction, name: str) -> int | None:
    """Return the version of a store's tables, which this program has or makes newer; None if there are none.

    Raises:
        StoreError: They are somebody else's, were moved, or are of a newer version.
    """
    version = written_version(tx, name)
    if version is None:
        return None
    if version.isdigit() and 0 < int(version) <= SCHEMA_VERSION:
        return int(version)
    raise _unfit(tx, name, version)


def connected(url: str, hurried: Callable[[], bool] = bool) -> Store:
    """Return what is at an address, whether it is a store or not."""
    address = make_url(url)
    name = _printable(address)
    sqlite = address.get_backend_name() == "sqlite"
    return Store(sqlite_engine(address, name) if sqlite else postgresql_engine(address), address, hurried)


def _is_ready(store: Store) -> bool:
    """Return whether there is a store, which is of this program's version from now on."""
    version = store.read(lambda tx: version_of(tx, store.name))
    if version is not None and version < SCHEMA_VERSION:
        _migrate(store)
    return version is not None


def _migrate(store: Store) -> None:
    """Upgrade an older store to this program's version, in one transaction; of a SQLite file a copy is kept first."""
    from target_promoter.store.migrations import upgrade  # noqa: PLC0415 - only after an upgrade

    def work(tx: Transaction) -> int:
        # Another program may have been faster: what counts is the version that is found once nobody else writes.
        version = int(tx.sql(_VERSION).scalar_one())
        if store.is_sqlite and version < SCHEMA_VERSION:
            back_up(store.path, copy_path(store.path, version), store.name)
        return upgrade(tx)

    version = store.write(work)
    if version == SCHEMA_VERSION:
        return
    store.analyze()
    copy = f"; a copy of it as it was is kept in {copy_path(store.path, version)}" if store.is_sqlite else ""
    logger.warning("The store %s was upgraded from version %d to %d%s.", store.name, version, SCHEMA_VERSION, copy)


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
        return StoreError(
            f"The store {name} was not moved there completely: run `target-promoter move` again, with the old store "
            "in `store_url`."
        )
    newer = version is not None and version.isdigit() and int(version) > SCHEMA_VERSION
    fix = "install the newer target-promoter" if newer else "name another store in `store_url`"
    return StoreError(
        f"The store {name} has schema version {version}, and this program writes version {SCHEMA_VERSION}: {fix}."
    )


def create(tx: Transaction, name: str, now: float) -> None:
    """Create the tables of a new store, unless another program did meanwhile."""
    if version_of(tx, name) is not None:
        return
    create_tables(tx)
    tx.execute(
        insert(facts),
        [
            {"name": "schema_version", "value": str(SCHEMA_VERSION)},
            {"name": "created_at", "value": repr(now)},
            {"name": "salt", "value": os.urandom(16).hex()},
        ],
    )


def create_tables(tx: Transaction) -> None:
    """Create the tables, and the row of the limit's clock."""
    metadata.create_all(tx.connection, checkfirst=False)
    tx.execute(insert(request_clock).values(id=1, next_at=0.0, rate=0.0, rated_at=0.0, paused_until=0.0))


def _printable(url: URL) -> str:
    """The store's address without its password."""
    return masked_url(url.render_as_string(hide_password=False))
