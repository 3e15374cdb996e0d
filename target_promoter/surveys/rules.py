"""Whether a survey may be sent now: what the settings say of its campaign, its age, the hour and its recipient."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from sqlalchemy import ColumnElement

from target_promoter.config.settings import Campaign, Settings
from target_promoter.store.encoding import encode
from target_promoter.store.outcomes import SurveyStatus
from target_promoter.store.schema import surveys
from target_promoter.surveys.surveys import Survey

_DAY: Final = 86_400.0
_LOST_STORE_SECONDS: Final = 23 * 3600.0
"""How long ago what was due before the store was created may have been due: Promoter's own throttle of a day, less an
hour for safety, then refuses a second survey if there was a first one that a lost store knew of."""

OLDER_THAN_STORE: Final = "it was due before the store was created, and more than 23 hours ago"
SAME_EVENT: Final = "another event of the same campaign, person and second is known"
_NOT_A_RECIPIENT: Final = "its address is not among survey_recipients"
_NOT_IN_SAMPLE: Final = "not in the sample of"


@dataclass(frozen=True, slots=True)
class Sendable:
    """Which of the surveys that are due may be sent as far as the store can tell by itself."""

    events: tuple[str, ...]
    """Events, in canonical form, whose campaign sends now."""
    oldest_due: float
    oldest_first_due: float

    def is_due(self, event: str, now: float) -> ColumnElement[bool]:
        """Return the condition for surveys of an event that are due, and not too old."""
        of_event = (surveys.c.status == SurveyStatus.QUEUED) & (surveys.c.canonical == event)
        in_time = (surveys.c.due_at >= self.oldest_due) & (surveys.c.first_due_at >= self.oldest_first_due)
        return of_event & (surveys.c.due_at <= now) & in_time


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings, and the age of the store, say of surveys at a time, in epoch seconds."""

    settings: Settings
    now: float
    store_created_at: float

    @property
    def oldest_due(self) -> float:
        """The time before which a survey must not have been due, by `max_event_age_hours`."""
        return self.now - self.settings.max_event_age_hours * 3600

    @property
    def oldest_first_due(self) -> float:
        """The time before which it must not have been due at first: a lost store may have known of it."""
        return min(self.store_created_at, self.now - _LOST_STORE_SECONDS)

    @property
    def next_opening(self) -> float:
        """The time itself if surveys may leave now, else when they may next."""
        return self._opening(self.now)

    @property
    def last_closing(self) -> float | None:
        """When the hours in which surveys may leave were over last; None if they leave at all hours."""
        return None if self.settings.survey_hours is None else self.settings.survey_hours.last_closing(self.now)

    @property
    def active(self) -> dict[str, Campaign]:
        """The campaigns that are not paused, by the canonical form of their event."""
        return {event: campaign for event, campaign in self.settings.campaigns.items() if not campaign.paused}

    def sendable(self, unknown_campaigns: Collection[int] = ()) -> Sendable:
        """Return what may be sent now, but for campaigns that Promoter does not know."""
        is_open = self.next_opening <= self.now
        events = (event for event, one in self.active.items() if is_open and one.id not in unknown_campaigns)
        return Sendable(tuple(events), self.oldest_due, self.oldest_first_due)

    def due_at(self, campaign: Campaign, time: float) -> float:
        """Return when the survey of something that happened at a time is due."""
        return self._opening(time + campaign.delay_hours * 3600)

    def too_old(self, due_at: float) -> str | None:
        """Return why a survey that was due at a time is too old; None if it is not."""
        if due_at < self.oldest_due:
            return self.older_than_allowed
        return OLDER_THAN_STORE if due_at < self.oldest_first_due else None

    @property
    def older_than_allowed(self) -> str:
        """What is said of a survey that `max_event_age_hours` keeps from being sent."""
        hours = self.settings.max_event_age_hours
        return f"it was due more than {hours:g} hour{'' if hours == 1 else 's'} ago (max_event_age_hours)"

    def withheld(self, campaign: Campaign, survey: Survey, email: str | None) -> str | None:
        """Return why a survey of a campaign must not be sent to an address; None if it may."""
        if _draw(survey.canonical, survey.message_id) >= campaign.sample_percent:
            return f"{_NOT_IN_SAMPLE} {campaign.sample_percent:g}%"
        if email is not None and not self.settings.may_survey(email):
            return _NOT_A_RECIPIENT
        return None

    def throttled_until(self, surveyed_at: float) -> float:
        """Return until when a contact that was surveyed at a time is not surveyed again."""
        return surveyed_at + self.settings.throttle_days * _DAY

    def sends_again(self, campaign: Campaign | None, claim_campaign: int, survey: Survey, email: str) -> str | None:
        """Return why a request without an answer must not be sent again; None if it may."""
        if campaign is None:
            return "its event has no campaign any more"
        if campaign.id != claim_campaign:
            return "its event has another campaign now"
        if campaign.paused:
            return "its campaign is paused"
        if self.next_opening > self.now:
            return "the survey_hours are over"
        return self.withheld(campaign, survey, email)

    def lets_through(self, survey: Survey, email: str | None, surveyed_at: float) -> bool:
        """Return whether a setting kept a survey from being sent that would not keep it any more.

        Time alone changes nothing: a throttle that would have held it then, as it is set now, still does.

        Args:
            surveyed_at: When its contact was last surveyed, in epoch seconds.
        """
        campaign = self.settings.campaigns.get(survey.canonical)
        if campaign is None or self.too_old(survey.due_at) or survey.first_due_at < self.oldest_first_due:
            return False
        match survey.status:
            case SurveyStatus.EXPIRED:
                return True
            case SurveyStatus.WITHHELD:
                by_setting = (survey.reason or "").startswith((_NOT_A_RECIPIENT, _NOT_IN_SAMPLE))
                return by_setting and self.withheld(campaign, survey, email) is None
            case SurveyStatus.THROTTLED:
                # Promoter's own word, to a request, stands.
                return survey.claimed_email is None and self.throttled_until(surveyed_at) <= (survey.settled_at or 0.0)
            case _:
                return False

    def _opening(self, time: float) -> float:
        hours = self.settings.survey_hours
        return time if hours is None else hours.next_opening(time)


def _draw(canonical_event: str, message_id: str) -> float:
    """Return a number from 0 up to 100 that is the same for an event in every run and every store."""
    drawn = blake2b(encode([canonical_event, message_id]).encode(), digest_size=8).digest()
    return int.from_bytes(drawn, "big") / 2**64 * 100
