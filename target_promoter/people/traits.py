"""Named values that a stream said of a person, each with the time of the call that said it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, Final

import msgspec

from target_promoter.store.encoding import canonical

Trait = tuple[Any, float]
"""A value and the time of the call that said it, in epoch seconds."""


class Traits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Values by their names, nearly all of which one call said: a row of a table says all of them anew.

    Attributes:
        values: The values; one of null was taken away by a row of a snapshot.
        time: When they were said, in epoch seconds.
        others: The times of those that were said at another time.
    """

    values: Mapping[str, Any] = {}
    time: float = 0.0
    others: Mapping[str, float] = {}

    def __iter__(self) -> Iterator[tuple[str, Any, float]]:
        """Yield each name with its value and its time in epoch seconds."""
        for name, value in self.values.items():
            yield name, value, self.others.get(name, self.time)

    def merged(self, said: Mapping[str, Any], time: float) -> Traits:
        """Return the values with what a call said at a time, in epoch seconds; what was said later stands."""
        if not said:
            return self
        if not self.values:
            return Traits(said, time)
        if time > max((self.time, *self.others.values())):
            others = {name: self.others.get(name, self.time) for name in self.values if name not in said}
            return Traits({**self.values, **said}, time, others)
        return self.joined(Traits(said, time))

    def joined(self, other: Traits) -> Traits:
        """Return the values of both; what was said later stands, whichever of the two says it."""
        if not other.values:
            return self
        if not self.values:
            return other
        known: dict[str, Trait] = {name: (value, at) for name, value, at in self}
        whole = {**known, **{name: later(known.get(name), (value, at)) for name, value, at in other}}
        return self._of(whole, max(self.time, other.time))

    @property
    def times(self) -> set[float]:
        """When they were said, in epoch seconds."""
        return {at for _, _, at in self}

    @property
    def standing(self) -> dict[str, Any]:
        """The values that were not taken away."""
        return {name: value for name, value in self.values.items() if value is not None}

    def after(self, time: float) -> Traits:
        """Return the values that were said after a time, in epoch seconds."""
        return self._of({name: (value, at) for name, value, at in self if at > time})

    def without(self, time: float) -> Traits:
        """Return the values but for those that were said at a time, in epoch seconds."""
        return self._of({name: (value, at) for name, value, at in self if at != time})

    def only(self, names: Container[str]) -> Traits:
        """Return the values of these names, which are in lower case."""
        return self._of({name: (value, at) for name, value, at in self if name.lower() in names})

    def says_the_same(self, other: Traits) -> bool:
        """Return whether other values say the same, whenever they were said."""
        if self is other:
            return True
        ours, theirs = self.standing, other.standing
        # To Python `True` is 1, but Promoter is told `true`.
        return ours == theirs and all(isinstance(ours[name], bool) == isinstance(theirs[name], bool) for name in ours)

    def _of(self, traits: Mapping[str, Trait], time: float | None = None) -> Traits:
        most = self.time if time is None else time
        values = {name: value for name, (value, _) in traits.items()}
        return Traits(values, most, {name: at for name, (_, at) in traits.items() if at != most})


NOTHING_SAID: Final = Traits()
"""No values at all; it takes no room in the store."""


def later(known: Trait | None, said: Trait) -> Trait:
    """Return which of two values stands: the one said later; of one time the same one in whatever order they arrive."""
    if known is None or said[1] > known[1]:
        return said
    if said[1] < known[1] or (type(said[0]) is type(known[0]) and said[0] == known[0]):
        return known
    return max(known, said, key=lambda trait: canonical(trait[0]))


def later_properties(known: Trait | None, said: Trait) -> Trait:
    """Return which properties of a stored event stand: the later event's; of one event all that was said of it.

    The warehouse table `tracks` brings an event without its properties, and the event's own table brings them.
    """
    if known is None or known[1] != said[1]:
        return later(known, said)
    if known[0] == said[0]:
        return known
    both = {name: later((value, 0.0), (said[0].get(name, value), 0.0))[0] for name, value in known[0].items()}
    return {**said[0], **both}, known[1]
