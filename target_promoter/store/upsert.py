"""Writing many rows, new and known, in one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table


def upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows; where the key is known, overwrite the columns that the rows bring.

    Args:
        connection: The open transaction.
        table: The table.
        rows: The rows, all with the same columns, the key among them.
    """
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    overwritten = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    if overwritten:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=overwritten)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, list(rows))
