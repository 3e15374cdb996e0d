"""What a report tells, in each of its forms."""

from __future__ import annotations

import html.parser
import io
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from sqlalchemy import insert

from target_promoter.config.settings import Settings
from target_promoter.progress.words import fix_refused, fix_rejected
from target_promoter.report.data import DayFacts, as_json
from target_promoter.report.gather import gather
from target_promoter.report.html import chart, last_days, report_page
from target_promoter.report.terminal import report_tables
from target_promoter.store import rejected
from target_promoter.store import schema as tables
from target_promoter.store.database import open_store
from target_promoter.store.rejected import Rejected
from tests import month
from tests.program import CALLS, command, identify, order
from tests.tap import TEXT, hours_ago, record, schema, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_promoter.report.data import Report
    from target_promoter.store.transaction import Transaction

pytestmark = pytest.mark.slow

NOW = 1_800_000_000.0 - 1_800_000_000.0 % month.DAY + 50_000  # A Friday in January 2027, in the afternoon.
SETTINGS = Settings.from_config({"api_key": "a-key-of-the-tests", "campaigns": {"Order Completed": 78}})


def told(store_url: str, now: float = NOW) -> Report:
    """Return what the report of a store with a month of everything tells."""
    store = month.fill(store_url, now)
    try:
        return store.read(lambda connection: gather(connection, SETTINGS, store.name, now))
    finally:
        store.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return the report of a month."""
    return told(f"sqlite:///{tmp_path_factory.mktemp('report') / 'store.db'}")


def test_both_databases_tell_the_same(store_url: str, report: Report) -> None:
    """A store on PostgreSQL tells what the same store tells on SQLite: counts, days, order and words."""
    other, own = json.loads(as_json(told(store_url))), json.loads(as_json(report))
    del other["store"], own["store"]
    assert other == own


def test_surveys_are_counted_by_campaign_and_day(report: Report) -> None:
    """Every settled survey is in the count of its campaign and its day in UTC, and in that of its outcome."""
    surveys = report.surveys
    today = {day.campaign_id: day.outcomes for day in surveys.days if day.day == "2027-01-15"}
    assert today == {78: {"uncertain": 1, "refused": 2}}
    yesterday = {day.campaign_id: day.outcomes for day in surveys.days if day.day == "2027-01-14"}
    assert yesterday == {
        78: {"sent": 6, "throttled": 1},
        91: {"sent": 6, "throttled": 1},
        99: {"sent": 6, "throttled": 1},
    }
    for outcome, number in surveys.outcomes.items():
        assert number == sum(day.outcomes.get(outcome, 0) for day in surveys.days)
    assert surveys.events[78] == ["Order Completed"]


def test_who_waits_and_for_what(report: Report) -> None:
    """What is not settled is told with what it waits for, the next due first, and how many there are."""
    surveys = report.surveys
    assert (surveys.pending, surveys.waiting) == (0, 24)
    assert len(surveys.open) == 20
    assert [one.waits_for for one in surveys.open[:2]] == ["an identify call with its e-mail address", "its day"]
    assert surveys.next_due_at == NOW + 7000
    assert [one.due_at for one in surveys.open] == sorted(one.due_at for one in surveys.open)


def test_who_waits_is_at_the_address_that_the_survey_would_go_to(config: dict[str, Any]) -> None:
    """A user id that is not known yet has none: its survey never goes to the address that the call brought."""
    stray, known, nameless = order("t-1", "9"), order("t-2", "1"), order("t-3", None)
    for one in (stray, known, nameless):
        one["record"]["context"] = {"traits": {"email": "ann@example.com"}}
    config["campaigns"] = {"Order Completed": {"id": 78, "delay_hours": 1000}}
    sync(config, [CALLS, identify("1", "bob@example.com"), identify("2", "ann@example.com"), stray, known, nameless])
    waiting = json.loads(command("report", "--format", "json", config=config).output)["surveys"]["open"]
    told = sorted((one["who"], one["email"]) for one in waiting)
    assert told == [("ann@example.com", "ann@example.com"), ("user id 1", "bob@example.com"), ("user id 9", None)]


def test_what_is_pending_tells_the_time_left(report: Report) -> None:
    """The requests that are pending tell how long they take at the most, beside each day's share of the limit."""
    requests = report.requests
    assert requests.pending == 15
    assert requests.seconds_left == pytest.approx(15 / (600 * 0.985) * 60)
    assert requests.days[-1].day == "2027-01-15"
    assert requests.days[-1].share_of_limit == pytest.approx(20_000 / 864_000)


