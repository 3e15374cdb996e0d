"""How a run stands, while it goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts
from target_promoter.delivery import limit as clock
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.schedule import count_open
from target_promoter.values.times import duration


@dataclass(frozen=True, slots=True)
class RunStatus:
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
        """Yield what there is to tell, each with its name."""
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


def work_left(tx: Transaction, settings: Settings, now: float) -> tuple[int, int, float]:
    """Return what is pending, what waits, and how many requests a minute leave at the most."""
    pending, waiting = count_open(tx, settings, now)
    return pending + contacts.count_pending(tx), waiting, clock.rate(tx, now, limit=settings.requests_per_minute)
