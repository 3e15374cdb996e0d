"""What track calls come to: outcomes, known events, ages, whom they are about, stored properties, cancelling."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.intake import setup
from target_promoter.people import stored_events
from target_promoter.surveys.claims import Claim
from tests.delivering import survey
from tests.house import CONFIG, DAY, HOUR, House, at, identify, track

if TYPE_CHECKING:
    from pathlib import Path

ANN = identify("1", "ann@example.com", -200)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return a house in which Ann is known."""
    house = House(tmp_path)
    house.take(ANN)
    house.synced()
    return house


def row(stream: str, message_id: str, hours: float = -1, **columns: object) -> tuple[str, dict[str, Any]]:
    """Return a row of a warehouse table of track calls."""
    event = {"event": "order_completed", "event_text": "Order Completed"}
    return f"shop-{stream}", {"id": message_id, "user_id": "1", **event, "timestamp": at(hours), **columns}


def test_queued(house: House) -> None:
    """A survey will be sent to a person who is known, for an event whose campaign has no delay."""
    assert house.take(track("Order Completed", "1", messageId="m")) == {"track": {"queued": 1}}
    assert house.surveys == {"m": "queued"}


@pytest.mark.parametrize("event", ["order_completed", "ORDER-COMPLETED", "Completed Order", "orderCompleted"])
def test_events_are_compared_as_people_write_them(house: House, event: str) -> None:
    """Case, spaces, hyphens and underscores do not matter; the older name is the same event."""
    house.take(track("Order Completed", "1", messageId="m"))
    assert house.take(track(event, "1", messageId="m")) == {"track": {"duplicate": 1}}


ORDER = ("orders", {"id": 1, "customer_id": 1, "ordered_at": at(-1), "total": 5})


def test_a_row_that_comes_again_is_read_anew_when_a_setting_that_concerns_it_changed(tmp_path: Path) -> None:
    """Else what it says of its person now would never be known."""
    house = House(tmp_path, stored_events=[])
    house.take(ANN, ORDER)
    house.configure(stored_events=["Order Completed"])
    assert house.take(ORDER) == {"track": {"duplicate": 1}}
    assert house.attributes("ann@example.com")["order_completed_total"] == "5"


def test_a_row_that_comes_again_after_its_stream_was_dropped_is_read_anew(house: House) -> None:
    """Its survey stays cancelled; what it says of its person is known again."""
    house.take(ORDER)
    house.store.write(lambda tx: setup.drop(tx, "orders", house.now))
    assert house.attributes("ann@example.com") == {}
    assert house.take(ORDER) == {"track": {"duplicate": 1}}
    assert house.attributes("ann@example.com")["order_completed_total"] == "5"
    assert house.surveys == {"1": "cancelled"}


@pytest.mark.parametrize("totals", [[7, 5], [5, 7], [5, 7, 5]])
def test_of_several_rows_of_an_event_in_a_batch_the_last_stands(house: House, totals: list[int]) -> None:
    """Also when one of them is what the store knows already."""
    house.take(ORDER)
    house.take(*(("orders", {**ORDER[1], "total": total}) for total in totals))
    assert survey(house, "1").properties == f'{{"total":{totals[-1]}}}'


def test_waiting_for_its_person(house: House) -> None:
    """The survey of somebody who is not identified yet goes out once it is, in the same batch or years later."""
    assert house.take(track("Order Completed", "2", messageId="m")) == {"track": {"waiting": 1}}
    assert house.take(identify("2", None, -1)) == {"identify": {"waiting": 1}}
    assert house.surveys == {"m": "waiting"}
    house.take(identify("2", "bob@example.com", -1))
    assert house.surveys == {"m": "queued"}
    both = (track("Order Completed", "3", messageId="n"), identify("3", "cleo@example.com"))
    assert house.take(*both) == {"identify": {"changed": 1}, "track": {"queued": 1}}


def test_waiting_for_its_day(house: House) -> None:
    """Due is the time of the event and the campaign's delay."""
    assert house.take(track("Ticket Closed", "1", -23)) == {"track": {"waiting": 1}}
    assert house.take(track("Ticket Closed", "1", -24.5)) == {"track": {"queued": 1}}


