# mypy: ignore-errors
"""Make a store with the code of version 3: see README.md beside this. Run as `python make.py STORE_URL`."""

from __future__ import annotations

import sys
from dataclasses import replace

# Modules of the code that wrote the version, which is checked out elsewhere.
from target_promoter.delivery import limit
from target_promoter.intake import forgetting
from target_promoter.intake.identifiers import identifiers_of
from target_promoter.store import runs, streams
from tests.delivering import Process
from tests.house import NOW, House, at, identify, track

CALLS = {"schema": {"type": "object", "properties": {"messageId": {"type": "string"}}}, "key_properties": ["messageId"]}


def deliver(process: Process, seconds: float, outcomes: dict[str, str]) -> None:
    """Answer the requests at hand, each address by its outcome (`accepted` if it has none), and take a turn."""
    requests = process.last
    for outcome in sorted({outcomes.get(one.email, "accepted") for one in requests}):
        process.last = [one for one in requests if outcomes.get(one.email, "accepted") == outcome]
        process.turn(seconds, outcome, room=0, words="Promoter's words")
    process.last = []


def main(url: str) -> None:
    """Fill a new store."""
    house = House(url)
    house.store.write(lambda tx: runs.bind_account(tx, "https://promoter.example/api", "k"))
    run = house.store.write(lambda tx: runs.begin(tx, "sync", NOW - 60))
    house.take(
        ("customers", {"id": 1, "email": "ann@example.com", "first_name": "Ann", "plan": "gold", "score": 12.5}),
        ("members", {"id": 1, "email": "ann@example.com", "plan": "silver", "updated_at": at(-50)}),
        ("customers", {"id": 2, "email": "bob@example.com", "first_name": "Bob"}),
        identify("3", "cy@old.example", hours=-30, anonymousId="anon-3"),
        identify("4", "dee@example.com"),
        identify("5", "eve@example.com"),
        identify("6", "fay@example.com"),
        identify("7", "gus@example.com"),
        identify("9", None, plan="waits for an address"),
    )
    house.take(identify("3", "cy@example.com", hours=-3))
    orders = [("1", "o-1", 10.5), ("2", "o-2", 20), ("4", "o-4", 40), ("77", "o-77", 77)]
    house.take(
        *(track("Order Completed", who, messageId=order, total=total) for who, order, total in orders),
        track("Ticket Closed", "3", messageId="t-3"),
        track("Ticket Closed", None, anonymousId="anon-7", messageId="t-anonymous"),
        track("Ticket Reopened", "5", messageId="t-5-again"),
        track("Order Completed", None, anonymousId="anon-9", messageId="o-anonymous", total=9),
    )
    rejected = house.take(("customers", {"id": 8, "email": "no address"}))
    assert rejected == {"identify": {"rejected": 1}}, rejected
    process = Process(house)
    for second in range(0, 40, 2):
        if process.turn(second).requests:
            deliver(process, second + 1, {"bob@example.com": "unanswered", "dee@example.com": "refused"})
    for who in ("6",):
        house.store.write(lambda tx, who=who: forgetting.forget(tx, [identifiers_of(tx, who)], [], NOW))
    house.take(("customers", {"id": 7, "email": "gus@example.com", "_sdc_deleted_at": at(0)}))
    calls = streams.StreamSchema(**CALLS)
    house.store.write(lambda tx: streams.remember(tx, replace(streams.known(tx, "calls"), schema=calls), NOW))
    house.store.write(lambda tx: limit.count(tx, NOW + 50, accepted=200, rate_limited=0))
    house.store.write(lambda tx: limit.limited(tx, NOW + 60, 30.0, limit=600.0))
    house.store.write(
        lambda tx: runs.end(tx, run, NOW + 60, exit_status=0, problem=None, summary=house.summary.as_dict(NOW + 60))
    )
    house.store.close()


main(sys.argv[1])
