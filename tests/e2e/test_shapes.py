"""Every shape that data comes in, from a tap's file through the program over HTTP into the account, and again."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_promoter.sandbox.records import iso
from target_promoter.values.times import epoch_seconds
from tests.conftest import Outcome, run_program
from tests.tap import Run, sync

if TYPE_CHECKING:
    from target_promoter.sandbox.server import SandboxServer

DATA = Path(__file__).parent.parent / "data"
TIME = re.compile(r"2024-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?")
SHOP: dict[str, Any] = {
    "public-orders": {
        "type": "track",
        "event": "Order Completed",
        "fields": {"user_id": "customer_id", "timestamp": "ordered_at"},
        "traits": ["total"],
    },
    "public-customers": {"type": "identify", "fields": {"user_id": "id"}, "traits": ["tier"], "contact_lists": [5]},
}


def young(name: str) -> list[dict[str, Any]]:
    """Return the messages of a file, all its times moved by the same so that the latest is an hour ago."""
    text = (DATA / f"{name}.singer.jsonl").read_text("utf-8")
    shift = time.time() - 3600 - max(epoch_seconds(found) or 0.0 for found in TIME.findall(text))
    moved = TIME.sub(lambda found: iso((epoch_seconds(found[0]) or 0.0) + shift), text)
    return [json.loads(line) for line in moved.splitlines()]


def of(outcome: Outcome | Run, part: str) -> dict[str, int]:
    """Return the counts of a part of the summary that are not zero."""
    return {name: number for name, number in outcome.summary[part].items() if number}


def contact(sandbox: SandboxServer, email: str) -> dict[str, Any]:
    """Return a contact at the account: names, lists and attributes in one; when the order was is any time."""
    found = sandbox.account.contacts[email]
    attributes = {name: value for name, value in found.attributes.items() if name != "order_completed_at"}
    assert ("order_completed_total" in attributes) <= ("order_completed_at" in found.attributes)
    return {"first_name": found.first_name, "last_name": found.last_name, "lists": found.lists, **attributes}


def surveys(sandbox: SandboxServer) -> list[tuple[str, int, dict[str, Any]]]:
    """Return whom the account surveyed: address, campaign and the survey's own attributes."""
    return [(one.email, one.campaign, one.attributes) for one in sandbox.account.surveys]


def again(config: dict[str, Any], messages: list[dict[str, Any]], first: Outcome | Run) -> None:
    """Run the same input again: not one request, and the same state."""
    second = sync(config, messages)
    assert second.status == 0, second.log
    assert second.states[-1] == first.states[-1]
    assert second.summary["api"]["requests"] == 0
    assert second.summary["identify"]["changed"] == 0
    assert second.summary["track"]["queued"] == 0
    assert second.summary["identify"]["read"] == first.summary["identify"]["read"]


