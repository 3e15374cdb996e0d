"""The few numbers that stand at the top of a report, in each of its forms."""

from __future__ import annotations

from collections.abc import Iterator

from target_promoter.progress.words import E_MAILED
from target_promoter.report.data import Report
from target_promoter.report.words import moment
from target_promoter.values.times import duration, iso


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
    yield "people known", f"{contacts.people:,}", _if(contacts.people_without_email, "without an address")
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


def _if(number: int, words: str) -> str:
    return f"{number:,} {words}" if number else ""


def _some(name: str, number: int, note: str = "") -> Iterator[tuple[str, str, str]]:
    if number:
        yield name, f"{number:,}", note
