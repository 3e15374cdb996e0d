"""Who waits, and for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from target_promoter.people import people
from target_promoter.report.data import OpenFacts
from target_promoter.store.schema import UNSETTLED, SurveyStatus, surveys

if TYPE_CHECKING:
    from target_promoter.config.settings import Settings
    from target_promoter.store.transaction import Transaction


def open_surveys(tx: Transaction, settings: Settings, now: float, *, most: int) -> tuple[OpenFacts, ...]:
    """Return surveys that are not settled, the next due first."""
    query = select(surveys).where(surveys.c.status.in_(UNSETTLED)).order_by(surveys.c.due_at, surveys.c.id).limit(most)
    rows = tx.execute(query).all()
    links = people.users_of(tx, {row.anonymous_id for row in rows if row.user_id is None and row.anonymous_id})
    users = {row.id: row.user_id or links.get(row.anonymous_id or "") for row in rows}
    known = people.load(tx, {user_id for user_id in users.values() if user_id is not None})
    found = []
    for row in rows:
        user_id = users[row.id]
        person = None if user_id is None else known.get(user_id)
        email = row.claimed_email or (person.address if person is not None else row.email)
        found.append(OpenFacts(row.event, row.campaign_id, who(row), email, waits_for(row, settings, now), row.due_at))
    return tuple(found)


def who(row: Any) -> str:  # noqa: ANN401 - a database row
    """Return whom a survey's call names."""
    if row.user_id is not None:
        return f"user id {row.user_id}"
    if row.anonymous_id is not None:
        return f"anonymous id {row.anonymous_id}"
    return row.email or "nobody that is known any more"


def waits_for(row: Any, settings: Settings, now: float) -> str:  # noqa: ANN401 - a database row
    """Return what has to happen before a survey is settled."""
    if row.status == SurveyStatus.WAITING:
        return "an identify call with its e-mail address"
    if row.status == SurveyStatus.CLAIMED:
        return "Promoter's answer to its request"
    campaign = settings.campaigns.get(row.canonical)
    if campaign is None:
        return "a campaign of its event in the setting campaigns"
    if campaign.paused:
        return "the end of its campaign's pause"
    return "its day" if row.due_at > now else "the next delivery"
