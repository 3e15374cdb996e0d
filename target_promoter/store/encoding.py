"""JSON as the store keeps it: numbers exact, keys as they come."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

_encoder: Final = msgspec.json.Encoder(enc_hook=str, decimal_format="number")
_sorting_encoder: Final = msgspec.json.Encoder(enc_hook=str, decimal_format="number", order="deterministic")
_LONGEST_INTEGER: Final = 4300  # Digits; Python makes no number of more.
_decoder: Final = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: object) -> str:
    """Return a value as JSON text; what JSON has no word for becomes its text."""
    return _encode(_encoder, value).decode()


def decode(text: str | bytes) -> Any:  # noqa: ANN401 - JSON is of any shape
    """Return the value of JSON text; numbers with a point, and those of too many digits, stay exact as `Decimal`."""
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError:
        return json.loads(text, parse_int=_number, parse_float=Decimal)


def digest(value: object) -> bytes:
    """Return a hash of 16 bytes that is the same for equal values, whatever the order of their keys."""
    return hashlib.blake2b(canonical(value), digest_size=16).digest()


def canonical(value: object) -> bytes:
    """Return a value as JSON whose bytes are the same for equal values; it gives values of one time an order."""
    return _encode(_sorting_encoder, value)


def _number(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else Decimal(digits)


def _encode(encoder: msgspec.json.Encoder, value: object) -> bytes:
    try:
        return encoder.encode(value)
    except ValueError:
        return encoder.encode(_writable(value))


def _writable(value: object) -> object:
    """Return a value without what msgspec does not write: lone surrogates, and integers beyond 64 bits as such."""
    if isinstance(value, msgspec.Struct):
        return _writable(msgspec.to_builtins(value, builtin_types=(Decimal,), enc_hook=str))
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, Mapping):
        return {_writable(str(name)): _writable(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_writable(inner) for inner in value]
    return value
