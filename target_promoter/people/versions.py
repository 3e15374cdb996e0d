"""Table versions of mirrored streams: in which one each person was seen last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from sqlalchemy import delete, select, text

from target_promoter.people.people import Row, bring_people_of
from target_promoter.people.person import Person
from target_promoter.store import streams
from target_promoter.store.encoding import encode
from target_promoter.store.schema import version_rows
from target_promoter.store.transaction import Transaction

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


def mark_rows(tx: Transaction, stream: str, version: int, rows: Iterable[tuple[str, str]]) -> None:
    """Remember that a table version has these rows, as pairs of user id and key."""
    tx.insert_rows(version_rows, _COLUMNS, [(stream, *row, version) for row in sorted(rows)], _MARK)


def count_seen(tx: Transaction, stream: str, version: int) -> int:
    """Return how many people a table version has."""
    tx.bring(select(version_rows).where(version_rows.c.stream == stream))
    return tx.scalar(_SEEN, {"stream": stream, "version": version}) or 0


def unseen(tx: Transaction, stream: str, version: int) -> Iterator[list[Person]]:
    """Yield the people whom a stream speaks of and its version lacks, in steps; not those who left before."""
    query = text(_UNSEEN.format(position="instr" if tx.is_sqlite else "strpos"))
    values = {"stream": stream, "version": version, "name": encode(stream), "after": "", "most": _STEP}
    bring_people_of(tx, stream)
    while rows := tx.execute(query, values).all():
        values["after"] = rows[-1].user_id
        people = [Row(row).person() for row in rows]
        yield [one for one in people if stream in one.parts and one.parts[stream].time and one.left_at(stream) is None]


def rows_gone(tx: Transaction, stream: str, version: int) -> list[tuple[str, str]]:
    """Return the rows that a version lacks of people of whom it has others, as pairs of user id and key."""
    return [(row.user_id, row.row) for row in tx.execute(_ROWS_GONE, {"stream": stream, "version": version})]


def let_go(tx: Transaction, stream: str, version: int) -> None:
    """Let go of the rows that a version lacks."""
    tx.execute(delete(version_rows).where(version_rows.c.stream == stream, version_rows.c.version < version))


def drop(tx: Transaction, stream: str) -> None:
    """Forget the table versions of a stream."""
    tx.execute(delete(version_rows).where(version_rows.c.stream == stream))
    streams.set_version(tx, stream, None)
