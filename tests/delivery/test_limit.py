"""The account's request limit: one clock for all processes, that learns from what Promoter refuses."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from target_promoter.delivery import limit as clock
from target_promoter.store.database import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_promoter.store.database import Store
    from target_promoter.store.transaction import Transaction

NOW = 1_750_000_000.0


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Yield a new store."""
    store = open_store(store_url, now=NOW)
    yield store
    store.close()


def taken(store: Store, now: float, *, limit: float = 600, most: int = 64, ahead: float = 0.0) -> list[float]:
    """Take all slots that are free, and return their times."""

    def take(connection: Transaction) -> list[float]:
        slots = clock.free(connection, now, limit=limit, horizon=0.25, most=most, ahead=ahead)
        clock.take(connection, slots, slots.number)
        return slots.times(slots.number)

    return store.write(take)


def counted(store: Store, now: float, accepted: int) -> None:
    """Have requests counted."""
    store.write(lambda one: clock.count(one, now, accepted=accepted, rate_limited=0))


def sent(store: Store, since: float, seconds: float, *, limit: float) -> int:
    """Send all that the limit allows for a while, and return how many requests that was."""
    number = 0
    for tick in range(int(seconds * 10)):
        times = taken(store, since + tick / 10, limit=limit)
        counted(store, times[-1] if times else since, len(times))
        number += len(times)
    return number


def pace(store: Store, now: float) -> float:
    """Return how many requests a minute leave."""
    return store.read(lambda one: clock.rate(one, now, limit=600))


def refused(store: Store, now: float, retry_after: float | None, *, limit: float) -> float:
    """Have Promoter refuse a request, and return how many requests a minute leave after that."""
    store.write(lambda one: clock.limited(one, now, retry_after, limit=limit))
    return store.read(lambda one: clock.rate(one, now, limit=limit))


def test_requests_leave_evenly(store: Store) -> None:
    """No second sees more than its share, and a minute just less than the limit."""
    times = [one for tick in range(600) for one in taken(store, NOW + tick / 10)]
    assert 580 <= len([one for one in times if one < NOW + 60]) <= 600
    assert min(b - a for a, b in pairwise(times)) >= 0.1


def test_no_slot_is_given_twice(store: Store) -> None:
    """Whoever asks next gets later ones; slots that were not asked for are not made up for."""
    first, second = taken(store, NOW), taken(store, NOW)
    assert first
    assert not second
    later = taken(store, NOW + 60)
    assert later[0] == NOW + 60
    assert len(later) == len(first)


def test_everybody_is_given_as_much(store: Store) -> None:
    """Of four that share the limit each takes turns of a quarter of a second, and none is given two at once."""
    shares = [len(taken(store, NOW, limit=6000, ahead=0.75)) for _ in range(5)]
    assert shares == [25, 25, 25, 25, 0]
    assert len(taken(store, NOW + 0.25, limit=6000, ahead=0.75)) == 25


def test_a_wait_holds_everybody(store: Store) -> None:
    """Nothing leaves before Promoter's Retry-After is over; a shorter one does not cut a longer one short."""
    refused(store, NOW, 42, limit=600)
    refused(store, NOW + 1, 3, limit=600)
    assert taken(store, NOW + 41.7) == []
    assert taken(store, NOW + 42)[0] == NOW + 42


def test_a_limit_told_too_high_is_measured(store: Store) -> None:
    """Of 600 told and 60 allowed, sixty are sent and the rest of the minute waited for; then the pace is sixty."""
    counted(store, NOW, 30)
    counted(store, NOW + 5, 30)
    assert refused(store, NOW + 6, 54, limit=600) == pytest.approx(60, abs=2)
    assert sent(store, NOW + 60, 60, limit=600) <= 60


@pytest.mark.parametrize("wait", [1.0, None])
def test_a_refusal_at_the_start_says_little(store: Store, wait: float | None) -> None:
    """Three requests and one 429 with a short wait do not slow an account of 600 a minute down to three."""
    counted(store, NOW, 3)
    assert refused(store, NOW, wait, limit=600) > 500


