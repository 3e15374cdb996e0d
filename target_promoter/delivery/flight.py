"""The requests that are on their way: how many may be at once is what the limit and Promoter's latency need."""

from __future__ import annotations

import itertools
import math
from typing import Final

MOST_IN_FLIGHT: Final = 64
"""How many requests may be on their way at once, whatever limit and latency need."""

_MARGIN: Final = 1.1
"""How many times what is needed on average may be on their way, so that what left late is made up for."""

_ANSWERS: Final = 200
"""Over how many answers the latency is taken: one moment in which nothing moves tells little of it."""

_UNKNOWN: Final = 2
"""For how many answers without any latency it stands at first."""

_HANGING_SECONDS: Final = 0.5
"""How long a request is on its way, at the least, that is taken to hang."""


class Flight:
    """Counts the requests that are on their way, and how long their answers take.

    Each has a thread and a connection of its own, and more of them than the limit lets through in the time of an answer
    would send nothing sooner. The latency is taken for little at first: else a beginning, when connections are made,
    would leave behind threads that are needed at no other time.
    """

    def __init__(self) -> None:
        self._began: dict[int, float] = {}
        self._numbers = itertools.count()
        self._answers = _UNKNOWN
        self._latency = 0.0

    @property
    def number(self) -> int:
        """How many are on their way."""
        return len(self._began)

    def begin(self, now: float) -> int:
        """Count a request that leaves, and return its number.

        Args:
            now: The time, in seconds of a clock that is never set.
        """
        number = next(self._numbers)
        self._began[number] = now
        return number

    def end(self, number: int, now: float, *, was_sent: bool = True) -> None:
        """Count a request that was answered, or failed.

        Args:
            number: What `begin` returned for it.
            was_sent: Whether it was sent at all; else it says nothing of the latency.
        """
        began = self._began.pop(number)
        if was_sent:
            self._answers = min(self._answers + 1, _ANSWERS)
            self._latency += (now - began - self._latency) / self._answers

    def full_for(self, now: float, interval: float) -> float:
        """Return for how long no further request may leave unless one is answered, in seconds; 0 if one may now."""
        if self.number >= MOST_IN_FLIGHT:
            return math.inf
        if self.number < 1 + math.ceil(self._latency / interval * _MARGIN):
            return 0.0
        # Those that hang hold up no others: as many more leave as would while they were answered only now.
        hanging = max(2 * self._latency, _HANGING_SECONDS, self.number * interval)
        return max(0.0, hanging - (now - next(iter(self._began.values()))))
