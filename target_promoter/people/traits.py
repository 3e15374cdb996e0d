"""Named values of a person, each with the time of the call that said it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_promoter.store.encoding import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

Trait = tuple[Any, float]
"""A value and the time of the call that said it, in epoch seconds."""


class Traits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Values by their names, nearly all of which one call said: a row of a table says all of them anew.

    Attributes:
        values: The values; one of null was taken away.
        time: When they were said, in epoch seconds.
        others: The times of those that were said at another time.
    """

    values: Mapping[str, Any] = {}
    time: float = 0.0
    others: Mapping[str, float] = {}

    def __iter__(self) -> Iterator[tuple[str, Any, float]]:
        """Yield each name with its value, which is null if it was taken away, and its time in epoch seconds."""
        for name, value in self.values.items():
            yield name, value, self.others.get(name, self.time)

    @property
    def standing(self) -> dict[str, Any]:
        """The values that were not taken away."""
        return {name: value for name, value in self.values.items() if value is not None}

    def times(self) -> set[float]:
        """Return the times of all values, in epoch seconds."""
        return {time for _, _, time in self}

    def merged(self, said: Mapping[str, Any], time: float) -> Traits:
        """Return the values with what a call says; what a later call said stands.

        Args:
            said: The values; null takes one away.
            time: The time of the call, in epoch seconds.
        """
        if not said:
            return self
        if not self.values:
            return Traits(said, time)
        if time > max((self.time, *self.others.values())):
            others = {name: self.others.get(name, self.time) for name in self.values if name not in said}
            return Traits({**self.values, **said}, time, others)
        known: dict[str, Trait] = {name: (value, at) for name, value, at in self}
        return self._of({**known, **{name: later(known.get(name), (value, time)) for name, value in said.items()}})

    def after(self, time: float, except_times: frozenset[float]) -> Traits:
        """Return the values that were said after a time.

        Args:
            except_times: Times that do not count as after it, in epoch seconds.
        """
        return self._of({name: (value, at) for name, value, at in self if at > time and at not in except_times})

    def says_the_same(self, other: Traits) -> bool:
        """Return whether other values say the same, whenever they were said."""
        if self is other:
            return True
        ours, theirs = self.standing, other.standing
        # To Python `True` is 1, but Promoter is told `true`.
        return ours == theirs and all(isinstance(ours[name], bool) == isinstance(theirs[name], bool) for name in ours)

    def _of(self, traits: Mapping[str, Trait]) -> Traits:
        values = {name: value for name, (value, _) in traits.items()}
        return Traits(values, self.time, {name: at for name, (_, at) in traits.items() if at != self.time})


NOTHING_SAID: Final = Traits()
"""No values at all; it takes no room in the store."""


def later(known: Trait | None, said: Trait) -> Trait:
    """Return which of two values stands: the one said later.

    Of two values of one time the same one stands in whatever order they arrive.

    Args:
        known: The value that is known, if any.
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
