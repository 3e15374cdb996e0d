"""People whose e-mail address changes: the throttle of the old one goes along, under whichever user id it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_promoter.people.identity import email_key, user_key
from target_promoter.store.schema import throttles
from target_promoter.surveys.claims import throttles_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_promoter.store.transaction import Transaction


def take_throttle_along(tx: Transaction, moved: Mapping[str, str], now: float) -> None:
    """Have people who left an address be throttled as it is, though somebody else with it was surveyed.

    Args:
        moved: From user id to the address that the person had.
    """
    if not moved:
        return
    known = throttles_of(tx, {*map(email_key, moved.values()), *map(user_key, moved)})
    rows = []
    for user_id, email in moved.items():
        old, own = known.get(email_key(email)), known.get(user_key(user_id))
        if old is None or (own is not None and own.survey_id is not None and own.survey_id == old.survey_id):
            continue  # Nobody was surveyed there, or it was this person, whose own claim says so when it is settled.
        # An open claim of somebody else counts as a survey: its end is noted under that one's names alone.
        last = now if old.survey_id is not None else old.surveyed_at
        before = None if own is None else own.surveyed_at
        if last is not None and (before is None or before < last):
            rows.append({"who": user_key(user_id), "surveyed_at": last})
    tx.upsert(throttles, rows)
