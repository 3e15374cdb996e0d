"""What delivery costs, as the metric lines of the Meltano SDK: requests, retries, refusals by the limit, waits."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, cast

from singer_sdk import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_promoter.store.summary import Summary


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
            metrics.Metric.HTTP_REQUEST_COUNT: lambda: summary.value("api", "requests"),
            Measure.RETRIES: lambda: summary.value("api", "retries"),
            Measure.RATE_LIMITED: lambda: summary.value("api", "rate_limited"),
            Measure.WAITED: lambda: round(waited(), 3),
        }
        # The SDK types a metric's name as one of its own, and takes any enumeration of texts.
        self._counters = [(metrics.Counter(cast("metrics.Metric", name)), read) for name, read in sources.items()]
        self._seen: list[float] = [0] * len(self._counters)

    def update(self) -> None:
        """Take in what was done since the last time; a counter that was silent for a minute is logged."""
        for place, (counter, read) in enumerate(self._counters):
            total = read()
            counter.increment(cast("int", total - self._seen[place]))
            self._seen[place] = total

    def end(self) -> None:
        """Log what was not logged yet."""
        self.update()
        for counter, _ in self._counters:
            counter.exit()
