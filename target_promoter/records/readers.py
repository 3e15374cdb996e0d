"""From a record to an identify or a track call; all that can be known at the SCHEMA message is worked out there."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from target_promoter.records.calls import Glimpse, Identify, Track
from target_promoter.records.fields import PERSONAL, Path, finder, said
from target_promoter.values.events import canonical
from target_promoter.values.reading import email_address, fingerprint, identifier, person_name
from target_promoter.values.times import epoch_seconds

if TYPE_CHECKING:
    from target_promoter.records.contents import Contents, Integrations

# Nested a thousand deep, or a number of thousands of digits: no store could keep it, no encoder writes it.
_UNWRITABLE: Final = "the record cannot be written"
_NO_KEY: Final = re.compile(
    r"_sdc_.*|_*(line|row)_*(n|no|nr|num|number|index)?|_*(file|path)_*(name|path)?", re.IGNORECASE
)


class _Reader:
    """What reading identify and track calls has in common.

    Args:
        contents: Where the traits or properties are.

    Attributes:
        paths: Where each logical field is.
        contents: Where the traits or properties are.
    """

    def __init__(
        self, stream: str, paths: Mapping[str, tuple[Path, ...]], contents: Contents, integrations: Integrations
    ) -> None:
        self.paths = paths
        self.contents = contents
        self.stream = self._stream = stream
        self._integrations = integrations
        self._user_id = finder(paths["user_id"], identifier)
        self._anonymous_id = finder(paths["anonymous_id"], identifier)
        self._email = finder(paths["email"], email_address)
        self._time = finder(paths["timestamp"], epoch_seconds)


class IdentifyReader(_Reader):
    """Reads the identify calls of a stream.

    Args:
        contents: Where the traits are.
        snapshot: Whether a record tells the person's whole present state.
    """

    def __init__(
        self,
        stream: str,
        paths: Mapping[str, tuple[Path, ...]],
        contents: Contents,
        integrations: Integrations,
        *,
        snapshot: bool,
        contact_lists: tuple[int, ...],
    ) -> None:
        super().__init__(stream, paths, contents, integrations)
        self._snapshot = snapshot
        self._contact_lists = contact_lists
        self._first_name = finder(paths["first_name"], person_name)
        self._last_name = finder(paths["last_name"], person_name)
        self._name = finder(paths["name"], person_name)
        # The config may read the same row in another way than it did when the row last came.
        self._salt = fingerprint({"read": (paths, contents, integrations, snapshot, contact_lists)}) or b""

    def read(self, record: Mapping[str, object]) -> Identify:
        """Return what a record says."""
        return self._whole(self.glimpse(record))

    def user_id(self, record: Mapping[str, object]) -> str | None:
        """Return the user id of a record as text."""
        return self._user_id(record)

    def fingerprint(self, record: Mapping[str, object]) -> str:
        """Return a hash that is equal for records that say the same, read alike; empty if it cannot be written."""
        mark = fingerprint(record, self._salt)
        return "" if mark is None else mark.hex()

    def is_deleted(self, record: Mapping[str, object]) -> bool:
        """Return whether a record says that it was deleted at its source."""
        return _deleted_at(record) is not None

    def glimpse(self, record: Mapping[str, object]) -> Glimpse:
        """Return what tells whether a record says anything new."""
        mark = fingerprint(record, self._salt)
        return Glimpse(
            self._stream,
            record,
            "" if mark is None else mark.hex(),
            self._user_id(record),
            self._anonymous_id(record),
            _deleted_at(record),
            self._whole,
        )

    def _whole(self, glimpse: Glimpse) -> Identify:
        """Return the whole call of a record."""
        record, user_id = glimpse.record, glimpse.user_id
        email = self._email(record)
        when = self._time(record)
        problem = None
        if not glimpse.fingerprint:
            problem = _UNWRITABLE
        elif user_id is None:
            problem = "no user id"
        elif email is None and said(record, self.paths["email"]):
            problem = "no usable e-mail address"
        elif when is None and said(record, self.paths["timestamp"]):
            problem = "no readable time"
        first_name = self._first_name(record)
        last_name = self._last_name(record)
        if first_name is None and last_name is None:
            name = self._name(record)
            if name is not None:
                first_name, _, rest = name.partition(" ")
                last_name = rest.strip() or None
        return Identify(
            self._stream,
            record,
            glimpse.fingerprint,
            user_id,
            glimpse.anonymous_id,
            email,
            first_name,
            last_name,
            self.contents.read(record, PERSONAL),
            when,
            self._snapshot,
            glimpse.deleted_at,
            self._integrations.block(record),
            self._contact_lists,
            problem,
            email_is_null=email is None and any(path[0] in record for path in self.paths["email"]),
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """The identify calls of one stream in a batch, not read yet: most of a second sync say nothing new.

    Attributes:
        reader: What reads them.
        records: The records, in the order in which they came.
        misfits: Why a record cannot be taken, by its place among them.
    """

    reader: IdentifyReader
    records: Sequence[Mapping[str, object]]
    misfits: Mapping[int, str] = field(default_factory=dict)


class TrackReader(_Reader):
    """Reads the track calls of a stream.

    Args:
        contents: Where the properties are.
        keys: The key properties that tell one record from another.

    Attributes:
        event: The event of records that name none.
        keys: The key properties that tell one record from another.
    """

    def __init__(
        self,
        stream: str,
        paths: Mapping[str, tuple[Path, ...]],
        contents: Contents,
        integrations: Integrations,
        *,
        event: str | None,
        keys: tuple[str, ...],
    ) -> None:
        super().__init__(stream, paths, contents, integrations)
        self.event = event
        self.keys = keys
        self._event = finder(paths["event"], identifier)
        self._message_id = finder(paths["message_id"], identifier)

    def read(self, record: Mapping[str, object]) -> Track:
        """Return what a record says."""
        user_id = self._user_id(record)
        anonymous_id = self._anonymous_id(record)
        email = self._email(record)
        event = self._event(record) or self.event or ""
        name = canonical(event)
        when = self._time(record)
        message_id = self._message_id(record) or self._key(record)
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
            self._stream,
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
            self._integrations.block(record),
            problem,
        )

    def read_all(self, records: Sequence[Mapping[str, object]], misfits: Mapping[int, str]) -> list[Track]:
        """Return what records say; `misfits` tells why some cannot be taken, by their place among them."""
        calls = [self.read(record) for record in records]
        for place, misfit in misfits.items():
            calls[place] = replace(calls[place], problem=calls[place].problem or misfit)
        return calls

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
