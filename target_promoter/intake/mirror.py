"""Mirrored streams: whoever the newest version of a table lacks loses what that table alone said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from sqlalchemy import delete, select, text

from target_promoter.contacts import contacts
from target_promoter.people import people
from target_promoter.people.people import StoredPerson
from target_promoter.people.person import Person, says_the_same
from target_promoter.records.streams import Stream
from target_promoter.store import streams
from target_promoter.store.encoding import encode
from target_promoter.store.schema import version_rows
from target_promoter.store.streams import TableVersion
from target_promoter.store.summary import Mirrored
from target_promoter.store.transaction import Transaction

_FEW: Final = 10
"""So many people may always leave at once."""

_SHARE: Final = 5
"""More than one in so many is a broken view."""

_SHOWN: Final = 5
_LARGEST: Final = 2**63
_STEP: Final = 5000
_COLUMNS: Final = ("stream", "user_id", "row", "version")
# An older version that is read once more says nothing of who is there now.
_MARK: Final = """
    ON CONFLICT (stream, user_id, row) DO UPDATE SET version = excluded.version
    WHERE version_rows.version < excluded.version
"""
_SEEN: Final = text(
    "SELECT count(DISTINCT user_id) FROM version_rows WHERE stream = :stream AND version >= :version",
)
_UNSEEN: Final = """
    SELECT user_id, email, identified_at, deleted_at, fingerprints, parts FROM people
    WHERE user_id > :after AND {position}(parts, :name) > 0 AND NOT EXISTS (
        SELECT 1 FROM version_rows
        WHERE stream = :stream AND version_rows.user_id = people.user_id AND version >= :version
    )
    ORDER BY user_id LIMIT :most
"""
_ROWS_GONE: Final = text("""
    SELECT user_id, row FROM version_rows AS gone
    WHERE stream = :stream AND version < :version AND EXISTS (
        SELECT 1 FROM version_rows
        WHERE stream = :stream AND version_rows.user_id = gone.user_id AND version >= :version
    )
""")


class VersionReading:
    """How far the table version of a stream was read in this run.

    Taps announce a version (ACTIVATE_VERSION) at its begin, as Meltano's SDK does, at its end, or on a first run at
    both. It was read to its end if the message came after its rows, or if state that says of no stream that it is being
    read came after them: whoever dies in the middle sends neither.

    Attributes:
        activated: The version that was announced last.
    """

    def __init__(self) -> None:
        self.activated: int | None = None
        self._last: int | None = None
        self._any = self._is_unversioned = self._is_closed = self._is_confirmed = False

    def record(self, version: object) -> int | None:
        """Take in that a record came, and return the version that it is of; None if nobody said one."""
        self._last = _number(version)
        if self._last is None:
            self._last = self.activated
        self._any = True
        self._is_unversioned = self._is_unversioned or self._last is None
        self._is_closed = self._is_confirmed = False
        return self._last

    def activate(self, version: object) -> None:
        """Take in that a version was announced."""
        self.activated = _number(version)
        self._is_closed = self._any and self.activated == self._last
        self._is_confirmed = False

    def confirm(self) -> None:
        """Take in that state came that says of no stream that it is being read."""
        self._is_confirmed = self.activated is not None

    @property
    def complete(self) -> int | None:
        """The version that was read to its end; None if none was."""
        is_other = self._any and self._last != self.activated
        if self._is_unversioned or is_other or not (self._is_closed or self._is_confirmed):
            return None
        return self.activated


def confirm(readings: Iterable[VersionReading], state: object) -> None:
    """Take in a STATE message's value, for all streams that were read."""
    if not (isinstance(state, dict) and state.get("currently_syncing")):
        for reading in readings:
            reading.confirm()


def _number(version: object) -> int | None:
    is_version = isinstance(version, int) and not isinstance(version, bool) and 0 < version < _LARGEST
    return version if is_version else None  # type: ignore[return-value] # it is one


def take_version(
    tx: Transaction, stream: Stream, reading: VersionReading, now: float, *, unnamed: int
) -> Mirrored | None:
    """Have people leave a stream whose newest table version lacks them, if it is mirrored.

    Args:
        unnamed: How many of its rows were rejected that may be anybody's.

    Returns:
        What came of it; None for a stream that is not mirrored.
    """
    name, version = stream.name, reading.complete if stream.mirror else reading.activated
    known = streams.version_of(tx, name)
    if not stream.mirror:
        # Should it be mirrored one day, a version that comes once more is known for one that is not read in full.
        if version is not None and (known is None or known.version < version):
            streams.set_version(tx, name, TableVersion(version, now))
        return None
    problem = _problem(name, reading, version, known, unnamed)
    if problem is not None or version is None:
        return Mirrored(name, problem=problem)
    seen = _count_seen(tx, name, version)
    if known is None:
        # Whoever is not in it may be in an earlier part of a table that is read by and by.
        streams.set_version(tx, name, TableVersion(version, now, seen))
        return Mirrored(name)
    missing = sum(map(len, _unseen(tx, name, version)))
    before = max(known.people or missing + seen, missing)
    if missing > _FEW and missing * _SHARE > before:
        streams.set_version(tx, name, msgspec.structs.replace(known, missing=missing))
        return Mirrored(name, problem=_broken(name, missing, before), failed=True)
    addresses = _leave(tx, name, version, now)
    _let_other_rows_stand(tx, name, version, now)
    _let_go(tx, name, version)
    streams.set_version(tx, name, TableVersion(version, now, seen, missing))
    return Mirrored(name, missing, tuple(addresses))


