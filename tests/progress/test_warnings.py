"""What a run says at WARNING before it ends, and that it says nothing when all is well."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from target_promoter.config.settings import Settings
from target_promoter.progress.warnings import warnings
from target_promoter.sandbox.faults import Faults
from target_promoter.sandbox.server import SandboxServer
from target_promoter.store.database import open_store
from target_promoter.store.schema import events
from target_promoter.store.summary import OTHER, Findings, Summary, Tally
from tests.program import CALLS, identify, order
from tests.tap import CUSTOMERS, STREAMS, hours_ago, record, schema, sync


def track(event: str, *, hours: float = 2, user_id: str | None = "1", message_id: str = "t") -> dict[str, Any]:
    """Return the RECORD message of a track call."""
    message = f"{message_id}-{event}-{hours}-{user_id}"
    return record("calls", type="track", messageId=message, userId=user_id, event=event, timestamp=hours_ago(hours))


def test_nothing_is_said_when_all_is_well(config: dict[str, Any]) -> None:
    """A run that surveys whom it should warns of nothing, nor does a second with the same input, or none."""
    messages = [CALLS, identify("1", "a@example.com"), order("t-1", "1"), track("Page Viewed")]
    assert sync(config, messages).log == ""
    assert sync(config, messages).log == ""
    assert sync(config, []).log == ""


def test_an_event_near_a_campaigns_is_told_with_the_one_that_was_meant(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A mistyped event is a warning; all others are one line at INFO, the most frequent first."""
    caplog.set_level(logging.INFO, logger="target-promoter")
    others = [track("Page Viewed", message_id=str(n)) for n in range(3)]
    near = [track("Order Complted", message_id=str(n)) for n in range(2)]
    run = sync(config, [CALLS, identify("1", "a@example.com"), track("Signed Up"), *others, *near])
    assert run.status == 0
    (line,) = run.log.splitlines()
    assert line.startswith('2 events "Order Complted" led to no survey')
    assert 'probably "Order Completed" was meant' in line
    assert 'Events that no campaign names: "Page Viewed" (3) and "Signed Up" (1).' in caplog.messages


def test_names_from_outside_cannot_break_a_line_nor_show_an_address(config: dict[str, Any]) -> None:
    """The name of an event may hold anything."""
    run = sync(config, [CALLS, identify("1", "a@example.com"), track("Order\nCompletted jane@example.com")])
    assert len(run.log.splitlines()) == 1
    assert "jane" not in run.log


def test_each_reason_of_rejected_records_is_told_with_its_fix(config: dict[str, Any]) -> None:
    """How many, of which stream, why, and what to do."""
    messages = [CALLS, identify("1", "a@example.com"), order("t-1", "1")]
    messages += [{**order("t-2", "1"), "record": {**order("t-2", "1")["record"], "timestamp": "yesterday"}}]
    messages += [order(f"t-{n}", None) for n in (3, 4)]
    run = sync(config, messages)
    assert run.status == 0
    first, second = run.log.splitlines()
    assert first.startswith('2 records of the stream "calls" were rejected: ')
    assert "`streams`" in first
    assert second.startswith('1 record of the stream "calls" was rejected: ')


@pytest.mark.parametrize(("number", "status"), [(9, 0), (10, 1)])
def test_a_stream_of_which_nothing_can_be_read_fails_the_run(config: dict[str, Any], number: int, status: int) -> None:
    """Ten records are enough to say so; fewer may be an accident."""
    config["streams"] = STREAMS
    rows = [record("customers", id=str(n), email="no address") for n in range(number)]
    good = [CALLS, identify("1", "a@example.com"), order("t-1", "1")]
    run = sync(config, [schema("customers", CUSTOMERS), *rows, *good])
    assert run.status == status
    assert ('All 10 records of the stream "customers" were rejected' in run.log) == bool(status)


