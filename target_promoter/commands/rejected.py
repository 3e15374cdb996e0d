"""`target-promoter rejected`: what was rejected or refused, as Singer messages."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import click
from sqlalchemy import select

from target_promoter.commands.context import count, existing_store, with_settings
from target_promoter.config.settings import Settings
from target_promoter.contacts.contacts import ContactStatus
from target_promoter.people import people
from target_promoter.records.calls import REFUSED, REFUSED_STREAM, REPLAYED, UNMAPPED, Replay
from target_promoter.singer.output import say
from target_promoter.store import rejected as kept
from target_promoter.store import runs, streams
from target_promoter.store.encoding import decode, encode
from target_promoter.store.rejected import Rejected
from target_promoter.store.schema import SurveyStatus, contacts, surveys
from target_promoter.store.transaction import Transaction

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
            mark = runs.replay_mark(tx, Replay.REFUSED.text(REFUSED_STREAM))
            yield _schema(REFUSED_STREAM, _CALL_SCHEMA, ["messageId"], mark)
        yield _record(REFUSED_STREAM, {**call, REPLAYED: REFUSED})


def _rejected(tx: Transaction, stream: str, records: Iterable[Rejected]) -> Iterator[dict[str, Any]]:
    """Yield the messages of a stream as its last SCHEMA had it, and of its tap's stream where a map failed."""
    known = streams.known(tx, stream)
    schema = (known and known.schema) or streams.StreamSchema()
    mapped: Mapping[str, Any] = {"stream": stream, "schema": schema.schema, "key_properties": schema.key_properties}
    before: Replay | None = None
    for one in records:
        if one.record is not None:  # Else it was one that no database can keep.
            record = {**one.record, REPLAYED: one.fingerprint.hex()}
            form = Replay.UNMAPPED if record.pop(UNMAPPED, False) else Replay.MAPPED
            source: Mapping[str, Any] = (schema.source if form is Replay.UNMAPPED else None) or mapped
            if form is not before:
                mark = runs.replay_mark(tx, form.text(stream))
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
