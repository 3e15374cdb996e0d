"""Who is meant: whom a call or a survey is about, at which address, and under which keys things of it are kept.

A user id decides. Without one, an anonymous id stands for a person while it has been seen with exactly one user id;
then comes the call's own e-mail address, for whoever has it. A user id that is not known yet waits: it never falls
through to an address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from target_promoter.people import people
from target_promoter.people.known import KnownPeople
from target_promoter.store.transaction import Transaction


class Named(Protocol):
    """What a call or a survey names its person by."""

    @property
    def user_id(self) -> str | None:
        """The user id."""

    @property
    def anonymous_id(self) -> str | None:
        """The anonymous id."""

    @property
    def email(self) -> str | None:
        """The e-mail address, in lower case."""


@dataclass(frozen=True, slots=True)
class Who:
    """Whom a call or a survey is about.

    Attributes:
        user_id: The person's user id; None while nobody is known.
        email: The address that the person can be surveyed at; None while there is none.
    """

    user_id: str | None
    email: str | None


def user_key(user_id: str) -> str:
    """Return the key under which something of a user id is kept."""
    return f"u:{user_id}"


def anonymous_key(anonymous_id: str) -> str:
    """Return the key under which something of an anonymous id is kept."""
    return f"a:{anonymous_id}"


def email_key(email: str) -> str:
    """Return the key under which something of an e-mail address, in lower case, is kept."""
    return f"e:{email}"


def keys_named(one: Named) -> tuple[str, ...]:
    """Return the keys of all that a call names its person by, the surest first."""
    return (
        *((user_key(one.user_id),) if one.user_id else ()),
        *((anonymous_key(one.anonymous_id),) if one.anonymous_id else ()),
        *((email_key(one.email),) if one.email else ()),
    )


def keys_kept_under(one: Named) -> tuple[str, ...]:
    """Return the keys under which something that a call says is kept while its person may not be known.

    The user id alone if there is one: an address or an anonymous id may be somebody else's tomorrow.
    """
    return (user_key(one.user_id),) if one.user_id else keys_named(one)


class Names(NamedTuple):
    """What keys stand for."""

    user_ids: set[str]
    anonymous_ids: set[str]
    emails: set[str]


def names_of(keys: Iterable[str]) -> Names:
    """Return the user ids, anonymous ids and addresses that keys stand for."""
    names = Names(set(), set(), set())
    by_kind = {"u": names.user_ids, "a": names.anonymous_ids, "e": names.emails}
    for key in keys:
        by_kind[key[0]].add(key[2:])
    return names


class Identity:
    """Answers who is meant, for calls and surveys that are looked up together.

    Args:
        tx: The transaction.
        known: The people of a batch, as they stand in it; without them as they are in the store.
    """

    def __init__(self, tx: Transaction, known: KnownPeople | None = None) -> None:
        self._tx = tx
        self._people = KnownPeople(tx) if known is None else known
        self._users: dict[str, str | None] = {}
        self._owners: dict[str, str | None] = {}
        self._anonymous: dict[str, list[str]] = {}

    def look_up(self, named: Iterable[Named]) -> None:
        """Look up all that calls or surveys name, so that the questions below ask the store for nothing."""
        calls = list(named)
        nameless = [one for one in calls if one.user_id is None]
        anonymous = {one.anonymous_id for one in nameless if one.anonymous_id} - self._users.keys()
        self._users |= dict.fromkeys(anonymous) | people.users_of(self._tx, anonymous)
        emails = {one.email for one in nameless if one.email} - self._owners.keys()
        living = people.load_by_email(self._tx, emails, whole=False)
        self._owners |= {email: living[email][-1].user_id if email in living else None for email in emails}
        users = {one.user_id for one in calls}.union(self._users.values(), self._owners.values())
        self._people.look_up(user_id for user_id in users if user_id is not None)

    def look_up_anonymous_ids(self, user_ids: Iterable[str]) -> None:
        """Look up the anonymous ids that stand for people, for `keys_of`."""
        missing = set(user_ids) - self._anonymous.keys()
        self._anonymous |= {user_id: [] for user_id in missing}
        for anonymous_id, user_id in people.anonymous_links_of(self._tx, missing).items():
            self._anonymous[user_id].append(anonymous_id)

    def user_id(self, one: Named) -> str | None:
        """Return the user id that a call names, or that its anonymous id stands for."""
        return one.user_id or self._users.get(one.anonymous_id or "")

    def who(self, one: Named) -> Who:
        """Return whom a call or a survey is about: by user id, by anonymous id, by the call's own address."""
        user_id = self.user_id(one)
        if user_id is not None:
            return Who(user_id, self._people.address(user_id))
        owner = self._owners.get(one.email or "")
        return Who(None, None) if owner is None else Who(owner, one.email)

    def everybody(self, one: Named) -> tuple[Who, ...]:
        """Return whom a call is about, and whoever else has the address that it names."""
        owner = self._owners.get(one.email or "")
        return (self.who(one), *(() if owner is None else (Who(owner, one.email),)))

    def keys_done_under(self, one: Named) -> tuple[str, ...]:
        """Return the keys under which it is kept that a call's person did something."""
        user_id = self.who(one).user_id
        own = () if user_id is None else (user_key(user_id),)
        return own if one.user_id else tuple(dict.fromkeys((*own, *keys_named(one))))

    def keys_of(self, one: Named) -> tuple[str, ...]:
        """Return all keys under which something that a call's person did may be kept."""
        who = self.who(one)
        user_id = who.user_id
        if user_id is None:
            return keys_named(one)
        self.look_up_anonymous_ids((user_id,))
        also = (user_key(user_id), *map(anonymous_key, self._anonymous[user_id]))
        address = () if who.email is None else (email_key(who.email),)
        return tuple(dict.fromkeys((*keys_named(one), *also, *address)))


@dataclass(frozen=True, slots=True)
class Identifiers:
    """Everything that the store knows a person by, or several together.

    Attributes:
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
            *(email_key(one) for one in sorted(self.own_emails)),
            *(anonymous_key(one) for one in sorted(self.anonymous_ids)),
        )

    @property
    def all_keys(self) -> tuple[str, ...]:
        """The keys, also of addresses that the person shares."""
        return (*self.keys, *(email_key(one) for one in sorted(self.shared)))

    @property
    def own_emails(self) -> frozenset[str]:
        """The addresses that nobody else living has."""
        return self.emails - self.shared

    @classmethod
    def joined(cls, several: Iterable[Identifiers]) -> Identifiers:
        """Return what several people are known by."""
        many = list(several)
        names = ("user_ids", "emails", "anonymous_ids", "shared")
        return cls(*(frozenset[str]().union(*(getattr(one, name) for one in many)) for name in names))