def test_stored_and_unmatched(house: House) -> None:
    """Without a campaign an event's properties are stored if so set, else it means nothing."""
    house.configure(stored_events=["Plan Changed"])
    outcome = house.take(track("Plan Changed", "1", plan="Team"), track("Product Viewed", "1", sku="G-32"))
    assert outcome == {"track": {"stored": 1, "unmatched": 1}}
    assert house.attributes("ann@example.com") == {
        "plan_changed_plan": "Team",
        "plan_changed_at": "2025-06-15T14:06:40Z",
    }
    assert house.surveys == {}


def test_known_for_ever_across_streams_and_runs(house: House) -> None:
    """The raw call, the row of `tracks` and the row of the event's own table are one event."""
    house.take(track("Order Completed", "1", messageId="m"))
    house.configure()
    for copy in (row("tracks", "m"), row("order_completed", "m"), track("Order Completed", "1", messageId="m")):
        assert house.take(copy) == {"track": {"duplicate": 1}}
        assert house.take(copy, copy) == {"track": {"duplicate": 2}}
    house.now += 400 * DAY
    assert house.take(row("tracks", "m", 400 * 24)) == {"track": {"duplicate": 1}}


def test_a_message_id_belongs_to_an_event(house: House) -> None:
    """Two events with one message id are two: plain tables number their rows alike."""
    assert house.take(
        track("Order Completed", "1", messageId="m"), track("Ticket Closed", "1", -30, messageId="m")
    ) == {"track": {"queued": 2}}


def test_an_event_twice_in_a_batch_is_one(house: House) -> None:
    """A tap that sends a row twice surveys nobody twice."""
    one = track("Order Completed", "1", messageId="m")
    assert house.take(one, one) == {"track": {"queued": 1, "duplicate": 1}}


def test_the_same_row_of_a_table_without_key_is_one(house: House) -> None:
    """A hash of the row stands for a message id, whatever columns the tap adds of its own."""
    streams = {"log": {"type": "track", "event": "Order Completed"}}
    house.configure(streams=streams)
    record = {"user_id": "1", "timestamp": at(-1), "total": 3, "_sdc_source_lineno": 4}
    assert house.take(("log", record)) == {"track": {"queued": 1}}
    assert house.take(("log", {**record, "_sdc_source_lineno": 9})) == {"track": {"duplicate": 1}}


@pytest.mark.parametrize("swapped", [False, True])
def test_a_duplicate_brings_the_properties_that_the_survey_lacks(house: House, *, swapped: bool) -> None:
    """The table `tracks` has none, the event's own table has them, and what it says last stands."""
    rows = [row("tracks", "m"), row("order_completed", "m", total=99.5, currency="EUR")]
    for one in rows[::-1] if swapped else rows:
        house.take(one)
    assert house.properties("m") == {"total": Decimal("99.5"), "currency": "EUR"}
    house.take(row("order_completed", "m", total=1))
    assert house.properties("m") == {"total": 1}
    assert house.attributes("ann@example.com")["order_completed_currency"] == "EUR"


def test_stale(house: House) -> None:
    """A survey that was due more than `max_event_age_hours` ago is none; the properties are stored all the same."""
    assert house.take(track("Order Completed", "1", -73, messageId="m", total=9)) == {"track": {"stale": 1}}
    assert house.take(track("Ticket Closed", "1", -95)) == {"track": {"queued": 1}}
    assert house.surveys.keys().isdisjoint({"m"})
    assert house.attributes("ann@example.com")["order_completed_total"] == "9"
    # It is not known: with another setting it is taken.
    house.configure(max_event_age_hours=100)
    assert house.take(track("Order Completed", "1", -73, messageId="m")) == {"track": {"queued": 1}}


@pytest.mark.parametrize(
    ("throttle_days", "hours", "outcome"), [(1, -22.9, "queued"), (1, -23.1, "stale"), (2, -46, "stale")]
)
def test_a_lost_store_is_harmless(tmp_path: Path, throttle_days: int, hours: float, outcome: str) -> None:
    """What was due before the store was made is sent only while Promoter's throttle would refuse a second survey."""
    house = House(tmp_path, created=0.0, throttle_days=throttle_days)
    house.take(ANN)
    assert house.take(track("Order Completed", "1", hours)) == {"track": {outcome: 1}}


