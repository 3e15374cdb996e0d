"""Surveys: what waits, what is due, what became of it, and the SQL of all that."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, delete, or_, select, true, update

from target_promoter.people.forgetting import forget_kept
from target_promoter.people.identity import Identifiers, Named, keys_named, names_of
from target_promoter.store.encoding import decode, encode
from target_promoter.store.outcomes import OPEN, REVIVABLE, SETTLED, UNSETTLED, SurveyStatus
from target_promoter.store.schema import IS_OPEN, MAY_BE_SENT, cancellations, not_surveyed, surveys
from target_promoter.store.transaction import Transaction
from target_promoter.surveys import throttle
from target_promoter.surveys.known_events import KnownEvents
from target_promoter.values.events import canonical

READ_OTHERWISE: Final = "its stream is read by other fields than its row was, which has not come again"
"""Why a survey is held that waits."""

_STEP: Final = 500
_LONGEST_ID: Final = 18
"""How many digits of a campaign's id a database takes at least."""


class Survey(msgspec.Struct, frozen=True, gc=False):
    """A survey that an event asks for; times are in epoch seconds. The table says what its columns mean."""

    message: bytes
    occurrence: bytes | None
    row_key: bytes | None
    stream: str
    event: str
    canonical: str
    campaign_id: int
    message_id: str
    user_id: str | None
    anonymous_id: str | None
    email: str | None
    event_at: float
    due_at: float
    first_due_at: float
    properties: str
    more: str | None
    matches: str | None
    told: bytes | None
    status: SurveyStatus
    reason: str | None = None
    id: int = 0
    """Its number in the store; 0 for one that is not there yet."""
    settled_at: float | None = None
    claimed_email: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may still be changed or cancelled."""
        return self.status in OPEN

    @property
    def is_held(self) -> bool:
        """Whether it waits for its row to be read again, with the current fields."""
        return self.status is SurveyStatus.WAITING and self.reason == READ_OTHERWISE

    @property
    def all_properties(self) -> dict[str, object]:
        """The event's properties, with what streams other than its own brought beside."""
        more = {} if self.more is None else decode(self.more)
        return {name: value for part in (*more.values(), decode(self.properties)) for name, value in part.items()}

    def with_more(self, stream: str, properties: Mapping[str, object]) -> Survey:
        """Return it with the properties that another stream brings of its event."""
        parts = {} if self.more is None else decode(self.more)
        return msgspec.structs.replace(self, more=encode({**parts, stream: properties}))


_WRITTEN: Final = Survey.__struct_fields__[: Survey.__struct_fields__.index("id")]
_values: Final = attrgetter(*_WRITTEN)
_COLUMNS: Final = ", ".join(Survey.__struct_fields__)
_PROPERTIES: Final = Survey.__struct_fields__.index("properties")
_STATUS: Final = Survey.__struct_fields__.index("status")


class StoredSurvey(Survey, frozen=True, gc=False):
    """A survey with what the store keeps of its life, for those who look at it."""

    created_at: float = 0.0
    claimed_user_id: str | None = None
    claimed_at: float | None = None


COLUMNS: Final = tuple(surveys.c[name] for name in Survey.__struct_fields__)
"""What a query for surveys selects."""

_STORED_COLUMNS: Final = tuple(surveys.c[name] for name in StoredSurvey.__struct_fields__)


def as_survey(row: Iterable[object]) -> Survey:
    """Return the survey of a row with the columns of `COLUMNS`."""
    return Survey(*_values_of(row))


def _values_of(row: Iterable[object]) -> list[Any]:
    """Return the values of a survey's fields, by which its columns are named."""
    values: list[Any] = list(row)
    values[_PROPERTIES] = values[_PROPERTIES] or "{}"
    values[_STATUS] = SurveyStatus(values[_STATUS])
    return values


def stored(
    tx: Transaction, where: ColumnElement[bool], *order_by: ColumnElement[Any], most: int | None = None
) -> list[StoredSurvey]:
    """Return surveys, settled ones too, with what is kept of their life."""
    query = select(*_STORED_COLUMNS).where(where).order_by(*order_by).limit(most)
    return [StoredSurvey(*_values_of(row)) for row in tx.execute(query)]


