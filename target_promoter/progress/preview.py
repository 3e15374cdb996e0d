"""What a dry run would have done, read from its store; addresses are masked."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import exists, func, or_, select, text

from target_promoter.config.settings import Settings
from target_promoter.contacts.contacts import ContactStatus
from target_promoter.errors import PromoterError
from target_promoter.progress.words import NEXT_DELIVERY, waits_for
from target_promoter.store.dry_run import DryRunStore, before
from target_promoter.store.schema import (
    OPEN,
    UNSETTLED,
    SurveyStatus,
    attribute_notes,
    contacts,
    not_surveyed,
    people,
    surveys,
)
from target_promoter.store.summary import Findings, TrackOutcome
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.schedule import count_open
from target_promoter.values.masking import masked, masked_text
from target_promoter.values.printable import printable
from target_promoter.values.times import iso

PREVIEW_HELP: Final = (
    "Have a dry run write to this file who would be surveyed and who would not, and why: as CSV, JSON or text."
)

_RECIPIENTS: Final = 5
_NOTES: Final = 20


@dataclass(frozen=True, slots=True)
class CampaignPreview:
    """The surveys of one campaign and event that would be sent.

    Attributes:
        campaign_id: The campaign at Promoter.
        event: The event's name as sent.
        surveys: How many.
        recipients: The first few addresses, masked.
        oldest: When the oldest of the events happened, in epoch seconds.
        newest: When the newest did, in epoch seconds.
    """

    campaign_id: int
    event: str
    surveys: int
    recipients: tuple[str, ...]
    oldest: float
    newest: float


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do.

    Attributes:
        campaigns: The surveys, by campaign and event.
        left: How many more surveys are due, and left to later runs, such as by the fuse `max_surveys_per_run`.
        new: How many contacts Promoter would get to know.
        changed: How many contacts would change there.
        removed: How many contacts would be removed from there.
        unchanged: How many contacts of the store would stay as they are.
        unseen: How many of the others wait since earlier runs, and are counted without a look at each of them.
        notes: Attributes that would be renamed, merged or left out: what, which, and why.
        more_notes: How many more of those there are.
    """

    campaigns: tuple[CampaignPreview, ...]
    left: int
    new: int
    changed: int
    removed: int
    unchanged: int
    unseen: int
    notes: tuple[tuple[str, str, str], ...]
    more_notes: int

    def lines(self) -> Iterator[str]:
        """Yield it in lines, for the log."""
        yield "This was a dry run: nothing was sent, and nothing is kept. A run would"
        if not self.campaigns:
            yield "  send no survey;"
        for one in self.campaigns:
            yield f"  send {one.surveys} of campaign {one.campaign_id} for the event {one.event},"
            yield f"    which happened from {iso(one.oldest)} to {iso(one.newest)},"
            more = one.surveys - len(one.recipients)
            others = f" and {more} more (the file of --preview has all)" if more else ""
            yield f"    to {', '.join(one.recipients)}{others};"
        if self.left:
            yield f"  leave {self.left} more that {'is' if self.left == 1 else 'are'} due to later runs;"
        remove = f"remove {self.removed}, " if self.removed else ""
        yield f"  add {self.new} contacts, change {self.changed}, {remove}and leave {self.unchanged} as they are."
        if self.unseen:
            yield f"  Of these contacts {self.unseen} wait since earlier runs: some of them may look as wanted already."
        if self.notes:
            yield "Of the attributes it would"
            for kind, name, detail in self.notes:
                yield f"  {_DOING[kind]} {name}: {detail}" if kind != "renamed" else f"  rename {name} to {detail}"
        if self.more_notes:
            yield f"  and {self.more_notes} more, which `target-promoter report` shows after a run."


_DOING: Final = {"merged": "merge", "left out": "leave out"}


_CONTACTS: Final = text("""
    SELECT count(sent),
        sum(CASE WHEN sent IS NULL AND status = 'pending' THEN 1 ELSE 0 END),
        sum(CASE WHEN sent IS NOT NULL AND status = 'pending' THEN 1 ELSE 0 END),
        sum(CASE WHEN sent IS NOT NULL AND status = 'removing' THEN 1 ELSE 0 END)
    FROM contacts
""")


def _count_contacts(tx: Transaction) -> Counter[str]:
    """Count the contacts that were ever sent, and those that are to be added, changed and removed."""
    found = tx.execute(_CONTACTS).one()
    names = ("sent", "new", "changed", "removed")
    return Counter({name: number or 0 for name, number in zip(names, found, strict=True)})