def test_what_was_due_since_the_store_was_made_is_not_stale(tmp_path: Path) -> None:
    """The rule for lost stores ends where the store's memory begins."""
    house = House(tmp_path, created=48.0)
    house.take(ANN)
    assert house.take(track("Order Completed", "1", -47)) == {"track": {"queued": 1}}
    assert house.take(track("Order Completed", "1", -49)) == {"track": {"stale": 1}}


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (track("Order Completed", None), "rejected"),
        (track("Order Completed", "1", timestamp="soon"), "rejected"),
        (track("Order Completed", "1", timestamp=None), "rejected"),
        (track("Order Completed", "1", 24.1), "rejected"),
        (track("Order Completed", "1", 23.9), "waiting"),
        (track("", "1"), "rejected"),
    ],
)
def test_what_is_rejected(house: House, call: tuple[str, dict[str, Any]], outcome: str) -> None:
    """No user, no readable time, no event, or a time more than 24 hours ahead."""
    assert house.take(call) == {"track": {outcome: 1}}


def test_whom_an_event_is_about(house: House) -> None:
    """The person is found by user id; without one by anonymous id, then by the call's own address."""
    house.take(identify("2", "bob@example.com", -9, anonymousId="anon-2"))
    of_ann = {"traits": {"email": "Ann@example.com"}}
    assert house.take(
        track("Order Completed", None, anonymousId="anon-2", context=of_ann, messageId="bob", total=2)
    ) == {"track": {"queued": 1}}
    assert house.take(track("Order Completed", None, anonymousId="anon-9", context=of_ann)) == {"track": {"queued": 1}}
    assert house.take(track("Order Completed", None, context=of_ann)) == {"track": {"queued": 1}}
    assert house.attributes("bob@example.com")["order_completed_total"] == "2"


def test_a_user_id_that_is_not_known_never_falls_through_to_an_address(house: House) -> None:
    """The address in the call may be somebody else's."""
    call = track(
        "Order Completed", "9", anonymousId="anon-1", context={"traits": {"email": "ann@example.com"}}, total=9
    )
    assert house.take(call) == {"track": {"waiting": 1}}
    assert "order_completed_total" not in house.attributes("ann@example.com")


def test_an_email_among_the_properties_is_somebody_elses(house: House) -> None:
    """A gift's recipient did not order."""
    call = track("Order Completed", None, email="ann@example.com")
    assert house.take(call) == {"track": {"rejected": 1}}


def test_an_anonymous_id_stands_for_a_person_while_seen_with_one_user_id(house: House) -> None:
    """A shared computer's anonymous id is nobody's, from the second person on and for ever."""
    house.take(identify("1", anonymousId="shared"), identify("2", "bob@example.com", -9))
    assert house.take(track("Order Completed", None, anonymousId="shared", messageId="a")) == {"track": {"queued": 1}}
    house.take(track("Product Viewed", "2", anonymousId="shared"))
    again = track("Order Completed", None, -2, anonymousId="shared", messageId="b")
    assert house.take(again) == {"track": {"waiting": 1}}
    house.take(identify("1", anonymousId="shared"))
    assert house.surveys["b"] == "waiting"


def test_an_anonymous_event_before_its_person_is_known(house: House) -> None:
    """An identify or a track call that links the anonymous id sends the waiting survey on its way."""
    house.take(track("Order Completed", None, anonymousId="anon-1", messageId="a", total=5))
    house.take(track("Order Completed", None, anonymousId="anon-2", messageId="b"))
    assert house.surveys == {"a": "waiting", "b": "waiting"}
    house.take(track("Product Viewed", "1", anonymousId="anon-1"))
    assert house.surveys == {"a": "queued", "b": "waiting"}
    assert house.attributes("ann@example.com")["order_completed_total"] == "5"
    assert house.to_look_at == {"ann@example.com"}
    house.take(identify("2", "bob@example.com", anonymousId="anon-2"))
    assert house.surveys["b"] == "queued"


def test_an_event_by_address_waits_for_its_contact(house: House) -> None:
    """A guest's order is surveyed once somebody is identified by that address."""
    house.take(track("Order Completed", None, context={"traits": {"email": "bob@example.com"}}, messageId="m", total=5))
    assert house.surveys == {"m": "waiting"}
    house.take(identify("2", "bob@example.com"))
    assert house.surveys == {"m": "queued"}
    assert house.attributes("bob@example.com")["order_completed_total"] == "5"


