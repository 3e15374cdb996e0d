"""Standard output, which may be closed, on a full disk, or a terminal that knows ASCII alone."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import click

from target_promoter.errors import OutputError
from target_promoter.values.printable import Lines, printable

_FULL_OR_CLOSED: Final = {errno.ENOSPC, errno.EDQUOT, errno.EPIPE, errno.EBADF, errno.EIO}


def prepare() -> None:
    """Have messages leave in UTF-8, a terminal show `?` for a letter that it does not know, and nothing be missing."""
    if sys.stdout is None:
        # What is closed fails only when it is written to; and the store must not get its number.
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the program ends
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="replace")
        else:
            sys.stdout.reconfigure(encoding="utf-8")
    logging.setLogRecordFactory(_record)


def say(line: object, *, err: bool = False) -> None:
    """Print a line for people; names from outside stand in it."""
    click.echo(printable(line), err=err)


def _record(*given: Any, **options: Any) -> logging.LogRecord:  # noqa: ANN401 - handed on unread
    """Return what is logged, by whomever: no tap, server or file name writes a line of the log by a line break."""
    record = logging.LogRecord(*given, **options)
    if record.exc_info and record.exc_info[0] is not None:
        lines = "".join(traceback.format_exception(*record.exc_info)).splitlines()
        record.exc_text = Lines.of(f"    {line}" for line in lines)
    said = record.getMessage()
    shown = printable(record.args[0] if record.msg == "%s" and isinstance(record.args, tuple) else said)
    if shown != said:
        record.msg, record.args = shown, ()
    return record


@contextlib.contextmanager
def written() -> Iterator[IO[str]]:
    """Yield standard output; what was written to it is out when this ends.

    Raises:
        OutputError: It is closed, or takes no more.
    """
    try:
        try:
            yield sys.stdout
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in _FULL_OR_CLOSED:
            raise
        # What it still holds is dropped; else Python tries to write it when it ends, and complains.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(
            f"Standard output cannot be written to ({error.strerror}): check the disk or program it goes to, "
            "then run again."
        ) from error
