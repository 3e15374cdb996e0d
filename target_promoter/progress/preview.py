"""What a dry run would have done, read from its store; addresses are masked."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Final

from sqlalchemy import TextClause, exists, func, select, text

from target_promoter.config.settings import Settings
from target_promoter.errors import PromoterError
from target_promoter.people.identity import Identity, names_of
from target_promoter.progress.words import NEXT_DELIVERY, in_words, waits_for
from target_promoter.store.database import make_private
from target_promoter.store.dry_run import DryRunStore
from target_promoter.store.outcomes import E_MAILED, OPEN, UNSETTLED, SurveyStatus, TrackOutcome
from target_promoter.store.schema import attribute_notes, not_surveyed, surveys
from target_promoter.store.summary import Findings
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.schedule import count_open
from target_promoter.surveys.surveys import Survey, stored
from target_promoter.values.printable import masked, masked_text, printable
from target_promoter.values.times import iso

PREVIEW_HELP: Final = (
    "In a dry run, write to this file who would be surveyed, who would not, and why: as CSV, JSON or text."
)

_RECIPIENTS: Final = 5
_NOTES: Final = 20

_DOING: Final = {
    "renamed": "  rename {name} to {detail}",
    "merged": "  merge {name}: {detail}",
    "left out": "  leave out {name}: {detail}",
}

_TAKEN_OVER: Final = text("""
    SELECT count(CASE WHEN contacts.sent IS NOT NULL AND old.sent IS NULL THEN 1 END) AS new,
        count(CASE WHEN contacts.sent IS NOT NULL AND old.sent IS NOT NULL
            AND (contacts.sent <> old.sent OR contacts.sent_lists <> old.sent_lists) THEN 1 END) AS changed,
        count(CASE WHEN contacts.status = 'removed' AND old.sent IS NOT NULL THEN 1 END) AS removed,
        count(CASE WHEN contacts.sent = old.sent AND contacts.sent_lists = old.sent_lists THEN 1 END) AS unchanged
    FROM contacts LEFT JOIN contacts_before AS old ON old.email = contacts.email
""")
"""What became of contacts that were taken over."""

_OTHERS: Final = text("""
    SELECT count(CASE WHEN sent IS NULL AND status = 'pending' THEN 1 END) AS new,
        count(CASE WHEN sent IS NOT NULL AND status = 'pending' THEN 1 END) AS changed,
        count(CASE WHEN sent IS NOT NULL AND status = 'removing' THEN 1 END) AS removed,
        count(CASE WHEN sent IS NOT NULL AND status NOT IN ('pending', 'removing') THEN 1 END) AS unchanged
    FROM contacts