def test_an_anonymous_id_that_stands_for_nobody_any_more_leaves_the_address(house: House) -> None:
    """A survey that waited for the wrong person goes to the call's own address."""
    house.take(identify("2", None, anonymousId="shared"))
    call = track(
        "Order Completed", None, anonymousId="shared", context={"traits": {"email": "ann@example.com"}}, messageId="m"
    )
    assert house.take(call) == {"track": {"waiting": 1}}
    house.take(identify("3", None, anonymousId="shared"))
    assert house.surveys == {"m": "queued"}


def test_stored_properties_follow_the_latest_event(house: House) -> None:
    """An older order does not overrule a newer one, and all of an order goes with it."""
    house.take(track("Order Completed", "1", -5, total=5, coupon="X"))
    house.take(track("Order Completed", "1", -1, total=1))
    house.take(track("Order Completed", "1", -3, total=3))
    assert house.attributes("ann@example.com") == {
        "order_completed_total": "1",
        "order_completed_at": "2025-06-15T14:06:40Z",
    }


def test_only_another_event_moves_the_time_of_the_last_one(house: House) -> None:
    """The same event that comes again at another time, of a tap that stamps its rows, costs no request."""
    house.take(identify("1", "ann@example.com"), track("Order Completed", "1", -5, messageId="a"))
    house.synced()
    before = house.attributes("ann@example.com")
    house.take(track("Order Completed", "1", -4, messageId="a"))
    assert house.to_look_at == set()
    assert house.attributes("ann@example.com") == before
    house.take(track("Order Completed", "1", -3, messageId="a"), track("Order Completed", "1", -3.5, messageId="b"))
    assert house.to_look_at == {"ann@example.com"}
    assert house.attributes("ann@example.com") != before


def test_what_somebody_did_goes_when_they_are_deleted(house: House) -> None:
    """It is their data; what they do after it is kept."""
    house.take(identify("1", "ann@example.com"), track("Order Completed", "1", -5, total=5))
    assert house.store.read(lambda tx: stored_events.of_user(tx, "1"))
    house.take(identify("1", _sdc_deleted_at=at(-2)))
    assert house.store.read(lambda tx: stored_events.of_user(tx, "1")) == {}
    house.take(identify("1", "ann@example.com", -1), track("Order Completed", "1", -0.5, total=7))
    assert house.attributes("ann@example.com")["order_completed_total"] == "7"


def test_stored_properties_are_kept_until_their_person_is_known(house: House) -> None:
    """The order comes before the customer, who may have no address at first."""
    house.take(track("Order Completed", "2", -1, total=7))
    house.take(identify("2", None, -9, vip=True))
    house.take(identify("2", "bob@example.com", -9))
    assert house.attributes("bob@example.com")["order_completed_total"] == "7"


def test_properties_said_by_address_follow_the_contact(house: House) -> None:
    """They belong to the address, whoever owns the contact, and go out with it."""
    guest = track("Order Completed", None, context={"traits": {"email": "ann@example.com"}}, total=8)
    house.take(guest)
    assert house.to_look_at == {"ann@example.com"}
    assert house.attributes("ann@example.com")["order_completed_total"] == "8"
    house.synced()
    house.take(guest)
    assert house.to_look_at == set()
    house.take(identify("2", "ann@example.com", -1))
    assert house.attributes("ann@example.com")["order_completed_total"] == "8"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_properties_of_a_shared_anonymous_id_are_nobodys(tmp_path: Path, order: tuple[int, ...]) -> None:
    """In whatever order it comes out that two people share it."""
    house = House(tmp_path)
    calls = [
        identify("1", "ann@example.com", anonymousId="shared"),
        identify("2", "bob@example.com", anonymousId="shared"),
        track("Order Completed", None, anonymousId="shared", total=5),
    ]
    for number in order:
        house.take(calls[number])
    assert (house.attributes("ann@example.com"), house.attributes("bob@example.com")) == ({}, {})


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("batches", [1, 3])
def test_cancel_on(tmp_path: Path, order: tuple[int, ...], batches: int) -> None:
    """A later event of the same person cancels the survey, in whatever order the three records come."""
    house = House(tmp_path)
    records = [
        track("Ticket Closed", "1", -4, messageId="m"),
        track("Ticket Reopened", "1", -2, messageId="r"),
        ANN,
    ]
    chosen = [records[number] for number in order]
    outcomes = [house.take(*batch) for batch in ([chosen] if batches == 1 else [[one] for one in chosen])]
    assert house.surveys == {"m": "cancelled"}
    assert sum(outcome.get("surveys", {}).get("cancelled", 0) for outcome in outcomes) == 1
    assert sum(outcome.get("track", {}).get("stored", 0) for outcome in outcomes) == 1