def test_a_daily_limit_says_nothing_of_a_minute(store: Store) -> None:
    """A wait of hours holds everybody, and leaves the pace as it is."""
    counted(store, NOW, 3)
    assert refused(store, NOW, 7200, limit=600) > 500
    assert store.read(lambda one: clock.paused_until(one, NOW, limit=600)) == NOW + 7200


def test_a_measured_limit_is_tried_again(store: Store) -> None:
    """Each minute without a refusal allows more, so that a limit somebody else used up does not bind for hours."""
    counted(store, NOW + 40, 6)
    counted(store, NOW, 1)
    assert refused(store, NOW + 50, 10, limit=600) == pytest.approx(30, abs=1), "a twentieth of what was told"
    paces = [pace(store, NOW + 60 + 60 * at) for at in range(20)]
    assert paces == sorted(paces)
    assert paces[1] < 1.1 * paces[0]
    assert paces[-1] > 580


def test_refusals_while_all_wait_are_one(store: Store) -> None:
    """What was on its way when Promoter refused does not slow everybody down again."""
    counted(store, NOW, 30)
    first = refused(store, NOW, 2, limit=600)
    assert [refused(store, NOW + 0.1, 2, limit=600) for _ in range(5)] == [first] * 5


def test_times_that_were_not_used_are_given_back(store: Store) -> None:
    """What a turn reserved and did not use is free again, unless another process reserved further times since."""
    times = taken(store, NOW)
    slots = store.write(lambda one: clock.free(one, NOW, limit=600, horizon=10, most=64))
    store.write(lambda one: clock.give_back(one, times[1], slots.first))
    assert taken(store, NOW, most=1) == [times[1]]
    more = store.write(lambda one: clock.free(one, NOW, limit=600, horizon=10, most=64))
    store.write(lambda one: clock.give_back(one, times[0], slots.first))
    assert store.write(lambda one: clock.free(one, NOW, limit=600, horizon=10, most=64)).first == more.first


@pytest.mark.parametrize(("told", "seconds"), [(12_000, 1), (600_000, 1), (1_500, 0.8), (12_000, 60)])
def test_one_refusal_tells_the_limit(store: Store, told: float, seconds: float) -> None:
    """What is accepted before the first refusal is the pace from then on, however much was told."""
    counted(store, NOW, 20)
    wait = 1.0 if seconds <= 1 else seconds - 1
    paced = refused(store, NOW + min(seconds, 1), wait, limit=told)
    assert paced == pytest.approx(0.985 * 1200 / max(seconds, 1), rel=0.1)


def test_a_limit_by_the_second_is_not_taken_for_one_by_the_minute(store: Store) -> None:
    """After half a minute with little to send, a burst over twenty a second says nothing of the whole minute."""
    counted(store, NOW, 1)
    counted(store, NOW + 30, 20)
    assert refused(store, NOW + 30, 1, limit=12_000) == pytest.approx(0.985 * 1200)


@pytest.mark.parametrize("ahead", [10 * 365 * 86_400.0, 1e12])
def test_a_clock_that_went_wrong_is_noticed(store: Store, ahead: float, caplog: pytest.LogCaptureFixture) -> None:
    """What was reserved, asked for or measured in the far future counts as now, in every reading, and is told."""
    counted(store, NOW + ahead, 20)
    refused(store, NOW + ahead, 30, limit=600)
    taken(store, NOW + ahead + 30)
    assert store.read(lambda one: clock.paused_until(one, NOW, limit=600)) == 0.0
    assert pace(store, NOW) == 0.985 * 600
    assert taken(store, NOW)[0] == NOW
    store.write(lambda one: clock.pause(one, NOW + ahead))
    assert store.write(lambda one: clock.correct(one, NOW + 1, limit=600))
    assert "the clock of this or of another machine is or was wrong" in caplog.text
    assert not store.write(lambda one: clock.correct(one, NOW + 1, limit=600))
    assert taken(store, NOW + 1)


def test_a_clock_that_is_some_seconds_ahead_is_none_that_went_wrong(store: Store) -> None:
    """Two machines whose clocks differ a little keep to one limit all the same."""
    taken(store, NOW + 20)
    assert not store.write(lambda one: clock.correct(one, NOW, limit=600))
    assert taken(store, NOW) == []
