"""The store's tables.

Times are epoch seconds (UTC). JSON is kept as text, so that SQLite and PostgreSQL treat it alike.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text, text

SCHEMA_VERSION: Final = 1
"""Raised with every change to the tables below; a store of another version is refused."""

metadata = MetaData()

# SQLite gives a table with a text key a hidden integer key as well; without it the table is half the size.
_KEYED = {"sqlite_with_rowid": False}

facts = Table("facts", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False), **_KEYED)
"""Schema version, time of creation, the account's address and the salted mark of its key."""

people = Table(
    "people",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("email", Text),
    Column("identified_at", Double, nullable=False),
    Column("deleted_at", Double),
    Column("fingerprints", Text, nullable=False),
    Column("traits", Text, nullable=False),
    Index("people_email", "email"),
    **_KEYED,
)
"""A person is a user id with its traits, each with the time of the call that said it."""

anonymous_ids = Table(
    "anonymous_ids",
    metadata,
    Column("anonymous_id", Text, primary_key=True),
    Column("user_id", Text),
    Index("anonymous_ids_user_id", "user_id"),
    **_KEYED,
)
"""The one user id seen with an anonymous id; null once it was seen with a second one."""

kept_properties = Table(
    "kept_properties",
    metadata,
    Column("who", Text, primary_key=True),
    Column("prefix", Text, primary_key=True),
    Column("time", Double, nullable=False),
    Column("properties", Text, nullable=False),
    **_KEYED,
)
"""Properties of stored events whose person is not known yet, by anonymous id or e-mail address."""

contacts = Table(
    "contacts",
    metadata,
    Column("email", Text, primary_key=True),
    Column("user_id", Text),
    Column("status", Text, nullable=False),
    Column("wanted", LargeBinary),
    Column("wanted_lists", Text, nullable=False, server_default=""),
    Column("sent", LargeBinary),
    Column("sent_lists", Text, nullable=False, server_default=""),
    Column("refused", LargeBinary),
    Column("reason", Text),
    Column("changed_at", Double, nullable=False),
    Column("synced_at", Double),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", Double, nullable=False, server_default="0"),
    Column("tried", LargeBinary),
    Column("tried_until", Double, nullable=False, server_default="0"),
    Column("lease", Text),
    Column("leased_until", Double, nullable=False, server_default="0"),
    Index(
        "contacts_pending",
        "changed_at",
        sqlite_where=text("status IN ('pending', 'removing')"),
        postgresql_where=text("status IN ('pending', 'removing')"),
    ),
    Index(
        "contacts_refused",
        "status",
        sqlite_where=text("status = 'refused'"),
        postgresql_where=text("status = 'refused'"),
    ),
    **_KEYED,
)
"""A contact is an e-mail address at Promoter: the form it should have, the form last sent, and who owns it."""

surveys = Table(
    "surveys",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("message", LargeBinary, nullable=False, unique=True),
    Column("stream", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("campaign_id", BigInteger, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("user_id", Text),
    Column("anonymous_id", Text),
    Column("email", Text),
    Column("event_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("properties", Text),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("created_at", Double, nullable=False),
    Column("settled_at", Double),
    Column("claimed_email", Text),
    Column("claimed_user_id", Text),
    Column("claimed_at", Double),
    Column("request", Text),
    Column("request_form", LargeBinary),
    Column("unanswered", Integer, nullable=False, server_default="0"),
    Column("lease", Text),
    Column("leased_until", Double, nullable=False, server_default="0"),
    Index("surveys_status", "status", "due_at"),
    Index("surveys_user_id", "user_id"),
    Index("surveys_anonymous_id", "anonymous_id"),
    Index("surveys_email", "email"),
    Index("surveys_claimed_email", "claimed_email"),
    Index("surveys_settled_at", "settled_at"),
)
"""A survey that is due, waits or was settled; a claimed one holds the whole request that was made for it."""

messages = Table("messages", metadata, Column("message", LargeBinary, primary_key=True), **_KEYED)
"""Hashes of event and message id of every survey there ever was: what makes a second one a duplicate."""

cancellations = Table(
    "cancellations",
    metadata,
    Column("who", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("time", Double, nullable=False),
    **_KEYED,
)
"""When a person last did what cancels a waiting survey (`cancel_on`)."""

throttles = Table(
    "throttles",
    metadata,
    Column("who", Text, primary_key=True),
    Column("surveyed_at", Double),
    Column("survey_id", BigInteger),
    **_KEYED,
)
"""When an e-mail address, and a user id, was last surveyed, and the claim that is open for it."""

rejected = Table(
    "rejected",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("fingerprint", LargeBinary, nullable=False, unique=True),
    Column("stream", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("rejected_at", Double, nullable=False),
    Index("rejected_at", "rejected_at"),
)
"""Records that could not be taken, whole, until they are replayed or thirty days have passed."""

request_clock = Table(
    "request_clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("next_at", Double, nullable=False),
    Column("rate", Double, nullable=False),
    Column("rated_at", Double, nullable=False),
    Column("held_until", Double, nullable=False),
)
"""The account's request limit: one row, from which all processes together reserve their requests."""

request_seconds = Table(
    "request_seconds",
    metadata,
    Column("second", BigInteger, primary_key=True, autoincrement=False),
    Column("requests", Integer, nullable=False),
)
"""Requests of the last minutes by second, from which a limit that was told too high is measured."""

request_days = Table(
    "request_days",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("requests", BigInteger, nullable=False),
    Column("rate_limited", BigInteger, nullable=False),
)
"""Requests by day (days since the epoch), for the report."""

runs = Table(
    "runs",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("command", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("finished_at", Double),
    Column("exit_status", Integer),
    Column("problem", Text),
    Column("summary", Text),
)
"""Every run with its summary, for the report."""

forgotten = Table("forgotten", metadata, Column("mark", LargeBinary, primary_key=True), **_KEYED)
"""Salted marks of the people that were forgotten, so that a replay does not survey them."""
