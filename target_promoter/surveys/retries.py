"""Trying once more what Promoter refused, because somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from target_promoter.store.encoding import encode
from target_promoter.store.schema import surveys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_promoter.store.transaction import Transaction


def requeue_survey(tx: Transaction, message: bytes, properties: Mapping[str, Any]) -> bool:
    """Put a refused survey among those to be sent.

    One of which an earlier request got no answer may have e-mailed somebody: it stays as it is.

    Args:
        properties: The event's properties, perhaps corrected.

    Returns:
        Whether it is to be sent.
    """
    where = (surveys.c.message == message) & (surveys.c.status == "refused") & (surveys.c.unanswered == 0)
    where &= surveys.c.withdrawn.is_(None)
    values: dict[str, Any] = {
        "status": "queued",
        "properties": encode(properties),
        **dict.fromkeys(("reason", "settled_at", "claimed_email", "claimed_user_id", "claimed_at")),
        **dict.fromkeys(("request", "request_form", "lease")),
    }
    return tx.execute(update(surveys).where(where).values(leased_until=0.0, **values)).rowcount > 0
