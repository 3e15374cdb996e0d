"""Requests on their way: each leaves once and at its time, in a thread of its own, and comes back whatever happens."""

from __future__ import annotations

import itertools
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from target_promoter.contacts.delivery import ContactRequest
from target_promoter.errors import DeliveryError, PromoterError
from target_promoter.promoter import transport
from target_promoter.promoter.answers import Answer, Outcome
from target_promoter.promoter.client import Api
from target_promoter.store.summary import Summary
from target_promoter.surveys.claims import Claim

logger = logging.getLogger("target-promoter.delivery")

Request = Claim | ContactRequest
J = TypeVar("J")

MOST_IN_FLIGHT: Final = 64
"""How many requests may be on their way at once, whatever limit and latency need."""

_MARGIN: Final = 1.1
"""How many times what is needed on average may be on their way, so that what left late is made up for."""

_ANSWERS: Final = 200
"""Over how many answers the latency is taken: one moment in which nothing moves tells little of it."""

_UNKNOWN: Final = 2
"""For how many answers without any latency it stands at first."""

_HANGING_SECONDS: Final = 0.5
"""How long a request is on its way, at the least, that is taken to hang."""

_LATE_SECONDS: Final = 0.2
"""Tolerated lateness of the last request, beyond which the next one's time is put off by it: the margin that is kept
to the limit, 0.9 seconds in a minute, covers that."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that came back.

    Attributes:
        answer: What came of it; None if it was surely not carried out.
    """

    request: Request
    answer: Answer | None

    @property
    def outcome(self) -> Outcome | None:
        """What its answer means; None if it was surely not carried out."""
        return None if self.answer is None else self.answer.outcome


class Flight:
    """Counts the requests that are on their way, and how long their answers take.

    Each has a thread and a connection of its own, and more of them than the limit lets through in the time of an answer
    would send nothing sooner. The latency is taken for little at first: else a beginning, when connections are made,
    would leave behind threads that are needed at no other time.
    """

    def __init__(self) -> None:
        self._began: dict[int, float] = {}
        self._numbers = itertools.count()
        self._answers = _UNKNOWN
        self._latency = 0.0

    @property
    def number(self) -> int:
        """How many are on their way."""
        return len(self._began)

    def begin(self, now: float) -> int:
        """Count a request that leaves, and return its number.

        Args:
            now: The time, in seconds of a clock that is never set.
        """
        number = next(self._numbers)
        self._began[number] = now
        return number

    def end(self, number: int, now: float, *, was_sent: bool = True) -> None:
        """Count a request that was answered, or failed.

        Args:
            number: What `begin` returned for it.
            was_sent: Whether it was sent at all; else it says nothing of the latency.
        """
        began = self._began.pop(number)
        if was_sent:
            self._answers = min(self._answers + 1, _ANSWERS)
            self._latency += (now - began - self._latency) / self._answers

    def seconds_until_free(self, now: float, interval: float) -> float:
        """Return for how long no further request may leave unless one is answered; 0 if one may now."""
        if self.number >= MOST_IN_FLIGHT:
            return math.inf
        if self.number < 1 + math.ceil(self._latency / interval * _MARGIN):
            return 0.0
        # Those that hang hold up no others: as many more leave as would while they were answered only now.
        hanging = max(2 * self._latency, _HANGING_SECONDS, self.number * interval)
        return max(0.0, hanging - (now - next(iter(self._began.values()))))


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests that are to be sent, and when.

    Attributes:
        requests: Surveys first.
        times: When each may leave, in epoch seconds.
        interval: Seconds between two of them.
        reserved_until: Until when times are reserved, in epoch seconds.
        falls_due_at: When the next survey falls due, before which contacts must leave, in epoch seconds.
    """

    requests: list[Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    interval: float = 0.0
    reserved_until: float = 0.0
    falls_due_at: float = math.inf


class Departures:
    """The requests that are claimed and did not leave yet: which is next, and when it may leave.

    Attributes:
        interval: Seconds between two of them.
        contacts_until: When a survey must leave before any further contact, in epoch seconds.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Request, float]] = deque()
        self._left_at = 0.0
        self._reserved_until = 0.0
        self.interval = 0.0
        self.contacts_until = math.inf

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, plan: Plan) -> None:
        """Have more requests leave, after those that wait already."""
        self._waiting.extend(zip(plan.requests, plan.times, strict=True))
        self._reserved_until, self.interval = plan.reserved_until, plan.interval
        self.contacts_until = min(self.contacts_until, plan.falls_due_at)

    @property
    def last_at(self) -> float:
        """When the last of them may leave, in epoch seconds; long ago if none waits."""
        return self._waiting[-1][1] if self._waiting else 0.0

    @property
    def next_at(self) -> float:
        """When the next may leave, in epoch seconds: those that are late do not leave all at once."""
        return max(self._waiting[0][1], self._left_at + self.interval / 2) if self._waiting else math.inf

    @property
    def survey_at(self) -> float:
        """When a survey must leave before the next request, in epoch seconds."""
        return self.contacts_until if self._waiting and isinstance(self._waiting[0][0], ContactRequest) else math.inf

    def leave(self, now: float) -> tuple[Request, float]:
        """Have the next request leave; return it and the time that it was to leave at."""
        self._left_at = now
        return self._waiting.popleft()

    def take_back(self) -> tuple[list[Request], tuple[float, float] | None]:
        """Let none of those that wait leave any more.

        Returns:
            The requests, and the time that the next request may have instead with the end of what is reserved.
        """
        unsent = [request for request, _ in self._waiting]
        # The last request may have left late, however late: the next must not follow it at once.
        free_from = self._left_at + self.interval
        if unsent:
            free_from = max(self._waiting[0][1], free_from)
        elif free_from <= self._reserved_until + _LATE_SECONDS:
            return [], None
        self._waiting.clear()
        return unsent, (free_from, self._reserved_until)


