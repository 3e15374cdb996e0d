"""Reading from the store what a report tells, in one transaction that writes nothing."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, cast, func, select

from target_promoter.config.settings import Settings
from target_promoter.delivery import backlog as left
from target_promoter.delivery import limit as clock
from target_promoter.people import people
from target_promoter.progress.words import EXPLAINED, NOT_SENT, fix_refused, fix_rejected, told
from target_promoter.report.data import (
    ContactFacts,
    DayFacts,
    EventFacts,
    FellOut,
    Group,
    NoteFacts,
    OpenFacts,
    Report,
    RequestDay,
    RequestFacts,
    RunFacts,
    Step,
    StoreFacts,
    SurveyFacts,
    UncertainFacts,
)
from target_promoter.report.words import E_MAILED, achieved, trouble
from target_promoter.store import events as names
from target_promoter.store import runs
from target_promoter.store import schema as tables
from target_promoter.store.encoding import decode
from target_promoter.store.schema import UNSETTLED, SurveyStatus, contacts, rejected, surveys
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.schedule import count_open
from target_promoter.surveys.surveys import READ_OTHERWISE
from target_promoter.values.events import canonical, nearest

GROUPS: Final = 25
EXAMPLES: Final = 3
_TELLING: Final = ("userId", "user_id", "email", "email_address", "messageId", "message_id", "id")
_LONGEST: Final = 60


def rejected_groups(tx: Transaction) -> tuple[Group, ...]:
    """Return the rejected records by stream and reason, the most frequent first."""
    of_group = (rejected.c.stream, rejected.c.reason)
    number = func.count().label("number")
    query = select(*of_group, number).group_by(*of_group).order_by(number.desc(), *of_group).limit(GROUPS)
    groups = []
    for stream, reason, count in tx.execute(query).all():
        where = (rejected.c.stream == stream) & (rejected.c.reason == reason)
        records = tx.scalars(select(rejected.c.record).where(where).order_by(rejected.c.id).limit(EXAMPLES))
        examples = tuple(_telling(decode(record) or {}) for record in records)
        groups.append(Group("record", f"stream {stream}", reason, count, examples, fix_rejected(reason)))
    return tuple(groups)


def refused_groups(tx: Transaction) -> tuple[Group, ...]:
    """Return the surveys and contacts that Promoter refused by its words, the most frequent first."""
    groups = []
    number = func.count().label("number")
    refused = surveys.c.status == "refused"
    of_group = (surveys.c.campaign_id, surveys.c.reason)
    query = (
        select(*of_group, number).where(refused).group_by(*of_group).order_by(number.desc(), *of_group).limit(GROUPS)
    )
    for campaign, reason, count in tx.execute(query).all():
        of_this = refused & (surveys.c.campaign_id == campaign) & surveys.c.reason.is_not_distinct_from(reason)
        emails = tx.scalars(select(surveys.c.claimed_email).where(of_this).order_by(surveys.c.id).limit(EXAMPLES))
        examples = tuple(email for email in emails if email)
        groups.append(Group("survey", f"campaign {campaign}", _words(reason), count, examples, fix_refused("survey")))
    refused = contacts.c.status == "refused"
    query = select(contacts.c.reason, number).where(refused).group_by(contacts.c.reason)
    for reason, count in tx.execute(query.order_by(number.desc(), contacts.c.reason).limit(GROUPS)).all():
        of_this = refused & contacts.c.reason.is_not_distinct_from(reason)
        examples = tuple(tx.scalars(select(contacts.c.email).where(of_this).order_by(contacts.c.email).limit(EXAMPLES)))
        groups.append(Group("contact", "contacts", _words(reason), count, examples, fix_refused("contact")))
    return tuple(sorted(groups, key=lambda group: -group.number))


def _words(reason: str | None) -> str:
    return reason or "no words"


def _telling(record: Mapping[str, Any]) -> str:
    """Return what tells a record from others: its ids and its address."""
    traits = record.get("traits")
    inner = traits if isinstance(traits, dict) else {}
    found = [(name, value) for name in _TELLING for value in [record.get(name, inner.get(name))] if value is not None]
    return ", ".join(f"{name} {str(value)[:_LONGEST]}" for name, value in found) or "a record without any id"


def open_surveys(tx: Transaction, settings: Settings, now: float, *, most: int) -> tuple[OpenFacts, ...]:
    """Return surveys that are not settled, the next due first."""
    query = select(surveys).where(surveys.c.status.in_(UNSETTLED)).order_by(surveys.c.due_at, surveys.c.id).limit(most)
    rows = tx.execute(query).all()
    links = people.users_of(tx, {row.anonymous_id for row in rows if row.user_id is None and row.anonymous_id})
    users = {row.id: row.user_id or links.get(row.anonymous_id or "") for row in rows}
    known = people.load(tx, {user_id for user_id in users.values() if user_id is not None})
    found = []
    for row in rows:
        user_id = users[row.id]
        person = None if user_id is None else known.get(user_id)
        email = row.claimed_email or (person.address if person is not None else row.email)
        found.append(OpenFacts(row.event, row.campaign_id, who(row), email, waits_for(row, settings, now), row.due_at))
    return tuple(found)


def who(row: Any) -> str:  # noqa: ANN401 - a database row
    """Return whom a survey's call names."""
    if row.user_id is not None:
        return f"user id {row.user_id}"
    if row.anonymous_id is not None:
        return f"anonymous id {row.anonymous_id}"
    return row.email or "nobody that is known any more"


