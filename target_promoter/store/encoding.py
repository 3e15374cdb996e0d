"""JSON as the store keeps it: numbers exact, keys as they come."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any, Final

import msgspec

_encoder: Final = msgspec.json.Encoder(enc_hook=str, decimal_format="number")
_sorting_encoder: Final = msgspec.json.Encoder(enc_hook=str, decimal_format="number", order="deterministic")
_decoder: Final = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: object) -> str:
    """Return a value as JSON text; what JSON has no word for becomes its text."""
    return _encode(_encoder, value, sort_keys=False).decode()


def decode(text: str | bytes) -> Any:  # noqa: ANN401 - JSON is of any shape
    """Return the value of JSON text; numbers with a point stay exact as `Decimal`."""
    return _decoder.decode(text)


def digest(value: object) -> bytes:
    """Return a hash of 16 bytes that is the same for equal values, whatever the order of their keys."""
    return hashlib.blake2b(canonical(value), digest_size=16).digest()


def canonical(value: object) -> bytes:
    """Return a value as JSON whose bytes are the same for equal values; it gives values of one time an order."""
    return _encode(_sorting_encoder, value, sort_keys=True)


def _encode(encoder: msgspec.json.Encoder, value: object, *, sort_keys: bool) -> bytes:
    try:
        return encoder.encode(value)
    except ValueError:  # A lone surrogate, or an integer beyond 64 bits, neither of which msgspec writes.
        return json.dumps(value, sort_keys=sort_keys, default=str).encode()
