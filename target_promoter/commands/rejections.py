"""Whose the rejected records are: they are kept as they were read, so each is read again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import false, or_, select

from target_promoter.config.settings import Settings
from target_promoter.errors import ConfigError
from target_promoter.people.identity import Identifiers
from target_promoter.records.calls import UNMAPPED
from target_promoter.records.streams import Stream, recognize
from target_promoter.store import streams
from target_promoter.store.encoding import decode, encode
from target_promoter.store.erasing import naming
from target_promoter.store.rejected import ROWS
from target_promoter.store.schema import rejected
from target_promoter.store.transaction import Transaction
from target_promoter.values.reading import identifier

_IDS: Final = ("userid", "anonymousid")
_MOST_CONDITIONS: Final = 500
"""Databases take no statement with many more."""


def rejected_of(tx: Transaction, settings: Settings, names: Identifiers) -> list[Any]:
    """Return the rejected records, as rows, that name a person anywhere.

    Args:
        settings: The settings, by which the streams are read.
    """
    streams: dict[str, Stream | None] = {}
    found = []
    names_address = naming(names.emails)
    ids = names.user_ids | names.anonymous_ids
    written = [encode(one)[1:-1] for one in ids]
    # What the database finds at once is nearly all; behind the @ an address may be written otherwise.
    near = [*written, *(encode(one.partition("@")[0])[1:-1] for one in names.emails)]
    query = select(rejected)
    if len(near) <= _MOST_CONDITIONS:
        query = query.where(or_(false(), *(rejected.c.record.icontains(one, autoescape=True) for one in near)))
    for row in tx.execute(query.order_by(rejected.c.id).execution_options(yield_per=ROWS)):
        by_address = names_address(row.record)
        if not by_address and not any(one in row.record for one in written):
            continue
        record = decode(row.record)
        if row.stream not in streams:
            streams[row.stream] = _stream(tx, settings, row.stream)
        if by_address or (isinstance(record, dict) and _names(record, streams[row.stream], ids)):
            found.append(row)
    return found


def _names(record: Mapping[str, Any], stream: Stream | None, wanted: Collection[str]) -> bool:
    """Return whether one of the ids stands in a record where ids stand."""
    if UNMAPPED in record:  # Where a map takes its ids from, only the map knows.
        return not {identifier(value) for value in _values(record)}.isdisjoint(wanted)
    call = None if stream is None else stream.read(record)
    ids = {identifier(value) for name, value in record.items() if name.lower().replace("_", "") in _IDS}
    if call is not None:
        ids |= {call.user_id, call.anonymous_id}
    return not ids.isdisjoint(wanted)


def _values(value: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        for inner in value.values():
            yield from _values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner)
    else:
        yield value


def _stream(tx: Transaction, settings: Settings, name: str) -> Stream | None:
    """Return a stream as its last SCHEMA said; None if it is not configured any more."""
    known = streams.known(tx, name)
    if known is None or known.schema is None:
        return None
    try:
        return recognize(name, known.schema.schema, known.schema.key_properties, settings)
    except ConfigError:
        return None
