"""When surveys leave: age, hours, delay, pause, sample and recipients, and settings that change while surveys wait."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from target_promoter.store import runs
from target_promoter.store.outcomes import SurveyStatus
from target_promoter.surveys import schedule, surveys
from target_promoter.surveys.claims import Claim
from target_promoter.surveys.known_events import KnownEvents
from tests.delivering import Process
from tests.house import DAY, HOUR, NOW, House, at, identify, track

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.delivery.turn import Turn

ANN = "ann@example.com"
BERLIN = {"from": "09:00", "to": "18:00", "days": ["mon", "tue", "wed", "thu", "fri"], "time_zone": "Europe/Berlin"}
SUNDAY = NOW
"""15 June 2025, 15:06:40 UTC; the hours of Berlin open at 07:00 UTC the day after."""
MONDAY_AT_NINE = SUNDAY + 15 * HOUR + 53 * 60 + 20


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return a house in which Ann is known."""
    house = House(tmp_path)
    house.take(identify("1", ANN, -500))
    house.synced()
    return house


def campaign(**settings: object) -> dict[str, Any]:
    """Return the setting for a campaign of orders."""
    return {"Order Completed": {"id": 78, **settings}}


def surveyed(turn: Turn) -> list[str]:
    """Return whom a turn surveys."""
    return [one.email for one in turn.requests if isinstance(one, Claim)]


def test_the_tests_know_their_day() -> None:
    """The hours of Berlin are closed when tests begin, and open sixteen hours later."""
    assert MONDAY_AT_NINE == 1_750_057_200.0


def test_none_that_is_too_old_is_claimed_however_many_there_are(house: House) -> None:
    """Two late ones in three, all of them the longest due: only what is in time leaves, the late all end in one run."""
    house.configure(max_event_age_hours=100)
    house.take(track("Order Completed", "1", -80, messageId="pattern"))
    pattern = house.survey("pattern")
    late = [
        msgspec.structs.replace(
            pattern,
            message=number.to_bytes(16),
            occurrence=(number + 50_000).to_bytes(16),
            message_id=f"late-{number}",
            user_id=f"nobody-{number}" if number % 2 else "1",
            status=SurveyStatus.WAITING if number % 2 else SurveyStatus.QUEUED,
        )
        for number in range(25_000)
    ]
    house.store.write(lambda tx: surveys.add(tx, late, house.now))
    house.configure()
    house.take(track("Order Completed", "1", -1, messageId="in time"))
    process = Process(house)
    first = process.turn(0)
    assert (surveyed(first), first.again) == ([ANN], True)
    expired = first.surveys["expired"]
    while (turn := process.turn(1, "accepted")).again:
        expired += turn.surveys["expired"]
        assert surveyed(turn) == []
    assert expired + turn.surveys["expired"] == 25_001
    assert [one for one, status in house.surveys.items() if status == "sent"] == ["in time"]


@pytest.mark.parametrize("throttle_days", [0.5, 1, 30])
@pytest.mark.parametrize(("hours", "sends"), [(0, True), (10, False)])
def test_what_was_due_before_the_store_was_made_ends_a_day_later(
    tmp_path: Path, hours: float, throttle_days: float, *, sends: bool
) -> None:
    """It may have been sent by a store that was lost: it leaves only while Promoter would refuse a second survey."""
    house = House(tmp_path, created=0, throttle_days=throttle_days)
    house.take(identify("1", ANN, -500), track("Order Completed", "1", -22, messageId="m"))
    assert surveyed(house.turn(hours)) == ([ANN] if sends else [])
    assert house.surveys["m"] == ("claimed" if sends else "expired")


