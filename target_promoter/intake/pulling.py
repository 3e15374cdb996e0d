"""People whom Promoter knows by their user id, and no tap brought yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping

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
    people = _know(tx, settings, {user_id: held[0] if len(held) == 1 else None for user_id, held in found.items()}, now)
    return max(found), sum(one.is_pulled and one.email is not None for one in people)


def let_wait(tx: Transaction, settings: Settings, user_ids: Collection[str], now: float) -> None:
    """Know people no more by a contact that is not theirs any more."""
    if user_ids:
        _know(tx, settings, dict.fromkeys(user_ids), now)


def _know(tx: Transaction, settings: Settings, found: Mapping[str, Held | None], now: float) -> list[Person]:
    batch = Batch(tx, settings, now)
    batch.people.look_up(found)
    batch.people.load(found)
    people = [_told(batch.people.get(user_id), held) for user_id, held in found.items()]
    for person in people:
        if person != batch.people.get(person.user_id):
            batch.people.put(person)
    batch.finish()
    return people


def _told(person: Person, held: Held | None) -> Person:
    if held is None or held.contact is None:
        return person.pulled(None, {}, {})
    names = {name: person_name(held.contact.get(name)) for name in ("first_name", "last_name")}
    traits = {name: value for name, value in held.attributes.items() if name != "user_id" and value is not None}
    return person.pulled(held.email, {name: value for name, value in names.items() if value is not None}, traits)
