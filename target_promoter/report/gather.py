"""Reading from the store what a report tells, in one transaction that writes nothing."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, case, cast, func, select, true

from target_promoter.config.settings import Settings
from target_promoter.contacts import pulled
from target_promoter.contacts.contacts import count_pending
from target_promoter.delivery import limit as clock
from target_promoter.people import people
from target_promoter.people.identity import Identity, Named
from target_promoter.progress.words import (
    EXPLAINED,
    campaign,
    fix_refused,
    fix_rejected,
    in_words,
    sent_and_due,
    waits_for,
)
from target_promoter.records.fields import TELLING
from target_promoter.report import data
from target_promoter.report.words import achieved, trouble
from target_promoter.store import runs, streams
from target_promoter.store import schema as tables
from target_promoter.store.encoding import decode
from target_promoter.store.outcomes import NOT_SENT, SETTLED, UNSETTLED, ContactStatus, SurveyStatus, TrackOutcome
from target_promoter.store.schema import contacts, rejected, surveys
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.schedule import count_open, next_due_at
from target_promoter.surveys.surveys import stored
from target_promoter.values.events import canonical, nearest

_EXAMPLES: Final = 3
_LONGEST: Final = 60
_TAKEN: Final = (TrackOutcome.QUEUED, TrackOutcome.WAITING)
_OF_FEW_REASONS: Final = (SurveyStatus.WITHHELD, SurveyStatus.CANCELLED)
_REASONS: Final = 5
_RUNS: Final = 10
_EVENTS: Final = 30
_OPEN: Final = 20
_UNCERTAIN: Final = 20
_REQUEST_DAYS: Final = 14
_DAY: Final = 86_400
_MINUTES_A_DAY: Final = 1440
_MINUTE: Final = 60.0


def gather(tx: Transaction, settings: Settings, store: str, now: float) -> data.Report:
    """Return what the store knows.

    Args:
        settings: The settings, for the account's limit.
    """
    survey_facts, created_at = _surveys(tx, settings, now), float(runs.fact(tx, "created_at") or 0.0)
    found, more_events = _events(tx, settings)
    report = data.Report(
        generated_at=now,
        verdict=(),
        is_well=True,
        store=data.StoreFacts(store, created_at, runs.fact(tx, "api_url"), settings.sandbox),
        overview=_overview(tx, survey_facts),
        events=found,
        more_events=more_events,
        runs=_runs(tx),
        surveys=survey_facts,
        contacts=_contacts(tx),
        requests=_requests(tx, settings.requests_per_minute, survey_facts.pending, now),
        rejected_records=tx.scalar(select(func.count()).select_from(tables.rejected)) or 0,
        rejected=_rejected(tx),
        refused=_refused(tx),
        attributes=_notes(tx),
    )
    troubles = tuple(trouble(report, has_campaigns=bool(settings.campaigns)))
    return replace(report, verdict=(*achieved(report), *troubles), is_well=not troubles)


def _rejected(tx: Transaction) -> tuple[data.Group, ...]:
    """Return the rejected records by stream and reason, the most frequent first."""
    of_group = (rejected.c.stream, rejected.c.reason)
    number = func.count().label("number")
    rows = tx.execute(select(*of_group, number).group_by(*of_group).order_by(number.desc(), *of_group)).all()
    examples = _examples(tx, of_group, rejected.c.record, rejected.c.id)
    keys = {stream: _keys(tx, stream) for stream in {row.stream for row in rows}}
    return tuple(
        data.Group(
            what="record",
            where=f"stream {stream}",
            reason=reason,
            number=count,
            examples=tuple(_telling(decode(record) or {}, keys[stream]) for record in examples[stream, reason]),
            fix=fix_rejected(reason),
        )
        for stream, reason, count in rows
    )


def _refused(tx: Transaction) -> tuple[data.Group, ...]:
    """Return the surveys and contacts that Promoter refused by its words, the most frequent first."""
    number = func.count().label("number")
    titles = runs.campaigns(tx)
    groups = []
    refused = surveys.c.status == SurveyStatus.REFUSED
    of_group = (surveys.c.campaign_id, surveys.c.reason)
    examples = _examples(tx, of_group, surveys.c.claimed_email, surveys.c.id, where=refused)
    for one, reason, count in tx.execute(select(*of_group, number).where(refused).group_by(*of_group)):
        emails = tuple(email for email in examples[one, reason] if email)
        where = campaign(one, titles)
        groups.append(data.Group("survey", where, reason or "no words", count, emails, fix_refused("survey")))
    refused = contacts.c.status == ContactStatus.REFUSED
    examples = _examples(tx, (contacts.c.reason,), contacts.c.email, contacts.c.email, where=refused)
    for reason, count in tx.execute(select(contacts.c.reason, number).where(refused).group_by(contacts.c.reason)):
        told = reason or "no words"
        groups.append(data.Group("contact", "contacts", told, count, tuple(examples[reason,]), fix_refused("contact")))
    return tuple(sorted(groups, key=lambda group: (-group.number, group.where, group.reason)))


def _examples(
    tx: Transaction,
    of_group: Sequence[ColumnElement[Any]],
    column: ColumnElement[Any],
    order: ColumnElement[Any],
    *,
    where: ColumnElement[bool] | None = None,
) -> defaultdict[tuple[Any, ...], list[Any]]:
    """Return the first few of each group, with one query however many groups there are."""
    place = func.row_number().over(partition_by=of_group, order_by=order).label("place")
    found = select(*of_group, column.label("example"), place).where(true() if where is None else where).subquery()
    examples: defaultdict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for *group, example, _ in tx.execute(select(found).where(found.c.place <= _EXAMPLES).order_by(found.c.place)):
        examples[tuple(group)].append(example)
    return examples


def _keys(tx: Transaction, stream: str) -> Sequence[str]:
    """Return the key properties of a stream, if its SCHEMA is known."""
    known = streams.known(tx, stream)
    return known.schema.key_properties if known is not None and known.schema is not None else ()


def _telling(record: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Return what tells a record from others: its ids, its address and its keys."""
    traits = record.get("traits")
    inner = traits if isinstance(traits, dict) else {}
    telling = dict.fromkeys((*TELLING, *keys))
    found = [(name, value) for name in telling for value in [record.get(name, inner.get(name))] if value is not None]
    return ", ".join(f"{name} {str(value)[:_LONGEST]}" for name, value in found) or "a record without any id"