def waits_for(row: Any, settings: Settings, now: float) -> str:  # noqa: ANN401 - a database row
    """Return what has to happen before a survey is settled."""
    if row.status == SurveyStatus.WAITING and row.reason == READ_OTHERWISE:
        return "its row to be read again, by the fields of now"
    if row.status == SurveyStatus.WAITING:
        return "an identify call with its e-mail address"
    if row.status == SurveyStatus.CLAIMED:
        return "Promoter's answer to its request"
    campaign = settings.campaigns.get(row.canonical)
    if campaign is None:
        return "a campaign of its event in the setting campaigns"
    if campaign.paused:
        return "the end of its campaign's pause"
    return "its day" if row.due_at > now else "the next delivery"


_RUNS: Final = 10
_EVENTS: Final = 30
_OPEN: Final = 20
_UNCERTAIN: Final = 20
_NOTES: Final = 50
_REQUEST_DAYS: Final = 14
_DAY: Final = 86_400
_MINUTES_A_DAY: Final = 1440
_MINUTE: Final = 60.0


def gather(tx: Transaction, settings: Settings, store: str, now: float) -> Report:
    """Return what the store knows.

    Args:
        settings: The settings, for the account's limit.
    """
    survey_facts = _surveys(tx, settings, now)
    found, more_events = _events(tx, settings)
    report = Report(
        generated_at=now,
        verdict=(),
        is_well=True,
        store=StoreFacts(store, float(runs.fact(tx, "created_at") or 0.0), runs.fact(tx, "api_url"), settings.sandbox),
        overview=_overview(tx, survey_facts),
        events=found,
        more_events=more_events,
        runs=_runs(tx),
        surveys=survey_facts,
        contacts=_contacts(tx),
        requests=_requests(tx, settings.requests_per_minute, survey_facts.pending, now),
        rejected_records=tx.scalar(select(func.count()).select_from(tables.rejected)) or 0,
        rejected=rejected_groups(tx),
        refused=refused_groups(tx),
        attributes=_notes(tx),
    )
    troubles = tuple(trouble(report))
    return replace(report, verdict=(*achieved(report), *troubles), is_well=not troubles)


def _overview(tx: Transaction, surveys: SurveyFacts) -> tuple[Step, ...]:
    """Return how many events were read, were taken, came to be due and were surveyed; nothing if none was read."""
    read: Counter[str] = Counter()
    for summary in tx.scalars(select(tables.runs.c.summary).where(tables.runs.c.summary.is_not(None))):
        read.update((decode(summary) or {}).get("track", {}))

    def fell_out(part: str, counts: Mapping[str, int], outcomes: Iterable[str]) -> tuple[FellOut, ...]:
        words = EXPLAINED[part]
        return tuple(FellOut(one, counts[one], told(counts[one], words[one])) for one in outcomes if counts.get(one))

    still = {**surveys.outcomes, "pending": surveys.pending, "waiting": surveys.waiting}
    sent = sum(still[one] for one in E_MAILED)
    due = sent + sum(still[one] for one in (*NOT_SENT, "pending"))
    if not read["read"] and not due and not surveys.waiting:
        return ()
    taken = ("queued", "waiting")
    return (
        Step("events were read", read["read"], fell_out("track", read, set(EXPLAINED["track"]) - set(taken))),
        Step("of them were to be surveyed", sum(read[one] for one in taken), fell_out("surveys", still, ["waiting"])),
        Step("surveys came to be due", due, fell_out("surveys", still, (*NOT_SENT, "pending"))),
        Step("surveys were sent", sent, ()),
    )


def _events(tx: Transaction, settings: Settings) -> tuple[tuple[EventFacts, ...], int]:
    """Return events, misnamed ones and then the most frequent first, and how many more names there are."""
    table = tables.events.c
    number, last = func.sum(table.number), func.max(table.last_at)
    found: defaultdict[str, dict[str, tuple[int, float]]] = defaultdict(dict)
    for name, outcome, count, last_at in tx.execute(
        select(table.name, table.outcome, number, last).group_by(table.name, table.outcome)
    ):
        found[name][outcome] = (int(count), last_at)
    campaigns = [one.event for one in settings.campaigns.values()]

    def facts(name: str, outcomes: Mapping[str, tuple[int, float]]) -> EventFacts:
        counts = {outcome: count for outcome, (count, _) in outcomes.items()}
        return EventFacts(
            name=name,
            read=sum(counts.values()),
            surveyed=counts.get("queued", 0) + counts.get("waiting", 0),
            stale=counts.get("stale", 0),
            unmatched=counts.get("unmatched", 0),
            last_at=max(last_at for _, last_at in outcomes.values()),
            meant=nearest(name, campaigns) if canonical(name) not in settings.campaigns else None,
        )

    every = sorted(
        (facts(name, outcomes) for name, outcomes in found.items()),
        key=lambda event: (event.meant is None, -event.read, event.name),
    )
    return tuple(every[:_EVENTS]), max(0, len(every) - _EVENTS)