def test_what_does_not_cancel(house: House) -> None:
    """Neither an earlier event, nor one of somebody else, nor one that the campaign does not name."""
    house.take(track("Ticket Closed", "1", -4, messageId="m"))
    house.take(
        track("Ticket Reopened", "1", -5),
        track("Ticket Reopened", "2", -2),
        track("Order Completed", "1", -2, messageId="o"),
    )
    assert house.surveys == {"m": "waiting", "o": "queued"} | {"m": house.surveys["m"]}
    assert house.surveys["m"] != "cancelled"


def test_cancel_on_by_anonymous_id(house: House) -> None:
    """The person who reopens a ticket may not be signed in."""
    house.take(identify("1", anonymousId="anon-1"))
    house.take(track("Ticket Closed", "1", -4, messageId="m"))
    assert house.take(track("Ticket Reopened", None, -2, anonymousId="anon-1")) == {
        "track": {"stored": 1},
        "surveys": {"cancelled": 1},
    }


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("key_alone", [False, True])
def test_a_deleted_event(house: House, order: list[int], batches: int, *, key_alone: bool) -> None:
    """Its survey is cancelled, or never comes to be, also when the deletion brings nothing but the key."""
    whole = {"id": 4711, "customer_id": 1, "ordered_at": at(-1), "total": 5}
    gone = {"id": 4711, "_sdc_deleted_at": at(-0.5)} if key_alone else {**whole, "_sdc_deleted_at": at(-0.5)}
    records = [("orders", whole), ("orders", gone)]
    chosen = [records[number] for number in order]
    for batch in [chosen] if batches == 1 else [[one] for one in chosen]:
        house.take(*batch)
    assert house.surveys in ({"4711": "cancelled"}, {})
    assert house.summary.value("track", "deleted") == 1
    assert house.summary.value("track", "rejected") == 0
    assert house.take(("orders", whole)) == {"track": {"duplicate": 1}}


def test_a_deleted_row_of_an_event_table_needs_its_key_alone(house: House) -> None:
    """Without its event it is every event of that message id."""
    house.take(row("order_completed", "m"))
    gone = {"id": "m", "event": None, "event_text": None, "_sdc_deleted_at": at(0)}
    assert house.take(("shop-order_completed", gone)) == {"track": {"deleted": 1}, "surveys": {"cancelled": 1}}


def test_the_same_person_at_the_same_second_did_it_once(house: House) -> None:
    """An order whose key changes is the same order: in the batch, later, from another stream, a fraction later."""
    order = track("Order Completed", "1", -1, messageId="a")
    again = track("Order Completed", "1", -1, messageId="b")
    assert house.take(order, again) == {"track": {"queued": 1, "duplicate": 1}}
    assert house.take(again) == {"track": {"duplicate": 1}}
    assert house.take(("orders", {"id": 7, "customer_id": 1, "ordered_at": at(-1 + 0.0001)})) == {
        "track": {"duplicate": 1}
    }
    assert house.take(track("Order Completed", "1", -2), track("Order Completed", "2", -1)) == {
        "track": {"queued": 1, "waiting": 1}
    }
    assert list(house.surveys.values()).count("queued") == 2


def test_a_renamed_event_is_the_same(house: House) -> None:
    """The campaign and the person know it again, whether its survey waits or was sent."""
    settings = {"streams": {"orders": {**CONFIG["streams"]["orders"], "event": "Order Paid"}}}
    order = ("orders", {"id": 7, "customer_id": 1, "ordered_at": at(-1)})
    house.take(order)
    house.configure(campaigns={"Order Paid": 78}, **settings)
    assert house.take(order) == {"track": {"duplicate": 1}}
    assert (house.survey("7").event, house.survey("7").status) == ("Order Paid", "queued")
    house.turn(0)
    assert house.take(order) == {"track": {"duplicate": 1}}
    assert house.surveys == {"7": "claimed"}