def _open(tx: Transaction, settings: Settings, now: float) -> tuple[data.OpenFacts, ...]:
    """Return surveys that are not settled, the next due first."""
    found = stored(tx, surveys.c.status.in_(UNSETTLED), surveys.c.due_at, surveys.c.id, most=_OPEN)
    identity = Identity(tx)
    identity.look_up(found)
    return tuple(
        data.OpenFacts(
            event=one.event,
            campaign_id=one.campaign_id,
            who=_who(one),
            email=one.claimed_email or identity.who(one).email,
            waits_for=waits_for(one, settings, now),
            due_at=one.due_at,
        )
        for one in found
    )


def _who(survey: Named) -> str:
    """Return whom a survey's call names."""
    if survey.user_id is not None:
        return f"user id {survey.user_id}"
    if survey.anonymous_id is not None:
        return f"anonymous id {survey.anonymous_id}"
    return survey.email or "somebody no longer known"


def _overview(tx: Transaction, surveys: data.SurveyFacts) -> tuple[data.Step, ...]:
    """Return how many events were read, were taken, came to be due and were surveyed; nothing if none was read."""
    read: Counter[str] = Counter()
    for summary in tx.scalars(select(tables.runs.c.summary).where(tables.runs.c.summary.is_not(None))):
        read.update((decode(summary) or {}).get("track", {}))

    def fell_out(part: str, counts: Mapping[str, int], outcomes: Iterable[str]) -> tuple[data.FellOut, ...]:
        found = [one for one in outcomes if counts.get(one)]
        return tuple(
            data.FellOut(one, counts[one], in_words(part, one, counts[one]), reasons.get(one, {})) for one in found
        )

    reasons = _reasons(tx)
    still = {**surveys.outcomes, "pending": surveys.pending, "waiting": surveys.waiting}
    sent, due = sent_and_due(surveys.outcomes, surveys.pending)
    if not read["read"] and not due and not surveys.waiting:
        return ()
    never = [one for one in EXPLAINED["track"] if one not in _TAKEN]
    taken = sum(read[one] for one in _TAKEN)
    return (
        data.Step("events were read", read["read"], fell_out("track", read, never)),
        data.Step("of them were to be surveyed", taken, fell_out("surveys", still, ["waiting"])),
        data.Step("surveys became due", due, fell_out("surveys", still, (*NOT_SENT, "pending"))),
        data.Step("surveys were sent", sent, ()),
    )


