"""The end of a run on a terminal: a small table and a verdict in words, in place of lines that programs read."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from singer_sdk.metrics import METRICS_LOGGER_NAME
from typing_extensions import override

from target_promoter.progress.verdict import rows, verdict
from target_promoter.store.summary import Summary

logger = logging.getLogger("target-promoter.run")

SUMMARY: Final = "Run summary: "
"""How the line begins that holds a run's summary."""


class _ForPeople(logging.Filter):
    """Keeps lines that are for programs from a terminal, unless it shows DEBUG."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        for_programs = record.name == METRICS_LOGGER_NAME or record.getMessage().startswith(SUMMARY)
        return not for_programs or logging.getLogger().isEnabledFor(logging.DEBUG)


@contextlib.contextmanager
def for_people() -> Iterator[None]:
    """Show on a terminal what is for people alone; a log that is kept elsewhere gets all lines."""
    only, handlers = _ForPeople(), terminal_handlers() if sys.stderr.isatty() else []
    for handler in handlers:
        handler.addFilter(only)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(only)


def terminal_handlers() -> list[logging.StreamHandler[Any]]:
    """Return what writes the log to standard error."""
    return [
        handler
        for name in (None, "target-promoter")
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
    ]


def show(summary: Mapping[str, Any], next_due_at: float | None, *, failed: bool) -> None:
    """Show how a run ended, if standard error is a terminal.

    Args:
        summary: In the form of the summary line.
        next_due_at: When the next survey that waits for its day is due, in epoch seconds.
        failed: Whether its exit status is not 0.
    """
    if not sys.stderr.isatty():
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    for name, number, words in rows(summary):
        table.add_row(name, f"{number:,}", words)
    console = Console(stderr=True, highlight=False)
    console.print()
    console.print(table)
    console.print()
    console.print(Text(" ".join(verdict(summary, next_due_at)), style="bold"))
    if failed:
        console.print(Text("The run failed: what is wrong stands above, at ERROR.", style="bold red"))


def log_summary(summary: Mapping[str, Any]) -> None:
    """Log the line that programs read."""
    logger.info("%s%s", SUMMARY, json.dumps(summary))


def end_refused(error: Exception, *, sandbox: bool, dry_run: bool) -> int:
    """Log why a run could not begin, and the summary of one that did nothing: who reads summaries finds one here too.

    Args:
        error: Why, in a sentence.
        sandbox: Whether the run would have spoken to the embedded sandbox.
        dry_run: Whether the run would have withheld its requests.

    Returns:
        The exit status.
    """
    now = time.time()
    with for_people():
        logger.error("%s", error)
        log_summary(Summary(sandbox=sandbox, dry_run=dry_run, started_at=now).as_dict(now))
    return 1
