"""Surveys on their way: which are due, one open claim a contact, and what an answer, or none, means."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from target_promoter.contacts import contacts
from target_promoter.promoter import timeouts as times
from target_promoter.surveys import claims, surveys
from target_promoter.surveys.ages import oldest_due
from target_promoter.surveys.choosing import Chooser

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_promoter.config.settings import Settings
    from target_promoter.contacts.attributes import Note
    from target_promoter.promoter.answers import Answer
    from target_promoter.store.transaction import Transaction
    from target_promoter.surveys.claims import Claim

_MOST_EXPIRED: Final = 1000


class SurveyDelivery:
    """Claims surveys and settles them.

    Attributes:
        unknown_campaigns: Campaigns that Promoter does not know, with its words; their surveys stay pending.
    """

    def __init__(self, settings: Settings, leases: Iterator[str], created_at: float) -> None:
        self._settings = settings
        self._leases = leases
        self._created_at = created_at
        self.unknown_campaigns: dict[int, str] = {}

    def expire(self, tx: Transaction, now: float) -> int:
        """End the surveys that became too old while they waited.

        Returns:
            How many.
        """
        before = oldest_due(self._settings, now, self._created_at)
        late = claims.overdue(tx, before, most=_MOST_EXPIRED)
        surveys.settle(tx, late, "expired", "it was due too long ago", now)
        return len(late)

    def claim(
        self, tx: Transaction, now: float, slots: Sequence[float], allowance: int
    ) -> tuple[list[Claim], Counter[str], tuple[Note, ...]]:
        """Claim surveys to be sent, the unsettled ones first, then the longest due.

        Args:
            slots: When requests may leave, in epoch seconds; one claim each at the most.

        Returns:
            The claims, whose requests must now be sent; how many surveys came to each final outcome without a request;
            and what became of attributes.
        """
        outcomes: Counter[str] = Counter()
        taken = self._take_up_unsettled(tx, now, slots, outcomes)
        free = slots[len(taken) :]
        if not free or allowance <= 0:
            return taken, outcomes, ()
        most = max(50, 4 * len(free))
        candidates = claims.due(tx, now, except_campaigns=self.unknown_campaigns, most=most)
        if not candidates:
            return taken, outcomes, ()
        chooser = Chooser(tx, self._settings, candidates, now)
        new: list[Claim] = []
        for survey in candidates:
            if len(new) == min(len(free), allowance):
                break
            status, reason, claim = chooser.choose(survey)
            if claim is not None:
                claim = replace(claim, lease=next(self._leases))
                claims.take(tx, claim, times.settled_at(free[len(new)]))
                new.append(claim)
            elif status == "waiting":
                claims.unqueue(tx, survey.id)
            elif status == "queued":
                claims.wait(tx, survey.id, now + times.LOOK_AGAIN_SECONDS)
            else:
                surveys.settle(tx, [survey.id], status, reason, now)
                outcomes[status] += 1
        return taken + new, outcomes, chooser.notes

    def _take_up_unsettled(
        self, tx: Transaction, now: float, slots: Sequence[float], outcomes: Counter[str]
    ) -> list[Claim]:
        """Lease claims that were left without an answer, so that the very same request is sent again."""
        taken: list[Claim] = []
        for claim in claims.unsettled(tx, now, most=max(50, len(slots))):
            # A claim of the future was taken by a clock that went wrong: how old it is nobody knows.
            is_old = not -times.SETTLING_SECONDS <= now - claim.claimed_at < times.CLAIM_SECONDS
            if claim.withdrawn or is_old:
                # Sent again it might e-mail somebody late, or somebody who should not be e-mailed any more.
                lost = "its request got no answer"
                reason = f"{claim.withdrawn}, and {lost}" if claim.withdrawn else f"{lost} for twelve hours"
                claims.settle(tx, claim, "uncertain", reason, now, surveyed_at=_last_surveyed(claim, now))
                outcomes["uncertain"] += 1
            elif len(taken) < len(slots):
                # Whoever had it may have sent it: from here on a refusal means that the person was surveyed.
                again = replace(claim, unanswered=max(claim.unanswered, 1), lease=next(self._leases))
                claims.renew(tx, again, times.settled_at(slots[len(taken)]))
                taken.append(again)
        return taken

    def record(self, tx: Transaction, now: float, claim: Claim, answer: Answer) -> Counter[str]:
        """Take in what Promoter answered.

        Args:
            answer: What came of its request.

        Returns:
            How many surveys came to each final outcome.
        """
        if not claims.holds(tx, claim):
            return Counter()
        if answer.outcome == "unanswered":
            again = replace(claim, unanswered=claim.unanswered + 1)
            claims.renew(tx, again, now + times.SETTLING_SECONDS)
            return Counter()
        status = self._status(claim, answer)
        if status is None:
            # One that Promoter never takes must not stand before all the others.
            pause = times.LOOK_AGAIN_SECONDS if answer.outcome == "unavailable" else 0.0
            return self.give_back(tx, now, claim, pause)
        # Whatever Promoter says now, an earlier request without an answer may have been carried out.
        surveyed_at = now if status == "sent" else _last_surveyed(claim, now) if claim.unanswered else None
        reason = answer.words if status != "sent" else None
        claims.settle(tx, claim, status, reason, now, surveyed_at=surveyed_at)
        if status == "sent":
            contacts.record_surveyed(tx, claim.email, claim.form, now)
        return Counter({status: 1})

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

    def give_back(self, tx: Transaction, now: float, claim: Claim, pause: float = 0.0) -> Counter[str]:
        """Undo a claim whose last request was surely not carried out, unless an earlier one may have been.

        Args:
            pause: How long nobody sends it again, in seconds.

        Returns:
            How many surveys came to each final outcome: one that was withdrawn meanwhile is not sent any more.
        """
        if not claims.holds(tx, claim):
            return Counter()
        reason = claims.withdrawn(tx, claim)
        if claim.unanswered:
            claims.renew(tx, claim, now + pause)
        elif reason is not None:
            claims.settle(tx, claim, "cancelled", reason, now, surveyed_at=None)
            return Counter({"cancelled": 1})
        else:
            claims.release(tx, claim, now + pause)
        return Counter()


def _last_surveyed(claim: Claim, now: float) -> float:
    """Return the last time at which an unanswered request may have e-mailed its contact, in epoch seconds."""
    return min(now, claim.claimed_at + times.CLAIM_SECONDS)
