"""Times: read as taps deliver them, and written as Promoter recognizes them, or for people to read.

Nothing that a tap may send makes a reader raise: what cannot be read is None.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

_ISO_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ]((?:[01]\d|2[0-3]):\d\d(?::\d\d(?:[.,]\d+)?)?)"
    # Go adds the zone's name, and its own clock, to the offset.
    r"\s?(?:(?:([+-]\d\d(?::?\d\d)?)(?: [A-Z]{3,5}| [+-]\d\d(?:\d\d)?)?|Z|UTC|GMT)(?: m=[+-][\d.]+)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_HOURS: Final = re.compile(r".{10} \d\d:\d\d ?-.*")
"""From ten to eleven, `10:00-11:00`: nobody writes a zone like that, without seconds and without the T."""

_RFC_1123: Final = re.compile(
    r"(?:[a-z]{3,9}, ?)?\d\d?[ -][a-z]{3}[ -][1-9]\d{3} \d\d:\d\d(?::\d\d)? (?:GMT|UTC?|Z|[+-]\d{4})",
    re.ASCII | re.IGNORECASE,
)
_ZERO_DATES: Final = frozenset({"0000-00-00", "0001-01-01", "1969-12-31", "1970-01-01"})
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH_TEXT: Final = re.compile(r"\d{10}(?:\d{3}){0,3}(?:\.\d+)?", re.ASCII)
_FRACTION: Final = slice(26, 27)  # Where a seventh digit of a second would stand.
_END_OF_TIME: Final = 253_402_300_800.0  # The year 10000, which no datetime object can hold.
_LONGEST: Final = 100  # Characters of a text that may be a time.
# As seconds 1e11 is the year 5138, as milliseconds it is 1973; and so on for micro- and nanoseconds.
_UNITS: Final = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_DAY: Final = 86_400.0


def epoch_seconds(value: object) -> float | None:
    """Return a time as epoch seconds.

    Args:
        value: ISO 8601 text (with or without zone, with T or a space, or a date alone), text as of RFC 1123, a datetime
            or date object, or epoch seconds, milli-, micro- or nanoseconds as a number or as text. A time without a
            zone is UTC.

    Returns:
        The time; None if it cannot be read, lies after the year 9999, or not after 1 January 1970: that is what
        programs write that have no time.
    """
    if isinstance(value, str):
        moment = iso_time(value)
        if moment is not None:
            return _in_range(moment.timestamp())
        text = value.strip()
        value = float(text) if _EPOCH_TEXT.fullmatch(text) else _rfc_1123(text)
    elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)
        return _in_range(aware.timestamp())
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except (OverflowError, ValueError):
            return None
        return _in_range(next((seconds / unit for least, unit in _UNITS if seconds >= least), seconds))
    return None


def _in_range(seconds: float) -> float | None:
    """Return the time unless it is zero or outside what a datetime holds; not-a-number compares false with all."""
    return seconds if _DAY <= seconds < _END_OF_TIME else None


def is_date(value: object) -> bool:
    """Return whether a value is a date alone, and means its whole day."""
    if isinstance(value, str):
        return len(value.strip()) == len("2024-05-01") and _DATE.fullmatch(value.strip()) is not None
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


def is_zero(value: object) -> bool:
    """Return whether a value is what programs write as the time of what never was, such as epoch 0."""
    if isinstance(value, str):
        return value.strip()[:10] in _ZERO_DATES or not value.strip(" 0.")
    if isinstance(value, dt.date):
        return value.isoformat()[:10] in _ZERO_DATES
    return isinstance(value, (int, float, Decimal)) and not value


def _rfc_1123(text: str) -> dt.datetime | None:
    """Return a time such as `Fri, 05 Jan 2024 10:00:00 GMT`."""
    if len(text) >= _LONGEST or _RFC_1123.fullmatch(text) is None:
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


def iso_time(text: str, *, time_required: bool = False) -> dt.datetime | None:
    """Return an ISO 8601 date-time text as a datetime with a zone, alike on every version of Python.

    Args:
        time_required: Whether a date alone is no answer; otherwise it is its midnight. Without a zone it is UTC.

    Returns:
        The time, to the microsecond; None if the text is no such time.
    """
    if not text[_FRACTION].isdigit():
        # The usual form is read many times faster so; but a seventh digit would be rounded up, into the future.
        try:
            moment = msgspec.convert(text, dt.datetime)
        except (msgspec.ValidationError, UnicodeEncodeError):
            pass
        else:
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
    text = text.strip()
    match = _ISO_TIME.fullmatch(text) if len(text) < _LONGEST else None
    if match is None or _HOURS.fullmatch(text) or (time_required and match[2] is None):
        return None
    day, clock, zone = match.groups()
    try:
        return dt.datetime.fromisoformat(f"{day}T{clock or '00:00'}{zone or '+00:00'}")
    except ValueError:
        return None


def iso(time: float) -> str:
    """Return a time in epoch seconds as `YYYY-MM-DDTHH:MM:SSZ`."""
    return dt.datetime.fromtimestamp(int(time), tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: float) -> str:
    """Return a length of time in words, such as `2 h 5 min`.

    Args:
        seconds: The length, in seconds.
    """
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < _DAY:
        hours, rest = divmod(seconds, _HOUR)
        return f"{hours:.0f} h {rest / _MINUTE:.0f} min"
    return f"{seconds / _DAY:.1f} days"


_DAYS_BACK: Final = 9


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
        openings = (
            one for day in later for one in self._candidates(day, self.start) if one > time and self._is_open(one)
        )
        return next(openings)

    def last_closing(self, time: float) -> float | None:
        """Return when the hours were over last by a time, both in epoch seconds; None if not within a week before."""
        first = datetime.fromtimestamp(time, self.zone).date()
        earlier = (first - timedelta(days=n) for n in range(_DAYS_BACK))
        closings = (
            one
            for day in earlier
            for one in reversed(self._candidates(day, self.end))
            if one <= time and self._is_open(one - 60) and not self._is_open(one)
        )
        return next(closings, None)

    def _is_open(self, time: float) -> bool:
        """Return whether the clock of the zone shows a time within the hours."""
        local = datetime.fromtimestamp(time, self.zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return today in self.days and self.start <= minute < self.end
        yesterday = (today - 1) % 7
        return (today in self.days and minute >= self.start) or (yesterday in self.days and minute < self.end)

    def _candidates(self, day: date, minute: int) -> Sequence[float]:
        """Return when it may be a minute of a day; on one on which the clock is changed that is any minute of it."""
        midnight = datetime.combine(day, datetime.min.time(), self.zone)
        next_midnight = midnight + timedelta(days=1)
        if midnight.utcoffset() == next_midnight.utcoffset():
            return ((midnight + timedelta(minutes=minute)).timestamp(),)
        begin, end = (int(one.astimezone(UTC).timestamp()) for one in (midnight, next_midnight))
        return range(begin, end, 60)