QUEUED_AGAIN: Final[dict[str, SurveyStatus | None]] = {
    "status": SurveyStatus.QUEUED,
    **dict.fromkeys(("claimed_email", "claimed_user_id", "claimed_at", "request", "request_form", "lease")),
}
"""The columns of a survey whose claim is undone."""

_KEPT_BY_A_SETTING: Final = (SurveyStatus.EXPIRED, SurveyStatus.WITHHELD, SurveyStatus.THROTTLED)


def add(tx: Transaction, new: Iterable[Survey], now: float) -> None:
    """Add new surveys."""
    # In the order of an index, neighbours are written to one page.
    in_order = sorted(new, key=attrgetter("message"))
    rows = [(*_values(one), now, now if one.status in SETTLED else None) for one in in_order]
    tx.insert_rows(surveys, (*_WRITTEN, "created_at", "settled_at"), rows)


def change(tx: Transaction, changed: Iterable[Survey], now: float) -> None:
    """Update surveys whose rows came again."""
    rows = [(one.id, *_values(one), None if one.is_open else now) for one in changed]
    tx.update_rows(surveys, ("id", *_WRITTEN, "settled_at"), rows)


def by_message(tx: Transaction, marks: Collection[bytes]) -> dict[bytes, Survey]:
    """Return those surveys that may change when their row comes again, by the hash of their event."""
    return {survey.message: survey for survey in _among(tx, "message", marks, MAY_BE_SENT)}


def told_by(tx: Transaction, marks: Collection[bytes]) -> dict[bytes, bytes]:
    """Return the hash of the last record of surveys, by the hash of their event, but of those that a setting held."""
    rows = _rows_among(tx, "message, told, status", "message", marks, "told IS NOT NULL")
    return {message: told for message, told, status in rows if status not in _KEPT_BY_A_SETTING}


def settled_among(tx: Transaction, messages: Collection[bytes]) -> set[bytes]:
    """Return those of the events whose survey is there and does not change any more."""
    return {message for (message,) in _rows_among(tx, "message", "message", messages, f"NOT {MAY_BE_SENT}")}


def of_occurrences(tx: Transaction, asked: Mapping[bytes, Named]) -> list[Survey]:
    """Return the open surveys of who did what when, each asked for with what names who."""
    if not asked or not any_open(tx):
        return []
    named = names_of(key for one in asked.values() for key in keys_named(one)[:1])
    # By who it was: an index of hashes, which come in no order, costs each new survey as much as its row does.
    found = set()
    for column, keys in zip(("user_id", "anonymous_id", "email"), named, strict=True):
        rows = _rows_among(tx, "id, occurrence", column, keys, IS_OPEN)
        found |= {number for number, mark in rows if mark is not None and bytes(mark) in asked}
    return list(by_id(tx, found).values())


def of_rows(tx: Transaction, messages: Collection[bytes], row_keys: Collection[bytes]) -> list[Survey]:
    """Return the surveys of events, or of rows known by their key, that are open or may be again."""
    found = (*_among(tx, "message", messages, MAY_BE_SENT), *_among(tx, "row_key", row_keys, MAY_BE_SENT))
    return list({survey.id: survey for survey in found}.values())


def open_of_people(
    tx: Transaction,
    *,
    user_ids: Iterable[str] = (),
    anonymous_ids: Iterable[str] = (),
    emails: Iterable[str] = (),
) -> list[Survey]:
    """Return the open surveys of any of these people, each once.

    Anonymous ids and addresses count where the call named no user id.
    """
    if not any_open(tx):
        return []
    found: dict[int, Survey] = {}
    for column, keys in (("user_id", user_ids), ("anonymous_id", anonymous_ids), ("email", emails)):
        for survey in _among(tx, column, set(keys)):
            if column == "user_id" or survey.user_id is None:
                found[survey.id] = survey
    return list(found.values())


_MESSAGE_INDEX: Final = "sqlite_autoindex_surveys_1"
"""The name that SQLite gives to the index of a table's first unique column."""


def _among(tx: Transaction, column: str, keys: Collection[Any], condition: str = IS_OPEN) -> Iterator[Survey]:
    return map(as_survey, _rows_among(tx, _COLUMNS, column, keys, condition))


