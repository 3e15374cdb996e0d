"""Writing many rows, new and known, in one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Table

INSERT: Final[dict[str, Callable[[Table], Any]]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""By the name of the database, the INSERT that can update on conflict; both have the same methods."""


def upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], *, add: bool = False) -> None:
    """Insert rows; where the key is known, overwrite the columns that the rows bring.

    Args:
        connection: The open transaction.
        table: The table.
        rows: The rows, all with the same columns, the key among them.
        add: Whether to add to the numbers that are known instead of overwriting them.
    """
    if not rows:
        return
    statement = INSERT[connection.dialect.name](table)
    keys = [column.name for column in table.primary_key]
    overwritten = {
        name: table.c[name] + statement.excluded[name] if add else statement.excluded[name]
        for name in rows[0]
        if name not in keys
    }
    if overwritten:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=overwritten)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, list(rows))
