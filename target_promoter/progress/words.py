"""Words that the end of a run and the reports share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from target_promoter.config.settings import Settings
from target_promoter.records.calls import HOLDS_KEY
from target_promoter.store.outcomes import (
    E_MAILED,
    NOT_SENT,
    ContactStatus,
    IdentifyOutcome,
    SurveyStatus,
    TrackOutcome,
)
from target_promoter.store.summary import OTHER
from target_promoter.surveys.rules import Rules
from target_promoter.surveys.surveys import Survey
from target_promoter.values.printable import masked_text, printable
from target_promoter.values.times import iso

EXPLAINED: Final[dict[str, dict[str, str]]] = {
    "identify": {
        IdentifyOutcome.CHANGED: "changed what is known of a person",
        IdentifyOutcome.UNCHANGED: "said nothing new",
        IdentifyOutcome.MERGED: "were merged into a later record of the same person",
        IdentifyOutcome.WAITING: "name a person without an e-mail address yet",
        IdentifyOutcome.DELETED: "were deleted at their source",
        IdentifyOutcome.BLOCKED: "are kept from Promoter by their integrations object, or name somebody forgotten",
        IdentifyOutcome.REJECTED: "could not be read",
    },
    "track": {
        TrackOutcome.QUEUED: "lead to a survey now",
        TrackOutcome.WAITING: "lead to a survey later: their person is not known yet, or they are not due yet",
        TrackOutcome.STORED: "are kept on the contact, and lead to no survey",
        TrackOutcome.DUPLICATE: "were known already",
        TrackOutcome.STALE: "were too old to survey",
        TrackOutcome.UNMATCHED: "match no campaign",
        TrackOutcome.DELETED: "were deleted at their source, or their person was",
        TrackOutcome.BLOCKED: "are kept from Promoter by their integrations object, or name somebody forgotten",
        TrackOutcome.REJECTED: "could not be read",
    },
    "contacts": {
        ContactStatus.SYNCED: "are up to date at Promoter",
        ContactStatus.REMOVED: "were removed from Promoter",
        ContactStatus.REFUSED: "were refused by Promoter",
        "pending": "are still to be sent",
        "waiting": "are without an e-mail address, or wait for their row to be read with the current fields",
    },
    "surveys": {
        SurveyStatus.SENT: "were sent",
        SurveyStatus.PRESUMED: "were sent, though the first answer was lost",
        SurveyStatus.THROTTLED: "were not sent: the person was surveyed a short time ago",
        SurveyStatus.WITHHELD: "were not sent: not in the sample, not among survey_recipients, or unsubscribed",
        SurveyStatus.REFUSED: "were refused by Promoter",
        SurveyStatus.EXPIRED: "became too old while they waited",
        SurveyStatus.CANCELLED: "were cancelled: by a later event, or because the event or its person was deleted",
        SurveyStatus.UNCERTAIN: "may or may not have been sent: look them up at Promoter",
        "pending": "are due and not sent yet",
        "waiting": "wait for their person, their day or the survey_hours",
    },
}
"""What became of records, contacts and surveys, in words that follow a number."""

_LONGEST: Final = 80
_OF_ONE: Final = {
    "were": "was",
    "are": "is",
    "lead": "leads",
    "name": "names",
    "match": "matches",
    "wait": "waits",
    "their": "its",
    "they": "it",
}


def count(number: int, thing: str, plural: str | None = None) -> str:
    """Return how many of a thing there are."""
    return f"{number:,} {thing if number == 1 else plural or thing + 's'}"


def was(number: int) -> str:
    """Return the verb that follows a number."""
    return "was" if number == 1 else "were"


def sent_and_due(outcomes: Mapping[str, int], pending: int) -> tuple[int, int]:
    """Return how many surveys were sent, and how many were due, by their outcomes and how many are pending."""
    sent = sum(outcomes[one] for one in E_MAILED)
    return sent, sent + sum(outcomes[one] for one in NOT_SENT) + pending


def sent_of_due(sent: int, due: int, span: str = "") -> str:
    """Return how many of the surveys that were due were sent, as a sentence.

    Args:
        span: When they were due, such as ` in the last thirty days`.
    """
    if not due:
        return f"No survey was due{span}."
    which = f"due{span}" if span else f"that {was(due)} due"
    if sent == due:
        return f"{'The survey' if due == 1 else f'All {due:,} surveys'} {which} {was(due)} sent."
    return f"{sent:,} of {count(due, 'survey')} {which} {was(sent)} sent."


def to_send(surveys: int, contacts: int, doing: str) -> Iterator[str]:
    """Yield how many surveys and contacts are not sent, if there are any, and what is to be done, as a sentence."""
    parts = [count(number, thing) for number, thing in ((surveys, "survey"), (contacts, "contact")) if number]
    if parts:
        yield f"{' and '.join(parts)} {'is' if surveys + contacts == 1 else 'are'} {doing}."


def in_words(part: str, outcome: str, number: int) -> str:
    """Return what became of so many of a part of the summary, in words that follow the number."""
    words = EXPLAINED[part][outcome]
    return words if number != 1 else " ".join(_OF_ONE.get(word, word) for word in words.split(" "))


def listed(parts: Sequence[str]) -> str:
    """Return parts of a sentence as one: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def quoted(name: str) -> str:
    """Return a name from outside as a line of a log can hold it: without addresses and line breaks, not too long."""
    shown = printable(masked_text(printable(name)), _LONGEST)
    return shown if name == OTHER else f'"{shown}"'


