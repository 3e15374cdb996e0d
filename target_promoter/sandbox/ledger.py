"""What an account remembers of the requests it got; forgotten when its process ends."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from target_promoter.sandbox.limits import Busiest
from target_promoter.sandbox.records import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUESTS_KEPT = 1_000


class Ledger:
    """The account's memory of its callers.

    Attributes:
        requests: The last :data:`REQUESTS_KEPT` requests, oldest first.
        counters: How many requests by (path, status); numbers in a path read ``{id}``, a path
            the API does not have reads ``(unknown)``, the status of a cut connection is None.
        busiest: The most requests in any sliding minute.
        posted: The last ``POST /api/contacts/`` body of each e-mail address, as received.
        mass_sends: Campaign ids whose ``send-surveys`` was called: it e-mails a whole list
            and must never be.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.requests: deque[Request] = deque(maxlen=REQUESTS_KEPT)
        self.counters: Counter[tuple[str, int | None]] = Counter()
        self.busiest = Busiest()
        self.posted: dict[str, Mapping[str, object]] = {}
        self.mass_sends: list[int] = []

    def note(self, request: Request, route: str) -> None:
        """Note a finished request.

        Args:
            request: What came and what it got.
            route: Its path as counted.
        """
        self.requests.append(request)
        self.counters[route, request.status] += 1
