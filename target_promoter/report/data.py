"""What a report tells; times are epoch seconds, and addresses are shown whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Final

from target_promoter.values.times import iso

Count = Mapping[str, int]
"""How many of each, by name."""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What the store knows of itself.

    Attributes:
        name: Its address, without a password.
        created_at: When it was created.
        account: The base address of the account it belongs to; None before the first answer.
        sandbox: Whether it is the sandbox's.
    """

    name: str
    created_at: float
    account: str | None
    sandbox: bool


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run.

    Attributes:
        id: Its number in the store.
        command: Its command, such as `sync`.
        started_at: When it began.
        finished_at: When it ended; None if it is still running, or was killed.
        exit_status: Its exit status; None before its end.
        problem: What went wrong, in sentences.
        summary: As in the summary line.
        changes: The settings that differ from those of the run before, in words.
    """

    id: int
    command: str
    started_at: float
    finished_at: float | None
    exit_status: int | None
    problem: str | None
    summary: Mapping[str, Any] | None
    changes: Sequence[str]


@dataclass(frozen=True, slots=True)
class FellOut:
    """Events or surveys that went no further than to some step.

    Attributes:
        outcome: What became of them, as in the summary line.
        number: How many.
        words: The outcome explained, in words that follow the number.
        reasons: Of what was withheld or cancelled, the most frequent reasons, each with how many.
    """

    outcome: str
    number: int
    words: str
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """A step on the way from an event to a survey.

    Attributes:
        what: What is counted.
        number: How many came so far.
        fell_out: What went no further.
    """

    what: str
    number: int
    fell_out: Sequence[FellOut]


@dataclass(frozen=True, slots=True)
class EventFacts:
    """The events of one name.

    Attributes:
        name: The name as sent.
        read: How many were read.
        surveyed: How many led to a survey, now or later.
        stale: How many were too old.
        unmatched: How many no campaign named, and nothing was kept of.
        last_at: When the last of them happened.
        meant: The event of a campaign that was probably meant, if no campaign names this one.
    """

    name: str
    read: int
    surveyed: int
    stale: int
    unmatched: int
    last_at: float
    meant: str | None


@dataclass(frozen=True, slots=True)
class DayFacts:
    """The surveys of one campaign that were settled on one day.

    Attributes:
        day: The day in UTC, such as `2026-03-31`.
        campaign_id: The campaign at Promoter.
        outcomes: How many came to each outcome.
    """

    day: str
    campaign_id: int
    outcomes: Count


@dataclass(frozen=True, slots=True)
class OpenFacts:
    """A survey that is not settled.

    Attributes:
        event: The event's name as sent.
        campaign_id: The campaign at Promoter.
        who: Whom the event names, such as `user id 1003`.
        email: The address it would go to, if it is known.
        waits_for: What has to happen first.
        due_at: When it is due.
    """

    event: str
    campaign_id: int
    who: str
    email: str | None
    waits_for: str
    due_at: float


@dataclass(frozen=True, slots=True)
class UncertainFacts:
    """A survey of which nobody knows whether it was sent.

    Attributes:
        event: The event's name as sent.
        campaign_id: The campaign at Promoter.
        email: The address it went to, if it went.
        requested_at: When its request left.
        reason: Why it is uncertain.
    """

    event: str
    campaign_id: int
    email: str | None
    requested_at: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class SurveyFacts:
    """The surveys of the last thirty days, and all that are not settled.

    Attributes:
        outcomes: How many came to each outcome.
        pending: How many are due, or wait for Promoter's answer.
        waiting: How many wait for their person or their day.
        next_due_at: When the next of those that wait for their day is due.
        events: The events of each campaign, by its id.
        campaigns: The campaigns' names at Promoter, by id, as far as `check` learned them.
        days: What was settled, by day and campaign.
        open: The first that are not settled, the next due first.
        uncertain: The last that are uncertain.
    """

    outcomes: Count
    pending: int
    waiting: int
    next_due_at: float | None
    events: Mapping[int, Sequence[str]]
    campaigns: Mapping[int, str]
    days: Sequence[DayFacts]
    open: Sequence[OpenFacts]
    uncertain: Sequence[UncertainFacts]


@dataclass(frozen=True, slots=True)
class PulledFacts:
    """What the account held when it was last read to its end.

    Attributes:
        finished_at: When that was.
        contacts: How many contacts it had.
        unsubscribed: How many are known to have unsubscribed.
        changed: How many were changed there since they were sent.
        of_no_stream: How many no tap brought.
    """

    finished_at: float
    contacts: int
    unsubscribed: int
    changed: int
    of_no_stream: int


@dataclass(frozen=True, slots=True)
class MirrorFacts:
    """A mirrored stream.

    Attributes:
        stream: Its name.
        read_at: When its newest table version was read.
        people: How many people it had then.
        left: How many left with it.
        missing: How many a later version lacked, which changed nobody.
    """

    stream: str
    read_at: float
    people: int
    left: int
    missing: int


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """The contacts and the people behind them.

    Attributes:
        statuses: How many contacts have each status.
        people: How many people are known.
        people_without_email: How many of them have no address yet.
        left_behind: How many contacts at Promoter nobody has any more: their people have another address, or were
            deleted.
        pulled: What the last `pull` found; None if there was none.
        mirrored: The streams that are mirrored.
    """

    statuses: Count
    people: int
    people_without_email: int
    left_behind: int
    pulled: PulledFacts | None
    mirrored: Sequence[MirrorFacts]


@dataclass(frozen=True, slots=True)
class RequestDay:
    """The requests of one day.

    Attributes:
        day: The day in UTC.
        requests: How many were answered.
        rate_limited: How many of those were refused for being over the limit.
        share_of_limit: What part of the day's limit they are.
    """

    day: str
    requests: int
    rate_limited: int
    share_of_limit: float


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The account's limit and what was used of it.

    Attributes:
        limit_per_minute: The limit as told.
        used_per_minute: How many leave a minute at the most; less than the limit, far less if less was measured.
        held_until_at: Until when Promoter asked to wait; None if it is over.
        pending: How many surveys and contacts are to be delivered.
        seconds_left: How long that takes at the most.
        days: What was used, by day.
    """

    limit_per_minute: float
    used_per_minute: float
    held_until_at: float | None
    pending: int
    seconds_left: float
    days: Sequence[RequestDay]


