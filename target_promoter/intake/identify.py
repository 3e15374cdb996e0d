"""Identify calls: who a person is."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from target_promoter.intake.merge import delete, merge
from target_promoter.store import people, surveys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_promoter.calls import Identify
    from target_promoter.intake.batch import Batch

_FUTURE_SECONDS = 86_400


def take_identifies(batch: Batch, calls: Sequence[Identify]) -> Counter[str]:
    """Merge identify calls into the people of a batch.

    Args:
        batch: The batch.
        calls: The calls, in the order in which they were read.

    Returns:
        How many of the calls came to each outcome.
    """
    outcomes: Counter[str] = Counter()
    merged: Counter[str] = Counter()
    links: set[tuple[str, str]] = set()
    for call in calls:
        if call.blocked:
            outcomes["blocked"] += 1
        elif call.problem is not None or call.user_id is None:
            outcomes["rejected"] += 1
            batch.reject(call, "identify", call.problem or "no user id")
        elif batch.is_forgotten(people.user_key(call.user_id), call.email and people.email_key(call.email)):
            outcomes["blocked"] += 1
        elif call.deleted_at is not None:
            outcomes["deleted"] += 1
            _delete(batch, call.user_id, call.deleted_at)
            batch.took(call)
        else:
            if call.anonymous_id is not None:
                links.add((call.anonymous_id, call.user_id))
            if batch.people.fingerprints(call.user_id).get(call.stream) == call.fingerprint.hex():
                outcomes["unchanged" if batch.people.address(call.user_id) else "waiting"] += 1
            else:
                merged[call.user_id] += 1
                _merge(batch, call.user_id, call)
            batch.took(call)
    batch.linked.update(people.link(batch.connection, links))
    for user_id, number in merged.items():
        outcomes["merged"] += number - 1
        outcomes[_outcome(batch, user_id)] += 1
    return outcomes


def _outcome(batch: Batch, user_id: str) -> str:
    """Return what all the calls of a person in this batch come to together."""
    if batch.people.get(user_id).deleted:
        return "unchanged"  # What was said before a person was deleted says nothing any more.
    if batch.people.address(user_id) is None:
        return "waiting"
    return "changed" if batch.people.differs(user_id) else "unchanged"


def _merge(batch: Batch, user_id: str, call: Identify) -> None:
    # A row without a time is of now, and so is a call whose clock is days fast: it would win over all to come.
    time = batch.now if call.time is None or call.time > batch.now + _FUTURE_SECONDS else call.time
    person = merge(batch.people.get(user_id), call, time)
    batch.people.put(replace(person, fingerprints={**person.fingerprints, call.stream: call.fingerprint.hex()}))


def _delete(batch: Batch, user_id: str, time: float) -> None:
    """Delete a person: never upserted again, its waiting surveys cancelled, its contact removed if so set."""
    before = batch.people.get(user_id)
    address = before.address
    person = delete(before, time)
    batch.people.put(person)
    if not person.deleted:
        return
    if batch.settings.hard_delete and address is not None:
        batch.people.remove_contact(address)
    anonymous_ids = people.anonymous_ids_of(batch.connection, [user_id])
    waiting = surveys.open_of_people(batch.connection, user_ids=[user_id], anonymous_ids=anonymous_ids)
    batch.cancel([survey.id for survey in waiting], "its person was deleted")
