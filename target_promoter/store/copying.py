"""A copy of what the store knows, for a dry run: the store itself is only read."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Column, LargeBinary, MetaData, Table, Text, func, insert, inspect, select, text, update
from sqlalchemy.engine import make_url

from target_promoter.errors import StoreError, StoreMovedError
from target_promoter.store import runs
from target_promoter.store.database import UNFINISHED, Store, back_up, connected, find_store, open_store, version_of
from target_promoter.store.schema import SCHEMA_VERSION, contacts, facts, metadata, not_surveyed, request_clock, surveys
from target_promoter.store.transaction import Transaction

ROWS: Final = 5000
"""How many rows are copied at a time."""

_VERSION: Final = "schema_version"
_MOVED: Final = "moved"


def move(source: Store, url: str) -> Store:
    """Copy a store to another database, and close it; meanwhile nobody writes to it.

    The copy can be used only after the store was closed.

    Returns:
        The copy.

    Raises:
        StoreError: There is a store at the address already, or one of the two cannot be used.
    """
    target = connected(_absolute(url))
    try:
        target.read(lambda into: _is_unfinished(into, target.name))  # Its own lock would never be free.
        source.write(lambda tx: _copy_and_close(tx, target))
        _finish(target)
    except BaseException:
        target.close()
        raise
    return target


def finish(moved: StoreMovedError, url: str) -> Store | None:
    """Return the copy of a store that was closed, and let it be used, if it is at this address."""
    target = connected(_absolute(url))
    with contextlib.ExitStack() as closing:
        closing.callback(target.close)
        if target.name != moved.to:
            return None
        _finish(target)
        closing.pop_all()
    return target


def copy_rows(tx: Transaction, into: Transaction) -> None:
    """Replace all rows of a store of this version by those of another."""
    for table in metadata.sorted_tables:
        into.execute(table.delete())
        names = [column.name for column in table.columns]
        for rows in tx.execute(select(table).execution_options(yield_per=ROWS)).partitions():
            into.insert_rows(table, names, [tuple(row) for row in rows])
        if not into.is_sqlite:
            _count_on(into, table)


def _copy_and_close(tx: Transaction, target: Store) -> None:
    target.write(lambda into: _fill(tx, into, target.name))
    runs.set_fact(tx, _VERSION, _MOVED)
    runs.set_fact(tx, "moved_to", target.name)


def _is_unfinished(into: Transaction, name: str) -> bool:
    """Return whether a move there was stopped before its end; what else is there is refused."""
    tables = set(inspect(into.connection).get_table_names())
    if facts.name in tables:
        if runs.fact(into, _VERSION) != UNFINISHED:
            raise StoreError.taken(name)
        return True
    if tables & set(metadata.tables):
        raise StoreError.foreign(name)
    return False


def _fill(tx: Transaction, into: Transaction, name: str) -> None:
    if not _is_unfinished(into, name):
        metadata.create_all(into.connection, checkfirst=False)
    copy_rows(tx, into)
    runs.set_fact(into, _VERSION, UNFINISHED)


def _finish(target: Store) -> None:
    target.write(lambda into: runs.set_fact(into, _VERSION, str(SCHEMA_VERSION)))
    target.opened()
    target.analyze()


def _count_on(into: Transaction, table: Table) -> None:
    """Have PostgreSQL number new rows from the last one that was copied."""
    column = table.autoincrement_column
    if column is not None:
        last, sequence = into.scalar(select(func.max(column))), func.pg_get_serial_sequence(table.name, column.name)
        into.execute(select(func.setval(sequence, last or 1, last is not None)))


def _absolute(url: str) -> str:
    """Return an address that means the same file from every folder."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        address = address.set(database=str(Path(str(address.database)).absolute()))
    return address.render_as_string(hide_password=False)


_PREFIX: Final = "target-promoter-copy-"
_NEW_SECONDS: Final = 60.0
"""A folder that is younger may have been made a moment ago, and be locked in the next."""

before = Table(
    "contacts_before",
    MetaData(),
    Column("email", Text, primary_key=True),
    Column("sent", LargeBinary),
    Column("sent_lists", Text, nullable=False),
)
"""In a copy: the contacts as they were last sent when the copy was made."""


@contextlib.contextmanager
def folder_for_copy() -> Iterator[Path]:
    """Yield a folder for a copy, which is removed at the end, and first remove those that a killed process left."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # In use, somebody else's, or gone meanwhile.
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _NEW_SECONDS:
                with _locked(left):
                    shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, _locked(Path(name)):
        yield Path(name)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder against all other processes, also those of other containers, for as long as this one lives."""
    file = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(file)


def copy_store(url: str, folder: Path, now: float) -> Store:
    """Copy a store into a file of its own, free of other processes' leases and of the limit's pace.

    Args:
        url: SQLAlchemy address of the store; where there is none, the copy is a new store.
        folder: Where the copy is made.

    Returns:
        The copy, under the name of the store itself.

    Raises:
        StoreError: The store cannot be read, is no store, or is of another version.
    """
    path = folder / "copy.db"
    source = find_store(url, as_it_is=True)
    if source is not None and source.is_sqlite:
        back_up(source.path, path, source.name)
    copy = open_store(f"sqlite:///{path}", now=now, keep_copy=False)
    try:
        if source is not None:
            copy.name = source.name
            if not source.is_sqlite:
                source.read(lambda tx: copy.write(lambda into: _copy_rows(tx, into, source.name)))
        copy.write(_prepare)
    except BaseException:
        copy.close()
        raise
    finally:
        if source is not None:
            source.close()
    return copy


def _copy_rows(tx: Transaction, into: Transaction, name: str) -> None:
    """Copy every table, all as they are at one moment."""
    tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    version = version_of(tx, name)
    if version != SCHEMA_VERSION:
        raise StoreError.older(name, version, SCHEMA_VERSION)
    copy_rows(tx, into)


def _prepare(tx: Transaction) -> None:
    """Let go of what only the store itself has to wait for, and remember what was sent."""
    tx.execute(update(request_clock).values(next_at=0.0, rate=0.0, rated_at=0.0, paused_until=0.0))
    tx.execute(update(surveys).values(lease=None, leased_until=0.0))
    tx.execute(update(contacts).values(lease=None, leased_until=0.0, not_before=0.0, tried_until=0.0))
    tx.execute(not_surveyed.delete())  # So that what it holds in the end is what this run found.
    before.create(tx.connection)
    columns = (contacts.c.email, contacts.c.sent, contacts.c.sent_lists)
    tx.execute(insert(before).from_select(["email", "sent", "sent_lists"], select(*columns)))
