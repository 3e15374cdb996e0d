"""Records that could not be taken, kept whole until they are replayed or thirty days have passed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, select

from target_promoter.store.encoding import decode, encode
from target_promoter.store.schema import rejected
from target_promoter.store.transaction import Transaction

ROWS: Final = 1000
"""How many rows of a long table are in memory at once."""

_COLUMNS: Final = ("fingerprint", "stream", "kind", "reason", "record", "rejected_at")
_KEEP_AGAIN: Final = (
    "ON CONFLICT (fingerprint) DO UPDATE SET reason = excluded.reason, rejected_at = excluded.rejected_at"
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that could not be taken.

    Attributes:
        fingerprint: A hash of stream and record, by which a second one is known.
        stream: The stream that brought it.
        kind: `identify` or `track`.
        reason: Why, without personal data.
        record: The record as it was read; None if it cannot be written.
        id: Its number in the store; 0 for one that is not there yet.
        rejected_at: When it was rejected last, in epoch seconds.
    """

    fingerprint: bytes
    stream: str
    kind: str
    reason: str
    record: Mapping[str, Any] | None
    id: int = 0
    rejected_at: float = 0.0

    @classmethod
    def of_row(cls, row: Row[Any]) -> Rejected:
        """Return the record of a row with all columns."""
        record = decode(row.record)
        return cls(bytes(row.fingerprint), row.stream, row.kind, row.reason, record, row.id, row.rejected_at)


def add(tx: Transaction, records: Iterable[Rejected], now: float) -> None:
    """Add rejected records, each once."""
    kept = {one.fingerprint: one for one in records}.values()
    rows = [(one.fingerprint, one.stream, one.kind, one.reason, encode(one.record), now) for one in kept]
    tx.insert_rows(rejected, _COLUMNS, rows, _KEEP_AGAIN)


def any_kept(tx: Transaction) -> bool:
    """Return whether any record is kept."""
    return tx.any(select(rejected.c.id))


def remove(tx: Transaction, fingerprints: Iterable[bytes]) -> None:
    """Remove records that were accepted after all."""
    for fingerprint in fingerprints:
        tx.execute(rejected.delete().where(rejected.c.fingerprint == fingerprint))


def forget(tx: Transaction, ids: Iterable[int]) -> int:
    """Remove the records of somebody who is forgotten, by their number, and return how many they were."""
    return sum(tx.execute(rejected.delete().where(rejected.c.id == one)).rowcount for one in ids)


def load(tx: Transaction, *, stream: str | None = None, reason: str | None = None) -> Iterator[Rejected]:
    """Yield the records that are kept, stream by stream, oldest first; there may be more than memory holds.

    Args:
        stream: Only of this stream.
    """
    query = select(rejected).order_by(rejected.c.stream, rejected.c.id).execution_options(yield_per=ROWS)
    if stream is not None:
        query = query.where(rejected.c.stream == stream)
    if reason is not None:
        query = query.where(rejected.c.reason.icontains(reason, autoescape=True))
    for row in tx.execute(query):
        yield Rejected.of_row(row)
