"""The account's request limit: one clock in the store, from which all processes together reserve their requests.

A generic cell rate algorithm without burst: each request has a time of its own, one interval after the last.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import func, select, update

from target_promoter.promoter.answers import LONGEST_WAIT, Answer, Outcome
from target_promoter.store.schema import request_clock, request_days, request_seconds, request_workers
from target_promoter.store.transaction import Transaction
from target_promoter.values.times import duration

_MARGIN: Final = 0.985
"""Share of the limit that is used: at all of it, jitter would put one request too many into Promoter's minute."""

_MINUTE: Final = 60.0
_DAY: Final = 86_400
_GROWTH: Final = 1.05
_SLOWER: Final = 0.9
_WHOLE_MINUTE: Final = 50.0
_LEAST: Final = 0.05
_DEFAULT_PAUSE_SECONDS: Final = 5.0

_SECOND: Final = 1.0
"""A Retry-After of so much, which is a whole number of seconds as a rule, may be that of a limit by the second."""

_SEEN_SECONDS: Final = 2.0
"""For how long a process counts as one that sends; each takes a turn about every second."""

_FEW: Final = 10
"""Fewer accepted requests than this say little of a limit: somebody else may have used it up."""

_MOST_AHEAD: Final = 60.0
"""How far ahead, in seconds, a time may be reserved: by a machine whose clock is some seconds ahead of this one's."""

logger = logging.getLogger("target-promoter.delivery")


@dataclass(frozen=True, slots=True)
class Clock:
    """What all processes know of the account's limit.

    Attributes:
        next_at: From when on the next request may have its time, in epoch seconds.
        rate: The limit that was measured, in requests a minute; 0 if none was.
        rated_at: When it was measured, in epoch seconds.
        paused_until: Until when Promoter asked to wait, in epoch seconds.
    """

    next_at: float = 0.0
    rate: float = 0.0
    rated_at: float = 0.0
    paused_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Slots:
    """Times at which requests may leave.

    Attributes:
        first: Time of the first, in epoch seconds.
        interval: Seconds between two.
        number: How many may be taken now.
    """

    first: float
    interval: float
    number: int

    def times(self, number: int) -> list[float]:
        """Return the times of the first so many slots, in epoch seconds."""
        return [self.first + i * self.interval for i in range(number)]


def free(tx: Transaction, now: float, *, limit: float, horizon: float, most: int, ahead: float = 0.0) -> Slots:
    """Return the next slots, if they lie in the near future; `take` reserves them.

    Everybody is given as many at once, whatever others reserved before: processes that share the limit then take turns.

    Args:
        horizon: For how long slots are given, in seconds.
        ahead: How far ahead slots may be reserved already, in seconds.
    """
    clock = _clock(tx, now, limit)
    interval = _MINUTE / (_pace(clock, now, limit) * _MARGIN)
    first = max(clock.next_at, clock.paused_until, now)
    number = math.ceil(horizon / interval) if first <= now + horizon + ahead else 0
    return Slots(first, interval, min(most, number))


def take(tx: Transaction, slots: Slots, number: int) -> float:
    """Reserve the first so many slots.

    Args:
        tx: The transaction in which `free` was asked.
        slots: What it answered.

    Returns:
        Until when slots are reserved, in epoch seconds.
    """
    until = slots.first + number * slots.interval
    if number:
        tx.execute(update(request_clock).values(next_at=until))
    return until


def take_one(tx: Transaction, now: float, *, limit: float, horizon: float) -> Slots:
    """Reserve the next slot, for a request that no turn of delivery sends; none if it lies beyond the horizon."""
    slots = free(tx, now, limit=limit, horizon=horizon, most=1)
    take(tx, slots, slots.number)
    return slots


def give_back(tx: Transaction, unused_from: float, until: float) -> None:
    """Give back slots that were not used, unless somebody reserved further ones since.

    Args:
        unused_from: The time that the next request may have, in epoch seconds.
        until: What `take` returned for them.
    """
    tx.execute(update(request_clock).where(request_clock.c.next_at == until).values(next_at=unused_from))


def paused_until(tx: Transaction, now: float, *, limit: float) -> float:
    """Return until when Promoter asked to wait, in epoch seconds."""
    return _clock(tx, now, limit).paused_until


def workers(tx: Transaction, now: float, name: str) -> int:
    """Return how many processes send just now, the one of that name among them."""
    lately = (request_workers.c.seen_at > now - _SEEN_SECONDS) & (request_workers.c.name != name)
    return 1 + (tx.scalar(select(func.count()).select_from(request_workers).where(lately)) or 0)


def register(tx: Transaction, now: float, name: str) -> None:
    """Register a process that has something to send."""
    tx.upsert(request_workers, [{"name": name, "seen_at": now}])
    tx.execute(request_workers.delete().where(request_workers.c.seen_at < now - _MINUTE))


def pause(tx: Transaction, until: float) -> None:
    """Have all processes wait, because Promoter asked for it."""
    tx.execute(update(request_clock).where(request_clock.c.paused_until < until).values(paused_until=until))


def correct(tx: Transaction, now: float, *, limit: float) -> bool:
    """Correct times that a wrong clock wrote, with a warning; return whether there were any."""
    clock = _stored(tx)
    right = _corrected(clock, now, limit)
    if clock == right:
        return False
    ahead = max(clock.next_at, clock.rated_at, clock.paused_until) - now
    logger.warning(
        "According to the store, requests wait for another %s, longer than they ever should: the clock of this or of "
        "another machine is or was wrong, or Promoter asked for it. They continue now.",
        duration(ahead),
    )
    _save(tx, right)
    tx.execute(request_seconds.delete().where(request_seconds.c.second > int(now)))
    tx.execute(request_workers.delete())
    return True


