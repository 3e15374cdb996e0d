"""Writing many rows, new and known, with one statement that the database prepares once.

The SQL is put together here, once a table, because SQLAlchemy spends more time on the parameters of every row than
SQLite does on writing it.
"""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table

_MOST_VALUES: Final = 999
"""How many values a statement has at the most; versions of SQLite before 3.32 take no more."""


def upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], *, add: bool = False) -> None:
    """Insert rows; where the key is known, overwrite the columns that the rows bring.

    Args:
        rows: The rows, all with the same columns, the key among them, and no two with the same key.
    """
    if not rows:
        return
    names = tuple(rows[0])
    read = itemgetter(*names)
    values = [read(row) for row in rows] if len(names) > 1 else [(row[names[0]],) for row in rows]
    upsert_rows(connection, table, names, values, add=add)


def upsert_rows(
    connection: Connection, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]], *, add: bool = False
) -> None:
    """Insert rows; where the key is known, overwrite the columns that the rows bring.

    Args:
        names: The columns that the rows have, the key among them.
        rows: The rows, no two with the same key.
    """
    keys = [column.name for column in table.primary_key]
    value = f"{table.name}.{{0}} + excluded.{{0}}" if add else "excluded.{0}"
    overwritten = ", ".join(f"{name} = {value.format(name)}" for name in names if name not in keys)
    action = f"DO UPDATE SET {overwritten}" if overwritten else "DO NOTHING"
    insert_rows(connection, table, names, rows, f"ON CONFLICT ({', '.join(keys)}) {action}")


def insert_rows(
    connection: Connection, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]], on_conflict: str = ""
) -> None:
    """Insert rows, as many as the database takes with one statement.

    Args:
        rows: The rows; no two with the same key, if there is something to do on conflict.
        on_conflict: What to do about keys that are known, as SQL; without it they are an error.
    """
    if not rows:
        return
    columns = ", ".join(names)
    into = f"INSERT INTO {table.name} ({columns})"
    if connection.dialect.name == "postgresql":
        arrays = _arrays(connection, table, names)
        statement = f"{into} SELECT * FROM unnest({arrays}) {on_conflict}"  # noqa: S608 - names from this program only
        connection.exec_driver_sql(statement, tuple(map(list, zip(*rows, strict=True))))
    else:
        # A statement a row would take twice the time, most of it for handing Python's lock to and fro.
        marks, step = f"({', '.join('?' * len(names))})", _MOST_VALUES // len(names)
        rest = len(rows) % step
        for start in range(0, len(rows) - rest, step):
            some = tuple(chain.from_iterable(rows[start : start + step]))
            connection.exec_driver_sql(f"{into} VALUES {', '.join([marks] * step)} {on_conflict}", some)
        if rest:
            connection.exec_driver_sql(f"{into} VALUES {marks} {on_conflict}", list(rows[-rest:]))


def update_rows(connection: Connection, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Overwrite columns of rows that are known, all with one statement.

    Args:
        names: The key, which is one column, then the columns to overwrite.
        rows: The values; no two with the same key.
    """
    if not rows:
        return
    key, *others = names
    if connection.dialect.name == "postgresql":
        written = ", ".join(f"{name} = new.{name}" for name in others)
        new = f"unnest({_arrays(connection, table, names)}) AS new ({', '.join(names)})"
        statement = f"UPDATE {table.name} SET {written} FROM {new} WHERE {table.name}.{key} = new.{key}"  # noqa: S608 - names from this program only
        connection.exec_driver_sql(statement, tuple(map(list, zip(*rows, strict=True))))
    else:
        written = ", ".join(f"{name} = ?" for name in others)
        statement = f"UPDATE {table.name} SET {written} WHERE {key} = ?"  # noqa: S608 - names from this program only
        connection.exec_driver_sql(statement, [(*row[1:], row[0]) for row in rows])


def _arrays(connection: Connection, table: Table, names: Sequence[str]) -> str:
    """Return the marks of one array a column, as a statement a row would be a message to PostgreSQL each.

    They are in binary form, which psycopg writes twenty times faster than the text of an array.
    """
    types = (table.c[name].type.compile(connection.dialect) for name in names)
    return ", ".join(f"%b::{one}[]" for one in types)