def test_failures_are_grouped_with_examples_and_what_to_do(report: Report) -> None:
    """What failed for one reason is one group with its number, at most three examples, and what to do."""
    first = report.rejected[0]
    assert (first.number, first.where, first.reason) == (5, "stream shop-orders", "no readable time")
    assert first.examples == ("email r1@x.org, id 1", "email r4@x.org, id 4", "email r7@x.org, id 7")
    assert "`fields`" in first.fix
    assert [(group.what, group.number) for group in report.refused] == [("contact", 15), ("survey", 2)]
    assert report.refused[1].where == "campaign 78, Orders"
    assert report.refused[1].reason == "contact.email: Enter a valid email address."


def test_contacts_left_behind_are_counted(report: Report) -> None:
    """A contact that was sent and is nobody's any more is counted: its person has another address now."""
    assert report.contacts.left_behind == 15
    assert report.contacts.statuses == {"pending": 15, "refused": 15, "synced": 15, "unowned": 15}


def test_json_is_as_the_readme_says(report: Report) -> None:
    """Times are ISO 8601 in UTC, every key of the documented schema is there, and the version is 2."""
    data = json.loads(as_json(report))
    assert list(data) == [
        "version",
        "generated_at",
        "verdict",
        "is_well",
        "store",
        "overview",
        "events",
        "more_events",
        "runs",
        "surveys",
        "contacts",
        "requests",
        "rejected_records",
        "rejected",
        "refused",
        "attributes",
    ]
    assert data["version"] == 2
    assert data["generated_at"] == "2027-01-15T13:53:20Z"
    assert data["runs"][0]["finished_at"] is None
    assert data["runs"][1]["summary"]["surveys"] == {"sent": 10}
    assert data["surveys"]["events"]["78"] == ["Order Completed"]


def documented(text: str) -> set[str]:
    """Return the keys that the documentation of the report's JSON names."""
    return {name for names in re.findall(r"`([a-z_., ]+)`", text) for name in re.findall(r"[a-z_]+", names)}


def keys_of(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Yield every key of a JSON value, but those that are data."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            data = {"summary", "outcomes", "statuses", "campaigns", "traits", "stored"}
            if key not in data and not (key == "events" and isinstance(inner, dict)):
                yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def test_every_key_is_documented(report: Report, request: pytest.FixtureRequest) -> None:
    """A key that is not explained is no contract: there is none."""
    page = (request.config.rootpath / "docs/reference/report-json.md").read_text(encoding="utf-8")
    assert set(keys_of(json.loads(as_json(report)))) - documented(page) == set()


class _Outline(html.parser.HTMLParser):
    """Gathers what a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag in."""
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "srcset", "action", "style"}]


def test_the_page_needs_nothing_else_and_escapes_everything(report: Report) -> None:
    """The page has no script, no image and no address, and what comes from outside is text."""
    page = report_page(report)
    outline = _Outline()
    outline.feed(page)
    assert {"script", "img", "link", "iframe", "form", "object"}.isdisjoint(outline.tags)
    assert outline.links == ["#contents"]
    assert "http://" not in page.replace("http-equiv", "")
    assert "&lt;img src=x onerror=" in page


def printed(report: Report) -> str:
    """Return what a terminal of 80 columns shows of a report."""
    screen = io.StringIO()
    console = Console(file=screen, width=80, highlight=False)
    for table in report_tables(report):
        console.print(table)
    return screen.getvalue()


def test_a_terminal_of_80_columns_shows_all_of_it(report: Report) -> None:
    """No line is longer than the terminal, and nothing from outside is taken for a style or a control code."""
    lines = printed(report).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(f"{'long-' * 8}@dept.example.com" in line for line in lines)  # An address is in one piece.
    text = "\n".join(lines)
    for title in (
        "Last runs",
        "Surveys by campaign",
        "Surveys by day",
        "Who waits",
        "Uncertain",
        "Rejected",
        "Refused",
        "Requests",
    ):
        assert title in text
    assert "rejected | target-promoter" in " ".join(text.split())