def count(tx: Transaction, now: float, *, accepted: int, rate_limited: int) -> None:
    """Count requests that were answered."""
    if accepted:
        tx.upsert(request_seconds, [{"second": int(now), "requests": accepted}], add=True)
        tx.execute(request_seconds.delete().where(request_seconds.c.second < int(now) - 2 * _MINUTE))
    if accepted or rate_limited:
        day = {"day": int(now) // _DAY, "requests": accepted + rate_limited, "rate_limited": rate_limited}
        tx.upsert(request_days, [day], add=True)


def learn(tx: Transaction, now: float, answers: Sequence[Answer], *, limit: float) -> None:
    """Count requests by their answers, and take in what those say of the limit."""
    reached = [one for one in answers if one.outcome is not Outcome.UNREACHED]
    refused = [one for one in reached if one.outcome is Outcome.RATE_LIMITED]
    count(tx, now, accepted=len(reached) - len(refused), rate_limited=len(refused))
    for answer in reached:
        if answer.outcome is Outcome.RATE_LIMITED:
            limited(tx, now, answer.retry_after, limit=limit)
        elif answer.outcome is Outcome.UNAVAILABLE and answer.retry_after is not None:
            pause(tx, now + answer.retry_after)


def limited(tx: Transaction, now: float, retry_after: float | None, *, limit: float) -> None:
    """Record that Promoter refused a request for being over the limit: everybody waits, then goes slower.

    Args:
        retry_after: The seconds that Promoter asked to wait, if it did.
    """
    clock = _clock(tx, now, limit)
    wait = _DEFAULT_PAUSE_SECONDS if retry_after is None else retry_after
    # A wait of more than a minute is that of a daily limit, which says nothing of a minute; a refusal while all wait
    # anyway was for a request on its way.
    if clock.paused_until <= now and wait <= _MINUTE:
        rate = _measured(tx, now, retry_after, _pace(clock, now, limit), limit)
        clock = replace(clock, rate=rate, rated_at=now + wait)
    _save(tx, replace(clock, paused_until=max(clock.paused_until, now + wait)))


def _measured(tx: Transaction, now: float, retry_after: float | None, pace: float, limit: float) -> float:
    """Return the pace, in requests a minute, that a refusal leaves.

    Promoter counts over a window: what it accepted since the window began, until it accepts the next, is its limit.
    """
    query = select(request_seconds.c.second, request_seconds.c.requests)
    rows = tx.execute(query.where(request_seconds.c.second > int(now - _MINUTE)))
    accepted: dict[int, int] = {row.second: row.requests for row in rows}
    number, wait, slower = sum(accepted.values()), retry_after or 0.0, pace * _SLOWER
    span = min(_MINUTE, max(_SECOND, now - min(accepted, default=now) + wait))
    measured = number * _MINUTE / span
    if number < _FEW:
        # Somebody else may use nearly all of it: then Retry-After alone has to do.
        measured = max(measured, limit * _LEAST if span >= _WHOLE_MINUTE else slower)
    elif retry_after is None or wait <= _SECOND:
        # The window may be one of a second: then its limit is what was accepted in it.
        lately = sum(requests for second, requests in accepted.items() if second >= int(now - _SECOND))
        measured = max(measured, slower if lately < _FEW else min(slower, lately * _MINUTE / _SECOND))
    return measured if measured < pace else slower


def _pace(clock: Clock, now: float, limit: float) -> float:
    """Return how many requests may leave in a minute: what was measured, and ever more while no refusal comes.

    After a minute it is a twentieth more, after ten minutes fourteen times as much: a limit that was measured while
    somebody else used it up does not bind for hours.
    """
    minutes = min(max(0.0, now - clock.rated_at) // _MINUTE, _MINUTE)
    return min(clock.rate * _GROWTH ** (minutes * (minutes + 1) / 2), limit) if clock.rate else limit


def rate(tx: Transaction, now: float, *, limit: float) -> float:
    """Return how many requests a minute leave at the most just now: the limit as told, or less if less was measured."""
    return _pace(_clock(tx, now, limit), now, limit) * _MARGIN


def _stored(tx: Transaction) -> Clock:
    columns = (request_clock.c.next_at, request_clock.c.rate, request_clock.c.rated_at, request_clock.c.paused_until)
    return Clock(*tx.execute(select(*columns)).one())


def _clock(tx: Transaction, now: float, limit: float) -> Clock:
    """Return what all processes know, without times that lie further ahead than any may."""
    return _corrected(_stored(tx), now, limit)


def _corrected(clock: Clock, now: float, limit: float) -> Clock:
    if clock.rated_at > now + 2 * _MINUTE:
        clock = replace(clock, rate=0.0, rated_at=0.0)
    if clock.paused_until > now + LONGEST_WAIT + _MOST_AHEAD:
        clock = replace(clock, paused_until=0.0)
    # The next time lies an interval ahead, and after a late request two.
    if clock.next_at > now + _MOST_AHEAD + 2 * _MINUTE / (_pace(clock, now, limit) * _MARGIN):
        clock = replace(clock, next_at=now)
    return clock


def _save(tx: Transaction, clock: Clock) -> None:
    values = {"next_at": clock.next_at, "rate": clock.rate, "rated_at": clock.rated_at}
    tx.execute(update(request_clock).values(**values, paused_until=clock.paused_until))
