"""Which campaign the surveys that wait go to, when the config names another one for their event than it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text, update

from target_promoter.store.schema import OPEN, surveys

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_promoter.store.transaction import Transaction

NO_CAMPAIGN: Final = 0
"""The campaign of a survey whose event the config gives none any more: it is not sent, and grows too old."""

_OPEN_EVENTS: Final = text("SELECT DISTINCT event, campaign_id FROM surveys WHERE status IN ('waiting', 'queued')")


def assign(tx: Transaction, campaign_of: Callable[[str], int | None]) -> None:
    """Have every survey that waits go to the campaign of its event.

    Args:
        campaign_of: Returns the campaign's id for an event by its name as sent; None if it has none.
    """
    for event, before in tx.execute(_OPEN_EVENTS).all():
        now = campaign_of(event) or NO_CAMPAIGN
        if now != before:
            of_event = surveys.c.status.in_(OPEN) & (surveys.c.event == event) & (surveys.c.campaign_id == before)
            tx.execute(update(surveys).where(of_event).values(campaign_id=now))
