"""Sending: each request once, none too late, and each comes back whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from target_promoter.delivery.answered import Answered
from target_promoter.delivery.delivery import Delivery
from target_promoter.delivery.sender import Sender
from target_promoter.delivery.shared import Shared
from target_promoter.errors import DeliveryError
from target_promoter.promoter import timeouts as times
from target_promoter.promoter.answers import Answer, Outcome
from tests.delivering import Process
from tests.house import House, identify

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.delivery.answered import Request


@dataclass
class Api:
    """Promoter, which accepts everything, or fails in a way that nobody foresaw."""

    error: Exception | None = None
    asked: list[bytes] = field(default_factory=list)

    def survey(self, body: bytes) -> Answer:
        """Answer a request for a survey."""
        return self.save_contact(body)

    def save_contact(self, body: bytes) -> Answer:
        """Answer a request for a contact."""
        self.asked.append(body)
        if self.error is not None:
            raise self.error
        return Answer(Outcome.ACCEPTED, 200)

    def remove_contact(self, email: str) -> Answer:
        """Answer a request to remove a contact."""
        return self.save_contact(email.encode())


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return a house with one person."""
    house = House(tmp_path)
    house.take(identify("1", "ann@example.com"))
    return house


def sent(house: House, api: Api, *, late: float = 0.0) -> tuple[Answered, Shared]:
    """Send the request of the one contact; return it as it came back, and where it did."""
    request: Request = Process(house).turn(0, room=1).requests[0]
    shared = Shared()
    Sender(api, shared, house.summary, clock=lambda: 1000.0).send(request, 1000.0 - late)
    with shared.changed:
        shared.awaits_answers = True
        assert shared.changed.wait_for(lambda: shared.answered, 30)
    return shared.answered[0], shared


@pytest.mark.parametrize(("late", "number"), [(times.LATE_SECONDS - 0.1, 1), (times.LATE_SECONDS, 0)])
def test_a_request_whose_time_is_long_over_is_not_sent(house: House, late: float, number: int) -> None:
    """A machine that slept must not send on a lease that somebody else may have taken since."""
    api = Api()
    one, _ = sent(house, api, late=late)
    assert (len(api.asked), house.summary.value("api", "requests")) == (number, number)
    assert (one.answer is not None) is bool(number)


def test_a_request_comes_back_whatever_happens(house: House) -> None:
    """After an error that nobody foresaw it counts as one that may have left, and delivery ends with a sentence."""
    one, shared = sent(house, Api(KeyError("email")))
    assert one.answer is not None
    assert one.answer.outcome == "unanswered"
    assert isinstance(shared.problem, DeliveryError)
    assert shared.halted
    assert shared.flight.number == 0


def test_a_refusal_stops_the_rest_of_a_turn(house: House) -> None:
    """What was claimed beside a request that was over the limit stays, and is given back."""
    made = Delivery(house.store, Api(), house.settings, house.summary)
    assert made._wait_for_time(0.0, 0.1, None)
    request = Process(house).turn(0, room=1).requests[0]
    made._shared.take_in(made._shared.flight.begin(0.0), Answered(request, Answer(Outcome.RATE_LIMITED, 429)), None)
    assert not made._wait_for_time(0.0, 0.1, None)
