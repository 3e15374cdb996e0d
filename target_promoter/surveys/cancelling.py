"""When an event cancels the survey of an earlier one (`cancel_on`), and whose events count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from target_promoter.people import identity
from target_promoter.store.schema import cancellations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_promoter.store.transaction import Transaction


class _OfSomebody(Protocol):
    @property
    def user_id(self) -> str | None: ...
    @property
    def anonymous_id(self) -> str | None: ...
    @property
    def email(self) -> str | None: ...


def survey_keys(survey: _OfSomebody, linked_user_id: str | None) -> tuple[str, ...]:
    """Return the keys of everything that a survey's call names its person by.

    Args:
        linked_user_id: The user id that its anonymous id stands for, if it stands for one.
    """
    user_id = survey.user_id or linked_user_id
    keys = (
        user_id and identity.user_key(user_id),
        survey.anonymous_id and identity.anonymous_key(survey.anonymous_id),
        survey.email and identity.email_key(survey.email),
    )
    return tuple(key for key in keys if key)


def cancelled_by(
    known: Mapping[tuple[str, str], float], keys: Iterable[str], cancel_on: frozenset[str], event_at: float
) -> str | None:
    """Return the event that cancels a survey, if there is one later than its own.

    Args:
        known: When people last did what cancels, by who and canonical event, in epoch seconds.
        cancel_on: The events, in canonical form, that cancel it.
        event_at: The time of its own event, in epoch seconds.
    """
    for key in keys:
        for event in sorted(cancel_on):
            if known.get((key, event), float("-inf")) > event_at:
                return event
    return None


def note_cancellations(tx: Transaction, seen: Mapping[tuple[str, str], float]) -> None:
    """Remember when people last did what cancels a survey.

    Args:
        seen: By who (a key such as `identity.user_key`) and canonical event, the time in epoch seconds.
    """
    known = cancellations_of(tx, {who for who, _ in seen})
    rows = [
        {"who": who, "event": event, "time": time}
        for (who, event), time in seen.items()
        if time > known.get((who, event), float("-inf"))
    ]
    tx.upsert(cancellations, rows)


def cancellations_of(tx: Transaction, keys: Iterable[str]) -> dict[tuple[str, str], float]:
    """Return when people last did what cancels a survey: by who and canonical event, the time in epoch seconds.

    Args:
        keys: The keys of the people, such as `identity.user_key`.
    """
    rows = tx.rows_among("who, event, time", "cancellations", "who", set(keys))
    return {(row[0], row[1]): row[2] for row in rows}