def test_one_readable_record_keeps_a_stream_from_failing_the_run(config: dict[str, Any]) -> None:
    """What is wrong with some records stops nothing."""
    config["streams"] = {"customers": STREAMS["customers"]}
    rows = [record("customers", id=str(n), email="no address") for n in range(20)]
    good = [CALLS, order("t-1", "1"), record("customers", id="1", email="a@example.com")]
    assert sync(config, [schema("customers", CUSTOMERS), *rows, *good]).status == 0


def test_events_that_were_too_old_are_told_with_the_rule(config: dict[str, Any]) -> None:
    """One was too old by `max_event_age_hours`, one for a store that knows nothing of what was sent before it."""
    run = sync(config, [CALLS, identify("1", "a@example.com"), order("t-1", "1", 30), order("t-2", "1", 1000)])
    (line,) = run.log.splitlines()
    assert line.startswith('2 events "Order Completed" were too old for a survey (from ')
    assert "): it was due before the store was created" in line
    assert "it was due more than 72 hours ago (max_event_age_hours). History is not surveyed" in line


def test_track_calls_without_any_campaign_are_told(config: dict[str, Any]) -> None:
    """Whoever forgets `campaigns` surveys nobody."""
    run = sync({**config, "campaigns": {}}, [CALLS, identify("1", "a@example.com"), order("t-1", "1")])
    assert run.status == 0
    assert run.log.startswith("The setting `campaigns` is empty, so 1 track call led to no survey")


def test_settings_that_match_nothing_are_told(config: dict[str, Any]) -> None:
    """A stream or an event of another name than the input's; what an earlier run matched is no fault."""
    config["streams"] = STREAMS
    config["campaigns"] = {"Order Completed": 78, "Ticket Closed": 91}
    messages = [schema("customers", CUSTOMERS), record("customers", id="1", email="a@example.com")]
    first = sync(config, messages).log.splitlines()
    assert [line for line in first if '"orders"' in line]
    assert [line for line in first if '"Order Completed"' in line]
    sync(config, [CALLS, order("t-1", "1")])
    second = sync(config, messages).log.splitlines()
    assert not [line for line in second if 'has "Order Completed"' in line or 'has "customers"' in line]
    assert [line for line in second if '"Ticket Closed"' in line]


def test_a_mistyped_campaign_is_told_with_the_event_that_was_meant(config: dict[str, Any]) -> None:
    """Also where that event is stored, and so leads to something."""
    config["campaigns"] = {"Order Complted": 78}
    (line,) = sync(config, [CALLS, identify("1", "a@example.com"), order("t-1", "1")]).log.splitlines()
    assert line.startswith('The setting `campaigns` has "Order Complted", and no such event was ever read: ')
    assert line.endswith('did you mean "Order Completed"?')


def test_a_rule_that_cancels_nothing_is_told(config: dict[str, Any]) -> None:
    """Whoever mistypes the event that cancels, or the property that both must have, surveys whom it should spare."""
    rule = {"event": "Order Refunded", "match": "order_id"}
    config["campaigns"] = {"Order Completed": {"id": 78, "delay_hours": 24, "cancel_on": [rule]}}
    messages = [CALLS, identify("1", "a@example.com"), order("t-1", "1", order_id=7)]
    mistyped, lacking = sync(config, [*messages, track("Order Refundd"), track("Order Refunded")]).log.splitlines()
    assert mistyped.startswith('1 event "Order Refundd" cancelled no survey, because no `cancel_on` names it; ')
    assert 'probably "Order Refunded" was meant' in mistyped
    assert lacking.startswith('1 event "Order Refunded" has no "order_id", by which `cancel_on` tells which survey ')
    rule["match"] = "Order"
    first, *others = sync(config, messages).log.splitlines()
    assert first.startswith("`Order Refunded` now cancels surveys of `Order Completed` with the same `Order`, but ")
    assert [line.partition(", by")[0] for line in others] == ['1 event "Order Completed" has no "Order"']


