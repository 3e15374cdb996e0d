"""Claims: surveys whose request was made and may have been sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Final

from sqlalchemy import func, select, update

from target_promoter.contacts.contacts import Brought
from target_promoter.people.identity import email_key, user_key
from target_promoter.store.outcomes import UNSETTLED, SurveyStatus
from target_promoter.store.schema import surveys
from target_promoter.store.transaction import Transaction
from target_promoter.surveys import throttle
from target_promoter.surveys.rules import Sendable
from target_promoter.surveys.surveys import COLUMNS, QUEUED_AGAIN, Survey, as_survey

_OF_CLAIM: Final = ("claimed_user_id", "claimed_at", "request", "request_form", "unanswered")
_CLAIMED: Final = ("id", "status", "campaign_id", "claimed_email", *_OF_CLAIM, "lease", "leased_until")

CLAIM_SECONDS: Final = 12 * 3600.0
"""Until what age of its claim a survey's request is sent again: well within the 24 hours of Promoter's own throttle."""

LOOK_AGAIN_SECONDS: Final = 1.0
"""How long something that cannot be sent just now is left alone."""

_LOOKED_AT: Final = 1000
_MOST_AHEAD_SECONDS: Final = 3600.0
"""Further ahead than a clock that is right ever sets a lease."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A survey with the whole request that was made for it.

    Attributes:
        campaign_id: The campaign at Promoter that the request names.
        email: The contact's address.
        user_id: The person's user id, if it is known.
        claimed_at: When the claim was taken, in epoch seconds.
        request: The request's body, JSON.
        brought: What the request brings of the contact.
        unanswered: How many requests for it got no answer.
        withdrawn: Why it must not be sent again, if it was withdrawn when this was read.
        lease: The name under which its request was made; each request has another one.
    """

    survey: Survey
    campaign_id: int
    email: str
    user_id: str | None
    claimed_at: float
    request: str
    brought: Brought
    unanswered: int
    withdrawn: str | None = None
    lease: str = ""

    @property
    def id(self) -> int:
        """The survey's number in the store."""
        return self.survey.id


def due(tx: Transaction, now: float, sendable: Sendable, *, most: int) -> list[Survey]:
    """Return surveys that are to be sent now and are not too old, the longest due first."""
    # One event at a time, by index: a million due of a campaign that sends nothing must not stand before the others.
    # As the index has them: of one time, a million perhaps, none need be looked at beyond the first.
    query = select(*COLUMNS).where(surveys.c.leased_until <= now)
    query = query.order_by(surveys.c.due_at, surveys.c.first_due_at).limit(most)
    by_event = (map(as_survey, tx.execute(query.where(sendable.is_due(one, now)))) for one in sendable.events)
    return list(islice(merge(*by_event, key=lambda one: (one.due_at, one.first_due_at)), most))


def unsettled(tx: Transaction, now: float, *, most: int) -> list[Claim]:
    """Return claims that nobody is at work on: their process died, or the time to wait for an answer is over."""
    query = (
        select(*COLUMNS, *(surveys.c[name] for name in (*_OF_CLAIM, "withdrawn")))
        .where(surveys.c.status == SurveyStatus.CLAIMED, surveys.c.leased_until <= now)
        .order_by(surveys.c.due_at)
        .limit(most)
    )
    found = []
    for row in tx.execute(query):
        survey = as_survey(row[: len(COLUMNS)])
        claim = Claim(
            survey=survey,
            campaign_id=survey.campaign_id,
            email=row.claimed_email,
            user_id=row.claimed_user_id,
            claimed_at=row.claimed_at,
            request=row.request,
            brought=Brought(bytes(row.request_form), None, ()),
            unanswered=row.unanswered,
            withdrawn=row.withdrawn,
        )
        found.append(claim)
    return found


def claim(tx: Transaction, made: Sequence[tuple[Claim, float]]) -> None:
    """Take claims: from now on their requests may leave.

    Args:
        made: The claims, each with the time until when nobody else may take it, in epoch seconds.
    """
    rows = [
        (
            one.id,
            SurveyStatus.CLAIMED.value,
            one.campaign_id,
            one.email,
            one.user_id,
            one.claimed_at,
            one.request,
            one.brought.form,
            one.unanswered,
            one.lease,
            leased_until,
        )
        for one, leased_until in made
    ]
    tx.update_rows(surveys, _CLAIMED, rows)
    throttle.hold(tx, _holders(one for one, _ in made))


def renew(tx: Transaction, claim: Claim, leased_until: float) -> None:
    """Lease a claim again, or leave it alone for a while: nobody sends its request before that.

    Args:
        leased_until: Until when nobody else may send it, in epoch seconds.
    """
    tx.execute(
        update(surveys)
        .where(surveys.c.id == claim.id, surveys.c.status == SurveyStatus.CLAIMED)
        .values(lease=claim.lease, leased_until=leased_until, unanswered=claim.unanswered)
    )


