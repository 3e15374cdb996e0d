"""Surveys on their way: which are due, one open claim a contact, and what an answer, or none, means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts, pulled
from target_promoter.contacts.attributes import Note, survey_attributes
from target_promoter.contacts.contacts import Brought
from target_promoter.contacts.delivery import Claimed
from target_promoter.contacts.wanted import ContactForm, contact_forms
from target_promoter.people.identity import Identity, Who, email_key, user_key
from target_promoter.promoter import transport
from target_promoter.promoter.answers import Answer, Outcome
from target_promoter.store.encoding import decode, encode
from target_promoter.store.outcomes import SurveyStatus
from target_promoter.store.transaction import Transaction
from target_promoter.surveys import claims, schedule, surveys, throttle
from target_promoter.surveys.cancelling import CancelRules
from target_promoter.surveys.claims import Claim, Settled
from target_promoter.surveys.rules import SAME_EVENT, Rules, Sendable
from target_promoter.surveys.surveys import NotSurveyed, Survey
from target_promoter.values.times import iso

_EXPIRED_EVERY_SECONDS: Final = 60.0
"""How often what became too old is ended; it is not sent meanwhile."""

_MOST_LOOKED_AT: Final = 500
"""How many surveys a turn looks at, and some more, while it finds fewer that are sent than it has time for."""


@dataclass(frozen=True, slots=True)
class SurveyLimit:
    """What is left of `max_surveys_per_run`: how many people one run may e-mail."""

    most: int
    spent: int = 0
    """How many requests were answered so that they e-mailed somebody, or may have."""
    open: frozenset[int] = frozenset()
    """The numbers of the surveys whose request was claimed and not answered."""

    @property
    def allowance(self) -> int:
        """How many more surveys may be claimed."""
        return self.most - self.spent - len(self.open)

    def after(self, came: Iterable[tuple[Claim, Outcome | None]]) -> SurveyLimit:
        """Return the limit after requests came back; a claim without an answer stays open, one not sent spends none."""
        closed, spent = set[int](), self.spent
        for claim, outcome in came:
            if outcome is not Outcome.UNANSWERED:
                closed.add(claim.id)
                spent += outcome is Outcome.ACCEPTED or (outcome is not None and claim.unanswered > 0)
        return replace(self, spent=spent, open=self.open - closed)

    def claiming(self, claimed: Iterable[Claim]) -> SurveyLimit:
        """Return the limit after requests were claimed."""
        return replace(self, open=self.open.union(one.id for one in claimed))


class SurveyDelivery:
    """Claims surveys and settles them.

    Attributes:
        unknown_campaigns: Campaigns that Promoter does not know, with its words; their surveys stay pending.
    """

    def __init__(self, settings: Settings, leases: Iterator[str], created_at: float) -> None:
        self._settings = settings
        self._leases = leases
        self._created_at = created_at
        self._cancel_rules = CancelRules(settings)
        self._expire_from = float("-inf")
        self.unknown_campaigns: dict[int, str] = {}

    def sendable(self, now: float) -> Sendable:
        """Return what of the surveys may be sent now."""
        return self._rules(now).sendable(self.unknown_campaigns)

    def _rules(self, now: float) -> Rules:
        return Rules(self._settings, now, self._created_at)

    def expire(self, tx: Transaction, now: float) -> tuple[int, bool]:
        """End the surveys that became too old while they waited, and have the others wait for their hours.

        Returns:
            How many ended, and whether there may be more.
        """
        rules = self._rules(now)
        ended, more = 0, False
        if now >= self._expire_from:
            if rules.last_closing is not None:
                # What the hours did not last for goes on in the next, though nobody may have looked when they ended.
                schedule.open_later(tx, self._rules(rules.last_closing))
            ended, more = schedule.expire(tx, rules, rules.active)
            self._expire_from = now if more else now + _EXPIRED_EVERY_SECONDS
        if rules.next_opening > now:
            schedule.open_later(tx, rules)
        return ended, more

    def claim(self, tx: Transaction, now: float, slots: Sequence[float], allowance: int) -> Claimed[Claim]:
        """Claim surveys to be sent, the unsettled ones first, then the longest due.

        Args:
            slots: When requests may leave, in epoch seconds; one claim each at the most.
        """
        found = Claimed[Claim]()
        self._claim_unsettled(tx, now, slots, found)
        # As a rule each is sent, and to look at more than can be is in vain; where many are not, a turn for a few would
        # be mostly its commit.
        looked_at, most, last = 0, len(slots), len(found.requests) + max(allowance, 0)
        while looked_at < _MOST_LOOKED_AT and (free := slots[len(found.requests) : last]):
            candidates = claims.due(tx, now, self.sendable(now), most=most)
            self._claim(tx, now, candidates, free, found)
            if len(candidates) < most:
                break
            looked_at, most = looked_at + most, 2 * most
        return found

    def _claim(
        self, tx: Transaction, now: float, candidates: Sequence[Survey], slots: Sequence[float], found: Claimed[Claim]
    ) -> None:
        """Claim those of some surveys that are to be sent, as many as there are slots."""
        if not candidates:
            return
        turn = _Claiming(tx, self._rules(now), self._cancel_rules, candidates)
        made: list[tuple[Claim, float]] = []
        for survey in candidates:
            if len(made) == len(slots):
                break
            claim = turn.claim(survey)
            if claim is not None:
                made.append((replace(claim, lease=next(self._leases)), transport.settled_at(slots[len(made)])))
        claims.claim(tx, made)
        turn.write(found.outcomes)
        new = [claim for claim, _ in made]
        # Others may wait for what is surveyed now: their rows were corrected to its person and second.
        occurrences = {one.survey.occurrence: one.survey for one in new if one.survey.occurrence is not None}
        same = [one.id for one in surveys.of_occurrences(tx, occurrences)]
        if same:
            found.outcomes[SurveyStatus.CANCELLED] += surveys.cancel(tx, same, SAME_EVENT, now)
        found.requests += new
        found.notes += turn.notes

    def _claim_unsettled(self, tx: Transaction, now: float, slots: Sequence[float], found: Claimed[Claim]) -> None:
        """Lease claims that were left without an answer, so that the very same request is sent again."""
        left = claims.unsettled(tx, now, most=max(50, len(slots)))
        cancelled = self._cancel_rules.cancelled(tx, [one.survey for one in left], Identity(tx))
        for claim in left:
            # A claim of the future was taken by a clock that went wrong: how old it is nobody knows.
            is_old = not -transport.SETTLING_SECONDS <= now - claim.claimed_at < claims.CLAIM_SECONDS
            reason = claim.withdrawn or cancelled.get(claim.id) or self._not_sent_again(now, claim)
            if reason is not None or is_old:
                # Sent again it might e-mail somebody late, or somebody who should not be e-mailed any more.
                lost = "its request got no answer"
                why = f"{reason}, and {lost}" if reason is not None else f"{lost} for twelve hours"
                surveyed_at = _last_surveyed(claim, now)
                _settle(tx, [Settled(claim, SurveyStatus.UNCERTAIN, why, surveyed_at)], now)
                found.outcomes[SurveyStatus.UNCERTAIN] += 1
            elif len(found.requests) < len(slots):
                # Whoever had it may have sent it: from here on a refusal means that the person was surveyed.
                again = replace(claim, unanswered=max(claim.unanswered, 1), lease=next(self._leases))
                claims.renew(tx, again, transport.settled_at(slots[len(found.requests)]))
                found.requests.append(again)

    def _not_sent_again(self, now: float, claim: Claim) -> str | None:
        """Return why the settings of now would not send a claim's request; None if they would."""
        survey = claim.survey
        campaign = self._settings.campaigns.get(survey.canonical)
        known = survey_attributes(survey.all_properties).values.keys()
        if not decode(claim.request)["attributes"].keys() <= known:
            return "a property in it may not be sent any more"
        return self._rules(now).sends_again(campaign, claim.campaign_id, survey, claim.email)

    def record(
        self, tx: Transaction, now: float, came: Sequence[tuple[Claim, Answer | None]]
    ) -> tuple[Counter[str], int]:
        """Record what Promoter answered.

        Args:
            came: The claims that came back, each with what came of its request; None if it was not sent.

        Returns:
            How many surveys came to each final outcome, and how many contacts are synced by their requests.
        """
        settled: list[Settled] = []
        leases = claims.leases(tx, (claim.id for claim, _ in came))
        for claim, answer in came:
            lease, withdrawn = leases.get(claim.id, (None, None))
            if lease != claim.lease:
                continue  # Somebody else has it by now.
            status = None if answer is None else self._status(claim, answer)
            if answer is not None and answer.outcome is Outcome.UNANSWERED:
                again = replace(claim, unanswered=claim.unanswered + 1)
                claims.renew(tx, again, now + transport.SETTLING_SECONDS)
            elif answer is None or status is None:
                # It was surely not carried out. One that Promoter never takes must not stand before all the others.
                is_unavailable = answer is not None and answer.outcome is Outcome.UNAVAILABLE
                until = now + claims.LOOK_AGAIN_SECONDS * is_unavailable
                if claim.unanswered:  # An earlier request may have been.
                    claims.renew(tx, claim, until)
                elif withdrawn is not None:
                    settled.append(Settled(claim, SurveyStatus.CANCELLED, withdrawn))
                else:
                    claims.release(tx, claim, until)
            elif status is SurveyStatus.SENT:
                settled.append(Settled(claim, status, None, now))
            else:
                # Whatever Promoter says now, an earlier request without an answer may have been carried out.
                surveyed_at = _last_surveyed(claim, now) if claim.unanswered else None
                settled.append(Settled(claim, status, answer.words, surveyed_at))
        _settle(tx, settled, now)
        brought = {one.claim.email: one.claim.brought for one in settled if one.status is SurveyStatus.SENT}
        return Counter(one.status for one in settled), contacts.record_surveyed(tx, brought, now)

    def _status(self, claim: Claim, answer: Answer) -> SurveyStatus | None:
        """Return what an answer makes of a survey; None if its request was not carried out and may be repeated."""
        match answer.outcome:
            case Outcome.ACCEPTED:
                return SurveyStatus.SENT
            case Outcome.NOT_ELIGIBLE:
                return SurveyStatus.PRESUMED if claim.unanswered else SurveyStatus.THROTTLED
            case Outcome.REFUSED:
                return SurveyStatus.REFUSED
            case Outcome.UNKNOWN_CAMPAIGN:
                self.unknown_campaigns[claim.campaign_id] = answer.words
                # The campaign may have been there for an earlier request.
                return SurveyStatus.UNCERTAIN if claim.unanswered else None
            case _:
                return None


