"""Upgrading a store that an older program wrote; loaded only when there is something to do.

A step is named by the version that it begins with. Its statements are its own and never change once released: what
`schema.py` says is the newest version, and would be too much or too little for the steps in between. (Alembic, the
usual tool, compares and names revisions for many developers' branches; three numbered functions need none of that.)
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from sqlalchemy import Row

from target_promoter.store.encoding import decode, encode
from target_promoter.store.schema import SCHEMA_VERSION
from target_promoter.store.streams import BEFORE_3
from target_promoter.store.transaction import Transaction
from target_promoter.values.events import canonical

_ROWS: Final = 5000

_SQLITE: Final = {"bytes": "BLOB", "double": "DOUBLE", "bigint": "BIGINT", "by_key": "WITHOUT ROWID"}
_POSTGRESQL: Final = {"bytes": "BYTEA", "double": "DOUBLE PRECISION", "bigint": "BIGINT", "by_key": ""}

_TO_VERSION_3: Final = (
    # Some programs of version 2 made stores without it.
    "CREATE INDEX IF NOT EXISTS contacts_lease ON contacts (lease) WHERE lease IS NOT NULL",
    "CREATE TABLE streams (name TEXT NOT NULL PRIMARY KEY, schema TEXT, reading TEXT, read_at {double}) {by_key}",
    "CREATE TABLE people_rows (row {bytes} NOT NULL PRIMARY KEY, user_id TEXT NOT NULL) {by_key}",
    "CREATE INDEX people_rows_user_id ON people_rows (user_id)",
    "ALTER TABLE runs ADD COLUMN settings TEXT",
    "ALTER TABLE contacts ADD COLUMN user_id TEXT",
    "CREATE INDEX contacts_user_id ON contacts (user_id) WHERE user_id IS NOT NULL",
    "CREATE INDEX contacts_list_unknown ON contacts (status) WHERE status = 'list_unknown'",
    "CREATE TABLE request_workers (name TEXT NOT NULL PRIMARY KEY, seen_at {double} NOT NULL) {by_key}",
    "CREATE INDEX throttles_survey_id ON throttles (survey_id) WHERE survey_id IS NOT NULL",
    "CREATE INDEX surveys_claimed_user_id ON surveys (claimed_user_id) WHERE claimed_user_id IS NOT NULL",
    """
        CREATE TABLE events (
            day {bigint} NOT NULL, name TEXT NOT NULL, outcome TEXT NOT NULL, number {bigint} NOT NULL,
            first_at {double} NOT NULL, last_at {double} NOT NULL, counted_at {double} NOT NULL,
            PRIMARY KEY (day, name, outcome)
        ) {by_key}
    """,
    # Renamed so that a program of version 2 that still runs stops: every batch asks who was forgotten, every turn of
    # delivery for the limit.
    "ALTER TABLE forgotten RENAME COLUMN mark TO who",
    "ALTER TABLE forgotten ADD COLUMN forgotten_at {double}",
    "ALTER TABLE people RENAME COLUMN traits TO parts",
    "ALTER TABLE request_clock RENAME COLUMN held_until TO paused_until",
    "ALTER TABLE kept_properties RENAME TO kept_properties_2",
    """
    CREATE TABLE kept_properties (
        who TEXT NOT NULL, stream TEXT NOT NULL, prefix TEXT NOT NULL, time {double} NOT NULL, properties TEXT NOT NULL,
        PRIMARY KEY (who, stream, prefix)
    ) {by_key}
    """,
    """
    INSERT INTO kept_properties (who, stream, prefix, time, properties)
    SELECT who, 'before version 3', prefix, time, properties FROM kept_properties_2
    """,
    "DROP TABLE kept_properties_2",
    *(
        f"ALTER TABLE surveys ADD COLUMN {column}"
        for column in (
            "occurrence {bytes}",
            "row_key {bytes}",
            "canonical TEXT NOT NULL DEFAULT ''",
            "first_due_at {double} NOT NULL DEFAULT '0'",
            "more TEXT",
            "matches TEXT",
        )
    ),
    "DROP INDEX surveys_status",
    "CREATE INDEX surveys_status ON surveys (status, canonical, due_at, first_due_at)",
    "CREATE INDEX surveys_occurrence ON surveys (occurrence) WHERE status IN ('waiting', 'queued')",
    "CREATE INDEX surveys_row_key ON surveys (row_key) WHERE status IN ('waiting', 'queued')",
    "ALTER TABLE cancellations RENAME TO cancellations_2",
    """
        CREATE TABLE cancellations (
            who TEXT NOT NULL, event TEXT NOT NULL, matched TEXT NOT NULL, time {double} NOT NULL,
            PRIMARY KEY (who, event, matched)
        ) {by_key}
    """,
    "INSERT INTO cancellations SELECT who, event, '', time FROM cancellations_2",
    "DROP TABLE cancellations_2",
    """
        CREATE TABLE not_surveyed (
            who TEXT NOT NULL, campaign_id {bigint} NOT NULL, event TEXT NOT NULL, event_at {double} NOT NULL,
            reason TEXT NOT NULL, PRIMARY KEY (who, campaign_id)
        ) {by_key}
    """,
    # What is known only by a hash cannot be hashed again.
    "INSERT INTO facts (name, value) VALUES ('unsalted_messages', 'true')",
    "INSERT INTO streams (name, schema) SELECT substr(name, 8), value FROM facts WHERE substr(name, 1, 7) = 'schema:'",
    "DELETE FROM facts WHERE substr(name, 1, 7) = 'schema:'",
)

_TO_VERSION_4: Final = (
    "ALTER TABLE surveys ADD COLUMN told {bytes}",
    """
        CREATE TABLE pulled (
            email TEXT NOT NULL PRIMARY KEY, read_at {double} NOT NULL, contact TEXT, lists TEXT NOT NULL DEFAULT '[]',
            user_id TEXT, unsubscribed INTEGER, differs INTEGER NOT NULL DEFAULT '0'
        ) {by_key}
    """,
    "CREATE INDEX pulled_user_id ON pulled (user_id) WHERE user_id IS NOT NULL",
    "CREATE INDEX pulled_unsubscribed ON pulled (email) WHERE unsubscribed = 1",
    # Who did what when is looked for by who.
    "DROP INDEX surveys_occurrence",
    # The deletion of a row reaches surveys that may be taken again, too.
    "DROP INDEX surveys_row_key",
    """
        CREATE INDEX surveys_row_key ON surveys (row_key)
        WHERE status IN ('waiting', 'queued', 'expired', 'withheld', 'throttled', 'refused')
    """,
    """
        UPDATE surveys SET status = 'waiting', settled_at = NULL,
            reason = 'its stream is read by other fields than its row was, which has not come again'
        WHERE reason = 'its person was read by other fields than those of now, and its row has not come again'
        AND status = 'withheld'
    """,
    "ALTER TABLE streams ADD COLUMN version TEXT",
    "ALTER TABLE kept_properties ADD COLUMN outdated INTEGER NOT NULL DEFAULT '0'",
    """
        CREATE TABLE version_rows (
            stream TEXT NOT NULL, user_id TEXT NOT NULL, row TEXT NOT NULL, version {bigint} NOT NULL,
            PRIMARY KEY (stream, user_id, row)
        ) {by_key}
    """,
    """
        CREATE TABLE lists_to_leave (
            email TEXT NOT NULL, list_id {bigint} NOT NULL, PRIMARY KEY (email, list_id)
        ) {by_key}
    """,
)

_OWN_CONTACTS: Final = """
    UPDATE contacts SET user_id = coalesce(
        (
            SELECT people.user_id FROM people WHERE people.email = contacts.email
            ORDER BY coalesce(people.deleted_at, -1) < people.identified_at DESC, identified_at DESC, user_id DESC
            LIMIT 1
        ),
        (
            SELECT claimed_user_id FROM surveys
            WHERE claimed_email = contacts.email AND claimed_user_id IS NOT NULL
            ORDER BY claimed_at DESC LIMIT 1
        )
    )
