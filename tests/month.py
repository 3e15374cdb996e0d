"""A store that holds a month of everything, with names that try to be markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert

from target_promoter.store import rejected, runs
from target_promoter.store import schema as tables
from target_promoter.store.database import Store, open_store
from target_promoter.store.encoding import encode
from target_promoter.store.summary import Tally
from target_promoter.values.events import canonical

if TYPE_CHECKING:
    from target_promoter.store.transaction import Transaction

DAY: Final = 86_400.0
EVIL: Final = '<img src=x onerror="document.title=1">'
"""A name that a page must show as it is."""

CAMPAIGNS: Final = {78: "Order Completed", 91: "Support Ticket Closed", 99: f"Plan {EVIL}"}
DAYS: Final = 30


def fill(store_url: str, now: float) -> Store:
    """Return a new store with a month of surveys, and some of all else.

    Args:
        store_url: Its address.
        now: The time, in epoch seconds.
    """
    store = open_store(store_url, now=now - 40 * DAY)
    store.write(lambda connection: _fill(connection, now))
    return store


def survey(number: int, now: float, **more: object) -> dict[str, Any]:
    """Return a row of the table of surveys: one that was sent."""
    row: dict[str, Any] = {
        "message": number.to_bytes(16, "big"),
        "stream": "orders",
        "event": "Order Completed",
        "campaign_id": 78,
        "message_id": f"m-{number}",
        "user_id": f"user-{number}",
        "event_at": now - 600,
        "due_at": now - 300,
        "properties": "{}",
        "status": "sent",
        "reason": None,
        "created_at": now - 200,
        "settled_at": now,
        "claimed_email": f"p{number}@example.com",
        "claimed_user_id": f"user-{number}",
        "claimed_at": now - 1,
        "unanswered": 0,
    }
    row |= more
    return row | {"canonical": canonical(row["event"]), "first_due_at": row["due_at"]}


def _fill(connection: Transaction, now: float) -> None:
    rows: list[dict[str, Any]] = []
    for back in range(DAYS):
        for place, (campaign, event) in enumerate(CAMPAIGNS.items()):
            for one in range((back * 7) % (20 - 6 * place)):
                at = now - back * DAY
                status = "throttled" if one % 5 == 4 else "sent"
                rows.append(survey(len(rows) + 1, at, campaign_id=campaign, event=event, status=status))
    number = len(rows)
    refused = "contact.email: Enter a valid email address."
    unanswered = "its request got no answer for twelve hours"
    rows += [
        survey(number + 1, now, status="uncertain", reason=unanswered, claimed_email=f"{'long-' * 8}@dept.example.com"),
        *(survey(number + 2 + more, now, status="refused", reason=refused) for more in range(2)),
    ]
    number = len(rows)
    unclaimed = dict.fromkeys(("settled_at", "claimed_email", "claimed_user_id", "claimed_at"))
    for one in range(24):
        status = "queued" if one % 3 else "waiting"
        rows.append(survey(number + 1 + one, now, status=status, due_at=now + one * 7000, **unclaimed))
    connection.execute(insert(tables.surveys), rows)
    statuses = ("synced", "pending", "refused", "unowned")
    connection.execute(
        insert(tables.contacts),
        [
            {
                "email": f"p{one}@example.com",
                "status": statuses[one % 4],
                "revision": 1,
                "changed_at": now,
                "sent": None if one % 4 == 1 else b"form",
                "reason": "email: Enter a valid email address." if one % 4 == 2 else None,
            }
            for one in range(60)
        ],
    )
    connection.execute(
        insert(tables.request_days),
        [{"day": int(now // DAY) - one, "requests": 20_000 + one, "rate_limited": one % 3} for one in range(14)],
    )
    reasons = ("no user id", "no readable time", f"no event {EVIL}")
    rejected.add(
        connection,
        [
            rejected.Rejected(
                bytes([one] * 16), "shop-orders", "track", reasons[one % 3], {"id": one, "email": f"r{one}@x.org"}
            )
            for one in range(14)
        ],
        now - 500,
    )
    for one in range(12):
        began = now - (12 - one) * 9000
        run = runs.begin(connection, "deliver" if one % 2 else "sync", began)
        if one < 11:
            problem = f"Promoter gave no usable answer {EVIL}." if one == 9 else None
            summary: dict[str, object] = {
                "identify": {"read": 100, "changed": 3},
                "track": {"read": 120, "queued": 40, "stale": 30, "unmatched": 50},
                "contacts": {"synced": 20, "refused": 0},
                "surveys": {"sent": one},
            }
            runs.end(connection, run, began + 431, exit_status=int(one == 9), problem=problem, summary=summary)
    connection.execute(
        insert(tables.attribute_notes),
        [
            {"kind": "renamed", "name": "plan.name", "detail": "plan_name", "noted_at": now},
            {"kind": "left out", "name": EVIL, "detail": "it is nested too deep", "noted_at": now},
        ],
    )
    read = {(event, "queued"): Tally(40, now - DAY, now) for event in CAMPAIGNS.values()}
    read["Order Completed", "stale"] = Tally(1200, now - 900 * DAY, now - 4 * DAY)
    read["Order Complted", "unmatched"] = Tally(3, now - DAY, now)
    read.update({(f"Page {one} Viewed", "unmatched"): Tally(500 - one, now - DAY, now) for one in range(60)})
    runs.add_events(connection, read, now)
    runs.learn_campaigns(connection, {78: "Orders", 91: "Support"})
    runs.set_fact(connection, "schema:shop-orders", encode({"schema": {"properties": {}}, "key_properties": ["id"]}))