def test_the_chart_has_a_bar_for_every_campaign_and_day(report: Report) -> None:
    """Each campaign that sent surveys on a day is a part of that day's bar, with its number; ticks are whole."""
    drawing = chart(report.surveys, NOW)
    assert drawing is not None
    sent = [day for day in report.surveys.days if day.outcomes.get("sent") and day.day in last_days(NOW)]
    assert len(drawing.bars) == len(sent)
    assert "2027-01-14: 6 of campaign 78, Orders" in {bar.hint for bar in drawing.bars}
    assert len(last_days(NOW)) == 30
    assert [label for _, label in drawing.ticks] == ["0", "10", "20", "30"]


@pytest.mark.parametrize(("most", "labels"), [(1, "0 1"), (3, "0 1 2 3"), (7, "0 2 4 6 8"), (142, "0 50 100 150")])
def test_ticks_are_whole_numbers(most: int, labels: str, report: Report) -> None:
    """Nobody sends half a survey."""
    days = [DayFacts("2027-01-15", 78, {"sent": most})]
    drawing = chart(replace(report.surveys, days=days), NOW)
    assert drawing is not None
    assert " ".join(label for _, label in drawing.ticks) == labels


def test_the_verdict_stands_at_the_top(report: Report) -> None:
    """What was sent, and all that somebody should do something about."""
    assert not report.is_well
    told = "\n".join(report.verdict)
    assert re.match(r"\d+ of \d+ surveys due in the last thirty days were sent\.", told)
    for part in (
        "15 contacts are not sent yet",
        "5 records of stream shop-orders could not be read: no readable time.",
        "Promoter refused 15 contacts: email: Enter a valid email address.",
        "1 survey may or may not have been sent",
        '3 events "Order Complted" led to no survey: probably "Order Completed" was meant',
    ):
        assert part in told


def test_a_store_in_which_all_is_well_says_so(config: dict[str, Any]) -> None:
    """One sentence, and no empty section."""
    sync(config, [CALLS, identify("1", "ann@example.com"), order("t-1", "1")])
    data = json.loads(command("report", "--format", "json", config=config).output)
    assert data["is_well"] is True
    assert data["verdict"] == ["The survey due in the last thirty days was sent."]
    page = command("report", "--format", "html", config=config).output
    for empty in ("Who waits", "Uncertain", "Rejected", "Refused by", "Attributes"):
        assert empty not in page


def test_the_overview_tells_what_fell_out_at_each_step(config: dict[str, Any]) -> None:
    """From what was read to what was sent, each outcome explained."""
    stray = {**order("t-3", "1"), "record": {**order("t-3", "1")["record"], "event": "Page Viewed"}}
    old, second = order("t-2", "1", hours=900), order("t-4", "1", hours=1)
    sync(config, [CALLS, identify("1", "ann@example.com"), order("t-1", "1"), old, stray, second, order("t-5", "9")])
    data = json.loads(command("report", "--format", "json", config=config).output)
    steps = [(one["number"], {out["outcome"]: out["number"] for out in one["fell_out"]}) for one in data["overview"]]
    assert steps == [
        (5, {"stale": 1, "unmatched": 1}),
        (3, {"waiting": 1}),
        (2, {"throttled": 1}),
        (1, {}),
    ]
    assert {one["words"] for step in data["overview"] for one in step["fell_out"]} >= {"was too old to survey"}


def test_why_surveys_were_withheld_or_cancelled_is_told(config: dict[str, Any]) -> None:
    """On the terminal, on the page and as JSON: the sample, the recipients, and what cancelled the others."""
    config["campaigns"] = {"Order Completed": {"id": 78, "sample_percent": 0.000001}}
    people = [identify(str(one), f"p{one}@example.com") for one in range(1, 6)]
    sync(config, [CALLS, *people, order("a", "1"), order("b", "2")])
    config["survey_recipients"] = ["*@our-company.com"]
    config["campaigns"] = {"Order Completed": {"id": 78, "cancel_on": [{"event": "Refund", "match": "number"}]}}
    refund = order("refund", "4", hours=1, number=7)
    refund["record"]["event"] = "Refund"
    sync(config, [CALLS, order("c", "3"), order("d", "4", number=7), refund])
    data = json.loads(command("report", "--format", "json", config=config).output)
    told = {out["outcome"]: out["reasons"] for step in data["overview"] for out in step["fell_out"]}
    assert told["withheld"] == {"not in the sample of 1e-06%": 2, "its address is not among survey_recipients": 1}
    assert told["cancelled"] == {"cancelled by the event Refund with the same number": 1}
    assert told["stored"] == {}
    assert "2: not in the sample of 1e-06%" in command("report", config=config).output
    assert "<b>2</b>: not in the sample of 1e-06%" in command("report", "--format", "html", config=config).output


