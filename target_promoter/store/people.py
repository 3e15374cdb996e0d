"""People: user ids with their traits, and the anonymous ids that stand for them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from target_promoter.store.database import rows_among
from target_promoter.store.encoding import canonical, decode, encode
from target_promoter.store.schema import anonymous_ids, kept_properties, people
from target_promoter.store.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

Trait = tuple[Any, float]
"""A trait's value and the time of the call that said it, in epoch seconds; a value of null was taken away."""

_COLUMNS: Final = "user_id, email, identified_at, deleted_at, fingerprints, traits"


@dataclass(frozen=True, slots=True)
class Person:
    """A user id with all that is known of it.

    Attributes:
        user_id: The user id.
        email: The e-mail address, in lower case, and its time; null while there is none.
        names: `first_name` and `last_name`, each with its time.
        traits: The traits, each with its time.
        stored: Of each stored event (by its attribute prefix) the latest properties, with the event's time.
        contact_lists: The ids of the lists that the person's streams name.
        identified_at: The time of the last identify, in epoch seconds; 0 if there was none.
        deleted_at: The time of the last deletion; null if there was none.
        fingerprints: Of each stream the hash, in hexadecimal, of the last record it brought.
    """

    user_id: str
    email: tuple[str, float] | None = None
    names: Mapping[str, Trait] = field(default_factory=dict)
    traits: Mapping[str, Trait] = field(default_factory=dict)
    stored: Mapping[str, Trait] = field(default_factory=dict)
    contact_lists: tuple[int, ...] = ()
    identified_at: float = 0.0
    deleted_at: float | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @property
    def deleted(self) -> bool:
        """Whether the person was deleted and not identified since."""
        return self.deleted_at is not None and self.deleted_at >= self.identified_at

    @property
    def address(self) -> str | None:
        """The e-mail address the person is reached at; null if there is none, or the person was deleted."""
        return None if self.email is None or self.deleted else self.email[0]

    def since(self, time: float) -> Person:
        """Return the person with only what was said after a time; so a deletion leaves nothing of what came before.

        Args:
            time: The time, in epoch seconds.
        """
        return replace(
            self,
            email=None if self.email is None or self.email[1] <= time else self.email,
            names=_said_after(self.names, time),
            traits=_said_after(self.traits, time),
            stored=_said_after(self.stored, time),
        )

    def with_stored(self, prefix: str, properties: Mapping[str, Any], time: float) -> Person:
        """Return the person with a stored event's properties, if no later ones are there.

        Args:
            prefix: The event's attribute prefix, such as `order_completed`.
            properties: The event's properties.
            time: The event's time, in epoch seconds.
        """
        if self.deleted_at is not None and time <= self.deleted_at:
            return self
        stored = later_properties(self.stored.get(prefix), (dict(properties), time))
        return self if stored == self.stored.get(prefix) else replace(self, stored={**self.stored, prefix: stored})


def later(known: Trait | None, said: Trait) -> Trait:
    """Return which of two values stands: the one said later.

    Of two values of one time the same one stands in whatever order they arrive.

    Args:
        known: The value that is known, if any.
        said: The value that a call says.
    """
    if known is None or said[1] > known[1]:
        return said
    if said[1] < known[1] or said[0] == known[0]:
        return known
    return max(known, said, key=lambda trait: canonical(trait[0]))


def later_properties(known: Trait | None, said: Trait) -> Trait:
    """Return which properties of a stored event stand: the later event's; of one event all that was said of it.

    The warehouse table `tracks` brings an event without its properties, and the event's own table brings them.

    Args:
        known: The properties that are known, if any, with their event's time.
        said: The properties that a call says, with their event's time.
    """
    if known is None or known[1] != said[1]:
        return later(known, said)
    both = {name: later((value, 0.0), (said[0].get(name, value), 0.0))[0] for name, value in known[0].items()}
    return {**said[0], **both}, known[1]


