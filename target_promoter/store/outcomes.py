"""What becomes of records, contacts and surveys: every outcome and status, explained."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class IdentifyOutcome(StrEnum):
    """What a record of a person came to."""

    CHANGED = "changed"
    """It changed what is known of its person."""
    UNCHANGED = "unchanged"
    """It said nothing new."""
    MERGED = "merged"
    """It was taken together with a later record of the same person."""
    WAITING = "waiting"
    """It names a person without an e-mail address yet."""
    DELETED = "deleted"
    """It was deleted at its source."""
    BLOCKED = "blocked"
    """Its integrations object keeps it from Promoter, or it names somebody forgotten."""
    REJECTED = "rejected"
    """It could not be read."""
    IGNORED = "ignored"
    """It says nothing to Promoter; the summary counts it beside the parts."""


class TrackOutcome(StrEnum):
    """What an event came to."""

    QUEUED = "queued"
    """It leads to a survey now."""
    WAITING = "waiting"
    """It leads to a survey later: its person is not known yet, or its day not come."""
    STORED = "stored"
    """It is kept on the contact or cancels surveys, and leads to none."""
    DUPLICATE = "duplicate"
    """It was known already."""
    STALE = "stale"
    """It was too old to survey."""
    UNMATCHED = "unmatched"
    """No campaign names it."""
    DELETED = "deleted"
    """It was deleted at its source, or its person was."""
    BLOCKED = "blocked"
    """Its integrations object keeps it from Promoter, or it names somebody forgotten."""
    REJECTED = "rejected"
    """It could not be read."""


class ContactStatus(StrEnum):
    """What is known of a contact at Promoter."""

    PENDING = "pending"
    """The form it should have may differ from the one last sent."""

    LIST_UNKNOWN = "list_unknown"
    """Promoter knows no such contact list as it should join; pending again with the next run."""

    SYNCED = "synced"
    """It looks as it should."""

    REFUSED = "refused"
    """Promoter does not take it; the row has its words."""

    REMOVING = "removing"
    """Deleted at its source, and to be removed from Promoter."""

    REMOVED = "removed"
    """Removed from Promoter."""

    UNOWNED = "unowned"
    """Nobody known has the address any more."""


class SurveyStatus(StrEnum):
    """How far a survey is, and what became of it."""

    WAITING = "waiting"
    """Its person has no known e-mail address yet."""
    QUEUED = "queued"
    """It is to be sent when it is due."""
    CLAIMED = "claimed"
    """Its request was made, and may have been sent; the row holds the whole of it."""
    SENT = "sent"
    """Promoter accepted its request."""
    PRESUMED = "presumed"
    """A first request got no answer, and Promoter refused the second: the first had arrived."""
    THROTTLED = "throttled"
    """Its contact was surveyed a short time ago."""
    WITHHELD = "withheld"
    """A setting kept it from being sent."""
    REFUSED = "refused"
    """Promoter does not take it, now or later."""
    EXPIRED = "expired"
    """It was due too long ago before it could be sent."""
    CANCELLED = "cancelled"
    """Its person did what cancels it, or it was deleted or called off."""
    UNCERTAIN = "uncertain"
    """Its request got no answer, and is not sent again: nobody knows whether it arrived."""


OPEN: Final = (SurveyStatus.WAITING, SurveyStatus.QUEUED)
"""The statuses of surveys that may still be changed or cancelled."""

UNSETTLED: Final = (*OPEN, SurveyStatus.CLAIMED)
"""The statuses of surveys that are not final."""

SETTLED: Final = tuple(one for one in SurveyStatus if one not in UNSETTLED)
"""The statuses of surveys that are final."""

E_MAILED: Final = (SurveyStatus.SENT, SurveyStatus.PRESUMED)
"""The statuses of surveys that e-mailed somebody."""

NOT_SENT: Final = tuple(one for one in SETTLED if one not in E_MAILED)
"""The statuses of settled surveys that e-mailed nobody, as far as is known."""

REVIVABLE: Final = (SurveyStatus.EXPIRED, SurveyStatus.WITHHELD, SurveyStatus.THROTTLED, SurveyStatus.REFUSED)
"""The statuses of surveys that surely e-mailed nobody, and may be taken again when their row comes again."""
