"""What the threads of delivery share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_promoter.delivery.answered import Answered
    from target_promoter.errors import PromoterError


@dataclass(slots=True)
class Shared:
    """What the sending threads, the delivering one and the run share.

    Attributes:
        changed: Holds for all of it, and tells of every change.
        answered: The requests that came back and were not taken in yet.
        in_flight: How many requests are on their way.
        halted: Whether nothing more of this turn may be sent.
        woken: Whether there is something new in the store.
        surveys_came: Whether there are surveys among it.
        held_until: Until when nothing is sent unless `finishing`, in epoch seconds.
        finishing: Whether nothing more will come.
        stopping: Whether delivery is to end now.
        problem: What ends it, as soon as the answers are in the store.
    """

    changed: threading.Condition = field(default_factory=threading.Condition)
    answered: list[Answered] = field(default_factory=list)
    in_flight: int = 0
    halted: bool = False
    woken: bool = False
    surveys_came: bool = False
    held_until: float = 0.0
    finishing: bool = False
    stopping: bool = False
    problem: PromoterError | None = None
