"""Whom somebody means who names a person to a command, and all that the store knows that person by."""

from __future__ import annotations

from collections.abc import Iterable

from target_promoter.contacts import contacts, pulled
from target_promoter.people import people
from target_promoter.people.identity import Identifiers
from target_promoter.store.transaction import Transaction
from target_promoter.surveys import surveys


def identifiers_of(tx: Transaction, who: str) -> Identifiers:
    """Return what a person is known by; of one that is not known, what was asked for.

    Args:
        who: A user id or an e-mail address; an address means everybody who has it, or had it last.
    """
    return identifiers_of_all(tx, [who])[0]


def identifiers_of_all(tx: Transaction, whom: Iterable[str]) -> list[Identifiers]:
    """Do the same with several, who share an address only with somebody who is none of them."""
    asked = [one.strip() for one in whom]
    user_ids = [_user_ids(tx, one) for one in asked]
    everybody = frozenset[str]().union(*user_ids)
    return [_identifiers(tx, one, ids, everybody) for one, ids in zip(asked, user_ids, strict=True)]


def _email(asked: str) -> str | None:
    return asked.lower() if "@" in asked else None


def _user_ids(tx: Transaction, asked: str) -> frozenset[str]:
    email = _email(asked)
    found = people.user_ids_of(tx, asked, email)
    if email is not None and not found:
        owner = contacts.owner_of(tx, email) or pulled.owner_of(tx, email)
        found = set() if owner is None else {owner}
    return frozenset(found if found and email is not None else {*found, asked})


def _identifiers(tx: Transaction, asked: str, user_ids: frozenset[str], everybody: frozenset[str]) -> Identifiers:
    email = _email(asked)
    emails = people.addresses_of(tx, user_ids) | contacts.addresses_of(tx, user_ids)
    emails |= pulled.addresses_of(tx, user_ids) | surveys.addresses_of(tx, user_ids)
    emails |= {email} if email is not None else set()
    living = people.load_by_email(tx, emails, whole=False)
    shared = {email for email, rows in living.items() if any(row.user_id not in everybody for row in rows)}
    beside = surveys.anonymous_ids_of(tx, user_ids, emails - shared)
    stands_for = people.users_of(tx, {asked, *beside})
    anonymous_ids = {one for one in beside if one not in stands_for or stands_for[one] in user_ids}
    anonymous_ids |= people.anonymous_links_of(tx, user_ids).keys() | ({asked} & stands_for.keys())
    return Identifiers(user_ids, frozenset(emails), frozenset(anonymous_ids), frozenset(shared))
