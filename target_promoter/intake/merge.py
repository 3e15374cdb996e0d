"""How what calls say of a person becomes one person, in whatever order the calls arrive."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from target_promoter.store.people import later

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_promoter.calls import Identify
    from target_promoter.store.people import Person, Trait


def merge(person: Person, call: Identify, time: float) -> Person:
    """Return a person with what an identify call says; what a later call said stands.

    Args:
        person: The person as known.
        call: The call. A null trait takes the trait away if the call is a snapshot, else it says nothing.
        time: The time of the call, in epoch seconds.

    Returns:
        The person; unchanged by a call from before the person was deleted.
    """
    if person.deleted_at is not None and time <= person.deleted_at:
        return person
    names = (("first_name", call.first_name), ("last_name", call.last_name))
    return replace(
        person,
        email=person.email if call.email is None else later(person.email, (call.email, time)),
        names=_merged(person.names, ((name, value) for name, value in names if value is not None), time),
        traits=_merged(
            person.traits,
            (said for said in call.traits.items() if said[1] is not None or call.snapshot),
            time,
        ),
        contact_lists=_union(person.contact_lists, call.contact_lists),
        identified_at=max(person.identified_at, time),
    )


def delete(person: Person, time: float) -> Person:
    """Return a person that was deleted at its source; of what was said before nothing is kept.

    Args:
        person: The person as known.
        time: When it was deleted, in epoch seconds.
    """
    if person.deleted_at is not None and person.deleted_at >= time:
        return person
    # The same row again, without a time of its own, is then a new person.
    return replace(person.since(time), deleted_at=time, fingerprints={})


def says_the_same(one: Person, other: Person) -> bool:
    """Return whether two states of a person are the same to Promoter: all but when things were said."""
    return (
        one.address == other.address
        and one.contact_lists == other.contact_lists
        and _values(one.names) == _values(other.names)
        and _values(one.traits) == _values(other.traits)
        and _values(one.stored) == _values(other.stored)
    )


def _merged(known: Mapping[str, Trait], said: Iterable[tuple[str, object]], time: float) -> Mapping[str, Trait]:
    changed = dict(known)
    for name, value in said:
        changed[name] = later(known.get(name), (value, time))
    return changed


def _union(known: tuple[int, ...], said: tuple[int, ...]) -> tuple[int, ...]:
    return known if set(said) <= set(known) else tuple(sorted({*known, *said}))


def _values(traits: Mapping[str, Trait]) -> dict[str, object]:
    return {name: value for name, (value, _) in traits.items() if value is not None}