def test_raw_calls(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """Identify calls become contacts, the order of one of them a survey; what is for others stays out."""
    messages = young("raw_calls")
    run = run_program(config=config, messages=messages, cwd=tmp_path)
    assert run.status == 0, run.log
    assert run.states[-1] == {"position": 7}
    assert of(run, "identify") == {"read": 2, "changed": 2}
    assert of(run, "track") == {"read": 3, "queued": 1, "blocked": 1, "waiting": 1}
    assert run.summary["ignored"] == 2
    assert of(run, "contacts") == {"synced": 2}
    assert of(run, "surveys") == {"sent": 1, "waiting": 1}
    assert of(run, "api") == {"requests": 2}
    assert surveys(sandbox) == [("ann@example.com", 78, {"total": 99.9, "email": "gift@example.com"})]
    ann = contact(sandbox, "ann@example.com")
    assert {name: ann[name] for name in ("first_name", "last_name", "plan", "user_id", "order_completed_total")} == {
        "first_name": "Ann",
        "last_name": "Lee",
        "plan": "Premium",
        "user_id": "12345",
        "order_completed_total": "99.9",
    }
    bob = contact(sandbox, "bob@example.com")
    assert (bob["first_name"], bob["last_name"], bob["logins"], bob["user_id"]) == ("Bob", "van Dyk", "3", "77")
    assert set(sandbox.account.contacts) == {"ann@example.com", "bob@example.com"}
    again(config, messages, run)


def test_segment_warehouse(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """The row of `tracks` and that of the event's own table are one survey, with the latter's properties."""
    messages = young("segment_warehouse")
    run = run_program(config=config, messages=messages, cwd=tmp_path)
    assert run.status == 0, run.log
    assert run.states[-1] == {"position": 6}
    assert of(run, "identify") == {"read": 2, "changed": 2}
    assert of(run, "track") == {"read": 2, "queued": 1, "duplicate": 1}
    assert run.summary["ignored"] == 2
    assert of(run, "surveys") == {"sent": 1}
    assert of(run, "contacts") == {"synced": 1}
    assert of(run, "api") == {"requests": 1}
    ((email, campaign, attributes),) = surveys(sandbox)
    assert (email, campaign, attributes["total"]) == ("ann@example.com", 78, 99.9)
    ann = contact(sandbox, "ann@example.com")
    # The snapshot `users` says that there is no plan any more, and nothing of the last name.
    assert (ann["first_name"], ann["last_name"], ann["address_street"]) == ("Ann", "Lee", "Main St")
    assert "plan" not in ann
    again(config, messages, run)


def test_rudderstack_warehouse(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """An anonymous row of `tracks` finds its person through the anonymous id, and is the same survey."""
    messages = young("rudderstack_warehouse")
    run = run_program(config=config, messages=messages, cwd=tmp_path)
    assert run.status == 0, run.log
    assert of(run, "identify") == {"read": 1, "changed": 1}
    assert of(run, "track") == {"read": 2, "queued": 1, "duplicate": 1}
    assert run.summary["ignored"] == 1
    assert of(run, "surveys") == {"sent": 1}
    assert surveys(sandbox) == [("ann@example.com", 78, {"total": 99.9})]
    ann = contact(sandbox, "ann@example.com")
    assert (ann["first_name"], ann["plan"], ann["order_completed_total"]) == ("Ann", "Premium", "99.9")
    again(config, messages, run)


def test_plain_tables_with_orders_first(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """Orders that come before their customers are surveyed all the same, and only the listed columns leave."""
    messages = young("shop_tables")
    config["streams"] = SHOP
    run = run_program(config=config, messages=messages, cwd=tmp_path)
    assert run.status == 0, run.log
    assert of(run, "identify") == {"read": 2, "changed": 2}
    assert of(run, "track") == {"read": 2, "waiting": 2}
    assert of(run, "surveys") == {"sent": 2}
    assert of(run, "contacts") == {"synced": 2}
    assert sorted(surveys(sandbox)) == [
        ("ann@example.com", 78, {"total": 20.5}),
        ("bob@example.com", 78, {"total": 8}),
    ]
    ann, bob = contact(sandbox, "ann@example.com"), contact(sandbox, "bob@example.com")
    assert 5 in ann.pop("lists")
    assert ann == {
        "first_name": "Ann",
        "last_name": "Lee",
        "tier": "gold",
        "user_id": "7",
        "order_completed_total": "20.5",
    }
    assert "tier" not in bob
    again(config, messages, run)


def test_an_identify_that_comes_in_a_later_run(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """Nobody is surveyed before it; then the survey that waited goes out."""
    messages = young("shop_tables")
    config["streams"] = SHOP
    orders = [one for one in messages if one.get("stream") == "public-orders"]
    customers = [one for one in messages if one.get("stream") == "public-customers"]
    first = run_program(config=config, messages=orders, cwd=tmp_path)
    assert first.status == 0, first.log
    assert of(first, "surveys") == {"waiting": 2}
    assert sandbox.account.requests == []
    second = sync(config, customers[:2])
    assert second.status == 0, second.log
    assert of(second, "surveys") == {"sent": 1, "waiting": 1}
    assert [email for email, _, _ in surveys(sandbox)] == ["ann@example.com"]


def test_audiences_before_their_user(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """An audience's call without an address is kept, and reaches the contact with the user's own call."""
    messages = young("audiences")
    first = run_program(config=config, messages=messages[:3], cwd=tmp_path)
    assert first.status == 0, first.log
    assert of(first, "identify") == {"read": 1, "waiting": 1}
    assert of(first, "contacts") == {"waiting": 1}
    assert sandbox.account.requests == []
    sync(config, [messages[0], messages[3]])
    assert contact(sandbox, "ann@example.com")["order_completed_last_30days"] == "true"
    third = sync(config, messages)
    assert of(third, "identify") == {"read": 3, "changed": 1, "merged": 2}
    ann = contact(sandbox, "ann@example.com")
    assert (ann["order_completed_last_30days"], ann["first_name"]) == ("false", "Ann")
    again(config, messages, third)


def test_a_stream_that_nobody_knows_stops_the_run_before_anything_is_sent(
    config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path
) -> None:
    """At its SCHEMA, with the lines to add, though calls came before it; with these lines the run goes through."""
    unknown = young("shop_tables")
    run = run_program(config=config, messages=[*young("raw_calls")[:-1], *unknown], cwd=tmp_path)
    assert run.status == 1
    assert run.states == []
    assert "Traceback" not in run.log
    assert "Stream `public-orders` has none of Segment's shapes" in run.log
    assert sandbox.account.requests == []
    lines = [json.loads(line) for line in run.log.splitlines() if line.startswith("{")]
    add, leave_out = (line["streams"] for line in lines)
    assert leave_out == {"public-orders": {"type": "ignore"}}
    config["streams"] = {**add, "public-customers": {"type": "ignore"}}
    assert sync(config, unknown).status == 0
