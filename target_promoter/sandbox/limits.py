"""Sliding windows: the account's request limits, and how busy its busiest minute was."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

MINUTE: Final = 60.0
DAY: Final = 86_400.0


class Limit:
    """At most so many requests in any window of so many seconds, as Django REST throttles.

    Refused requests do not count towards it.
    """

    def __init__(self, requests: int, seconds: float) -> None:
        self._requests = requests
        self._seconds = seconds
        self._times: deque[float] = deque()

    def wait(self, now: float) -> int:
        """Return the whole seconds a request at `now` (epoch seconds) must wait, or 0."""
        times = self._times
        start = now - self._seconds
        while times and times[0] <= start:
            times.popleft()
        if len(times) < self._requests:
            return 0
        return max(1, math.ceil(times[0] - start)) if times else math.ceil(self._seconds)

    def count(self, now: float) -> None:
        """Count a request let through at `now`, epoch seconds."""
        self._times.append(now)


class Busiest:
    """The most requests seen in any sliding minute, refused ones included."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self.most = 0

    def count(self, now: float) -> None:
        """Count a request that arrived at `now`, epoch seconds."""
        times = self._times
        times.append(now)
        while times[0] <= now - MINUTE:
            times.popleft()
        self.most = max(self.most, len(times))
