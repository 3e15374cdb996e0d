"""What becomes of a survey: claimed once, sent again only when that is safe, settled once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, update

from target_promoter.contacts import contacts
from target_promoter.contacts.delivery import ContactRequest
from target_promoter.intake.forgetting import forget
from target_promoter.intake.identifiers import identifiers_of
from target_promoter.store import schema
from target_promoter.surveys.claims import Claim
from tests.delivering import Process, contact, survey
from tests.house import HOUR, House, at, identify, track

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.promoter.answers import Outcome

ANN = "ann@example.com"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return a house where Ann ordered."""
    house = House(tmp_path)
    house.take(identify("1", ANN), track("Order Completed", "1", messageId="m"))
    return house


@pytest.fixture
def process(house: House) -> Process:
    """Return a process that has claimed Ann's survey."""
    process = Process(house)
    assert [one.email for one in process.turn(0).requests] == [ANN]
    return process


def test_without_an_answer_the_very_same_request_leaves_after_a_minute(house: House, process: Process) -> None:
    """Nobody repeats it at 59 seconds; at 61 another process sends it word for word."""
    first = process.last
    process.turn(1, "unanswered")
    other = Process(house)
    assert other.turn(60).requests == []
    assert process.turn(60).requests == []
    second = other.turn(62).requests
    assert [one.request for one in second] == [one.request for one in first]  # type: ignore[union-attr] # claims
    assert process.turn(62).requests == []


def test_what_a_dead_process_claimed_is_settled_by_another(house: House, process: Process) -> None:
    """Its request may have left 15 seconds after its time and be at work for 60 more: not before that, but then."""
    other = Process(house)
    assert other.turn(74).requests == []
    assert [one.request for one in other.turn(76).requests] == [one.request for one in process.last]  # type: ignore[union-attr] # claims
    other.turn(77, "not_eligible")
    assert survey(house, "m").status == "presumed"


@pytest.mark.parametrize(
    ("outcome", "first", "repeated"),
    [
        ("accepted", "sent", "sent"),
        ("not_eligible", "throttled", "presumed"),
        ("refused", "refused", "refused"),
        ("unknown_campaign", "queued", "uncertain"),
        ("rate_limited", "queued", "claimed"),
        ("unavailable", "queued", "claimed"),
        ("unreached", "queued", "claimed"),
        ("unanswered", "claimed", "claimed"),
    ],
)
def test_what_an_answer_makes_of_a_survey(
    outcome: Outcome, first: str, repeated: str, house: House, process: Process
) -> None:
    """The same answer means another thing once an earlier request may have been carried out."""
    process.turn(1, outcome, room=0, retry_after=0.0)
    assert survey(house, "m").status == first
    house.take(identify("2", "bob@example.com"), track("Order Completed", "2", messageId="n"))
    other = Process(house)
    bobs = [one for one in other.turn(2).requests if one.email == "bob@example.com"]
    other.last = list(bobs)
    other.turn(3, "unanswered", room=0)
    other.last = [one for one in other.turn(64).requests if one.email == "bob@example.com"]
    assert len(other.last) == 1
    other.turn(65, outcome, room=0, retry_after=0.0)
    assert survey(house, "n").status == repeated


@pytest.mark.parametrize(("hours", "sent_again"), [(11, True), (13, False)])
def test_a_claim_is_sent_again_for_twelve_hours(hours: float, sent_again: bool, house: House, process: Process) -> None:  # noqa: FBT001 - a case
    """Later the account's own throttle might not refuse a second e-mail in time: it is uncertain, final, and shown."""
    process.turn(1, "unanswered")
    turn = Process(house).turn(hours * HOUR)
    assert bool([one for one in turn.requests if isinstance(one, Claim)]) is sent_again
    assert survey(house, "m").status == ("claimed" if sent_again else "uncertain")
    assert turn.surveys["uncertain"] == (not sent_again)


@pytest.mark.parametrize("outcome", ["refused", "unknown_campaign", "not_eligible"])
def test_who_may_have_been_surveyed_is_throttled(outcome: Outcome, house: House, process: Process) -> None:
    """Whatever the second request is answered, the first may have e-mailed Ann: her next order asks for no survey."""
    process.turn(1, "unanswered")
    process.turn(62)
    process.turn(63, outcome)
    house.take(track("Order Completed", "1", hours=-0.5, messageId="second"))
    turn = Process(house).turn(64)
    assert not [one for one in turn.requests if isinstance(one, Claim)]
    assert survey(house, "second").status == "throttled"


