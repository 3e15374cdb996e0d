"""The account's request limit: one clock in the store, from which all processes together reserve their requests.

A generic cell rate algorithm without burst: each request has a time of its own, one interval after the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, update

from target_promoter.store.schema import request_clock, request_days, request_seconds

if TYPE_CHECKING:
    from target_promoter.store.transaction import Transaction

_MARGIN: Final = 0.985
"""Share of the limit that is used: at all of it, jitter would put one request too many into Promoter's minute."""

_MINUTE: Final = 60.0
_DAY: Final = 86_400
_GROWTH: Final = 1.05
_SLOWER: Final = 0.9
_WHOLE_MINUTE: Final = 50.0
_LEAST: Final = 0.05
_DEFAULT_HOLD_SECONDS: Final = 5.0


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


def free(tx: Transaction, now: float, *, limit: float, horizon: float, most: int) -> Slots:
    """Return the slots that lie in the near future; `take` reserves them.

    Args:
        horizon: How far ahead slots are given, in seconds.
    """
    next_at, rate, rated_at, held_until = _clock(tx)
    interval = _MINUTE / (_pace(rate, rated_at, now, limit) * _MARGIN)
    first = max(next_at, held_until, now)
    if first > now + horizon:
        return Slots(first, interval, 0)
    return Slots(first, interval, min(most, 1 + int((now + horizon - first) / interval)))


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


def give_back(tx: Transaction, unused_from: float, until: float) -> None:
    """Give back slots that were not used, unless somebody reserved further ones since.

    Args:
        unused_from: The time that the next request may have, in epoch seconds.
        until: What `take` returned for them.
    """
    tx.execute(update(request_clock).where(request_clock.c.next_at == until).values(next_at=unused_from))


def held_until(tx: Transaction) -> float:
    """Return until when Promoter asked to wait, in epoch seconds."""
    return _clock(tx)[3]


def hold(tx: Transaction, until: float) -> None:
    """Have all processes wait, because Promoter asked for it."""
    tx.execute(update(request_clock).where(request_clock.c.paused_until < until).values(paused_until=until))


def count(tx: Transaction, now: float, *, accepted: int, rate_limited: int) -> None:
    """Count requests that were answered."""
    if accepted:
        tx.upsert(request_seconds, [{"second": int(now), "requests": accepted}], add=True)
        tx.execute(request_seconds.delete().where(request_seconds.c.second < int(now) - 2 * _MINUTE))
    if accepted or rate_limited:
        day = {"day": int(now) // _DAY, "requests": accepted + rate_limited, "rate_limited": rate_limited}
        tx.upsert(request_days, [day], add=True)


def limited(tx: Transaction, now: float, retry_after: float | None, *, limit: float) -> float:
    """Take in that Promoter refused a request for being over the limit: everybody waits, then goes slower.

    Args:
        retry_after: The seconds that Promoter asked to wait, if it did.

    Returns:
        Until when everybody waits, in epoch seconds.
    """
    _, rate, rated_at, held = _clock(tx)
    wait = _DEFAULT_HOLD_SECONDS if retry_after is None else retry_after
    # A wait of more than a minute is that of a daily limit, which says nothing of a minute; a refusal while all wait
    # anyway was for a request on its way.
    if held <= now and wait <= _MINUTE:
        rate = _measured(tx, now, wait, _pace(rate, rated_at, now, limit), limit)
        rated_at = now + wait
    until = max(held, now + wait)
    tx.execute(update(request_clock).values(rate=rate, rated_at=rated_at, paused_until=until))
    return until


def _measured(tx: Transaction, now: float, wait: float, pace: float, limit: float) -> float:
    """Return the pace, in requests a minute, that a refusal leaves."""
    of_the_minute = select(func.sum(request_seconds.c.requests), func.min(request_seconds.c.second))
    number, since = tx.execute(of_the_minute.where(request_seconds.c.second > int(now - _MINUTE))).one()
    # What was accepted, from the first of them until Promoter takes the next, is what it allows in that time.
    span = min(_MINUTE, max(1.0, now - (now if since is None else since) + wait))
    measured = float(number or 0) * _MINUTE / span
    if span < _WHOLE_MINUTE:
        # It says little of a whole minute: somebody else may have used the limit up, or it is one of a second.
        measured = max(measured, pace * _SLOWER)
    # Somebody else may use nearly all of it: then Retry-After alone has to do, and a limit told twenty times too high.
    return min(max(measured, limit * _LEAST), pace)


def _pace(rate: float, rated_at: float, now: float, limit: float) -> float:
    """Return how many requests may leave in a minute: what was measured, and ever more while no refusal comes.

    After a minute it is a twentieth more, after ten minutes fourteen times as much: a limit that was measured while
    somebody else used it up does not bind for hours.
    """
    minutes = min(max(0.0, now - rated_at) // _MINUTE, _MINUTE)
    return min(rate * _GROWTH ** (minutes * (minutes + 1) / 2), limit) if rate else limit


def rate(tx: Transaction, now: float, *, limit: float) -> float:
    """Return how many requests a minute leave at the most just now: the limit as told, or less if less was measured."""
    _, measured, rated_at, _ = _clock(tx)
    return _pace(measured, rated_at, now, limit) * _MARGIN


def reset(tx: Transaction) -> None:
    """Let requests leave at once, whatever was reserved or asked for before; only for a copy that sends nothing."""
    tx.execute(update(request_clock).values(next_at=0.0, rate=0.0, rated_at=0.0, paused_until=0.0))


def _clock(tx: Transaction) -> tuple[float, float, float, float]:
    columns = (request_clock.c.next_at, request_clock.c.rate, request_clock.c.rated_at, request_clock.c.paused_until)
    row = tx.execute(select(*columns)).one()
    return row[0], row[1], row[2], row[3]