def test_hours_do_not_make_what_a_lost_store_may_have_sent_young_again(tmp_path: Path) -> None:
    """Due on Friday, before the store was made on Sunday: on Monday Promoter's own throttle is over."""
    house = House(tmp_path, created=0, survey_hours={**BERLIN, "days": ["sun", "mon"], "from": "16:00"})
    house.take(identify("1", ANN, -500), track("Order Completed", "1", -0.5, messageId="m"))
    house.configure(survey_hours=BERLIN)
    assert surveyed(house.turn(0)) == []
    assert surveyed(house.turn(42)) == []
    assert house.surveys["m"] == "expired"


def test_surveys_wait_for_their_hours_and_their_age_counts_from_there(house: House) -> None:
    """Due on Sunday, it leaves on Monday at nine; what was due all weekend is as young as what was due then."""
    house.configure(survey_hours=BERLIN, max_event_age_hours=1)
    assert house.take(track("Order Completed", "1", -40, messageId="m")) == {"track": {"waiting": 1}}
    assert house.survey("m").due_at == MONDAY_AT_NINE
    assert surveyed(house.turn(0)) == []
    assert house.store.read(lambda tx: schedule.count_open(tx, house.settings, house.now)) == (0, 1)
    assert surveyed(house.turn(15.9)) == [ANN]


CLOCKS: list[tuple[str, str, str, str, str]] = [
    # On 30 March 2025 the clock of Berlin goes from 02:00 to 03:00, on 26 October from 03:00 back to 02:00.
    ("09:00", "18:00", "Europe/Berlin", "2025-03-29T19:00:00Z", "2025-03-30T07:00:00Z"),
    ("09:00", "18:00", "Europe/Berlin", "2025-10-25T19:00:00Z", "2025-10-26T08:00:00Z"),
    ("22:00", "02:00", "Europe/Berlin", "2025-03-30T00:30:00Z", "2025-03-30T00:30:00Z"),
    ("22:00", "02:00", "Europe/Berlin", "2025-03-30T01:00:00Z", "2025-03-30T20:00:00Z"),
    ("22:00", "02:30", "Europe/Berlin", "2025-10-26T00:45:00Z", "2025-10-26T01:00:00Z"),
    # On 9 March 2025 the clock of New York goes from 02:00 to 03:00.
    ("09:00", "17:00", "America/New_York", "2025-03-08T23:00:00Z", "2025-03-09T13:00:00Z"),
    ("09:00", "17:00", "Asia/Kolkata", "2025-06-15T02:00:00Z", "2025-06-15T03:30:00Z"),
    ("09:00", "17:00", "Pacific/Auckland", "2025-06-15T06:00:00Z", "2025-06-15T21:00:00Z"),
]


@pytest.mark.parametrize(("begins", "ends", "zone", "happened", "due"), CLOCKS)
def test_hours_are_those_of_the_clock_of_the_place(
    tmp_path: Path, begins: str, ends: str, zone: str, happened: str, due: str
) -> None:
    """On the days on which it is changed too: none is sent a second before, and at the opening it is."""
    time, opening = (datetime.fromisoformat(one).timestamp() for one in (happened, due))
    house = House(tmp_path, survey_hours={"from": begins, "to": ends, "time_zone": zone}, max_event_age_hours=0.1)
    house.now = time
    house.take(identify("1", ANN, -500))
    house.synced()
    house.take(track("Order Completed", "1", (time - NOW) / HOUR, messageId="m"))
    assert house.survey("m").due_at == opening
    if opening > time:
        assert surveyed(house.turn((opening - time - 1) / HOUR)) == []
    assert surveyed(house.turn((opening - time) / HOUR)) == [ANN]


def test_a_backlog_goes_on_in_the_next_hours(house: House) -> None:
    """What the hours did not last for is due when they open again, and does not grow too old meanwhile."""
    house.configure(max_event_age_hours=5)
    house.take(track("Order Completed", "1", -4, messageId="m"))
    house.configure(survey_hours=BERLIN, max_event_age_hours=5)
    house.turn(0)
    assert house.survey("m").due_at == MONDAY_AT_NINE
    assert surveyed(house.turn(15.9)) == [ANN]


