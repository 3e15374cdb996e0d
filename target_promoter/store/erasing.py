"""Making sure that what was deleted cannot be read in the store's files, or saying why it still can."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from functools import reduce
from operator import add
from typing import Final, NamedTuple

from sqlalchemy import Column, Connection, RowMapping, Table, Text, exc, func, or_, select, text, update

from target_promoter.store.database import ATTEMPT_SECONDS, Store
from target_promoter.store.schema import metadata
from target_promoter.store.transaction import Transaction

_WORDS: Final = ("reason", "withdrawn", "problem")
"""The columns that hold sentences, in which words of Promoter's may stand."""

_BEGINNING: Final = r"(?:(?<![\w.+-])|(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4}))"
"""Where an address begins: not in the middle of a longer one, but behind a line break as JSON writes it."""

_GONE: Final = "its words named somebody who was forgotten"

_FILE: Final = text("SELECT pg_relation_filenode(:name)")
_READERS: Final = text("""
    SELECT (
        SELECT count(*) FROM pg_stat_activity
        WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
    ) + (SELECT count(*) FROM pg_replication_slots WHERE xmin IS NOT NULL)
""")


def overwrite_deleted(tx: Transaction) -> None:
    """Have SQLite overwrite what this connection deletes."""
    if tx.is_sqlite:
        tx.sql("PRAGMA secure_delete = ON")


def naming(addresses: Collection[str]) -> Callable[[str], bool]:
    """Return what tells whether an address is in a text, JSON among them, but not as a part of a longer one."""
    any_of = "|".join(re.escape(one).replace("@", "(?:@|%40)") for one in sorted(addresses)) or "(?!)"
    pattern = re.compile(rf"{_BEGINNING}(?:{any_of})(?![\w-]|\.\w)", re.IGNORECASE)
    parts = [one.casefold().split("@") for one in addresses]

    def names(text: str) -> bool:
        # Nearly no text has the parts of an address, which is seen much faster than that it has none by the pattern.
        folded = text.casefold()
        has_parts = any(all(part in folded for part in one) for one in parts)
        return has_parts and pattern.search(text) is not None

    return names


class Words(NamedTuple):
    """A sentence in the store: its table, its column, and the row that has it."""

    table: Table
    column: str
    row: RowMapping


def find_words(tx: Transaction, addresses: Collection[str]) -> list[Words]:
    """Return the sentences in which an address stands, whoever they are about; whole tables are read for it."""
    return [
        Words(table, name, row)
        for table in metadata.sorted_tables
        for name in sorted(set(table.c.keys()) & set(_WORDS))
        for row in _rows_naming(tx, table, [table.c[name]], addresses)
    ]


def erase_words(tx: Transaction, found: Iterable[Words]) -> None:
    """Remove sentences that were found."""
    for table, name, row in found:
        key = (column == row[column.name] for column in table.primary_key)
        tx.execute(update(table).where(*key).values({name: _GONE}))


def mentions(tx: Transaction, addresses: Collection[str]) -> dict[str, int]:
    """Return how many rows of each table still hold an address, such as one that somebody else's order names.

    Whole tables are read for it.
    """
    texts = {table: [column for column in table.c if isinstance(column.type, Text)] for table in metadata.sorted_tables}
    found = {table.name: len(_rows_naming(tx, table, columns, addresses)) for table, columns in texts.items()}
    return {name: number for name, number in found.items() if number}


def erase_deleted(store: Store) -> Iterator[str]:
    """Rewrite the store's files without what was deleted, and yield, a sentence each, where it can still be read."""
    if store.is_sqlite:
        yield from _erase_in_file(store)
    else:
        yield from _erase_in_database(store)


def _erase_in_file(store: Store) -> Iterator[str]:
    path, busy = store.path, 0
    try:
        with closing(sqlite3.connect(path, timeout=ATTEMPT_SECONDS, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("VACUUM")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        yield (
            f"What was deleted can still be read in {path} and {path.name}-wal, which could not be rewritten "
            f"({error}): end what uses the store or make room on the disk, then run the same command again."
        )
    if busy:
        yield (
            f"What was deleted can still be read in {path}-wal, because another program reads the store: it can no "
            "longer once that ends; run the same command again to see."
        )
    for copy in sorted(one for one in path.parent.iterdir() if one.name.startswith(f"{path.name}.version-")):
        yield f"{copy} is the store as it was before an upgrade, and what was deleted is still in it: delete that file."


def _erase_in_database(store: Store) -> Iterator[str]:
    with store.without_transaction() as connection:
        connection.execute(text(f"SET lock_timeout = '{ATTEMPT_SECONDS:g}s'"))
        # The planner's statistics, last, hold values of every column.
        tables = (*metadata.tables, "pg_catalog.pg_statistic")
        old = [table for table in tables if not _rewrite(connection, table)]
        readers = connection.scalar(_READERS)
        connection.execute(text("RESET lock_timeout"))
    if old:
        yield (
            f"What was deleted can still be read in the files of {', '.join(old)}, which could not be rewritten "
            "(VACUUM FULL): end what uses the store, or let the owner of the tables run it, then run the same command "
            "again."
        )
    if readers:
        yield (
            "What was deleted can still be read in PostgreSQL's files as long as older sessions or replicas are "
            "reading: run the same command again when they have ended."
        )
    yield (
        "PostgreSQL's write-ahead log holds it until that is recycled, which a checkpoint does; archives of it, and "
        "backups of the server, hold it until they are deleted."
    )


def _rewrite(connection: Connection, table: str) -> bool:
    """Rewrite the files of a table and of its indexes, and return whether it was done."""
    before = connection.scalar(_FILE, {"name": table})
    try:
        connection.execute(text(f"VACUUM (FULL, ANALYZE) {table}"))
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise
        return False
    # Tables of somebody else are skipped with nothing but a notice.
    return bool(connection.scalar(_FILE, {"name": table}) != before)


def _rows_naming(
    tx: Transaction, table: Table, texts: Sequence[Column[str]], addresses: Collection[str]
) -> list[RowMapping]:
    """Return the keys of the rows in whose texts an address stands."""
    if not texts or not addresses:
        return []
    whole = func.lower(reduce(add, [func.coalesce(column, "") + " " for column in texts])).label("texts")
    # Most rows have no sentence: to see that is a fifth of the work.
    near = or_(*(column.is_not(None) for column in texts)) & or_(
        *(whole.contains(one, autoescape=True) for one in addresses)
    )
    names = naming(addresses)
    rows = tx.execute(select(*table.primary_key, whole).where(near)).mappings()
    return [row for row in rows if names(row["texts"])]