class Workers(Generic[J]):
    """Threads that each do one job at a time.

    They are daemons, unlike those of `concurrent.futures`: a request without an answer must not hold up the end of a
    stopped run for its whole time-out.

    Args:
        work: Does one job; it must not raise.

    Attributes:
        threads: How many threads there are.
    """

    def __init__(self, work: Callable[[J], None]) -> None:
        self._work = work
        self._jobs: queue.SimpleQueue[J | None] = queue.SimpleQueue()
        self.threads = 0

    def submit(self, job: J, *, at_once: int) -> None:
        """Run a job on an idle thread, or a new one; only from one thread.

        Args:
            at_once: How many jobs are not done, this one among them.
        """
        if self.threads < at_once:
            self.threads += 1
            threading.Thread(target=self._run, name=f"delivery-{self.threads}", daemon=True).start()
        self._jobs.put(job)

    def end(self) -> None:
        """Have every thread end after its job; this does not wait for them."""
        for _ in range(self.threads):
            self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._work(job)


@dataclass(frozen=True, slots=True)
class Collected:
    """What the sender hands back.

    Attributes:
        answered: The requests that came back, and those that were not sent, because something else must be looked at
            first.
        unused: The time that the next request may have instead, and until when times were reserved.
        problem: What must end delivery.
    """

    answered: list[Answered]
    unused: tuple[float, float] | None
    problem: PromoterError | None


