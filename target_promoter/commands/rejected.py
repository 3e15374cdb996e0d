"""`target-promoter rejected`: what was rejected or refused, as Singer messages."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import click
from sqlalchemy import false, or_, select

from target_promoter.commands.context import existing_store, with_settings
from target_promoter.config.settings import Settings
from target_promoter.errors import ConfigError
from target_promoter.people import people
from target_promoter.people.identity import Identifiers
from target_promoter.progress.words import count
from target_promoter.records.calls import REFUSED, REFUSED_STREAM, REPLAYED, UNMAPPED, Replay
from target_promoter.records.streams import Stream, recognize
from target_promoter.singer.output import say
from target_promoter.store import rejected as kept
from target_promoter.store import runs, streams
from target_promoter.store.encoding import decode, encode
from target_promoter.store.erasing import naming
from target_promoter.store.outcomes import ContactStatus, SurveyStatus
from target_promoter.store.rejected import Rejected
from target_promoter.store.schema import contacts, surveys
from target_promoter.store.schema import rejected as rejected_records
from target_promoter.store.transaction import Transaction
from target_promoter.values.reading import identifier

_IDS: Final = ("userid", "anonymousid")
_MOST_CONDITIONS: Final = 500
"""Databases take no statement with many more."""

_TEXT: Final = {"type": ["null", "string"]}
_OBJECT: Final = {"type": ["null", "object"]}
_CALL_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("type", "messageId", "userId", "anonymousId", "event", "timestamp"), _TEXT),
        **dict.fromkeys(("traits", "properties", "context"), _OBJECT),
    },
}


def messages(tx: Transaction, *, stream: str | None, reason: str | None) -> Iterator[dict[str, Any]]:
    """Yield SCHEMA and RECORD messages of what was rejected or refused.

    A column of the records says which they are, and the store's mark in their SCHEMA whether stream maps were applied.

    Args:
        stream: Only of this stream; of surveys that of their event.
    """
    records_kept = kept.load(tx, stream=stream, reason=reason)
    for name, records in itertools.groupby(records_kept, key=lambda one: one.stream):
        yield from _rejected(tx, name, records)
    calls = itertools.chain(_contacts(tx, stream, reason), _surveys(tx, stream, reason))
    for number, call in enumerate(calls):
        if number == 0:
            mark = runs.salted_mark(tx, Replay.REFUSED.text(REFUSED_STREAM))
            yield _schema(REFUSED_STREAM, _CALL_SCHEMA, ["messageId"], mark)
        yield _record(REFUSED_STREAM, {**call, REPLAYED: REFUSED})


def _rejected(tx: Transaction, stream: str, records: Iterable[Rejected]) -> Iterator[dict[str, Any]]:
    """Yield the messages of a stream as its last SCHEMA had it, and of its tap's stream where a map failed."""
    known = streams.known(tx, stream)
    schema = (known and known.schema) or streams.StreamSchema()
    mapped: Mapping[str, Any] = {"stream": stream, "schema": schema.schema, "key_properties": schema.key_properties}
    before: Replay | None = None
    for one in records:
        if one.record is not None:  # Else it was one that no database can store.
            record = {**one.record, REPLAYED: one.fingerprint.hex()}
            form = Replay.UNMAPPED if record.pop(UNMAPPED, False) else Replay.MAPPED
            source: Mapping[str, Any] = (schema.source if form is Replay.UNMAPPED else None) or mapped
            if form is not before:
                mark = runs.salted_mark(tx, form.text(stream))
                yield _schema(source["stream"], source["schema"], source["key_properties"], mark)
                before = form
            yield _record(source["stream"], record)