def test_every_group_of_failures_is_there(store_url: str) -> None:
    """However many reasons there are; the verdict names the most frequent, and says that there are more."""
    store = month.fill(store_url, NOW)
    reasons = [f"reason {number}" for number in range(60)]
    rows = [Rejected(reason.encode(), "users", "identify", reason, {"id": reason}) for reason in reasons]
    doubtful = [month.survey(9000 + n, NOW, status="uncertain", reason="no answer") for n in range(30)]

    def more(tx: Transaction) -> None:
        rejected.add(tx, rows, NOW)
        tx.execute(insert(tables.surveys), doubtful)
        notes = [{"kind": "renamed", "name": f"n{n}", "detail": "other", "noted_at": NOW} for n in range(70)]
        tx.execute(insert(tables.attribute_notes), notes)

    store.write(more)
    report = store.read(lambda tx: gather(tx, SETTINGS, store.name, NOW))
    store.close()
    assert {group.reason for group in report.rejected} >= set(reasons)
    assert len(report.attributes) == 72
    assert [one for one in report.verdict if one.startswith("58 more were rejected or refused")]
    for shown in (report_page(report), printed(report)):
        assert "reason 59" in shown
        assert "11 more" in shown  # Of the uncertain surveys.


def test_without_a_campaign_the_verdict_says_so(config: dict[str, Any]) -> None:
    """Whoever looks at the report alone sees why nobody is surveyed."""
    sync({**config, "campaigns": {}}, [CALLS, identify("1", "ann@example.com"), order("t-1", "1")])
    data = json.loads(command("report", "--format", "json", config={**config, "campaigns": {}}).output)
    assert data["is_well"] is False
    assert "The setting campaigns is empty, so no event leads to a survey (1 event read" in data["verdict"][1]


def test_a_record_is_told_from_others_by_its_key(config: dict[str, Any]) -> None:
    """A plain table's has none of Segment's ids."""
    config["streams"] = {"orders": {"type": "track", "event": "Order Completed", "fields": {"user_id": "who"}}}
    columns = {"properties": dict.fromkeys(("order_no", "who", "timestamp"), TEXT)}
    sync(config, [schema("orders", columns, keys=["order_no"]), record("orders", order_no="o-7", timestamp="never")])
    data = json.loads(command("report", "--format", "json", config=config).output)
    assert [one["examples"] for one in data["rejected"]] == [["order_no o-7"]]


def test_settings_that_changed_are_told_with_their_run(config: dict[str, Any]) -> None:
    """Whoever wonders why nobody is surveyed since Tuesday sees what was changed on Tuesday."""
    config["streams"] = {"shop-*": {"type": "segment"}, "orders": {"type": "track", "fields": {"user_id": "buyer"}}}
    sync(config, [CALLS, identify("1", "ann@example.com")])
    config["max_event_age_hours"] = 24
    config["streams"]["orders"]["fields"]["user_id"] = "seller"
    sync(config, [])
    runs = json.loads(command("report", "--format", "json", config=config).output)["runs"]
    changes = ["max_event_age_hours: 72.0 became 24.0", 'streams.orders.fields.user_id: "buyer" became "seller"']
    assert [one["changes"] for one in runs] == [changes, []]
    assert "max_event_age_hours: 72.0 became 24.0" in command("report", config=config).output
    config["survey_hours"] = {"from": "9:00", "to": "18:00", "days": ["Mon"], "time_zone": "UTC"}
    sync(config, [])
    runs = json.loads(command("report", "--format", "json", config=config).output)["runs"]
    hours = '{"from":"09:00","to":"18:00","days":["mon"],"time_zone":"UTC"}'
    assert runs[0]["changes"] == [f"survey_hours: null became {hours}"]


