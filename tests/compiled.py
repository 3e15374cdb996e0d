"""SQL that is compiled once a process: every test opens stores of its own, and most of that was to compile the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy
from sqlalchemy import event

from target_promoter.store import database
from target_promoter.store.schema import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class _Compiled(dict[Any, Any]):
    """Compiled statements of one kind of database, whichever engine asks; an engine's own dialect begins each key."""

    def get(self, key: Any, default: Any = None) -> Any:  # noqa: ANN401 - SQLAlchemy's own
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, value: Any) -> None:  # noqa: ANN401
        super().__setitem__(key[1:], value)


_COMPILED: Final = {"sqlite": _Compiled(), "postgresql": _Compiled()}
_created: Final[dict[str, list[str]]] = {}


def compile_once() -> None:
    """From now on compile each statement once, and not once for every store that is opened."""
    database.create_engine = _create_engine  # type: ignore[attr-defined]
    metadata.create_all = _create_all  # type: ignore[assignment,method-assign]


def _create_engine(*arguments: Any, **options: Any) -> Engine:  # noqa: ANN401 - those of SQLAlchemy
    engine = sqlalchemy.create_engine(*arguments, **options)
    engine.update_execution_options(compiled_cache=_COMPILED[engine.dialect.name])
    return engine


def _create_all(connection: Connection, **options: Any) -> None:  # noqa: ANN401
    created = _created.get(connection.dialect.name)
    if created is not None:
        cursor = connection.connection.cursor()
        for statement in created:
            cursor.execute(statement)
        return
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    type(metadata).create_all(metadata, connection, **options)
    event.remove(connection, "before_cursor_execute", note)
    # PostgreSQL takes all of them at once.
    _created[connection.dialect.name] = (
        [";".join(statements)] if connection.dialect.name == "postgresql" else statements
    )
