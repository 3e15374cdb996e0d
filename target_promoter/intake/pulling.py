"""People whom Promoter knows by their user id, and no tap brought yet."""

from __future__ import annotations

from target_promoter.config.settings import Settings
from target_promoter.contacts import pulled
from target_promoter.contacts.pulled import Held
from target_promoter.intake.batch import Batch
from target_promoter.people.person import Person
from target_promoter.store.transaction import Transaction
from target_promoter.values.reading import person_name


def know_people(tx: Transaction, settings: Settings, after: str, since: float, now: float) -> tuple[str | None, int]:
    """Know the next people by the attribute `user_id` of their contact, and let those wait who have none any more.

    Somebody whom Promoter has under two addresses is not known by either: which is the present one a tap has to say.

    Args:
        after: The user id behind which they come, in the order of user ids.
        since: When this reading of the account began, in epoch seconds.

    Returns:
        The last of them, None if there was none, and how many are known by their contact.
    """
    found = pulled.by_user_id(tx, after, since)
    if not found:
        return None, 0
    batch = Batch(tx, settings, now)
    batch.people.look_up(found)
    batch.people.load(found)
    known = 0
    for user_id, held in found.items():
        before = batch.people.get(user_id)
        person = _told(before, held[0] if len(held) == 1 else None)
        known += person.is_pulled and person.email is not None
        if person != before:
            batch.people.put(person)
    batch.finish()
    return max(found), known


def _told(person: Person, held: Held | None) -> Person:
    if held is None or held.contact is None:
        return person.pulled(None, {}, {})
    names = {name: person_name(held.contact.get(name)) for name in ("first_name", "last_name")}
    traits = {name: value for name, value in held.attributes.items() if name != "user_id" and value is not None}
    return person.pulled(held.email, {name: value for name, value in names.items() if value is not None}, traits)