def preview(store: DryRunStore, settings: Settings, since: float) -> Preview:
    """Return what a dry run would have done.

    Args:
        store: Its store.
        since: When it began, in epoch seconds.
    """
    found = store.read(lambda tx: _preview(tx, since))
    others = store.untouched(_count_contacts)
    return replace(
        found,
        left=store.count(lambda tx: Counter(pending=count_open(tx, settings, since)[0]))["pending"],
        new=found.new + others["new"],
        changed=found.changed + others["changed"],
        removed=found.removed + others["removed"],
        unchanged=found.unchanged + others["sent"] - others["changed"] - others["removed"],
        unseen=others["new"] + others["changed"] + others["removed"],
    )


def _preview(tx: Transaction, since: float) -> Preview:
    """Return what would be done with what was taken over."""
    here = (surveys.c.status == SurveyStatus.SENT) & (surveys.c.settled_at >= since)
    of_campaign = (surveys.c.campaign_id, surveys.c.event)
    numbers = (func.count(), func.min(surveys.c.event_at), func.max(surveys.c.event_at))
    groups = tx.execute(select(*of_campaign, *numbers).where(here).group_by(*of_campaign).order_by(*of_campaign))
    campaigns = []
    for campaign_id, event, number, oldest, newest in groups.all():
        of_this = (surveys.c.campaign_id == campaign_id) & (surveys.c.event == event)
        first = tx.scalars(
            select(surveys.c.claimed_email).where(here, of_this).order_by(surveys.c.due_at, surveys.c.id)
        ).fetchmany(_RECIPIENTS)
        recipients = tuple(masked(email) for email in first if email is not None)
        campaigns.append(CampaignPreview(campaign_id, event, number, recipients, oldest, newest))
    joined = contacts.outerjoin(before, before.c.email == contacts.c.email)
    count = select(func.count()).select_from(joined).where(contacts.c.sent.is_not(None))
    new = tx.scalar(count.where(before.c.sent.is_(None))) or 0
    differs = or_(before.c.sent != contacts.c.sent, before.c.sent_lists != contacts.c.sent_lists)
    changed = tx.scalar(count.where(before.c.sent.is_not(None), differs)) or 0
    total = tx.scalar(count) or 0
    gone = (contacts.c.status == ContactStatus.REMOVED) & before.c.sent.is_not(None)
    removed = tx.scalar(select(func.count()).select_from(joined).where(gone)) or 0
    noted = attribute_notes.c.noted_at >= since
    columns = (attribute_notes.c.kind, attribute_notes.c.name, attribute_notes.c.detail)
    notes = tx.execute(select(*columns).where(noted).order_by(*columns).limit(_NOTES)).all()
    all_notes = tx.scalar(select(func.count()).select_from(attribute_notes).where(noted)) or 0
    return Preview(
        campaigns=tuple(campaigns),
        left=0,
        new=new,
        changed=changed,
        removed=removed,
        unchanged=total - new - changed,
        unseen=0,
        # Names come from outside, and one may be an address.
        notes=tuple((kind, masked_text(name), masked_text(detail)) for kind, name, detail in notes),
        more_notes=all_notes - len(notes),
    )


_COLUMNS: Final = (
    "outcome",
    "number",
    "event",
    "campaign_id",
    "email",
    "user_id",
    "anonymous_id",
    "event_at",
    "due_at",
    "reason",
)
_WOULD_BE_SENT: Final = "would be sent"
_LEFT: Final = "it is left to a later run, such as by max_surveys_per_run"
_NOT_OF_INPUT: Final = "it waits since an earlier run, and the input is not about it"
_WITHOUT_SURVEY: Final = {
    TrackOutcome.STALE: "it was too old",
    TrackOutcome.BLOCKED: "its call, or whom it names, is kept from Promoter",
    TrackOutcome.UNMATCHED: "no campaign names it",
}


def preview_rows(store: DryRunStore, settings: Settings, findings: Findings, since: float) -> list[dict[str, Any]]:
    """Return who would be surveyed and who would not, one row each, then the events that would lead to no survey.

    What waits since earlier runs, and neither is due nor has to do with the input, is counted by event.

    Args:
        store: The store of the dry run.
        findings: What it found.
        since: When it began, in epoch seconds.
    """
    rows = store.read(lambda tx: list(_preview_rows(tx, settings, findings, since)))
    waiting = store.untouched(_count_waiting)
    for (event, campaign_id), number in sorted(waiting.items()):
        if number > 0:
            of_event = {"outcome": "waiting", "number": number, "event": event, "campaign_id": campaign_id}
            rows.append({**dict.fromkeys(_COLUMNS), **of_event, "reason": _NOT_OF_INPUT})
    return rows


def _count_waiting(tx: Transaction) -> Counter[tuple[str, int]]:
    """Count the open surveys by event and campaign."""
    of_event = (surveys.c.event, surveys.c.campaign_id)
    found = tx.execute(select(*of_event, func.count()).where(surveys.c.status.in_(OPEN)).group_by(*of_event))
    return Counter({(event, campaign_id): number for event, campaign_id, number in found})