class Row:
    """A person as stored, decoded only when it must be: most records of a second sync say nothing new."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Any) -> None:  # noqa: ANN401 - a database row
        """Wrap the columns of one row."""
        self._columns = columns

    @property
    def address(self) -> str | None:
        """The e-mail address the person is reached at."""
        _, email, identified_at, deleted_at, _, _ = self._columns
        return None if deleted_at is not None and deleted_at >= identified_at else email

    @property
    def user_id(self) -> str:
        """The user id."""
        user_id: str = self._columns[0]
        return user_id

    @property
    def identified(self) -> tuple[float, str]:
        """What puts the people at one address in order: the time of the last identify, and the user id."""
        return self._columns[2], self._columns[0]

    @property
    def fingerprints(self) -> dict[str, str]:
        """Of each stream the hash of the last record it brought."""
        fingerprints: dict[str, str] = decode(self._columns[4])
        return fingerprints

    def person(self) -> Person:
        """Return the whole person."""
        user_id, _, identified_at, deleted_at, fingerprints, text = self._columns
        traits = decode(text)
        email = traits["email"]
        return Person(
            user_id=user_id,
            email=None if email is None else (email[0], float(email[1])),
            names=_timed(traits["names"]),
            traits=_timed(traits["traits"]),
            stored=_timed(traits["stored"]),
            contact_lists=tuple(traits["contact_lists"]),
            identified_at=identified_at,
            deleted_at=deleted_at,
            fingerprints=decode(fingerprints),
        )


def load(connection: Connection, user_ids: Iterable[str]) -> dict[str, Row]:
    """Return those of the people that are known, by user id."""
    return {row[0]: Row(row) for row in rows_among(connection, _COLUMNS, "people", "user_id", set(user_ids))}


def load_by_email(connection: Connection, emails: Iterable[str]) -> dict[str, list[Row]]:
    """Return everybody living at the given addresses, by address; the one identified last, the owner, last."""
    found: dict[str, list[Row]] = {}
    for columns in rows_among(connection, _COLUMNS, "people", "email", set(emails)):
        row = Row(columns)
        if row.address is not None:
            found.setdefault(row.address, []).append(row)
    for rows in found.values():
        rows.sort(key=lambda row: row.identified)
    return found


def save(connection: Connection, changed: Iterable[Person]) -> None:
    """Write people, new and known."""
    rows = [
        {
            "user_id": person.user_id,
            "email": person.email[0] if person.email else None,
            "identified_at": person.identified_at,
            "deleted_at": person.deleted_at,
            "fingerprints": encode(person.fingerprints),
            "traits": encode(
                {
                    "email": person.email,
                    "names": person.names,
                    "traits": person.traits,
                    "stored": person.stored,
                    "contact_lists": person.contact_lists,
                }
            ),
        }
        for person in changed
    ]
    upsert(connection, people, rows)


def count_waiting(connection: Connection) -> int:
    """Return how many people have no e-mail address yet."""
    where = people.c.email.is_(None) & people.c.deleted_at.is_(None)
    return connection.scalar(select(func.count()).select_from(people).where(where)) or 0


def users_of(connection: Connection, anonymous: Iterable[str]) -> dict[str, str | None]:
    """Return the user id each known anonymous id stands for; null if it was seen with several."""
    rows = rows_among(connection, "anonymous_id, user_id", "anonymous_ids", "anonymous_id", set(anonymous))
    return {row[0]: row[1] for row in rows}


def anonymous_ids_of(connection: Connection, user_ids: Iterable[str]) -> list[str]:
    """Return the anonymous ids that stand for any of the people."""
    return list(anonymous_links_of(connection, user_ids))


def anonymous_links_of(connection: Connection, user_ids: Iterable[str]) -> dict[str, str]:
    """Return the anonymous ids that stand for any of the people, each with its user id."""
    rows = rows_among(connection, "anonymous_id, user_id", "anonymous_ids", "user_id", set(user_ids))
    return {row[0]: row[1] for row in rows}


def link(connection: Connection, seen: Iterable[tuple[str, str]]) -> set[str]:
    """Remember which user ids anonymous ids were seen with.

    Args:
        connection: The open transaction.
        seen: Pairs of anonymous id and user id.

    Returns:
        The user ids that a new anonymous id stands for from now on.
    """
    pairs = set(seen)
    known = users_of(connection, {anonymous_id for anonymous_id, _ in pairs})
    new: dict[str, str | None] = {}
    for anonymous_id, user_id in sorted(pairs):
        before = new.get(anonymous_id, known.get(anonymous_id, user_id))
        if (anonymous_id not in known and anonymous_id not in new) or before != user_id:
            new[anonymous_id] = user_id if before == user_id else None
    changed = {key: value for key, value in new.items() if key not in known or known[key] != value}
    upsert(connection, anonymous_ids, [{"anonymous_id": key, "user_id": value} for key, value in changed.items()])
    return {user_id for user_id in changed.values() if user_id is not None}


def keep_properties(connection: Connection, kept: Mapping[tuple[str, str], Trait]) -> None:
    """Keep properties of stored events until their person is known.

    Args:
        connection: The open transaction.
        kept: By who it was (`anonymous_key` or `email_key`) and attribute prefix, the properties and their time.
    """
    columns = "who, prefix, time, properties"
    found = rows_among(connection, columns, "kept_properties", "who", {who for who, _ in kept})
    known = {(row[0], row[1]): (decode(row[3]), row[2]) for row in found}
    rows = []
    for (who, prefix), said in kept.items():
        properties, time = later_properties(known.get((who, prefix)), said)
        rows.append({"who": who, "prefix": prefix, "time": time, "properties": encode(properties)})
    upsert(connection, kept_properties, rows)


def take_kept(connection: Connection, keys: Iterable[str]) -> list[tuple[str, str, Trait]]:
    """Return and remove what was kept for the given keys: who, attribute prefix, and the properties with their time."""
    wanted = set(keys)
    if not wanted or connection.scalar(select(kept_properties.c.who).limit(1)) is None:
        return []
    rows = rows_among(connection, "who, prefix, time, properties", "kept_properties", "who", wanted)
    for who in {row[0] for row in rows}:
        connection.execute(kept_properties.delete().where(kept_properties.c.who == who))
    return [(row[0], row[1], (decode(row[3]), row[2])) for row in rows]


def anonymous_key(anonymous_id: str) -> str:
    """Return the key under which something of an anonymous id is kept."""
    return f"a:{anonymous_id}"


def email_key(email: str) -> str:
    """Return the key under which something of an e-mail address is kept."""
    return f"e:{email}"


def user_key(user_id: str) -> str:
    """Return the key under which something of a user id is kept."""
    return f"u:{user_id}"


def _said_after(values: Mapping[str, Trait], time: float) -> dict[str, Trait]:
    return {name: said for name, said in values.items() if said[1] > time}


def _timed(values: dict[str, list[Any]]) -> dict[str, Trait]:
    return {name: (value, float(time)) for name, (value, time) in values.items()}


def iso(time: float) -> str:
    """Return a time in epoch seconds as `YYYY-MM-DDTHH:MM:SSZ`."""
    return dt.datetime.fromtimestamp(int(time), tz=dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
