"""BATCH messages: the records of files that a tap wrote instead of printing them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO
from urllib.parse import unquote, urlsplit

from target_promoter.errors import InputError
from target_promoter.singer.messages import refuse
from target_promoter.singer.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPRESSIONS: Final = (None, "none", "gzip")
_HOSTS: Final = ("", "localhost")


def record_messages(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the records of a BATCH message's files as RECORD messages, one at a time.

    All that can be refused without opening a file is refused before the first record.

    Yields:
        One RECORD message.

    Raises:
        InputError: The files are not JSONL, not on this machine, or cannot be read.
    """
    stream, manifest = str(message["stream"]), message["manifest"]
    compression = _compression(stream, message["encoding"])
    if not isinstance(manifest, list):
        refuse("BATCH", "manifest", "a list")
    common = {"type": "RECORD", "stream": message["stream"], "time_extracted": message.get("time_extracted")}
    for path in [_path(stream, address) for address in manifest]:
        reader = Reader(f"batch file {path.name}")
        try:
            with _open(path, compression) as file:
                for line in file:
                    if line.strip():
                        yield {**common, "record": reader.deserialize_json(line)}
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            words = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
            raise InputError.batch(stream, f"whose file {path.name} cannot be read ({words})") from error


def _compression(stream: str, encoding: object) -> str | None:
    """Return how the files are compressed; refuse a format that is none of ours."""
    if not isinstance(encoding, Mapping):
        refuse("BATCH", "encoding", "an object")
    if encoding.get("format") != "jsonl":
        raise InputError.batch(stream, "in a format that is not JSONL")
    compression = encoding.get("compression")
    if compression not in _COMPRESSIONS:
        raise InputError.batch(stream, "with a compression that is not gzip")
    return None if compression is None else str(compression)


def _path(stream: str, address: object) -> Path:
    """Return the path of a file:// address."""
    parts = urlsplit(address) if isinstance(address, str) else None
    if parts is None or parts.scheme != "file" or parts.netloc not in _HOSTS:
        raise InputError.batch(stream, "whose files are not on this machine")
    return Path(unquote(parts.path))


def _open(path: Path, compression: str | None) -> TextIO:
    if compression == "gzip":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")