def test_only_what_led_to_a_survey_is_known(house: House) -> None:
    """What was stale, stored, unmatched, blocked or rejected is as new when it comes again."""
    house.configure(campaigns={})
    order = track("Order Completed", "1", -1, messageId="m")
    house.take(order, track("Order Completed", "1", -1, messageId="b", integrations={"All": False}))
    house.configure()
    assert house.take(track("Order Completed", "1", -1, messageId="b"), order) == {
        "track": {"queued": 1, "duplicate": 1}
    }


def test_a_row_that_comes_again_sets_its_survey_anew_while_it_waits(house: House) -> None:
    """Its person, its time, its properties; the person of before is as if nothing had happened to him."""
    house.take(identify("2", "bob@example.com"))
    house.configure(campaigns={"Order Completed": {"id": 78, "delay_hours": 5}})
    house.take(("orders", {"id": 7, "customer_id": 2, "ordered_at": at(-1), "total": 5}))
    house.take(("orders", {"id": 7, "customer_id": 1, "ordered_at": at(-2), "total": 6}))
    survey = house.survey("7")
    assert (survey.user_id, survey.event_at, survey.due_at) == ("1", house.now - 2 * HOUR, house.now + 3 * HOUR)
    assert survey.all_properties == {"total": 6}
    assert house.take(track("Order Completed", "2", -1)) == {"track": {"waiting": 1}}
    assert house.take(track("Order Completed", "1", -2)) == {"track": {"duplicate": 1}}


def test_a_row_that_comes_again_may_have_its_survey_wait_for_another_person(house: House) -> None:
    """Of somebody who is not known yet."""
    house.take(("orders", {"id": 7, "customer_id": 1, "ordered_at": at(-1)}))
    house.take(("orders", {"id": 7, "customer_id": 9, "ordered_at": at(-1)}))
    assert house.surveys == {"7": "waiting"}
    house.take(identify("9", "nina@example.com"))
    assert house.surveys == {"7": "queued"}


def test_a_row_in_one_batch_twice_is_as_it_came_last(house: House) -> None:
    """A log of changes brings the order and its correction at once."""
    rows = [("orders", {"id": 7, "customer_id": one, "ordered_at": at(-1)}) for one in (2, 1)]
    assert house.take(*rows) == {"track": {"waiting": 1, "duplicate": 1}}
    assert house.survey("7").user_id == "1"


def test_a_survey_that_is_settled_stays_as_it_is(house: House) -> None:
    """Its row comes again with another person: nobody is asked for the same order twice."""
    house.take(("orders", {"id": 7, "customer_id": 1, "ordered_at": at(-1)}))
    house.turn(0)
    assert house.take(("orders", {"id": 7, "customer_id": 2, "ordered_at": at(-1)})) == {"track": {"duplicate": 1}}
    assert house.surveys == {"7": "claimed"}


KEYED: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "fields": {"user_id": "customer_id", "timestamp": "ordered_at"},
}


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("claimed", [False, True])
def test_a_deletion_by_key_alone_reaches_what_its_row_brought(
    house: House, order: list[int], batches: int, *, claimed: bool
) -> None:
    """Also where the message id is another column."""
    house.configure(streams={"orders": {**KEYED, "fields": {**KEYED["fields"], "message_id": "number"}}})
    whole = ("orders", {"id": 1, "number": "A-1", "customer_id": 1, "ordered_at": at(-1)})
    gone = ("orders", {"id": 1, "_sdc_deleted_at": at(-0.5)})
    chosen = [(whole, gone)[number] for number in order]
    for batch in [chosen] if batches == 1 else [[one] for one in chosen]:
        house.take(*batch)
        if claimed:
            house.turn(0)
    assert house.surveys in ({"A-1": "cancelled"}, {"A-1": "claimed"} if claimed else {}, {})
    assert house.summary.value("track", "deleted") == 1
    assert house.take(whole) == {"track": {"duplicate": 1}}
    if house.surveys == {"A-1": "claimed"}:
        assert not [one for one in house.turn(1).requests if isinstance(one, Claim)]
        assert house.survey("A-1").status == "uncertain"


