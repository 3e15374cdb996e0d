"""What goes wrong between a caller and the account, and how often."""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal, get_args

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


Kind = Literal[
    "error",
    "error_after",
    "reset_before",
    "reset_after",
    "garbage",
    "slow_before",
    "slow_after",
    "burst_429",
    "hang",
]
"""One thing that goes wrong:

- `error`: a status of `Faults.statuses`; nothing is carried out.
- `error_after`: carried out, then status 500.
- `reset_before`: the connection is cut without an answer; nothing is carried out.
- `reset_after`: carried out, then the connection is cut without an answer.
- `garbage`: carried out, then status 200 with a body that is no JSON.
- `slow_before`: `Faults.latency` seconds pass, then it is carried out and answered, also
  when the caller is gone: a first request can be at work while its repeat comes.
- `slow_after`: carried out at once, answered `Faults.latency` seconds later.
- `burst_429`: this request and the next ones, `Faults.burst` in all, get status 429;
  nothing is carried out.
- `hang`: never answered and never carried out; the connection stays open.
"""

NOT_CARRIED_OUT: Final = frozenset[Kind]({"error", "reset_before", "burst_429", "hang"})
"""The kinds after which the account is as it was."""

_HIGHEST_STATUS: Final = 599


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong; the default is nothing.

    Attributes:
        rate: Share of the API's requests that meet a fault, 0 to 1.
        kinds: What they meet, each as likely as the other; name one twice to make it likelier.
        seed: The same seed gives the same faults to the same sequence of requests.
        times: After so many faults nothing more goes wrong; None for no end.
        only: Only requests whose path ends in this meet a fault; empty for all of the API.
        statuses: What `error` answers, each as likely as the other.
        latency: Seconds that `slow_before` and `slow_after` take.
        burst: How many requests one `burst_429` refuses.
        retry_after: Seconds that its Retry-After names.
        retry_after_date: Retry-After, here and over the real limit, is an HTTP date.
        failing_emails: Requests whose body holds one of these addresses always get status 500,
            beside `rate` and `times`; nothing is carried out.

    Raises:
        ValueError: A value is out of its range.
    """

    rate: float = 0.0
    kinds: tuple[Kind, ...] = ("error", "reset_before", "reset_after", "garbage")
    seed: int = 0
    times: int | None = None
    only: str = ""
    statuses: tuple[int, ...] = (500, 503)
    latency: float = 0.0
    burst: int = 3
    retry_after: int = 1
    retry_after_date: bool = False
    failing_emails: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if not 0 <= self.rate <= 1:
            message = f"rate is {self.rate}: it is a share, 0 to 1."
            raise ValueError(message)
        unknown = set(self.kinds) - set(get_args(Kind))
        if unknown or not self.kinds:
            message = f"kinds holds {sorted(unknown)}: choose one or more of {get_args(Kind)}."
            raise ValueError(message)
        if not self.statuses or any(not 400 <= s <= _HIGHEST_STATUS for s in self.statuses):  # noqa: PLR2004 - HTTP's own numbers
            message = f"statuses is {self.statuses}: errors are 400 to {_HIGHEST_STATUS}."
            raise ValueError(message)
        if self.latency < 0 or self.burst < 1 or self.retry_after < 0:
            message = "latency and retry_after must be 0 or more, burst 1 or more."
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Fault:
    """One drawn fault.

    Attributes:
        kind: What goes wrong.
        status: What `error` answers.
    """

    kind: Kind
    status: int


class Dice:
    """Draws a fault, or none, for each request.

    Args:
        faults: What to draw from.
    """

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._random = random.Random(faults.seed)  # noqa: S311 - repeatable, not secret
        self._drawn = 0
        self._burst_left = 0
        self._failing = [f'"{email}"'.encode() for email in faults.failing_emails]

    def draw(self, path: str, body: bytes) -> Fault | None:
        """Draw for one request.

        Args:
            path: Of the request.
            body: As received.

        Returns:
            The fault it meets, or None.
        """
        faults = self.faults
        if self._failing and any(email in body for email in self._failing):
            return Fault("error", 500)
        if not path.endswith(faults.only):
            return None
        if self._burst_left:
            self._burst_left -= 1
            return Fault("burst_429", 429)
        if not faults.rate or (faults.times is not None and self._drawn >= faults.times):
            return None
        if self._random.random() >= faults.rate:
            return None
        self._drawn += 1
        kind = self._random.choice(faults.kinds)
        if kind == "burst_429":
            self._burst_left = faults.burst - 1
        return Fault(kind, self._random.choice(faults.statuses) if kind == "error" else 500)