def _settle(tx: Transaction, ended: Sequence[Settled], now: float) -> None:
    """Settle claims; what those that may have e-mailed somebody brought of the contact is in doubt as well."""
    claims.settle(tx, ended, now)
    doubtful = [one for one in ended if one.surveyed_at is not None and one.status is not SurveyStatus.SENT]
    contacts.record_doubtful(tx, {one.claim.email: one.claim.brought.form for one in doubtful})


def _last_surveyed(claim: Claim, now: float) -> float:
    """Return the last time at which an unanswered request may have e-mailed its contact, in epoch seconds."""
    return min(now, claim.claimed_at + claims.CLAIM_SECONDS)


class _Claiming:
    """Decides what becomes of surveys that are due, all looked up together.

    Attributes:
        notes: What became of attributes of those that are to be sent.
    """

    def __init__(self, tx: Transaction, rules: Rules, cancel_rules: CancelRules, candidates: Sequence[Survey]) -> None:
        self._tx = tx
        self._rules = rules
        self._identity = Identity(tx)
        self._identity.look_up(candidates)
        self._cancelled = cancel_rules.cancelled(tx, candidates, self._identity)
        reached = [who for one in candidates if (who := self._identity.who(one)).email is not None]
        lists = rules.settings.contact_lists
        emails = {who.email for who in reached if who.email is not None}
        self._forms: Mapping[str, ContactForm] = contact_forms(tx, emails, lists)
        self._throttles = throttle.load(tx, {key for who in reached for key in self._throttled_by(who)})
        self._contacts = contacts.load(tx, self._forms)
        self._unsubscribed = pulled.unsubscribed_among(tx, emails)
        self._claimed: set[str] = set()
        self._settled: dict[tuple[SurveyStatus, str], list[int]] = {}
        self._unreachable: list[int] = []
        self._deferred: list[int] = []
        self._not_surveyed: list[NotSurveyed] = []
        self.notes: tuple[Note, ...] = ()

    def claim(self, survey: Survey) -> Claim | None:
        """Return the claim of one of the candidates if it is to be sent now; whoever is first has the contact."""
        rules, who = self._rules, self._identity.who(survey)
        if survey.id in self._cancelled:
            self._settle(survey, SurveyStatus.CANCELLED, self._cancelled[survey.id])
            return None
        form = self._forms.get(who.email or "")
        if who.email is None or form is None:
            self._unreachable.append(survey.id)
            return None
        campaign = rules.settings.campaigns[survey.canonical]
        withheld = rules.withheld(campaign, survey, who.email)
        if withheld is None and who.email in self._unsubscribed:
            withheld = pulled.UNSUBSCRIBED
        if withheld is not None:
            key = self._identity.keys_of(survey)[0]
            self._not_surveyed.append(NotSurveyed(key, campaign.id, survey.event, survey.event_at, withheld))
            self._settle(survey, SurveyStatus.WITHHELD, withheld)
            return None
        keys = self._throttled_by(who)
        throttles = [self._throttles[key] for key in keys if key in self._throttles]
        is_claimed = any(one.survey_id not in {None, survey.id} for one in throttles)
        is_claimed = is_claimed or not self._claimed.isdisjoint(keys)
        last = throttle.last_surveyed(throttles)
        if not is_claimed and last is not None and rules.now < rules.throttled_until(last):
            self._settle(survey, SurveyStatus.THROTTLED, f"the contact was surveyed at {iso(last)}")
            return None
        contact = self._contacts.get(who.email)
        # Of two requests at once the one with the contact's older form might arrive last.
        if is_claimed or (contact is not None and contact.has_other_at_work(form.digest, rules.now)):
            self._deferred.append(survey.id)
            return None
        self._claimed.update(keys)
        attributes = survey_attributes(survey.all_properties)
        self.notes += (*attributes.notes, *form.notes)
        brought = Brought(form.digest, None if contact is None else contact.revision, form.contact_lists)
        request = {"campaign_id": campaign.id, "contact": form.contact, "attributes": attributes.values}
        return Claim(survey, campaign.id, who.email, who.user_id, rules.now, encode(request), brought, 0)

    def write(self, outcomes: Counter[str]) -> None:
        """Write what became of those that are not sent, and count those that are settled."""
        for (status, reason), ids in self._settled.items():
            surveys.settle(self._tx, ids, status, reason, self._rules.now)
            outcomes[status] += len(ids)
        surveys.wait_for_person(self._tx, self._unreachable)
        surveys.defer(self._tx, self._deferred, self._rules.now + claims.LOOK_AGAIN_SECONDS)
        surveys.record_not_surveyed(self._tx, self._not_surveyed)

    def _settle(self, survey: Survey, status: SurveyStatus, reason: str) -> None:
        self._settled.setdefault((status, reason), []).append(survey.id)

    def _throttled_by(self, who: Who) -> set[str]:
        """Return the keys under which an earlier survey of a contact is noted: its address, and everybody who has it.

        Who has a new address brings the throttle of the old one along, also for others who have the new one.
        """
        form = self._forms.get(who.email or "")
        user_ids = {who.user_id, *(() if form is None else form.user_ids)}
        own = (email_key(who.email),) if who.email else ()
        return {*own, *(user_key(one) for one in user_ids if one)}