def leases(tx: Transaction, survey_ids: Iterable[int]) -> dict[int, tuple[str, str | None]]:
    """Return of claims that are still open the name of the last request, and why it must not be made again."""
    rows = tx.rows_among("id, status, lease, withdrawn", "surveys", "id", set(survey_ids))
    return {row.id: (row.lease, row.withdrawn) for row in rows if row.status == SurveyStatus.CLAIMED}


def withdraw(
    tx: Transaction,
    reason: str,
    *,
    marks: Collection[bytes] = (),
    user_ids: Collection[str] = (),
    emails: Collection[str] = (),
) -> None:
    """Withdraw claimed surveys, which are not sent again; the answer to a request on its way still counts.

    Args:
        marks: Hashes of their events, or of their rows.
        user_ids: User ids that they are for.
        emails: Addresses that they are for.
    """
    columns = (surveys.c.id, surveys.c.message, surveys.c.row_key, surveys.c.claimed_user_id, surveys.c.claimed_email)
    query = select(*columns).where(surveys.c.status == SurveyStatus.CLAIMED)
    for row in tx.execute(query).all():
        is_marked = any(mark is not None and bytes(mark) in marks for mark in (row.message, row.row_key))
        if is_marked or row.claimed_user_id in user_ids or row.claimed_email in emails:
            tx.execute(update(surveys).where(surveys.c.id == row.id).values(withdrawn=reason))


def release(tx: Transaction, claim: Claim, until: float) -> None:
    """Undo a claim whose request was surely never carried out.

    Args:
        until: Until when it is left alone, in epoch seconds.
    """
    tx.execute(update(surveys).where(surveys.c.id == claim.id).values(leased_until=until, **QUEUED_AGAIN))
    throttle.free(tx, _holders([claim]))


@dataclass(frozen=True, slots=True)
class Settled:
    """How a claim ends.

    Attributes:
        surveyed_at: When the person may have got an e-mail, in epoch seconds; None if surely none.
    """

    claim: Claim
    status: SurveyStatus
    reason: str | None
    surveyed_at: float | None = None


def settle(tx: Transaction, ended: Sequence[Settled], now: float) -> None:
    """End claims, all with few statements."""
    rows = [(one.claim.id, one.status.value, one.reason, now, None, 0.0) for one in ended]
    tx.update_rows(surveys, ("id", "status", "reason", "settled_at", "lease", "leased_until"), rows)
    surveyed = {who: one.surveyed_at for one in ended if one.surveyed_at is not None for who in _who(one.claim)}
    throttle.record(tx, surveyed)
    throttle.free(tx, _holders(one.claim for one in ended))


def falls_due(tx: Transaction, now: float, sendable: Sendable) -> float | None:
    """Return when the next survey falls due that is not due yet, in epoch seconds; None if there is none."""
    later = select(surveys.c.due_at).where(surveys.c.status == SurveyStatus.QUEUED, surveys.c.due_at > now)
    first = later.order_by(surveys.c.due_at).limit(1)
    times = (tx.scalar(first.where(surveys.c.canonical == event)) for event in sendable.events)
    return min((time for time in times if time is not None), default=None)


def next_due(tx: Transaction, sendable: Sendable, now: float) -> float | None:
    """Return when the next survey or claim that is due can be worked on, in epoch seconds; None if there is none."""
    earliest = select(func.min(surveys.c.leased_until))
    times = [tx.scalar(earliest.where(surveys.c.status == SurveyStatus.CLAIMED))]
    for event in sendable.events:
        # The first of them will do, by index: with a million pending, to look at all takes longer than to send some.
        longest = select(surveys.c.leased_until).where(sendable.is_due(event, now)).order_by(surveys.c.due_at)
        times.append(tx.scalar(select(func.min(longest.limit(_LOOKED_AT).subquery().c.leased_until))))
    return min((time for time in times if time is not None), default=None)


def correct_times(tx: Transaction, now: float) -> None:
    """Correct the times of claims and surveys that a wrong clock wrote, so that they wait no longer."""
    is_ahead = surveys.c.status.in_(UNSETTLED) & (surveys.c.leased_until > now + _MOST_AHEAD_SECONDS)
    tx.execute(update(surveys).where(is_ahead).values(leased_until=now))


def _holders(claims: Iterable[Claim]) -> dict[str, int]:
    """Return the surveys that hold contacts, by the contacts' keys."""
    return {who: one.id for one in claims for who in _who(one)}


def _who(claim: Claim) -> list[str]:
    """Return the keys of the contact that a claim is for, by address and by user id."""
    keys = [email_key(claim.email)]
    return keys if claim.user_id is None else [*keys, user_key(claim.user_id)]
