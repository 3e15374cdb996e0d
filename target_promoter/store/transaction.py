"""One transaction of the store, and how it asks for many rows and writes many with few statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Select, Table

_MOST_VALUES: Final = 32_766 if sqlite3.sqlite_version_info >= (3, 32) else 999
"""How many values a statement of SQLite has at the most."""

_MOST_ROWS: Final = 250
"""How many rows a statement has at the most."""

_KEYS_ASKED: Final = 500


class Transaction:
    """All that one piece of work reads and changes in the store; a writer's is kept whole or not at all.

    The SQL for many rows is put together here, once a table, because SQLAlchemy spends more time on the parameters of
    every row than SQLite does on writing it.
    """

    __slots__ = ("_connection", "execute", "is_sqlite", "scalar", "scalars", "sql")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_sqlite = connection.dialect.name == "sqlite"
        self.execute = connection.execute
        self.scalar = connection.scalar
        self.scalars = connection.scalars
        self.sql = connection.exec_driver_sql

    @property
    def connection(self) -> Connection:
        """The connection of SQLAlchemy, for what has no verb here."""
        return self._connection

    def any(self, query: Select[Any]) -> bool:
        """Return whether a query finds anything."""
        return self.scalar(query.limit(1)) is not None

    def bring(self, rows: Select[Any]) -> None:
        """Say which whole rows a statement is about that `rows_among` did not ask for by their keys.

        A dry run, whose store has only what was asked for, then has these too; the store itself has them anyway.
        """

    def rows_among(self, columns: str, table: str, key: str, keys: Iterable[Any]) -> list[Any]:
        """Return the rows whose key is among many, in no order: by index, in steps of one prepared statement.

        Args:
            columns: The columns to select, as SQL.
            table: The table, as SQL.
            key: The key column, as SQL; more conditions may follow in `table`'s place with a join.
            keys: The keys looked for, texts or bytes.
        """
        wanted = sorted(keys)  # In the order of the index, neighbours are found on one page.
        if not wanted:
            return []
        if not self.is_sqlite:
            # = ANY with an array is planned as one index look-up; a long IN list is not.
            statement = f"SELECT {columns} FROM {table} WHERE {key} = ANY(%b)"  # noqa: S608 - names of this program
            return list(self.sql(statement, (wanted,)).all())
        marks = ",".join("?" * _KEYS_ASKED)
        statement = f"SELECT {columns} FROM {table} WHERE {key} IN ({marks})"  # noqa: S608 - names of this program
        rows: list[Any] = []
        for start in range(0, len(wanted), _KEYS_ASKED):
            part = wanted[start : start + _KEYS_ASKED]
            part += part[-1:] * (_KEYS_ASKED - len(part))
            rows.extend(self.sql(statement, tuple(part)).all())
        return rows

    def upsert(self, table: Table, rows: Sequence[Mapping[str, Any]], *, add: bool = False) -> None:
        """Insert rows, all with the same columns; where the key is known, overwrite the columns that they bring.

        Args:
            rows: The rows, no two with the same key.
            add: Whether to add to the numbers that are known instead of overwriting them.
        """
        if not rows:
            return
        names = tuple(rows[0])
        read = itemgetter(*names)
        values = [read(row) for row in rows] if len(names) > 1 else [(row[names[0]],) for row in rows]
        self.upsert_rows(table, names, values, add=add)

    def upsert_rows(
        self, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]], *, add: bool = False
    ) -> None:
        """Do the same with rows as tuples, whose columns are named once."""
        keys = [column.name for column in table.primary_key]
        value = f"{table.name}.{{0}} + excluded.{{0}}" if add else "excluded.{0}"
        overwritten = ", ".join(f"{name} = {value.format(name)}" for name in names if name not in keys)
        action = f"DO UPDATE SET {overwritten}" if overwritten else "DO NOTHING"
        self.insert_rows(table, names, rows, f"ON CONFLICT ({', '.join(keys)}) {action}")

    def insert_rows(
        self, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]], on_conflict: str = ""
    ) -> None:
        """Insert rows, as many as the database takes with one statement.

        Args:
            names: The columns that the rows have.
            rows: The rows; no two with the same key, if there is something to do on conflict.
            on_conflict: What to do about keys that are known, as SQL; without it they are an error.
        """
        if not rows:
            return
        into = f"INSERT INTO {table.name} ({', '.join(names)})"
        if not self.is_sqlite:
            statement = f"{into} SELECT * FROM unnest({self._arrays(table, names)}) {on_conflict}"  # noqa: S608 - names of this program
            self.sql(statement, tuple(map(list, zip(*rows, strict=True))))
            return
        # A statement a row would take twice the time, most of it for handing Python's lock to and fro.
        marks, step = f"({', '.join('?' * len(names))})", min(_MOST_ROWS, _MOST_VALUES // len(names))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            values = ", ".join([marks] * len(some))
            self.sql(f"{into} VALUES {values} {on_conflict}", tuple(chain.from_iterable(some)))

    def update_rows(self, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Overwrite columns of rows that are known, all with one statement.

        Args:
            names: The key, which is one column, then the columns to overwrite.
            rows: The values; no two with the same key.
        """
        if not rows:
            return
        key, *others = names
        if not self.is_sqlite:
            written = ", ".join(f"{name} = new.{name}" for name in others)
            new = f"unnest({self._arrays(table, names)}) AS new ({', '.join(names)})"
            statement = f"UPDATE {table.name} SET {written} FROM {new} WHERE {table.name}.{key} = new.{key}"  # noqa: S608 - names of this program
            self.sql(statement, tuple(map(list, zip(*rows, strict=True))))
            return
        written = ", ".join(f"{name} = ?" for name in others)
        statement = f"UPDATE {table.name} SET {written} WHERE {key} = ?"  # noqa: S608 - names of this program
        self.sql(statement, [(*row[1:], row[0]) for row in rows])

    def _arrays(self, table: Table, names: Sequence[str]) -> str:
        """Return the marks of one array a column, as a statement a row would be a message to PostgreSQL each.

        They are in binary form, which psycopg writes twenty times faster than the text of an array.
        """
        dialect = self._connection.dialect
        return ", ".join(f"%b::{table.c[name].type.compile(dialect)}[]" for name in names)
