"""What a dry run would have done, read from its store; addresses are masked."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import TextClause, exists, func, select, text

from target_promoter.config.settings import Settings
from target_promoter.errors import PromoterError
from target_promoter.people.identity import Identity
from target_promoter.progress.words import NEXT_DELIVERY, told, waits_for
from target_promoter.store.database import make_private
from target_promoter.store.dry_run import DryRunStore
from target_promoter.store.schema import E_MAILED, OPEN, UNSETTLED, SurveyStatus, attribute_notes, not_surveyed, surveys
from target_promoter.store.summary import Findings, TrackOutcome
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.schedule import count_open
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
_LEFT: Final = "it is left to a later run, for example because of max_surveys_per_run"
_NOT_OF_INPUT: Final = "it has waited since an earlier run, and the input does not mention it"
_WITHOUT_SURVEY: Final = (TrackOutcome.STALE, TrackOutcome.BLOCKED, TrackOutcome.UNMATCHED)


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
            rows.append({**of_event, "reason": _NOT_OF_INPUT})
    return rows


def _count_waiting(tx: Transaction) -> Counter[tuple[str, int]]:
    """Count the open surveys by event and campaign."""
    of_event = (surveys.c.event, surveys.c.campaign_id)
    found = tx.execute(select(*of_event, func.count()).where(surveys.c.status.in_(OPEN)).group_by(*of_event))
    return Counter({(event, campaign_id): number for event, campaign_id, number in found})


def _preview_rows(tx: Transaction, settings: Settings, findings: Findings, since: float) -> Iterator[dict[str, Any]]:
    table = surveys.c
    here = (table.settled_at >= since) | table.status.in_(UNSETTLED)
    rows = tx.execute(select(surveys).where(here).order_by(table.due_at, table.id)).all()
    identity = Identity(tx)
    identity.look_up(rows)
    for row in rows:
        who = identity.who(row)
        yield {
            "number": 1,
            "event": row.event,
            "campaign_id": row.campaign_id,
            "email": row.claimed_email or who.email or row.email,
            "user_id": row.claimed_user_id or who.user_id or row.user_id,
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
        yield {**one, "outcome": outcome, "number": 1}
    for outcome in _WITHOUT_SURVEY:
        for event, tally in findings.of_outcome(outcome).items():
            # Of each person and campaign only the latest is told one by one.
            number = tally.number - listed[outcome, event]
            if number > 0:
                of_event = {"outcome": outcome, "number": number, "event": event, "event_at": iso(tally.last_at)}
                too_old = findings.too_old.get(event, ()) if outcome is TrackOutcome.STALE else ()
                reason = " or ".join(sorted(too_old)) or f"it {told('track', outcome, 1)}"
                yield {**of_event, "reason": reason}
    for (stream, reason), number in findings.rejected.most_common():
        of_stream = {"outcome": TrackOutcome.REJECTED, "number": number, "reason": f"stream {stream}: {reason}"}
        yield of_stream


def _outcome(row: Any, settings: Settings, now: float) -> dict[str, Any]:  # noqa: ANN401 - a database row
    """Return what would come of a survey, and why."""
    if row.status in E_MAILED:
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
    found = [{name: row.get(name) for name in _COLUMNS} for row in rows]
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
        make_private(path)
        path.write_text(text.getvalue(), encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise PromoterError(f"The preview cannot be written to {path} ({error.strerror}): name another.") from error
