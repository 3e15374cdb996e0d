"""One person's whole story: everything known and decided, in order of time, each decision with its reason."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.report.person import shown
from tests.program import CALLS, command, identify, order
from tests.tap import record, sync

if TYPE_CHECKING:
    from target_promoter.sandbox.server import SandboxServer

pytestmark = pytest.mark.slow


def fill(config: dict[str, Any]) -> None:
    """Run syncs after which something of everything is known of Ann."""
    config["campaigns"] = {"Order Completed": 78, "Ticket Closed": {"id": 91, "delay_hours": 48}}
    ticket = order("t-2", "1", hours=1)
    ticket["record"]["event"] = "Ticket Closed"
    messages = [
        CALLS,
        identify("1", "ann@example.com", {"plan": "Pro", "firstName": "Ann"}),
        identify("2", "bob@example.com"),
        order("t-1", "1", hours=5, total=9.5),
        ticket,
        record("calls", type="track", messageId="t-3", userId="1", event="Order Completed", timestamp="never"),
    ]
    sync(config, messages)
    sync(config, [CALLS, order("t-4", "1", hours=1)])


def story(config: dict[str, Any], who: str) -> dict[str, Any]:
    """Return a person's story."""
    result = command("report", "--person", who, "--format", "json", config=config)
    assert result.exit_code == 0, result.exception
    data: dict[str, Any] = json.loads(result.output)
    return data


@pytest.mark.parametrize(
    ("number", "text"), [("1E+3", "1000"), ("1E-7", "0.0000001"), ("12.50", "12.50"), ("1E+999999999", "1E+999999999")]
)
def test_numbers_are_told_without_an_exponent(number: str, text: str) -> None:
    """A number that came with a point is told as people write it, unless it has more noughts than anybody counts."""
    assert shown(Decimal(number)) == text


@pytest.mark.parametrize("who", ["1", "Ann@Example.com"])
def test_all_of_it_in_order_of_time(config: dict[str, Any], store_url: str, who: str) -> None:
    """By user id or by address the story has every call, decision and request, sorted, each decision with why."""
    config["store_url"] = store_url
    fill(config)
    told = story(config, who)
    assert told["user_ids"] == ["1"]
    assert told["emails"] == ["ann@example.com"]
    assert told["known"][0]["traits"] == {"plan": "Pro"}
    assert told["known"][0]["first_name"] == "Ann"
    moments = told["moments"]
    assert [one["happened_at"] for one in moments] == sorted(one["happened_at"] for one in moments)
    why = {one["what"]: one["why"] for one in moments}
    assert why["Survey for Order Completed (campaign 78): sent"] == "Promoter accepted the request"
    assert why["Survey for Order Completed (campaign 78): throttled"].startswith("the contact was surveyed at ")
    assert why["Survey for Ticket Closed (campaign 91): not sent yet"] == "it waits for its day"
    throttled = {
        what.split(", not again before")[0] for what, reason in why.items() if reason == "the setting throttle_days"
    }
    assert throttled == {"Surveyed: ann@example.com", "Surveyed: user id 1"}
    assert why["A record of calls was rejected"] == "no readable time"
    assert why["Identified: e-mail ann@example.com, first name Ann, plan Pro"] == "calls said so of user id 1"
    assert "Contact ann@example.com: sent" in why
    assert "Order Completed: kept on the contact: no properties" in why  # By its name as sent.
    assert "`" not in json.dumps(moments)
    assert "bob" not in json.dumps(told)


def test_forgotten_people_have_no_story(config: dict[str, Any]) -> None:
    """After `forget` the story says that the person was forgotten, and tells nothing else."""
    fill(config)
    command("forget", "1", config=config)
    told = story(config, "1")
    assert told["forgotten"] is True
    assert told["known"] == []
    assert told["moments"] == []
    assert "This person was forgotten" in command("report", "--person", "1", config=config).output


def test_somebody_unknown_is_told_kindly(config: dict[str, Any]) -> None:
    """Of somebody whom the store does not know it says so."""
    fill(config)
    assert "The store knows nothing of this person." in command("report", "--person", "x", config=config).output


def test_a_deletion_and_a_refusal_are_told(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """A person that was deleted at its source, and what became of its contact, are in the story."""
    fill(config)
    gone = identify("1", "ann@example.com")
    gone["record"]["_sdc_deleted_at"] = "2024-01-01T00:00:00Z"
    users = {**CALLS, "schema": {**CALLS["schema"], "additionalProperties": True}}
    sync({**config, "hard_delete": True}, [users, {**gone, "record": {**gone["record"], "_sdc_deleted_at": True}}])
    assert "ann@example.com" not in sandbox.account.contacts
    told = story(config, "1")
    assert told["known"][0]["deleted"] is True
    why = {one["what"]: one["why"] for one in told["moments"]}
    assert "Deleted at the source (user id 1)" in why
    assert why["Contact ann@example.com: removed from Promoter"] == "its record was deleted"
    assert why["Survey for Ticket Closed (campaign 91): cancelled"] == "its person was deleted"


def test_the_page_and_the_table_tell_the_same(config: dict[str, Any]) -> None:
    """The story as a page and as a table have every moment of the story as JSON."""
    fill(config)
    whats = {one["what"] for one in story(config, "1")["moments"]}
    page = command("report", "--person", "1", "--format", "html", config=config).output
    page = re.sub(r"</?span[^>]*>", "", page)
    assert [what for what in whats if html.escape(what).replace("&#x27;", "&#39;") not in page] == []
    table = "".join(command("report", "--person", "1", config=config).output.split())
    assert "SurveyforOrderCompleted" in table


def test_what_survey_hours_samples_and_matches_mean_for_somebody(config: dict[str, Any]) -> None:
    """Until when a survey waits, that it was not drawn, and which surveys an event cancels."""
    cancel_on = ["Account Closed", {"event": "Refund", "match": "number"}]
    config["campaigns"] = {"Order Completed": {"id": 78, "cancel_on": cancel_on}}
    now = dt.datetime.now(dt.UTC)
    begins, ends = (f"{(now + dt.timedelta(hours=hours)):%H}:00" for hours in (2, 3))
    hours = {"from": begins, "to": ends, "time_zone": "UTC"}
    refund = order("refund", "1", hours=1, number=7)
    refund["record"]["event"] = "Refund"
    calls = [identify("1", "ann@example.com"), order("a", "1", number=7), order("b", "1", hours=3, number=8), refund]
    sync({**config, "survey_hours": hours}, [CALLS, *calls])
    why = {one["what"]: one["why"] for one in story({**config, "survey_hours": hours}, "1")["moments"]}
    day = f"{now + dt.timedelta(hours=2):%Y-%m-%d}"
    waits = f"it waits for the survey_hours, which begin {day} {begins} UTC"
    assert why["Survey for Order Completed (campaign 78): not sent yet"] == waits
    cancels = "cancel_on names it: it cancels surveys that wait for earlier Order Completed with the same number"
    assert why["Refund happened"] == cancels
    config["campaigns"]["Order Completed"] = {"id": 78, "sample_percent": 0.000001}
    sync(config, [CALLS])
    moments = story(config, "1")["moments"]
    assert "not in the sample of 1e-06%" in [one["why"] for one in moments]
    assert {one["what"]: one["why"] for one in moments}["Refund happened"] == "cancel_on named it"
