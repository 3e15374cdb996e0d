"""Sending: each request once, none too late, and each comes back whatever happens."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from target_promoter.delivery.sender import Collected, Departures, Plan, Sender
from target_promoter.errors import DeliveryError
from target_promoter.promoter import transport
from target_promoter.promoter.answers import Answer, Outcome
from tests.delivering import Process
from tests.house import House, identify

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Api:
    """Promoter, which accepts everything, or fails unexpectedly, or answers as told."""

    error: Exception | None = None
    answer: Answer = field(default=Answer(Outcome.ACCEPTED, 200))
    asked: list[bytes] = field(default_factory=list)

    def survey(self, body: bytes) -> Answer:
        """Answer a request for a survey."""
        return self.save_contact(body)

    def save_contact(self, body: bytes) -> Answer:
        """Answer a request for a contact."""
        self.asked.append(body)
        if self.error is not None:
            raise self.error
        return self.answer

    def leave_list(self, contact_list: int, body: bytes) -> Answer:
        """Take the contact off whatever list it is on."""
        del contact_list, body
        return Answer(Outcome.ACCEPTED, 204)

    def remove_contact(self, email: str) -> Answer:
        """Answer a request to remove a contact."""
        return self.save_contact(email.encode())


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return a house with one person."""
    house = House(tmp_path)
    house.take(identify("1", "ann@example.com"))
    return house


def sent(house: House, api: Api, *, late: float = 0.0) -> Collected:
    """Send the request of the one contact; return what came back."""
    plan = replace(Process(house).turn(0, room=1), times=[1000.0 - late])
    sender = Sender(api, house.summary, clock=lambda: 1000.0)
    sender.plan(plan)
    with sender.changed:
        while not sender.has_answers:
            sender.wait(30, for_answers=True)
    sender.end()
    return sender.collect()


@pytest.mark.parametrize(("late", "number"), [(transport.LATE_SECONDS - 0.1, 1), (transport.LATE_SECONDS, 0)])
def test_a_request_whose_time_is_long_over_is_not_sent(house: House, late: float, number: int) -> None:
    """A machine that slept must not send on a lease that somebody else may have taken since."""
    api = Api()
    (one,) = sent(house, api, late=late).answered
    assert (len(api.asked), house.summary.value("api", "requests")) == (number, number)
    assert (one.answer is not None) is bool(number)


def test_a_request_comes_back_whatever_happens(house: House) -> None:
    """After an unexpected error it counts as one that may have left, and delivery ends with a sentence."""
    collected = sent(house, Api(KeyError("email")))
    assert [one.outcome for one in collected.answered] == [Outcome.UNANSWERED]
    assert isinstance(collected.problem, DeliveryError)


def test_a_refusal_stops_the_rest_of_a_plan(house: House) -> None:
    """What was claimed beside a request that was over the limit stays, and is given back."""
    house.take(identify("2", "bob@example.com"))
    sender = Sender(Api(answer=Answer(Outcome.RATE_LIMITED, 429)), house.summary, clock=lambda: 1000.0)
    sender.plan(replace(Process(house).turn(0, room=2), times=[1000.0, 1000.1]))
    with sender.changed:
        while not sender.is_interrupted:
            sender.wait(30, for_answers=True)
    assert sender.seconds_until_departure() == math.inf
    collected = sender.collect()
    assert [one.outcome for one in collected.answered] == [Outcome.RATE_LIMITED, None]
    sender.end()


@pytest.fixture
def claimed(house: House) -> Plan:
    """Return a plan of three contacts, one every second."""
    house.take(identify("2", "bob@example.com"), identify("3", "cat@example.com"))
    turn = Process(house).turn(0, room=3)
    return replace(turn, times=[10.0, 11.0, 12.0], interval=1.0, reserved_until=13.0, falls_due_at=11.5)


def test_what_is_late_does_not_leave_all_at_once(claimed: Plan) -> None:
    """After a machine stood still, requests leave at twice their pace, and the next plan's keep their distance."""
    departures = Departures()
    departures.add(claimed)
    left = []
    now = 20.0
    while departures:
        now = max(now, departures.next_at)
        left.append(now)
        departures.leave(now)
    assert left == [20.0, 20.5, 21.0]
    assert departures.take_back() == ([], (22.0, 13.0))


def test_no_request_follows_a_late_one_at_once(claimed: Plan) -> None:
    """What is not sent gives its time back, but for the distance to the one that left late."""
    departures = Departures()
    departures.add(claimed)
    departures.leave(12.5)
    assert departures.take_back() == (list(claimed.requests[1:]), (13.5, 13.0))
    departures.add(claimed)
    departures.leave(10.0)
    assert departures.take_back()[1] == (11.0, 13.0)


def test_surveys_leave_before_contacts(claimed: Plan) -> None:
    """A contact does not leave once a survey came, or fell due."""
    departures = Departures()
    departures.add(claimed)
    assert departures.survey_at == 11.5
    departures.contacts_until = 0.0
    assert departures.survey_at == 0.0
    departures.take_back()
    assert departures.survey_at == math.inf