"""


def upgrade(tx: Transaction) -> int:
    """Upgrade the tables to this program's version, and return the version that they had."""
    version = int(tx.sql("SELECT value FROM facts WHERE name = 'schema_version'").scalar_one())
    for step in _STEPS[version - 1 :]:
        step(tx)
    tx.sql(f"UPDATE facts SET value = '{SCHEMA_VERSION}' WHERE name = 'schema_version'")  # noqa: S608 - a number
    return version


def _from_1(tx: Transaction) -> None:
    """Keep the time of what was said of a person once, not with each trait."""
    _rewrite_people(tx, "traits", _said_in_2)


def _said_in_2(person: _Row) -> str:
    said = decode(person.said)
    email = said.pop("email")
    said["email_at"] = None if email is None else email[1]
    for name in ("names", "traits"):
        values = said[name]
        latest = max((at for _, at in values.values()), default=0.0)
        others = {one: at for one, (_, at) in values.items() if at != latest}
        said[name] = [{one: value for one, (value, _) in values.items()}, latest, others]
    return encode(said)


def _from_2(tx: Transaction) -> None:
    """Keep what each stream said of a person apart, each stream's reading, whose a contact is, and a run's settings."""
    _run(tx, _TO_VERSION_3)
    _rewrite_people(tx, "parts", _parts_in_3)
    tx.sql(_OWN_CONTACTS)
    _know_surveys(tx)


