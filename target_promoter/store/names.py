"""The names of campaigns and contact lists at Promoter, as `check` learned them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import select

from target_promoter.store.schema import facts
from target_promoter.store.transaction import Transaction

_CAMPAIGN: Final = "name of campaign:"


def learn_campaigns(tx: Transaction, found: Mapping[int, str]) -> None:
    """Keep the names of campaigns, by id."""
    tx.upsert(facts, [{"name": f"{_CAMPAIGN}{number}", "value": name} for number, name in found.items()])


def campaigns(tx: Transaction) -> dict[int, str]:
    """Return the names of campaigns, by id."""
    known = select(facts).where(facts.c.name.startswith(_CAMPAIGN, autoescape=True))
    return {int(name.removeprefix(_CAMPAIGN)): value for name, value in tx.execute(known)}
