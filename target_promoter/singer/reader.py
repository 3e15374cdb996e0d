"""Reading the lines of a tap."""

from __future__ import annotations

import io
import json
import sys
from decimal import Decimal
from typing import IO, Any, NoReturn

import msgspec
from singer_sdk.contrib.msgspec import decoder
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from target_promoter.errors import InputError


class Reader(GenericSingerReader[str]):
    """Reads Singer messages with msgspec, and what msgspec refuses but taps send with Python's own reader.

    The SDK's reader logs a line that it cannot parse whole, which may be personal data.

    Args:
        source: What the lines are of, for the sentences that refuse one.
    """

    def __init__(self, source: str = "the input") -> None:
        super().__init__()
        self._source = source
        self._line = 0

    @property
    @override
    def default_input(self) -> IO[str]:
        """Standard input as it is now, in UTF-8 whatever the machine's own encoding is."""
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="strict")
        return sys.stdin

    @override
    def deserialize_json(self, line: str) -> dict[str, Any]:
        """Return the message of a line.

        Args:
            line: One line.

        Returns:
            The message; a number with a point is a `Decimal`, and what JSON has no number for (NaN, Infinity) is null.

        Raises:
            InputError: The line is no JSON object.
        """
        self._line += 1
        try:
            message = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeEncodeError):
            message = self._lenient(line)
        except RecursionError:
            self._refuse("is nested too deep")
        if not isinstance(message, dict):
            self._refuse("is no JSON object")
        return message

    @override
    def assert_line_requires(self, line_dict: dict[str, Any], requires: set[str]) -> None:  # type: ignore[override]
        """Refuse a message that lacks something, without showing it.

        Raises:
            InputError: It lacks one, or its type is no text.
        """
        if not requires <= line_dict.keys():
            self._refuse(f"has no {', '.join(sorted(requires - line_dict.keys()))}")
        if "type" in requires and not isinstance(line_dict["type"], str):
            self._refuse("has a type that is no text")

    @override
    def _process_unknown_message(self, message_dict: dict[str, Any]) -> None:
        self._refuse(f"is a message of the unknown type {str(message_dict['type'])[:40]!r}")

    def _lenient(self, line: str) -> object:
        try:
            return json.loads(line, parse_float=Decimal, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            self._refuse("is no JSON")

    def _refuse(self, problem: str) -> NoReturn:
        message = f"Line {self._line} of {self._source} {problem}: see what the tap printed there."
        raise InputError(message) from None
