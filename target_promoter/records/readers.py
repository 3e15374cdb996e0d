"""From a record to an identify or a track call; all that can be known at the SCHEMA message is worked out there."""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from target_promoter.records.calls import Identify, Track
from target_promoter.records.fields import (
    TRAITS,
    Contents,
    Integrations,
    Path,
    Personal,
    finder,
    first,
    is_loader_made,
    object_at,
    original_times,
    reserved,
    said,
    something,
    usable,
    value_at,
)
from target_promoter.values.events import canonical
from target_promoter.values.reading import email_address, fingerprint, identifier, person_id, person_name
from target_promoter.values.times import epoch_seconds, is_date, is_zero

logger = logging.getLogger("target-promoter.records")

# Nested a thousand deep, or a number of thousands of digits: no store could keep it, no encoder writes it.
_UNWRITABLE: Final = "the record cannot be written"
_NO_DELETION: Final = frozenset(
    {"", "none", "null", "nil", "false", "f", "no", "n", "nan", "nat", "undefined", "n/a", "-"},
)
_MARKED_AT: Final = ("_fivetran_synced", "__ts_ms", "__source_ts_ms", "_peerdb_synced_at")
"""Where loaders that mark deleted rows with true say when they saw it."""

_DAY: Final = 86_400.0

NO_USER_ID: Final = "no user id"
"""Why a record is rejected that names nobody."""

OTHER_CALLS: Final = frozenset({"page", "screen", "group", "alias"})
"""The types of Segment's calls that say nothing to Promoter."""

_CALLS: Final = OTHER_CALLS | {"identify", "track", "delete"}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the records of a stream have what.

    Attributes:
        stream: The stream's name.
        paths: Where each logical field is.
        configured: The logical fields whose places the config says: they are looked for nowhere else.
        contents: Where the traits or properties are.
        integrations: Where Segment's `integrations` object is.
        keys: The key properties that tell one record from another.
        marks: The columns in which a loader says that a row was deleted.
        call_type: Where a call says what it is; empty unless each record does.
    """

    stream: str
    paths: Mapping[str, tuple[Path, ...]]
    configured: frozenset[str]
    contents: Contents
    integrations: Integrations
    keys: tuple[str, ...]
    marks: tuple[str, ...]
    call_type: tuple[Path, ...]

    def columns(self) -> frozenset[str] | None:
        """Return the columns that are read at all; None if they may be any."""
        if self.contents.columns is None:
            return None
        paths = [path for places in self.paths.values() for path in places]
        paths += [*self.contents.objects, *(path for path, _ in self.contents.inside), *self.integrations.objects]
        columns = {column for column, _ in (*self.contents.columns, *self.integrations.columns)}
        return frozenset({*columns, *(path[0] for path in (*paths, *self.call_type)), *self.keys, *self.marks})


class _Reader:
    """What reading identify and track calls has in common.

    Args:
        how: What else decides what a record comes to.

    Attributes:
        layout: Where the records have what.
        stream: The stream's name.
        columns: The columns that are read at all; None if they may be any.
        user_id: Finds the user id of a record.
    """

    def __init__(self, layout: Layout, *how: object) -> None:
        # The config may read the same row in another way than it did when the row last came.
        self._salt = fingerprint({"read": (layout, *how)}) or b""
        self.layout = layout
        self.stream = layout.stream
        self.columns = layout.columns()
        self._paths = layout.paths
        self._contents = layout.contents
        self._integrations = layout.integrations
        self.user_id = finder(layout.paths["user_id"], person_id)
        self._anonymous_id = finder(layout.paths["anonymous_id"], person_id)
        self._time = finder(layout.paths["timestamp"], epoch_seconds)

    def _columns_for(self, field: str, objects: tuple[Path, ...]) -> tuple[Path, ...]:
        """Return where a reserved trait is but in the objects, which are searched for any spelling of it."""
        paths = self._paths[field]
        return paths if field in self.layout.configured else tuple(path for path in paths if path[:-1] not in objects)

    def _key(self, record: Mapping[str, object]) -> str | None:
        """Return the record's key as one text."""
        keys = self.layout.keys
        if len(keys) == 1:
            return _key_text(record.get(keys[0]))
        values = [_key_text(record.get(name)) for name in keys]
        return json.dumps(values) if values and None not in values else None

    def _fingerprint(self, record: Mapping[str, object]) -> bytes | None:
        """Return a hash that is equal for records that say the same; None if it cannot be written."""
        content = record
        if self.columns is not None and not record.keys() <= self.columns:
            content = {name: value for name, value in record.items() if name in self.columns}
        return fingerprint(content, self._salt)

    def _deleted_at(self, record: Mapping[str, object]) -> float | None:
        """Return when a record was deleted at its source; if it does not say, when its loader saw it, or now."""
        deletion = self._deletion(record)
        return None if deletion is None else deletion[0]

    def _deletion(self, record: Mapping[str, object]) -> tuple[float, bool] | None:
        """Return when a record was deleted at its source, and whether it says so itself."""
        for column in self.layout.marks:
            value = record.get(column)
            if value is None or value is False or _is_no_mark(value):
                continue
            when = epoch_seconds(value)
            if when is not None:
                return when, True
            seen_at = first(record, tuple((name,) for name in _MARKED_AT), epoch_seconds)
            return time.time() if seen_at is None else seen_at, False
        return None


