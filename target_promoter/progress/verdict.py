"""How a run ended, in words: a small table, and a few sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from target_promoter.progress.words import EXPLAINED, NOT_SENT, count, told, when

_LABELS = {"identify": "people", "track": "events", "surveys": "surveys", "contacts": "contacts"}
_E_MAILED = ("sent", "presumed")


def rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    """Yield what came of a run, by the parts of its summary: the part, how many, and what of them.

    Args:
        summary: In the form of the summary line.
    """
    people, events = summary["identify"]["read"], summary["track"]["read"]
    yield "read", people + events + summary["ignored"], f"records: {people:,} of people, {events:,} of events"
    if summary["ignored"]:
        yield "", summary["ignored"], "of them of no concern to Promoter"
    for part, label in _LABELS.items():
        first = label
        for outcome, words in EXPLAINED[part].items():
            number = summary[part].get(outcome, 0)
            if number:
                yield first, number, told(number, words)
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
        yield "This was a dry run: nothing was sent, and nothing is kept."
    yield from _due(summary)
    yield from _never_due(summary)
    if surveys["waiting"]:
        day = f"; the next is due {when(next_due_at)}" if next_due_at is not None else ""
        words = told(surveys["waiting"], EXPLAINED["surveys"]["waiting"])
        yield f"{count(surveys['waiting'], 'survey')} {words}{day}."
    if contacts["refused"]:
        yield f"{count(contacts['refused'], 'contact')} {_was(contacts['refused'])} refused by Promoter."
    left = [(surveys["pending"], "survey"), (contacts["pending"], "contact")]
    doing = "would be sent" if summary["dry_run"] else "not sent yet: run again, or `target-promoter deliver`"
    pending = " and ".join(count(number, thing) for number, thing in left if number)
    if pending:
        many = sum(number for number, _ in left) > 1
        yield f"{pending} {doing}." if summary["dry_run"] else f"{pending} {'are' if many else 'is'} {doing}."


def _due(summary: Mapping[str, Any]) -> Iterator[str]:
    surveys = summary["surveys"]
    sent = sum(surveys[outcome] for outcome in _E_MAILED)
    due = sent + surveys["pending"] + sum(surveys[outcome] for outcome in NOT_SENT)
    kept = [f"{surveys[one]:,} {told(surveys[one], EXPLAINED['surveys'][one])}." for one in NOT_SENT if surveys[one]]
    if summary["dry_run"]:
        yield from kept
    elif sent == due and due:
        yield "The survey that was due was sent." if due == 1 else f"All {due:,} surveys that were due were sent."
    elif due:
        yield f"{sent:,} of {count(due, 'survey')} that {'was' if due == 1 else 'were'} due {_was(sent)} sent."
        yield from kept
    else:
        yield "No survey was due."


def _never_due(summary: Mapping[str, Any]) -> Iterator[str]:
    track = summary["track"]
    for outcome in ("stale", "unmatched", "rejected"):
        if track[outcome]:
            yield f"{count(track[outcome], 'event')} {told(track[outcome], EXPLAINED['track'][outcome])}."
    if summary["identify"]["rejected"]:
        yield f"{count(summary['identify']['rejected'], 'record')} of people could not be read."


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
