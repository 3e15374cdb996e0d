"""Times: read as taps deliver them, and written as Promoter recognizes them, or for people to read.

Nothing that a tap may send makes a reader raise: what cannot be read is None.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Final

import msgspec

_ISO_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_EPOCH_TEXT: Final = re.compile(r"\d{10}(?:\.\d+)?|\d{13}", re.ASCII)
_FRACTION: Final = slice(26, 27)  # Where a seventh digit of a second would stand.
_END_OF_TIME: Final = 253_402_300_800.0  # The year 10000, which no datetime object can hold.
_MILLISECONDS_FROM: Final = 1e11  # As seconds this is the year 5138, as milliseconds it is 1973.
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_DAY: Final = 86_400.0


def epoch_seconds(value: object) -> float | None:
    """Return a time as epoch seconds.

    Args:
        value: ISO 8601 text (with or without zone, with T or a space, or a date alone), a datetime or date object, or
            epoch seconds or milliseconds as a number or as text. A time without a zone is UTC.

    Returns:
        The time, or None if it cannot be read or lies outside the years 1970 to 9999.
    """
    if isinstance(value, str):
        moment = iso_time(value)
        if moment is not None:
            return _in_range(moment.timestamp())
        text = value.strip()
        value = float(text) if _EPOCH_TEXT.fullmatch(text) else None
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
        return _in_range(seconds / 1000 if seconds >= _MILLISECONDS_FROM else seconds)
    return None


def _in_range(seconds: float) -> float | None:
    """Return the time unless it is outside what a datetime holds; not-a-number compares false with everything."""
    return seconds if 0 <= seconds < _END_OF_TIME else None


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
    match = _ISO_TIME.fullmatch(text.strip())
    if match is None or (time_required and match[4] is None):
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        return dt.datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int(fraction[:6].ljust(6, "0")) if fraction else 0,
            _zone(zone),
        )
    except ValueError:
        return None


def _zone(text: str | None) -> dt.timezone:
    """Return the zone of an offset such as `+02:00`, `+0200`, `+02` or `Z`."""
    if text is None or text[0] not in "+-":
        return dt.UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return dt.timezone(-offset if text[0] == "-" else offset)


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