""")
"""What is to become of the others."""


def preview(store: DryRunStore, settings: Settings, since: float) -> Iterator[str]:
    """Yield what a dry run would have done, in lines for the log.

    Args:
        since: When it began, in epoch seconds.
    """
    yield "This was a dry run: nothing was sent, and nothing was stored. A run would"
    yield from store.read(lambda tx: list(_surveys(tx, since)))
    left = store.count(lambda tx: Counter(pending=count_open(tx, settings, since)[0]))["pending"]
    if left:
        yield f"  leave {left} more that {'is' if left == 1 else 'are'} due to later runs;"
    done = store.read(lambda tx: _count(tx, _TAKEN_OVER))
    unseen = store.untouched(lambda tx: _count(tx, _OTHERS))
    done.update(unseen)
    remove = f"remove {done['removed']}, " if done["removed"] else ""
    yield f"  add {done['new']} contacts, change {done['changed']}, {remove}and leave {done['unchanged']} as they are."
    number = unseen["new"] + unseen["changed"] + unseen["removed"]
    if number:
        yield f"  Of these contacts {number} have waited since earlier runs: some of them may be up to date already."
    yield from store.read(lambda tx: list(_notes(tx, since)))


def _count(tx: Transaction, query: TextClause) -> Counter[str]:
    return Counter(dict(tx.execute(query).mappings().one()))


def _surveys(tx: Transaction, since: float) -> Iterator[str]:
    """Yield the surveys that would be sent, by campaign and event."""
    here = (surveys.c.status == SurveyStatus.SENT) & (surveys.c.settled_at >= since)
    of_campaign = (surveys.c.campaign_id, surveys.c.event)
    numbers = (func.count(), func.min(surveys.c.event_at), func.max(surveys.c.event_at))
    query = select(*of_campaign, *numbers).where(here).group_by(*of_campaign).order_by(*of_campaign)
    groups = tx.execute(query).all()
    if not groups:
        yield "  send no survey;"
    for campaign_id, event, number, oldest, newest in groups:
        of_this = (surveys.c.campaign_id == campaign_id) & (surveys.c.event == event)
        query = select(surveys.c.claimed_email).where(here, of_this).order_by(surveys.c.due_at, surveys.c.id)
        recipients = [masked(email) for email in tx.scalars(query.limit(_RECIPIENTS)) if email is not None]
        more = number - len(recipients)
        others = f" and {more} more (the file of --preview has all)" if more else ""
        yield f"  send {number} of campaign {campaign_id} for the event {event},"
        yield f"    which happened from {iso(oldest)} to {iso(newest)},"
        yield f"    to {', '.join(recipients)}{others};"


def _notes(tx: Transaction, since: float) -> Iterator[str]:
    """Yield what would become of attributes; their names come from outside, and one may be an address."""
    table = attribute_notes.c
    query = select(table.kind, table.name, table.detail).where(table.noted_at >= since)
    notes = tx.execute(query.order_by(table.kind, table.name, table.detail)).all()
    if notes:
        yield "Of the attributes it would"
    for kind, name, detail in notes[:_NOTES]:
        yield _DOING[kind].format(name=masked_text(name), detail=masked_text(detail))
    if len(notes) > _NOTES:
        yield f"  and {len(notes) - _NOTES} more, which `target-promoter report` shows after a run."


_LEFT: Final = "it is left to a later run, for example because of max_surveys_per_run"
_NOT_OF_INPUT: Final = "it has waited since an earlier run, and the input does not mention it"
_WITHOUT_SURVEY: Final = (TrackOutcome.STALE, TrackOutcome.BLOCKED, TrackOutcome.UNMATCHED)


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """Who would be surveyed or not, and why; or, where `number` is more than 1, of how many that is true."""

    outcome: str
    number: int = 1
    event: str | None = None
    campaign_id: int | None = None
    email: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    event_at: str | None = None
    due_at: str | None = None
    reason: str | None = None


def preview_rows(store: DryRunStore, settings: Settings, findings: Findings, since: float) -> list[PreviewRow]:
    """Return who would be surveyed and who would not, one row each, then the events that would lead to no survey.

    What waits since earlier runs, and neither is due nor has to do with the input, is counted by event.

    Args:
        store: The store of the dry run.
        findings: What it found.
        since: When it began, in epoch seconds.
    """
    waiting = store.untouched(_count_waiting)
    return [
        *store.read(lambda tx: list(_survey_rows(tx, settings, since))),
        *store.read(lambda tx: list(_not_surveyed_rows(tx, findings))),
        *(
            PreviewRow("waiting", number, event, campaign_id, reason=_NOT_OF_INPUT)
            for (event, campaign_id), number in sorted(waiting.items())
            if number > 0
        ),
    ]


def _count_waiting(tx: Transaction) -> Counter[tuple[str, int]]:
    """Count the open surveys by event and campaign."""
    of_event = (surveys.c.event, surveys.c.campaign_id)
    found = tx.execute(select(*of_event, func.count()).where(surveys.c.status.in_(OPEN)).group_by(*of_event))
    return Counter({(event, campaign_id): number for event, campaign_id, number in found})


def _survey_rows(tx: Transaction, settings: Settings, since: float) -> Iterator[PreviewRow]:
    here = (surveys.c.settled_at >= since) | surveys.c.status.in_(UNSETTLED)
    found = stored(tx, here, surveys.c.due_at, surveys.c.id)
    identity = Identity(tx)
    identity.look_up(found)
    for one in found:
        who = identity.who(one)
        outcome, reason = _outcome(one, settings, since)
        yield PreviewRow(
            outcome,
            event=one.event,
            campaign_id=one.campaign_id,
            email=one.claimed_email or who.email or one.email,
            user_id=one.claimed_user_id or who.user_id or one.user_id,
            anonymous_id=one.anonymous_id,
            event_at=iso(one.event_at),
            due_at=iso(one.due_at),
            reason=reason,
        )


def _outcome(survey: Survey, settings: Settings, now: float) -> tuple[str, str | None]:
    """Return what would come of a survey, and why."""
    if survey.status in E_MAILED:
        return "would be sent", None
    if survey.status not in OPEN:
        return survey.status, survey.reason
    waits = waits_for(survey, settings, now)
    return ("pending", _LEFT) if waits == NEXT_DELIVERY else ("waiting", f"it waits for {waits}")


def _not_surveyed_rows(tx: Transaction, findings: Findings) -> Iterator[PreviewRow]:
    """Yield the events that would lead to no survey: of each person and campaign the latest, then how many others."""
    listed: Counter[tuple[str, str]] = Counter()
    same = (
        (surveys.c.campaign_id == not_surveyed.c.campaign_id)
        & (surveys.c.event_at == not_surveyed.c.event_at)
        & (surveys.c.reason == not_surveyed.c.reason)
    )
    query = select(not_surveyed).where(~exists().where(same)).order_by(not_surveyed.c.event_at, not_surveyed.c.who)
    for event in tx.execute(query):
        outcome = TrackOutcome.STALE if event.reason in findings.too_old.get(event.event, ()) else TrackOutcome.BLOCKED
        listed[outcome, event.event] += 1
        names = names_of([event.who])
        yield PreviewRow(
            outcome,
            event=event.event,
            campaign_id=event.campaign_id,
            email=next(iter(names.emails), None),
            user_id=next(iter(names.user_ids), None),
            anonymous_id=next(iter(names.anonymous_ids), None),
            event_at=iso(event.event_at),
            reason=event.reason,
        )
    for outcome in _WITHOUT_SURVEY:
        for name, tally in findings.of_outcome(outcome).items():
            number = tally.number - listed[outcome, name]
            if number > 0:
                too_old = findings.too_old.get(name, ()) if outcome is TrackOutcome.STALE else ()
                reason = " or ".join(sorted(too_old)) or f"it {in_words('track', outcome, 1)}"
                yield PreviewRow(outcome, number, name, event_at=iso(tally.last_at), reason=reason)
    for (stream, reason), number in findings.rejected.most_common():
        yield PreviewRow(TrackOutcome.REJECTED, number, reason=f"stream {stream}: {reason}")


def write_preview(path: Path, rows: Iterable[PreviewRow]) -> None:
    """Write a preview to a file, by its name as CSV, as JSON or as a table of text.

    Raises:
        PromoterError: The file cannot be written.
    """
    columns = [one.name for one in fields(PreviewRow)]
    text = io.StringIO()
    if path.suffix == ".json":
        json.dump([asdict(row) for row in rows], text, indent=2, ensure_ascii=False)
    elif path.suffix == ".csv":
        csv.writer(text).writerows([columns, *map(astuple, rows)])
    else:
        shown = [columns, *(["" if one is None else printable(one) for one in astuple(row)] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        text.writelines("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in shown)
    try:
        make_private(path)
        path.write_text(text.getvalue(), encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise PromoterError(f"The preview cannot be written to {path} ({error.strerror}): name another.") from error