def _reasons(tx: Transaction) -> dict[str, dict[str, int]]:
    """Return of what was withheld or cancelled the most frequent reasons; those of other outcomes name a time."""
    number = func.count().label("number")
    query = select(surveys.c.status, surveys.c.reason, number).where(surveys.c.status.in_(_OF_FEW_REASONS))
    query = query.where(surveys.c.reason.is_not(None)).group_by(surveys.c.status, surveys.c.reason)
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for status, reason, count in tx.execute(query.order_by(number.desc(), surveys.c.reason)):
        if len(found[status]) < _REASONS:
            found[status][reason] = count
    return found


def _events(tx: Transaction, settings: Settings) -> tuple[tuple[data.EventFacts, ...], int]:
    """Return events, misnamed ones and then the most frequent first, and how many more names there are."""
    table = tables.events.c
    campaigns = [one.event for one in settings.campaigns.values()]

    def number(*outcomes: TrackOutcome) -> ColumnElement[int]:
        return func.sum(case((table.outcome.in_(outcomes), table.number), else_=0))

    # The time of one that was rejected may be far in the future.
    last_at = func.coalesce(
        func.max(case((table.outcome != TrackOutcome.REJECTED, table.last_at))), func.max(table.last_at)
    )
    counted = (func.sum(table.number), number(*_TAKEN), number(TrackOutcome.STALE), number(TrackOutcome.UNMATCHED))
    every = [
        data.EventFacts(
            name=name,
            read=int(read),
            surveyed=int(surveyed),
            stale=int(stale),
            unmatched=int(unmatched),
            last_at=last,
            meant=nearest(name, campaigns) if canonical(name) not in settings.campaigns else None,
        )
        for name, read, surveyed, stale, unmatched, last in tx.execute(
            select(table.name, *counted, last_at).group_by(table.name)
        )
    ]
    every.sort(key=lambda event: (event.meant is None, -event.read, event.name))
    return tuple(every[:_EVENTS]), max(0, len(every) - _EVENTS)


def _runs(tx: Transaction) -> tuple[data.RunFacts, ...]:
    query = select(tables.runs).order_by(tables.runs.c.id.desc()).limit(_RUNS)
    return tuple(
        data.RunFacts(
            id=row.id,
            command=row.command,
            started_at=row.started_at,
            finished_at=row.finished_at,
            exit_status=row.exit_status,
            problem=row.problem,
            summary=None if row.summary is None else decode(row.summary),
            changes=runs.changes(tx, row.id),
        )
        for row in tx.execute(query).all()
    )


