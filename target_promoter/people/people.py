"""People: user ids with their traits, and the anonymous ids that stand for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_promoter.people.person import Person
from target_promoter.people.traits import NOTHING_SAID, Trait, Traits
from target_promoter.store.encoding import decode, encode
from target_promoter.store.schema import anonymous_ids, people

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_promoter.store.transaction import Transaction

_NAMES: Final = ("user_id", "email", "identified_at", "deleted_at", "fingerprints", "parts")
_COLUMNS: Final = ", ".join(_NAMES)


@dataclass(frozen=True, slots=True)
class Link:
    """A change of whom an anonymous id stands for.

    Attributes:
        anonymous_id: The anonymous id.
        before: The user id it stood for, if it stood for one.
        user_id: The user id it stands for from now on; null if it was seen with several.
    """

    anonymous_id: str
    before: str | None
    user_id: str | None


class _Said(msgspec.Struct, omit_defaults=True):
    """What was said of a person, as the column `parts` holds it; the address is in a column of its own."""

    email_at: float | None = None
    names: Traits = NOTHING_SAID
    traits: Traits = NOTHING_SAID
    stored: Mapping[str, Trait] = {}
    contact_lists: Mapping[int, float] = {}
    dated_at: float = 0.0
    undated: tuple[float, ...] = ()


_said: Final = msgspec.json.Decoder(_Said, float_hook=Decimal)


class Row:
    """A person as stored, decoded only when it must be: most records of a second sync say nothing new."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Any) -> None:  # noqa: ANN401 - a database row
        self._columns = columns

    @property
    def address(self) -> str | None:
        """The e-mail address the person is reached at."""
        email: str | None = self._columns[1]
        return None if self.deleted else email

    @property
    def deleted(self) -> bool:
        """Whether the person was deleted and not identified since."""
        _, _, identified_at, deleted_at, _, _ = self._columns
        return deleted_at is not None and deleted_at >= identified_at

    @property
    def deleted_at(self) -> float | None:
        """The time of the last deletion."""
        deleted_at: float | None = self._columns[3]
        return deleted_at

    @property
    def user_id(self) -> str:
        """The user id."""
        user_id: str = self._columns[0]
        return user_id

    @property
    def identified(self) -> tuple[float, str]:
        """What puts the people at one address in order: the time of the last identify, and the user id."""
        return self._columns[2], self._columns[0]

    def is_marked(self, stream: str, mark: str) -> bool:
        """Return whether a mark is that of the last record that a stream brought."""
        text: str = self._columns[4]
        return mark in text and decode(text).get(stream) == mark

    def person(self) -> Person:
        """Return the whole person."""
        user_id, email, identified_at, deleted_at, fingerprints, text = self._columns
        said = _said.decode(text)
        return Person(
            user_id=user_id,
            email=None if email is None or said.email_at is None else (email, said.email_at),
            names=said.names,
            traits=said.traits,
            stored=said.stored,
            contact_lists=said.contact_lists,
            identified_at=identified_at,
            dated_at=said.dated_at,
            undated=said.undated,
            deleted_at=deleted_at,
            fingerprints=decode(fingerprints),
        )


def load(tx: Transaction, user_ids: Iterable[str]) -> dict[str, Row]:
    """Return those of the people that are known, by user id."""
    return {row[0]: Row(row) for row in tx.rows_among(_COLUMNS, "people", "user_id", set(user_ids))}


def load_by_email(tx: Transaction, emails: Iterable[str]) -> dict[str, list[Row]]:
    """Return everybody living at the given addresses, by address; the one identified last, the owner, last."""
    found: dict[str, list[Row]] = {}
    for columns in tx.rows_among(_COLUMNS, "people", "email", set(emails)):
        row = Row(columns)
        if row.address is not None:
            found.setdefault(row.address, []).append(row)
    for rows in found.values():
        rows.sort(key=lambda row: row.identified)
    return found


def save(tx: Transaction, changed: Iterable[Person]) -> None:
    """Write people, new and known."""
    rows = [
        (
            person.user_id,
            person.email[0] if person.email else None,
            person.identified_at,
            person.deleted_at,
            encode(person.fingerprints),
            encode(
                _Said(
                    person.email[1] if person.email else None,
                    person.names,
                    person.traits,
                    person.stored,
                    person.contact_lists,
                    person.dated_at,
                    person.undated,
                )
            ),
        )
        for person in changed
    ]
    tx.upsert_rows(people, _NAMES, rows)


def users_of(tx: Transaction, anonymous: Iterable[str]) -> dict[str, str | None]:
    """Return the user id each known anonymous id stands for; null if it was seen with several."""
    rows = tx.rows_among("anonymous_id, user_id", "anonymous_ids", "anonymous_id", set(anonymous))
    return {row[0]: row[1] for row in rows}


def anonymous_ids_of(tx: Transaction, user_ids: Iterable[str]) -> list[str]:
    """Return the anonymous ids that stand for any of the people."""
    return list(anonymous_links_of(tx, user_ids))


def anonymous_links_of(tx: Transaction, user_ids: Iterable[str]) -> dict[str, str]:
    """Return the anonymous ids that stand for any of the people, each with its user id."""
    rows = tx.rows_among("anonymous_id, user_id", "anonymous_ids", "user_id", set(user_ids))
    return {row[0]: row[1] for row in rows}


def link(tx: Transaction, seen: Iterable[tuple[str, str]]) -> list[Link]:
    """Remember which user ids anonymous ids were seen with.

    Returns:
        What changed.
    """
    pairs = set(seen)
    known = users_of(tx, {anonymous_id for anonymous_id, _ in pairs})
    new: dict[str, str | None] = {}
    for anonymous_id, user_id in sorted(pairs):
        before = new.get(anonymous_id, known.get(anonymous_id, user_id))
        if (anonymous_id not in known and anonymous_id not in new) or before != user_id:
            new[anonymous_id] = user_id if before == user_id else None
    changed = {key: value for key, value in new.items() if key not in known or known[key] != value}
    tx.upsert(anonymous_ids, [{"anonymous_id": key, "user_id": value} for key, value in changed.items()])
    return [Link(key, known.get(key), value) for key, value in changed.items()]


def anonymous_key(anonymous_id: str) -> str:
    """Return the key under which something of an anonymous id is kept."""
    return f"a:{anonymous_id}"


def email_key(email: str) -> str:
    """Return the key under which something of an e-mail address is kept.

    Args:
        email: The address, in lower case.
    """
    return f"e:{email}"


def user_key(user_id: str) -> str:
    """Return the key under which something of a user id is kept."""
    return f"u:{user_id}"
