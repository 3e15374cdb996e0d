"""Delivery: makes true at Promoter what the store says ought to be, beside intake, as the account's limit allows."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

import backoff

from target_promoter.config.settings import Settings
from target_promoter.delivery.sender import MOST_IN_FLIGHT, Answered, Sender
from target_promoter.delivery.turn import Turn, Turns
from target_promoter.errors import DeliveryError, PromoterError
from target_promoter.promoter.answers import FAILURES, Answer, Outcome
from target_promoter.promoter.client import Api
from target_promoter.store.database import Store
from target_promoter.store.summary import Summary
from target_promoter.surveys import claims
from target_promoter.values.times import iso

logger = logging.getLogger("target-promoter.delivery")

_STOP_SECONDS: Final = 5.0
_FIRST_LOOK_SECONDS: Final = 0.1

_SHORTEST_LEAD: Final = 0.02
_LONGEST_LEAD: Final = 0.25
_FORGETTING: Final = 0.9

PATIENCE_SECONDS: Final = 300.0
"""How long delivery goes on without a success."""

_FAILURES_IN_A_ROW: Final = 3
_LONGEST_PAUSE_SECONDS: Final = 30.0
_MOST_DOUBLINGS: Final = 5


class Patience:
    """Counts failures in a row over all requests: how delivery slows down meanwhile, and when it gives up.

    Attributes:
        paused_until: Until when nothing is sent, in epoch seconds.
    """

    def __init__(self) -> None:
        self.paused_until = 0.0
        self._failures = 0
        self._failing_since: float | None = None

    def record(self, answer: Answer, now: float) -> bool:
        """Record an answer, and return whether it was a failure.

        Raises:
            DeliveryError: There was no success for too long.
        """
        if answer.outcome not in FAILURES:
            self._failures, self._failing_since, self.paused_until = 0, None, 0.0
            return False
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = now
        minutes = round(PATIENCE_SECONDS / 60, 1)
        said = " ".join(filter(None, (f"status {answer.status}" if answer.status else "no answer", answer.words)))
        if now - self._failing_since >= PATIENCE_SECONDS:
            raise DeliveryError(
                f"Promoter gave no usable answer for {minutes:g} minutes (last answer: {said}): "
                "the rest stays pending; run again, or `target-promoter deliver`."
            )
        if self._failures == _FAILURES_IN_A_ROW:
            logger.warning(
                "Three requests in a row failed (%s): delivery slows down, and stops after %g minutes without a "
                "success.",
                said,
                minutes,
            )
        if self._failures >= _FAILURES_IN_A_ROW:
            doublings = min(self._failures - _FAILURES_IN_A_ROW, _MOST_DOUBLINGS)
            self.paused_until = now + backoff.full_jitter(min(_LONGEST_PAUSE_SECONDS, 2.0**doublings))
        return True


class Delivery:
    """Delivers contacts and surveys from the store until all that is due is delivered.

    One thread decides, in turns: each turn is one transaction that records the answers so far, claims what is to be
    sent next and reserves the times to send it at. Other threads only send: the next turn is taken while the last
    requests of this one still leave.

    Args:
        summary: Where outcomes and requests are counted.

    Attributes:
        problem: Why it stopped before all was delivered; None if it did not.
        is_done: Whether it ended because nothing that was due was left; other processes may have brought more since.
    """

    def __init__(
        self,
        store: Store,
        client: Api,
        settings: Settings,
        summary: Summary,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._summary = summary
        self._clock = clock
        self._patience = Patience()
        self._turns = Turns(store, settings, clock=clock)
        self._sender = Sender(client, summary, clock=clock)
        self._changed = self._sender.changed
        self._thread = threading.Thread(target=self.run, name="delivery", daemon=True)
        self._is_woken = self._is_finishing = self._is_stopping = False
        self._paused_until = 0.0
        self._answered: list[Answered] = []
        self._unused: tuple[float, float] | None = None
        self._lead = _SHORTEST_LEAD
        self._look_again = _FIRST_LOOK_SECONDS
        self.problem: PromoterError | None = None
        self.is_done = False

    @property
    def waited_seconds(self) -> float:
        """How long requests waited for the account's limit so far."""
        return self._sender.waited_seconds

    def why_pending(self) -> list[str]:
        """Return, in sentences that say what to do, why something that is due was not sent though Promoter answers."""
        sentences = [
            f"Promoter knows no campaign {campaign} («{words}»), so its surveys stay pending: "
            "set the id in `campaigns` to one that `target-promoter check` lists."
            for campaign, words in sorted(self._turns.surveys.unknown_campaigns.items())
        ]
        sentences += [
            f"Promoter knows no contact list {one} («{words}»), so its contacts stay pending: "
            "set the id in `contact_lists`, or in that of a stream, to one that `target-promoter check` lists."
            for one, words in sorted(self._turns.contacts.unknown_lists.items())
        ]
        if self._turns.is_stopped_by_max_surveys:
            sentences.append(
                f"Stopped at `max_surveys_per_run` after {self._settings.max_surveys_per_run} surveys, and more are "
                "due: look at `report`, then run again or raise it."
            )
        return sentences

    def start(self) -> None:
        """Deliver in a thread of its own."""
        self._thread.start()

    def pause(self, seconds: float) -> None:
        """Send nothing for a while, unless `finish` comes before."""
        with self._changed:
            self._paused_until = self._clock() + seconds

    def wake(self, *, surveys: bool) -> None:
        """Look at the store now: there is something new in it.

        Args:
            surveys: Whether there are surveys among it, which leave before the contacts that were claimed already.
        """
        with self._changed:
            self._is_woken = True
            if surveys:
                self._sender.let_surveys_first()
            self._changed.notify_all()

    def finish(self) -> None:
        """Have delivery end when all that is due is delivered: nothing more will come."""
        with self._changed:
            self._is_finishing = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Have delivery end now, but for the answers to requests in flight; it takes a few seconds."""
        with self._changed:
            self._is_stopping = True
            self._sender.interrupt()

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the end of delivery, and return whether it ended.

        Args:
            seconds: How long at the most; None for as long as it takes.
        """
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def run(self) -> None:
        """Deliver in this thread; `problem` says how it ended."""
        try:
            for work in (self._deliver, self._finish_up):
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
            self.problem = self.problem or DeliveryError.unexpected(error)

    def _deliver(self) -> None:
        while self._wait_for_intake():
            turn = self._take_turn(sending=self._clock() >= self._patience.paused_until)
            if turn.requests:
                self._look_again = _FIRST_LOOK_SECONDS
                self._sender.plan(turn)
                self._wait_for_departures()
            elif not turn.again and self._is_over(turn):
                self.is_done = True
                return
            elif not turn.again:
                self._wait(turn)

    def _wait_for_intake(self) -> bool:
        """Wait while delivery is paused, and not even look at the store; return whether to go on."""
        with self._changed:
            while not (self._is_stopping or self._is_finishing) and (left := self._paused_until - self._clock()) > 0:
                self._sender.wait(left, for_answers=False)
            return not self._is_stopping

    def _take_turn(self, *, sending: bool) -> Turn:
        """Record the answers so far, and claim what is to be sent next."""
        now, began = self._clock(), time.monotonic()
        with self._changed:
            problem = self._collect()
            self._is_woken = False
            # As many may be claimed ahead as may be on their way; while that many hang, none.
            flying, planned = self._sender.flight.number, len(self._sender.departures)
            room = min(MOST_IN_FLIGHT, 2 * MOST_IN_FLIGHT - flying - planned) if flying < MOST_IN_FLIGHT else 0
        turn = self._take_in(now, room=max(room, 0) if sending and problem is None else 0)
        took = time.monotonic() - began
        self._lead = min(max(_SHORTEST_LEAD, took + _SHORTEST_LEAD, self._lead * _FORGETTING), _LONGEST_LEAD)
        if problem is not None:
            raise problem
        if turn.next_at is not None and turn.paused_until - now > PATIENCE_SECONDS:
            raise DeliveryError.asked_to_wait(iso(turn.paused_until))
        return turn

    def _collect(self) -> PromoterError | None:
        """Keep what came back, and what was not sent, until it is in the store; return what must end delivery."""
        collected = self._sender.collect()
        self._answered += collected.answered
        self._unused = collected.unused or self._unused
        return collected.problem

    def _take_in(self, now: float, *, room: int) -> Turn:
        """Take a turn with all that came back."""
        answered = self._answered
        turn = self._turns.take(now, answered, room=room, unused=self._unused, lead=self._lead)
        self._answered, self._unused = [], None
        for part, outcomes in (("surveys", turn.surveys), ("contacts", turn.contacts)):
            for outcome, number in outcomes.items():
                self._summary.count(part, outcome, number)  # type: ignore[arg-type] # both are parts
        rate_limited = sum(one.outcome is Outcome.RATE_LIMITED for one in answered)
        self._summary.count("api", "rate_limited", rate_limited)
        for one in answered:
            if one.answer is not None:
                self._sender.record(one.request, failed=self._patience.record(one.answer, now))
        return turn

    def _wait_for_departures(self) -> None:
        """Wait until the next turn must be taken, so that nothing stands still meanwhile."""
        with self._changed:
            while not (self._is_stopping or self._sender.is_interrupted):
                left = self._sender.departures.last_at - self._lead - self._clock()
                if left <= 0:
                    return
                self._sender.wait(left, for_answers=False)

    def _is_over(self, turn: Turn) -> bool:
        """Return whether all that was due is delivered and nothing more comes."""
        with self._changed:
            return self._sender.is_idle and self._is_finishing and not self._is_woken and turn.next_at is None

    def _wait(self, turn: Turn) -> None:
        """Wait until there is something to do."""
        now = self._clock()
        finishing = self._is_finishing
        until = now + claims.LOOK_AGAIN_SECONDS
        with self._changed:
            is_leaving = len(self._sender.departures) > 0
        if finishing:
            # What is left may be another process's, which is about to have the answers.
            until = now + self._look_again
            self._look_again = min(2 * self._look_again, claims.LOOK_AGAIN_SECONDS)
        if turn.next_at is not None and self._sender.flight.number < MOST_IN_FLIGHT and not is_leaving:
            until = min(until, max(turn.next_at, self._patience.paused_until, turn.paused_until))
        with self._changed:
            while not (self._is_stopping or self._is_woken or self._sender.is_interrupted):
                left = until - self._clock()
                # While requests leave, the last of them is waited for: a turn for every answer would be in vain.
                has_news = not self._sender.departures if is_leaving else self._sender.has_answers
                if left <= 0 or has_news or self._is_finishing != finishing:
                    break
                self._sender.wait(left, for_answers=not is_leaving)
        if turn.paused_until > now:
            self._sender.waited_seconds += self._clock() - now

    def _finish_up(self) -> None:
        """Record what is still answered, and give back what was not sent."""
        deadline = time.monotonic() + _STOP_SECONDS
        with self._changed:
            self._sender.interrupt()
            while self._sender.flight.number and time.monotonic() < deadline:
                self._sender.wait(deadline - time.monotonic(), for_answers=True)
            self._collect()
        self._take_in(self._clock(), room=0)
