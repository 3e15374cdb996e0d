"""Reading the lines of a tap, and the files of BATCH messages that it wrote instead of printing records."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, NoReturn, cast
from urllib.parse import unquote, urlsplit

import msgspec
from singer_sdk.contrib.msgspec import decoder
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from target_promoter.errors import InputError


def refuse(kind: str, key: str, wanted: str) -> NoReturn:
    """Refuse a message.

    Raises:
        InputError: Always.
    """
    raise InputError(f"The tap sends {kind} with a `{key}` that is not {wanted}: fix the tap.")


def check_stream(kind: str, message: Mapping[str, Any]) -> None:
    """Refuse a message whose stream is no name.

    Raises:
        InputError: It is not.
    """
    if not (isinstance(message["stream"], str) and message["stream"].isprintable()):
        refuse(kind, "stream", "a printable text")


def check_schema(message: dict[str, Any]) -> None:
    """Refuse a SCHEMA message that is out of form, and fill in what may be missing.

    Args:
        message: The message; a schema without `properties` is given none, since the SDK cannot do without.

    Raises:
        InputError: Its stream, schema or key properties are none.
    """
    check_stream("SCHEMA", message)
    schema, keys = message["schema"], message.get("key_properties")
    if not isinstance(schema, dict):
        refuse("SCHEMA", "schema", "an object")
    if not isinstance(schema.setdefault("properties", {}), dict):
        refuse("SCHEMA", "properties", "an object")
    if keys is not None and not (
        isinstance(keys, list) and all(isinstance(key, str) and key.isprintable() for key in keys)
    ):
        refuse("SCHEMA", "key_properties", "a list of printable names")


def check_record(message: dict[str, Any]) -> None:
    """Refuse a RECORD message that is out of form; what it lacks altogether the SDK sees.

    Raises:
        InputError: Its stream is no name, or its record no object.
    """
    if not isinstance(message.get("record", {}), dict):
        refuse("RECORD", "record", "an object")
    if "stream" in message:
        check_stream("RECORD", message)


_BLANK: Final[dict[str, Any]] = {"type": ""}
_ENDLESS: Final = 10**5000
"""In place of a number that nothing can write; its record is rejected."""

_LONGEST_INTEGER: Final = 4300  # Digits; Python makes no number of more.
_DEEPEST: Final = 250  # Deeper than what can be kept, and less deep than what Python can go through.
_UNREADABLE: Final = "holds a number too long, or a value nested too deep, to be read"
_BRACKET: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]')


class Reader(GenericSingerReader[str]):
    """Reads Singer messages with msgspec, and what msgspec refuses but taps send with Python's own reader.

    The SDK's reader logs a line that it cannot parse whole, which may be personal data.

    Args:
        source: What the lines are of, for the sentences that refuse one.
        holds_records: Whether a line is a record itself, and no message.
    """

    def __init__(self, source: str = "the input", *, holds_records: bool = False) -> None:
        super().__init__()
        self._source = source
        self._holds_records = holds_records
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
            Of a blank line one that says nothing.

        Raises:
            InputError: The line is not a JSON object.
        """
        self._line += 1
        try:
            message = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeEncodeError, InvalidOperation, RecursionError):
            message = self._lenient(line)
        if not isinstance(message, dict):
            self._refuse("is not a JSON object")
        if not self._is_record(message) and line.count("{") + line.count("[") > _DEEPEST and _shallow(line) != line:
            self._refuse(_UNREADABLE)
        return message

    def _is_record(self, message: object) -> bool:
        """Return whether a line is a record, which may be rejected; of any other the run must know all."""
        return self._holds_records or (isinstance(message, dict) and message.get("type") == "RECORD")

    @override
    def assert_line_requires(self, line_dict: dict[str, Any], requires: set[str]) -> None:  # type: ignore[override]
        """Refuse a message that lacks something, without showing it.

        Raises:
            InputError: It lacks one, or its type is no text.
        """
        if not requires <= line_dict.keys():
            self._refuse(f"has no {', '.join(sorted(requires - line_dict.keys()))}")
        if "type" in requires and not isinstance(line_dict["type"], str):
            self._refuse("has a `type` that is not text")

    @override
    def _process_unknown_message(self, message_dict: dict[str, Any]) -> None:
        if message_dict is _BLANK:
            return
        self._refuse(f"is a message of the unknown type {str(message_dict['type'])[:40]!r}")

    def _lenient(self, line: str) -> object:
        """Return the message of a line that msgspec refuses, without what is too long or too deep in a record."""
        text = line.lstrip("\ufeff")
        if not text.strip():
            return _BLANK
        endless: list[str] = []

        def integer(digits: str) -> int:
            if len(digits) <= _LONGEST_INTEGER:
                return int(digits)
            endless.append(digits)
            return _ENDLESS

        def fraction(digits: str) -> Decimal | int:
            try:
                return Decimal(digits)
            except InvalidOperation:
                endless.append(digits)
                return _ENDLESS

        shallow = _shallow(text)
        try:
            message = json.loads(shallow, parse_int=integer, parse_float=fraction, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            self._refuse("is not valid JSON")
        if (endless or shallow != text) and not self._is_record(message):
            self._refuse(_UNREADABLE)
        return message

    def _refuse(self, problem: str) -> NoReturn:
        message = f"Line {self._line} of {self._source} {problem}: see what the tap printed there."
        raise InputError(message) from None


def _shallow(text: str) -> str:
    """Return JSON text without what is nested too deep to be read; enough is left for its record to be rejected."""
    kept: list[str] = []
    level = start = 0
    for match in _BRACKET.finditer(text):
        bracket = match[0][0]
        if bracket in "[{":
            level += 1
            if level == _DEEPEST:
                kept.append(text[start : match.start()])
        elif bracket in "]}":
            if level == _DEEPEST:
                kept.append("null")
                start = match.end()
            level -= 1
    return "".join((*kept, text[start:]))


_COMPRESSIONS: Final = (None, "none", "gzip")
_HOSTS: Final = ("", "localhost")
_LONGEST_LINE: Final = 64 * 1024 * 1024
_AROUND: Final = b" \t\r\n\xef\xbb\xbf"


class BatchError(InputError):
    """Batch files that cannot be read."""

    def __init__(self, stream: str, problem: str) -> None:
        super().__init__(
            f"The tap sends a BATCH of stream `{stream}` {problem}: "
            "set the tap to send records, or JSONL files (plain or gzip) at file:// addresses."
        )


def record_messages(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the records of a BATCH message's files as RECORD messages, one at a time.

    All that can be refused without opening a file is refused before the first record.

    Yields:
        One RECORD message.

    Raises:
        InputError: The files are not JSONL, not on this machine, or cannot be read.
    """
    check_stream("BATCH", message)
    stream, manifest = message["stream"], message["manifest"]
    compression = _compression(stream, message["encoding"])
    if not isinstance(manifest, list):
        refuse("BATCH", "manifest", "a list")
    common = {"type": "RECORD", "stream": message["stream"], "time_extracted": message.get("time_extracted")}
    for path in [_path(stream, address) for address in manifest]:
        reader = Reader(f"batch file {path.name}", holds_records=True)
        try:
            with _open(stream, path, compression) as file:
                for line in iter(lambda: file.readline(_LONGEST_LINE + 1), b""):
                    if len(line) > _LONGEST_LINE:
                        raise BatchError(stream, f"whose file {path.name} has a line of more than 64 MiB")
                    if line.strip(_AROUND):
                        yield {**common, "record": reader.deserialize_json(line.decode())}
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            words = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
            raise BatchError(stream, f"whose file {path.name} cannot be read ({words})") from error


def _compression(stream: str, encoding: object) -> str | None:
    """Return how the files are compressed; refuse a format that is none of ours."""
    if not isinstance(encoding, Mapping):
        refuse("BATCH", "encoding", "an object")
    if encoding.get("format") != "jsonl":
        raise BatchError(stream, "in a format that is not JSONL")
    compression = encoding.get("compression")
    if compression not in _COMPRESSIONS:
        raise BatchError(stream, "with a compression that is not gzip")
    return None if compression is None else str(compression)


def _path(stream: str, address: object) -> Path:
    """Return the path of a file:// address."""
    try:
        parts = urlsplit(address) if isinstance(address, str) else None
        path = "" if parts is None else unquote(parts.path, errors="strict")
    except ValueError:
        parts = None
    if parts is None or parts.scheme != "file" or parts.netloc not in _HOSTS:
        raise BatchError(stream, "whose files are not on this machine")
    if not path.isprintable():
        raise BatchError(stream, "of a file whose name holds control characters")
    return Path(path)


@contextmanager
def _open(stream: str, path: Path, compression: str | None) -> Iterator[BinaryIO]:
    """Open a file; whatever else bears its name (a pipe, a device) might never end, or never begin."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BatchError(stream, f"whose file {path.name} is not a regular file")
        yield cast("BinaryIO", gzip.GzipFile(fileobj=file)) if compression == "gzip" else file
