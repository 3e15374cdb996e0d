"""Everything that the store knows a person by: user ids, anonymous ids, e-mail addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from target_promoter.people.people import anonymous_key, email_key, user_key
from target_promoter.store.schema import anonymous_ids, people, surveys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from target_promoter.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Names:
    """What a person is known by.

    Attributes:
        user_ids: Its user ids.
        emails: Its e-mail addresses, in lower case.
        anonymous_ids: The anonymous ids that stand for it.
        shared: Those of the addresses that somebody else living has too.
    """

    user_ids: frozenset[str]
    emails: frozenset[str]
    anonymous_ids: frozenset[str]
    shared: frozenset[str]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys under which the store keeps things of the person and nobody else."""
        return (
            *(user_key(one) for one in sorted(self.user_ids)),
            *(email_key(one) for one in sorted(self.emails - self.shared)),
            *(anonymous_key(one) for one in sorted(self.anonymous_ids)),
        )

    @property
    def all_keys(self) -> tuple[str, ...]:
        """The keys, also of addresses that the person shares."""
        return (*self.keys, *(email_key(one) for one in sorted(self.shared)))

    def surveys(self, *, shared: bool) -> ColumnElement[bool]:
        """Return the condition for surveys of the person.

        Args:
            shared: Whether those count that an address which the person shares was surveyed by.
        """
        emails = self.emails if shared else self.emails - self.shared
        nobody = surveys.c.user_id.is_(None)
        return or_(
            surveys.c.user_id.in_(self.user_ids),
            surveys.c.claimed_user_id.in_(self.user_ids),
            nobody & surveys.c.anonymous_id.in_(self.anonymous_ids),
            nobody & surveys.c.email.in_(emails),
            surveys.c.claimed_email.in_(emails),
        )


def names_of(tx: Transaction, who: str) -> Names:
    """Return what a person is known by; of one that is not known, what was asked for.

    Args:
        who: A user id or an e-mail address; an address means everybody who has it.
    """
    asked = who.strip()
    email = asked.lower() if "@" in asked else None
    where = people.c.user_id == asked
    if email is not None:
        where |= people.c.email == email
    rows = tx.execute(select(people.c.user_id, people.c.email).where(where)).all()
    user_ids = {row.user_id for row in rows}
    emails = {row.email for row in rows if row.email is not None}
    if email is not None:
        emails.add(email)
    if email is None or not rows:
        user_ids.add(asked)
    surveyed = select(surveys.c.claimed_email).where(surveys.c.claimed_user_id.in_(user_ids)).distinct()
    emails.update(one for one in tx.scalars(surveyed) if one is not None)
    anonymous = tx.scalars(
        select(anonymous_ids.c.anonymous_id).where(
            or_(anonymous_ids.c.user_id.in_(user_ids), anonymous_ids.c.anonymous_id == asked)
        )
    )
    return Names(frozenset(user_ids), frozenset(emails), frozenset(anonymous), _shared(tx, user_ids, emails))


def _shared(tx: Transaction, user_ids: set[str], emails: set[str]) -> frozenset[str]:
    others = select(people.c.email).where(
        people.c.email.in_(emails),
        people.c.user_id.not_in(user_ids),
        or_(people.c.deleted_at.is_(None), people.c.deleted_at < people.c.identified_at),
    )
    return frozenset(email for email in tx.scalars(others) if email is not None)


def survey_rows(tx: Transaction, names: Names) -> Sequence[Any]:
    """Return the surveys of a person, the oldest event first."""
    query = select(surveys).where(names.surveys(shared=True)).order_by(surveys.c.event_at, surveys.c.id)
    return tx.execute(query).all()
