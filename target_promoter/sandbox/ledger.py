"""What an account remembers of its callers, and the limits that it sets them."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Mapping
from typing import Final

from target_promoter.sandbox.records import Request

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


REQUESTS_KEPT: Final = 1_000


class Ledger:
    """The account's memory of its callers, and the limits it sets them; safe in any thread.

    Args:
        *limits: Of requests, or None for no limit, and the seconds that they are counted over.

    Attributes:
        changes: Counts up with every request and every reset.
    """

    def __init__(self, *limits: tuple[int | None, float]) -> None:
        self._given = limits
        self._lock = threading.Lock()
        self.changes = 0
        self.reset()

    def reset(self) -> None:
        """Forget all that was seen."""
        with self._lock:
            self.changes += 1
            self._limits = [Limit(most, span) for most, span in self._given if most is not None]
            self._busiest_minute = 0
            self._minute: deque[float] = deque()
            self._requests: deque[Request] = deque(maxlen=REQUESTS_KEPT)
            self._counters: Counter[tuple[str, int | None]] = Counter()
            self._posted: dict[str, Mapping[str, object]] = {}
            self._mass_sends: list[int] = []

    @property
    def requests(self) -> list[Request]:
        """The last `REQUESTS_KEPT` requests to the API, oldest first."""
        with self._lock:
            return list(self._requests)

    @property
    def counters(self) -> Counter[tuple[str, int | None]]:
        """How many requests by (path, status).

        Numbers in a path read `{id}`, a path the API lacks reads `(unknown)`; the status of
        a connection cut without an answer is None.
        """
        with self._lock:
            return Counter(self._counters)

    @property
    def busiest_minute(self) -> int:
        """The most requests that came in any 60 seconds, refused ones included."""
        with self._lock:
            return self._busiest_minute

    @property
    def posted(self) -> dict[str, Mapping[str, object]]:
        """The last accepted `POST /api/contacts/` body of each address, as received."""
        with self._lock:
            return dict(self._posted)

    @property
    def mass_sends(self) -> list[int]:
        """Campaign ids whose `send-surveys` was called, which nothing ever should."""
        with self._lock:
            return list(self._mass_sends)

    def arrived(self, now: float) -> None:
        """Count a request that arrived at `now`, epoch seconds, towards the busiest minute."""
        with self._lock:
            self._minute.append(now)
            while self._minute[0] <= now - MINUTE:
                self._minute.popleft()
            self._busiest_minute = max(self._busiest_minute, len(self._minute))

    def wait(self, now: float) -> int:
        """Count a request at `now`, epoch seconds, against the limits.

        Returns:
            Whole seconds it must wait, or 0 when it is let through.
        """
        with self._lock:
            wait = max((limit.wait(now) for limit in self._limits), default=0)
            if not wait:
                for limit in self._limits:
                    limit.count(now)
            return wait

    def note(self, request: Request, route: str) -> None:
        """Note a finished request; `route` is its path as counted."""
        with self._lock:
            self.changes += 1
            self._requests.append(request)
            self._counters[route, request.status] += 1

    def note_posted(self, email: str, body: Mapping[str, object]) -> None:
        """Note an accepted contact body."""
        with self._lock:
            self._posted[email] = body

    def note_mass_send(self, campaign: int) -> None:
        """Note a call of `send-surveys`."""
        with self._lock:
            self._mass_sends.append(campaign)
