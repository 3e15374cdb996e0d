"""Counts of the events that were read, by day, name and outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import ColumnElement, Text, cast, literal, select

from target_promoter.store.schema import events, facts
from target_promoter.store.summary import Tally
from target_promoter.store.transaction import Transaction

_DAY: Final = 86_400
_COLUMNS: Final = ("day", "name", "outcome", "number", "first_at", "last_at", "counted_at")
_ADD: Final = """
    ON CONFLICT (day, name, outcome) DO UPDATE SET
        number = events.number + excluded.number, counted_at = excluded.counted_at,
        first_at = CASE WHEN excluded.first_at < events.first_at THEN excluded.first_at ELSE events.first_at END,
        last_at = CASE WHEN excluded.last_at > events.last_at THEN excluded.last_at ELSE events.last_at END
"""


def add(tx: Transaction, read: Mapping[tuple[str, str], Tally], now: float) -> None:
    """Count events that were read today, by name as sent and outcome."""
    day = int(now // _DAY)
    rows = [
        (day, name, str(outcome), tally.number, tally.first_at, tally.last_at, now)
        for (name, outcome), tally in sorted(read.items())
    ]
    tx.insert_rows(events, _COLUMNS, rows, _ADD)


_CAMPAIGN: Final = "name of campaign:"


def learn_campaigns(tx: Transaction, found: Mapping[int, str]) -> None:
    """Keep the names of campaigns, by id."""
    tx.upsert(facts, [{"name": f"{_CAMPAIGN}{number}", "value": name} for number, name in found.items()])


def campaigns(tx: Transaction) -> dict[int, str]:
    """Return the names of campaigns, by id."""
    known = select(facts).where(facts.c.name.startswith(_CAMPAIGN, autoescape=True))
    return {int(name.removeprefix(_CAMPAIGN)): value for name, value in tx.execute(known)}


def of_campaign(number: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition, as SQL, for the fact that is the name of a campaign."""
    return facts.c.name == literal(_CAMPAIGN) + cast(number, Text)
