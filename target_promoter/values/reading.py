"""Readers of single values as taps deliver them: ids, names, e-mail addresses, objects, fingerprints.

Nothing that a tap may send makes one of these raise: what cannot be read is None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import msgspec

# PostgreSQL text holds no NUL, and no database holds half a surrogate pair.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_EMAIL: Final = re.compile(
    r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*"
    r"@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_](?:[\w-]{0,61}[^\W_])",
)
_EMAIL_LENGTH: Final = 254
_LOCAL_PART_LENGTH: Final = 64

_DEEPEST: Final = 200
_SHORTEST_DEEP: Final = 2 * _DEEPEST  # Bytes: each level has a bracket that opens and one that closes.
_LONGEST_ID: Final = 500  # Characters; PostgreSQL's indexes hold no more than some 2,700 bytes.
_LONGEST_NUMBER: Final = 40  # Digits; the longest ids in use, 128-bit numbers, have 39.

# What programs write as the id of nobody.
_NOBODY: Final = frozenset(
    {
        *("null", "none", "nil", "undefined", "nan", "n/a", "anonymous", "guest", "unknown", "true", "false"),
        *("[object object]", "(null)", "<null>", "(none)", "<none>", "<nil>", "<na>", "#n/a", "(not set)"),
    }
)
_ZEROS: Final = "0-{}"  # What the UUID of zeros is written with.
_WHOLE_NUMBER: Final = re.compile(r"(-?(?:0|[1-9]\d*))\.0+", re.ASCII)
_AROUND_ADDRESS: Final = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff \t\n\r\xa0"
_MAILBOX: Final = re.compile(r"[^<>@]*<([^<>]*)>")

_encoder: Final = msgspec.json.Encoder(decimal_format="number", order="deterministic", enc_hook=str)
_decoder: Final = msgspec.json.Decoder(dict[str, object] | list[object], float_hook=Decimal)
_OPENING: Final = ("{", "[")


def clean(text: str) -> str:
    """Return a text trimmed and fit for a database: NUL and lone surrogates become U+FFFD.

    Args:
        text: Any text.
    """
    if text.isprintable():
        return text.strip()
    return _UNSTORABLE.sub("\ufffd", text).strip()


def identifier(value: object) -> str | None:
    """Return an id as text; numbers and text are the same id: `7`, `7.0`, `"7"` and `"7.0"`.

    Returns:
        The id, or None for what cannot be one: null, an empty text or one too long to look up by, a boolean, an
        object, a list, not-a-number.
    """
    if isinstance(value, str):
        text = value.strip() if value.isprintable() else clean(value)
        if text[-1:] == "0":
            whole = _WHOLE_NUMBER.fullmatch(text)
            text = whole[1] if whole else text
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


def person_id(value: object) -> str | None:
    """Return the id of a person or a visitor as text; None if it cannot be one, or is what programs write for none."""
    text = identifier(value)
    if text is None or text.lower() in _NOBODY or (text[-1] in _ZEROS and not text.strip(_ZEROS)):
        return None
    return text


def person_name(value: object) -> str | None:
    """Return a first or last name without control characters.

    Returns:
        The name, or None if it is empty or no text.
    """
    if not isinstance(value, str):
        return None
    return (value if value.isprintable() else _CONTROLS.sub("", value)).strip() or None


def email_address(value: object) -> str | None:
    """Return an e-mail address trimmed and in lower case; None if the value is not one address.

    What mail programs write around it (`mailto:`, `Ann <ann@example.com>`) and what nobody sees goes.
    """
    if not isinstance(value, str):
        return None
    address = value.strip().lower()
    if _is_address(address):
        return address
    mailbox = _MAILBOX.fullmatch(address.strip(_AROUND_ADDRESS))
    address = (mailbox[1] if mailbox else address).strip(_AROUND_ADDRESS)
    if address.startswith("mailto:"):
        address = address[len("mailto:") :].partition("?")[0].strip(_AROUND_ADDRESS)
    return address if _is_address(address) else None


def _is_address(text: str) -> bool:
    """Return whether a text in lower case has the form of an e-mail address."""
    at = text.find("@")
    # Looking for the underscore apart leaves the expression twice as fast.
    if at > _LOCAL_PART_LENGTH or len(text) > _EMAIL_LENGTH or text.find("_", at) >= 0:
        return False
    return _EMAIL.fullmatch(text) is not None


def as_object(value: object) -> Mapping[str, object]:
    """Return an object, which taps of warehouses and of CSV files deliver as JSON text.

    Args:
        value: An object, or the JSON text of one.

    Returns:
        The object; an empty one if the value is anything else.
    """
    found = from_json_text(value)
    return found if isinstance(found, dict) else {}


def from_json_text(value: object) -> object:
    """Return the list or object that a JSON text holds; any other value as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in _OPENING:
        return value
    try:
        found = _decoder.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return value
    return value if value.count("{") + value.count("[") > _DEEPEST and _is_deep(found) else found


def fingerprint(record: Mapping[str, object], salt: bytes = b"") -> bytes | None:
    """Return 16 bytes that are equal for equal records, whatever their `_sdc_*` columns and the order of their columns.

    Args:
        salt: At most 16 bytes that make it another fingerprint.

    Returns:
        The fingerprint; None if the record cannot be written, being nested too deep or holding an endless number.
    """
    content = record
    if "_sdc_" in "\n".join(record):
        content = {name: value for name, value in record.items() if name[:5] != "_sdc_"}
    encoded = _written(content)
    if encoded is None:
        return None
    if len(encoded) > _SHORTEST_DEEP and encoded.count(b"{") + encoded.count(b"[") > _DEEPEST and _is_deep(content):
        return None
    hasher = _hasher(salt).copy()
    hasher.update(encoded)
    return hasher.digest()


def holds(record: object, text: str) -> bool:
    """Return whether a text, of ASCII alone, stands anywhere in a record."""
    written = _written(record)
    return written is not None and _encoder.encode(text)[1:-1] in written


def _written(record: object) -> bytes | None:
    """Return a record as JSON; None if it cannot be written."""
    try:
        return _encoder.encode(record)
    except RecursionError:
        return None
    except ValueError:  # A lone surrogate, or an integer of thousands of digits, neither of which msgspec writes.
        try:
            return json.dumps(record, sort_keys=True, default=str).encode()
        except (ValueError, RecursionError):
            return None


@lru_cache
def _hasher(salt: bytes) -> blake2b:
    """Return the hash of nothing; copying it takes half the time of making it."""
    return blake2b(digest_size=16, salt=salt)


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