@dataclass(frozen=True, slots=True)
class Group:
    """Records, surveys or contacts that failed for the same reason.

    Attributes:
        what: What failed: `record`, `survey` or `contact`.
        where: The stream of records, the campaign of surveys.
        reason: Why: ours for records, Promoter's words for the others.
        number: How many.
        examples: A few of them.
        fix: What to do about it.
    """

    what: str
    where: str
    reason: str
    number: int
    examples: Sequence[str]
    fix: str


@dataclass(frozen=True, slots=True)
class NoteFacts:
    """An attribute that was changed on its way to Promoter.

    Attributes:
        what: `renamed`, `merged` or `left out`.
        name: Its name as sent.
        detail: What became of it.
    """

    what: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report tells.

    Attributes:
        generated_at: When it was made.
        verdict: What matters most, in sentences.
        is_well: Whether nothing has to be done.
        store: What the store knows of itself.
        overview: The steps from an event to a survey, in the last thirty days.
        events: The events that were read in the last thirty days, misnamed ones and then the most frequent first.
        more_events: How many more names of events there were.
        runs: The last runs, the latest first.
        rejected_records: How many records are rejected in all.
        rejected: What was rejected, by reason, the most frequent first.
        refused: What Promoter refused, by reason, the most frequent first.
        attributes: Attributes that were changed on their way.
    """

    generated_at: float
    verdict: Sequence[str]
    is_well: bool
    store: StoreFacts
    overview: Sequence[Step]
    events: Sequence[EventFacts]
    more_events: int
    runs: Sequence[RunFacts]
    surveys: SurveyFacts
    contacts: ContactFacts
    requests: RequestFacts
    rejected_records: int
    rejected: Sequence[Group]
    refused: Sequence[Group]
    attributes: Sequence[NoteFacts]


_LARGEST_EXPONENT: Final = 40

VERSION: Final = 2
"""Raised when a name goes away or means something else; names may be added without."""


def as_json(told: Any) -> str:  # noqa: ANN401 - any dataclass of this room
    """Return a report as JSON: times as ISO 8601 in UTC, the rest as it is.

    Args:
        told: The report, or the story of a person.
    """
    return json.dumps({"version": VERSION, **_plain(asdict(told))}, indent=2, ensure_ascii=False, default=str)


def _plain(value: Any, name: str = "") -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {str(key): _plain(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        if abs(value.adjusted()) > _LARGEST_EXPONENT:
            return str(value)  # No program reads it as a number, and writing out its noughts takes for ever.
        return int(value) if value == value.to_integral_value() else float(value)
    if name.endswith("_at") and isinstance(value, float):
        return iso(value)
    return value