def test_a_backlog_goes_on_though_nobody_looked_when_the_hours_ended(tmp_path: Path) -> None:
    """The run of Friday was killed before six, and the next one is on Monday, or on Sunday and then on Monday."""
    for number, looks in enumerate(((0.0,), (-30.0, 0.0))):
        house = House(f"sqlite:///{tmp_path / str(number)}.db", survey_hours=BERLIN, max_event_age_hours=2)
        house.take(identify("1", ANN, -500))
        house.synced()
        monday = MONDAY_AT_NINE + 60
        friday = monday - 2.7 * 24 * HOUR  # At 16:13.
        house.now = friday
        house.take(track("Order Completed", "1", (friday - 600 - NOW) / HOUR, messageId="m"))
        assert house.survey("m").due_at == friday - 600
        sent = [surveyed(house.turn((monday - friday) / HOUR + hours)) for hours in looks]
        assert sent == [*[[]] * (len(looks) - 1), [ANN]]
        house.store.close()


def test_what_is_too_old_does_not_wait_for_hours(house: House) -> None:
    """It was so when the hours ended, and is not moved, night for night."""
    house.take(track("Order Completed", "1", -71.5, messageId="m"))
    house.configure(survey_hours={**BERLIN, "days": [*BERLIN["days"], "sat", "sun"]})
    house.turn(3)
    assert house.surveys["m"] == "expired"


@pytest.mark.parametrize(("hours", "due"), [(48, 47), (3, 2), (1, 0), (0.5, 0)])
def test_another_delay_moves_what_waits_but_never_into_the_past(house: House, hours: float, due: float) -> None:
    """What would have been due already is due now."""
    house.configure(campaigns=campaign(delay_hours=24))
    house.take(track("Order Completed", "1", -1, messageId="m"))
    house.configure(campaigns=campaign(delay_hours=hours))
    assert house.survey("m").due_at == NOW + due * HOUR


def test_a_longer_delay_puts_off_what_is_due(house: House) -> None:
    """The order of an hour ago waits two days instead of being sent."""
    house.take(track("Order Completed", "1", -1, messageId="m"))
    house.configure(campaigns=campaign(delay_hours=48))
    assert surveyed(house.turn(0)) == []
    assert surveyed(house.turn(47.1)) == [ANN]


def test_hours_that_are_lifted_let_go_what_waits(house: House) -> None:
    """What would have waited for Monday leaves now."""
    house.configure(survey_hours=BERLIN)
    house.take(track("Order Completed", "1", -1, messageId="m"))
    house.configure()
    assert surveyed(house.turn(0)) == [ANN]


def test_a_paused_campaign_takes_surveys_and_sends_none(house: House) -> None:
    """Neither what waits nor what comes; nothing grows too old in the pause, and the age counts from its end."""
    house.take(track("Order Completed", "1", -70, messageId="before"))
    house.configure(campaigns=campaign(paused=True))
    assert house.take(track("Order Completed", "1", -1, messageId="in it")) == {"track": {"waiting": 1}}
    assert surveyed(house.turn(240)) == []
    assert set(house.surveys.values()) == {"queued"}
    house.now += 10 * DAY
    house.configure(campaigns=campaign())
    assert surveyed(house.turn(71)) == [ANN]


def test_a_pause_makes_nothing_young_again(house: House) -> None:
    """What was too old when it began stays so."""
    house.take(track("Order Completed", "1", -1, messageId="m"))
    house.now += 4 * DAY
    house.configure(campaigns=campaign(paused=True))
    house.configure(campaigns=campaign())
    assert surveyed(house.turn(0)) == []
    assert house.surveys["m"] == "expired"


def test_a_sample_is_the_same_in_every_store(tmp_path: Path) -> None:
    """About a quarter of the orders, the same ones with a new store, and of more percent more."""
    drawn = {percent: set(_sampled(tmp_path, percent, again)) for percent in (25, 60) for again in (1, 2)}
    assert 10 < len(drawn[25]) < 40
    assert drawn[25] < drawn[60]
    assert set(_sampled(tmp_path, 25, 3)) == drawn[25]


