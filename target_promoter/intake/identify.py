"""Identify calls: who a person is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from target_promoter.intake.batch import DELETED
from target_promoter.people import people
from target_promoter.people.merge import FUTURE_SECONDS, delete, merge
from target_promoter.records.calls import Glimpse
from target_promoter.records.replay import is_refused
from target_promoter.surveys import claims, retries, surveys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_promoter.intake.batch import Batch
    from target_promoter.records.calls import Identify


def take_identifies(batch: Batch, calls: Sequence[Glimpse | Identify]) -> Counter[str]:
    """Merge identify calls into the people of a batch.

    Returns:
        How many of the calls came to each outcome.
    """
    outcomes: Counter[str] = Counter()
    merged: dict[str, int] = {}
    links: set[tuple[str, str]] = set()
    for seen in calls:
        # Whether it is the last record that its stream brought of its person.
        known = seen.user_id is not None and batch.people.is_marked(seen.user_id, seen.stream, seen.fingerprint)
        if known and isinstance(seen, Glimpse) and seen.deleted_at is None and not batch.anybody_forgotten:
            # It was read before, in the same way, and nothing about it is special: no need to read it again.
            if seen.anonymous_id is not None and seen.user_id is not None:
                links.add((seen.anonymous_id, seen.user_id))
            outcomes[_outcome(batch, seen.user_id or "")] += 1
            _took(batch, seen)
            continue
        call = seen.read() if isinstance(seen, Glimpse) else seen
        if call.blocked or batch.is_forgotten(call, _keys):
            outcomes["blocked"] += 1
        elif call.user_id is not None and call.deleted_at is not None:
            # Whatever is wrong with the rest of it: taps of a log often send a deleted row's key alone.
            outcomes["deleted"] += 1
            _delete(batch, call.user_id, call)
            batch.took(call)
        elif call.user_id is None or _problem(batch, call) is not None:
            outcomes["rejected"] += 1
            batch.reject(call, "identify", _problem(batch, call) or "no user id")
        else:
            if call.anonymous_id is not None:
                links.add((call.anonymous_id, call.user_id))
            if known:
                outcomes[_outcome(batch, call.user_id)] += 1
            else:
                merged[call.user_id] = merged.get(call.user_id, 0) + 1
                batch.people.put(merge(batch.people.get(call.user_id), call, batch.now))
            _took(batch, call)
    batch.link(links)
    for user_id, number in merged.items():
        outcomes["merged"] += number - 1
        outcomes[_outcome(batch, user_id, merged=True)] += 1
    return outcomes


def _problem(batch: Batch, call: Identify) -> str | None:
    """Return why a call must be rejected: known people keep what else one with an unusable address says."""
    if call.problem is None and call.bad_email and not (call.user_id and batch.people.is_known(call.user_id)):
        return "no usable e-mail address"
    return call.problem


def _took(batch: Batch, call: Glimpse | Identify) -> None:
    """Let go of what is kept of a record, and have its contact tried again if Promoter refused it."""
    batch.took(call)
    address = batch.people.address(call.user_id) if call.user_id is not None and is_refused(call) else None
    if address is not None:
        retries.retry_contact(batch.tx, address, batch.now)


def _outcome(batch: Batch, user_id: str, *, merged: bool = False) -> str:
    """Return what a record, or all the merged ones of a person in this batch, come to."""
    if batch.people.address(user_id) is None:
        # What was said before a person was deleted says nothing any more.
        return "unchanged" if batch.people.is_deleted(user_id) else "waiting"
    return "changed" if merged and batch.people.differs(user_id) else "unchanged"


def _delete(batch: Batch, user_id: str, call: Identify) -> None:
    """Delete a person: never upserted again, its waiting surveys cancelled, its contact removed if so set."""
    deleted_at = call.deleted_at or 0.0
    mark = f"deleted {deleted_at}"
    if batch.people.is_marked(user_id, call.stream, mark):
        return  # Its stream brought nothing of the person since.
    before = batch.people.get(user_id)
    address = before.address
    person = delete(before, deleted_at if deleted_at <= batch.now + FUTURE_SECONDS else batch.now)
    batch.people.put(person.marked(call.stream, mark))
    if person.deleted and batch.settings.hard_delete and address is not None:
        batch.people.remove_contact(address)
    anonymous_ids = people.anonymous_ids_of(batch.tx, [user_id])
    if person.deleted:
        claims.withdraw(batch.tx, DELETED, user_ids=[user_id])
    waiting = surveys.open_of_people(batch.tx, user_ids=[user_id], anonymous_ids=anonymous_ids)
    batch.cancel(
        [one.id for one in waiting if person.deleted or batch.people.is_deleted_since(user_id, one.event_at)],
        DELETED,
    )


def _keys(call: Identify) -> tuple[str | None, ...]:
    """Return the keys of everything that a call names its person by."""
    return (call.user_id and people.user_key(call.user_id), call.email and people.email_key(call.email))
