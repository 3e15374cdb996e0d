"""Metric lines: what delivery did since the last line, in the SDK's form."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, cast

from singer_sdk import metrics

from target_promoter.progress.progress import Metrics
from target_promoter.store.summary import Summary

if TYPE_CHECKING:
    import pytest


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