def moment(time: float, *, seconds: bool = False) -> str:
    """Return a time in epoch seconds for people to read, in UTC, such as `2026-03-31 14:05`."""
    return iso(time)[: 19 if seconds else 16].replace("T", " ")


def when(time: float) -> str:
    """Return the same with its zone, such as `2026-03-31 14:05 UTC`."""
    return f"{moment(time)} UTC"


def campaign(number: int, names: Mapping[int, str] = MappingProxyType({})) -> str:
    """Return a campaign, by its id, for people to read.

    Args:
        names: The names that are known, by id.
    """
    return f"campaign {number}{f', {names[number]}' if number in names else ''}"


NEXT_DELIVERY: Final = "the next delivery"
"""What a survey waits for that is due."""


def waits_for(survey: Survey, settings: Settings, now: float) -> str:
    """Return what has to happen before a survey is settled."""
    if survey.is_held:
        return "its row to be read again, with the current fields"
    if survey.status is SurveyStatus.WAITING:
        return "an identify call with its e-mail address"
    if survey.status is SurveyStatus.CLAIMED:
        return "Promoter's answer to its request"
    campaign = settings.campaigns.get(survey.canonical)
    if campaign is None:
        return "a campaign for its event in the setting campaigns"
    if campaign.paused:
        return "the end of its campaign's pause"
    opens_at = Rules(settings, now, 0.0).next_opening
    if opens_at > now >= survey.event_at + campaign.delay_hours * 3600:
        waits = f"the survey_hours, which begin {when(opens_at)}"
    else:
        waits = "its day" if survey.due_at > now else NEXT_DELIVERY
    return waits


REPLAY: Final = "target-promoter --config CONFIG rejected | target-promoter --config CONFIG"
"""How records are taken once more when what was wrong with them is fixed."""

_FIXES: Final = (
    (
        "no user id, anonymous id or usable e-mail address",
        "name the column that holds the user id in `streams` (`fields`)",
    ),
    ("no user id", "name the column that holds the user id in `streams` (`fields`), or correct the source"),
    ("no usable e-mail address", "correct the address at its source"),
    ("no readable time", "name the column that holds the time in `streams` (`fields`)"),
    ("in the future", "correct the clock that wrote the time, or wait until that time"),
    ("neither `type` nor `action`", "say in `streams` what the stream's records are"),
    ("no event", "name the stream's event in `streams` (`event`)"),
    ("does not fit its schema", "correct the tap, whose record and SCHEMA disagree"),
    (HOLDS_KEY, "remove it from the source, and get another key from Promoter"),
    ("stream map", "correct the expression in `stream_maps`"),
    ("cannot be written", "correct the tap: the record holds a value that no database can store"),
)


def fix_rejected(reason: str) -> str:
    """Return what to do about rejected records before they are replayed."""
    return next((fix for part, fix in _FIXES if part in reason), "correct the source, or `streams`")


def fix_refused(what: str) -> str:
    """Return what to do about what Promoter refused.

    Args:
        what: `survey` or `contact`.
    """
    if what == "contact":
        return "correct what Promoter names at its source: the contact is sent again when it changes"
    return "correct what Promoter names, in the data or in the account"
