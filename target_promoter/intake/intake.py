"""Intake: takes batches of calls into the store, each in one transaction."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from target_promoter.config.settings import Settings
from target_promoter.intake.batch import Batch
from target_promoter.intake.identify import take_identifies
from target_promoter.intake.track import Tracking
from target_promoter.records.calls import Track
from target_promoter.records.readers import Rows
from target_promoter.store.database import Store
from target_promoter.store.outcomes import IdentifyOutcome, TrackOutcome
from target_promoter.store.summary import Findings, Part, Summary
from target_promoter.store.transaction import Transaction

_ANALYZED_FROM: Final = 5000
"""After so many records of a run the store looks at its tables; after so many times as many again, and so on."""

_ANALYZED_FACTOR: Final = 8


class Intake:
    """Takes calls into the store and counts what became of them.

    Args:
        store: The store.
        settings: The settings.
        summary: Where every record read is counted once.
        clock: The time now, in epoch seconds.
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

    def take(self, rows: Rows | None = None, tracks: Sequence[Track] = (), *, ignored: int = 0) -> bool:
        """Take a batch, people first, then what they did; when this returns, all of it is in the store.

        Args:
            rows: Its identify calls.
            tracks: Its track calls, in the order in which they were read.
            ignored: How many of its records say nothing to Promoter.

        Returns:
            Whether there are surveys to be sent among what it brought.

        Raises:
            StoreError: The store refused; nothing of the batch is in it then.
        """
        self._summary.ignore(ignored)
        if not tracks and (rows is None or not rows.records):
            return False
        now = self._clock()
        counted, queued, findings = self._store.write(lambda tx: self._take(tx, rows, tracks, now))
        findings.read.update(call.stream for call in tracks)
        if rows is not None:
            findings.read[rows.reader.stream] += len(rows.records)
        findings.read[next(iter(findings.read))] += ignored  # A batch is of one stream.
        self._summary.add_findings(findings)
        for part, outcomes in counted.items():
            self._summary.ignore(outcomes.pop(IdentifyOutcome.IGNORED, 0))
            if part != "surveys":
                self._summary.count(part, "read", outcomes.total())
                self._unanalyzed += outcomes.total()
            for outcome, number in outcomes.items():
                self._summary.count(part, outcome, number)
        if self._unanalyzed >= self._analyzed_from:
            self._store.analyze()
            self._unanalyzed, self._analyzed_from = 0, self._analyzed_from * _ANALYZED_FACTOR
        return queued

    def _take(
        self, tx: Transaction, rows: Rows | None, tracks: Sequence[Track], now: float
    ) -> tuple[dict[Part, Counter[str]], bool, Findings]:
        batch = Batch(tx, self._settings, now)
        counted: dict[Part, Counter[str]] = {}
        if rows is not None:
            counted["identify"] = Counter[str](take_identifies(batch, rows))
            batch.save_people()
        if tracks:
            counted["track"] = Counter[str](Tracking(batch, tracks).take())
        batch.finish()
        counted["surveys"] = batch.surveys
        return counted, batch.queued or TrackOutcome.QUEUED in counted.get("track", ()), batch.findings
