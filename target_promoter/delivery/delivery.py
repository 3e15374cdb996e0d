"""Delivery: makes true at Promoter what the store says ought to be, beside intake, as the account's limit allows."""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import TYPE_CHECKING, Final

from target_promoter.contacts.delivery import ContactRequest
from target_promoter.delivery.flight import MOST_IN_FLIGHT
from target_promoter.delivery.patience import Patience
from target_promoter.delivery.sender import Sender
from target_promoter.delivery.shared import Shared
from target_promoter.delivery.turn import Turns
from target_promoter.errors import DeliveryError, PromoterError
from target_promoter.promoter import timeouts as times
from target_promoter.values.times import iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_promoter.config.settings import Settings
    from target_promoter.delivery.answered import Answered, Request
    from target_promoter.delivery.turn import Turn
    from target_promoter.promoter.api import Api
    from target_promoter.store.database import Store
    from target_promoter.store.summary import Summary

logger = logging.getLogger("target-promoter.delivery")

_STOP_SECONDS: Final = 5.0
_LATE_SECONDS: Final = 0.2
"""How much later than its time the last request of a turn may leave, before the next one's time is put off by it: the
margin that is kept to the limit, 0.9 seconds in a minute, covers that."""

_FIRST_LOOK_SECONDS: Final = 0.1