def _contacts(tx: Transaction, stream: str | None, reason: str | None) -> Iterator[dict[str, Any]]:
    """Yield an identify call for every contact that Promoter refused: of the person who owns it."""
    if stream not in {None, REFUSED_STREAM}:
        return
    query = select(contacts.c.email).where(contacts.c.status == ContactStatus.REFUSED).order_by(contacts.c.changed_at)
    if reason is not None:
        query = query.where(contacts.c.reason.icontains(reason, autoescape=True))
    owned = (
        (email, living)
        for some in tx.scalars(query.execution_options(yield_per=kept.ROWS)).partitions()
        for email, living in people.load_by_email(tx, some).items()
    )
    for email, living in owned:
        person = living[-1].person()
        names = {"first_name": "firstName", "last_name": "lastName"}
        traits = {
            "email": email,
            **{names[own]: value for own, value in person.names.standing.items()},
            **person.traits.standing,
        }
        yield {
            "type": "identify",
            "messageId": f"refused contact {email}",
            "userId": person.user_id,
            "timestamp": _time(person.identified_at),
            "traits": traits,
        }


def _surveys(tx: Transaction, stream: str | None, reason: str | None) -> Iterator[dict[str, Any]]:
    """Yield the track call of every survey that Promoter refused, unless its person was forgotten since."""
    query = select(surveys).where(surveys.c.status == SurveyStatus.REFUSED).order_by(surveys.c.due_at, surveys.c.id)
    if stream not in {None, REFUSED_STREAM}:
        query = query.where(surveys.c.stream == stream)
    if reason is not None:
        query = query.where(surveys.c.reason.icontains(reason, autoescape=True))
    for row in tx.execute(query.execution_options(yield_per=kept.ROWS)):
        if row.user_id is None and row.anonymous_id is None and row.email is None:
            continue
        yield {
            "type": "track",
            "messageId": row.message_id,
            "userId": row.user_id,
            "anonymousId": row.anonymous_id,
            "event": row.event,
            "timestamp": _time(row.event_at),
            "properties": decode(row.properties or "{}"),
            "context": None if row.email is None else {"traits": {"email": row.email}},
        }


def _schema(stream: str, schema: dict[str, Any], keys: list[str], mark: str) -> dict[str, Any]:
    """Return a SCHEMA message with the store's mark in it."""
    properties = {**schema.get("properties", {}), REPLAYED: {**_TEXT, "description": mark}}
    of = {"type": "object", **schema, "properties": properties}
    return {"type": "SCHEMA", "stream": stream, "schema": of, "key_properties": keys}


def _record(stream: str, record: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": record}


def _time(time: float) -> str:
    return dt.datetime.fromtimestamp(time, tz=dt.UTC).isoformat().replace("+00:00", "Z")


def rejected_of(tx: Transaction, settings: Settings, names: Identifiers) -> list[Rejected]:
    """Return the rejected records that name a person anywhere: each is read again, with the current settings."""
    read_as: dict[str, Stream | None] = {}
    found = []
    names_address = naming(names.emails)
    ids = names.user_ids | names.anonymous_ids
    written = [encode(one)[1:-1] for one in ids]
    # What the database finds at once is nearly all; after the @ an address may be written differently.
    near = [*written, *(encode(one.partition("@")[0])[1:-1] for one in names.emails)]
    query = select(rejected_records)
    if len(near) <= _MOST_CONDITIONS:
        query = query.where(or_(false(), *(rejected_records.c.record.icontains(one, autoescape=True) for one in near)))
    for row in tx.execute(query.order_by(rejected_records.c.id).execution_options(yield_per=kept.ROWS)):
        by_address = names_address(row.record)
        if not by_address and not any(one in row.record for one in written):
            continue
        one = Rejected.of_row(row)
        if one.stream not in read_as:
            read_as[one.stream] = _stream(tx, settings, one.stream)
        if by_address or (one.record is not None and _names(one.record, read_as[one.stream], ids)):
            found.append(one)
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


@click.command()
@click.option("--stream", help="Only records of this stream; of refused surveys that of their event.")
@click.option("--reason", help="Only those whose reason contains this, whatever its case.")
@with_settings
def rejected(settings: Settings, stream: str | None, reason: str | None) -> None:
    """Print rejected and refused records as Singer messages, to pipe them into the target once more.

    What then succeeds leaves the list.
    """
    with existing_store(settings) as store:
        records = 0
        for message in store.stream(lambda tx: messages(tx, stream=stream, reason=reason)):
            click.echo(encode(message))
            records += message["type"] == "RECORD"
    say(f"{count(records, 'rejected or refused record')}.", err=True)