def _problem(
    name: str, reading: VersionReading, version: int | None, known: TableVersion | None, unnamed: int
) -> str | None:
    """Return why nobody can leave by what was read, as a sentence."""
    if reading.activated is None:
        return (
            f"The stream `{name}` is mirrored, and its tap sent no table version (ACTIVATE_VERSION), so nobody left "
            "it: have the tap read it in full (FULL_TABLE; taps of Meltano's SDK also need "
            "`emit_activate_version_messages: true`), or remove `mirror`."
        )
    if version is None:
        return (
            f"The input ended before the table version of the mirrored stream `{name}` was read to its end, so nobody "
            "left it: the next full run decides."
        )
    if known is not None and version <= known.version:
        return (
            f"The mirrored stream `{name}` brought no newer table version than the one before, so nobody left it: have "
            "the tap read it in full each time (FULL_TABLE)."
        )
    if unnamed:
        return (
            f"Rows of the mirrored stream `{name}` were rejected that may be anybody's ({unnamed:,}), so nobody left "
            "it: fix them, or what reads them, and read it in full again."
        )
    return None


def _broken(name: str, missing: int, before: int) -> str:
    return (
        f"The newest table version of the mirrored stream `{name}` lacks {missing:,} of {before:,} people, more than a "
        "fifth, so nobody left it: that is a broken view. If it is meant so, run "
        f"`target-promoter drop {name}`, and have the tap read it in full again."
    )


def _leave(tx: Transaction, name: str, version: int, now: float) -> list[str]:
    """Have those leave whom a version lacks, and return the addresses of the first few."""
    shown: list[str] = []
    for step in _unseen(tx, name, version):
        pairs = [(person, person.left(name, now)) for person in step]
        people.save(tx, (after for _, after in pairs))
        _tell_contacts(tx, name, pairs, now)
        found = (person.address for person in step)
        shown += [address for address in found if address is not None][: _SHOWN - len(shown)]
    return shown


def _tell_contacts(tx: Transaction, name: str, pairs: Iterable[tuple[Person, Person]], now: float) -> None:
    """Have delivery look at the contacts of those who left."""
    owners: dict[str, str | None] = {}
    lists: list[tuple[str, int]] = []
    for before, after in pairs:
        if after.address is not None and not says_the_same(before, after):
            owners[after.address] = after.user_id
            lists += [(after.address, one) for one in before.parts[name].contact_lists]
    contacts.mark_dirty(tx, owners, now)
    contacts.leave_lists(tx, lists)


def _let_other_rows_stand(tx: Transaction, name: str, version: int, now: float) -> None:
    """Have the next row of a person be the one that stands where that which stood is gone."""
    gone = _rows_gone(tx, name, version)
    known = people.load(tx, {user_id for user_id, _ in gone})
    changed: dict[str, Person] = {}
    for user_id, key in gone:
        if user_id in known:
            person = changed.get(user_id) or known[user_id].person()
            changed[user_id] = person.without_row(name, key)
    people.save(tx, changed.values())
    pairs = [(known[user_id].person(), person) for user_id, person in changed.items()]
    _tell_contacts(tx, name, [(before, after) for before, after in pairs if name in before.parts], now)


def mark_rows(tx: Transaction, stream: str, version: int, rows: Iterable[tuple[str, str]]) -> None:
    """Remember that a table version has these rows, as pairs of user id and key."""
    tx.insert_rows(version_rows, _COLUMNS, [(stream, *row, version) for row in sorted(rows)], _MARK)


def _count_seen(tx: Transaction, stream: str, version: int) -> int:
    """Return how many people a table version has."""
    tx.bring(select(version_rows).where(version_rows.c.stream == stream))
    return tx.scalar(_SEEN, {"stream": stream, "version": version}) or 0


def _unseen(tx: Transaction, stream: str, version: int) -> Iterator[list[Person]]:
    """Yield the people whom a stream speaks of and its version lacks, in steps; not those who left before."""
    query = text(_UNSEEN.format(position="instr" if tx.is_sqlite else "strpos"))
    values = {"stream": stream, "version": version, "name": encode(stream), "after": "", "most": _STEP}
    people.bring_people_of(tx, stream)
    while rows := tx.execute(query, values).all():
        values["after"] = rows[-1].user_id
        persons = [StoredPerson(*row).person() for row in rows]
        yield [one for one in persons if stream in one.parts and one.parts[stream].time and one.left_at(stream) is None]


def _rows_gone(tx: Transaction, stream: str, version: int) -> list[tuple[str, str]]:
    """Return the rows that a version lacks of people of whom it has others, as pairs of user id and key."""
    return [(row.user_id, row.row) for row in tx.execute(_ROWS_GONE, {"stream": stream, "version": version})]


def _let_go(tx: Transaction, stream: str, version: int) -> None:
    """Let go of the rows that a version lacks."""
    tx.execute(delete(version_rows).where(version_rows.c.stream == stream, version_rows.c.version < version))


def drop(tx: Transaction, stream: str) -> None:
    """Forget the table versions of a stream."""
    tx.execute(delete(version_rows).where(version_rows.c.stream == stream))
    streams.set_version(tx, stream, None)
