"""What Promoter accepts as attributes: flat names of letters, digits, `_` and space, and values that are not empty.

Source: Promoter's help centre on attributes (names, ISO 8601 dates, no lists, no objects) and its reference, whose
version 1 wants the attributes of a contact as strings while version 2 takes JSON values for those of a survey.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final, Generic, Literal, TypeVar

from target_promoter.values.times import iso_time

V = TypeVar("V", str, object)

Scalar = str | bool | int | float | Decimal

_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_ ]")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_BREAKS: Final = re.compile("[\t\n\x0b\x0c\r\x85]+")
_DEEPEST: Final = 20
_LONGEST_NUMBER: Final = 300  # Digits before and after the point; no float has more before it than 309.
_SMALLEST: Final = Decimal(1).scaleb(-_LONGEST_NUMBER)
_EXACT: Final = Context(prec=3 * _LONGEST_NUMBER)
_SURE: Final = Context(prec=15)  # Digits that a binary fraction holds for sure.
_NOISY: Final = frozenset({16, 17})  # Digits that the others make up when a binary fraction is written.
_PLAIN: Final = 13  # Digits at the most that a number has whose other digits are noise.
_LONGEST_SHOWN: Final = 100  # Characters of a name in a note.
_SHORTEST_TIME: Final = len("2017-09-23T15:25")


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was changed or left out on the way, for the report.

    Attributes:
        kind: What was done.
        name: The name as it was sent; inside an object, with the names around it.
        detail: What became of it, without the value.
    """

    kind: Literal["renamed", "merged", "left out"]
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Attributes(Generic[V]):
    """Attributes as Promoter accepts them.

    Attributes:
        values: From name to value, sorted by name.
        notes: What was changed or left out.
    """

    values: dict[str, V]
    notes: tuple[Note, ...]


def contact_attributes(values: Iterable[tuple[str, object]]) -> Attributes[str]:
    """Return the attributes of a contact, whose values are strings.

    Args:
        values: Names and values as sent, in order of time: of two names that become one the later wins.
    """
    found, notes = _collect(values)
    return Attributes({name: _as_text(found[name]) for name in sorted(found)}, notes)


def survey_attributes(properties: Mapping[str, object]) -> Attributes[object]:
    """Return the attributes of a survey, whose values are strings, numbers and booleans.

    Args:
        properties: The properties of the event, by their names as sent.
    """
    found, notes = _collect(properties.items())
    return Attributes({name: found[name] for name in sorted(found)}, notes)


def _collect(values: Iterable[tuple[str, object]]) -> tuple[dict[str, Scalar], tuple[Note, ...]]:
    """Return clean names with scalar values, and notes of what was changed on the way."""
    found: dict[str, Scalar] = {}
    origins: dict[str, tuple[str, str]] = {}
    notes: dict[Note, None] = {}
    for top, whole in values:
        # Most traits are plain text, and need none of the machinery for what is nested.
        leaves = ((top, _text(whole)),) if isinstance(whole, str) else _flatten(((top, whole),), "", 0)
        for sent, value in leaves:
            if value == "":
                continue
            if isinstance(value, Note):
                notes[value] = None
                continue
            name = _clean_name(sent)
            if not name:
                notes[Note("left out", _shown(sent), "its name is blank")] = None
                continue
            if name != sent:
                notes[Note("renamed", _shown(sent), _shown(name))] = None
            origin = origins.setdefault(name, (top, sent))
            if origin != (top, sent):
                detail = f"{_shown(name)}, the name of {_shown(origin[0])} as well"
                notes[Note("merged", _shown(sent), detail)] = None
                origins[name] = (top, sent)
            found[name] = value
    return found, tuple(notes)


def _flatten(values: Iterable[tuple[str, object]], prefix: str, depth: int) -> Iterator[tuple[str, Scalar | Note]]:
    """Yield every scalar with its whole name, objects flattened with `_`, null left out."""
    for name, value in values:
        path = f"{prefix}{name}"
        if isinstance(value, str):
            yield path, _text(value)
        elif value is None:
            continue
        elif isinstance(value, Mapping):
            if depth == _DEEPEST:
                yield path, Note("left out", _shown(path), "it is nested too deep")
            else:
                yield from _flatten(value.items(), f"{path}_", depth + 1)
        elif isinstance(value, (list, tuple)):
            if any(isinstance(item, (Mapping, list, tuple)) for item in value):
                yield f"{path}_count", len(value)
                continue
            items = [_as_text(item) for item in map(_scalar, value) if item is not None]
            if items:
                yield path, ", ".join(items)
        else:
            scalar = _scalar(value)
            yield path, Note("left out", _shown(path), "Promoter has no such value") if scalar is None else scalar


def _scalar(value: object) -> Scalar | None:
    """Return a value as a JSON scalar; None for null, an empty text, or what is neither text, number nor time."""
    if isinstance(value, str):
        return _text(value) or None
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float, Decimal)):
        return _number(value)
    if isinstance(value, dt.datetime):
        return _utc(value)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return None


def _number(value: float | Decimal) -> int | float | Decimal | None:
    """Return a number with all its digits; None if it is not finite or too long to be one.

    Digits that are the noise of a binary fraction go: 0.30000000000000004 is 0.3.
    """
    if isinstance(value, int):
        return value if value.bit_length() < _LONGEST_NUMBER * 3 else None
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite() or number.adjusted() >= _LONGEST_NUMBER:
        return None
    if number.as_tuple().exponent < -_LONGEST_NUMBER:  # type: ignore[operator] # an integer, for it is finite
        number = number.quantize(_SMALLEST, context=_EXACT)
    if number == number.to_integral_value():
        return int(number)
    approximate = float(number)
    if Decimal(repr(approximate)) != number:
        return number.normalize(_EXACT)
    if len(number.normalize(_EXACT).as_tuple().digits) in _NOISY:
        plain = number.normalize(_SURE)
        if len(plain.as_tuple().digits) <= _PLAIN:
            approximate = float(plain)
    return int(approximate) if approximate.is_integer() else approximate


def _as_text(value: Scalar) -> str:
    """Return a scalar as a string: `true`, `12.5`, never an exponent."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    text = str(value)
    return format(Decimal(text), "f") if "e" in text else text


def _text(value: str) -> str:
    """Return a text without control characters, and a date-time in UTC; empty if only space is left."""
    if not value.isprintable():
        value = _CONTROLS.sub("", _LINE_BREAKS.sub(" ", value))
    if len(value) >= _SHORTEST_TIME and value[4:5] == "-":
        moment = iso_time(value, time_required=True)
        if moment is not None:
            return _utc(moment)
    return value if value.strip() else ""


def _utc(moment: dt.datetime) -> str:
    """Return a date-time as Promoter recognizes it, in UTC; one without a zone is UTC."""
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(dt.UTC)
        except OverflowError:  # The first or last day that Python knows, in another zone.
            moment = moment.replace(tzinfo=dt.UTC)
    return f"{moment.replace(tzinfo=None, microsecond=0).isoformat()}Z"


@functools.lru_cache(maxsize=8192)
def _clean_name(sent: str) -> str:
    """Return a name with nothing in it but what Promoter accepts."""
    return _NOT_IN_A_NAME.sub("_", sent).strip(" ")


def _shown(name: str) -> str:
    """Return a name as a note shows it: no database takes all that a tap makes up, and nobody reads long ones."""
    text = _CONTROLS.sub("\ufffd", name)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
