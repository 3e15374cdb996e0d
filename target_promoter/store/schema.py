"""The store's tables.

Times are epoch seconds (UTC). JSON is kept as text, so that SQLite and PostgreSQL treat it alike.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text, event

from target_promoter.store.outcomes import OPEN, REVIVABLE

SCHEMA_VERSION: Final = 4
"""Raised with every released change to the tables below, which `migrations.py` makes in older stores."""

metadata = MetaData()

# `sqlite_with_rowid=False`: SQLite gives a table with a text key a hidden integer key as well; without it a table of
# short rows is half the size. One of long rows needs it: else the upper levels of its tree, which then hold whole rows,
# are many.


def _partial_index(name: str, table: Table, columns: str, where: str) -> None:
    """Index some rows of a table; an `Index` with a condition would load SQLAlchemy's part for each database named."""
    statement = f"CREATE INDEX {name} ON {table.name} ({columns}) WHERE {where}"
    event.listen(table, "after_create", lambda _, connection, **__: connection.exec_driver_sql(statement))


facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Schema version, time of creation, the account's address and the salted mark of its key, and the like."""

streams = Table(
    "streams",
    metadata,
    Column("name", Text, primary_key=True),
    Column("schema", Text),
    Column("reading", Text),
    Column("read_at", Double),
    Column("version", Text),
    sqlite_with_rowid=False,
)
"""Of each stream its last SCHEMA with its key properties, how it was read (by the config of then), when, and its newest
table version (`streams.TableVersion`)."""