def _sampled(folder: Path, percent: float, again: int) -> list[str]:
    store = folder / f"{percent}-{again}"
    store.mkdir()
    house = House(store, campaigns=campaign(sample_percent=percent), max_surveys_per_run=1000)
    house.take(*(identify(str(one), f"{one}@example.com") for one in range(1, 101)))
    house.take(*(track("Order Completed", str(one), messageId=f"m{one}") for one in range(1, 101)))
    process = Process(house)
    found = [one.email for seconds in range(20) for one in process.turn(seconds, "accepted").requests]
    withheld = [one for one, status in house.surveys.items() if status == "withheld"]
    sent = [one for one, status in house.surveys.items() if status != "withheld"]
    assert found
    assert len(withheld) + len(sent) == 100
    return sent


TAKEN_AGAIN: list[tuple[dict[str, Any], str, float]] = [
    ({"survey_recipients": ["*@our-company.com"]}, "withheld", 0),
    ({"max_event_age_hours": 2}, "expired", 4),
    ({"campaigns": campaign(sample_percent=0.000001)}, "withheld", 0),
]


@pytest.mark.parametrize(("wrong", "status", "hours"), TAKEN_AGAIN)
def test_what_a_wrong_setting_kept_back_is_taken_again(
    house: House, wrong: dict[str, Any], status: str, hours: float
) -> None:
    """When its row comes again and the rule lets it through; not while the setting is as it was, nor too late."""
    order = track("Order Completed", "1", -1, messageId="m")
    house.configure(**wrong)
    house.take(order)
    house.turn(hours)
    assert house.surveys == {"m": status}
    house.now += hours * HOUR
    assert house.take(order) == {"track": {"duplicate": 1}}
    house.configure()
    assert house.take(order) == {"track": {"queued": 1}}
    assert surveyed(house.turn(0)) == [ANN]
    assert house.take(order) == {"track": {"duplicate": 1}}


def test_what_was_kept_back_is_not_taken_again_too_late(house: House) -> None:
    """Three days later nobody wants to be asked any more."""
    order = track("Order Completed", "1", -1, messageId="m")
    house.configure(survey_recipients=["*@our-company.com"])
    house.take(order)
    house.turn(0)
    house.now += 3 * DAY
    house.configure()
    assert house.take(order) == {"track": {"duplicate": 1}}


def test_a_throttle_that_was_too_long_is_not_final_and_time_alone_does_not_lift_it(house: House) -> None:
    """A second order within the day is not surveyed a day later because its row comes again; one of two days ago is."""
    house.configure(throttle_days=30)
    house.take(track("Order Completed", "1", -40, messageId="first"))
    process = Process(house)
    process.turn(0)
    process.turn(1, "accepted")
    house.now += 1.5 * DAY
    second = track("Order Completed", "1", 35, messageId="second")
    house.take(second)
    house.turn(0)
    assert house.surveys["second"] == "throttled"
    assert house.take(second) == {"track": {"duplicate": 1}}
    house.configure(throttle_days=2)
    house.now += DAY
    assert house.take(second) == {"track": {"duplicate": 1}}
    house.configure(throttle_days=1)
    assert house.take(second) == {"track": {"queued": 1}}


REASONS: list[tuple[dict[str, Any], str]] = [
    ({"campaigns": {}}, "its event has no campaign any more"),
    ({"campaigns": campaign(paused=True)}, "its campaign is paused"),
    ({"campaigns": {"Order Completed": 79}}, "its event has another campaign now"),
    ({"survey_recipients": ["*@our-company.com"]}, "its address is not among survey_recipients"),
    ({"campaigns": campaign(sample_percent=0.000001)}, "not in the sample of 1e-06%"),
    ({"survey_hours": BERLIN}, "the survey_hours are over"),
]


