"""BATCH messages: the records of files that a tap wrote instead of printing them."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast
from urllib.parse import unquote, urlsplit

from target_promoter.errors import InputError
from target_promoter.singer.reader import Reader, check_stream, refuse

_COMPRESSIONS: Final = (None, "none", "gzip")
_HOSTS: Final = ("", "localhost")
_LONGEST_LINE: Final = 64 * 1024 * 1024
_BLANK: Final = b" \t\r\n\xef\xbb\xbf"


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
                    if line.strip(_BLANK):
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
            raise BatchError(stream, f"whose file {path.name} is no regular file")
        yield cast("BinaryIO", gzip.GzipFile(fileobj=file)) if compression == "gzip" else file
