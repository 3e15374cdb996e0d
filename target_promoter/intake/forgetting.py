"""Forgetting people in every room of the store; a salted mark of each of their names keeps a replay out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from target_promoter.contacts import contacts, pulled
from target_promoter.people import forgetting, people
from target_promoter.people.identity import Identifiers
from target_promoter.store import erasing, rejected, runs
from target_promoter.store.transaction import Transaction
from target_promoter.surveys import surveys

STEP_SECONDS: Final = 1e-6
"""What sets the times of two people apart that are forgotten together: `--undo` knows by it which names are whose."""

_BY_KEY: Final = ("kept_properties", "cancellations", "throttles", "not_surveyed")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed.

    Attributes:
        people: How many user ids.
        contacts: How many contacts.
        surveys: How many surveys lost what was personal in them.
        cancelled: How many of those waited, and are cancelled.
        rejected: How many rejected records.
        names: What they were known by.
    """

    people: int
    contacts: int
    surveys: int
    cancelled: int
    rejected: int
    names: Identifiers


def is_known(tx: Transaction, whom: Identifiers) -> bool:
    """Return whether the store knows anything of somebody, or that they were forgotten."""
    return bool(
        whom.anonymous_ids
        or people.look_up(tx, whom.user_ids)
        or contacts.load(tx, whom.emails)
        or pulled.load(tx, whom.emails)
        or any(tx.rows_among("who", table, "who", whom.all_keys) for table in _BY_KEY)
        or surveys.of_people(tx, whom)
        or runs.forgotten_among(tx, whom.all_keys)
    )


def forget(
    tx: Transaction,
    whom: Sequence[Identifiers],
    rejected_ids: Collection[int],
    now: float,
    words: Collection[erasing.Words] = (),
) -> Forgotten:
    """Remove people; an address that somebody else has too stays theirs.

    Args:
        rejected_ids: The numbers of the rejected records that name any of them.
        words: The sentences in which an address of theirs stands.
    """
    erasing.overwrite_deleted(tx)
    for number, one in enumerate(whom):
        runs.forget_marks(tx, one.keys, now + number * STEP_SECONDS)
    everybody = Identifiers.joined(whom)
    cleared, cancelled = surveys.forget(tx, everybody, now)
    gone = forgetting.forget(tx, everybody)
    removed = contacts.forget(tx, everybody, now)
    pulled.forget(tx, everybody)
    records = rejected.forget(tx, rejected_ids)
    erasing.erase_words(tx, words)
    return Forgotten(gone, removed, cleared, cancelled, records, everybody)
