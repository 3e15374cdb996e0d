"""Surveys: what waits, what is due, what is claimed, what became of it; and which events are known for ever."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from target_promoter.store.encoding import decode, encode
from target_promoter.store.schema import OPEN, SETTLED, messages, surveys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_promoter.store.transaction import Transaction

_OPEN_COLUMNS: Final = (
    "id, message, event, user_id, anonymous_id, email, event_at, due_at, properties, status, campaign_id"
)

_STEP: Final = 500
_NEW_COLUMNS: Final = (
    "message",
    "stream",
    "event",
    "campaign_id",
    "message_id",
    "user_id",
    "anonymous_id",
    "email",
    "event_at",
    "due_at",
    "properties",
    "status",
    "reason",
    "created_at",
    "settled_at",
)


@dataclass(frozen=True, slots=True)
class NewSurvey:
    """A survey that an event asks for.

    Attributes:
        message: The hash of event and message id.
        stream: The stream that brought the event.
        event: The event's name as sent.
        campaign_id: The campaign at Promoter.
        message_id: The message id.
        user_id: The call's user id.
        anonymous_id: The call's anonymous id.
        email: The call's own e-mail address.
        event_at: When it happened, in epoch seconds.
        due_at: When the survey is due, in epoch seconds.
        properties: The event's properties.
        status: `waiting`, `queued`, or `cancelled` by an event that came before.
        reason: Why it is cancelled.
    """

    message: bytes
    stream: str
    event: str
    campaign_id: int
    message_id: str
    user_id: str | None
    anonymous_id: str | None
    email: str | None
    event_at: float
    due_at: float
    properties: Mapping[str, Any]
    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class OpenSurvey:
    """A survey that waits.

    Attributes:
        id: Its number in the store.
        message: The hash of event and message id.
        event: The event's name as sent.
        user_id: The call's user id.
        anonymous_id: The call's anonymous id.
        email: The call's own e-mail address.
        event_at: When it happened, in epoch seconds.
        due_at: When it is due, in epoch seconds.
        properties: The event's properties.
        status: `waiting` or `queued`.
        campaign_id: The campaign at Promoter.
    """

    id: int
    message: bytes
    event: str
    user_id: str | None
    anonymous_id: str | None
    email: str | None
    event_at: float
    due_at: float
    properties: Mapping[str, Any]
    status: str
    campaign_id: int


def message_hash(canonical_event: str, message_id: str) -> bytes:
    """Return what an event is known by, for ever."""
    return blake2b(encode([canonical_event, message_id]).encode(), digest_size=16).digest()


def known_messages(tx: Transaction, hashes: Iterable[bytes]) -> set[bytes]:
    """Return those of the hashes that are known."""
    return {bytes(row[0]) for row in tx.rows_among("message", "messages", "message", set(hashes))}


def remember_messages(tx: Transaction, hashes: Iterable[bytes]) -> None:
    """Know events from now on, for ever."""
    tx.upsert(messages, [{"message": message} for message in sorted(set(hashes))])


def add(tx: Transaction, new: Iterable[NewSurvey], now: float) -> None:
    """Keep new surveys, and know their events for ever."""
    rows = [
        (
            survey.message,
            survey.stream,
            survey.event,
            survey.campaign_id,
            survey.message_id,
            survey.user_id,
            survey.anonymous_id,
            survey.email,
            survey.event_at,
            survey.due_at,
            encode(survey.properties),
            survey.status,
            survey.reason,
            now,
            now if survey.status in SETTLED else None,
        )
        for survey in new
    ]
    tx.insert_rows(surveys, _NEW_COLUMNS, rows)
    remember_messages(tx, (row[0] for row in rows))


def open_by_message(tx: Transaction, hashes: Iterable[bytes]) -> dict[bytes, OpenSurvey]:
    """Return the surveys that still wait, by the hash of their event."""
    rows = tx.rows_among(_OPEN_COLUMNS, "surveys", "message", set(hashes))
    return {survey.message: survey for survey in _opened(rows)}


def open_of_people(
    tx: Transaction,
    *,
    user_ids: Iterable[str] = (),
    anonymous_ids: Iterable[str] = (),
    emails: Iterable[str] = (),
) -> list[OpenSurvey]:
    """Return the surveys that still wait of any of these people, each once.

    Args:
        user_ids: User ids; found in surveys whose call named one.
        anonymous_ids: Anonymous ids; found in surveys whose call named no user id.
        emails: E-mail addresses; found in surveys whose call named no user id.
    """
    if not any_open(tx):
        return []
    found: dict[int, OpenSurvey] = {}
    for column, keys in (("user_id", user_ids), ("anonymous_id", anonymous_ids), ("email", emails)):
        for survey in _opened(tx.rows_among(_OPEN_COLUMNS, "surveys", column, set(keys))):
            if column == "user_id" or survey.user_id is None:
                found[survey.id] = survey
    return list(found.values())


def any_open(tx: Transaction) -> bool:
    """Return whether any survey waits or is to be sent."""
    return tx.scalar(select(surveys.c.id).where(surveys.c.status.in_(OPEN)).limit(1)) is not None


def set_properties(tx: Transaction, survey_id: int, properties: Mapping[str, Any]) -> None:
    """Replace the properties of a survey that waits."""
    tx.execute(update(surveys).where(surveys.c.id == survey_id).values(properties=encode(properties)))


def queue(tx: Transaction, survey_ids: Sequence[int]) -> None:
    """Put surveys that waited for their person among those to be sent."""
    for some in _steps(survey_ids):
        tx.execute(update(surveys).where(surveys.c.id.in_(some)).values(status="queued"))


def settle(tx: Transaction, survey_ids: Sequence[int], status: str, reason: str | None, now: float) -> None:
    """End surveys.

    Args:
        status: One of `schema.SETTLED`.
    """
    for some in _steps(survey_ids):
        tx.execute(
            update(surveys)
            .where(surveys.c.id.in_(some))
            .values(status=status, reason=reason, settled_at=now, lease=None, leased_until=0.0)
        )


def _steps(survey_ids: Sequence[int]) -> Iterable[Sequence[int]]:
    """Return the surveys in steps of what one statement takes."""
    return (survey_ids[start : start + _STEP] for start in range(0, len(survey_ids), _STEP))


def _opened(rows: Iterable[Any]) -> Iterable[OpenSurvey]:
    for row in rows:
        if row[9] in OPEN:
            _, message, event, user_id, anonymous_id, email, event_at, due_at, properties, status, campaign_id = row
            yield OpenSurvey(
                id=row[0],
                message=bytes(message),
                event=event,
                user_id=user_id,
                anonymous_id=anonymous_id,
                email=email,
                event_at=event_at,
                due_at=due_at,
                properties=decode(properties or "{}"),
                status=status,
                campaign_id=campaign_id,
            )