def _from_3(tx: Transaction) -> None:
    """Make the tables of version 4, and keep the properties of stored events apart from people."""
    _run(tx, _TO_VERSION_4)
    mark = "?" if tx.is_sqlite else "%s"
    keep = (
        "INSERT INTO kept_properties (who, stream, prefix, time, properties, outdated) "  # noqa: S608 - names of this module
        f"VALUES ({', '.join([mark] * 6)}) ON CONFLICT (who, stream, prefix) DO NOTHING"
    )

    def without_events(person: _Row) -> str:
        parts, rows = decode(person.said), []
        for stream, part in parts.items():
            outdated = part.pop("outdated_events", ())
            for prefix, (properties, time) in part.pop("events", {}).items():
                is_outdated = int(prefix in outdated)
                rows.append((f"u:{person.user_id}", stream, prefix, float(time), encode(properties), is_outdated))
        if not rows:
            return person.said
        tx.sql(keep, rows)
        return encode({stream: part for stream, part in parts.items() if part})

    _rewrite_people(tx, "parts", without_events)


def _parts_in_3(person: _Row) -> str:
    """Return what version 2 kept of a person in parts by stream: each stream that spoke of it said all of it.

    So it goes, as it should, when each of them has said again what it says.
    """
    said = decode(person.said)
    part = {
        "time": person.identified_at,
        "dated": not said.get("undated"),
        "key": None,  # Under which key a row stood, version 2 did not know.
        "email": person.email,
        "email_at": (said.get("email_at") or 0.0) if person.email is not None else 0.0,
        "names": said.get("names", [{}, 0.0, {}]),
        "traits": said.get("traits", [{}, 0.0, {}]),
        "contact_lists": [int(one) for one in said.get("contact_lists", ())],
    }
    streams = decode(person.fingerprints) or (BEFORE_3,)
    parts: dict[str, object] = dict.fromkeys(streams, part) if person.identified_at else {}
    if said.get("stored"):
        parts[BEFORE_3] = {**(part if BEFORE_3 in parts else {}), "events": said["stored"]}
    return encode(parts)


def _know_surveys(tx: Transaction) -> None:
    """Know the events of surveys that are still there by salted hashes too: what they were, and who did it when."""
    mark = "?" if tx.is_sqlite else "%s"
    query = (
        "SELECT id, message, event, message_id, campaign_id, user_id, anonymous_id, email, event_at, due_at "  # noqa: S608 - names of this module
        f"FROM surveys WHERE id > {mark} ORDER BY id LIMIT {_ROWS}"
    )
    names = ("message", "occurrence", "canonical", "first_due_at")
    update = f"UPDATE surveys SET {', '.join(f'{name} = {mark}' for name in names)} WHERE id = {mark}"  # noqa: S608 - as above
    know = f"INSERT INTO messages (message) VALUES ({mark}) ON CONFLICT (message) DO NOTHING"  # noqa: S608 - as above
    salt = bytes.fromhex(tx.sql("SELECT value FROM facts WHERE name = 'salt'").scalar_one())
    last = 0
    while rows := tx.sql(query, (last,)).all():
        known = [(*_hashes(salt, row), canonical(row.event), row.due_at, row.id) for row in rows]
        tx.sql(update, known)
        tx.sql(know, [(one,) for row in known for one in row[:2] if one is not None])
        last = rows[-1].id


def _hashes(salt: bytes, row: Row[Any]) -> tuple[bytes, bytes | None]:
    """Return by what the event of a survey is known."""
    names = (("u", row.user_id), ("a", row.anonymous_id), ("e", row.email))
    named = next((f"{kind}:{name}" for kind, name in names if name), None)

    def salted(value: object) -> bytes:
        return blake2b(encode(value).encode(), key=salt, digest_size=16).digest()

    occurrence = salted([row.campaign_id, named, int(row.event_at)]) if named and row.campaign_id else None
    # The names of somebody who was forgotten are gone.
    return salted([canonical(row.event), row.message_id]) if row.message_id else bytes(row.message), occurrence


class _Row(NamedTuple):
    """A person, with what was said of it in the form of its version."""

    user_id: str
    email: str | None
    identified_at: float
    deleted_at: float | None
    fingerprints: str
    said: str


def _rewrite_people(tx: Transaction, column: str, rewritten: Callable[[_Row], str]) -> None:
    """Rewrite what was said of all people, some at a time."""
    columns, mark = f"user_id, email, identified_at, deleted_at, fingerprints, {column}", "?" if tx.is_sqlite else "%s"
    query = f"SELECT {columns} FROM people WHERE user_id > {mark} ORDER BY user_id LIMIT {_ROWS}"  # noqa: S608 - names of this module
    update = f"UPDATE people SET {column} = {mark} WHERE user_id = {mark}"  # noqa: S608 - as above
    last = ""
    while rows := [_Row(*row) for row in tx.sql(query, (last,)).all()]:
        changed = [(said, row.user_id) for row in rows if (said := rewritten(row)) != row.said]
        if changed:
            tx.sql(update, changed)
        last = rows[-1].user_id


def _run(tx: Transaction, statements: tuple[str, ...]) -> None:
    words = _SQLITE if tx.is_sqlite else _POSTGRESQL
    for statement in statements:
        tx.sql(statement.format(**words))


_STEPS: Final[tuple[Callable[[Transaction], None], ...]] = (_from_1, _from_2, _from_3)
"""By the version that each begins with, less one."""
