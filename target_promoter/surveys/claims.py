"""Claims: surveys whose request was made and may have been sent, and the throttle that one survey puts on a contact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select, update

from target_promoter.people.identity import email_key, user_key
from target_promoter.store.schema import OPEN, UNSETTLED, surveys, throttles
from target_promoter.surveys.campaigns import NO_CAMPAIGN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from target_promoter.store.transaction import Transaction

_LOOKED_AT: Final = 1000
_MOST_AHEAD_SECONDS: Final = 3600.0
"""Much more than any lease lies ahead that a clock which goes right writes."""

_COLUMNS: Final = (
    surveys.c.id,
    surveys.c.campaign_id,
    surveys.c.claimed_email,
    surveys.c.claimed_user_id,
    surveys.c.claimed_at,
    surveys.c.request,
    surveys.c.request_form,
    surveys.c.unanswered,
    surveys.c.withdrawn,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A survey with the whole request that was made for it.

    Attributes:
        id: The survey's number in the store.
        campaign_id: The campaign at Promoter.
        email: The contact's address.
        user_id: The person's user id, if it is known.
        claimed_at: When the claim was taken, in epoch seconds.
        request: The request's body, JSON.
        form: The hash of the contact's form in the request.
        unanswered: How many requests for it got no answer.
        withdrawn: Why it must not be sent again, if it was withdrawn when this was read.
        lease: The name under which its request was made; each request has another one.
    """

    id: int
    campaign_id: int
    email: str
    user_id: str | None
    claimed_at: float
    request: str
    form: bytes
    unanswered: int
    withdrawn: str | None = None
    lease: str = ""


@dataclass(frozen=True, slots=True)
class Throttle:
    """What keeps a contact from being surveyed.

    Attributes:
        surveyed_at: When it was last surveyed, in epoch seconds.
        survey_id: The survey of the claim that is open for it.
    """

    surveyed_at: float | None
    survey_id: int | None


def due(tx: Transaction, now: float, *, except_campaigns: Collection[int], most: int) -> list[Any]:
    """Return the surveys that are to be sent now, the longest due first."""
    query = (
        select(surveys)
        .where(surveys.c.status == "queued", surveys.c.due_at <= now, surveys.c.leased_until <= now)
        .where(surveys.c.campaign_id.not_in((NO_CAMPAIGN, *except_campaigns)))
        .order_by(surveys.c.due_at)
        .limit(most)
    )
    return list(tx.execute(query))


def unsettled(tx: Transaction, now: float, *, most: int) -> list[Claim]:
    """Return claims that nobody is at work on: their process died, or the time to wait for an answer is over."""
    query = (
        select(*_COLUMNS)
        .where(surveys.c.status == "claimed", surveys.c.leased_until <= now)
        .order_by(surveys.c.due_at)
        .limit(most)
    )
    return [_claim(row) for row in tx.execute(query)]


def take(tx: Transaction, claim: Claim, leased_until: float) -> None:
    """Take a claim: from now on its request may leave.

    Args:
        leased_until: Until when nobody else may, in epoch seconds.
    """
    tx.execute(
        update(surveys)
        .where(surveys.c.id == claim.id)
        .values(
            status="claimed",
            claimed_email=claim.email,
            claimed_user_id=claim.user_id,
            claimed_at=claim.claimed_at,
            request=claim.request,
            request_form=claim.form,
            unanswered=claim.unanswered,
            lease=claim.lease,
            leased_until=leased_until,
        )
    )
    tx.upsert(throttles, [{"who": who, "survey_id": claim.id} for who in _who(claim)])


def renew(tx: Transaction, claim: Claim, leased_until: float) -> None:
    """Lease a claim again, or leave it alone for a while: nobody sends its request before that.

    Args:
        leased_until: Until when nobody else may send it, in epoch seconds.
    """
    tx.execute(
        update(surveys)
        .where(surveys.c.id == claim.id, surveys.c.status == "claimed")
        .values(lease=claim.lease, leased_until=leased_until, unanswered=claim.unanswered)
    )


def holds(tx: Transaction, claim: Claim) -> bool:
    """Return whether a claim is still open and leased for the given request."""
    row = tx.execute(select(surveys.c.status, surveys.c.lease).where(surveys.c.id == claim.id)).first()
    return row is not None and row.status == "claimed" and row.lease == claim.lease


def withdraw(tx: Transaction, reason: str, *, messages: Collection[bytes] = (), user_ids: Collection[str] = ()) -> None:
    """Have claimed surveys never be sent again; what comes of the request on its way still counts.

    Args:
        messages: Hashes of their events.
        user_ids: User ids that they are for.
    """
    query = select(surveys.c.id, surveys.c.message, surveys.c.claimed_user_id).where(surveys.c.status == "claimed")
    for row in tx.execute(query).all():
        if bytes(row.message) in messages or row.claimed_user_id in user_ids:
            tx.execute(update(surveys).where(surveys.c.id == row.id).values(withdrawn=reason))


def withdrawn(tx: Transaction, claim: Claim) -> str | None:
    """Return why a claim must not be sent again; None if it may."""
    reason: str | None = tx.scalar(select(surveys.c.withdrawn).where(surveys.c.id == claim.id))
    return reason


