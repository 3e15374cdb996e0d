"""Which events are known for ever, and by what."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from itertools import islice, permutations
from typing import Final, NamedTuple

from target_promoter.store import runs
from target_promoter.store.encoding import encode
from target_promoter.store.schema import messages
from target_promoter.store.transaction import Transaction

_MOST_ORDERS: Final = 120
"""Keys of more than five columns are rare."""


class Marks(NamedTuple):
    """What an event is known by."""

    message: bytes
    """A hash of the event and its message id."""
    occurrence: bytes | None
    """A hash of campaign, person as the call names it, and second; None if the call has no such thing."""
    row_key: bytes | None
    """A hash of its stream and the key of its row; None if its stream has no keys."""


class KnownEvents:
    """Tells which events came before."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._salt = bytes.fromhex(runs.fact(tx, "salt") or "")
        self._any_unsalted = runs.fact(tx, "unsalted_messages") is not None
        self._unsalted: dict[bytes, bytes] = {}

    def message(self, canonical_event: str, message_id: str) -> bytes:
        """Return the hash of an event and its message id."""
        text = encode([canonical_event, message_id])
        mark = _hash(self._salt, text)
        if self._any_unsalted:
            self._unsalted[mark] = _hash(b"", text)
        return mark

    def older_ids(self, key: str | None) -> set[str]:
        """Return the message ids that version 2 may have made of a key: it took its columns as the tap listed them."""
        if not self._any_unsalted or key is None or not key.startswith('["'):
            return set()
        try:
            values = json.loads(key)
        except ValueError:  # One column's own text.
            return set()
        return {json.dumps(one) for one in islice(permutations(values), _MOST_ORDERS)}

    def occurrence(self, campaign_id: int, named: str, time: float | None) -> bytes | None:
        """Return the hash of who did, in which second, what a campaign surveys for."""
        if not named or time is None:
            return None
        return _hash(self._salt, encode([campaign_id, named, int(time)]))

    def row_key(self, stream: str, key: str | None) -> bytes | None:
        """Return the hash of a stream and the key of one of its rows."""
        return None if key is None else _hash(self._salt, encode([stream, key]))

    def among(self, marks: Iterable[bytes | None]) -> set[bytes]:
        """Return those of the hashes that are known."""
        wanted = {mark for mark in marks if mark is not None}
        older = {self._unsalted[mark]: mark for mark in wanted if mark in self._unsalted}
        rows = self._tx.rows_among("message", "messages", "message", wanted | older.keys())
        found = (bytes(message) for (message,) in rows)
        return {older.get(mark, mark) for mark in found}

    def remember(self, marks: Iterable[bytes | None]) -> None:
        """Remember events for ever."""
        self._tx.upsert(messages, [{"message": mark} for mark in sorted({mark for mark in marks if mark is not None})])

    def forget(self, marks: Iterable[bytes | None]) -> None:
        """Forget events that turned out never to have happened."""
        for mark in self.among(marks):
            self._tx.execute(messages.delete().where(messages.c.message == mark))

    def forget_unsalted(self, events: Iterable[tuple[str, str]]) -> None:
        """Know events, by name and message id, by salted hashes alone: one without salt can be guessed."""
        if self._any_unsalted:
            self.forget(_hash(b"", encode(one)) for one in events)


def _hash(salt: bytes, text: str) -> bytes:
    hasher = _hasher(salt).copy()
    hasher.update(text.encode())
    return hasher.digest()


@lru_cache
def _hasher(salt: bytes) -> blake2b:
    """Return the hash of nothing; copying it takes half the time of making it."""
    return blake2b(key=salt, digest_size=16)
