"""The hours of the week in which surveys may be sent."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class SurveyHours:
    """Hours of some days of the week, by the clock of a time zone.

    Attributes:
        start: The minute of the day at which they begin.
        end: The minute of the day at which they are over; if not after `start`, that of the next day.
        days: The days of the week on which they begin, Monday being 0.
        zone: The time zone.
    """

    start: int
    end: int
    days: tuple[int, ...]
    zone: ZoneInfo

    def __post_init__(self) -> None:
        """Refuse hours that would never come."""
        if not self.days or self.start == self.end:
            raise ValueError("hours that never come")

    def next_opening(self, time: float) -> float:
        """Return the time itself if it lies within the hours, else when they begin next, both in epoch seconds."""
        if self._is_open(time):
            return time
        first = datetime.fromtimestamp(time, self.zone).date()
        later = (first + timedelta(days=n) for n in itertools.count())
        openings = (one for day in later for one in self._candidates(day) if one > time and self._is_open(one))
        return next(openings)

    def _is_open(self, time: float) -> bool:
        """Return whether the clock of the zone shows a time within the hours."""
        local = datetime.fromtimestamp(time, self.zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return today in self.days and self.start <= minute < self.end
        yesterday = (today - 1) % 7
        return (today in self.days and minute >= self.start) or (yesterday in self.days and minute < self.end)

    def _candidates(self, day: date) -> Iterable[float]:
        """Return when the hours may begin on a day; on one on which the clock is changed that is any minute."""
        midnight = datetime.combine(day, datetime.min.time(), self.zone)
        next_midnight = midnight + timedelta(days=1)
        if midnight.utcoffset() == next_midnight.utcoffset():
            return ((midnight + timedelta(minutes=self.start)).timestamp(),)
        begin, end = (int(one.astimezone(UTC).timestamp()) for one in (midnight, next_midnight))
        return range(begin, end, 60)