def _rows_among(tx: Transaction, columns: str, column: str, keys: Collection[Any], condition: str) -> list[Any]:
    # Asked for many keys, SQLite would rather look through all surveys of the status, a million perhaps.
    index = _MESSAGE_INDEX if column == "message" else f"surveys_{column}"
    table = f"surveys INDEXED BY {index}" if tx.is_sqlite else "surveys"
    return tx.rows_among(columns, table, f"{condition} AND {column}", keys)


def by_id(tx: Transaction, ids: Iterable[int]) -> dict[int, Survey]:
    """Return surveys by their number in the store."""
    return {one.id: one for one in map(as_survey, tx.rows_among(_COLUMNS, "surveys", "id", set(ids)))}


def any_open(tx: Transaction) -> bool:
    """Return whether any survey waits or is to be sent."""
    return tx.any(select(surveys.c.id).where(surveys.c.status.in_(OPEN)))


def queue(tx: Transaction, ids: Sequence[int]) -> None:
    """Put surveys that waited for their person among those to be sent."""
    _overwrite(tx, ids, status=SurveyStatus.QUEUED)


def wait_for_person(tx: Transaction, ids: Sequence[int]) -> None:
    """Have surveys wait for their person again."""
    _overwrite(tx, ids, status=SurveyStatus.WAITING)


def defer(tx: Transaction, ids: Sequence[int], until: float) -> None:
    """Leave due surveys alone until a time, in epoch seconds."""
    _overwrite(tx, ids, leased_until=until)


def settle(tx: Transaction, ids: Sequence[int], status: SurveyStatus, reason: str | None, now: float) -> None:
    """End surveys."""
    _overwrite(tx, ids, **_settled(status, reason, now))


def cancel(tx: Transaction, ids: Sequence[int], reason: str, now: float) -> int:
    """End surveys that must not be sent any more, and return how many."""
    settle(tx, ids, SurveyStatus.CANCELLED, reason, now)
    return len(ids)


def cancel_waiting(tx: Transaction, what: str, whose: ColumnElement[bool] | None, now: float) -> int:
    """Cancel the open surveys of an event or a campaign, and return how many; a request at work is not sent again.

    What a setting kept from being sent is not taken again either.

    Args:
        what: The event's name, or the campaign's id.
        whose: The condition for surveys of one person alone.
    """
    where = surveys.c.canonical == canonical(what)
    if what.strip().isdecimal() and len(what) <= _LONGEST_ID:
        where |= surveys.c.campaign_id == int(what)
    if whose is not None:
        # By their numbers: of several conditions SQLite may take the status, and look at a million that wait.
        where &= surveys.c.id.in_(tx.scalars(select(surveys.c.id).where(whose)).all())
    return _cancel_where(tx, where, "cancelled by hand", now)


def drop(tx: Transaction, stream: str, now: float) -> int:
    """Cancel the open surveys that a stream brought, take off what it added to others, and return how many it were."""
    cancelled = _cancel_where(tx, surveys.c.stream == stream, "its stream was dropped", now)
    restrict(tx, stream, frozenset())
    have_told_anew(tx, stream)
    return cancelled


def have_told_anew(tx: Transaction, stream: str | None = None) -> None:
    """Have the records that surveys came from read again, of a stream or of all: what they said was taken back."""
    where = surveys.c.told.is_not(None) & (true() if stream is None else surveys.c.stream == stream)
    tx.bring(select(surveys).where(where))
    tx.execute(update(surveys).where(where).values(told=None))


def hold(tx: Transaction, stream: str) -> list[bytes]:
    """Hold the open surveys of a stream that is read differently now, until their rows come again; return their keys.

    A request at work is not sent again.
    """
    of_stream = surveys.c.stream == stream
    tx.bring(select(surveys).where(of_stream, surveys.c.status.in_(OPEN)))
    _withdraw(tx, of_stream, READ_OTHERWISE)
    is_open = of_stream & surveys.c.status.in_(OPEN)
    keys = tx.scalars(select(surveys.c.row_key).where(is_open, surveys.c.row_key.is_not(None))).all()
    tx.execute(update(surveys).where(is_open).values(status=SurveyStatus.WAITING, reason=READ_OTHERWISE, told=None))
    return [bytes(key) for key in keys]


