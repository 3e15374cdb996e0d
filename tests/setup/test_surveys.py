"""A config or a store that changes, and the surveys that wait: nobody asked twice, nobody wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from target_promoter.intake import setup
from target_promoter.store import runs, schema
from target_promoter.surveys import surveys
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


def misread(**fields: str) -> dict[str, Any]:
    """Return the streams' setting that reads some fields of orders from other columns."""
    return orders(fields={**CONFIG["streams"]["orders"]["fields"], **fields})


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
def test_a_row_that_is_corrected_to_what_another_row_is_known_as(house: House, *, sent: bool, reverse: bool) -> None:
    """Its person and second are those of another order, surveyed or waiting: Ann is asked once."""
    settings = {"throttle_days": 0.0001, "campaigns": campaign(delay_hours=2)}
    house.configure(**settings)
    house.take(order(1, customer=1))
    asked = surveyed(house, 2) if sent else []
    house.take(order(2, customer=2))
    rows = [order(1, customer=1), order(2, customer=1)]
    assert house.take(*rows[:: -1 if reverse else 1])["track"] == {"duplicate": 2}
    assert asked + surveyed(house, 2) == [ANN]
    house.take(*rows)
    assert surveyed(house, 2) == []
    assert sorted(house.surveys.values()) == ["cancelled", "sent"]


@pytest.mark.parametrize("reverse", [True, False])
def test_rows_of_one_second_whose_persons_are_corrected(house: House, *, reverse: bool) -> None:
    """Each asks the person that it has by now, in whatever order they are read: here all are of one day."""
    rows = [order(1, customer=1, number=2, ordered_at="2025-06-15"), order(2, 3, number=1, ordered_at="2025-06-15")]
    house.take(identify("3", "carl@example.com", -500))
    house.configure(campaigns=campaign(delay_hours=48), streams=misread(user_id="number"))
    house.take(*rows)
    house.configure(campaigns=campaign(delay_hours=48))
    house.take(*rows[:: -1 if reverse else 1])
    assert sorted(surveyed(house, 48)) == [ANN, "carl@example.com"]


def test_two_events_that_have_one_campaign_by_now(house: House) -> None:
    """What the campaign surveyed for by the other event's name is known, whether it was sent or waits."""
    one = {"Order Completed": 78, "Order Paid": {"id": 79, "delay_hours": 2}}
    house.configure(campaigns=one, throttle_days=0.0001)
    paid = track("Order Paid", "1", -1, messageId="p")
    house.take(order(), paid, order(8, 2), track("Order Paid", "2", -1, messageId="q"))
    assert sorted(surveyed(house)) == [ANN, BOB]
    house.configure(campaigns={**one, "Order Paid": {"id": 78, "delay_hours": 2}}, throttle_days=0.0001)
    assert surveyed(house, 2) == []
    house.configure(campaigns=one, throttle_days=0.0001)
    house.take(paid)
    assert surveyed(house, 2) == []


@pytest.mark.parametrize(
    ("kept_back", "loosened", "status"),
    [
        ({"survey_recipients": ["*@other.com"]}, {}, "withheld"),
        ({"max_event_age_hours": 0.5}, {}, "expired"),
        ({"throttle_days": 3}, {"throttle_days": 0.0001}, "throttled"),
    ],
)
@pytest.mark.parametrize("by_key", [True, False])
def test_a_deleted_event_leads_to_nothing_whatever_the_rule_becomes(
    house: House, kept_back: dict[str, Any], loosened: dict[str, Any], status: str, *, by_key: bool
) -> None:
    """Also if a setting kept its survey from being sent before, and would not any more."""
    house.configure(throttle_days=0.0001)
    house.take(order(6, hours=-1.5))
    assert surveyed(house) == [ANN]
    house.configure(**kept_back)
    house.now -= 0.3 * HOUR * (status == "expired")
    house.take(order(hours=-0.6 if status == "expired" else -1))
    house.now += 0.3 * HOUR * (status == "expired")
    house.configure(**kept_back)
    assert surveyed(house) == []
    assert house.surveys["7"] == status
    row = order(hours=-0.6 if status == "expired" else -1, _sdc_deleted_at=at(0))
    assert house.take(("orders", {"id": 7, "_sdc_deleted_at": at(0)}) if by_key else row)["track"] == {"deleted": 1}
    assert house.surveys["7"] == "cancelled"
    house.configure(**loosened)
    house.take(order(hours=-0.6 if status == "expired" else -1))
    assert surveyed(house) == []


def test_a_refused_survey_of_a_deleted_event_is_not_replayed(house: House) -> None:
    """What Promoter refused is replayed as it is in the store: its event is no more."""
    house.take(order())
    process = Process(house)
    process.turn(60)
    process.turn(61, "refused", words="no")
    assert house.surveys == {"7": "refused"}
    house.take(("orders", {"id": 7, "_sdc_deleted_at": at(0)}))
    assert house.surveys == {"7": "cancelled"}


