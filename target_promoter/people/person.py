"""A person: a user id with its traits, each with the time of the call that said it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from target_promoter.people.traits import NOTHING_SAID, Trait, Traits, later_properties

if TYPE_CHECKING:
    from collections.abc import Mapping


class Person(msgspec.Struct, frozen=True, gc=False):
    """A user id with all that is known of it; a struct for the reason that calls are.

    Attributes:
        user_id: The user id.
        email: The e-mail address, in lower case, and its time; null while there is none.
        names: `first_name` and `last_name`.
        traits: The traits.
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
    names: Traits = NOTHING_SAID
    traits: Traits = NOTHING_SAID
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
        if self.email is None or (self.deleted_at is not None and self.deleted):
            return None
        return self.email[0]

    def since(self, time: float) -> Person:
        """Return the person with only what was said after a time; so a deletion leaves nothing of what came before.

        What told no time goes as well: it was read before, and so it was said before.
        """
        undated = frozenset(self.undated)
        return replace(
            self,
            email=None if self.email is None or self.email[1] <= time or self.email[1] in undated else self.email,
            names=self.names.after(time, undated),
            traits=self.traits.after(time, undated),
            stored={prefix: said for prefix, said in self.stored.items() if said[1] > time},
            contact_lists={one: at for one, at in self.contact_lists.items() if at > time and at not in undated},
            identified_at=self.dated_at,
            undated=(),
        )

    def marked(self, stream: str, mark: str) -> Person:
        """Return the person with the mark of the last record that a stream brought."""
        return replace(self, fingerprints={**self.fingerprints, stream: mark})

    def times(self) -> set[float]:
        """Return the times of all that was said by identifies and still stands."""
        found = {*self.names.times(), *self.traits.times(), *self.contact_lists.values()}
        if self.email is not None:
            found.add(self.email[1])
        return found

    def with_stored(self, prefix: str, properties: Mapping[str, Any], time: float) -> Person:
        """Return the person with a stored event's properties, if no later ones are there.

        Args:
            prefix: The event's attribute prefix, such as `order_completed`.
            time: The event's time, in epoch seconds.
        """
        if self.deleted_at is not None and time <= self.deleted_at:
            return self
        stored = later_properties(self.stored.get(prefix), (dict(properties), time))
        return self if stored == self.stored.get(prefix) else replace(self, stored={**self.stored, prefix: stored})
