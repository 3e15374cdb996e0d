"""The progress of a run: a live view on a terminal, elsewhere one line in the log every ten seconds."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, cast

from singer_sdk import metrics

from target_promoter.config.settings import Settings
from target_promoter.contacts.contacts import count_pending
from target_promoter.delivery import limit
from target_promoter.errors import StoreError
from target_promoter.progress.ending import terminal_handlers
from target_promoter.store.database import Store
from target_promoter.store.summary import DELIVERED, Summary
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.schedule import count_open
from target_promoter.values.times import duration


class Measure(StrEnum):
    """What the SDK has no name for."""

    RETRIES = "http_retry_count"
    RATE_LIMITED = "rate_limit_count"
    WAITED = "rate_limit_wait_seconds"


class Metrics:
    """Counts what a run's delivery did since the last metric line, and logs it about once a minute.

    Args:
        waited: Returns how long requests waited for the account's limit so far, in seconds.
    """

    def __init__(self, summary: Summary, waited: Callable[[], float]) -> None:
        sources: dict[metrics.Metric | Measure, Callable[[], float]] = {
            metrics.Metric.HTTP_REQUEST_COUNT: lambda: summary.requested("requests"),
            Measure.RETRIES: lambda: summary.requested("retries"),
            Measure.RATE_LIMITED: lambda: summary.requested("rate_limited"),
            Measure.WAITED: lambda: round(waited(), 3),
        }
        # The SDK types a metric's name as one of its own, and takes any enumeration of texts.
        self._counters = [(metrics.Counter(cast("metrics.Metric", name)), read) for name, read in sources.items()]
        self._seen: list[float] = [0] * len(self._counters)

    def update(self) -> None:
        """Record what was done since the last time; a counter that was silent for a minute is logged."""
        for place, (counter, read) in enumerate(self._counters):
            total = read()
            counter.increment(cast("int", total - self._seen[place]))
            self._seen[place] = total

    def end(self) -> None:
        """Log what was not logged yet."""
        self.update()
        for counter, _ in self._counters:
            counter.exit()


logger = logging.getLogger("target-promoter.progress")

LOG_SECONDS: Final = 10.0
"""How long from one line in the log to the next."""

_LOOK_SECONDS: Final = 1.0
_WINDOW_SECONDS: Final = 60.0
_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The state of a run.

    Attributes:
        seconds: How long it has been running.
        records: How many records were read.
        requests: How many requests were sent.
        requests_per_minute: How many a minute were sent of late.
        limit: How many a minute the account allows, as told.
        sent: How many surveys were sent.
        pending: How many surveys and contacts are to be delivered now.
        waiting: How many surveys wait for their person or their day.
        seconds_left: How long what is pending takes at the most, at the pace that the limit allows; None while no
            request succeeds.
        dry_run: Whether the requests are withheld, so that they keep no pace.
    """

    seconds: float
    records: int
    requests: int
    requests_per_minute: float
    limit: float
    sent: int
    pending: int
    waiting: int
    seconds_left: float | None
    dry_run: bool = False

    def parts(self) -> Iterator[tuple[str, str]]:
        """Yield the figures that are known, each with its name."""
        yield "records in", f"{self.records:,}"
        yield "requests to send" if self.dry_run else "requests", f"{self.requests:,}"
        if not self.dry_run:
            share = self.requests_per_minute / self.limit
            yield "rate", f"{self.requests_per_minute:,.0f} a minute ({share:.0%} of the limit of {self.limit:,g})"
        yield "surveys to send" if self.dry_run else "surveys sent", f"{self.sent:,}"
        yield "pending", f"{self.pending:,}"
        yield "surveys waiting", f"{self.waiting:,}"
        if not self.dry_run and self.seconds_left is not None:
            yield "time left", f"about {duration(self.seconds_left)}" if self.pending else "none"

    def line(self) -> str:
        """Return it in one line of the log."""
        return f"After {duration(self.seconds)}: {', '.join(f'{name} {text}' for name, text in self.parts())}."


class Progress:
    """Watches a run and reports its progress, on standard error alone.

    Args:
        metrics: The metric lines of the run, brought up to date beside the log's line.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        summary: Summary,
        metrics: Metrics | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._settings = settings
        self._summary = summary
        self._metrics = metrics
        self._clock = clock
        self._samples: deque[tuple[float, int, int]] = deque([(summary.started_at, 0, 0)])
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def status(self) -> RunStatus:
        """Return the state of the run.

        Raises:
            StoreError: The store refused.
        """
        now, told = self._clock(), self._settings.requests_per_minute
        value = self._summary.value
        requests = value("api", "requests")
        succeeded = sum(value(part, one) for part, outcomes in DELIVERED.items() for one in outcomes)
        self._samples.append((now, requests, succeeded))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW_SECONDS:  # noqa: PLR2004 - two make a rate
            self._samples.popleft()
        since, before, succeeded_before = self._samples[0]
        rate = (requests - before) / (now - since) * _MINUTE if now > since else 0.0

        def left(tx: Transaction) -> tuple[int, int, float]:
            pending, waiting = count_open(tx, self._settings, now)
            return pending + count_pending(tx), waiting, limit.rate(tx, now, limit=told)

        pending, waiting, allowed = self._store.read(left)
        return RunStatus(
            seconds=now - self._summary.started_at,
            records=value("identify", "read") + value("track", "read") + self._summary.ignored,
            requests=requests,
            requests_per_minute=rate,
            limit=told,
            sent=value("surveys", "sent"),
            pending=pending,
            waiting=waiting,
            seconds_left=pending / allowed * _MINUTE if succeeded > succeeded_before or not pending else None,
            dry_run=self._settings.dry_run,
        )

    def start(self) -> None:
        """Start reporting, in a thread of its own."""
        work = self._show if sys.stderr.isatty() else self._log
        self._thread = threading.Thread(target=work, name="progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop reporting; a live view goes away."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _log(self) -> None:
        told = None
        while not self._ended.wait(LOG_SECONDS):
            if self._metrics is not None:
                self._metrics.update()
            try:
                status = self.status()
            except StoreError:
                continue  # The run itself says what is wrong with the store.
            done = status.records, status.requests
            # A worker that has nothing to do says nothing.
            if status.pending or done != told:
                logger.info("%s", status.line())
            told = done

    def _show(self) -> None:
        from target_promoter.progress.terminal import live_view  # noqa: PLC0415 - only a terminal needs rich

        with live_view(terminal_handlers()) as show:
            while not self._ended.wait(_LOOK_SECONDS):
                with contextlib.suppress(StoreError):
                    show(self.status().parts())
