"""Streams: each one's last SCHEMA, and how the config of then had it read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from target_promoter.store import schema as tables
from target_promoter.store.encoding import decode, encode

if TYPE_CHECKING:
    from target_promoter.store.transaction import Transaction

_KNOWN: Final = text("SELECT schema, reading FROM streams WHERE name = :name")


@dataclass(frozen=True, slots=True)
class Schema:
    """A stream's last SCHEMA.

    Attributes:
        source: That of its tap, in the same words, if stream maps made this one of it.
    """

    stream: str
    schema: Mapping[str, Any]
    key_properties: Sequence[str]
    source: Mapping[str, Any] | None = None

    @property
    def text(self) -> str:
        """It as the store keeps it."""
        return encode({"schema": self.schema, "key_properties": list(self.key_properties), "source": self.source})


def schema_of(tx: Transaction, name: str) -> Schema | None:
    """Return a stream's last SCHEMA, if it brought one."""
    row = tx.execute(_KNOWN, {"name": name}).first()
    return None if row is None or row.schema is None else Schema(name, **decode(row.schema))


def is_known(tx: Transaction, stream: Schema, reading: str | None = None) -> bool:
    """Return whether this is what `remember` was told last."""
    row = tx.execute(_KNOWN, {"name": stream.stream}).first()
    return row is not None and tuple(row) == (stream.text, reading)


def remember(tx: Transaction, stream: Schema, now: float, reading: str | None = None) -> None:
    """Keep a stream's SCHEMA, for the records of it that are rejected, and how it is read, as JSON."""
    row = {"name": stream.stream, "schema": stream.text, "reading": reading, "read_at": now}
    tx.upsert(tables.streams, [row])
