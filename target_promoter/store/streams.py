"""Streams: each one's last SCHEMA, and how the config of then had it read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from target_promoter.store import schema as tables
from target_promoter.store.encoding import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_promoter.store.transaction import Transaction

_KNOWN: Final = text("SELECT schema, reading FROM streams WHERE name = :name")


@dataclass(frozen=True, slots=True)
class Schema:
    """A stream's last SCHEMA."""

    schema: dict[str, Any]
    key_properties: list[str]


def schema_of(tx: Transaction, name: str) -> Schema | None:
    """Return a stream's last SCHEMA, if it brought one."""
    row = tx.execute(_KNOWN, {"name": name}).first()
    return None if row is None or row.schema is None else Schema(**decode(row.schema))


def is_known(
    tx: Transaction, name: str, schema: Mapping[str, object], keys: Sequence[str], reading: str | None = None
) -> bool:
    """Return whether this is what `remember` was told last."""
    row = tx.execute(_KNOWN, {"name": name}).first()
    return row is not None and (row.schema, row.reading) == (_text(schema, keys), reading)


def remember(
    tx: Transaction,
    name: str,
    schema: Mapping[str, object],
    keys: Sequence[str],
    now: float,
    *,
    reading: str | None = None,
) -> None:
    """Keep a stream's SCHEMA, for the records of it that are rejected, and how it is read, as JSON."""
    row = {"name": name, "schema": _text(schema, keys), "reading": reading, "read_at": now}
    tx.upsert(tables.streams, [row])


def _text(schema: Mapping[str, object], keys: Sequence[str]) -> str:
    return encode({"schema": schema, "key_properties": list(keys)})