class Delivery:
    """Delivers contacts and surveys from the store until all that is due is delivered.

    One thread decides, in turns: each turn is one transaction that takes in the answers so far, claims what is to be
    sent next and reserves the times to send it at. Other threads only send.

    Args:
        summary: Where outcomes and requests are counted.
        patience: Seconds without one success after which delivery stops; None for as many as usual.

    Attributes:
        problem: Why it stopped before all was delivered; None if it did not.
        is_done: Whether it ended because nothing that was due was left; other processes may have brought more since.
        waited_seconds: How long requests waited for the account's limit so far.
    """

    def __init__(
        self,
        store: Store,
        client: Api,
        settings: Settings,
        summary: Summary,
        *,
        clock: Callable[[], float] = time.time,
        patience: float | None = None,
    ) -> None:
        self._settings = settings
        self._summary = summary
        self._clock = clock
        self._patience = Patience(patience)
        self._turns = Turns(store, settings, clock=clock)
        self._shared = Shared()
        self._sender = Sender(client, self._shared, summary, clock=clock)
        self._thread = threading.Thread(target=self.run, name="delivery", daemon=True)
        self._unsent: list[Request] = []
        self._unused: tuple[float, float] | None = None
        self._left_at = 0.0
        self._look_again = _FIRST_LOOK_SECONDS
        self._answered: list[Answered] = []
        self.problem: PromoterError | None = None
        self.is_done = False
        self.waited_seconds = 0.0

    def left_behind(self) -> list[str]:
        """Return, in sentences that say what to do, why something that is due was not sent though Promoter answers."""
        sentences = [
            f"Promoter knows no campaign {campaign} («{words}»), so its surveys stay pending: "
            "set the id in `campaigns` to one that `target-promoter check` lists."
            for campaign, words in sorted(self._turns.unknown_campaigns.items())
        ]
        sentences += [
            f"Promoter knows no contact list {one} («{words}»), so its contacts stay pending: "
            "set the id in `contact_lists`, or in that of a stream, to one that `target-promoter check` lists."
            for one, words in sorted(self._turns.unknown_lists.items())
        ]
        if self._turns.is_held_by_fuse:
            sentences.append(
                f"The fuse `max_surveys_per_run` held after {self._settings.max_surveys_per_run} surveys, and more are "
                "due: look at `report`, then run again or raise it."
            )
        return sentences

    def start(self) -> None:
        """Deliver in a thread of its own."""
        self._thread.start()

    def hold(self, seconds: float) -> None:
        """Send nothing for a while, unless `finish` comes before.

        Args:
            seconds: For how long.
        """
        with self._shared.changed:
            self._shared.held_until = self._clock() + seconds

    def wake(self, *, surveys: bool) -> None:
        """Have a look at the store now: there is something new in it.

        Args:
            surveys: Whether there are surveys among it, which leave before the contacts that were claimed already.
        """
        with self._shared.changed:
            self._shared.woken = True
            self._shared.surveys_came |= surveys
            self._shared.changed.notify_all()

    def finish(self) -> None:
        """Have delivery end when all that is due is delivered: nothing more will come."""
        with self._shared.changed:
            self._shared.finishing = True
            self._shared.changed.notify_all()

    def stop(self) -> None:
        """Have delivery end now, but for the answers to requests in flight; it takes a few seconds."""
        with self._shared.changed:
            self._shared.stopping = True
            self._shared.changed.notify_all()

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the end of delivery.

        Args:
            seconds: How long at the most; None for as long as it takes.

        Returns:
            Whether it ended.
        """
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def run(self) -> None:
        """Deliver in this thread; `problem` says how it ended."""
        try:
            for work in (self._deliver, self._wind_up):
                self._attempt(work)
        finally:
            self._sender.end()

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except PromoterError as error:
            self.problem = self.problem or error
        except Exception as error:
            logger.debug("Delivery failed.", exc_info=True)
            self.problem = self.problem or DeliveryError.unforeseen(error)

    def _deliver(self) -> None:
        self._let_intake_begin()
        while not self._shared.stopping:
            turn = self._take_turn(sending=self._clock() >= self._resting_until())
            if turn.requests:
                self._look_again = _FIRST_LOOK_SECONDS
                self._dispatch(turn)
            elif not turn.again and self._is_over(turn):
                self.is_done = True
                return
            elif not turn.again:
                self._wait(turn)

    def _let_intake_begin(self) -> None:
        """Wait while delivery is held, and not even look at the store."""
        with self._shared.changed:
            while not (self._shared.stopping or self._shared.finishing):
                left = self._shared.held_until - self._clock()
                if left <= 0:
                    return
                self._shared.wait(left, for_answers=False)

    def _resting_until(self) -> float:
        """Return until when nothing is sent, in epoch seconds."""
        paused = self._patience.paused_until
        return paused if self._shared.finishing else max(paused, self._shared.held_until)

    def _take_turn(self, *, sending: bool) -> Turn:
        """Take in the answers so far, and claim what is to be sent next."""
        now = self._clock()
        with self._shared.changed:
            answered, self._shared.answered = self._shared.answered, []
            self._shared.halted = self._shared.woken = self._shared.surveys_came = False
            room = MOST_IN_FLIGHT - self._shared.flight.number
            problem = self._shared.problem
            self._answered += answered
        turn = self._take_in(now, room=max(room, 0) if sending and problem is None else 0)
        if problem is not None:
            raise problem
        if turn.next_at is not None and turn.paused_until - now > self._patience.seconds:
            raise DeliveryError.asked_to_wait(iso(turn.paused_until))
        return turn

    def _take_in(self, now: float, *, room: int) -> Turn:
        """Take a turn; what came back is kept until it is in the store."""
        answered = self._answered
        turn = self._turns.take(now, answered, self._unsent, room=room, unused=self._unused)
        self._answered, self._unsent, self._unused = [], list(turn.requests), None
        for part, outcomes in (("surveys", turn.surveys), ("contacts", turn.contacts)):
            for outcome, number in outcomes.items():
                self._summary.count(part, outcome, number)  # type: ignore[arg-type] # both are parts
        self._summary.count("api", "rate_limited", sum(one.outcome == "rate_limited" for one in answered))
        for one in answered:
            if one.answer is not None:
                self._sender.note(one.request, failed=self._patience.judge(one.answer, now))
        return turn

    def _dispatch(self, turn: Turn) -> None:
        """Send the requests of a turn, each at its time, and those that are late, as turns take time, not at once."""
        spacing, earliest = (turn.times[-1] - turn.times[0]) / len(turn.times) / 2, 0.0
        for at in turn.times:
            began = self._clock()
            is_contact = isinstance(self._unsent[0], ContactRequest)
            falls_due_at = turn.falls_due_at if is_contact else None
            in_time = self._wait_for_time(max(at, earliest), turn.interval, falls_due_at)
            self.waited_seconds += self._clock() - began
            earliest = self._clock() + spacing
            if not in_time:
                # The last request may have left late, however late: the next must not follow it at once.
                self._unused = (max(at, self._left_at + turn.interval), turn.reserved_until)
                return
            self._left_at = self._clock()
            self._sender.send(self._unsent.pop(0), at)
        if self._left_at + turn.interval > turn.reserved_until + _LATE_SECONDS:
            self._unused = (self._left_at + turn.interval, turn.reserved_until)

    def _wait_for_time(self, at: float, interval: float, falls_due_at: float | None) -> bool:
        """Wait for the time of a request; return False if it must not be sent any more, or not before a survey.

        Args:
            at: The time of the request, in epoch seconds.
            falls_due_at: When the next survey falls due, in epoch seconds; None if the request is a survey's itself.
        """
        with self._shared.changed:
            while True:
                if self._shared.stopping or self._shared.halted:
                    return False
                now = self._clock()
                if falls_due_at is not None and (self._shared.surveys_came or now >= falls_due_at):
                    return False
                early = at > now
                left = at - now if early else self._shared.flight.full_for(time.monotonic(), interval)
                if left <= 0:
                    return True
                self._shared.wait(min(left, (falls_due_at or math.inf) - now), for_answers=not early)

    def _is_over(self, turn: Turn) -> bool:
        """Return whether all that was due is delivered and nothing more comes."""
        with self._shared.changed:
            idle = self._shared.flight.number == 0 and not self._shared.answered
            return idle and self._shared.finishing and not self._shared.woken and turn.next_at is None

    def _wait(self, turn: Turn) -> None:
        """Wait until there is something to do."""
        now = self._clock()
        finishing = self._shared.finishing
        until = now + times.LOOK_AGAIN_SECONDS
        if finishing:
            # What is left may be another process's, which is about to have the answers.
            until = now + self._look_again
            self._look_again = min(2 * self._look_again, times.LOOK_AGAIN_SECONDS)
        if turn.next_at is not None and self._shared.flight.number < MOST_IN_FLIGHT:
            until = min(until, max(turn.next_at, self._resting_until(), turn.paused_until))
        with self._shared.changed:
            while not (self._shared.stopping or self._shared.answered or self._shared.woken):
                left = until - self._clock()
                if left <= 0 or self._shared.finishing != finishing:
                    break
                self._shared.wait(left, for_answers=True)
        if turn.paused_until > now:
            self.waited_seconds += self._clock() - now

    def _wind_up(self) -> None:
        """Take in what is still answered, and give back what was not sent."""
        deadline = time.monotonic() + _STOP_SECONDS
        with self._shared.changed:
            while self._shared.flight.number and time.monotonic() < deadline:
                self._shared.wait(deadline - time.monotonic(), for_answers=True)
            self._answered += self._shared.answered
            self._shared.answered = []
        self._take_in(self._clock(), room=0)
