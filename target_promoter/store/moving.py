"""Moving a store to another database."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from sqlalchemy import Table, func, select
from sqlalchemy.engine import make_url

from target_promoter.errors import StoreError, StoreMovedError
from target_promoter.store import runs
from target_promoter.store.database import UNFINISHED, Store, connected, written_version
from target_promoter.store.schema import SCHEMA_VERSION, metadata
from target_promoter.store.transaction import Transaction

ROWS: Final = 5000
"""How many rows are copied at a time."""

_VERSION: Final = "schema_version"
_MOVED: Final = "moved"


def move(source: Store, url: str) -> Store:
    """Copy a store to another database, and close it; meanwhile nobody writes to it.

    The copy can be used only after the store was closed.

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
    version = written_version(into, name)
    if version not in {None, UNFINISHED}:
        raise StoreError(f"There is a store at {name} already: move yours to an address where there is nothing yet.")
    return version is not None


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