class IdentifyReader(_Reader):
    """Reads the identify calls of a stream.

    Args:
        snapshot: Whether a record tells the person's whole present state.
    """

    def __init__(self, layout: Layout, *, snapshot: bool, contact_lists: tuple[int, ...]) -> None:
        super().__init__(layout, snapshot, contact_lists)
        self._snapshot = snapshot
        self._contact_lists = contact_lists
        objects = layout.contents.objects
        self._email = finder(self._columns_for("email", objects), email_address)
        self._first_name = finder(self._columns_for("first_name", objects), person_name)
        self._last_name = finder(self._columns_for("last_name", objects), person_name)
        self._name = finder(self._columns_for("name", objects), person_name)

    def fingerprint(self, record: Mapping[str, object]) -> str:
        """Return a hash, in hexadecimal, that is equal for records that say the same; empty if it cannot be written."""
        mark = self._fingerprint(record)
        return "" if mark is None else mark.hex()

    def row_key(self, record: Mapping[str, object], user_id: str) -> str:
        """Return the key of a row of a snapshot; empty if it is the user id itself, or there is none."""
        key = self._key(record) if self._snapshot else None
        return "" if key is None or key == user_id else key

    def is_deleted(self, record: Mapping[str, object]) -> bool:
        """Return whether a record says that its person was deleted."""
        return self._deleted_at(record) is not None or self._is_delete_call(record)

    def read(self, record: Mapping[str, object], mark: str | None = None) -> Identify | None:
        """Return what a record says; None if it is of an anonymous visitor, which names nobody to keep.

        Args:
            mark: Its fingerprint, if it was made already.
        """
        user_id, anonymous_id, deletion = self.user_id(record), self._anonymous_id(record), self._deletion(record)
        when = self._time(record)
        if deletion is None and self._is_delete_call(record):
            deletion = (time.time(), False) if when is None else (when, True)
        deleted_at, deletion_dated = (None, False) if deletion is None else deletion
        if user_id is None and anonymous_id is not None and deleted_at is None:
            return None
        mark = self.fingerprint(record) if mark is None else mark
        personal: Personal = {}
        traits = self._contents.read(record, personal)
        email = self._email(record) or self._trait(personal, "email")
        bad_email = False
        if email is None:
            # Many sites take the address for the user id, and send it nowhere else.
            email = None if "email" in self.layout.configured else email_address(user_id)
            bad_email = email is None and self._has_email(record, personal)
        key = self._key(record)
        problem = None
        if deleted_at is not None and key is not None:
            pass  # Taps of a log often send a deleted row's key alone.
        elif not mark:
            problem = _UNWRITABLE
        elif user_id is None:
            problem = NO_USER_ID
        elif when is None and self._is_unreadable(record):
            problem = "no readable time"
        first_name = self._first_name(record) or self._trait(personal, "first_name")
        last_name = self._last_name(record) or self._trait(personal, "last_name")
        if first_name is None and last_name is None:
            name = self._name(record) or self._trait(personal, "name")
            if name is not None:
                first_name, _, rest = name.partition(" ")
                last_name = rest.strip() or None
        return Identify(
            self.stream,
            record,
            mark,
            user_id,
            anonymous_id,
            email,
            first_name,
            last_name,
            traits,
            when,
            self._snapshot,
            deleted_at,
            self._integrations.block(record),
            self._contact_lists,
            problem,
            key,
            bad_email,
            email is None and not bad_email and any(path[0] in record for path in self._paths["email"]),
            deletion_dated,
        )

    def _is_delete_call(self, record: Mapping[str, object]) -> bool:
        """Return whether a record is Segment's call of the type `delete`."""
        return bool(self.layout.call_type) and first(record, self.layout.call_type, call_type) == "delete"

    def _trait(self, personal: Personal, field: str) -> str | None:
        """Return a field that stands among the traits, in any spelling."""
        if field not in personal or field in self.layout.configured:
            return None
        return usable(personal[field], email_address if field == "email" else person_name)

    def _has_email(self, record: Mapping[str, object], personal: Personal) -> bool:
        """Return whether there is something in the place of the address, usable or not."""
        sent = () if "email" in self.layout.configured else personal.get("email", ())
        return said(record, self._paths["email"]) or any(something(value) is not None for _, value in sent)

    def _is_unreadable(self, record: Mapping[str, object]) -> bool:
        """Return whether there is a time that cannot be read; zero is that of a program that had none."""
        return any(
            something(value) is not None and not is_zero(value)
            for value in (value_at(record, path) for path in self._paths["timestamp"])
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """The identify calls of one stream in a batch, not read yet: most of a second sync say nothing new.

    Attributes:
        reader: What reads them.
        records: The records, in the order in which they came.
        misfits: Why a record cannot be taken, by its place among them.
        version: The table version that they are rows of, if their stream is mirrored.
    """

    reader: IdentifyReader
    records: Sequence[Mapping[str, object]]
    misfits: Mapping[int, str] = field(default_factory=dict)
    version: int | None = None


class TrackReader(_Reader):
    """Reads the track calls of a stream.

    Args:
        recognized: Whether it is a warehouse's table of calls, where a row that names nobody is no fault.

    Attributes:
        event: The event of all records; None if each names its own.
    """

    def __init__(self, layout: Layout, *, event: str | None, recognized: bool) -> None:
        super().__init__(layout, event, recognized)
        paths, configured = layout.paths, layout.configured
        self.event = event
        self._event = finder(paths["event"], identifier)
        # On most tables the key is the message id, and read already.
        is_key = len(layout.keys) == 1 and paths["message_id"] == (layout.keys,)
        self._message_id = finder(() if is_key else paths["message_id"], identifier)
        self._email = finder(self._columns_for("email", TRAITS), email_address)
        searched = {path[:-1] for path in paths["email"]} - {()}
        self._traits = () if "email" in configured else tuple(path for path in reversed(TRAITS) if path in searched)
        # An own time that cannot be read rejects an event: the next place may hold that of its receipt, in a replay
        # today's. What the config lists means the same thing each, and the first usable one counts.
        self._usable_time = "timestamp" in configured
        own = () if self._usable_time else original_times(paths["timestamp"])
        self._original = finder(own, epoch_seconds) if own else None
        self._recognized = recognized
        self._told = False

    def read(self, record: Mapping[str, object]) -> Track | None:
        """Return what a record says; None if it is a row of a warehouse's table that names nobody."""
        user_id = self.user_id(record)
        anonymous_id = self._anonymous_id(record)
        email = self._email(record) or self._email_of_traits(record)
        deleted_at = self._deleted_at(record)
        key = self._key(record)
        event = self.event or self._event(record) or ""
        name = canonical(event)
        message_id = self._message_id(record) or key or self._hash(record)
        value = self._said_time(record)
        when = None if value is None else epoch_seconds(value)
        nobody = user_id is None and anonymous_id is None and email is None
        problem = None
        if deleted_at is not None and key is not None:
            pass  # Taps of a log often send a deleted row's key alone.
        elif message_id is None:
            problem = _UNWRITABLE
        elif nobody:
            if self._recognized:
                self._tell_ignored()
                return None
            problem = "no user id, anonymous id or usable e-mail address"
        elif not name:
            problem = "no event"
        elif when is None:
            problem = "no readable time"
        named = f"u:{user_id}" if user_id else f"a:{anonymous_id}" if anonymous_id else f"e:{email}"
        return Track(
            self.stream,
            record,
            self._fingerprint(record),
            user_id,
            anonymous_id,
            email,
            event,
            name,
            message_id or "",
            key,
            "" if nobody else named,
            when,
            self._happened_at(record, when),
            when + _DAY - 1 if when is not None and is_date(value) else when,
            self._contents.read(record),
            deleted_at,
            self._integrations.block(record),
            problem,
        )

    def read_all(self, records: Sequence[Mapping[str, object]], misfits: Mapping[int, str]) -> list[Track]:
        """Return what records say but for those that name nobody.

        Args:
            misfits: Why some of them cannot be taken, by their place.
        """
        calls = [self.read(record) for record in records]
        for place, misfit in misfits.items():
            call = calls[place]
            calls[place] = call and replace(call, problem=misfit)
        return [call for call in calls if call is not None]

    def _email_of_traits(self, record: Mapping[str, object]) -> str | None:
        """Return the address among the traits of the call's person."""
        for path in self._traits:
            for name, value in object_at(record, path).items():
                if reserved(name) == "email":
                    email = email_address(value)
                    if email is not None:
                        return email
        return None

    def _said_time(self, record: Mapping[str, object]) -> object:
        """Return the value that says when it happened."""
        for path in self._paths["timestamp"]:
            value = something(record.get(path[0]) if len(path) == 1 else value_at(record, path))
            if value is not None and not (self._usable_time and epoch_seconds(value) is None):
                return value
        return None

    def _happened_at(self, record: Mapping[str, object], when: float | None) -> float | None:
        """Return when it happened by the clock of its sender, if that was more than a day before its time."""
        original = self._original(record) if self._original is not None else None
        return original if original is not None and when is not None and when - original > _DAY else when

    def _hash(self, record: Mapping[str, object]) -> str | None:
        """Return a hash of what the source knows of a record; None if it cannot even be hashed."""
        mark = fingerprint({name: value for name, value in record.items() if not is_loader_made(name)})
        return None if mark is None else mark.hex()

    def _tell_ignored(self) -> None:
        """Say once that rows of the stream are left out."""
        if not self._told:
            self._told = True
            logger.warning(
                "Stream `%s` has rows with neither a user id nor an anonymous id: they name nobody and are ignored.",
                self.stream,
            )


def call_type(value: object) -> str | None:
    """Return the type of a Segment call, or None if Segment knows no such type."""
    text = (identifier(value) or "").lower()
    return text if text in _CALLS else None


def _key_text(value: object) -> str | None:
    """Return one value of a key as text."""
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return identifier(value)


def _is_no_mark(value: object) -> bool:
    """Return whether a mark of deletion says that there is none: what programs write for null, false and zero."""
    if isinstance(value, str):
        return value.strip().lower() in _NO_DELETION or is_zero(value)
    if isinstance(value, float | Decimal) and Decimal(value).is_nan():
        return True
    return not value or is_zero(value)
