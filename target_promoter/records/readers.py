"""From a record to an identify or a track call; all that can be known at the SCHEMA message is worked out there."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from target_promoter.records.calls import Glimpse, Identify, Track
from target_promoter.records.fields import PERSONAL, Path, first, said, value_at
from target_promoter.values.events import canonical
from target_promoter.values.reading import (
    as_object,
    email_address,
    fingerprint,
    identifier,
    person_name,
)
from target_promoter.values.times import epoch_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

_DESTINATION: Final = "promoter.io"
# Nested a thousand deep, or a number of thousands of digits: no store could keep it, no encoder writes it.
_UNWRITABLE: Final = "the record cannot be written"
_NO_KEY: Final = re.compile(
    r"_sdc_.*|_*(line|row)_*(n|no|nr|num|number|index)?|_*(file|path)_*(name|path)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Contents:
    """Where a record's traits or properties are, and which of them may leave the house.

    Attributes:
        objects: Where the object stands.
        flattened: The columns that flattening made of it, each with its name in the object.
        columns: The columns of a flat row; None means all but `kept_back`, for a schema that declares none.
        kept_back: What is no content where `columns` is None.
        allowed: The names that may leave; None means all.
    """

    objects: tuple[Path, ...]
    flattened: tuple[tuple[str, str], ...]
    columns: tuple[str, ...] | None
    kept_back: frozenset[str]
    allowed: frozenset[str] | None

    def read(self, record: Mapping[str, object], drop: frozenset[str] = frozenset()) -> dict[str, object]:
        """Return the traits or properties of a record by their names.

        Args:
            record: The record.
            drop: Names that are fields of their own when they stand in the object.
        """
        names = self.columns
        if names is None:
            names = tuple(name for name in record if name not in self.kept_back and not name.startswith("_sdc_"))
        found = {name: record[name] for name in names if name in record}
        if self.objects or self.flattened:
            inner: dict[str, object] = {}
            for path in self.objects:
                inner.update(as_object(value_at(record, path)))
            inner.update((name, record[column]) for column, name in self.flattened if column in record)
            found.update(
                (name, value)
                for name, value in inner.items()
                if name not in drop and (self.allowed is None or name in self.allowed)
            )
        return found


@dataclass(frozen=True, slots=True)
class Integrations:
    """Where Segment's `integrations` object is, which says what destinations a call must not reach.

    Attributes:
        flattened: The columns that flattening made of it, each with its name in the object.
    """

    flattened: tuple[tuple[str, str], ...]

    def block(self, record: Mapping[str, object]) -> bool:
        """Return whether they keep a record from Promoter.io.

        Args:
            record: The record.
        """
        rules = record.get("integrations")
        context = record.get("context")
        if rules is None and context is None and not self.flattened:
            return False
        return (
            _forbid(as_object(rules))
            or _forbid(as_object(as_object(context).get("integrations")))
            or _forbid({name: record.get(column) for column, name in self.flattened})
        )


def _forbid(rules: Mapping[str, object]) -> bool:
    """Return whether a call must not reach Promoter.io: by its own rule, or without one by the rule for all."""
    said_of = {name.lower(): value for name, value in rules.items() if value is not None}
    rule = said_of.get(_DESTINATION, said_of.get("all"))
    return rule is False or (isinstance(rule, str) and rule.strip().lower() == "false")


@dataclass(frozen=True, slots=True)
class IdentifyReader:
    """Reads the identify calls of a stream.

    Attributes:
        stream: The stream's name.
        paths: Where each logical field is.
        contents: Where the traits are.
        integrations: Where the integrations object is.
        snapshot: Whether a record tells the person's whole present state.
        contact_lists: The contact lists of the stream.
        salt: What makes a record another one when it is read in another way: a hash of all of the above.
    """

    stream: str
    paths: Mapping[str, tuple[Path, ...]]
    contents: Contents
    integrations: Integrations
    snapshot: bool
    contact_lists: tuple[int, ...]
    salt: bytes

    def read(self, record: Mapping[str, object]) -> Identify:
        """Return what a record says.

        Args:
            record: The record as read.
        """
        return self._whole(self.glimpse(record))

    def glimpse(self, record: Mapping[str, object]) -> Glimpse:
        """Return what tells whether a record says anything new.

        Args:
            record: The record as read.
        """
        return Glimpse(
            self.stream,
            record,
            fingerprint(record, self.salt) or b"",
            first(record, self.paths["user_id"], identifier),
            first(record, self.paths["anonymous_id"], identifier),
            _deleted_at(record),
            self._whole,
        )

    def _whole(self, glimpse: Glimpse) -> Identify:
        """Return the whole call of a record."""
        paths, record, user_id = self.paths, glimpse.record, glimpse.user_id
        email = first(record, paths["email"], email_address)
        when = first(record, paths["timestamp"], epoch_seconds)
        problem = None
        if not glimpse.fingerprint:
            problem = _UNWRITABLE
        elif user_id is None:
            problem = "no user id"
        elif email is None and said(record, paths["email"]):
            problem = "no usable e-mail address"
        elif when is None and said(record, paths["timestamp"]):
            problem = "no readable time"
        first_name = first(record, paths["first_name"], person_name)
        last_name = first(record, paths["last_name"], person_name)
        if first_name is None and last_name is None:
            name = first(record, paths["name"], person_name)
            if name is not None:
                first_name, _, rest = name.partition(" ")
                last_name = rest.strip() or None
        return Identify(
            self.stream,
            record,
            glimpse.fingerprint,
            user_id,
            glimpse.anonymous_id,
            email,
            first_name,
            last_name,
            self.contents.read(record, PERSONAL),
            when,
            self.snapshot,
            glimpse.deleted_at,
            self.integrations.block(record),
            self.contact_lists,
            problem,
        )


@dataclass(frozen=True, slots=True)
class TrackReader:
    """Reads the track calls of a stream.

    Attributes:
        stream: The stream's name.
        paths: Where each logical field is.
        contents: Where the properties are.
        integrations: Where the integrations object is.
        event: The event of records that name none.
        keys: The key properties that tell one record from another.
    """

    stream: str
    paths: Mapping[str, tuple[Path, ...]]
    contents: Contents
    integrations: Integrations
    event: str | None
    keys: tuple[str, ...]

    def read(self, record: Mapping[str, object]) -> Track:
        """Return what a record says.

        Args:
            record: The record as read.
        """
        paths = self.paths
        user_id = first(record, paths["user_id"], identifier)
        anonymous_id = first(record, paths["anonymous_id"], identifier)
        email = first(record, paths["email"], email_address)
        event = first(record, paths["event"], identifier) or self.event or ""
        name = canonical(event)
        when = first(record, paths["timestamp"], epoch_seconds)
        message_id = first(record, paths["message_id"], identifier) or self._key(record)
        problem = None
        if message_id is None:
            problem = _UNWRITABLE
        elif user_id is None and anonymous_id is None and email is None:
            problem = "no user id, anonymous id or usable e-mail address"
        elif not name:
            problem = "no event"
        elif when is None:
            problem = "no readable time"
        return Track(
            self.stream,
            record,
            user_id,
            anonymous_id,
            email,
            event,
            name,
            message_id or "",
            when,
            self.contents.read(record),
            _deleted_at(record),
            self.integrations.block(record),
            problem,
        )

    def _key(self, record: Mapping[str, object]) -> str | None:
        """Return the record's key as one text, or a hash of the record; None if it cannot even be hashed."""
        values = [_key_text(record.get(name)) for name in self.keys]
        if values and None not in values:
            return values[0] if len(values) == 1 else json.dumps(values)
        mark = fingerprint(record)
        return None if mark is None else mark.hex()


def telling_keys(key_properties: tuple[str, ...]) -> tuple[str, ...]:
    """Return the key properties, or none if they say where a record lay and not which one it is.

    A line number or a column of the tap's own (`_sdc_*`) is another one when the same record comes again.

    Args:
        key_properties: The key properties of the SCHEMA message.
    """
    if any(name.startswith("_sdc_") for name in key_properties):
        return ()
    if all(_NO_KEY.fullmatch(name) for name in key_properties):
        return ()
    return key_properties


def _key_text(value: object) -> str | None:
    """Return one value of a key as text."""
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return identifier(value)


def _deleted_at(record: Mapping[str, object]) -> float | None:
    """Return when a record was deleted at its source; now, if it says so without a readable time."""
    value = record.get("_sdc_deleted_at")
    if value is None or value is False or value == "":
        return None
    when = epoch_seconds(value)
    return time.time() if when is None else when