def _cancel_where(tx: Transaction, where: ColumnElement[bool], reason: str, now: float) -> int:
    tx.bring(select(surveys).where(where, surveys.c.status.in_((*OPEN, *REVIVABLE))))
    _withdraw(tx, where, reason)
    change = update(surveys).values(**_settled(SurveyStatus.CANCELLED, reason, now))
    # What Promoter refused is tried again by hand alone (`rejected`).
    kept_back = surveys.c.status.in_([one for one in REVIVABLE if one is not SurveyStatus.REFUSED])
    tx.execute(change.where(where & kept_back))
    return tx.execute(change.where(where & surveys.c.status.in_(OPEN))).rowcount


def _withdraw(tx: Transaction, where: ColumnElement[bool], reason: str) -> None:
    claimed = where & (surveys.c.status == SurveyStatus.CLAIMED)
    tx.execute(update(surveys).where(claimed).values(withdrawn=reason))


def restrict(tx: Transaction, stream: str, allowed: Container[str] | None) -> int:
    """Take properties of a stream's events that may no longer be sent off surveys, and return of how many.

    Args:
        allowed: The names of the properties that may be sent, in lower case; None for all of them.
    """
    if allowed is None:
        return 0
    brought = (surveys.c.stream == stream) | surveys.c.more.contains(encode(stream), autoescape=True)
    where = surveys.c.status.in_(UNSETTLED) & brought
    tx.bring(select(surveys).where(where))
    rows = []
    for one in stored(tx, where):
        parts = {} if one.more is None else decode(one.more)
        own = decode(one.properties)
        if one.stream == stream:
            own = _only(own, allowed)
        if stream in parts:
            parts[stream] = _only(parts[stream], allowed)
        properties, more = encode(own), encode(parts) if parts else None
        if (properties, more) != (one.properties, one.more):
            rows.append((one.id, properties, more, None))
    tx.update_rows(surveys, ("id", "properties", "more", "told"), rows)
    return len(rows)


def requeue(tx: Transaction, message: bytes, properties: Mapping[str, object]) -> bool:
    """Put a refused survey among those to be sent, with its properties perhaps corrected; return whether it is.

    One of which an earlier request got no answer may have e-mailed somebody: it stays as it is.
    """
    where = (surveys.c.message == message) & (surveys.c.status == SurveyStatus.REFUSED) & (surveys.c.unanswered == 0)
    where &= surveys.c.withdrawn.is_(None)
    tx.bring(select(surveys).where(where))
    values = {"properties": encode(properties), "reason": None, "settled_at": None, "leased_until": 0.0}
    return tx.execute(update(surveys).where(where).values(**values, **QUEUED_AGAIN)).rowcount > 0


class NotSurveyed(msgspec.Struct, frozen=True):
    """An event that led to no survey, and why."""

    who: str
    campaign_id: int
    event: str
    event_at: float
    reason: str


_IF_LATER: Final = """
    ON CONFLICT (who, campaign_id) DO UPDATE SET
        event = excluded.event, event_at = excluded.event_at, reason = excluded.reason
    WHERE excluded.event_at >= not_surveyed.event_at
"""


def record_not_surveyed(tx: Transaction, found: Iterable[NotSurveyed]) -> None:
    """Keep of each person and campaign the latest event that led to no survey."""
    latest: dict[tuple[str, int], NotSurveyed] = {}
    for one in found:
        known = latest.get((one.who, one.campaign_id))
        if known is None or one.event_at >= known.event_at:
            latest[one.who, one.campaign_id] = one
    names = NotSurveyed.__struct_fields__
    rows = [msgspec.structs.astuple(one) for one in latest.values()]
    tx.insert_rows(not_surveyed, names, rows, _IF_LATER)


def not_surveyed_of(tx: Transaction, keys: Iterable[str]) -> list[NotSurveyed]:
    """Return the latest events of a person that led to no survey, by campaign."""
    columns = ", ".join(NotSurveyed.__struct_fields__)
    rows = tx.rows_among(columns, "not_surveyed", "who", set(keys))
    return sorted((NotSurveyed(*row) for row in rows), key=lambda one: one.event_at)