def test_settings_that_changed_are_logged_at_the_next_runs_start(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Each at INFO, addresses masked; an event that is stored from now on is told if it was read before."""
    caplog.set_level(logging.INFO, logger="target-promoter")
    messages = [CALLS, identify("1", "a@example.com"), order("t-1", "1"), track("Page Viewed")]
    sync(config, messages)
    assert "A setting changed" not in caplog.text
    config |= {"survey_recipients": ["jane@example.com"], "stored_events": ["Order Completed", "Page Viewed", "Paid"]}
    (line,) = sync(config, []).log.splitlines()
    assert line.startswith("`stored_events` names page_viewed now: what was read before is not kept. Refresh the ")
    told = [one for one in caplog.messages if one.startswith("A setting changed since the run before: ")]
    assert [one.split(": ")[1] for one in told] == ["stored_events", "survey_recipients"]
    assert "jane" not in caplog.text


def test_what_was_rejected_or_not_read_is_no_missing_event(config: dict[str, Any]) -> None:
    """A record that cannot be read may be of just that event, and so may one after a stop."""
    bad = {**order("t-2", "1"), "record": {**order("t-2", "1")["record"], "timestamp": "yesterday"}}
    assert "no such event was ever read" not in sync(config, [CALLS, identify("1", "a@example.com"), bad]).log
    settings = Settings.from_config({**config, "streams": STREAMS})
    summary = Summary(sandbox=False, dry_run=False, started_at=0.0)
    summary.add_findings(Findings(streams={"calls"}, read=Counter(calls=1)))
    store = open_store(config["store_url"], now=0.0)
    told = store.read(lambda tx: [list(warnings(tx, settings, summary, {}, is_whole=one)) for one in (False, True)])
    store.close()
    assert [len(lines) for lines in told] == [0, 3]


def test_surveys_whose_event_has_no_campaign_any_more_are_told_in_every_run(config: dict[str, Any]) -> None:
    """Nobody should have to look for surveys that will never be sent."""
    config["campaigns"] = {"Order Completed": {"id": 78, "delay_hours": 24}, "Ticket Closed": 91}
    sync(config, [CALLS, identify("1", "a@example.com"), order("t-1", "1"), track("Ticket Closed")])
    config["campaigns"] = {"Ticket Closed": 91}
    for _ in range(2):
        assert 'the event "Order Completed"' in sync(config, []).log


def test_what_promoter_refused_is_told_with_its_words(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """The run goes on, and says why it did not reach them."""
    config["campaigns"] = {}
    sandbox.set_faults(Faults(rate=1.0, kinds=("error",), statuses=(400,)))
    run = sync(config, [CALLS, identify("1", "a@example.com")])
    sandbox.set_faults(Faults())
    assert run.summary["contacts"]["refused"] == 1
    assert run.log.startswith("Promoter refused 1 contact (")


def test_findings_are_kept_in_bounded_memory() -> None:
    """However many names an input has, what is beyond the first five hundred is counted together."""
    found = Findings()
    for number in range(2000):
        found.add_event(f"event {number}", "unmatched", Tally(1, 1.0, 2.0))
        found.reject("users", f"reason {number}")
    whole = Findings()
    whole.merge(found)
    assert len(whole.events) == 501
    assert whole.events[OTHER, "unmatched"].number == 1500
    assert len(whole.rejected) == 501
    assert sum(whole.rejected.values()) == 2000


def test_events_are_counted_by_day_and_outcome(config: dict[str, Any], tmp_path: Path) -> None:
    """What was read stays known to the report, also after the next run."""
    messages = [CALLS, identify("1", "a@example.com"), track("Page Viewed", hours=5), track("Page Viewed", hours=2)]
    sync(config, messages)
    sync(config, [CALLS, track("Page Viewed", hours=9)])
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", now=0.0)
    (row,) = store.read(lambda tx: tx.execute(events.select()).all())
    store.close()
    assert (row.name, row.outcome, row.number) == ("Page Viewed", "unmatched", 3)
    assert row.last_at - row.first_at == pytest.approx(7 * 3600, abs=5)
