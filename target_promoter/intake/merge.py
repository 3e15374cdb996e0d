"""How what calls say of a person becomes one person, in whatever order the calls arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from target_promoter.store.person import later

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_promoter.records.calls import Identify
    from target_promoter.store.person import Person, Trait

FUTURE_SECONDS: Final = 86_400
"""How far ahead of this machine's clock a call may be."""

_STEP_SECONDS: Final = 1e-6
"""What sets two records without a time apart: the smallest step that epoch seconds hold safely."""


def merge(person: Person, call: Identify, now: float) -> Person:
    """Return a person with what an identify call says; what a later call said stands.

    Args:
        person: The person as known.
        call: The call. A null trait takes the trait away if the call is a snapshot, else it says nothing.
        now: The time, in epoch seconds; that of a call without a time of its own.

    Returns:
        The person; unchanged by a call from before the person was deleted.
    """
    # A call whose clock is days fast would win over all to come.
    dated = call.time is not None and call.time <= now + FUTURE_SECONDS
    time = call.time if dated and call.time is not None else _arrival(person, now)
    if person.deleted_at is not None and time <= person.deleted_at:
        return person
    names = {"first_name": call.first_name, "last_name": call.last_name}
    merged = replace(
        person,
        email=person.email if call.email is None else later(person.email, (call.email, time)),
        names=_merged(person.names, names, time, nulls=False),
        traits=_merged(person.traits, call.traits, time, nulls=call.snapshot),
        contact_lists=_latest(person.contact_lists, call.contact_lists, time),
        identified_at=max(person.identified_at, time),
        dated_at=max(person.dated_at, time) if dated else person.dated_at,
    )
    if dated and not person.undated:
        return merged
    times = merged.times()
    undated = {at for at in person.undated if at in times}
    return replace(merged, undated=tuple(sorted(undated if dated else undated | {time})))


def delete(person: Person, time: float) -> Person:
    """Return a person that was deleted at its source; of what was said before nothing is kept.

    Args:
        person: The person as known.
        time: When it was deleted, in epoch seconds.
    """
    time = time if person.deleted_at is None else max(person.deleted_at, time)
    return replace(person.since(time), deleted_at=time)


def _arrival(person: Person, now: float) -> float:
    """Return the time of a record without one: now, and later than all that came before it."""
    before = (*person.undated[-1:], *(() if person.deleted_at is None else (person.deleted_at,)))
    return max(now, *(time + _STEP_SECONDS for time in before)) if before else now


def says_the_same(one: Person, other: Person) -> bool:
    """Return whether two states of a person are the same to Promoter: all but when things were said.

    Args:
        one: A state.
        other: Another.
    """
    return (
        one.address == other.address
        and one.contact_lists.keys() == other.contact_lists.keys()
        and (one.names is other.names or _values(one.names) == _values(other.names))
        and (one.traits is other.traits or _values(one.traits) == _values(other.traits))
        and (one.stored is other.stored or _values(one.stored) == _values(other.stored))
    )


def _merged(known: Mapping[str, Trait], said: Mapping[str, object], time: float, *, nulls: bool) -> Mapping[str, Trait]:
    new = {name: (value, time) for name, value in said.items() if nulls or value is not None}
    if not known:
        return new
    return {**known, **{name: later(known.get(name), trait) for name, trait in new.items()}}


def _latest(known: Mapping[int, float], said: tuple[int, ...], time: float) -> Mapping[int, float]:
    return {**known, **{one: max(time, known.get(one, time)) for one in said}} if said else known


def _values(traits: Mapping[str, Trait]) -> dict[str, object]:
    # To Python `True` is 1, but Promoter is told `true`.
    return {name: (value, isinstance(value, bool)) for name, (value, _) in traits.items() if value is not None}
