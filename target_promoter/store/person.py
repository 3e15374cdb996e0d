"""A person: a user id with its traits, each with the time of the call that said it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from target_promoter.store.encoding import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

Trait = tuple[Any, float]
"""A trait's value and the time of the call that said it, in epoch seconds; a value of null was taken away."""


class Person(msgspec.Struct, frozen=True):
    """A user id with all that is known of it; a struct for the reason that calls are.

    Attributes:
        user_id: The user id.
        email: The e-mail address, in lower case, and its time; null while there is none.
        names: `first_name` and `last_name`, each with its time.
        traits: The traits, each with its time.
        stored: Of each stored event (by its attribute prefix) the latest properties, with the event's time.
        contact_lists: The ids of the lists that the person's streams name, each with the time it was last named.
        identified_at: The time of the last identify, in epoch seconds; 0 if there was none.
        dated_at: The same of those identifies that told their time themselves.
        undated: When records came that told no time, ascending, as long as something they said stands.
        deleted_at: The time of the last deletion; null if there was none.
        fingerprints: Of each stream the mark, such as a hash in hexadecimal, of the last record it brought.
    """

    user_id: str
    email: tuple[str, float] | None = None
    names: Mapping[str, Trait] = {}
    traits: Mapping[str, Trait] = {}
    stored: Mapping[str, Trait] = {}
    contact_lists: Mapping[int, float] = {}
    identified_at: float = 0.0
    dated_at: float = 0.0
    undated: tuple[float, ...] = ()
    deleted_at: float | None = None
    fingerprints: Mapping[str, str] = {}

    @property
    def deleted(self) -> bool:
        """Whether the person was deleted and not identified since."""
        return self.deleted_at is not None and self.deleted_at >= self.identified_at

    @property
    def address(self) -> str | None:
        """The e-mail address the person is reached at; null if there is none, or the person was deleted."""
        return None if self.email is None or self.deleted else self.email[0]

    def since(self, time: float) -> Person:
        """Return the person with only what was said after a time; so a deletion leaves nothing of what came before.

        What told no time goes as well: it was read before, and so it was said before.

        Args:
            time: The time, in epoch seconds.
        """
        undated = frozenset(self.undated)
        return replace(
            self,
            email=None if self.email is None or self.email[1] <= time or self.email[1] in undated else self.email,
            names=_said_after(self.names, time, undated),
            traits=_said_after(self.traits, time, undated),
            stored=_said_after(self.stored, time, frozenset()),
            contact_lists={one: at for one, at in self.contact_lists.items() if at > time and at not in undated},
            identified_at=self.dated_at,
            undated=(),
        )

    def marked(self, stream: str, mark: str) -> Person:
        """Return the person with the mark of the last record that a stream brought.

        Args:
            stream: The stream.
            mark: The mark.
        """
        return replace(self, fingerprints={**self.fingerprints, stream: mark})

    def times(self) -> set[float]:
        """Return the times of all that was said by identifies and still stands."""
        found = {said[1] for values in (self.names, self.traits) for said in values.values()}
        found.update(self.contact_lists.values())
        if self.email is not None:
            found.add(self.email[1])
        return found

    def with_stored(self, prefix: str, properties: Mapping[str, Any], time: float) -> Person:
        """Return the person with a stored event's properties, if no later ones are there.

        Args:
            prefix: The event's attribute prefix, such as `order_completed`.
            properties: The event's properties.
            time: The event's time, in epoch seconds.
        """
        if self.deleted_at is not None and time <= self.deleted_at:
            return self
        stored = later_properties(self.stored.get(prefix), (dict(properties), time))
        return self if stored == self.stored.get(prefix) else replace(self, stored={**self.stored, prefix: stored})


def later(known: Trait | None, said: Trait) -> Trait:
    """Return which of two values stands: the one said later.

    Of two values of one time the same one stands in whatever order they arrive.

    Args:
        known: The value that is known, if any.
        said: The value that a call says.
    """
    if known is None or said[1] > known[1]:
        return said
    if said[1] < known[1] or (type(said[0]) is type(known[0]) and said[0] == known[0]):
        return known
    return max(known, said, key=lambda trait: canonical(trait[0]))


def later_properties(known: Trait | None, said: Trait) -> Trait:
    """Return which properties of a stored event stand: the later event's; of one event all that was said of it.

    The warehouse table `tracks` brings an event without its properties, and the event's own table brings them.

    Args:
        known: The properties that are known, if any, with their event's time.
        said: The properties that a call says, with their event's time.
    """
    if known is None or known[1] != said[1]:
        return later(known, said)
    if known[0] == said[0]:
        return known
    both = {name: later((value, 0.0), (said[0].get(name, value), 0.0))[0] for name, value in known[0].items()}
    return {**said[0], **both}, known[1]


def _said_after(values: Mapping[str, Trait], time: float, undated: frozenset[float]) -> dict[str, Trait]:
    return {name: said for name, said in values.items() if said[1] > time and said[1] not in undated}
