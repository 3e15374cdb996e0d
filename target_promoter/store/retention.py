"""How long things are kept: everything that grows with time has an end that no promise needs to be later."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from target_promoter.store import runs
from target_promoter.store.transaction import Transaction

DAY: Final = 86_400.0
MONTH: Final = 30 * DAY
YEAR: Final = 365 * DAY

_AFTER_A_MONTH: Final = (
    text("DELETE FROM surveys WHERE settled_at < :before AND status NOT IN ('waiting', 'queued', 'claimed')"),
    text("DELETE FROM rejected WHERE rejected_at < :before"),
    text("DELETE FROM runs WHERE started_at < :before"),
    text("DELETE FROM events WHERE day < :before / 86400 - 1"),
)
"""What a run's beginning finds by an index."""

_AFTER_A_YEAR: Final = (
    text("DELETE FROM not_surveyed WHERE event_at < :before"),
    text("DELETE FROM attribute_notes WHERE noted_at < :before"),
    text("DELETE FROM request_days WHERE day < :before / 86400"),
    # A person that was surveyed, or did what cancels, so long ago keeps nothing from being sent.
    text("DELETE FROM throttles WHERE surveyed_at < :before AND survey_id IS NULL"),
    text("DELETE FROM cancellations WHERE time < :before"),
    # Nor is it known for longer what was sent since the account was read.
    text("UPDATE pulled SET contact = NULL, differs = 0 WHERE read_at < :before AND contact IS NOT NULL"),
    # Properties of somebody who never came; those of an id or an address that is somebody's stay theirs.
    text("""
        DELETE FROM kept_properties WHERE time < :before AND who LIKE 'u:%'
        AND NOT EXISTS (SELECT 1 FROM people WHERE user_id = substr(who, 3))
    """),
    text("""
        DELETE FROM kept_properties WHERE time < :before AND who LIKE 'a:%' AND NOT EXISTS (
            SELECT 1 FROM anonymous_ids WHERE anonymous_id = substr(who, 3) AND user_id IS NOT NULL
        )
    """),
    text("""
        DELETE FROM kept_properties WHERE time < :before AND who LIKE 'e:%'
        AND NOT EXISTS (SELECT 1 FROM people WHERE email = substr(who, 3))
    """),
    # A contact that is nobody's: its address, and the user id that had it, are those of no person in the store.
    text("""
        DELETE FROM contacts WHERE status NOT IN ('pending', 'removing') AND changed_at < :before
        AND NOT EXISTS (SELECT 1 FROM people WHERE people.email = contacts.email)
        AND NOT EXISTS (SELECT 1 FROM people WHERE people.user_id = contacts.user_id)
    """),
)
"""What takes a look at whole tables, which a run does once a day."""

_SWEPT_AT: Final = "swept_at"
_LAST_RUN: Final = text("SELECT started_at FROM runs ORDER BY id DESC LIMIT 1")


def remove_old(tx: Transaction, now: float, *, longest: float) -> None:
    """Remove what was kept for as long as anybody needs it.

    Args:
        now: The time, in epoch seconds.
        longest: For how many seconds after an event, by the settings, something may still come of it; what may keep a
            survey from being sent is kept for that long, if that is more than a year.
    """
    last = tx.scalar(_LAST_RUN)
    if last is not None and now - last > MONTH:
        return  # The clock may have gone wrong; the next run knows more.
    for statement in _AFTER_A_MONTH:
        tx.execute(statement, {"before": now - MONTH})
    if abs(now - float(runs.fact(tx, _SWEPT_AT) or 0.0)) < DAY:
        return
    for statement in _AFTER_A_YEAR:
        tx.execute(statement, {"before": now - max(YEAR, longest)})
    runs.set_fact(tx, _SWEPT_AT, str(now))
