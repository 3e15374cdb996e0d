"""The rows of people, of the anonymous ids that stand for them, and of the keys that their streams know them by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Final

import msgspec
from sqlalchemy import or_, select, text

from target_promoter.people.person import Part, Person
from target_promoter.store.encoding import decode, encode
from target_promoter.store.schema import anonymous_ids, people, people_rows
from target_promoter.store.transaction import Transaction

_NAMES: Final = ("user_id", "email", "identified_at", "deleted_at", "fingerprints", "parts")
_COLUMNS: Final = ", ".join(_NAMES)
_WITHOUT_PARTS: Final = f"{', '.join(_NAMES[:-1])}, NULL"
_STEP: Final = 5000
_parts: Final = msgspec.json.Decoder(dict[str, Part], float_hook=Decimal)
_NEXT: Final = text(f"SELECT {_COLUMNS} FROM people WHERE user_id > :after ORDER BY user_id LIMIT {_STEP}")  # noqa: S608 - names of this program
_WITHOUT_ADDRESS: Final = text("""
    SELECT count(*) FROM people WHERE email IS NULL AND (deleted_at IS NULL OR deleted_at < identified_at)
""")


@dataclass(frozen=True, slots=True)
class Link:
    """A change of whom an anonymous id stands for.

    Attributes:
        before: The user id it stood for, if it stood for one.
        user_id: The user id it stands for from now on; null if it was seen with several.
    """

    anonymous_id: str
    before: str | None
    user_id: str | None


class StoredPerson(msgspec.Struct, frozen=True, gc=False):
    """A person as stored, decoded only when it must be: most records of a second sync say nothing new."""

    user_id: str
    email: str | None
    identified_at: float
    deleted_at: float | None
    """The time of the last deletion, in epoch seconds."""
    fingerprints: str
    parts: str | None
    """What the streams said, JSON; None where it was not asked for."""

    @property
    def address(self) -> str | None:
        """The e-mail address the person is reached at."""
        return None if self.deleted else self.email

    @property
    def deleted(self) -> bool:
        """Whether the person was deleted and not identified since."""
        return self.deleted_at is not None and self.deleted_at >= self.identified_at

    def is_marked(self, stream: str, mark: str) -> bool:
        """Return whether a mark is that of the last record that a stream brought."""
        return mark in self.fingerprints and decode(self.fingerprints).get(stream) == mark

    def person(self) -> Person:
        """Return the whole person; only of a row that was loaded whole."""
        return Person(self.user_id, _parts.decode(self.parts or "{}"), self.deleted_at, decode(self.fingerprints))


def look_up(tx: Transaction, user_ids: Iterable[str]) -> dict[str, StoredPerson]:
    """Return those of the people that are known, by user id, without what was said of them."""
    return {one.user_id: one for one in _among(tx, _WITHOUT_PARTS, "user_id", user_ids)}


def load(tx: Transaction, user_ids: Iterable[str]) -> dict[str, StoredPerson]:
    """Return those of the people that are known, whole, by user id."""
    return {one.user_id: one for one in _among(tx, _COLUMNS, "user_id", user_ids)}


def _among(tx: Transaction, columns: str, key: str, keys: Iterable[str]) -> list[StoredPerson]:
    return [StoredPerson(*row) for row in tx.rows_among(columns, "people", key, set(keys))]


def load_by_email(tx: Transaction, emails: Iterable[str], *, whole: bool = True) -> dict[str, list[StoredPerson]]:
    """Return everybody living at the given addresses, by address; the one identified last, the owner, last.

    Args:
        emails: The addresses, in lower case.
        whole: Whether with what was said of them.
    """
    found: dict[str, list[StoredPerson]] = {}
    for one in _among(tx, _COLUMNS if whole else _WITHOUT_PARTS, "email", emails):
        if one.address is not None:
            found.setdefault(one.address, []).append(one)
    for at_address in found.values():
        at_address.sort(key=lambda one: (one.identified_at, one.user_id))
    return found


def user_ids_of(tx: Transaction, user_id: str, email: str | None) -> set[str]:
    """Return the user ids of people known by a user id or an e-mail address, also of those who were deleted."""
    where = people.c.user_id == user_id
    if email is not None:
        where |= people.c.email == email
    return set(tx.scalars(select(people.c.user_id).where(where)))


def addresses_of(tx: Transaction, user_ids: Iterable[str]) -> set[str]:
    """Return every address that a stream says of any of the people."""
    parts = [part for row in load(tx, user_ids).values() for part in row.person().parts.values()]
    parts += [row for part in parts for _, row in part.others.values()]
    return {part.email for part in parts if part.email is not None}


def save(tx: Transaction, changed: Iterable[Person]) -> None:
    """Write people, new and known."""
    rows = [
        (
            person.user_id,
            person.email,
            person.identified_at,
            person.deleted_at,
            encode(person.fingerprints),
            encode(person.parts),
        )
        for person in changed
    ]
    tx.upsert_rows(people, _NAMES, rows)


def remove(tx: Transaction, user_ids: Iterable[str]) -> None:
    """Remove people of whom nothing is said any more."""
    for user_id in user_ids:
        tx.execute(people.delete().where(people.c.user_id == user_id))


def bring_people_of(tx: Transaction, stream: str | None) -> None:
    """Say that a statement is about all people of whom a stream spoke, or about all people."""
    speaks = or_(*(one.contains(encode(stream), autoescape=True) for one in (people.c.parts, people.c.fingerprints)))
    tx.bring(select(people) if stream is None else select(people).where(speaks))


def change_all(
    tx: Transaction, change: Callable[[Person], Person], stream: str | None = None
) -> Iterator[tuple[Person, Person]]:
    """Change everybody, in steps, and yield those who differ: as they were, and as they are.

    Args:
        stream: The stream of whose people alone it changes anybody.
    """
    bring_people_of(tx, stream)
    after = ""
    while rows := tx.execute(_NEXT, {"after": after}).all():
        after = rows[-1].user_id
        before = [StoredPerson(*row).person() for row in rows]
        pairs = [(one, other) for one in before if (other := change(one)) != one]
        nobody = {other.user_id for _, other in pairs if not other.parts and other.deleted_at is None}
        remove(tx, nobody)
        save(tx, (other for _, other in pairs if other.user_id not in nobody))
        yield from pairs


def count_without_address(tx: Transaction) -> int:
    """Return how many people have no e-mail address yet."""
    return tx.scalar(_WITHOUT_ADDRESS) or 0


def users_of(tx: Transaction, anonymous: Iterable[str]) -> dict[str, str | None]:
    """Return the user id each known anonymous id stands for; null if it was seen with several."""
    rows = tx.rows_among("anonymous_id, user_id", "anonymous_ids", "anonymous_id", set(anonymous))
    return {row.anonymous_id: row.user_id for row in rows}


def anonymous_links_of(tx: Transaction, user_ids: Iterable[str]) -> dict[str, str]:
    """Return the anonymous ids that stand for any of the people, each with its user id."""
    rows = tx.rows_among("anonymous_id, user_id", "anonymous_ids", "user_id", set(user_ids))
    return {row.anonymous_id: row.user_id for row in rows}


def link(tx: Transaction, seen: Iterable[tuple[str, str]]) -> list[Link]:
    """Remember which user ids anonymous ids were seen with, as pairs of the two, and return what changed."""
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


def row_of(stream: str, key: str) -> bytes:
    """Return what a row of a stream is known by."""
    return blake2b(encode([stream, key]).encode(), digest_size=16).digest()


def any_rows(tx: Transaction) -> bool:
    """Return whether any row is known by another key than the user id."""
    return tx.any(select(people_rows.c.row))


def people_of_rows(tx: Transaction, rows: Iterable[bytes]) -> dict[bytes, str]:
    """Return the user ids of the people that rows are on, of those rows that are known."""
    return {bytes(row): user_id for row, user_id in tx.rows_among("row, user_id", "people_rows", "row", set(rows))}


def put_rows(tx: Transaction, rows: Mapping[bytes, str | None]) -> None:
    """Have rows be on people from now on, by user id; null has one be on nobody."""
    known = [{"row": row, "user_id": user_id} for row, user_id in rows.items() if user_id is not None]
    tx.upsert(people_rows, known)
    for row, user_id in rows.items():
        if user_id is None:
            tx.execute(people_rows.delete().where(people_rows.c.row == row))
