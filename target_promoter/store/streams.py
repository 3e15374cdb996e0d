"""Streams: each one's last SCHEMA, and how the config of then had it read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Row, select, text, update

from target_promoter.store import schema as tables
from target_promoter.store.encoding import decode, encode
from target_promoter.store.transaction import Transaction

BEFORE_3: Final = "before version 3"
"""The stream that is said to have said what a store of version 2 knew without knowing who said it."""

_KNOWN: Final = text("SELECT name, schema, reading FROM streams WHERE name = :name")
_ALL: Final = text("SELECT name, schema, reading FROM streams WHERE reading IS NOT NULL ORDER BY name")


class StreamSchema(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stream's SCHEMA.

    Attributes:
        schema: Its JSON schema.
        source: The same of the tap's stream with its name, if a stream map made this one.
        maps: What the config had stream maps do with it; None if an older program did not tell.
    """

    schema: Mapping[str, Any] = {}
    key_properties: Sequence[str] = ()
    source: Mapping[str, Any] | None = None
    maps: Mapping[str, Any] | None = None

    @property
    def removed(self) -> frozenset[str]:
        """The columns of the tap's stream that a stream map removes, in lower case."""
        columns = [] if self.source is None else self.source["schema"].get("properties", ())
        return frozenset(map(str.lower, columns)) - frozenset(map(str.lower, self.schema.get("properties", ())))

    def mapped_otherwise(self, before: StreamSchema | None) -> frozenset[str]:
        """Return the columns that stream maps did something else with before, and options such as `__filter__`."""
        if before is None or self.maps is None or before.maps is None or self.maps == before.maps:
            return frozenset()
        ours, theirs = _rules(self.maps), _rules(before.maps)
        return frozenset(one[1] for one in ours.keys() | theirs.keys() if ours.get(one) != theirs.get(one))


@dataclass(frozen=True, slots=True)
class KnownStream:
    """What is known of a stream.

    Attributes:
        schema: Its last SCHEMA; None if it brought none.
        reading: How it was read, in the words of whoever kept it; None if that is not known.
    """

    name: str
    schema: StreamSchema | None
    reading: Mapping[str, Any] | None


class TableVersion(msgspec.Struct, frozen=True):
    """The newest table version of a stream.

    Attributes:
        version: Its number.
        read_at: When it was read, in epoch seconds.
        people: How many people it had; 0 if the stream was not mirrored then.
        left: How many left with it.
        missing: How many a later version lacked that changed nobody, because they were too many.
    """

    version: int
    read_at: float
    people: int = 0
    left: int = 0
    missing: int = 0


def version_of(tx: Transaction, name: str) -> TableVersion | None:
    """Return the newest table version of a stream."""
    found = tx.scalar(select(tables.streams.c.version).where(tables.streams.c.name == name))
    return None if found is None else msgspec.json.decode(found, type=TableVersion)


def set_version(tx: Transaction, name: str, version: TableVersion | None) -> None:
    """Keep the newest table version of a stream whose SCHEMA was kept."""
    written = None if version is None else msgspec.json.encode(version).decode()
    tx.execute(update(tables.streams).where(tables.streams.c.name == name).values(version=written))


def versions(tx: Transaction) -> dict[str, TableVersion]:
    """Return the newest table version of each stream that was mirrored."""
    query = select(tables.streams.c.name, tables.streams.c.version).where(tables.streams.c.version.is_not(None))
    found = {name: msgspec.json.decode(version, type=TableVersion) for name, version in tx.execute(query)}
    return {name: found[name] for name in sorted(found) if found[name].people}


def known(tx: Transaction, name: str) -> KnownStream | None:
    """Return what is known of a stream."""
    row = tx.execute(_KNOWN, {"name": name}).first()
    return None if row is None else _stream(row)


def all_read(tx: Transaction) -> Iterator[KnownStream]:
    """Yield the streams of which it is known how they were read."""
    return map(_stream, tx.execute(_ALL).all())


def remember(tx: Transaction, stream: KnownStream, now: float) -> None:
    """Keep what is known of a stream, for the records of it that are rejected, and for when its setting changes."""
    schema, reading = (None if one is None else encode(one) for one in (stream.schema, stream.reading))
    tx.upsert(tables.streams, [{"name": stream.name, "schema": schema, "reading": reading, "read_at": now}])


def _rules(maps: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Return what each map does with each column, as text; one that it lets through as it is, it does nothing with."""
    each = {name: one if isinstance(one, dict) else {"": one} for name, one in maps.items()}
    rules = ((name, column, rule) for name, one in each.items() for column, rule in one.items())
    return {(name, column): encode([rule]) for name, column, rule in rules if rule != column}


def _stream(row: Row[Any]) -> KnownStream:
    schema = None if row.schema is None else msgspec.convert(decode(row.schema), StreamSchema)
    return KnownStream(row.name, schema, None if row.reading is None else decode(row.reading))
