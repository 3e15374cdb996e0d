"""How many requests may be on their way at once: what limit and latency need, and no more."""

from __future__ import annotations

import math

import pytest

from target_promoter.delivery.sender import MOST_IN_FLIGHT, Flight


def flown(flight: Flight, *, latency: float, interval: float, answers: int) -> int:
    """Send requests at a limit, each answered after a time, and return how many were on their way at the most."""
    now, most = 0.0, 0
    going: list[tuple[float, int]] = []
    while answers > 0:
        while going and going[0][0] <= now:
            at, number = going.pop(0)
            flight.end(number, at)
            answers -= 1
        if flight.seconds_until_free(now, interval) == 0:
            going.append((now + latency, flight.begin(now)))
            most = max(most, flight.number)
            now += interval
        else:
            now = going[0][0]
    for at, number in going:
        flight.end(number, at)
    return most


def room(flight: Flight, now: float, interval: float) -> int:
    """Return how many requests may be on their way at a time; more leave until no further one may."""
    begun = []
    while flight.seconds_until_free(now, interval) == 0:
        begun.append(flight.begin(now))
    number = flight.number
    for one in begun:
        flight.end(one, now, was_sent=False)
    return number


@pytest.mark.parametrize(("latency", "interval"), [(0.05, 0.005), (0.3, 0.1), (0.001, 0.1), (2.0, 0.05)])
def test_as_many_as_limit_and_latency_need(latency: float, interval: float) -> None:
    """On average limit times latency are on their way; a tenth and one more may be, and never less."""
    needed = math.ceil(round(latency / interval, 6))
    most = flown(Flight(), latency=latency, interval=interval, answers=1000)
    assert needed <= most <= 1 + math.ceil(1.1 * needed)


def test_one_moment_in_which_nothing_moves_says_little() -> None:
    """Ten answers that took four times as long, all at once, make no more than a few more threads."""
    flight = Flight()
    flown(flight, latency=0.05, interval=0.005, answers=1000)
    for number in [flight.begin(0.0) for _ in range(10)]:
        flight.end(number, 0.2)
    assert room(flight, 1.0, 0.005) <= 15


def test_a_request_that_was_not_sent_says_nothing_of_the_latency() -> None:
    """One that came too late to be sent comes back at once, and that is no answer of Promoter's."""
    flight = Flight()
    flown(flight, latency=1.0, interval=0.1, answers=300)
    before = room(flight, 1000.0, 0.1)
    for _ in range(300):
        flight.end(flight.begin(1000.0), 1000.0, was_sent=False)
    assert room(flight, 1000.0, 0.1) == before > 5


def test_requests_that_hang_hold_up_no_others() -> None:
    """When answers stay out, as many more leave as the limit lets through meanwhile, up to the most there may be."""
    flight = Flight()
    flight.begin(0.0)
    assert flight.seconds_until_free(0.1, 0.01) == pytest.approx(0.4)
    assert flight.seconds_until_free(0.5, 0.01) == 0
    for _ in range(49):
        flight.begin(0.5)
    assert flight.seconds_until_free(0.5, 0.01) == 0
    flight.begin(0.5)
    assert flight.seconds_until_free(0.5, 0.01) == pytest.approx(0.01)
    while flight.number < MOST_IN_FLIGHT:
        flight.begin(0.5)
    assert flight.seconds_until_free(60.0, 0.01) == math.inf