def _surveys(tx: Transaction, settings: Settings, now: float) -> data.SurveyFacts:
    table = tables.surveys.c
    day = _day_of(tx, table.settled_at)
    of_group = (day, table.campaign_id, table.event, table.status)
    statuses, events = Counter[str](), defaultdict[int, set[str]](set)
    days: defaultdict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    # All that is counted, in one look at the whole table.
    for number, one, event, status, count in tx.execute(select(*of_group, func.count()).group_by(*of_group)):
        statuses[status] += count
        events[one].add(event)
        if number is not None:
            days[int(number), one][status] += count
    pending, waiting = count_open(tx, settings, now)
    return data.SurveyFacts(
        outcomes={status: statuses[status] for status in SETTLED},
        pending=pending,
        waiting=waiting,
        next_due_at=next_due_at(tx, now),
        events={one: sorted(events[one]) for one in sorted(events)},
        campaigns=runs.campaigns(tx),
        days=tuple(
            data.DayFacts(_date(number), one, dict(outcomes)) for (number, one), outcomes in sorted(days.items())
        ),
        open=_open(tx, settings, now),
        uncertain=_uncertain(tx),
    )


def _day_of(tx: Transaction, time: ColumnElement[float | None]) -> ColumnElement[int]:
    """Return the day of a time, in days since the epoch; PostgreSQL rounds where SQLite cuts off."""
    days = time / _DAY
    return cast(days if tx.is_sqlite else func.floor(days), Integer)


def _date(day: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()


def _uncertain(tx: Transaction) -> tuple[data.UncertainFacts, ...]:
    table = tables.surveys.c
    query = select(table.event, table.campaign_id, table.claimed_email, table.claimed_at, table.reason)
    query = query.where(table.status == SurveyStatus.UNCERTAIN).order_by(table.settled_at.desc()).limit(_UNCERTAIN)
    return tuple(data.UncertainFacts(*row) for row in tx.execute(query))


def _contacts(tx: Transaction) -> data.ContactFacts:
    table = tables.contacts.c
    counted = tx.execute(select(table.status, func.count()).group_by(table.status).order_by(table.status))
    gone = (table.status == ContactStatus.UNOWNED) & table.sent.is_not(None)
    return data.ContactFacts(
        statuses={status: number for status, number in counted},  # noqa: C416 - a row is no pair to `dict`
        people=tx.scalar(select(func.count()).select_from(tables.people)) or 0,
        people_without_email=people.count_without_address(tx),
        left_behind=tx.scalar(select(func.count()).select_from(tables.contacts).where(gone)) or 0,
        pulled=_pulled(tx),
        mirrored=tuple(
            data.MirrorFacts(name, one.read_at, one.people, one.left, one.missing)
            for name, one in streams.versions(tx).items()
        ),
    )


def _pulled(tx: Transaction) -> data.PulledFacts | None:
    last = pulled.last(tx)
    if last is None or last.finished_at is None:
        return None
    known = pulled.figures(tx, last)
    return data.PulledFacts(last.finished_at, last.contacts, known.unsubscribed, known.changed, known.of_no_stream)


def _requests(tx: Transaction, limit: float, surveys_pending: int, now: float) -> data.RequestFacts:
    used = clock.rate(tx, now, limit=limit)
    held = clock.paused_until(tx, now, limit=limit)
    pending = surveys_pending + count_pending(tx)
    query = select(tables.request_days).order_by(tables.request_days.c.day.desc()).limit(_REQUEST_DAYS)
    days = [
        data.RequestDay(_date(row.day), row.requests, row.rate_limited, row.requests / (limit * _MINUTES_A_DAY))
        for row in tx.execute(query)
    ]
    return data.RequestFacts(
        limit_per_minute=limit,
        used_per_minute=used,
        held_until_at=held if held > now else None,
        pending=pending,
        seconds_left=max(held - now, 0.0) * bool(pending) + pending / used * _MINUTE,
        days=days[::-1],
    )


def _notes(tx: Transaction) -> tuple[data.NoteFacts, ...]:
    table = tables.attribute_notes.c
    query = select(table.kind, table.name, table.detail).order_by(table.noted_at.desc(), table.kind, table.name)
    return tuple(data.NoteFacts(*row) for row in tx.execute(query))