REFUNDS = {"Order Completed": {"id": 78, "cancel_on": ["Order Refunded"], "delay_hours": 24}}
MATCHED = {
    "Order Completed": {
        "id": 78,
        "cancel_on": [{"event": "Order Refunded", "match": "order_id"}],
        "delay_hours": 24,
    }
}


@pytest.mark.parametrize(("hours", "cancels"), [(-1, True), (-0.9, True), (-1.1, False)])
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_what_is_not_earlier_cancels(house: House, order: list[int], hours: float, *, cancels: bool) -> None:
    """A refund booked at the order's own second counts."""
    house.configure(campaigns=REFUNDS)
    both = (track("Order Completed", "1", -1, messageId="m"), track("Order Refunded", "1", hours))
    for number in order:
        house.take(both[number])
    assert house.surveys == {"m": "cancelled" if cancels else "queued"}


@pytest.mark.parametrize("value", [600, "600", 600.0, " 600 "])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_a_refund_cancels_the_survey_of_its_own_order(house: House, order: list[int], value: object) -> None:
    """`match`: numbers and text are compared as text."""
    house.configure(campaigns=MATCHED)
    events = (
        track("Order Completed", "1", -2, messageId="other", order_id=11),
        track("Order Completed", "1", -1, messageId="same", order_id=600),
        track("Order Refunded", "1", -0.5, order_id=value),
    )
    for number in order:
        house.take(events[number])
    assert house.surveys == {"other": "queued", "same": "cancelled"}


def test_without_a_value_to_match_nothing_is_cancelled(house: House) -> None:
    """Neither side says which order it was."""
    house.configure(campaigns=MATCHED)
    house.take(track("Order Completed", "1", -1, messageId="m"), track("Order Refunded", "1", -0.5))
    assert house.surveys == {"m": "queued"}


def test_a_value_to_match_need_not_be_sent(house: House) -> None:
    """A column that `traits` does not name is compared all the same."""
    refunds = {**KEYED, "event": "Order Refunded"}
    house.configure(campaigns=MATCHED, streams={"orders": KEYED, "refunds": refunds}, stored_events=[])
    columns = {"customer_id": 1, "order_id": 600}
    house.take(("orders", {"id": 1, **columns, "ordered_at": at(-2)}))
    house.take(("orders", {"id": 2, **columns, "order_id": 11, "ordered_at": at(-3)}))
    house.take(("refunds", {"id": 3, **columns, "ordered_at": at(-1)}))
    assert house.surveys == {"1": "cancelled", "2": "queued"}
    assert house.properties("1") == {}


def test_what_only_cancels_counts_as_stored(house: House) -> None:
    """It is kept: the survey that it cancels may come later."""
    house.configure(campaigns=REFUNDS)
    assert house.take(track("Order Refunded", "1", -1)) == {"track": {"stored": 1}}


def test_a_plain_order_is_surveyed_with_the_columns_that_may_leave(house: House) -> None:
    """The rest of the row stays in the house."""
    order = {"id": 4711, "customer_id": 1.0, "ordered_at": at(-1), "total": 5, "card": "4111"}
    assert house.take(("orders", order)) == {"track": {"queued": 1}}
    assert house.properties("4711") == {"total": 5}


def test_every_track_call_has_one_outcome(house: House) -> None:
    """What was read is the sum of the rest."""
    house.take(
        track("Order Completed", "1"),
        track("Order Completed", "2"),
        track("Product Viewed", "1"),
        track("Order Completed", None),
        track("Order Completed", "1", -24 * 365),
        ("calls", {"type": "page", "userId": "1"}),
    )
    counts: dict[str, Any] = dict(house.summary.as_dict(house.now)["track"])  # type: ignore[call-overload]
    assert counts.pop("read") == sum(counts.values()) == 5
    assert house.summary.as_dict(house.now)["ignored"] == 1


def test_time_passes(house: House) -> None:
    """An event that is young in one run is stale in a later one."""
    call = track("Order Completed", "1", -1)
    house.now += 72 * HOUR
    assert house.take(call) == {"track": {"stale": 1}}
