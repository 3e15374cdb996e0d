"""How a run gets on: a live view on a terminal, elsewhere one line in the log every ten seconds."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from target_promoter.errors import StoreError
from target_promoter.store import clock, left
from target_promoter.values.times import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from target_promoter.config.settings import Settings
    from target_promoter.metrics import Metrics
    from target_promoter.store.database import Store
    from target_promoter.summary import Summary

logger = logging.getLogger("target-promoter.progress")

LOG_SECONDS: Final = 10.0
"""How long from one line in the log to the next."""

_LOOK_SECONDS: Final = 1.0
_WINDOW_SECONDS: Final = 60.0
_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands.

    Attributes:
        seconds: How long it runs.
        records: How many records were read.
        requests: How many requests were sent.
        requests_per_minute: How many a minute were sent of late.
        limit: How many a minute the account allows, as told.
        sent: How many surveys were sent.
        pending: How many surveys and contacts are to be delivered now.
        waiting: How many surveys wait for their person or their day.
        seconds_left: How long what is pending takes at the most, at the pace that the limit allows.
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
    seconds_left: float
    dry_run: bool = False

    def parts(self) -> Iterator[tuple[str, str]]:
        """Yield what there is to tell, each with its name."""
        yield "records in", f"{self.records:,}"
        yield "requests to send" if self.dry_run else "requests", f"{self.requests:,}"
        if not self.dry_run:
            share = self.requests_per_minute / self.limit
            yield "rate", f"{self.requests_per_minute:,.0f} a minute ({share:.0%} of the limit of {self.limit:,g})"
        yield "surveys to send" if self.dry_run else "surveys sent", f"{self.sent:,}"
        yield "pending", f"{self.pending:,}"
        yield "surveys waiting", f"{self.waiting:,}"
        if not self.dry_run:
            yield "time left", f"about {duration(self.seconds_left)}" if self.pending else "none"

    def line(self) -> str:
        """Return it in one line of the log."""
        return f"After {duration(self.seconds)}: {', '.join(f'{name} {text}' for name, text in self.parts())}."


class Progress:
    """Watches a run and tells how it gets on, on standard error alone.

    Args:
        store: The store.
        settings: The settings.
        summary: What the run did so far.
        metrics: The metric lines of the run, brought up to date beside the log's line.
        clock: The time now, in epoch seconds.
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
        """Watch nothing before `start`."""
        self._store = store
        self._limit = settings.requests_per_minute
        self._dry_run = settings.dry_run
        self._summary = summary
        self._metrics = metrics
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque([(summary.started_at, 0)])
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def standing(self) -> Standing:
        """Return how the run stands now.

        Raises:
            StoreError: The store refused.
        """
        now = self._clock()
        value = self._summary.value
        requests = value("api", "requests")
        self._samples.append((now, requests))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW_SECONDS:  # noqa: PLR2004 - two make a rate
            self._samples.popleft()
        since, before = self._samples[0]
        rate = (requests - before) / (now - since) * _MINUTE if now > since else 0.0
        pending, waiting, allowed = self._store.read(lambda connection: _left(connection, now, self._limit))
        return Standing(
            seconds=now - self._summary.started_at,
            records=value("identify", "read") + value("track", "read") + self._summary.ignored,
            requests=requests,
            requests_per_minute=rate,
            limit=self._limit,
            sent=value("surveys", "sent"),
            pending=pending,
            waiting=waiting,
            seconds_left=pending / allowed * _MINUTE,
            dry_run=self._dry_run,
        )

    def start(self) -> None:
        """Tell from now on, in a thread of its own."""
        work = self._show if sys.stderr.isatty() else self._log
        self._thread = threading.Thread(target=work, name="progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell no more; a live view goes away."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _log(self) -> None:
        while not self._ended.wait(LOG_SECONDS):
            if self._metrics is not None:
                self._metrics.update()
            try:
                logger.info("%s", self.standing().line())
            except StoreError:
                continue  # The run itself says what is wrong with the store.

    def _show(self) -> None:
        from target_promoter.live import LiveView  # noqa: PLC0415 - only a terminal needs what it loads

        with LiveView() as live:
            while not self._ended.wait(_LOOK_SECONDS):
                try:
                    live.show(self.standing())
                except StoreError:
                    continue


def _left(connection: Connection, now: float, limit: float) -> tuple[int, int, float]:
    """Return what is pending, what waits, and how many requests a minute leave at the most."""
    pending, waiting = left.count_surveys(connection, now)
    return pending + left.count_contacts(connection), waiting, clock.rate(connection, now, limit=limit)