def test_events_are_told_by_name(config: dict[str, Any]) -> None:
    """Read, surveyed, too old, unmatched, and what was probably meant."""
    near = {**order("t-3", "1"), "record": {**order("t-3", "1")["record"], "event": "Order Complted"}}
    sync(config, [CALLS, identify("1", "ann@example.com"), order("t-1", "1"), order("t-2", "1", hours=900), near])
    events = {
        one["name"]: one for one in json.loads(command("report", "--format", "json", config=config).output)["events"]
    }
    assert [events["Order Completed"][key] for key in ("read", "surveyed", "stale", "unmatched")] == [2, 1, 1, 0]
    assert events["Order Complted"]["meant"] == "Order Completed"
    assert events["Order Completed"]["meant"] is None


@pytest.mark.parametrize(
    "reason",
    [
        "no user id",
        "no usable e-mail address",
        "no readable time",
        "no event",
        "its time is more than 24 hours in the future",
        "does not fit its schema: `id` breaks the rule `type`",
    ],
)
def test_every_reason_has_a_fix_of_its_own(reason: str) -> None:
    """Each reason for which records are rejected has a fix, and no two different ones share it by accident."""
    assert fix_rejected(reason) != fix_rejected("some new reason")
    assert fix_refused("contact") != fix_refused("survey")


@pytest.mark.parametrize("form", ["table", "json", "html"])
def test_an_empty_store_is_told_kindly(config: dict[str, Any], tmp_path: Path, form: str) -> None:
    """A store without a run has a report in every form: that there is nothing yet."""
    open_store(config["store_url"], now=0.0).close()
    result = command("report", "--format", form, config=config)
    assert result.exit_code == 0, result.exception
    if form == "json":
        assert json.loads(result.output)["runs"] == []
    else:
        assert "There was no run yet." in result.output
    assert tmp_path.exists()


def test_the_command_tells_a_run(config: dict[str, Any]) -> None:
    """After a run its report tells what was sent, in a table and as JSON."""
    sync(config, [CALLS, identify("1", "ann@example.com"), order("t-1", "1")])
    data = json.loads(command("report", "--format", "json", config=config).output)
    assert data["surveys"]["outcomes"]["sent"] == 1
    assert [one["outcomes"] for one in data["surveys"]["days"]] == [{"sent": 1}]
    assert data["runs"][0]["command"] == "sync"
    assert data["requests"]["days"][0]["requests"] == 1
    assert "all delivered" in command("report", config=config).output


def test_contacts_left_behind_are_told_of_moved_and_of_deleted_people(config: dict[str, Any]) -> None:
    """A new address for a known user id and a deletion at the source each leave a contact behind at Promoter."""
    deleted = record("calls", type="identify", userId="2", messageId="i-2", _sdc_deleted_at=hours_ago(1))
    calls = {**CALLS, "schema": {**CALLS["schema"], "additionalProperties": True}}
    sync(config, [calls, identify("1", "ann@example.com"), identify("2", "bob@example.com")])
    sync(config, [calls, identify("1", "new@example.com", hours=2), deleted])
    data = json.loads(command("report", "--format", "json", config=config).output)
    assert data["contacts"]["left_behind"] == 2
    table = " ".join(command("report", config=config).output.split())
    assert "2 (of an older address, or of somebody deleted)" in table
    story = command("report", "--person", "2", config=config).output
    assert "User id 2, deleted at its source" in story


def test_a_trait_that_loses_its_name_to_the_user_id_is_told(config: dict[str, Any]) -> None:
    """The user id goes along as attribute `user_id`: a trait of that name is not sent, and the report says so."""
    sync(config, [CALLS, identify("u-1", "ann@example.com", {"user_id": 42})])
    data = json.loads(command("report", "--format", "json", config=config).output)
    assert [(one["what"], one["name"]) for one in data["attributes"]] == [("merged", "user_id")]


@pytest.mark.parametrize("value", [7, "7", "", None])
def test_a_trait_that_says_the_user_id_or_nothing_is_no_clash(config: dict[str, Any], value: object) -> None:
    """Where a trait `user_id` says the same as the user id, or nothing, nothing is lost and nothing told."""
    sync(config, [CALLS, identify("7", "bob@example.com", {"user_id": value})])
    assert json.loads(command("report", "--format", "json", config=config).output)["attributes"] == []