def test_the_throttle_counts_from_the_last_request(house: House, process: Process) -> None:
    """A claim that stays without an answer for twelve hours may have e-mailed Ann at their end."""
    process.turn(1, "unanswered")
    house.now += 13 * HOUR
    Process(house).turn(0)
    house.now += 22 * HOUR
    house.take(track("Order Completed", "1", hours=34, messageId="second"))
    assert not [one for one in Process(house).turn(0).requests if isinstance(one, Claim)]
    assert survey(house, "second").status == "throttled"


def test_an_address_that_changes_meanwhile(house: House, process: Process) -> None:
    """The repeated request still names the old address, and the new one gets no survey of its own."""
    process.turn(1, "unanswered")
    house.take(identify("1", "new@example.com", hours=0), track("Order Completed", "1", hours=-0.5, messageId="second"))
    other = Process(house)
    claims = [one for one in other.turn(62).requests if isinstance(one, Claim)]
    assert [one.email for one in claims] == [ANN]
    assert json.loads(claims[0].request)["contact"]["email"] == ANN
    assert survey(house, "second").status == "queued"
    other.last = list(claims)
    other.turn(63, "accepted")
    assert survey(house, "m").status == "sent"
    assert survey(house, "second").status == "throttled"


def test_one_open_claim_a_contact(house: House, process: Process) -> None:
    """While Ann's first survey is on its way no other process claims her second."""
    house.take(track("Order Completed", "1", hours=-0.5, messageId="second"))
    other = Process(house)
    assert other.turn(1).requests == []
    assert survey(house, "second").status == "queued"
    process.turn(2, "rate_limited", retry_after=0.0)
    assert len([one for one in (*other.turn(4).requests, *process.turn(4).requests) if isinstance(one, Claim)]) <= 1


def test_an_answer_that_comes_too_late_changes_nothing(house: House, process: Process) -> None:
    """Once another process holds the claim, only its answer counts."""
    other = Process(house)
    other.turn(76)
    process.turn(77, "refused")
    assert survey(house, "m").status == "claimed"
    other.turn(78, "accepted")
    assert survey(house, "m").status == "sent"
    assert process.turn(79, "refused").surveys["refused"] == 0


@pytest.mark.parametrize("outcome", ["unreached", "rate_limited", "not_eligible"])
def test_a_process_that_stood_still_mistakes_no_answer(outcome: Outcome, house: House, process: Process) -> None:
    """It lost its claim to itself: what comes of its first request says nothing of the second, which is on its way."""
    first = list(process.last)
    second = process.turn(80).requests
    assert [one.id for one in second] == [one.id for one in first]  # type: ignore[union-attr] # claims
    process.last = first
    process.turn(81, outcome, room=0, retry_after=0.0)
    assert survey(house, "m").status == "claimed"
    process.last = second
    process.turn(82, "not_eligible")
    assert survey(house, "m").status == "presumed"


def test_what_was_not_sent_is_given_back(house: House, process: Process) -> None:
    """A stopped process leaves nothing claimed that surely never left; the next one sends it at once."""
    process.give_back(1)
    assert survey(house, "m").status == "queued"
    assert len(Process(house).turn(2).requests) == 1


def test_a_repeat_that_was_not_sent_stays_claimed(house: House, process: Process) -> None:
    """Its first request may have been carried out, so it is never taken for a new survey."""
    process.turn(1, "unanswered")
    process.turn(62)
    process.give_back(63)
    assert survey(house, "m").status == "claimed"
    other = Process(house)
    assert len(other.turn(64).requests) == 1
    other.turn(65, "not_eligible")
    assert survey(house, "m").status == "presumed"


def test_one_that_is_never_taken_lets_others_go_first(tmp_path: Path) -> None:
    """A survey answered with 503 waits a moment, though it is the longest due."""
    house = House(tmp_path)
    house.take(identify("1", ANN), identify("2", "bob@example.com"))
    house.take(track("Order Completed", "1", hours=-2), track("Order Completed", "2", hours=-1))
    process = Process(house)
    assert [one.email for one in process.turn(0, room=1).requests] == [ANN]
    assert [one.email for one in process.turn(0.5, "unavailable", room=1).requests] == ["bob@example.com"]
    process.last = []
    assert [one.email for one in process.turn(2, room=1).requests] == [ANN]


def test_max_surveys_per_run_counts_what_may_have_been_sent(tmp_path: Path) -> None:
    """A survey without an answer counts against max_surveys_per_run; one that was surely not carried out does not."""
    house = House(tmp_path, max_surveys_per_run=1)
    house.take(identify("1", ANN), identify("2", "bob@example.com"))
    house.take(track("Order Completed", "1", hours=-2), track("Order Completed", "2", hours=-1))
    house.synced()
    process = Process(house)
    assert [one.email for one in process.turn(0).requests] == [ANN]
    assert [one.email for one in process.turn(1, "rate_limited", retry_after=0.0).requests] == [ANN]
    assert process.turn(2, "unanswered").requests == []
    assert process.turns.is_stopped_by_max_surveys
    assert [one.email for one in process.turn(63).requests] == [ANN]
    turn = process.turn(64, "not_eligible")
    assert (turn.requests, turn.next_at) == ([], None)
    assert process.turns.is_stopped_by_max_surveys
    assert [one.email for one in Process(house).turn(65).requests] == ["bob@example.com"]


