"""When surveys are due: what time, the hours and the settings change about those that wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, func, select, text, update

from target_promoter.config.settings import CancelRule, Settings
from target_promoter.people.identity import keys_named
from target_promoter.store import runs
from target_promoter.store.encoding import encode
from target_promoter.store.outcomes import OPEN, SurveyStatus
from target_promoter.store.schema import surveys
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.known_events import KnownEvents
from target_promoter.surveys.rules import OLDER_THAN_STORE, SAME_EVENT, Rules
from target_promoter.surveys.surveys import COLUMNS, Survey, as_survey, cancel, of_occurrences

_MOST_EXPIRED: Final = 20_000
"""How many surveys one transaction ends, so that it holds the store for a moment only."""

_EXPIRE: Final = """
    UPDATE surveys SET status = 'expired', reason = :reason, settled_at = :now, lease = NULL, leased_until = 0
    WHERE id IN (
        SELECT id FROM surveys WHERE status = :status AND canonical = :event AND {age} < :oldest LIMIT :most
    )
"""
_EXPIRE_BY_AGE: Final = text(_EXPIRE.format(age="due_at"))
_EXPIRE_OF_LOST_STORE: Final = text(_EXPIRE.format(age="first_due_at"))


def expire(tx: Transaction, rules: Rules, events: Iterable[str]) -> tuple[int, bool]:
    """End the open surveys of events that are too old by now.

    Returns:
        How many, and whether there may be more.
    """
    by_rule = (
        (_EXPIRE_BY_AGE, rules.oldest_due, rules.older_than_allowed),
        (_EXPIRE_OF_LOST_STORE, rules.oldest_first_due, OLDER_THAN_STORE),
    )
    ended = 0
    for statement, oldest, reason in by_rule:
        values = {"oldest": oldest, "now": rules.now, "reason": reason}
        for event in events:
            for status in OPEN:
                found = {"status": status, "event": event, "most": _MOST_EXPIRED - ended}
                ended += tx.execute(statement, {**values, **found}).rowcount
                if ended >= _MOST_EXPIRED:
                    return ended, True
    return ended, False


_MOST_BROUGHT: Final = 10_000


def bring_due(tx: Transaction, settings: Settings, now: float) -> None:
    """Have a dry run look at surveys that waited before it: those to be sent now, those too old, and the next due.

    Of each event so many, the longest due first: a run sends no more than `max_surveys_per_run` at once.
    """
    rules = Rules(settings, now, runs.created_at(tx))
    for event in rules.active:
        of_event = select(surveys).where(surveys.c.canonical == event).order_by(surveys.c.due_at).limit(_MOST_BROUGHT)
        due = (surveys.c.due_at <= now) & (surveys.c.due_at >= rules.oldest_due)
        tx.bring(of_event.where(surveys.c.status == SurveyStatus.QUEUED, due))
        tx.bring(of_event.where(surveys.c.status == SurveyStatus.QUEUED, surveys.c.due_at > now).limit(1))
        for status in OPEN:
            tx.bring(of_event.where(surveys.c.status == status, surveys.c.due_at < rules.oldest_due))
            tx.bring(of_event.where(surveys.c.status == status, surveys.c.first_due_at < rules.oldest_first_due))


def open_later(tx: Transaction, rules: Rules) -> None:
    """Have due surveys wait for the hours in which they may leave; their age counts from there."""
    for event in rules.active:
        is_due = rules.sendable().is_due(event, rules.now)
        tx.execute(update(surveys).where(is_due).values(due_at=rules.next_opening))


_COUNT: Final = text("SELECT count(*) FROM surveys WHERE status = :status")
_COUNT_DUE: Final = text(
    "SELECT count(*) FROM surveys WHERE status = 'queued' AND canonical = :event AND due_at <= :now"
)


def count_open(tx: Transaction, settings: Settings, now: float) -> tuple[int, int]:
    """Return how many surveys are pending (due or claimed), and how many wait for their person, day or campaign."""
    waiting, queued, claimed = (
        tx.scalar(_COUNT, {"status": one}) or 0
        for one in (SurveyStatus.WAITING, SurveyStatus.QUEUED, SurveyStatus.CLAIMED)
    )
    events = Rules(settings, now, 0.0).sendable().events if queued else ()
    due = sum(tx.scalar(_COUNT_DUE, {"event": event, "now": now}) or 0 for event in events)
    return claimed + due, waiting + queued - due


_NEXT_DUE: Final = text("SELECT min(due_at) FROM surveys WHERE status = 'queued' AND due_at > :now")


def next_due_at(tx: Transaction, now: float) -> float | None:
    """Return when the next survey that waits for its day is due, in epoch seconds."""
    due: float | None = tx.scalar(_NEXT_DUE, {"now": now})
    return due


def without_campaign(tx: Transaction, settings: Settings) -> Counter[str]:
    """Return the events that `campaigns` does not name though surveys of them wait, each with how many."""
    is_open, number = surveys.c.status.in_(OPEN), func.count().label("number")
    # By index first: as a rule there are none, and a million of others.
    names = tx.scalars(select(surveys.c.canonical).where(is_open).distinct()).all()
    unnamed = [one for one in names if one not in settings.campaigns]
    if not unnamed:
        return Counter()
    query = select(surveys.c.event, number).where(is_open, surveys.c.canonical.in_(unnamed)).group_by(surveys.c.event)
    return Counter({row.event: row.number for row in tx.execute(query)})


class _Applied(msgspec.Struct, frozen=True):
    """What of a campaign's settings stands in the rows of its surveys."""

    campaign_id: int
    delay_hours: float
    hours: str
    paused: bool
    cancel_on: tuple[tuple[str, str | None], ...] | None = None
    """The events that cancel, each with the property to match; null if an older program did not tell."""


