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

from target_promoter.progress.words import EXPLAINED, count, in_words, sent_and_due, sent_of_due, to_send, when
from target_promoter.store.outcomes import NOT_SENT, TrackOutcome
from target_promoter.store.summary import Summary

logger = logging.getLogger("target-promoter.run")

SUMMARY: Final = "Run summary: "
"""How the line begins that holds a run's summary."""

_LABELS: Final = {"identify": "people", "track": "events", "surveys": "surveys", "contacts": "contacts"}
_WITHOUT_SURVEY: Final = (TrackOutcome.STORED, TrackOutcome.STALE, TrackOutcome.UNMATCHED, TrackOutcome.REJECTED)


def rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    """Yield what came of a run, by the parts of its summary: the part, how many, and what of them.

    Args:
        summary: In the form of the summary line.
    """
    people, events = summary["identify"]["read"], summary["track"]["read"]
    yield "read", people + events + summary["ignored"], f"records: {people:,} of people, {events:,} of events"
    if summary["ignored"]:
        yield "", summary["ignored"], "of them were ignored"
    for part, label in _LABELS.items():
        first = label
        for outcome in EXPLAINED[part]:
            number = summary[part].get(outcome, 0)
            if number:
                yield first, number, in_words(part, outcome, number)
                first = ""
    api = summary["api"]
    if api["requests"]:
        yield "requests", api["requests"], f"{api['retries']:,} of them repeated" if api["retries"] else ""


def verdict(summary: Mapping[str, Any], next_due_at: float | None = None) -> Iterator[str]:
    """Yield in sentences what was surveyed, what was not and why, and what is left.

    Args:
        summary: In the form of the summary line.
        next_due_at: When the next survey that waits for its day is due, in epoch seconds.
    """
    surveys, contacts = summary["surveys"], summary["contacts"]
    if summary["dry_run"]:
        yield "This was a dry run: nothing was sent, and nothing was stored."
    else:
        yield sent_of_due(*sent_and_due(surveys, surveys["pending"]))
    yield from (f"{surveys[one]:,} {in_words('surveys', one, surveys[one])}." for one in NOT_SENT if surveys[one])
    yield from _never_due(summary)
    yield from _waiting(surveys["waiting"], next_due_at)
    if contacts["refused"]:
        yield f"{count(contacts['refused'], 'contact')} {in_words('contacts', 'refused', contacts['refused'])}."
    doing = "to be sent" if summary["dry_run"] else "not sent yet: run again, or `target-promoter deliver`"
    yield from to_send(surveys["pending"], contacts["pending"], doing)


def _waiting(number: int, next_due_at: float | None) -> Iterator[str]:
    if number:
        day = f"; the next is due {when(next_due_at)}" if next_due_at is not None else ""
        yield f"{count(number, 'survey')} {in_words('surveys', 'waiting', number)}{day}."


def _never_due(summary: Mapping[str, Any]) -> Iterator[str]:
    track = summary["track"]
    for outcome in _WITHOUT_SURVEY:
        if track[outcome]:
            yield f"{count(track[outcome], 'event')} {in_words('track', outcome, track[outcome])}."
    if summary["identify"]["rejected"]:
        yield f"{count(summary['identify']['rejected'], 'record')} of people could not be read."


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
    """Show how a run ended, if standard error is a terminal and there is something to show; a log hears what waits.

    Args:
        summary: In the form of the summary line.
        next_due_at: When the next survey that waits for its day is due, in epoch seconds.
        failed: Whether its exit status is not 0: why is logged after this, and is the last that is seen.
    """
    did = list(rows(summary))
    if not sys.stderr.isatty():
        for sentence in _waiting(summary["surveys"]["waiting"], next_due_at):
            logger.info("%s", sentence)
        return
    if failed and not any(number for _, number, _ in did):
        return
    from target_promoter.progress.terminal import show_end  # noqa: PLC0415 - only a terminal needs rich

    show_end(did, " ".join(verdict(summary, next_due_at)))


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
        for sentence in str(error).splitlines():
            logger.error("%s", sentence)
        log_summary(Summary(sandbox=sandbox, dry_run=dry_run, started_at=now).as_dict(now))
    return 1
