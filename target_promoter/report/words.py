"""Words that every form of a report shares."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from target_promoter.progress.words import campaign, count, in_words, moment, sent_and_due, sent_of_due, to_send
from target_promoter.report.data import OpenFacts, Report, RunFacts, SurveyFacts, UncertainFacts
from target_promoter.store.outcomes import E_MAILED, SurveyStatus
from target_promoter.store.summary import COUNTS
from target_promoter.values.times import duration, iso

_FEW: Final = 5


def with_events(number: int, surveys: SurveyFacts) -> str:
    """Return a campaign, by its id, with its events."""
    return f"{campaign(number, surveys.campaigns)}: {', '.join(surveys.events.get(number, ()))}"


def with_campaign(one: OpenFacts | UncertainFacts, surveys: SurveyFacts) -> str:
    """Return the event of a survey with its campaign."""
    return f"{one.event} ({campaign(one.campaign_id, surveys.campaigns)})"


def by_campaign(surveys: SurveyFacts) -> list[tuple[str, dict[str, int]]]:
    """Return of each campaign, with its events, how many of its surveys came to each outcome."""
    totals: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for day in surveys.days:
        totals[day.campaign_id].update(day.outcomes)
    return [(with_events(number, surveys), dict(outcomes)) for number, outcomes in sorted(totals.items())]


def run_state(run: RunFacts) -> tuple[str, bool]:
    """Return how a run ended, and whether that is good."""
    if run.finished_at is None:
        return "not finished: it is still running, or was killed", False
    if run.exit_status != 0:
        return "exit status 1", False
    return "the account was read" if run.command == "pull" else "all delivered", True


def run_counts(run: RunFacts) -> dict[str, str]:
    """Return what a run did, by the parts of its summary; what is nought is left out."""
    found: dict[str, str] = {}
    for part in COUNTS:
        counts = (run.summary or {}).get(part)
        if isinstance(counts, dict):
            text = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
            if text:
                found[part] = text
    return found


def achieved(report: Report) -> Iterator[str]:
    """Yield what was surveyed, and what was not though nothing is wrong."""
    outcomes = report.surveys.outcomes
    yield sent_of_due(*sent_and_due(outcomes, report.surveys.pending), " in the last thirty days")
    for one in (SurveyStatus.THROTTLED, SurveyStatus.WITHHELD, SurveyStatus.EXPIRED, SurveyStatus.CANCELLED):
        if outcomes[one]:
            yield f"{outcomes[one]:,} {in_words('surveys', one, outcomes[one])}."


def trouble(report: Report, *, has_campaigns: bool) -> Iterator[str]:
    """Yield what somebody should do something about."""
    if report.overview and not has_campaigns:
        read = count(report.overview[0].number, "event")
        yield f"The setting campaigns is empty, so no event leads to a survey ({read} read in the last thirty days)."
    if report.runs and report.runs[0].finished_at is not None and report.runs[0].exit_status:
        run = report.runs[0]
        problem = (run.problem or "see its log").splitlines()[0]
        yield f"The last run ({run.command}, {moment(run.started_at)} UTC) failed: {problem}"
    surveys_left = report.surveys.pending
    contacts_left = report.requests.pending - surveys_left
    yield from to_send(surveys_left, contacts_left, "not sent yet: run again, or target-promoter deliver")
    for group in report.rejected[:_FEW]:
        yield f"{count(group.number, 'record')} of {group.where} could not be read: {group.reason}."
    for group in report.refused[:_FEW]:
        yield f"Promoter refused {count(group.number, group.what)}: {group.reason}"
    more = sum(group.number for groups in (report.rejected, report.refused) for group in groups[_FEW:])
    if more:
        yield f"{more:,} more were rejected or refused for other reasons: all of them are below."
    uncertain = report.surveys.outcomes[SurveyStatus.UNCERTAIN]
    if uncertain:
        yield f"{count(uncertain, 'survey')} {in_words('surveys', SurveyStatus.UNCERTAIN, uncertain)}."
    for event in report.events:
        if event.meant is not None:
            yield (
                f'{count(event.read, "event")} "{event.name}" led to no survey: probably "{event.meant}" was '
                "meant, the event of a campaign."
            )


def figures(report: Report) -> Iterator[tuple[str, str, str]]:
    """Yield each number with its name and, where there is one, a note."""
    surveys, requests, contacts = report.surveys, report.requests, report.contacts
    yield "surveys sent, 30 days", f"{sum(surveys.outcomes[one] for one in E_MAILED):,}", ""
    if surveys.waiting:
        due = "" if surveys.next_due_at is None else f"the next is due {moment(surveys.next_due_at)}"
        yield "surveys waiting", f"{surveys.waiting:,}", due
    if requests.pending:
        yield "still to send", f"{requests.pending:,}", f"in about {duration(requests.seconds_left)}"
    if requests.held_until_at is not None:
        yield "Promoter asked to wait", "yes", f"until {moment(requests.held_until_at)}"
    yield "contacts at Promoter", f"{contacts.statuses.get('synced', 0):,}", ""
    without = contacts.people_without_email
    yield "people known", f"{contacts.people:,}", f"{without:,} without an address" if without else ""
    yield from _some("contacts left behind", contacts.left_behind, "of an older address, or of somebody deleted")
    if contacts.pulled is not None:
        read = contacts.pulled
        yield "contacts by the last pull", f"{read.contacts:,}", f"read {moment(read.finished_at)}"
        yield from _some("... unsubscribed", read.unsubscribed)
        yield from _some("... changed there", read.changed, "since they were sent")
        yield from _some("... brought by no tap", read.of_no_stream)
    for one in contacts.mirrored:
        missing = f"; a later version lacked {one.missing:,}, and changed nobody" if one.missing else ""
        note = f"{one.left:,} left with the version read {moment(one.read_at)}{missing}"
        yield f"people of {one.stream}, mirrored", f"{one.people:,}", note
    yield from _some("records rejected", report.rejected_records)
    if requests.days and requests.days[-1].day == iso(report.generated_at)[:10]:
        today = requests.days[-1]
        yield "requests today", f"{today.requests:,}", f"{today.share_of_limit:.1%} of the limit"


def _some(name: str, number: int, note: str = "") -> Iterator[tuple[str, str, str]]:
    if number:
        yield name, f"{number:,}", note
