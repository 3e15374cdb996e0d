"""How what calls say of a person becomes one person, in whatever order the calls arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from target_promoter.people.person import Person
from target_promoter.people.traits import later

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_promoter.records.calls import Identify

FUTURE_SECONDS: Final = 86_400
"""How far ahead of this machine's clock a call may be."""

_STEP_SECONDS: Final = 1e-6
"""What sets two records without a time apart: the smallest step that epoch seconds hold safely."""


def merge(person: Person, call: Identify, now: float) -> Person:
    """Return a person with what an identify call says; what a later call said stands.

    Args:
        call: The call. A null trait takes the trait away if the call is a snapshot, else it says nothing.
        now: The time, in epoch seconds; that of a call without a time of its own.

    Returns:
        The person, with the mark of the record; nothing else of a call from before the person was deleted.
    """
    # A call whose clock is days fast would win over all to come.
    dated = call.time is not None and call.time <= now + FUTURE_SECONDS
    time = call.time if dated and call.time is not None else _arrival(person, now)
    if person.deleted_at is not None and time <= person.deleted_at:
        return person.marked(call.stream, call.fingerprint)
    names = {}
    if call.first_name is not None:
        names["first_name"] = call.first_name
    if call.last_name is not None:
        names["last_name"] = call.last_name
    merged = Person(
        person.user_id,
        person.email if call.email is None else later(person.email, (call.email, time)),
        person.names.merged(names, time),
        person.traits.merged(_storable(call.traits if call.snapshot else _filled(call.traits)), time),
        person.stored,
        _latest(person.contact_lists, call.contact_lists, time),
        max(person.identified_at, time),
        max(person.dated_at, time) if dated else person.dated_at,
        person.undated,
        person.deleted_at,
        {**person.fingerprints, call.stream: call.fingerprint},
    )
    if dated and not person.undated:
        return merged
    times = merged.times()
    undated = {at for at in person.undated if at in times}
    return replace(merged, undated=tuple(sorted(undated if dated else undated | {time})))


def delete(person: Person, time: float) -> Person:
    """Return a person that was deleted at its source; of what was said before nothing is kept.

    Args:
        time: When it was deleted, in epoch seconds.
    """
    time = time if person.deleted_at is None else max(person.deleted_at, time)
    return replace(person.since(time), deleted_at=time)


def _arrival(person: Person, now: float) -> float:
    """Return the time of a record without one: now, and later than all that came before it."""
    before = (*person.undated[-1:], *(() if person.deleted_at is None else (person.deleted_at,)))
    return max(now, *(time + _STEP_SECONDS for time in before)) if before else now


def says_the_same(one: Person, other: Person) -> bool:
    """Return whether two states of a person are the same to Promoter: all but when things were said."""
    return (
        one.address == other.address
        and one.contact_lists.keys() == other.contact_lists.keys()
        and one.names.says_the_same(other.names)
        and one.traits.says_the_same(other.traits)
        and (one.stored is other.stored or _properties(one) == _properties(other))
    )


def _filled(said: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in said.items() if value is not None}


def _storable(said: Mapping[str, object]) -> Mapping[str, object]:
    """Return traits by the names that the store gives them: no database holds half a surrogate pair."""
    if all(map(str.isascii, said)):
        return said
    return {name.encode("utf-8", "replace").decode(): value for name, value in said.items()}


def _latest(known: Mapping[int, float], said: tuple[int, ...], time: float) -> Mapping[int, float]:
    return {**known, **{one: max(time, known.get(one, time)) for one in said}} if said else known


def _properties(person: Person) -> dict[str, object]:
    return {prefix: properties for prefix, (properties, _) in person.stored.items()}
