"""What one record says, in Segment's terms: an identify call or a track call; and how a replayed one is recognized.

One of these is made of every record, and making a frozen dataclass of fifteen fields takes as long as
parsing the record: hence structs of msgspec, which are as frozen, and made some fifteen times faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec

HOLDS_KEY: Final = "holds the text of the API key"
"""Why a record is rejected that would have the store, or Promoter's contacts, show the key; it is not kept."""

REPLAYED: Final = "_sdc_rejected"
"""The column by which a replayed record says which kept one it is; its description in a SCHEMA is the store's mark."""

UNMAPPED: Final = "_sdc_unmapped"
"""The column of a kept record that its stream map failed on: it is as the tap sent it."""

REFUSED: Final = "refused"
"""What that column says if Promoter refused the record; else it names one that was rejected."""

REFUSED_STREAM: Final = "refused_calls"
"""The stream of what Promoter refused: raw calls, made again from what the store holds."""


class Identify(msgspec.Struct, frozen=True, gc=False):
    """Who a person is: one identify call, or one row of a table of people.

    Attributes:
        stream: The name of the stream that brought the record.
        record: The record as it was read.
        fingerprint: A hash, in hexadecimal, that is equal for records that are equal but for their `_sdc_*` columns;
            empty if the record cannot be written.
        user_id: The user id as text.
        anonymous_id: The anonymous id as text.
        email: The e-mail address, trimmed and in lower case; None if there is none or it has no usable form.
        traits: The other traits, by their names as sent; a null is kept as None.
        time: When the call was made, in epoch seconds; None if no time column had a value.
        snapshot: Whether the record tells the person's whole present state (a plain table, the warehouse table
            `users`), so that a null takes a trait away. In a call a null says nothing.
        deleted_at: When the record was deleted at its source, in epoch seconds. Its key is all that such a record must
            have.
        blocked: Whether the call's `integrations` object keeps it from Promoter.io.
        contact_lists: The ids of the contact lists that this stream's people join.
        problem: Why the record must be rejected, without personal data; None if it need not be.
        key: What tells the record from others of its stream, as one text; None if its stream has no such key.
        bad_email: Whether there is something in the place of an e-mail address, and nothing usable.
        email_is_null: Whether there is a place for an e-mail address, and nothing in it.
        deletion_dated: Whether the record says itself when it was deleted.
    """

    stream: str
    record: Mapping[str, object]
    fingerprint: str
    user_id: str | None
    anonymous_id: str | None
    email: str | None
    first_name: str | None
    last_name: str | None
    traits: Mapping[str, object]
    time: float | None
    snapshot: bool
    deleted_at: float | None
    blocked: bool
    contact_lists: tuple[int, ...]
    problem: str | None
    key: str | None
    bad_email: bool
    email_is_null: bool
    deletion_dated: bool = False

    def __repr__(self) -> str:
        """Show nothing personal."""
        return f"<identify call of the stream {self.stream}>"


class Track(msgspec.Struct, frozen=True, gc=False):
    """What a person did: one track call, or one row of a table of events.

    Attributes:
        stream: The name of the stream that brought the record.
        record: The record as it was read.
        fingerprint: A hash that is equal for equal records that are read alike; None if the record cannot be written.
        user_id: The user id as text.
        anonymous_id: The anonymous id as text.
        email: The e-mail address of the call's own context, trimmed and in lower case; None if it has no usable one.
        event: The event's name as sent.
        canonical: The event's name in the form to compare with.
        message_id: What makes this event of this name the same one when it comes again.
        key: What tells the record from others of its stream, as one text; None if its stream has no such key.
        named: The id by which the call names its person, with its kind: `u:` user id, `a:` anonymous id, `e:` e-mail.
        time: When it happened, in epoch seconds; None only beside a problem or a deletion.
        happened_at: The same by the sender's own clock if that was more than a day before: how old the event is.
        ends_at: The end of the day that `time` means if it is a date alone, else the same as `time`.
        properties: The event's properties, by their names as sent.
        deleted_at: When the record was deleted at its source, in epoch seconds. Its key is all that such a record must
            have.
        blocked: Whether the call's `integrations` object keeps it from Promoter.io.
        problem: Why the record must be rejected, without personal data; None if it need not be.
    """

    stream: str
    record: Mapping[str, object]
    fingerprint: bytes | None
    user_id: str | None
    anonymous_id: str | None
    email: str | None
    event: str
    canonical: str
    message_id: str
    key: str | None
    named: str
    time: float | None
    happened_at: float | None
    ends_at: float | None
    properties: Mapping[str, object]
    deleted_at: float | None
    blocked: bool
    problem: str | None

    def __repr__(self) -> str:
        """Show nothing personal."""
        return f"<track call of the stream {self.stream}>"


class Replay(Enum):
    """In which form the records of a stream are that come back through `rejected`: only their store can mark it so."""

    MAPPED = "mapped"
    """As stream maps left them: none is applied again."""

    UNMAPPED = "unmapped"
    """As the tap sent them, to go through the map that failed on them."""

    REFUSED = "refused"
    """Raw calls, made of what the store holds, whatever `streams` says."""

    def text(self, stream: str) -> str:
        """Return what the store marks for a stream."""
        return f"replay of {stream}, {self.value}"


def is_refused(record: Mapping[str, object]) -> bool:
    """Return whether a record is a call that Promoter refused, replayed."""
    return record.get(REPLAYED) == REFUSED
