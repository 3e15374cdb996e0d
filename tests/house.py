"""A store with intake and without delivery, to see what records become; time stands still unless a test moves it."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, Any, ClassVar, Final

from sqlalchemy import select

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts
from target_promoter.contacts.wanted import contact_forms
from target_promoter.delivery.turn import Turns
from target_promoter.intake import setup
from target_promoter.intake.intake import Intake
from target_promoter.records.streams import recognize
from target_promoter.store import runs, schema, streams
from target_promoter.store.database import Store, open_store
from target_promoter.store.summary import Summary
from target_promoter.surveys.surveys import COLUMNS as COLUMNS_OF_SURVEYS
from target_promoter.surveys.surveys import as_survey

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.contacts.wanted import ContactForm
    from target_promoter.delivery.turn import Turn
    from target_promoter.records.streams import Reading, Stream
    from target_promoter.store.transaction import Transaction
    from target_promoter.surveys.surveys import Survey

NOW: Final = 1_750_000_000.0
"""The time at which tests begin, in epoch seconds."""

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR

COLUMNS: Final = {
    "calls": "type userId anonymousId messageId event timestamp traits properties context integrations",
    "site-calls": "type userId anonymousId messageId event timestamp traits properties context integrations",
    "customers": "id email first_name plan score vip",
    "members": "id email plan updated_at",
    "orders": "id customer_id ordered_at total number order_id",
    "shop-identifies": "id user_id anonymous_id email first_name plan received_at",
    "shop-users": "id email first_name plan received_at",
    "shop-tracks": "id user_id anonymous_id event event_text timestamp received_at",
    "shop-order_completed": "id user_id anonymous_id event event_text timestamp received_at total currency",
}
"""The columns of the streams that a house knows; any other stream has those of the record."""

KEYS: Final = {"calls": ["messageId"], "site-calls": ["messageId"]}

CONFIG: Final[dict[str, Any]] = {
    "api_key": "k",
    "campaigns": {
        "Order Completed": 78,
        "Ticket Closed": {"id": 91, "delay_hours": 24, "cancel_on": ["Ticket Reopened"]},
    },
    "streams": {
        "customers": {"type": "identify", "fields": {"user_id": "id"}, "traits": ["*"], "contact_lists": [5]},
        "members": {
            "type": "identify",
            "fields": {"user_id": "id", "timestamp": "updated_at"},
            "traits": ["*"],
            "contact_lists": [6],
        },
        "orders": {
            "type": "track",
            "event": "Order Completed",
            "fields": {"user_id": "customer_id", "timestamp": "ordered_at"},
            "traits": ["total"],
        },
    },
}

_OF_A_CALL: Final = frozenset(COLUMNS["calls"].split())
_numbers = itertools.count()


def at(hours: float = 0.0, now: float = NOW) -> str:
    """Return a time as text, so many hours from the beginning of a test."""
    return dt.datetime.fromtimestamp(now + hours * HOUR, tz=dt.UTC).isoformat()


def identify(
    user_id: object, email: str | None = None, hours: float = -1.0, **more: object
) -> tuple[str, dict[str, Any]]:
    """Return a raw identify call; what is no field of a call is a trait."""
    traits = {name: more.pop(name) for name in list(more) if name not in _OF_A_CALL and name[:1] != "_"}
    if email is not None:
        traits["email"] = email
    return "calls", {"type": "identify", "userId": user_id, "timestamp": at(hours), "traits": traits, **more}


def track(event: str, user_id: object = None, hours: float = -1.0, **more: object) -> tuple[str, dict[str, Any]]:
    """Return a raw track call; what is no field of a call is a property."""
    properties = {name: more.pop(name) for name in list(more) if name not in _OF_A_CALL and name[:1] != "_"}
    message_id = more.pop("messageId", f"m-{next(_numbers)}")
    return "calls", {
        "type": "track",
        "event": event,
        "userId": user_id,
        "messageId": message_id,
        "timestamp": at(hours),
        "properties": properties,
        **more,
    }


class House:
    """A store with intake.

    Args:
        store: The store's address, or a folder for a new one.
        created: How old the store is, in hours.
        settings: Settings that differ from `CONFIG`.

    Attributes:
        now: The time, in epoch seconds.
        told: What the config's run says of settings that changed.
        opened: The stores of all houses of a test, which are closed at its end.
    """

    opened: ClassVar[list[Store]] = []

    def __init__(self, store: Path | str, *, created: float = 240.0, **settings: object) -> None:
        """Open the store."""
        self.now = NOW
        url = store if isinstance(store, str) else f"sqlite:///{store / 'store.db'}"
        self.store = open_store(url, now=NOW - created * HOUR)
        House.opened.append(self.store)
        self.configure(**settings)

    def configure(self, **settings: object) -> None:
        """Go on with other settings, as a next run may."""
        self.settings = Settings.from_config({**CONFIG, **settings})
        self._read: dict[str, Reading] = {}
        self.told = self.store.write(lambda tx: setup.apply_settings(tx, self.settings, self.now))
        self.summary = Summary(sandbox=False, dry_run=False, started_at=self.now)
        self._intake = Intake(self.store, self.settings, self.summary, clock=lambda: self.now)

    def stream(self, name: str, record: dict[str, Any]) -> Stream:
        """Return what a stream is, as the target has it."""
        columns: dict[str, Any] = {column: {} for column in COLUMNS.get(name, " ".join(record)).split()}
        return recognize(name, {"properties": columns}, KEYS.get(name, ["id"]), self.settings)

    def announce(self, name: str, record: dict[str, Any]) -> Stream:
        """Have a stream's SCHEMA read, and return what it is."""
        stream = self.stream(name, record)
        reading = stream.reading

        def remember(tx: Transaction) -> None:
            known = streams.known(tx, name)
            if known is not None or stream.type != "ignore":
                setup.take_in_reading(tx, known or streams.KnownStream(name, None, None), reading, self.now)

        if self._read.get(name) != reading:
            self.store.write(remember)
            self._read[name] = reading
        return stream

    def take(self, *records: tuple[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
        """Take records, those of a stream as one batch, and return what they came to: the counts that grew, by part."""
        before = self._counts()
        for name in dict.fromkeys(name for name, _ in records):
            of_stream = [record for one, record in records if one == name]
            rows, tracks, ignored = self.announce(name, of_stream[0]).split(of_stream, {})
            self._intake.take(rows, tracks, ignored=ignored)
        after = self._counts()
        grown = {part: {name: after[part][name] - before[part][name] for name in after[part]} for part in after}
        return {
            part: {name: number for name, number in counts.items() if number and name != "read"}
            for part, counts in grown.items()
            if any(counts.values())
        }

    def _counts(self) -> dict[str, dict[str, int]]:
        counts = self.summary.as_dict(self.now)
        return {part: dict(counts[part]) for part in ("identify", "track", "surveys")}  # type: ignore[call-overload]

    @property
    def forms(self) -> dict[str, ContactForm]:
        """The forms of all contacts, by address."""
        people = schema.people
        lists = self.settings.contact_lists
        return self.store.read(
            lambda connection: contact_forms(
                connection,
                set(connection.scalars(select(people.c.email).where(people.c.email.is_not(None)))),
                lists,
            )
        )

    def attributes(self, email: str) -> dict[str, str]:
        """Return the attributes of a contact but for its user id."""
        attributes: dict[str, str] = dict(self.forms[email].contact["attributes"])
        del attributes["user_id"]
        return attributes

    @property
    def surveys(self) -> dict[str, str]:
        """The status of every survey, by message id."""
        query = select(schema.surveys.c.message_id, schema.surveys.c.status)
        return self.store.read(lambda connection: {row[0]: row[1] for row in connection.execute(query)})

    def survey(self, message_id: str) -> Survey:
        """Return a survey."""
        query = select(*COLUMNS_OF_SURVEYS).where(schema.surveys.c.message_id == message_id)
        return self.store.read(lambda tx: as_survey(tx.execute(query).one()))

    def properties(self, message_id: str) -> dict[str, Any]:
        """Return the properties of a survey, those that other streams brought among them."""
        return self.survey(message_id).all_properties

    @property
    def to_look_at(self) -> set[str]:
        """The addresses of the contacts that delivery has to look at."""
        return self.store.read(lambda connection: {row.email for row in contacts.due(connection, self.now, most=1000)})

    def turn(self, hours: float) -> Turn:
        """Take a turn of delivery, so many hours from now; what it claims is never sent.

        Args:
            hours: When.
        """
        free = schema.request_clock.update().values(next_at=0.0)
        self.store.write(lambda connection: connection.execute(free))
        return Turns(self.store, self.settings).take(self.now + hours * HOUR, [], room=64)

    def synced(self) -> None:
        """Have every contact delivered, for what a test is not about."""
        self.store.write(lambda connection: connection.execute(schema.contacts.update().values(status="synced")))

    def forget(self, *keys: str) -> None:
        """Mark people as forgotten."""
        self.store.write(lambda connection: runs.forget_marks(connection, keys, self.now))