def _preview_rows(tx: Transaction, settings: Settings, findings: Findings, since: float) -> Iterator[dict[str, Any]]:
    table = surveys.c
    here = (table.settled_at >= since) | table.status.in_(UNSETTLED)
    person = surveys.outerjoin(people, people.c.user_id == func.coalesce(table.claimed_user_id, table.user_id))
    query = select(surveys, people.c.email.label("address")).select_from(person)
    for row in tx.execute(query.where(here).order_by(table.due_at, table.id)):
        yield {
            **dict.fromkeys(_COLUMNS),
            "number": 1,
            "event": row.event,
            "campaign_id": row.campaign_id,
            "email": row.claimed_email or row.email or row.address,
            "user_id": row.claimed_user_id or row.user_id,
            "anonymous_id": row.anonymous_id,
            "event_at": iso(row.event_at),
            "due_at": iso(row.due_at),
            **_outcome(row, settings, since),
        }
    listed: Counter[tuple[str, str]] = Counter()
    for one in _not_surveyed(tx):
        is_stale = one["reason"] in findings.too_old.get(one["event"], ())
        outcome = TrackOutcome.STALE if is_stale else TrackOutcome.BLOCKED
        listed[outcome, one["event"]] += 1
        yield {**dict.fromkeys(_COLUMNS), **one, "outcome": outcome, "number": 1}
    for outcome, why in _WITHOUT_SURVEY.items():
        for event, tally in findings.of_outcome(outcome).items():
            # Of each person and campaign only the latest is told one by one.
            number = tally.number - listed[outcome, event]
            if number > 0:
                of_event = {"outcome": outcome, "number": number, "event": event}
                reason = " or ".join(sorted(findings.too_old.get(event, ()))) if outcome is TrackOutcome.STALE else None
                last = iso(tally.last_at)
                yield {**dict.fromkeys(_COLUMNS), **of_event, "event_at": last, "reason": reason or why}
    for (stream, reason), number in findings.rejected.most_common():
        of_stream = {"outcome": TrackOutcome.REJECTED, "number": number, "reason": f"stream {stream}: {reason}"}
        yield {**dict.fromkeys(_COLUMNS), **of_stream}


def _outcome(row: Any, settings: Settings, now: float) -> dict[str, Any]:  # noqa: ANN401 - a database row
    """Return what would come of a survey, and why."""
    if row.status in {SurveyStatus.SENT, SurveyStatus.PRESUMED}:
        return {"outcome": _WOULD_BE_SENT}
    if row.status not in OPEN:
        return {"outcome": str(row.status), "reason": row.reason}
    waits = waits_for(row, settings, now)
    if waits == NEXT_DELIVERY:
        return {"outcome": "pending", "reason": _LEFT}
    return {"outcome": "waiting", "reason": f"it waits for {waits}"}


def _not_surveyed(tx: Transaction) -> Iterator[dict[str, Any]]:
    """Yield the latest event of each person and campaign that would lead to no survey, but those told as surveys."""
    same = (
        (surveys.c.campaign_id == not_surveyed.c.campaign_id)
        & (surveys.c.event_at == not_surveyed.c.event_at)
        & (surveys.c.reason == not_surveyed.c.reason)
    )
    query = select(not_surveyed).where(~exists().where(same)).order_by(not_surveyed.c.event_at, not_surveyed.c.who)
    for row in tx.execute(query):
        kind, who = row.who.split(":", 1)
        yield {
            "event": row.event,
            "campaign_id": row.campaign_id,
            _KINDS[kind]: who,
            "event_at": iso(row.event_at),
            "reason": row.reason,
        }


_KINDS: Final = {"u": "user_id", "a": "anonymous_id", "e": "email"}


def write_preview(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a preview to a file, by its name as CSV, as JSON or as a table of text.

    Raises:
        PromoterError: The file cannot be written.
    """
    found = [{name: row[name] for name in _COLUMNS} for row in rows]
    text = io.StringIO()
    if path.suffix == ".json":
        json.dump(found, text, indent=2, ensure_ascii=False)
    elif path.suffix == ".csv":
        csv.writer(text).writerows([_COLUMNS, *(row.values() for row in found)])
    else:
        shown = [_COLUMNS, *(["" if value is None else printable(value) for value in row.values()] for row in found)]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        text.writelines("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in shown)
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="", opener=_private) as file:
            file.write(text.getvalue())
    except OSError as error:
        raise PromoterError(f"The preview cannot be written to {path} ({error.strerror}): name another.") from error


def _private(path: str, flags: int) -> int:
    """Open a file that holds personal data for its owner alone, also if it was there before."""
    file = os.open(path, flags, 0o600)
    if stat.S_ISREG(os.fstat(file).st_mode):
        with contextlib.suppress(PermissionError):  # It is somebody else's, who lets this user write.
            os.fchmod(file, 0o600)
    return file
