"""Readers of single values as taps deliver them: ids, names, e-mail addresses, times, objects, fingerprints.

Nothing that a tap may send makes one of these raise: what cannot be read is None.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# PostgreSQL text holds no NUL, and no database holds half a surrogate pair.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_EMAIL: Final = re.compile(
    r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*"
    r"@(?:[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?\.)+[^\W\d_](?:(?:[^\W_]|-){0,61}[^\W_])",
)
_EMAIL_LENGTH: Final = 254
_LOCAL_PART_LENGTH: Final = 64

_ISO_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_EPOCH_TEXT: Final = re.compile(r"\d{10}(?:\.\d+)?|\d{13}", re.ASCII)
_FRACTION: Final = slice(26, 27)  # Where a seventh digit of a second would stand.
_END_OF_TIME: Final = 253_402_300_800.0  # The year 10000, which no datetime object can hold.
_MILLISECONDS_FROM: Final = 1e11  # As seconds this is the year 5138, as milliseconds it is 1973.
_DEEPEST: Final = 200
_LONGEST_ID: Final = 500  # Characters; PostgreSQL's indexes hold no more than some 2,700 bytes.
_LONGEST_NUMBER: Final = 40  # Digits; the longest ids in use, 128-bit numbers, have 39.

_encoder: Final = msgspec.json.Encoder(decimal_format="number", order="deterministic", enc_hook=str)
_decoder: Final = msgspec.json.Decoder(dict[str, object])


def clean(text: str) -> str:
    """Return a text trimmed and fit for a database: NUL and lone surrogates become U+FFFD.

    Args:
        text: Any text.
    """
    if text.isprintable():
        return text.strip()
    return _UNSTORABLE.sub("\ufffd", text).strip()


def identifier(value: object) -> str | None:
    """Return an id as text; numbers and text are the same id: `7`, `7.0` and `"7"`.

    Args:
        value: The value of an id column.

    Returns:
        The id, or None for what cannot be one: null, an empty text or one too long to look up by, a boolean, an
        object, a list, not-a-number.
    """
    if isinstance(value, str):
        text = clean(value)
        return text if 0 < len(text) <= _LONGEST_ID else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if abs(value) < 10**_LONGEST_NUMBER else None
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _LONGEST_NUMBER:
        return str(int(value)) if value == value.to_integral_value() else format(value.normalize(), "f")
    return None


def person_name(value: object) -> str | None:
    """Return a first or last name without control characters.

    Args:
        value: The value of a name column.

    Returns:
        The name, or None if it is empty or no text.
    """
    if not isinstance(value, str):
        return None
    return (value if value.isprintable() else _CONTROLS.sub("", value)).strip() or None


def email_address(value: object) -> str | None:
    """Return an e-mail address trimmed and in lower case.

    Args:
        value: The value of an e-mail column.

    Returns:
        The address, or None if the value has not the form of one.
    """
    if not isinstance(value, str):
        return None
    address = value.strip().lower()
    if len(address) > _EMAIL_LENGTH or address.find("@") > _LOCAL_PART_LENGTH:
        return None
    return address if _EMAIL.fullmatch(address) else None


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
        text = value.strip()
        value = float(text) if moment is None and _EPOCH_TEXT.fullmatch(text) else moment
    elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.timezone.utc)
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=dt.timezone.utc)
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
        text: The text.
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
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.timezone.utc)
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
        return dt.timezone.utc
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return dt.timezone(-offset if text[0] == "-" else offset)


def as_object(value: object) -> Mapping[str, object]:
    """Return an object, which taps of warehouses and of CSV files deliver as JSON text.

    Args:
        value: An object, or the JSON text of one.

    Returns:
        The object; an empty one if the value is anything else.
    """
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        try:
            found = _decoder.decode(value)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return {}
        return {} if value.count("{") + value.count("[") > _DEEPEST and _is_deep(found) else found
    return {}


def fingerprint(record: Mapping[str, object], salt: bytes = b"") -> bytes | None:
    """Return 16 bytes that are equal for equal records, whatever their `_sdc_*` columns and the order of their columns.

    Args:
        record: A record as read.
        salt: At most 16 bytes that make it another fingerprint.

    Returns:
        The fingerprint; None if the record cannot be written, being nested too deep or holding an endless number.
    """
    content = record
    if "_sdc_" in "\n".join(record):
        content = {name: value for name, value in record.items() if name[:5] != "_sdc_"}
    try:
        encoded = _encoder.encode(content)
    except RecursionError:
        return None
    except ValueError:  # A lone surrogate, or an integer of thousands of digits, neither of which msgspec writes.
        try:
            encoded = json.dumps(content, sort_keys=True, default=str).encode()
        except (ValueError, RecursionError):
            return None
    if encoded.count(b"{") + encoded.count(b"[") > _DEEPEST and _is_deep(content):
        return None
    return blake2b(encoded, digest_size=16, salt=salt).digest()


def _is_deep(value: object) -> bool:
    """Return whether a value is nested deeper than can be kept; how deep an encoder may go depends on its caller."""
    level = [value]
    for _ in range(_DEEPEST):
        inner = (item for one in level for item in (one.values() if isinstance(one, dict) else _items(one)))
        level = [item for item in inner if isinstance(item, (dict, list, tuple))]
        if not level:
            return False
    return True


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else ()
