"""Surveys on their way: which are due, one open claim a contact, and what an answer, or none, means."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from target_promoter.config.ages import oldest_due
from target_promoter.delivery import times
from target_promoter.delivery.form import ContactForm, contact_forms
from target_promoter.store import claims, contacts, people, surveys
from target_promoter.store.cancelling import cancelled_by, survey_keys
from target_promoter.store.claims import Claim
from target_promoter.store.encoding import decode, encode
from target_promoter.values.attributes import survey_attributes
from target_promoter.values.events import canonical
from target_promoter.values.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from target_promoter.config.settings import Settings
    from target_promoter.promoter.answers import Answer
    from target_promoter.values.attributes import Note

_MOST_EXPIRED: Final = 1000


@dataclass(frozen=True, slots=True)
class _Whom:
    """Whom a survey goes to."""

    user_id: str
    email: str


class SurveyDelivery:
    """Claims surveys and settles them.

    Args:
        settings: The settings.
        leases: The names under which this process takes leases, a new one for each request.
        created_at: When the store was created, in epoch seconds.

    Attributes:
        unknown_campaigns: Campaigns that Promoter does not know, with its words; their surveys stay pending.
    """

    def __init__(self, settings: Settings, leases: Iterator[str], created_at: float) -> None:
        """Begin with nothing claimed."""
        self._settings = settings
        self._leases = leases
        self._created_at = created_at
        self.unknown_campaigns: dict[int, str] = {}

    def expire(self, connection: Connection, now: float) -> int:
        """End the surveys that became too old while they waited.

        Args:
            connection: The open writing transaction.
            now: The time, in epoch seconds.

        Returns:
            How many.
        """
        before = oldest_due(self._settings, now, self._created_at)
        late = claims.overdue(connection, before, most=_MOST_EXPIRED)
        surveys.settle(connection, late, "expired", "it was due too long ago", now)
        return len(late)

    def claim(
        self, connection: Connection, now: float, slots: Sequence[float], allowance: int
    ) -> tuple[list[Claim], Counter[str], tuple[Note, ...]]:
        """Claim surveys to be sent, the unsettled ones first, then the longest due.

        Args:
            connection: The open writing transaction.
            now: The time, in epoch seconds.
            slots: When requests may leave, in epoch seconds; one claim each at the most.
            allowance: How many new claims the fuse lets through.

        Returns:
            The claims, whose requests must now be sent; how many surveys came to each final outcome without a request;
            and what became of attributes.
        """
        outcomes: Counter[str] = Counter()
        taken = self._take_up_unsettled(connection, now, slots, outcomes)
        free = slots[len(taken) :]
        if not free or allowance <= 0:
            return taken, outcomes, ()
        most = max(50, 4 * len(free))
        candidates = claims.due(connection, now, except_campaigns=self.unknown_campaigns, most=most)
        if not candidates:
            return taken, outcomes, ()
        chooser = _Chooser(connection, self._settings, candidates, now)
        new: list[Claim] = []
        for survey in candidates:
            if len(new) == min(len(free), allowance):
                break
            status, reason, claim = chooser.choose(survey)
            if claim is not None:
                claim = replace(claim, lease=next(self._leases))
                claims.take(connection, claim, times.settled_at(free[len(new)]))
                new.append(claim)
            elif status == "waiting":
                claims.unqueue(connection, survey.id)
            elif status == "queued":
                claims.wait(connection, survey.id, now + times.LOOK_AGAIN_SECONDS)
            else:
                surveys.settle(connection, [survey.id], status, reason, now)
                outcomes[status] += 1
        return taken + new, outcomes, chooser.notes

    def _take_up_unsettled(
        self, connection: Connection, now: float, slots: Sequence[float], outcomes: Counter[str]
    ) -> list[Claim]:
        """Lease claims that were left without an answer, so that the very same request is sent again."""
        taken: list[Claim] = []
        for claim in claims.unsettled(connection, now, most=max(50, len(slots))):
            if claim.withdrawn or now - claim.claimed_at >= times.CLAIM_SECONDS:
                # Sent again it might e-mail somebody late, or somebody who should not be e-mailed any more.
                lost = "its request got no answer"
                reason = f"{claim.withdrawn}, and {lost}" if claim.withdrawn else f"{lost} for twelve hours"
                claims.settle(connection, claim, "uncertain", reason, now, surveyed_at=_last_surveyed(claim, now))
                outcomes["uncertain"] += 1
            elif len(taken) < len(slots):
                # Whoever had it may have sent it: from here on a refusal means that the person was surveyed.
                again = replace(claim, unanswered=max(claim.unanswered, 1), lease=next(self._leases))
                claims.renew(connection, again, times.settled_at(slots[len(taken)]))
                taken.append(again)
        return taken

    def record(self, connection: Connection, now: float, claim: Claim, answer: Answer) -> Counter[str]:
        """Take in what Promoter answered.

        Args:
            connection: The open writing transaction.
            now: The time, in epoch seconds.
            claim: The claim.
            answer: What came of its request.

        Returns:
            How many surveys came to each final outcome, and under `synced` how many contacts.
        """
        if not claims.holds(connection, claim):
            return Counter()
        if answer.outcome == "unanswered":
            again = replace(claim, unanswered=claim.unanswered + 1)
            claims.renew(connection, again, now + times.SETTLING_SECONDS)
            return Counter()
        status = self._status(claim, answer)
        if status is None:
            # One that Promoter never takes must not stand before all the others.
            pause = times.LOOK_AGAIN_SECONDS if answer.outcome == "unavailable" else 0.0
            return self.give_back(connection, now, claim, pause)
        # Whatever Promoter says now, an earlier request without an answer may have been carried out.
        surveyed_at = now if status == "sent" else _last_surveyed(claim, now) if claim.unanswered else None
        reason = answer.words if status != "sent" else None
        claims.settle(connection, claim, status, reason, now, surveyed_at=surveyed_at)
        return Counter({status: 1, "synced": self._note_synced(connection, now, claim) if status == "sent" else 0})

    def _status(self, claim: Claim, answer: Answer) -> str | None:
        """Return what an answer makes of a survey; None if its request was not carried out and may be repeated."""
        match answer.outcome:
            case "accepted":
                return "sent"
            case "not_eligible":
                return "presumed" if claim.unanswered else "throttled"
            case "refused":
                return "refused"
            case "unknown_campaign":
                self.unknown_campaigns[claim.campaign_id] = answer.words
                # The campaign may have been there for an earlier request.
                return "uncertain" if claim.unanswered else None
            case _:
                return None

    def give_back(self, connection: Connection, now: float, claim: Claim, pause: float = 0.0) -> Counter[str]:
        """Undo a claim whose last request was surely not carried out, unless an earlier one may have been.

        Args:
            connection: The open writing transaction.
            now: The time, in epoch seconds.
            claim: The claim.
            pause: How long nobody sends it again, in seconds.

        Returns:
            How many surveys came to each final outcome: one that was withdrawn meanwhile is not sent any more.
        """
        if not claims.holds(connection, claim):
            return Counter()
        reason = claims.withdrawn(connection, claim)
        if claim.unanswered:
            claims.renew(connection, claim, now + pause)
        elif reason is not None:
            claims.settle(connection, claim, "cancelled", reason, now, surveyed_at=None)
            return Counter({"cancelled": 1})
        else:
            claims.release(connection, claim, now + pause)
        return Counter()

    def _note_synced(self, connection: Connection, now: float, claim: Claim) -> int:
        """Count the contact as synced by its survey, if its lists need no request of their own."""
        form = contact_forms(connection, [claim.email], self._settings.contact_lists).get(claim.email)
        if form is None:
            return 0
        lists, is_current = form.contact_lists, form.digest == claim.form
        note = contacts.note_surveyed
        return int(note(connection, claim.email, claim.form, now, contact_lists=lists, is_current=is_current))


class _Chooser:
    """Decides what becomes of surveys that are due, looked up together."""

    def __init__(self, connection: Connection, settings: Settings, candidates: Sequence[Any], now: float) -> None:
        self._settings = settings
        self._now = now
        self._links = people.users_of(
            connection, {one.anonymous_id for one in candidates if one.user_id is None and one.anonymous_id}
        )
        users = {one.user_id for one in candidates} | set(self._links.values())
        rows = people.load(connection, {user_id for user_id in users if user_id is not None})
        self._addresses = {user_id: row.address for user_id, row in rows.items()}
        emails = {one.email for one in candidates if one.user_id is None and one.email}
        living = people.load_by_email(connection, emails)
        self._owners = {email: at_address[-1].user_id for email, at_address in living.items()}
        whom = {one.id: self._whom(one) for one in candidates}
        self._targets: Mapping[int, _Whom | None] = whom
        reached = {one.email for one in whom.values() if one is not None}
        self._forms: Mapping[str, ContactForm] = contact_forms(connection, reached, settings.contact_lists)
        self._throttles = claims.throttles_of(
            connection, {key for one in whom.values() if one is not None for key in _keys(one)}
        )
        self._keys = {one.id: self._keys_of(connection, one) for one in candidates}
        all_keys = {key for some in self._keys.values() for key in some}
        self._cancellations = surveys.cancellations_of(connection, all_keys)
        self._claimed: set[str] = set()
        self.notes: tuple[Note, ...] = ()

    def choose(self, survey: Any) -> tuple[str, str | None, Claim | None]:  # noqa: ANN401 - a database row
        """Return what becomes of a survey: its new status, why, and the claim if it is to be sent now."""
        campaign = self._settings.campaigns.get(canonical(survey.event))
        if campaign is not None:
            event = cancelled_by(self._cancellations, self._keys[survey.id], campaign.cancel_on, survey.event_at)
            if event is not None:
                return "cancelled", f"cancelled by the event {event}", None
        whom = self._targets[survey.id]
        form = None if whom is None else self._forms.get(whom.email)
        if whom is None or form is None:
            return "waiting", None, None
        if not self._settings.may_survey(whom.email):
            return "withheld", "its address is not among survey_recipients", None
        keys = _keys(whom)
        throttles = [self._throttles[key] for key in keys if key in self._throttles]
        if any(one.survey_id not in {None, survey.id} for one in throttles) or not self._claimed.isdisjoint(keys):
            return "queued", None, None
        last = max((one.surveyed_at for one in throttles if one.surveyed_at is not None), default=None)
        if last is not None and self._now - last < self._settings.throttle_days * 86_400:
            return "throttled", f"the contact was surveyed at {iso(last)}", None
        self._claimed.update(keys)
        attributes = survey_attributes(decode(survey.properties or "{}"))
        self.notes += (*attributes.notes, *form.notes)
        request = {"campaign_id": survey.campaign_id, "contact": form.contact, "attributes": attributes.values}
        claim = Claim(
            survey.id, survey.campaign_id, whom.email, whom.user_id, self._now, encode(request), form.digest, 0
        )
        return "claimed", None, claim

    def _whom(self, survey: Any) -> _Whom | None:  # noqa: ANN401 - a database row
        """Return whom a survey goes to: by user id; without one by anonymous id, then by the call's own address."""
        user_id = survey.user_id or self._links.get(survey.anonymous_id or "")
        if user_id is not None:
            email = self._addresses.get(user_id)
            return None if email is None else _Whom(user_id, email)
        owner = self._owners.get(survey.email or "")
        return None if owner is None else _Whom(owner, survey.email)

    def _keys_of(self, connection: Connection, survey: Any) -> tuple[str, ...]:  # noqa: ANN401 - a database row
        """Return all keys under which the person of a survey may have done what cancels it."""
        campaign = self._settings.campaigns.get(canonical(survey.event))
        if campaign is None or not campaign.cancel_on:
            return ()
        whom = self._targets[survey.id]
        keys = survey_keys(survey, None if whom is None else whom.user_id)
        if whom is None:
            return keys
        also = [people.anonymous_key(one) for one in people.anonymous_ids_of(connection, [whom.user_id])]
        return (*keys, *also, people.email_key(whom.email))


def _last_surveyed(claim: Claim, now: float) -> float:
    """Return the last time at which an unanswered request may have e-mailed its contact, in epoch seconds."""
    return min(now, claim.claimed_at + times.CLAIM_SECONDS)


def _keys(whom: _Whom) -> tuple[str, str]:
    return people.email_key(whom.email), people.user_key(whom.user_id)
