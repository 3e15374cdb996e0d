"""A dry run's store: what its input touches of the real one, which is only read.

Rows are taken over when they are first asked for by a key (`Transaction.rows_among`), or before a statement that is
about them otherwise (`Transaction.bring`). What is in none of them is counted in the real store, by query.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Column, LargeBinary, MetaData, Select, Table, Text, select

from target_promoter.errors import StoreError
from target_promoter.store import schema as tables
from target_promoter.store.database import (
    Store,
    create,
    create_tables,
    find_store,
    private_store,
    sqlite_error,
    unnamed_file,
    version_of,
)
from target_promoter.store.outcomes import SurveyStatus
from target_promoter.store.schema import SCHEMA_VERSION, contacts, metadata, surveys, throttles
from target_promoter.store.transaction import Transaction
from target_promoter.values.printable import masked_url

T = TypeVar("T")
K = TypeVar("K")

_ROWS: Final = 5000
_ONCE: Final = "ON CONFLICT DO NOTHING"

_LARGE: Final = (
    *(tables.people, tables.people_rows, tables.anonymous_ids, tables.kept_properties, contacts, tables.pulled),
    *(tables.lists_to_leave, surveys, tables.messages, tables.cancellations, throttles, tables.forgotten),
)
_KEYS: Final = {table.name: next(iter(table.primary_key)).name for table in _LARGE}
"""By which column rows of the large tables are asked for; the other tables begin empty."""

# No other process has them, and there is no pace to keep.
_FREE: Final[dict[str, dict[str, Any]]] = {
    contacts.name: {"lease": None, "leased_until": 0.0, "not_before": 0.0, "tried_until": 0.0},
    surveys.name: {"lease": None, "leased_until": 0.0},
}

before = Table(
    "contacts_before",
    MetaData(),
    Column("email", Text, primary_key=True),
    Column("sent", LargeBinary),
    Column("sent_lists", Text, nullable=False),
)
"""The contacts that were taken over, as they were last sent."""


class DryRunStore(Store):
    """A store in a file without name, into which rows of another come as they are asked for."""

    def __init__(self, source: Store) -> None:
        own = private_store(source.name)
        super().__init__(own._engine, own._url)  # noqa: SLF001 - of the class itself
        self.name = source.name
        self._source = source
        self._taken = private_store(source.name)
        """The same rows as they were when they were taken over."""
        self._taken.write(create_tables)

    def untouched(self, work: Callable[[Transaction], Counter[K]]) -> Counter[K]:
        """Return what is counted among the rows of the real store that were not taken over."""
        found = self._source.read(work)
        found.subtract(self._taken.write(work))
        return found

    def count(self, work: Callable[[Transaction], Counter[K]]) -> Counter[K]:
        """Return what would be counted in the whole store, had the run not been a dry one."""
        found = self.untouched(work)
        found.update(self.read(work))
        return found

    def close(self) -> None:
        """Close all of it."""
        for store in (self._source, self._taken):
            store.close()
        super().close()

    def _write_once(self, work: Callable[[Transaction], T]) -> T:
        def fill(source: Transaction, taken: Transaction) -> T:
            if not source.is_sqlite:
                source.sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            write = super(DryRunStore, self)._write_once
            return write(lambda tx: work(_Filling(tx, source, taken)))

        return self._source.read(lambda source: self._taken.write(lambda taken: fill(source, taken)))

    _read_once = _write_once


class _Filling(Transaction):
    """A transaction that takes rows over before it looks for them."""

    __slots__ = ("_source", "_taken")

    def __init__(self, tx: Transaction, source: Transaction, taken: Transaction) -> None:
        super().__init__(tx.connection)
        self._source = source
        self._taken = taken

    def any(self, query: Select[Any]) -> bool:
        return super().any(query) or self._source.any(query)

    def bring(self, rows: Select[Any]) -> None:
        table = cast("Table", rows.get_final_froms()[0])
        for some in self._source.execute(rows.execution_options(yield_per=_ROWS)).partitions():
            key = _KEYS.get(table.name)
            keys = () if key is None else [getattr(row, key) for row in some]
            self._take_over(table, some, self._known(table.name, key or "", keys))

    def rows_among(self, columns: str, table: str, key: str, keys: Iterable[Any]) -> list[Any]:
        wanted = set(keys)
        self._fill(table, key, wanted)
        return super().rows_among(columns, table, key, wanted)

    def insert_rows(
        self, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]], on_conflict: str = ""
    ) -> None:
        key = _KEYS.get(table.name)
        if on_conflict and key is not None:
            place = names.index(key)
            self._fill(table.name, key, {row[place] for row in rows})
        super().insert_rows(table, names, rows, on_conflict)

    def _fill(self, asked: str, key: str, keys: Collection[Any]) -> None:
        """Take over the rows that are asked for, as `rows_among` is asked."""
        table = _table(asked)
        if table.name not in _KEYS:
            return
        columns, where = ", ".join(table.c.keys()), asked if self._source.is_sqlite else table.name
        found = self._source.rows_among(columns, where, key, keys)
        self._take_over(table, found, self._known(asked, key, keys) if found else set())

    def _known(self, asked: str, key: str, keys: Iterable[Any]) -> set[tuple[Any, ...]]:
        """Return the keys of rows that were taken over before; they may be gone since."""
        if not key:
            return set()
        names = ", ".join(column.name for column in _table(asked).primary_key)
        return {tuple(row) for row in self._taken.rows_among(names, asked, key, keys)}

    def _take_over(self, table: Table, rows: Iterable[Sequence[Any]], known: set[tuple[Any, ...]]) -> None:
        names = table.c.keys()
        places = [names.index(column.name) for column in table.primary_key]
        new = [tuple(row) for row in rows if tuple(row[place] for place in places) not in known]
        self._taken.insert_rows(table, names, new, _ONCE)
        free = _FREE.get(table.name, {})
        freed = [tuple(map(free.get, names, row)) for row in new] if free else new
        super().insert_rows(table, names, freed, _ONCE)
        if table is contacts:
            columns = tuple(before.c.keys())
            picked = [tuple(row[names.index(name)] for name in columns) for row in new]
            super().insert_rows(before, columns, picked, _ONCE)


def _table(asked: str) -> Table:
    """Return the table that `rows_among` is asked for; SQLite is told an index as well."""
    return metadata.tables[asked.partition(" ")[0]]


def open_dry_run(url: str, now: float) -> DryRunStore:
    """Return a store for a dry run on the store at an address; where there is none, on a new one.

    Raises:
        StoreError: The store cannot be read, is no store, or is of another version.
    """
    store = DryRunStore(_source(url, now))
    try:
        store.write(_begin)
    except BaseException:
        store.close()
        raise
    return store


def _source(url: str, now: float) -> Store:
    """Return the store that is read: the real one, or a private one where that is missing or older."""
    source = find_store(url, as_it_is=True)
    if source is None:
        new = private_store(masked_url(url))
        new.write(lambda tx: create(tx, new.name, now))
        return new
    version = source.read(lambda tx: version_of(tx, source.name))
    if version == SCHEMA_VERSION:
        return source
    with closing(source):
        if not source.is_sqlite:
            raise StoreError(
                f"The store {source.name} has schema version {version}, and a dry run may not bring it to version "
                f"{SCHEMA_VERSION}: run `target-promoter check` first, which does, and sends nothing."
            )
        return _upgraded(source)


def _upgraded(source: Store) -> Store:
    """Return a copy of an older SQLite store, upgraded to this version."""
    from target_promoter.store.migrations import upgrade  # noqa: PLC0415 - only after an upgrade

    copy = unnamed_file()
    try:
        with closing(sqlite3.connect(source.path)) as file:
            file.backup(copy)
    except sqlite3.Error as error:
        raise sqlite_error(source.name, error) from error
    store = private_store(source.name, copy)
    store.write(upgrade)
    return store


def _begin(tx: Transaction) -> None:
    create_tables(tx)
    before.create(tx.connection)
    # The last survey, so that new ones are numbered from there.
    last = select(surveys).order_by(surveys.c.id.desc()).limit(1)
    claimed = select(surveys).where(surveys.c.status == SurveyStatus.CLAIMED)
    claims = select(throttles).where(throttles.c.survey_id.is_not(None))
    for rows in (select(tables.facts), select(tables.streams), last, claimed, claims):
        tx.bring(rows)
