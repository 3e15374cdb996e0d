"""Intake: takes batches of calls into the store, each in one transaction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from target_promoter.intake.batch import Batch
from target_promoter.intake.identify import take_identifies
from target_promoter.intake.track import Tracking
from target_promoter.people import people
from target_promoter.records.calls import Glimpse, Identify, Track

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Sequence

    from target_promoter.config.settings import Settings
    from target_promoter.store.database import Store
    from target_promoter.store.summary import Part, Summary
    from target_promoter.store.transaction import Transaction

_ANALYZED_FROM: Final = 5000
"""After so many records of a run the store looks at its tables; after so many times as many again, and so on."""

_ANALYZED_FACTOR: Final = 8

Call = Glimpse | Identify | Track


class Intake:
    """Takes calls into the store and counts what became of them.

    Args:
        summary: Where every call read is counted once.
    """

    def __init__(
        self, store: Store, settings: Settings, summary: Summary, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._settings = settings
        self._summary = summary
        self._clock = clock
        self._unanalyzed = 0
        self._analyzed_from = _ANALYZED_FROM

    def take(self, calls: Sequence[Call | None]) -> bool:
        """Take a batch of calls; when this returns, all of them are in the store.

        Args:
            calls: What the records of the batch say, in the order in which they were read; None for one to ignore.

        Returns:
            Whether there are surveys to be sent among what it brought.

        Raises:
            StoreError: The store refused; nothing of the batch is in it then.
        """
        identifies = [call for call in calls if isinstance(call, (Glimpse, Identify))]
        tracks = [call for call in calls if isinstance(call, Track)]
        self._summary.ignore(len(calls) - len(identifies) - len(tracks))
        if not identifies and not tracks:
            return False
        now = self._clock()
        counted, surveys = self._store.write(lambda tx: self._take(tx, identifies, tracks, now))
        self._summary.count("identify", "read", len(identifies))
        self._summary.count("track", "read", len(tracks))
        self._unanalyzed += len(identifies) + len(tracks)
        if self._unanalyzed >= self._analyzed_from:
            self._store.analyze()
            self._unanalyzed, self._analyzed_from = 0, self._analyzed_from * _ANALYZED_FACTOR
        for part, outcomes in counted.items():
            for outcome, number in outcomes.items():
                self._summary.count(part, outcome, number)
        return surveys

    def _take(
        self, tx: Transaction, identifies: Sequence[Glimpse | Identify], tracks: Sequence[Track], now: float
    ) -> tuple[dict[Part, Counter[str]], bool]:
        batch = Batch(tx, self._settings, now)
        calls: Sequence[Call] = [*identifies, *tracks]
        batch.look_up_forgotten(key for call in calls for key in _keys(call))
        batch.people.look_up({call.user_id for call in identifies if call.user_id is not None})
        counted: dict[Part, Counter[str]] = {"identify": take_identifies(batch, identifies)}
        batch.people.save()
        if tracks:
            counted["track"] = Tracking(batch, tracks).take()
        batch.finish()
        counted["surveys"] = batch.surveys
        return counted, batch.queued or "queued" in counted.get("track", ())


def _keys(call: Call) -> Iterator[str]:
    """Yield the keys of everybody that a call names."""
    call = call.read() if isinstance(call, Glimpse) else call
    if call.user_id is not None:
        yield people.user_key(call.user_id)
    if call.anonymous_id is not None:
        yield people.anonymous_key(call.anonymous_id)
    if call.email is not None:
        yield people.email_key(call.email)
