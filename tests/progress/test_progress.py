"""How a run shows its progress: what it says, where, and that standard output stays the tap's."""

from __future__ import annotations

import io
import logging
import threading
import time
from typing import TYPE_CHECKING, cast

import pytest
from rich.console import Console
from singer_sdk import metrics

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts
from target_promoter.progress import progress
from target_promoter.progress.progress import Metrics, Progress, RunStatus
from target_promoter.progress.terminal import status_table
from target_promoter.store.database import Store, open_store
from target_promoter.store.summary import Summary
from target_promoter.values.times import duration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = Settings.from_config({"api_key": "a-key-of-the-tests", "requests_per_minute": 600})


class _Signalling(logging.Handler):
    """Tells when something was logged."""

    def __init__(self) -> None:
        """Begin with nothing logged."""
        super().__init__()
        self.logged = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - all that is asked is whether
        """Take a record in."""
        self.logged.set()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Yield an empty store."""
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}", now=0.0)
    yield opened
    opened.close()


def test_the_rate_is_of_the_last_minute(store: Store) -> None:
    """The rate and its share of the limit are those of the last minute, not of the whole run."""
    now = [1000.0]
    summary = Summary(sandbox=False, dry_run=False, started_at=1000.0)
    watching = Progress(store, SETTINGS, summary, clock=lambda: now[0])
    now[0] = 1100.0
    watching.status()
    summary.count("api", "requests", 300)
    summary.count("track", "read", 7)
    summary.ignore(2)
    now[0] = 1160.0
    status = watching.status()
    assert status.requests_per_minute == 300
    assert status.records == 9
    assert "rate 300 a minute (50% of the limit of 600)" in status.line()


def test_what_is_pending_tells_the_time_left(store: Store) -> None:
    """Pending contacts give the time left at the pace that the limit allows; without any there is none."""
    summary = Summary(sandbox=False, dry_run=False, started_at=0.0)
    watching = Progress(store, SETTINGS, summary, clock=lambda: 10.0)
    assert watching.status().line().endswith("time left none.")
    owners = {f"p{n}@example.com": None for n in range(591)}
    store.write(lambda connection: contacts.mark_dirty(connection, owners, 5.0))
    assert watching.status().line().endswith("pending 591, surveys waiting 0.")  # Nothing succeeded yet.
    summary.count("contacts", "synced")
    status = watching.status()
    assert status.pending == 591
    assert status.seconds_left == pytest.approx(60)
    assert status.line().endswith("pending 591, surveys waiting 0, time left about 1 min.")


def test_a_dry_run_has_no_pace(store: Store) -> None:
    """A dry run tells what it would send, and neither a rate nor a time left, for it keeps none."""
    settings = Settings.from_config({"api_url": "sandbox", "dry_run": True})
    summary = Summary(sandbox=True, dry_run=True, started_at=0.0)
    summary.count("api", "requests", 5000)
    line = Progress(store, settings, summary, clock=lambda: 10.0).status().line()
    assert "requests to send 5,000, surveys to send 0" in line
    assert "limit" not in line
    assert "time left" not in line


def test_elsewhere_the_log_gets_a_line(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where standard error is no terminal a line comes every so many seconds, at INFO."""
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.01)
    handler = _Signalling()
    progress.logger.addHandler(handler)
    watching = Progress(store, SETTINGS, Summary(sandbox=False, dry_run=False, started_at=0.0), clock=lambda: 75.0)
    with caplog.at_level(logging.INFO, logger=progress.logger.name):
        watching.start()
        assert handler.logged.wait(10)
        watching.stop()
    progress.logger.removeHandler(handler)
    assert caplog.messages[0].startswith("After 1 min: records in 0, requests 0, rate 0 a minute")


def test_the_view_fits_a_terminal_of_80_columns() -> None:
    """The live view shows every figure, none wider than 80 columns."""
    status = RunStatus(3725.0, 1_234_567, 98_765, 599.0, 600.0, 4_321, 1_000_000, 12_345, 101_000.0)
    screen = io.StringIO()
    Console(file=screen, width=80).print(status_table(status.parts()))
    lines = screen.getvalue().splitlines()
    assert len(lines) == 7
    assert "1,234,567" in lines[0]
    assert "about 28 h 3 min" in lines[-1] or "about 1.2 days" in lines[-1]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.0, "59 s"), (61.0, "1 min"), (7500.0, "2 h 5 min"), (200_000.0, "2.3 days")],
)
def test_lengths_of_time_in_words(seconds: float, words: str) -> None:
    """A length of time is told in the unit that suits it."""
    assert duration(seconds) == words


def test_every_count_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The values of all lines of a metric add up to what was done, waits with their fractions."""
    caplog.set_level(logging.INFO, logger=metrics.METRICS_LOGGER_NAME)
    summary = Summary(sandbox=False, dry_run=False, started_at=time.time())
    waited = [0.25]
    lines = Metrics(summary, lambda: waited[0])
    summary.count("api", "requests", 3)
    lines.update()
    summary.count("api", "requests", 2)
    summary.count("api", "retries")
    summary.count("api", "rate_limited")
    waited[0] = 1.5
    lines.end()
    points = [cast("metrics.Point[float]", cast("tuple[object]", one.args)[0]) for one in caplog.records]
    assert {point.metric.value: point.value for point in points} == {
        "http_request_count": 5,
        "http_retry_count": 1,
        "rate_limit_count": 1,
        "rate_limit_wait_seconds": 1.5,
    }
    assert {point.metric_type for point in points} == {"counter"}
    assert [str(point.value) for point in points[:2]] == ["5", "1"]


def test_a_dry_run_counts_no_requests(caplog: pytest.LogCaptureFixture) -> None:
    """Its metric lines say what its summary says: nothing was sent."""
    caplog.set_level(logging.INFO, logger=metrics.METRICS_LOGGER_NAME)
    summary = Summary(sandbox=False, dry_run=True, started_at=time.time())
    lines = Metrics(summary, lambda: 0.0)
    summary.count("api", "requests", 3)
    lines.end()
    points = [cast("metrics.Point[float]", cast("tuple[object]", one.args)[0]) for one in caplog.records]
    assert {point.metric.value: point.value for point in points}["http_request_count"] == 0


def test_a_count_is_logged_when_it_was_silent_for_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long run tells how it gets on, and counts nothing twice."""
    caplog.set_level(logging.INFO, logger=metrics.METRICS_LOGGER_NAME)
    now = time.time()
    monkeypatch.setattr(metrics, "time", lambda: now)
    summary = Summary(sandbox=False, dry_run=False, started_at=now)
    lines = Metrics(summary, lambda: 0.0)
    for seconds in (30, 31, 30):
        now += seconds
        summary.count("api", "requests", 2)
        lines.update()
    lines.end()
    requests = [one.getMessage() for one in caplog.records if "http_request_count" in one.getMessage()]
    assert [('"value":4' in one, '"value":2' in one) for one in requests] == [(True, False), (False, True)]
