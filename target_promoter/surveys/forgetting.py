"""Removing what names a person from surveys; that there was one stays."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import delete, select, update

from target_promoter.people.forgetting import forget_kept
from target_promoter.people.identity import Identifiers
from target_promoter.store.schema import OPEN, SurveyStatus, cancellations, not_surveyed, surveys, throttles
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.known_events import KnownEvents
from target_promoter.surveys.surveys import of_identifiers, settle

_FORGOTTEN: Final = "its person was forgotten"
_PERSONAL: Final[dict[str, Any]] = {
    **dict.fromkeys(
        ("user_id", "anonymous_id", "email", "properties", "more", "matches", "occurrence", "row_key", "told")
    ),
    **dict.fromkeys(("claimed_email", "claimed_user_id", "request", "request_form", "withdrawn")),
    "message_id": "",
}


class ForgottenSurveys(NamedTuple):
    """What was done: how many surveys lost what is personal, and how many of them waited."""

    cleared: int
    cancelled: int


def forget(tx: Transaction, whom: Identifiers, now: float) -> ForgottenSurveys:
    """Cancel the open surveys of people, and remove from all what names them."""
    columns = (surveys.c.id, surveys.c.status, surveys.c.canonical, surveys.c.message_id)
    rows = tx.execute(select(*columns).where(of_identifiers(whom))).all()
    KnownEvents(tx).forget_unsalted((row.canonical, row.message_id) for row in rows)
    # By their numbers from here on: of two conditions SQLite may take the status, and look at a million that wait.
    waiting = [row.id for row in rows if row.status in OPEN]
    settle(tx, waiting, SurveyStatus.CANCELLED, _FORGOTTEN, now)
    # Its request may be at work, and its answer will find nobody: it is not sent again.
    at_work = [row.id for row in rows if row.status == SurveyStatus.CLAIMED]
    settle(tx, at_work, SurveyStatus.UNCERTAIN, _FORGOTTEN, now)
    # Somebody else may have the address too: it may have been surveyed, and is no longer held by an open claim.
    held = throttles.c.survey_id.in_(at_work)
    tx.execute(update(throttles).where(held).values(survey_id=None, surveyed_at=now))
    # A reason may be Promoter's words, which name whom they like.
    tx.update_rows(surveys, ("id", "reason", *_PERSONAL), [(row.id, _FORGOTTEN, *_PERSONAL.values()) for row in rows])
    forget_kept(tx, cancellations, whom.keys)
    for table in (throttles, not_surveyed):
        tx.execute(delete(table).where(table.c.who.in_(whom.keys)))
    return ForgottenSurveys(len(rows), len(waiting))
