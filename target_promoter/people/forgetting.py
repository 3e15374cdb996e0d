"""Removing a person from the store; a salted mark of each of its names stays, so that a replay surveys nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select, update

from target_promoter.store import runs
from target_promoter.store.schema import (
    OPEN,
    SurveyStatus,
    anonymous_ids,
    cancellations,
    contacts,
    kept_properties,
    not_surveyed,
    people,
    rejected,
    surveys,
    throttles,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_promoter.people.identity import Identifiers
    from target_promoter.store.transaction import Transaction

_FORGOTTEN: Final = "its person was forgotten"
_PERSONAL: Final[dict[str, Any]] = {
    **dict.fromkeys(
        (
            "user_id",
            "anonymous_id",
            "email",
            "properties",
            "more",
            "matches",
            "occurrence",
            "row_key",
            "claimed_email",
            "claimed_user_id",
            "request",
            "request_form",
        )
    ),
    "message_id": "",
}


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed.

    Attributes:
        people: How many user ids.
        contacts: How many contacts.
        surveys: How many surveys lost what was personal in them.
        cancelled: How many of those waited, and are cancelled.
        rejected: How many rejected records.
    """

    people: int
    contacts: int
    surveys: int
    cancelled: int
    rejected: int


def forget(tx: Transaction, names: Identifiers, rejected_ids: Iterable[int], now: float) -> Forgotten:
    """Remove a person; an address that somebody else has too stays theirs.

    Args:
        rejected_ids: The numbers of the rejected records that name it.
    """
    if tx.is_sqlite:
        # Else what was deleted can be read from the file until something else is written in its place.
        tx.sql("PRAGMA secure_delete = ON")
    runs.forget_marks(tx, names.keys)
    whose = names.surveys(shared=False)
    settled = {"settled_at": now, "lease": None, "leased_until": 0.0}
    waiting = whose & surveys.c.status.in_(OPEN)
    cancelled = tx.execute(
        update(surveys).where(waiting).values(status=SurveyStatus.CANCELLED, reason=_FORGOTTEN, **settled)
    ).rowcount
    # Its request may be at work, and its answer will find nobody: it is not sent again.
    at_work = whose & (surveys.c.status == SurveyStatus.CLAIMED)
    reason = f"{_FORGOTTEN} while its request was at work"
    # Somebody else may have the address too: it may have been surveyed, and is no longer held by an open claim.
    held = throttles.c.survey_id.in_(select(surveys.c.id).where(at_work))
    tx.execute(update(throttles).where(held).values(survey_id=None, surveyed_at=now))
    tx.execute(update(surveys).where(at_work).values(status=SurveyStatus.UNCERTAIN, reason=reason, **settled))
    cleared = tx.execute(update(surveys).where(whose).values(**_PERSONAL)).rowcount
    keys = names.keys
    for table in (kept_properties, cancellations, not_surveyed, throttles):
        tx.execute(delete(table).where(table.c.who.in_(keys)))
    tx.execute(
        delete(anonymous_ids).where(
            anonymous_ids.c.user_id.in_(names.user_ids) | anonymous_ids.c.anonymous_id.in_(names.anonymous_ids)
        )
    )
    alone = names.emails - names.shared
    return Forgotten(
        people=tx.execute(delete(people).where(people.c.user_id.in_(names.user_ids))).rowcount,
        contacts=tx.execute(delete(contacts).where(contacts.c.email.in_(alone))).rowcount,
        surveys=cleared,
        cancelled=cancelled,
        rejected=tx.execute(delete(rejected).where(rejected.c.id.in_(list(rejected_ids)))).rowcount,
    )
