"""What the threads of delivery share."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_promoter.delivery.flight import Flight

if TYPE_CHECKING:
    from target_promoter.delivery.answered import Answered
    from target_promoter.errors import PromoterError


@dataclass(slots=True)
class Shared:
    """What the sending threads, the delivering one and the run share.

    Attributes:
        changed: Holds for all of it, and tells of every change.
        answered: The requests that came back and were not taken in yet.
        flight: The requests that are on their way.
        halted: Whether nothing more of this turn may be sent.
        woken: Whether there is something new in the store.
        surveys_came: Whether there are surveys among it.
        awaits_answers: Whether the delivering thread waits for an answer; else none needs to wake it.
        held_until: Until when nothing is sent unless `finishing`, in epoch seconds.
        finishing: Whether nothing more will come.
        stopping: Whether delivery is to end now.
        problem: What ends it, as soon as the answers are in the store.
    """

    changed: threading.Condition = field(default_factory=threading.Condition)
    answered: list[Answered] = field(default_factory=list)
    flight: Flight = field(default_factory=Flight)
    halted: bool = False
    woken: bool = False
    surveys_came: bool = False
    awaits_answers: bool = False
    held_until: float = 0.0
    finishing: bool = False
    stopping: bool = False
    problem: PromoterError | None = None

    def wait(self, seconds: float, *, for_answers: bool) -> None:
        """Wait for a change, as the delivering thread; only while `changed` is held.

        Args:
            seconds: How long at the most.
            for_answers: Whether an answer is a change to wake for, if it does not stop what is sent.
        """
        self.awaits_answers = for_answers
        self.changed.wait(min(seconds, threading.TIMEOUT_MAX))

    def take_in(self, number: int, one: Answered, problem: PromoterError | None) -> None:
        """Put down that a request came back, as a sending thread.

        Args:
            number: What its flight counts it by.
            one: The request, and what came of it.
            problem: What went wrong that must end delivery.
        """
        with self.changed:
            self.flight.end(number, time.monotonic(), was_sent=one.answer is not None)
            self.answered.append(one)
            self.problem = self.problem or problem
            halts = problem is not None or one.outcome in {"rate_limited", "unavailable"}
            self.halted |= halts
            if halts or self.awaits_answers:
                self.changed.notify_all()
