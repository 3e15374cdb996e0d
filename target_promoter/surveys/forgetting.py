"""Removing what names a person from surveys; that there was one stays."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import delete, select, update

from target_promoter.people.forgetting import forget_kept
from target_promoter.people.identity import Identifiers
from target_promoter.store.schema import OPEN, SurveyStatus, cancellations, not_surveyed, surveys, throttles
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.known_events import KnownEvents
from target_promoter.surveys.surveys import of_identifiers

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
    whose = of_identifiers(whom)
    named = tx.execute(select(surveys.c.canonical, surveys.c.message_id).where(whose)).all()
    KnownEvents(tx).forget_unsalted((event, message_id) for event, message_id in named)
    settled = {"settled_at": now, "lease": None, "leased_until": 0.0}
    waiting = update(surveys).where(whose, surveys.c.status.in_(OPEN))
    cancelled = tx.execute(waiting.values(status=SurveyStatus.CANCELLED, **settled)).rowcount
    # Its request may be at work, and its answer will find nobody: it is not sent again.
    at_work = whose & (surveys.c.status == SurveyStatus.CLAIMED)
    # Somebody else may have the address too: it may have been surveyed, and is no longer held by an open claim.
    held = throttles.c.survey_id.in_(select(surveys.c.id).where(at_work))
    tx.execute(update(throttles).where(held).values(survey_id=None, surveyed_at=now))
    tx.execute(update(surveys).where(at_work).values(status=SurveyStatus.UNCERTAIN, **settled))
    # A reason may be Promoter's words, which name whom they like.
    cleared = tx.execute(update(surveys).where(whose).values(reason=_FORGOTTEN, **_PERSONAL)).rowcount
    forget_kept(tx, cancellations, whom.keys)
    for table in (throttles, not_surveyed):
        tx.execute(delete(table).where(table.c.who.in_(whom.keys)))
    return ForgottenSurveys(cleared, cancelled)