def _runs(tx: Transaction) -> tuple[RunFacts, ...]:
    query = select(tables.runs).order_by(tables.runs.c.id.desc()).limit(_RUNS)
    return tuple(
        RunFacts(
            id=row.id,
            command=row.command,
            started_at=row.started_at,
            finished_at=row.finished_at,
            exit_status=row.exit_status,
            problem=row.problem,
            summary=None if row.summary is None else decode(row.summary),
            changes=[f"{one.name}: {one.before or 'not set'} became {one.after or 'not set'}" for one in changed],
        )
        for row in tx.execute(query).all()
        for changed in [runs.changes(tx, row.id)]
    )


def _surveys(tx: Transaction, settings: Settings, now: float) -> SurveyFacts:
    table = tables.surveys.c
    counted = tx.execute(select(table.status, func.count()).group_by(table.status)).all()
    statuses = {status: number for status, number in counted}  # noqa: C416 - a row is no pair to `dict`
    pending, waiting = count_open(tx, settings, now)
    events: defaultdict[int, list[str]] = defaultdict(list)
    for campaign, event in tx.execute(select(table.campaign_id, table.event).distinct().order_by(table.event)):
        events[campaign].append(event)
    return SurveyFacts(
        outcomes={status: statuses.get(status, 0) for status in tables.SETTLED},
        pending=pending,
        waiting=waiting,
        next_due_at=left.next_due_at(tx, now),
        events=dict(sorted(events.items())),
        campaigns=names.campaigns(tx),
        days=_days(tx),
        open=open_surveys(tx, settings, now, most=_OPEN),
        uncertain=_uncertain(tx),
    )


def _days(tx: Transaction) -> tuple[DayFacts, ...]:
    table = tables.surveys.c
    day = _day_of(tx, table.settled_at)
    query = (
        select(day, table.campaign_id, table.status, func.count())
        .where(table.settled_at.is_not(None))
        .group_by(day, table.campaign_id, table.status)
        .order_by(day, table.campaign_id)
    )
    found: defaultdict[tuple[int, int], dict[str, int]] = defaultdict(dict)
    for number, campaign, status, count in tx.execute(query):
        found[int(number), campaign][status] = count
    return tuple(DayFacts(_date(number), campaign, outcomes) for (number, campaign), outcomes in found.items())


def _day_of(tx: Transaction, time: ColumnElement[float | None]) -> ColumnElement[int]:
    """Return the day of a time, in days since the epoch; PostgreSQL rounds where SQLite cuts off."""
    days = time / _DAY
    return cast(days if tx.is_sqlite else func.floor(days), Integer)


def _date(day: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()


def _uncertain(tx: Transaction) -> tuple[UncertainFacts, ...]:
    table = tables.surveys.c
    query = (
        select(tables.surveys).where(table.status == tables.SurveyStatus.UNCERTAIN).order_by(table.settled_at.desc())
    )
    return tuple(
        UncertainFacts(row.event, row.campaign_id, row.claimed_email, row.claimed_at, row.reason)
        for row in tx.execute(query.limit(_UNCERTAIN))
    )


def _contacts(tx: Transaction) -> ContactFacts:
    table = tables.contacts.c
    counted = tx.execute(select(table.status, func.count()).group_by(table.status).order_by(table.status))
    gone = (table.status == "unowned") & table.sent.is_not(None)
    return ContactFacts(
        statuses={status: number for status, number in counted},  # noqa: C416 - a row is no pair to `dict`
        people=tx.scalar(select(func.count()).select_from(tables.people)) or 0,
        people_without_email=left.count_people(tx),
        left_behind=tx.scalar(select(func.count()).select_from(tables.contacts).where(gone)) or 0,
    )


def _requests(tx: Transaction, limit: float, surveys_pending: int, now: float) -> RequestFacts:
    used = clock.rate(tx, now, limit=limit)
    held = clock.paused_until(tx, now, limit=limit)
    pending = surveys_pending + left.count_contacts(tx)
    query = select(tables.request_days).order_by(tables.request_days.c.day.desc()).limit(_REQUEST_DAYS)
    days = [
        RequestDay(_date(row.day), row.requests, row.rate_limited, row.requests / (limit * _MINUTES_A_DAY))
        for row in tx.execute(query)
    ]
    return RequestFacts(
        limit_per_minute=limit,
        used_per_minute=used,
        held_until_at=held if held > now else None,
        pending=pending,
        seconds_left=max(held - now, 0.0) * bool(pending) + pending / used * _MINUTE,
        days=days[::-1],
    )


def _notes(tx: Transaction) -> tuple[NoteFacts, ...]:
    table = tables.attribute_notes.c
    query = select(table.kind, table.name, table.detail).order_by(table.noted_at.desc(), table.kind, table.name)
    return tuple(NoteFacts(*row) for row in tx.execute(query.limit(_NOTES)))
