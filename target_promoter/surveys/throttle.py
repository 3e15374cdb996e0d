"""The survey throttle: when a contact was last surveyed, and which open claim holds it; `Rules` says for how long."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, update

from target_promoter.people.identity import email_key, user_key
from target_promoter.store.schema import throttles
from target_promoter.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Throttle:
    """What keeps a contact from being surveyed.

    Attributes:
        surveyed_at: When it was last surveyed, in epoch seconds.
        survey_id: The survey of the claim that is open for it.
    """

    surveyed_at: float | None
    survey_id: int | None


def load(tx: Transaction, keys: Iterable[str]) -> dict[str, Throttle]:
    """Return what keeps contacts from being surveyed, by key (`identity.email_key`, `identity.user_key`)."""
    rows = tx.rows_among("who, surveyed_at, survey_id", "throttles", "who", set(keys))
    return {row.who: Throttle(row.surveyed_at, row.survey_id) for row in rows}


def last_surveyed(known: Iterable[Throttle]) -> float | None:
    """Return when a contact was last surveyed under any of its keys, in epoch seconds; None if it never was."""
    return max((one.surveyed_at for one in known if one.surveyed_at is not None), default=None)


def surveyed_among(tx: Transaction, emails: Collection[str]) -> set[str]:
    """Return those of some addresses that were ever surveyed."""
    known = load(tx, map(email_key, emails))
    return {email for email in emails if (one := known.get(email_key(email))) and one.surveyed_at is not None}


def hold(tx: Transaction, holders: Mapping[str, int]) -> None:
    """Have open claims hold contacts, by key, so that no other survey of theirs is claimed."""
    tx.upsert_rows(throttles, ("who", "survey_id"), list(holders.items()))


def free(tx: Transaction, holders: Mapping[str, int]) -> None:
    """Let the contacts that claims held be claimed again, by key."""
    known = load(tx, holders)
    rows = [(who, None) for who, survey_id in holders.items() if who in known and known[who].survey_id == survey_id]
    tx.update_rows(throttles, ("who", "survey_id"), rows)


def record(tx: Transaction, surveyed: Mapping[str, float]) -> None:
    """Record when contacts were surveyed, by key, in epoch seconds."""
    tx.upsert_rows(throttles, ("who", "surveyed_at"), list(surveyed.items()))


def move(tx: Transaction, moved: Mapping[str, str], now: float) -> None:
    """Throttle people who left an address as it is, though somebody else with it was surveyed.

    Args:
        moved: From user id to the address that the person had.
    """
    if not moved:
        return
    known = load(tx, {*map(email_key, moved.values()), *map(user_key, moved)})
    surveyed: dict[str, float] = {}
    for user_id, email in moved.items():
        old, own = known.get(email_key(email)), known.get(user_key(user_id))
        if old is None or (own is not None and own.survey_id is not None and own.survey_id == old.survey_id):
            continue  # Nobody was surveyed there, or it was this person, whose own claim says so when it is settled.
        # An open claim of somebody else counts as a survey: its end is noted under that one's names alone.
        last = now if old.survey_id is not None else old.surveyed_at
        before = None if own is None else own.surveyed_at
        if last is not None and (before is None or before < last):
            surveyed[user_key(user_id)] = last
    record(tx, surveyed)


def forget(tx: Transaction, keys: Collection[str], survey_ids: Collection[int], now: float) -> None:
    """Remove the throttles of people who are forgotten, by key; what their claims hold besides is free.

    Args:
        survey_ids: The surveys of their open claims.
    """
    # Somebody else may have the address too: it may have been surveyed, and is no longer held by an open claim.
    held = throttles.c.survey_id.in_(survey_ids)
    tx.execute(update(throttles).where(held).values(survey_id=None, surveyed_at=now))
    tx.execute(delete(throttles).where(throttles.c.who.in_(keys)))