@pytest.mark.parametrize(("settings", "reason"), REASONS)
def test_a_claim_without_an_answer_is_sent_again_only_if_it_would_be_sent_now(
    house: House, settings: dict[str, Any], reason: str
) -> None:
    """The brake holds: whoever corrects the config after a crash e-mails nobody more."""
    house.take(track("Order Completed", "1", -1, messageId="m"))
    process = Process(house)
    process.turn(0)
    process.turn(1, "unanswered")
    house.configure(**settings)
    turn = Process(house).turn(100)
    assert (surveyed(turn), turn.surveys["uncertain"]) == ([], 1)
    assert house.survey("m").reason == f"{reason}, and its request got no answer"


def test_a_claim_that_is_cancelled_meanwhile_is_not_sent_again(house: House) -> None:
    """A refund after the first request without an answer."""
    house.configure(campaigns=campaign(cancel_on=["Order Refunded"]))
    house.take(track("Order Completed", "1", -1, messageId="m"))
    process = Process(house)
    process.turn(0)
    process.turn(1, "unanswered")
    house.take(track("Order Refunded", "1", 0))
    assert surveyed(Process(house).turn(100)) == []
    assert house.survey("m").reason == "cancelled by the event Order Refunded, and its request got no answer"


def test_a_claim_with_a_property_that_is_withdrawn_meanwhile_is_not_sent_again(house: House) -> None:
    """Its request would say it once more."""
    house.take(track("Order Completed", "1", -1, messageId="m", total=5, diagnosis="flu"))
    process = Process(house)
    process.turn(0)
    process.turn(1, "unanswered")
    assert house.store.write(lambda tx: surveys.restrict(tx, "calls", frozenset({"total"}))) == 1
    assert surveyed(Process(house).turn(100)) == []
    assert house.survey("m").reason == "a property in it may not be sent any more, and its request got no answer"


def test_each_config_sends_and_expires_its_own_campaigns_alone(house: House) -> None:
    """Two loaders share a store: neither touches what the other's campaigns wait for, and each says what it leaves."""
    house.take(track("Order Completed", "1", -1, messageId="m"))
    house.configure(campaigns={"Ticket Closed": 91})
    assert surveyed(house.turn(0)) == []
    house.turn(500)
    assert house.surveys == {"m": "queued"}
    left = house.store.read(lambda tx: schedule.without_campaign(tx, house.settings))
    assert left == {"Order Completed": 1}
    assert house.store.read(lambda tx: schedule.count_open(tx, house.settings, house.now)) == (0, 1)
    house.configure()
    assert house.store.read(lambda tx: schedule.without_campaign(tx, house.settings)) == {}
    assert surveyed(house.turn(0)) == [ANN]


def test_a_survey_goes_to_the_campaign_of_now(house: House) -> None:
    """The id of the config when the request is made."""
    house.take(track("Order Completed", "1", -1, messageId="m"))
    house.configure(campaigns={"Order Completed": 79})
    assert house.survey("m").campaign_id == 79
    claim = house.turn(0).requests[0]
    assert isinstance(claim, Claim)
    assert '"campaign_id":79' in claim.request


def test_properties_that_may_not_be_sent_any_more_are_taken_off(house: House) -> None:
    """From the surveys that their stream brought, and from what it added to those of other streams."""
    house.take(track("Order Completed", "1", -1, messageId="m", total=5, diagnosis="flu"))
    event = {"id": "m", "user_id": "1", "event": "order_completed", "event_text": "Order Completed"}
    house.take(("shop-order_completed", {**event, "timestamp": at(-1), "total": 7, "currency": "EUR"}))
    assert house.properties("m") == {"total": 5, "diagnosis": "flu", "currency": "EUR"}
    assert house.store.write(lambda tx: surveys.restrict(tx, "calls", None)) == 0
    assert house.store.write(lambda tx: surveys.restrict(tx, "calls", frozenset({"total"}))) == 1
    assert house.properties("m") == {"total": 5, "currency": "EUR"}
    assert house.store.write(lambda tx: surveys.restrict(tx, "shop-order_completed", frozenset())) == 1
    assert house.properties("m") == {"total": 5}


