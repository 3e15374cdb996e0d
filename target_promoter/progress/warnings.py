"""The warnings at the end of a run: a reason, a number, and what to do, in a sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from sqlalchemy import func, select

from target_promoter.config.settings import Settings
from target_promoter.progress.words import count, fix_refused, fix_rejected, listed, quoted, was, when
from target_promoter.store.outcomes import ContactStatus, SurveyStatus, TrackOutcome
from target_promoter.store.schema import contacts, events, streams, surveys
from target_promoter.store.summary import Findings, Summary
from target_promoter.store.transaction import Transaction
from target_promoter.values import events as globs
from target_promoter.values.events import canonical, nearest
from target_promoter.values.printable import masked

WHOLE_STREAM: Final = 10
"""From so many records on a stream that was rejected as a whole fails the run."""

_EACH: Final = 20
_NAMES: Final = 50
_REASONS: Final = 3


def warnings(
    tx: Transaction, settings: Settings, summary: Summary, idle: Mapping[str, int], *, is_whole: bool = True
) -> Iterator[str]:
    """Yield what went wrong in a run without ending it; nothing if all is well.

    Args:
        idle: How many surveys wait of events that no campaign names (`schedule.without_campaign`).
        is_whole: Whether the input was read to its end.
    """
    findings = summary.findings
    for lines in (
        _rejected(findings),
        _no_campaigns(settings, summary),
        _near(settings, findings),
        _too_old(findings),
        _unmatchable(findings),
        _unmatched_settings(tx, settings, summary) if is_whole else (),
        _without_campaign(idle),
        _refused(tx, summary),
        (one.problem for one in findings.mirrored if one.problem is not None),
    ):
        yield from islice(lines, _EACH)
        more = sum(1 for _ in lines)
        if more:
            yield f"The same applies to {more:,} more: `target-promoter report` shows all of them."


def failures(findings: Findings) -> Iterator[str]:
    """Yield why a run failed though it came to its end: streams of which no record could be read."""
    for stream, number in findings.wholly_rejected(WHOLE_STREAM).items():
        yield (
            f"All {number:,} records of the stream {quoted(stream)} were rejected: say in `streams` how it is to be "
            "read (`target-promoter check --input FILE` shows how it is read now)."
        )


def departures(findings: Findings, *, is_dry_run: bool) -> Iterator[str]:
    """Yield who left mirrored streams, or would have, their addresses masked."""
    for one in findings.mirrored:
        if one.left:
            more = one.left - len(one.addresses)
            who = [*map(masked, one.addresses), *([count(more, "more", "more")] if more and one.addresses else [])]
            names = f": {listed(who)}" if who else ""
            people = count(one.left, "person", "people")
            verb = "would leave" if is_dry_run else "left"
            yield f"{people} {verb} {quoted(one.stream)}, because its newest table version lacks them{names}."


def unmatched(settings: Settings, findings: Findings) -> str | None:
    """Return the events that no campaign names, nor is near to; None if there are none."""
    names = [
        f"{quoted(event)} ({tally.number:,})"
        for event, tally in findings.of_outcome(TrackOutcome.UNMATCHED).items()
        if _meant(event, settings) is None and _meant_to_cancel(event, settings) is None
    ]
    if not names:
        return None
    others = count(len(names) - _NAMES, "more name")
    more = [f"{others} (`target-promoter export events` has all)"] if len(names) > _NAMES else []
    return f"Events that no campaign names: {listed([*names[:_NAMES], *more])}."


def _rejected(findings: Findings) -> Iterator[str]:
    for (stream, reason), number in findings.rejected.most_common():
        yield (
            f"{count(number, 'record')} of the stream {quoted(stream)} {was(number)} rejected: {quoted(reason)[1:-1]}; "
            f"{fix_rejected(reason)}, then replay {'it' if number == 1 else 'them'} (`target-promoter rejected`)."
        )


def _no_campaigns(settings: Settings, summary: Summary) -> Iterator[str]:
    number = summary.value("track", "read")
    if number and not settings.campaigns:
        yield (
            f"The setting `campaigns` is empty, so {count(number, 'track call')} led to no survey: "
            'set it to something like {"Order Completed": 78} (`target-promoter check` shows the account\'s campaigns).'
        )


def _near(settings: Settings, findings: Findings) -> Iterator[str]:
    for event, tally in findings.of_outcome(TrackOutcome.UNMATCHED).items():
        meant, cancelling = _meant(event, settings), _meant_to_cancel(event, settings)
        events = f"{count(tally.number, 'event')} {quoted(event)}"
        if meant is not None:
            yield (
                f"{events} led to no survey, because no campaign names it; "
                f"probably {quoted(meant)} was meant: name the event in `campaigns` as the source does."
            )
        elif cancelling is not None:
            yield (
                f"{events} cancelled no survey, because no `cancel_on` names it; "
                f"probably {quoted(cancelling)} was meant: name the event in `cancel_on` as the source does."
            )


def _meant(event: str, settings: Settings) -> str | None:
    return nearest(event, [campaign.event for campaign in settings.campaigns.values()])


def _meant_to_cancel(event: str, settings: Settings) -> str | None:
    return nearest(event, [rule.name for campaign in settings.campaigns.values() for rule in campaign.cancel_on])


def _too_old(findings: Findings) -> Iterator[str]:
    for event, tally in findings.of_outcome(TrackOutcome.STALE).items():
        happened = f"from {when(tally.first_at)} to {when(tally.last_at)}" if tally.number > 1 else when(tally.first_at)
        reasons = " or ".join(sorted(findings.too_old.get(event, ())))
        yield (
            f"{count(tally.number, 'event')} {quoted(event)} {was(tally.number)} too old for a survey ({happened})"
            f"{f': {reasons}' if reasons else ''}. History is not surveyed; if it should be, raise "
            "`max_event_age_hours`."
        )


def _unmatchable(findings: Findings) -> Iterator[str]:
    for (event, name), number in findings.unmatchable.most_common():
        yield (
            f"{count(number, 'event')} {quoted(event)} {'has' if number == 1 else 'have'} no {quoted(name)}, by which "
            "`cancel_on` tells which survey is cancelled: name in `match` a property that both events have."
        )


def _unmatched_settings(tx: Transaction, settings: Settings, summary: Summary) -> Iterator[str]:
    """Yield entries of `streams` and `campaigns` that match nothing in this input, nor in one before it."""
    findings = summary.findings
    if not findings.streams:
        return
    known = findings.streams.union(tx.scalars(select(streams.c.name)))
    for setting in settings.streams:
        if setting.type != "ignore" and not any(globs.matches(setting.pattern, stream) for stream in known):
            near = next(iter(difflib.get_close_matches(setting.pattern, sorted(findings.streams), n=1)), None)
            there = listed([quoted(stream) for stream in sorted(findings.streams)])
            fix = (
                f"did you mean {quoted(near)}?" if near else f"name one of those it has, {there}, or remove the entry."
            )
            yield f"The setting `streams` has {quoted(setting.pattern)}, and the input has no such stream: {fix}"
    read = {event for event, _ in findings.events}
    read.update(tx.scalars(select(events.c.name).distinct()), tx.scalars(select(surveys.c.event).distinct()))
    seen = {canonical(event) for event in read}
    seen |= {canonical(_meant(event, settings) or event) for event in findings.of_outcome(TrackOutcome.UNMATCHED)}
    if not sum(findings.read.values()) or summary.value("track", "rejected"):
        return  # What was rejected may be just that event.
    others = sorted(event for event in read if canonical(event) not in settings.campaigns)
    for name, campaign in settings.campaigns.items():
        if name not in seen:
            near = nearest(campaign.event, others)
            fix = "name the event as the source does, or have the tap select its stream."
            fix = fix if near is None else f"did you mean {quoted(near)}?"
            yield f"The setting `campaigns` has {quoted(campaign.event)}, and no such event was ever read: {fix}"


def _without_campaign(idle: Mapping[str, int]) -> Iterator[str]:
    for event, number in sorted(idle.items()):
        yield (
            f"{count(number, 'survey')} of the event {quoted(event)} {'waits' if number == 1 else 'wait'}, but "
            "`campaigns` no longer names it: add it again, or cancel them (`target-promoter cancel`)."
        )


def _refused(tx: Transaction, summary: Summary) -> Iterator[str]:
    queries = {
        "contact": select(contacts.c.reason, func.count())
        .where(contacts.c.status == ContactStatus.REFUSED)
        .group_by(contacts.c.reason),
        "survey": select(surveys.c.reason, func.count())
        .where((surveys.c.status == SurveyStatus.REFUSED) & (surveys.c.settled_at >= summary.started_at))
        .group_by(surveys.c.reason),
    }
    for what, query in queries.items():
        number = summary.value("contacts" if what == "contact" else "surveys", "refused")
        if number:
            reasons = tx.execute(query.order_by(func.count().desc()).limit(_REASONS))
            words = "; ".join(quoted(reason or "no words")[1:-1] for reason, _ in reasons)
            yield (
                f"Promoter refused {count(number, what)} ({words}): {fix_refused(what)} "
                "(`target-promoter report` shows which)."
            )
