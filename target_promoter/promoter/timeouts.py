"""How long a request may be on its way: what everybody goes by who must neither repeat nor overtake it."""

from __future__ import annotations

from typing import Final

SETTLING_SECONDS: Final = 60.0
"""How long a request without an answer may still be at work at Promoter: twice its time-out."""

LATE_SECONDS: Final = 5.0
"""How long after its time a request may still be begun: a machine that slept must not send on a lease of long ago."""

CONNECTING_SECONDS: Final = 10.0
"""How long a request may take to leave, once it was begun: the client uses no connection that took longer."""

CLAIM_SECONDS: Final = 12 * 3600.0
"""Until what age of its claim a survey's request is sent again: well within the 24 hours of Promoter's own throttle."""

LOOK_AGAIN_SECONDS: Final = 1.0
"""How long something that cannot be sent just now is left alone."""


def settled_at(slot: float) -> float:
    """Return when a request that nobody answers for is surely no longer at work, in epoch seconds.

    Until then nobody but the process that made it sends it again, or anything that it must not overtake.

    Args:
        slot: The time it was to leave at, in epoch seconds.
    """
    return slot + LATE_SECONDS + CONNECTING_SECONDS + SETTLING_SECONDS
