"""The form that a contact should have at Promoter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from target_promoter.contacts.attributes import Note, contact_attributes
from target_promoter.people import people
from target_promoter.people import stored_events as kept
from target_promoter.people.person import Person, Trait
from target_promoter.people.stored_events import Place
from target_promoter.store.encoding import digest
from target_promoter.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class ContactForm:
    """What a contact should look like.

    Attributes:
        contact: E-mail address, names and attributes, as both the contact call and the survey call take them.
        contact_lists: The ids of the lists it should be on, ascending.
        digest: A hash of `contact`.
        user_ids: The user ids of everybody living who has the address.
        notes: Attributes that were renamed, merged or left out.
    """

    contact: dict[str, Any]
    contact_lists: tuple[int, ...]
    digest: bytes
    user_ids: tuple[str, ...]
    notes: tuple[Note, ...]


def contact_forms(tx: Transaction, emails: Iterable[str], contact_lists: Sequence[int]) -> dict[str, ContactForm]:
    """Return the forms of contacts, by address; one that nobody living has is missing."""
    living = people.load_by_email(tx, emails)
    stored = kept.of_owners(tx, {email: rows[-1].user_id for email, rows in living.items()})
    return {
        email: _form(email, [row.person() for row in rows], stored.get(email, ()), contact_lists)
        for email, rows in living.items()
    }


def attribute_names(person: Person) -> frozenset[str]:
    """Return the names of the attributes at Promoter that a person's own traits are."""
    return frozenset(contact_attributes(_attributes(person, ())).values)


def _form(
    email: str, at_address: Sequence[Person], stored: Sequence[tuple[Place, Trait]], contact_lists: Sequence[int]
) -> ContactForm:
    """Return the form of a contact; the person identified last owns its attributes, everybody's lists are joined."""
    owner = at_address[-1]
    attributes = contact_attributes(_attributes(owner, stored))
    contact: dict[str, Any] = {"email": email}
    contact.update(owner.names.standing)
    contact["attributes"] = attributes.values
    lists = {one for person in at_address for one in person.contact_lists} | set(contact_lists)
    user_ids = tuple(person.user_id for person in at_address)
    return ContactForm(contact, tuple(sorted(lists)), digest(contact), user_ids, attributes.notes + _clash(owner))


def _attributes(person: Person, stored: Iterable[tuple[Place, Trait]]) -> Iterator[tuple[str, object]]:
    """Yield names and values in order of time, so that of two names that become one the later wins."""
    timed = [(time, name, value) for name, value, time in person.traits if value is not None]
    for prefix, said in kept.latest(stored, person.deleted_at).items():
        timed += [(said[1], name, value) for name, value in kept.attributes(prefix, said)]
    timed.sort(key=lambda said: said[:2])
    for _, name, value in timed:
        yield name, value
    yield "user_id", person.user_id


def _clash(person: Person) -> tuple[Note, ...]:
    """Return a note of a trait that the attribute `user_id` takes the name of, unless it says the same or nothing."""
    value = person.traits.values.get("user_id")
    if value is None or str(value) in {"", person.user_id}:
        return ()
    return (Note("merged", "user_id", "user_id, the name of the user id as well, which is sent"),)