@pytest.mark.parametrize("gone", ["person", "event"])
@pytest.mark.parametrize(
    ("outcome", "status"),
    [("accepted", "sent"), ("rate_limited", "cancelled"), ("unavailable", "cancelled"), ("unanswered", "uncertain")],
)
def test_what_is_deleted_on_its_way_is_not_sent_again(
    gone: str, outcome: Outcome, status: str, house: House, process: Process
) -> None:
    """A deletion cannot call a request back, but nothing leaves after it."""
    if gone == "person":
        house.take(identify("1", ANN, _sdc_deleted_at=at(0)))
    else:
        house.take(track("Order Completed", "1", messageId="m", _sdc_deleted_at=at(0)))
    process.turn(1, outcome, room=0, retry_after=0.0)
    turn = Process(house).turn(100)
    assert not [one for one in turn.requests if isinstance(one, Claim)]
    assert survey(house, "m").status == status


def test_a_survey_brings_its_contact_along(house: House, process: Process) -> None:
    """The contact needs no request of its own, and gets none while the survey is on its way."""
    assert Process(house).turn(1).requests == []
    turn = process.turn(2, "accepted")
    assert turn.contacts["synced"] == 1
    assert (turn.requests, turn.next_at) == ([], None)
    assert contact(house, ANN).status == "synced"


def test_a_contact_that_changed_while_its_survey_was_on_its_way_is_sent(house: House, process: Process) -> None:
    """What the survey brought along is older than what the contact should be by now."""
    house.take(identify("1", ANN, plan="premium", timestamp=at(0)))
    turn = process.turn(1, "accepted")
    assert [one.email for one in turn.requests] == [ANN]
    assert not turn.contacts["synced"]
    assert process.turn(2, "accepted").contacts["synced"] == 1


def test_a_contact_whose_lists_its_survey_did_not_bring_is_sent(tmp_path: Path) -> None:
    """A survey's request adds its contact to no list."""
    house = House(tmp_path, contact_lists=[5])
    house.take(identify("1", ANN), track("Order Completed", "1"))
    process = Process(house)
    assert [type(one) for one in process.turn(0).requests] == [Claim]
    turn = process.turn(1, "accepted")
    assert [(type(one), one.email) for one in turn.requests] == [(ContactRequest, ANN)]
    assert not turn.contacts["synced"]


def test_a_survey_waits_while_an_older_form_of_its_contact_is_on_its_way(store_url: str) -> None:
    """Of the two requests the one with the older form might arrive last; the same form may go beside."""
    house = House(store_url, stored_events=[])
    house.take(identify("1", ANN, plan="basic"))
    process, other = Process(house), Process(house)
    assert [type(one) for one in process.turn(0).requests] == [ContactRequest]
    house.take(identify("1", ANN, hours=0, plan="pro"), track("Order Completed", "1", messageId="m"))
    assert other.turn(1).requests == []
    process.turn(2, "unanswered", room=0)
    assert other.turn(61).requests == []
    assert [type(one) for one in other.turn(63).requests] == [Claim]
    assert other.turn(64, "accepted").contacts["synced"] == 1
    house.store.close()


@pytest.mark.parametrize("outcome", ["not_eligible", "refused"])
def test_a_contact_is_sent_as_it_was_if_its_survey_may_have_brought_another_form(
    outcome: Outcome, tmp_path: Path
) -> None:
    """What a request without an answer brought nobody knows: that the older form is wanted again needs a request."""
    house = House(tmp_path, stored_events=[])
    house.take(identify("1", ANN, plan="basic"))
    process = Process(house)
    process.turn(0)
    process.turn(1, "accepted")
    house.take(identify("1", ANN, hours=-0.5, plan="pro"), track("Order Completed", "1", messageId="m"))
    assert [type(one) for one in process.turn(2).requests] == [Claim]
    process.turn(3, "unanswered", room=0)
    house.take(identify("1", ANN, hours=-0.25, plan="basic"))
    assert [type(one) for one in process.turn(64).requests] == [Claim]
    assert [type(one) for one in process.turn(65, outcome).requests] == [ContactRequest]
    assert process.turn(66, "accepted").contacts["synced"] == 1