def apply_settings(tx: Transaction, settings: Settings, now: float) -> list[str]:
    """Apply what the config says of campaigns to the surveys that wait, as a run begins.

    Returns:
        What cannot hold for what was read before, a sentence each.
    """
    told = []
    rules = Rules(settings, now, runs.created_at(tx))
    hours = repr(settings.survey_hours)
    for event, campaign in settings.campaigns.items():
        name = f"campaign:{event}"
        cancel_on = tuple((rule.event, rule.match) for rule in campaign.cancel_on)
        current = _Applied(campaign.id, campaign.delay_hours, hours, campaign.paused, cancel_on)
        known = runs.fact(tx, name)
        before = None if known is None else msgspec.json.decode(known, type=_Applied)
        if current == before:
            continue
        runs.set_fact(tx, name, encode(current))
        tx.bring(select(surveys).where(_concerned(rules, event)))
        of_event = surveys.c.status.in_(OPEN) & (surveys.c.canonical == event)
        _give_campaign(tx, rules, event)
        if current.paused and not (before is not None and before.paused):
            # What was too old by then does not become young again by the pause.
            while expire(tx, rules, [event])[1]:
                pass
        if before is None:
            continue
        if (before.delay_hours, before.hours) != (current.delay_hours, current.hours):
            _reschedule(tx, rules, event)
        if before.paused and not current.paused:
            late = of_event & (surveys.c.due_at < now)
            tx.execute(update(surveys).where(late).values(due_at=now))
        if before.cancel_on is not None:
            gained = [one for one in campaign.cancel_on if (one.event, one.match) not in before.cancel_on]
            told += [_not_known_before(rule, campaign.event) for rule in gained]
    return told


def _not_known_before(rule: CancelRule, event: str) -> str:
    also, alike = (" and that of the other", f" with the same `{rule.match}`") if rule.match is not None else ("", "")
    return (
        f"`{rule.name}` now cancels surveys of `{event}`{alike}, but what was read of it before is not known: refresh "
        f"its stream{also} in full, so that surveys which wait are cancelled by it."
    )


def _of_other_campaign(rules: Rules, event: str) -> ColumnElement[bool]:
    return (surveys.c.canonical == event) & (surveys.c.campaign_id != rules.settings.campaigns[event].id)


def _concerned(rules: Rules, event: str) -> ColumnElement[bool]:
    """Return the condition for surveys that may change when something of their campaign did."""
    is_open = (surveys.c.canonical == event) & surveys.c.status.in_(OPEN)
    return is_open | _of_other_campaign(rules, event) & (surveys.c.due_at >= rules.oldest_due)


def _give_campaign(tx: Transaction, rules: Rules, event: str) -> None:
    """Move the surveys of an event to its present campaign; those that are settled are known by it from now on."""
    campaign, events = rules.settings.campaigns[event], KnownEvents(tx)
    other = _of_other_campaign(rules, event)
    moved, marks, left = list[tuple[int, bytes | None]](), dict[bytes, Survey](), list[bytes | None]()
    for survey in map(as_survey, tx.execute(select(*COLUMNS).where(other, surveys.c.due_at >= rules.oldest_due))):
        keys = keys_named(survey)
        mark = events.occurrence(campaign.id, keys[0] if keys else "", survey.event_at)
        if mark is not None:
            marks[mark] = survey
        if survey.is_open:
            moved.append((survey.id, mark))
            left.append(survey.occurrence)
    # What the campaign surveyed for before, by another event's name, is known; of two that wait delivery ends one.
    known = events.among(marks)
    known -= {one.occurrence for one in of_occurrences(tx, {mark: marks[mark] for mark in known})}
    events.forget(left)
    events.remember(marks)
    tx.update_rows(surveys, ("id", "occurrence"), moved)
    tx.execute(update(surveys).where(other, surveys.c.status.in_(OPEN)).values(campaign_id=campaign.id))
    cancel(tx, [number for number, mark in moved if mark in known], SAME_EVENT, rules.now)


def _reschedule(tx: Transaction, rules: Rules, event: str) -> None:
    """Move when the open surveys of an event are due, none into the past."""
    campaign, now = rules.settings.campaigns[event], rules.now
    query = select(surveys.c.id, surveys.c.event_at, surveys.c.due_at)
    moved = []
    for number, event_at, due_at in tx.execute(query.where(surveys.c.status.in_(OPEN), surveys.c.canonical == event)):
        new = rules.due_at(campaign, event_at)
        if new <= now:
            new = min(due_at, now)
        if new != due_at:
            moved.append((number, new))
    tx.update_rows(surveys, ("id", "due_at"), moved)
