"""A config or a store that changes, and the surveys that wait: nobody asked twice, nobody wrong."""

from __future__ import annotations

from typing import Any

import pytest

from target_promoter.store import runs
from target_promoter.surveys.claims import Claim
from tests.delivering import Process
from tests.house import CONFIG, DAY, HOUR, KEYS, House, at, identify, track

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def house(store_url: str) -> House:
    """Return a house in which Ann and Bob are known."""
    house = House(store_url)
    house.take(identify("1", ANN, -500), identify("2", BOB, -500))
    return house


def surveyed(house: House, hours: float = 0.02) -> list[str]:
    """Let time pass, have all that is due accepted, and return whom it surveyed."""
    house.now += hours * HOUR
    process, emails, seconds = Process(house), list[str](), 0
    while True:
        turn = process.turn(seconds, "accepted")
        if not turn.requests:
            return emails
        emails += [one.email for one in turn.requests if isinstance(one, Claim)]
        seconds += 1


def order(key: int = 7, customer: int = 1, hours: float = -1, **more: object) -> tuple[str, dict[str, Any]]:
    """Return a row of the table of orders."""
    return "orders", {"id": key, "customer_id": customer, "ordered_at": at(hours), "total": 3, **more}


def orders(**setting: object) -> dict[str, Any]:
    """Return the streams' setting with another one for orders."""
    return {**CONFIG["streams"], "orders": {**CONFIG["streams"]["orders"], **setting}}


def campaign(event: str = "Order Completed", number: int = 78, **settings: object) -> dict[str, Any]:
    """Return the setting of a campaign."""
    return {event: {"id": number, **settings}}


CHANGED: list[dict[str, Any]] = [
    {"streams": orders(event="Order Paid"), "campaigns": campaign("Order Paid")},
    {"streams": orders(fields={**CONFIG["streams"]["orders"]["fields"], "message_id": "number"})},
    {"streams": orders(), "campaigns": campaign(number=79)},
    {"streams": orders(), "campaigns": campaign(delay_hours=1)},
    {"streams": orders(), "throttle_days": 0.0001},
    {"streams": {"orders": {**CONFIG["streams"]["orders"], "traits": ["*"], "contact_lists": []}}},
]


@pytest.mark.parametrize("changed", CHANGED)
@pytest.mark.parametrize("sent", [True, False])
def test_an_event_is_the_same_however_it_is_read(house: House, changed: dict[str, Any], *, sent: bool) -> None:
    """Whether its survey was sent or waits, with a change and back: its person is asked once."""
    row = order(number="A-7")
    house.take(row)
    asked = surveyed(house) if sent else []
    for settings in (changed, {}, changed):
        house.configure(**{**settings, "throttle_days": 0.0001})
        house.take(row)
    house.configure(**{**changed, "throttle_days": 0.0001})
    assert asked + surveyed(house, 2) == [ANN]
    house.take(row)
    assert surveyed(house, 2) == []


def test_an_event_that_has_its_old_name_again(house: House) -> None:
    """Its survey waits by the name that it has now."""
    for event in ("Order Completed", "Order Paid", "Order Completed"):
        house.configure(streams=orders(event=event), campaigns=campaign(event))
        house.take(order())
    assert surveyed(house) == [ANN]


@pytest.mark.parametrize("sent", [True, False])
def test_a_campaign_with_another_id_and_then_an_event_with_another_name(house: House, *, sent: bool) -> None:
    """What was asked for by the old id is known by the new one."""
    house.configure(throttle_days=0.0001)
    house.take(order())
    asked = surveyed(house) if sent else []
    house.configure(campaigns=campaign(number=79), throttle_days=0.0001)
    asked += surveyed(house)
    house.configure(campaigns=campaign("Order Paid", 79), streams=orders(event="Order Paid"), throttle_days=0.0001)
    house.take(order())
    assert asked + surveyed(house) == [ANN]


def test_a_table_beside_segments_own(house: House) -> None:
    """The shop's table of orders tells of what Segment's table told, by another key."""
    house.configure(throttle_days=0.0001)
    row = {"id": "m-1", "user_id": "1", "event": "order_completed", "event_text": "Order Completed"}
    house.take(("shop-order_completed", {**row, "timestamp": at(-1), "received_at": at(-1), "total": 3}))
    assert surveyed(house) == [ANN]
    assert house.take(order()) == {"track": {"duplicate": 1}}
    assert surveyed(house) == []


