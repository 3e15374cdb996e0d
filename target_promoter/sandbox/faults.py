"""What goes wrong between a caller and the account, and how often."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

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


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    """

    rate: Annotated[float, Meta(ge=0, le=1)] = 0.0
    kinds: Annotated[tuple[Kind, ...], Meta(min_length=1)] = ("error", "reset_before", "reset_after", "garbage")
    seed: int = 0
    times: int | None = None
    only: str = ""
    statuses: Annotated[tuple[Annotated[int, Meta(ge=400, le=599)], ...], Meta(min_length=1)] = (500, 503)
    latency: Annotated[float, Meta(ge=0)] = 0.0
    burst: Annotated[int, Meta(ge=1)] = 3
    retry_after: Annotated[int, Meta(ge=0)] = 1
    retry_after_date: bool = False
    failing_emails: tuple[str, ...] = ()


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