def release(tx: Transaction, claim: Claim, until: float) -> None:
    """Undo a claim whose request was surely never carried out.

    Args:
        until: Until when it is left alone, in epoch seconds.
    """
    tx.execute(
        update(surveys)
        .where(surveys.c.id == claim.id)
        .values(
            status="queued",
            claimed_email=None,
            claimed_user_id=None,
            claimed_at=None,
            request=None,
            request_form=None,
            lease=None,
            leased_until=until,
        )
    )
    _free(tx, claim)


def settle(
    tx: Transaction, claim: Claim, status: str, reason: str | None, now: float, *, surveyed_at: float | None
) -> None:
    """End a claim.

    Args:
        status: What became of it, one of `schema.SETTLED`.
        surveyed_at: When the person may have got an e-mail, in epoch seconds; None if surely none.
    """
    tx.execute(
        update(surveys)
        .where(surveys.c.id == claim.id)
        .values(status=status, reason=reason, settled_at=now, lease=None, leased_until=0.0)
    )
    if surveyed_at is not None:
        rows = [{"who": who, "surveyed_at": surveyed_at} for who in _who(claim)]
        tx.upsert(throttles, rows)
    _free(tx, claim)


def wait(tx: Transaction, survey_id: int, until: float) -> None:
    """Leave a due survey alone for a while."""
    tx.execute(update(surveys).where(surveys.c.id == survey_id).values(leased_until=until))


def unqueue(tx: Transaction, survey_id: int) -> None:
    """Have a survey wait for its person again."""
    tx.execute(update(surveys).where(surveys.c.id == survey_id).values(status="waiting"))


def throttles_of(tx: Transaction, keys: Iterable[str]) -> dict[str, Throttle]:
    """Return what keeps contacts from being surveyed, by key (`identity.email_key`, `identity.user_key`)."""
    rows = tx.rows_among("who, surveyed_at, survey_id", "throttles", "who", set(keys))
    return {row[0]: Throttle(row[1], row[2]) for row in rows}


def surveyed_among(tx: Transaction, emails: Collection[str]) -> set[str]:
    """Return those of some addresses that were ever surveyed."""
    known = throttles_of(tx, map(email_key, emails))
    return {email for email in emails if (one := known.get(email_key(email))) and one.surveyed_at is not None}


def overdue(tx: Transaction, before: float, *, most: int) -> Sequence[int]:
    """Return surveys that waited or were queued since before a time, in epoch seconds."""
    query = select(surveys.c.id).where(surveys.c.status.in_(OPEN), surveys.c.due_at < before)
    return list(tx.scalars(query.limit(most)))


def falls_due(tx: Transaction, now: float) -> float | None:
    """Return when the next survey falls due that is not due yet, in epoch seconds; None if there is none."""
    later = select(surveys.c.due_at).where(surveys.c.status == "queued", surveys.c.due_at > now)
    due_at: float | None = tx.scalar(later.order_by(surveys.c.due_at).limit(1))
    return due_at


def next_due(tx: Transaction, now: float, *, except_campaigns: Collection[int], queued: bool) -> float | None:
    """Return when the next survey or claim that is due can be worked on, in epoch seconds; None if there is none.

    Args:
        queued: Whether surveys that are not claimed count.
    """
    earliest = select(func.min(surveys.c.leased_until))
    times = [tx.scalar(earliest.where(surveys.c.status == "claimed"))]
    if queued:
        # The first of them will do, by index: with a million pending, to look at all takes longer than to send some.
        longest = (
            select(surveys.c.leased_until)
            .where(surveys.c.status == "queued", surveys.c.due_at <= now)
            .where(surveys.c.campaign_id.not_in((NO_CAMPAIGN, *except_campaigns)))
            .order_by(surveys.c.due_at)
            .limit(_LOOKED_AT)
            .subquery()
        )
        times.append(tx.scalar(select(func.min(longest.c.leased_until))))
    return min((time for time in times if time is not None), default=None)


def correct_times(tx: Transaction, now: float) -> None:
    """Have claims and surveys wait no longer that wait for a time which a clock that went wrong wrote."""
    is_ahead = surveys.c.status.in_(UNSETTLED) & (surveys.c.leased_until > now + _MOST_AHEAD_SECONDS)
    tx.execute(update(surveys).where(is_ahead).values(leased_until=now))


def _free(tx: Transaction, claim: Claim) -> None:
    """Let the contact of a claim be claimed again."""
    where = throttles.c.who.in_(_who(claim)) & (throttles.c.survey_id == claim.id)
    tx.execute(update(throttles).where(where).values(survey_id=None))


def _who(claim: Claim) -> list[str]:
    """Return the keys of the contact that a claim is for, by address and by user id."""
    keys = [email_key(claim.email)]
    return keys if claim.user_id is None else [*keys, user_key(claim.user_id)]


def _claim(row: Any) -> Claim:  # noqa: ANN401 - a database row
    return Claim(row[0], row[1], row[2], row[3], row[4], row[5], bytes(row[6]), row[7], row[8])
