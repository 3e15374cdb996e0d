"""Words that every form of a report shares."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from target_promoter.progress.words import E_MAILED, EXPLAINED, NOT_SENT, count, told
from target_promoter.report.data import Report, RunFacts, SurveyFacts
from target_promoter.store.encoding import encode
from target_promoter.store.schema import SurveyStatus
from target_promoter.values.times import iso

RUN_PARTS: Final = ("identify", "track", "contacts", "surveys", "api")
"""The parts of a run's summary, in its order."""

_FEW: Final = 5
_LONGEST_NUMBER: Final = 40  # Digits; of a longer one nobody counts the noughts.


def moment(time: float, *, seconds: bool = False) -> str:
    """Return a time in epoch seconds for people to read, in UTC.

    Args:
        seconds: Whether to tell the seconds too.
    """
    return iso(time)[: 19 if seconds else 16].replace("T", " ")


def shown(value: object) -> str:
    """Return a value for people to read: text as it is, all else as JSON, but numbers without an exponent.

    Args:
        value: Any value that came from a tap.
    """
    if isinstance(value, Decimal) and abs(value.adjusted()) < _LONGEST_NUMBER:
        return format(value, "f")
    return value if isinstance(value, str) else encode(value)


def campaign(number: int, names: Mapping[int, str] = MappingProxyType({})) -> str:
    """Return a campaign, by its id, for people to read.

    Args:
        names: The names that are known, by id.
    """
    return f"campaign {number}{f', {names[number]}' if number in names else ''}"


def by_campaign(surveys: SurveyFacts) -> list[tuple[str, dict[str, int]]]:
    """Return of each campaign, with its events, how many of its surveys came to each outcome."""
    totals: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for day in surveys.days:
        totals[day.campaign_id].update(day.outcomes)
    return [
        (f"{campaign(number, surveys.campaigns)}: {', '.join(surveys.events.get(number, ()))}", dict(outcomes))
        for number, outcomes in sorted(totals.items())
    ]


def run_state(run: RunFacts) -> tuple[str, bool]:
    """Return how a run ended, and whether that is good."""
    if run.finished_at is None:
        return "not finished: it runs still, or was killed", False
    if run.exit_status != 0:
        return "exit status 1", False
    return "the account was read" if run.command == "pull" else "all delivered", True


def run_counts(run: RunFacts) -> dict[str, str]:
    """Return what a run did, by the parts of its summary; what is nought is left out."""
    found = {}
    for part in RUN_PARTS:
        counts = (run.summary or {}).get(part)
        if isinstance(counts, dict):
            text = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
            if text:
                found[part] = text
    return found


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
    for one in (SurveyStatus.THROTTLED, SurveyStatus.WITHHELD, SurveyStatus.EXPIRED, SurveyStatus.CANCELLED):
        if outcomes[one]:
            yield f"{outcomes[one]:,} {told(outcomes[one], EXPLAINED['surveys'][one])}."


def trouble(report: Report, *, has_campaigns: bool) -> Iterator[str]:
    """Yield what somebody should do something about."""
    if report.overview and not has_campaigns:
        read = count(report.overview[0].number, "event")
        yield f"The setting campaigns is empty, so no event leads to a survey ({read} read in the last thirty days)."
    if report.runs and report.runs[0].finished_at is not None and report.runs[0].exit_status:
        run = report.runs[0]
        problem = (run.problem or "see its log").splitlines()[0]
        yield f"The last run ({run.command}, {moment(run.started_at)} UTC) failed: {problem}"
    pending = [
        (report.surveys.pending, "survey"),
        (report.requests.pending - report.surveys.pending, "contact"),
    ]
    left = [count(number, thing) for number, thing in pending if number]
    if left:
        one = report.requests.pending == 1
        yield f"{' and '.join(left)} {'is' if one else 'are'} not sent yet: run again, or target-promoter deliver."
    for group in report.rejected[:_FEW]:
        yield f"{count(group.number, 'record')} of {group.where} could not be read: {group.reason}."
    for group in report.refused[:_FEW]:
        yield f"Promoter refused {count(group.number, group.what)}: {group.reason}"
    more = sum(group.number for groups in (report.rejected, report.refused) for group in groups[_FEW:])
    if more:
        yield f"{more:,} more were rejected or refused for other reasons: all of them are below."
    uncertain = report.surveys.outcomes[SurveyStatus.UNCERTAIN]
    if uncertain:
        yield f"{count(uncertain, 'survey')} {EXPLAINED['surveys'][SurveyStatus.UNCERTAIN]}."
    for event in report.events:
        if event.meant is not None:
            yield (
                f'{count(event.read, "event")} "{event.name}" led to no survey: probably "{event.meant}" was '
                "meant, the event of a campaign."
            )


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
