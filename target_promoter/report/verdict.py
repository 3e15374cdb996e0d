"""What matters most of what the store knows, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from target_promoter.progress.words import EXPLAINED, NOT_SENT, count, told
from target_promoter.report.data import Report
from target_promoter.report.words import E_MAILED, moment


def achieved(report: Report) -> Iterator[str]:
    """Yield what was surveyed, and what was not though nothing is wrong."""
    outcomes = report.surveys.outcomes
    sent = sum(outcomes[one] for one in E_MAILED)
    due = sent + sum(outcomes[one] for one in NOT_SENT) + report.surveys.pending
    if due and sent == due:
        yield f"{'The survey' if due == 1 else f'All {due:,} surveys'} due in the last thirty days {_was(due)} sent."
    elif due:
        yield f"{sent:,} of {count(due, 'survey')} due in the last thirty days {_was(sent)} sent."
    else:
        yield "No survey was due in the last thirty days."
    for one in ("throttled", "withheld", "expired", "cancelled"):
        if outcomes[one]:
            yield f"{outcomes[one]:,} {told(outcomes[one], EXPLAINED['surveys'][one])}."


def trouble(report: Report) -> Iterator[str]:
    """Yield what somebody should do something about."""
    if report.runs and report.runs[0].finished_at is not None and report.runs[0].exit_status:
        run = report.runs[0]
        yield f"The last run ({run.command}, {moment(run.started_at)} UTC) failed: {run.problem or 'see its log'}"
    pending = [
        (report.surveys.pending, "survey"),
        (report.requests.pending - report.surveys.pending, "contact"),
    ]
    left = [count(number, thing) for number, thing in pending if number]
    if left:
        one = report.requests.pending == 1
        yield f"{' and '.join(left)} {'is' if one else 'are'} not sent yet: run again, or target-promoter deliver."
    for group in report.rejected:
        yield f"{count(group.number, 'record')} of {group.where} could not be read: {group.reason}."
    for group in report.refused:
        yield f"Promoter refused {count(group.number, group.what)}: {group.reason}"
    uncertain = report.surveys.outcomes["uncertain"]
    if uncertain:
        yield f"{count(uncertain, 'survey')} {EXPLAINED['surveys']['uncertain']}."
    for event in report.events:
        if event.meant is not None:
            yield (
                f"{count(event.read, 'event')} “{event.name}” led to no survey: probably “{event.meant}” was "
                "meant, the event of a campaign."
            )


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