def test_key_columns_in_another_order(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tap lists them as its database does, which may change."""
    house.configure(throttle_days=0.0001)
    for keys in (["id", "order_id"], ["order_id", "id"]):
        monkeypatch.setitem(KEYS, "orders", keys)
        house.take(order(order_id=3, hours=-1 if keys[0] == "id" else -2))
        house.configure(throttle_days=0.0001)
    assert surveyed(house) == [ANN]


@pytest.mark.parametrize("delay", [0, 5])
def test_the_seller_of_an_order_is_not_asked(house: House, delay: float) -> None:
    """The person of an order is corrected while its survey waits, and what it stored leaves the seller at once."""
    settings = {"campaigns": campaign(delay_hours=5), "stored_events": ["Order Completed"]}
    fields = CONFIG["streams"]["orders"]["fields"]
    house.configure(streams=orders(fields={**fields, "user_id": "number"}), **settings)
    house.take(order(customer=1, number=2))
    assert house.attributes(BOB)["order_completed_total"] == "3"
    house.configure(streams=orders(), **settings)
    assert house.attributes(BOB) == {}
    house.take(order(customer=1, number=2))
    house.configure(streams=orders(), campaigns=campaign(delay_hours=delay))
    assert house.attributes(ANN)["order_completed_total"] == "3"
    assert surveyed(house, 5) == [ANN]


def test_cancel_on_that_gains_an_event(house: House) -> None:
    """The run says that earlier ones are not known; once their stream is read again they cancel."""
    house.configure(campaigns=campaign(delay_hours=5))
    refund = track("Order Refunded", "1", -0.5, order_id=1)
    house.take(order(), refund)
    for rules in (["Order Refunded"], [{"event": "Order Refunded", "match": "total"}]):
        house.configure(campaigns=campaign(delay_hours=5, cancel_on=rules))
        assert len(house.told) == 1
        assert "`Order Refunded` now cancels surveys of `Order Completed`" in house.told[0]
        house.configure(campaigns=campaign(delay_hours=5, cancel_on=rules))
        assert house.told == []
    house.configure(campaigns=campaign(delay_hours=5, cancel_on=["Order Refunded"]))
    house.take(refund)
    assert surveyed(house, 5) == []
    assert house.surveys == {"7": "cancelled"}


def test_a_first_config_is_told_of_nothing(store_url: str) -> None:
    """Nothing was read before."""
    assert House(store_url).told == []


@pytest.mark.parametrize(("hours", "expected"), [(-22, [ANN]), (-24, [])])
@pytest.mark.parametrize("throttle_days", [0.0001, 1, 90])
def test_a_lost_store(store_url: str, hours: float, expected: list[str], throttle_days: int) -> None:
    """A new one surveys what was due within 23 hours, whatever `throttle_days` is: Promoter knows of the day before."""
    house = House(store_url, created=0, throttle_days=throttle_days)
    house.take(identify("1", ANN), order(hours=hours))
    assert surveyed(house) == expected


def test_a_restored_store(house: House) -> None:
    """What was sent since the backup was made is not in it: neither what waits in it, nor what is read again."""
    house.take(order(1), order(2, customer=2, hours=-30))
    house.now += 30 * HOUR
    house.store.write(lambda tx: runs.set_fact(tx, "restored_at", str(house.now)))
    house.configure()
    house.take(order(1), order(3, hours=2), order(4, customer=2, hours=29))
    assert surveyed(house) == [BOB]
    assert house.surveys == {"1": "expired", "2": "expired", "4": "sent"}


def test_what_left_the_campaigns_waits_and_comes_back_once(house: House) -> None:
    """Its survey goes out when the event is named again, if it is not too old by then, and only once."""
    house.take(order())
    house.configure(campaigns={})
    assert surveyed(house, 5) == []
    house.take(order())
    house.configure(throttle_days=0.0001)
    house.take(order())
    assert surveyed(house) == [ANN]
    house.configure(campaigns={})
    house.configure(throttle_days=0.0001)
    house.take(order())
    assert surveyed(house, DAY / HOUR) == []