version_rows = Table(
    "version_rows",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("row", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The newest table version in which a mirrored stream had a row of a person; `row` is its key where that is not the
user id itself, else empty."""

people = Table(
    "people",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("email", Text),
    Column("identified_at", Double, nullable=False),
    Column("deleted_at", Double),
    Column("fingerprints", Text, nullable=False),
    Column("parts", Text, nullable=False),
    Index("people_email", "email"),
)
"""A person is a user id with what each stream said of it; a fingerprint is that of the stream's last record."""

people_rows = Table(
    "people_rows",
    metadata,
    Column("row", LargeBinary, primary_key=True),
    Column("user_id", Text, nullable=False),
    Index("people_rows_user_id", "user_id"),
    sqlite_with_rowid=False,
)
"""The person that a row of a stream is on, by a hash of stream and key, where the key is not the user id itself."""

anonymous_ids = Table(
    "anonymous_ids",
    metadata,
    Column("anonymous_id", Text, primary_key=True),
    Column("user_id", Text),
    Index("anonymous_ids_user_id", "user_id"),
    sqlite_with_rowid=False,
)
"""The one user id seen with an anonymous id; null once it was seen with a second one."""

kept_properties = Table(
    "kept_properties",
    metadata,
    Column("who", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("prefix", Text, primary_key=True),
    Column("time", Double, nullable=False),
    Column("properties", Text, nullable=False),
    Column("outdated", Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
"""The latest properties of stored events by what the call names its person by, the stream, and the attribute prefix.

`outdated` is 1 for those that were read by other fields than those of now: the next that is read takes their place.
"""

contacts = Table(
    "contacts",
    metadata,
    Column("email", Text, primary_key=True),
    Column("user_id", Text),
    Column("status", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("sent", LargeBinary),
    Column("sent_lists", Text, nullable=False, server_default="[]"),
    Column("synced_at", Double),
    Column("refused", LargeBinary),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", Double, nullable=False, server_default="0"),
    Column("tried", LargeBinary),
    Column("tried_until", Double, nullable=False, server_default="0"),
    Column("lease", Text),
    Column("leased_until", Double, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
"""A contact is an e-mail address at Promoter; `contacts.Contact` says what each column means."""

# The status is there so that SQLite can count what is pending without looking at any contact.
_partial_index("contacts_undelivered", contacts, "changed_at, status", "status IN ('pending', 'removing')")
_partial_index("contacts_refused", contacts, "status", "status = 'refused'")
_partial_index("contacts_list_unknown", contacts, "status", "status = 'list_unknown'")
_partial_index("contacts_user_id", contacts, "user_id", "user_id IS NOT NULL")
_partial_index("contacts_lease", contacts, "lease", "lease IS NOT NULL")

pulled = Table(
    "pulled",
    metadata,
    Column("email", Text, primary_key=True),
    Column("read_at", Double, nullable=False),
    Column("contact", Text),
    Column("lists", Text, nullable=False, server_default="[]"),
    Column("user_id", Text),
    Column("unsubscribed", Integer),
    Column("differs", Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
"""What Promoter had under each address, in lower case, when its page was last read.

`read_at` is when that page was asked for, of several the first. `contact` holds names and attributes, null if they are
not known whole; `lists` those of the config's lists that it was on. `unsubscribed` is 0, 1, or null if Promoter does
not say. `differs` is whether it was otherwise than it had been sent.
"""

_partial_index("pulled_user_id", pulled, "user_id", "user_id IS NOT NULL")
_partial_index("pulled_unsubscribed", pulled, "email", "unsubscribed = 1")

lists_to_leave = Table(
    "lists_to_leave",
    metadata,
    Column("email", Text, primary_key=True),
    Column("list_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""Contact lists that a contact is to be taken off, unless another stream names them for it."""

surveys = Table(
    "surveys",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("message", LargeBinary, nullable=False, unique=True),
    Column("occurrence", LargeBinary),
    Column("row_key", LargeBinary),
    Column("stream", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("canonical", Text, nullable=False, server_default=""),
    Column("campaign_id", BigInteger, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("user_id", Text),
    Column("anonymous_id", Text),
    Column("email", Text),
    Column("event_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("first_due_at", Double, nullable=False, server_default="0"),
    Column("properties", Text),
    Column("more", Text),
    Column("matches", Text),
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
    Column("withdrawn", Text),
    Column("lease", Text),
    Column("leased_until", Double, nullable=False, server_default="0"),
    Column("told", LargeBinary),
    Index("surveys_status", "status", "canonical", "due_at", "first_due_at"),
    Index("surveys_user_id", "user_id"),
)
"""A survey that is due, waits or was settled.

`user_id`, `anonymous_id` and `email` are those of the call; whom they stand for is looked up when it is claimed.
`due_at` moves with the hours, the delay and the pause of its campaign; `first_due_at` is when it was due at first.
`properties` are those that its own stream brought, `more` what other streams brought, by stream; `matches` are hashes
of what `match` of its campaign compares. `message` and `occurrence` are those of `messages`, `row_key` is a hash of its
stream and the key of its row. `withdrawn` is why a claimed one must not be sent again, whatever comes of the request on
its way. `told` is a hash of the record that told it last, and of how it was read: the same one again says nothing new.
"""

# Most rows leave these empty.
for _column in ("anonymous_id", "email", "claimed_email", "claimed_user_id", "settled_at"):
    _partial_index(f"surveys_{_column}", surveys, _column, f"{_column} IS NOT NULL")

IS_OPEN: Final = "status IN ('waiting', 'queued')"
"""The condition, as SQL, under which a survey is in the indexes of open ones."""

MAY_BE_SENT: Final = f"status IN ({', '.join(repr(str(one)) for one in (*OPEN, *REVIVABLE))})"
"""The condition, as SQL, for surveys that are open, or may be again."""

_partial_index("surveys_row_key", surveys, "row_key", MAY_BE_SENT)

messages = Table("messages", metadata, Column("message", LargeBinary, primary_key=True), sqlite_with_rowid=False)
"""What makes an event that comes again known, for ever: two salted hashes of each event that led to a survey.

One is of the event and its message id, the other of campaign, person as the call names it, and second. Also hashes of
deleted events, and of the keys of their rows. A store that was once of version 2 (its fact `unsalted_messages`) also
holds hashes of event and message id without salt.
"""

cancellations = Table(
    "cancellations",
    metadata,
    Column("who", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("matched", Text, primary_key=True),
    Column("time", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""When a person last did what cancels waiting surveys (`cancel_on`), with any value, and with each value of `match`."""

not_surveyed = Table(
    "not_surveyed",
    metadata,
    Column("who", Text, primary_key=True),
    Column("campaign_id", BigInteger, primary_key=True, autoincrement=False),
    Column("event", Text, nullable=False),
    Column("event_at", Double, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Of each person and campaign the latest event that led to no survey, for the report."""

throttles = Table(
    "throttles",
    metadata,
    Column("who", Text, primary_key=True),
    Column("surveyed_at", Double),
    Column("survey_id", BigInteger),
    sqlite_with_rowid=False,
)
"""When an e-mail address, and a user id, was last surveyed, and the claim that is open for it."""

_partial_index("throttles_survey_id", throttles, "survey_id", "survey_id IS NOT NULL")

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
    Column("paused_until", Double, nullable=False),
)
"""The account's request limit: one row, from which all processes together reserve their requests."""

request_workers = Table(
    "request_workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seen_at", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""The processes that send just now, so that each takes its share of the limit."""

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
    Column("settings", Text),
)
"""Every run with its summary and its settings, without secrets, for the report."""

forgotten = Table(
    "forgotten",
    metadata,
    Column("who", LargeBinary, primary_key=True),
    Column("forgotten_at", Double),
    sqlite_with_rowid=False,
)
"""Salted marks of the names of people that were forgotten, so that a replay does not survey them.

Those of one person have the same time; marks from before version 3 have none.
"""

attribute_notes = Table(
    "attribute_notes",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("detail", Text, primary_key=True),
    Column("noted_at", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""Names of attributes that were changed, merged or left out on their way to Promoter, for the report."""

events = Table(
    "events",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("first_at", Double, nullable=False),
    Column("last_at", Double, nullable=False),
    Column("counted_at", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""How many track calls of each event were read on each day (days since the epoch), by what became of them, when the
first and the last of them happened, and when the number was last added to."""