def of_person(
    user_ids: Collection[str], anonymous_ids: Collection[str], emails: Collection[str]
) -> ColumnElement[bool]:
    """Return the condition for surveys of a person; anonymous ids and addresses count where the call named nobody."""
    nobody = surveys.c.user_id.is_(None)
    return or_(
        surveys.c.user_id.in_(user_ids),
        surveys.c.claimed_user_id.in_(user_ids),
        nobody & surveys.c.anonymous_id.in_(anonymous_ids),
        nobody & surveys.c.email.in_(emails),
        surveys.c.claimed_email.in_(emails),
    )


def of_identifiers(whom: Identifiers, *, shared: bool = False) -> ColumnElement[bool]:
    """Return the condition for surveys of people; `shared` is whether those count that a shared address names."""
    return of_person(whom.user_ids, whom.anonymous_ids, whom.emails if shared else whom.own_emails)


def of_people(tx: Transaction, whom: Identifiers) -> list[StoredSurvey]:
    """Return the surveys of people, the oldest event first."""
    return stored(tx, of_identifiers(whom, shared=True), surveys.c.event_at, surveys.c.id)


def addresses_of(tx: Transaction, user_ids: Collection[str]) -> set[str]:
    """Return the addresses that people were, or may have been, surveyed at."""
    query = select(surveys.c.claimed_email).where(surveys.c.claimed_user_id.in_(user_ids)).distinct()
    return {one for one in tx.scalars(query) if one is not None}


def anonymous_ids_of(tx: Transaction, user_ids: Collection[str], emails: Collection[str]) -> set[str]:
    """Return the anonymous ids that calls named beside the user id or the address of people."""
    query = select(surveys.c.anonymous_id).where(of_person(user_ids, (), emails), surveys.c.anonymous_id.is_not(None))
    return set(tx.scalars(query.distinct()))


_FORGOTTEN: Final = "its person was forgotten"
_PERSONAL: Final[dict[str, str | None]] = {
    **dict.fromkeys(
        ("user_id", "anonymous_id", "email", "properties", "more", "matches", "occurrence", "row_key", "told")
    ),
    **dict.fromkeys(("claimed_email", "claimed_user_id", "request", "request_form", "withdrawn")),
    "message_id": "",
}


def forget(tx: Transaction, whom: Identifiers, now: float) -> tuple[int, int]:
    """Cancel the open surveys of people, and remove from all what names them; that there was one stays.

    Returns:
        How many surveys lost what is personal, and how many of them waited.
    """
    columns = (surveys.c.id, surveys.c.status, surveys.c.canonical, surveys.c.message_id)
    rows = tx.execute(select(*columns).where(of_identifiers(whom))).all()
    KnownEvents(tx).forget_unsalted((row.canonical, row.message_id) for row in rows)
    # By their numbers from here on: of two conditions SQLite may take the status, and look at a million that wait.
    waiting = [row.id for row in rows if row.status in OPEN]
    settle(tx, waiting, SurveyStatus.CANCELLED, _FORGOTTEN, now)
    # Its request may be at work, and its answer will find nobody: it is not sent again.
    at_work = [row.id for row in rows if row.status == SurveyStatus.CLAIMED]
    settle(tx, at_work, SurveyStatus.UNCERTAIN, _FORGOTTEN, now)
    throttle.forget(tx, whom.keys, at_work, now)
    # A reason may be Promoter's words, which name whom they like.
    tx.update_rows(surveys, ("id", "reason", *_PERSONAL), [(row.id, _FORGOTTEN, *_PERSONAL.values()) for row in rows])
    forget_kept(tx, cancellations, whom.keys)
    tx.execute(delete(not_surveyed).where(not_surveyed.c.who.in_(whom.keys)))
    return len(rows), len(waiting)


def _settled(status: SurveyStatus, reason: str | None, now: float) -> dict[str, object]:
    return {"status": status, "reason": reason, "settled_at": now, "lease": None, "leased_until": 0.0}


def _only(properties: Mapping[str, object], allowed: Container[str]) -> dict[str, object]:
    return {name: value for name, value in properties.items() if name.lower() in allowed}


def _overwrite(tx: Transaction, ids: Sequence[int], **values: object) -> None:
    """Overwrite columns of surveys, in steps of what one statement takes."""
    for start in range(0, len(ids), _STEP):
        tx.execute(update(surveys).where(surveys.c.id.in_(ids[start : start + _STEP])).values(**values))