def test_a_survey_that_was_sent_ends_the_doubt_of_an_earlier_request(tmp_path: Path) -> None:
    """What Promoter has is what the survey brought: looked at again, the contact needs no request."""
    house = House(tmp_path, stored_events=[])
    house.take(identify("1", ANN, plan="basic"))
    process = Process(house)
    process.turn(0)
    process.turn(1, "unanswered", room=0)
    house.take(identify("1", ANN, hours=-0.5, plan="pro"), track("Order Completed", "1", messageId="m"))
    assert [type(one) for one in process.turn(62).requests] == [Claim]
    assert process.turn(63, "accepted").contacts["synced"] == 1
    house.store.write(lambda tx: contacts.mark_dirty(tx, {ANN: "1"}, house.now))
    assert process.turn(64).requests == []
    assert contact(house, ANN).status == "synced"


def test_a_turn_is_full_though_most_of_those_first_due_are_not_sent(tmp_path: Path) -> None:
    """As many are looked at as it takes to use the time that a turn has."""
    house = House(tmp_path, requests_per_minute=600_000, survey_recipients=["c*@example.com"])
    house.take(*(identify(str(number), f"{'cb'[number < 90]}{number}@example.com") for number in range(1, 101)))
    house.take(*(track("Order Completed", str(number), hours=-3 + number / 100) for number in range(1, 101)))
    turn = Process(house).turn(0, room=10)
    assert [one.email for one in turn.requests] == [f"c{number}@example.com" for number in range(90, 100)]
    assert turn.surveys["withheld"] == 89


def test_a_survey_leaves_a_contacts_own_wait_alone(house: House, process: Process) -> None:
    """A contact that failed and waits for a while is not sent earlier because its survey was answered."""
    wait = house.now + 50
    house.store.write(lambda one: one.execute(update(schema.contacts).values(not_before=wait)))
    process.turn(1, "not_eligible")
    assert contact(house, ANN).not_before == wait


def test_who_shares_the_new_address_of_one_claimed_at_the_old(house: House, process: Process) -> None:
    """While a request to somebody's old address is open, nobody at the new one is surveyed; after it, throttled."""
    house.take(identify("1", "new@example.com", hours=0), identify("2", "new@example.com", hours=0))
    house.take(track("Order Completed", "2", messageId="n"))
    assert not [one for one in Process(house).turn(1).requests if isinstance(one, Claim)]
    assert survey(house, "n").status == "queued"
    process.turn(2, "accepted", room=0)
    Process(house).turn(40)
    assert survey(house, "n").status == "throttled"


def test_who_leaves_an_address_while_a_request_to_it_is_open(house: House, process: Process) -> None:
    """An open claim of somebody else with the address counts as a survey of whoever leaves it."""
    house.take(identify("2", ANN, hours=-0.2))
    house.take(identify("2", "new@example.com", hours=-0.1), track("Order Completed", "2", messageId="n"))
    assert not [one for one in Process(house).turn(1).requests if isinstance(one, Claim)]
    assert survey(house, "n").status == "throttled"
    process.turn(2, "accepted", room=0)
    assert survey(house, "m").status == "sent"


def test_who_shares_an_address_with_one_forgotten(house: House, process: Process) -> None:
    """The claim of a forgotten person holds the address no longer, and yet counts as a survey of it."""
    house.take(identify("2", ANN, hours=0))
    house.store.write(lambda one: forget(one, [identifiers_of(one, "1")], [], house.now))
    process.turn(1, "accepted", room=0)
    assert Process(house).turn(2).requests, "the contact is the other one's, and is sent"
    house.take(track("Order Completed", "2", messageId="n"))
    assert not [one for one in Process(house).turn(3).requests if isinstance(one, Claim)]
    assert survey(house, "n").status == "throttled"


def test_a_turn_costs_as_many_statements_whatever_its_size(store_url: str) -> None:
    """Surveys are claimed, and what came of them is written, together and not one by one."""
    house = House(store_url, requests_per_minute=600_000)
    house.take(*(identify(str(number), f"c{number}@example.com") for number in range(1, 101)))
    house.take(*(track("Order Completed", str(number)) for number in range(1, 101)))
    process = Process(house)
    seen: list[object] = []
    event.listen(house.store._engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    turns = [process.turn(0, room=2)]
    seen.clear()
    turns.append(process.turn(1, "accepted", room=2))
    few = len(seen)
    turns.append(process.turn(2, "accepted", room=40))
    seen.clear()
    turns.append(process.turn(3, "accepted", room=40))
    assert [len(turn.requests) for turn in turns] == [2, 2, 40, 40]
    assert [turn.surveys["sent"] for turn in turns] == [0, 2, 2, 40]
    assert len(seen) <= few
    house.store.close()