class Sender:
    """Sends each request at its time, so that the next ones can be claimed meanwhile.

    Attributes:
        changed: Holds for all of it, and tells the delivering thread of what it waits for.
        departures: The requests that did not leave yet.
        flight: The requests that are on their way.
        waited_seconds: How long requests waited for the account's limit so far.
    """

    def __init__(self, client: Api, summary: Summary, *, clock: Callable[[], float]) -> None:
        self._client = client
        self._summary = summary
        self._clock = clock
        lock = threading.RLock()
        self.changed = threading.Condition(lock)
        self._departure = threading.Condition(lock)
        self.departures = Departures()
        self.flight = Flight()
        self.waited_seconds = 0.0
        self._answered: list[Answered] = []
        self._problem: PromoterError | None = None
        self._is_interrupted = self._has_ended = False
        self._awaits_answers = self._awaits_room = False
        self._workers: Workers[tuple[Request, float, int]] = Workers(self._send)
        self._failed: set[str | int] = set()
        self._thread: threading.Thread | None = None

    @property
    def has_answers(self) -> bool:
        """Whether requests came back that were not collected yet."""
        return bool(self._answered)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits, is on its way, or was not collected yet."""
        return not (len(self.departures) or self.flight.number or self._answered)

    @property
    def is_interrupted(self) -> bool:
        """Whether nothing leaves any more until what came back is collected."""
        return self._is_interrupted

    def plan(self, plan: Plan) -> None:
        """Have requests leave at their times; this does not wait for them."""
        with self.changed:
            self.departures.add(plan)
            self._departure.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._depart, name="departures", daemon=True)
                self._thread.start()

    def collect(self) -> Collected:
        """Return what came back, and after an interruption also what was not sent; from now on all may leave again."""
        with self.changed:
            answered, unused = self._answered, None
            if self._is_interrupted or not self.departures:
                unsent, unused = self.departures.take_back()
                answered += [Answered(one, None) for one in unsent]
            self._answered = []
            self._is_interrupted, self.departures.contacts_until = False, math.inf
            return Collected(answered, unused, self._problem)

    def interrupt(self) -> None:
        """Have nothing leave any more until what came back is collected."""
        with self.changed:
            self._is_interrupted = True
            self.changed.notify_all()

    def let_surveys_first(self) -> None:
        """Have no further contact leave before what came back is collected: there are new surveys."""
        with self.changed:
            self.departures.contacts_until = 0.0
            self._departure.notify()

    def wait(self, seconds: float, *, for_answers: bool) -> None:
        """Wait for a change, as the delivering thread; only while `changed` is held.

        Args:
            for_answers: Whether an answer is a change to wake for, if it does not stop what is sent.
        """
        self._awaits_answers = for_answers
        self.changed.wait(min(seconds, threading.TIMEOUT_MAX))
        self._awaits_answers = False

    def record(self, request: Request, *, failed: bool) -> None:
        """Remember how a request ended: the next one for the same contact or survey is a retry if it failed."""
        (self._failed.add if failed else self._failed.discard)(_key(request))

    def end(self) -> None:
        """Send nothing more; this does not wait for what is on its way."""
        with self.changed:
            self._has_ended = True
            self._departure.notify()
        self._workers.end()

    def _depart(self) -> None:
        """Have each request leave at its time; runs in a thread of its own."""
        try:
            with self.changed:
                while not self._has_ended:
                    seconds = self.seconds_until_departure()
                    if seconds <= 0:
                        self._leave()
                    else:
                        self._wait_for_departure(seconds)
        except Exception as error:
            logger.debug("Sending failed.", exc_info=True)
            with self.changed:
                self._problem = self._problem or DeliveryError.unexpected(error)
                self.interrupt()

    def _wait_for_departure(self, seconds: float) -> None:
        waits, began = len(self.departures) > 0, self._clock()
        self._departure.wait(min(seconds, threading.TIMEOUT_MAX))
        self.waited_seconds += self._clock() - began if waits else 0.0

    def seconds_until_departure(self) -> float:
        """Return for how long no request may leave unless something changes; 0 if one may now."""
        if self._is_interrupted or not self.departures:
            return math.inf
        now = self._clock()
        survey_at = self.departures.survey_at
        if survey_at <= now:
            self.interrupt()
            return math.inf
        early = self.departures.next_at - now
        self._awaits_room = early <= 0
        left = early if early > 0 else self.flight.seconds_until_free(time.monotonic(), self.departures.interval)
        return max(0.0, min(left, survey_at - now))

    def _leave(self) -> None:
        now = self._clock()
        request, at = self.departures.leave(now)
        number = self.flight.begin(time.monotonic())
        self._workers.submit((request, at, number), at_once=self.flight.number)
        if not self.departures:
            self.changed.notify_all()

    def _send(self, job: tuple[Request, float, int]) -> None:
        """Send one request; runs in a thread of `Workers`."""
        request, at, number = job
        answer: Answer | None = None
        problem: PromoterError | None = None
        try:
            # A machine that slept must not send on a lease that somebody else may have taken since.
            if self._clock() - at < transport.LATE_SECONDS:
                retry = _key(request) in self._failed or getattr(request, "unanswered", 0) > 0
                self._summary.count("api", "requests")
                self._summary.count("api", "retries", int(retry))
                answer = self._call(request)
        except PromoterError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - the thread must hand back its request whatever happens
            # It may have left, so it counts as one without an answer.
            answer = Answer(Outcome.UNANSWERED, words=type(error).__name__)
            problem = DeliveryError.unexpected(error)
        self._take_back(number, Answered(request, answer), problem)

    def _take_back(self, number: int, one: Answered, problem: PromoterError | None) -> None:
        """Put a request that came back where the delivering thread finds it."""
        with self.changed:
            self.flight.end(number, time.monotonic(), was_sent=one.answer is not None)
            self._answered.append(one)
            self._problem = self._problem or problem
            if problem is not None or one.outcome in {Outcome.RATE_LIMITED, Outcome.UNAVAILABLE}:
                self.interrupt()
            elif self._awaits_answers:
                self.changed.notify_all()
            if self._awaits_room:
                self._departure.notify()

    def _call(self, request: Request) -> Answer:
        if not isinstance(request, ContactRequest):
            return self._client.survey(request.request.encode())
        if request.body is None:
            return self._client.remove_contact(request.email)
        if request.leaves is not None:
            return self._client.leave_list(request.leaves, request.body.encode())
        return self._client.save_contact(request.body.encode())


def _key(request: Request) -> str | int:
    return request.email if isinstance(request, ContactRequest) else request.id