@pytest.mark.parametrize("what", ["Order Completed", "78"])
def test_what_was_cancelled_by_hand_stays_cancelled(house: House, what: str) -> None:
    """Also if a setting kept it from being sent then: it is not taken again when the setting is loosened."""
    house.configure(survey_recipients=["*@other.com"])
    house.take(order())
    assert surveyed(house) == []
    assert house.store.write(lambda tx: surveys.cancel_waiting(tx, what, None, house.now)) == 0
    house.configure()
    house.take(order())
    assert surveyed(house) == []
    assert house.surveys == {"7": "cancelled"}


def test_a_held_survey_is_found_by_its_row(house: House) -> None:
    """Its event's name and its time are corrected with its person: it is one event still, asked about once."""
    house.configure(campaigns=campaign(delay_hours=5), throttle_days=0.0001)
    row = order(customer=1, number=2, order_id=at(-0.5))
    house.take(row)
    changed = {"campaigns": {**campaign(delay_hours=5), **campaign("Order Paid", 79, delay_hours=5)}}
    streams = orders(event="Order Paid", fields={"user_id": "number", "timestamp": "order_id"})
    house.configure(**changed, streams=streams, throttle_days=0.0001)
    assert surveyed(house, 6) == []
    assert house.surveys == {"7": "waiting"}
    house.take(row)
    assert surveyed(house) == [BOB]
    house.take(row, order(8, number=1, order_id=at(-0.5)))
    assert surveyed(house) == [ANN]


def test_an_identify_does_not_release_a_held_survey(house: House) -> None:
    """Whom the wrong column named has a new address: no survey of somebody else's order goes there."""
    house.configure(campaigns=campaign(delay_hours=1))
    house.take(order(customer=3))
    house.configure(campaigns=campaign(delay_hours=1), streams=misread(user_id="number"))
    house.take(identify("3", "carl@example.com"))
    assert surveyed(house, 2) == []


def test_an_event_of_two_names_one_of_which_was_surveyed(house: House) -> None:
    """What waits by the other name is of somebody else, and stays so when the first name is there again."""
    house.configure(throttle_days=0.0001)
    row = order(customer=1, number=3)
    house.take(row)
    assert surveyed(house) == [ANN]
    of_seller = {**CONFIG["streams"]["orders"]["fields"], "user_id": "number"}
    paid = {"campaigns": campaign("Order Paid"), "streams": orders(event="Order Paid", fields=of_seller)}
    house.configure(**paid, throttle_days=0.0001)
    house.take(row)
    house.configure(streams=misread(user_id="number"), throttle_days=0.0001)
    house.take(row, identify("3", "carl@example.com"))
    house.take(row)
    assert surveyed(house) == []


@pytest.mark.parametrize("texts", [["b", "a"], ["a", "b"]])
def test_a_row_that_version_2_kept_is_deleted_by_its_key_of_several_columns(
    house: House, monkeypatch: pytest.MonkeyPatch, texts: list[str]
) -> None:
    """Version 2 took the columns as the tap listed them, and kept no key beside: its survey is cancelled too."""
    house.store.write(lambda tx: runs.set_fact(tx, "unsalted_messages", "true"))
    monkeypatch.setitem(KEYS, "orders", ["id"])
    house.take(order(json.dumps(texts)))  # type: ignore[arg-type] # a message id as version 2 made it
    unkeyed = schema.surveys.update().values(row_key=None)
    house.store.write(lambda tx: tx.execute(unkeyed))
    monkeypatch.setitem(KEYS, "orders", ["id", "order_id"])
    gone = {"id": "a", "order_id": "b", "_sdc_deleted_at": at(0)}
    assert house.take(("orders", gone)) == {"track": {"deleted": 1}, "surveys": {"cancelled": 1}}


@pytest.mark.parametrize("keys", ["[", '["x"', '["', "[1]"])
def test_a_key_that_looks_like_one_of_several_columns(house: House, keys: str) -> None:
    """It is one column's text."""
    house.store.write(lambda tx: runs.set_fact(tx, "unsalted_messages", "true"))
    assert house.take(("orders", {"id": keys, "_sdc_deleted_at": at(0)}))["track"] == {"deleted": 1}


@pytest.mark.parametrize("dropped", [True, False])
def test_a_survey_goes_out_when_what_took_its_persons_address_away_is_taken_back(
    house: House, *, dropped: bool
) -> None:
    """A table said that there is none; without the table a call's stands, though nobody is read again."""
    house.take(("members", {"id": 3, "email": None, "updated_at": at(-1)}), identify("3", "carl@example.com", -2))
    house.take(order(customer=3))
    assert surveyed(house) == []
    if dropped:
        house.store.write(lambda tx: setup.drop(tx, "members", house.now))
    else:
        house.configure(streams={**CONFIG["streams"], "members": {"type": "ignore"}})
    assert surveyed(house) == ["carl@example.com"]