def test_a_stream_that_is_dropped_takes_its_surveys_along(house: House) -> None:
    """What it brought is cancelled, and does not come back; what others brought stays, without what it added."""
    house.take(track("Order Completed", "1", -1, messageId="m"))
    house.take(("orders", {"id": 5, "customer_id": 1, "ordered_at": house.now - 2 * HOUR, "total": 3}))
    assert house.store.write(lambda tx: surveys.drop(tx, "orders", house.now)) == 1
    assert house.surveys == {"m": "queued", "5": "cancelled"}


@pytest.mark.parametrize(("what", "number"), [("order completed", 2), ("78", 2), ("91", 0), ("Ticket Closed", 0)])
def test_surveys_are_called_off_by_event_or_campaign(house: House, what: str, number: int) -> None:
    """All that wait, and of one person if so asked; a request at work is not sent again."""
    house.take(identify("2", "bob@example.com"))
    house.take(track("Order Completed", "1", -1), track("Order Completed", "2", -1), track("Order Completed", "3"))
    process = Process(house)
    assert len(surveyed(process.turn(0))) == 2
    house.take(track("Order Completed", "1", -2))
    mine = surveys.of_person({"1"}, (), ())
    one = house.store.write(lambda tx: surveys.cancel_waiting(tx, what, mine, house.now))
    others = house.store.write(lambda tx: surveys.cancel_waiting(tx, what, None, house.now))
    assert one + others == number
    process.turn(1, "rate_limited", room=0, retry_after=0.0)
    assert sum(status == "cancelled" for status in house.surveys.values()) == (4 if number else 0)


def test_why_nobody_was_surveyed_can_be_asked(house: House) -> None:
    """Of each person and campaign the latest event that led to nothing, with the rule that kept it."""
    house.configure(campaigns=campaign(), survey_recipients=["*@our-company.com"])

    def told() -> list[tuple[str, str]]:
        found = house.store.read(lambda tx: surveys.not_surveyed_of(tx, ["u:1"]))
        return [(one.event, one.reason) for one in found]

    house.take(track("Order Completed", "1", -400), track("Order Completed", "1", -90))
    assert told() == [("Order Completed", "it was due more than 72 hours ago (max_event_age_hours)")]
    house.take(track("Order Completed", "1", -80, integrations={"All": False}))
    assert told() == [("Order Completed", "its call says not to send it to Promoter.io (integrations)")]
    house.take(track("Order Completed", "1", -1))
    house.turn(0)
    assert told() == [("Order Completed", "its address is not among survey_recipients")]
    house.take(track("Order Completed", "1", -100))
    assert told() == [("Order Completed", "its address is not among survey_recipients")]


def test_what_a_lost_store_may_have_surveyed_says_so(tmp_path: Path) -> None:
    """The rule that kept it is told by name."""
    house = House(tmp_path, created=10)
    house.take(track("Order Completed", "1", -30))
    found = house.store.read(lambda tx: surveys.not_surveyed_of(tx, ["u:1"]))
    assert [one.reason for one in found] == ["it was due before the store was created, and more than 23 hours ago"]


def test_a_store_knows_its_events_by_salted_hashes(house: House) -> None:
    """The message id of an order may be an address, which a hash without salt would give away."""
    house.store.write(lambda tx: runs.set_fact(tx, "salt", "00" * 16))
    first = house.store.read(lambda tx: KnownEvents(tx).message("ordercompleted", "m"))
    house.store.write(lambda tx: runs.set_fact(tx, "salt", "11" * 16))
    assert house.store.read(lambda tx: KnownEvents(tx).message("ordercompleted", "m")) != first
