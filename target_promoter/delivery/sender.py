"""Sending requests, each once and in a thread of its own, and handing back what came of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from target_promoter.contacts.delivery import ContactRequest
from target_promoter.delivery.answered import Answered
from target_promoter.delivery.workers import Workers
from target_promoter.errors import DeliveryError, PromoterError
from target_promoter.promoter import timeouts as times
from target_promoter.promoter.answers import Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_promoter.delivery.answered import Request
    from target_promoter.delivery.shared import Shared
    from target_promoter.promoter.api import Api
    from target_promoter.store.summary import Summary


class Sender:
    """Sends requests and puts what came of them where the delivering thread finds it.

    Args:
        shared: Where answers are put.
        summary: Where requests are counted.
    """

    def __init__(self, client: Api, shared: Shared, summary: Summary, *, clock: Callable[[], float]) -> None:
        self._client = client
        self._shared = shared
        self._summary = summary
        self._clock = clock
        self._workers: Workers[tuple[Request, float, int]] = Workers(self._send)
        self._failed: set[str | int] = set()

    def send(self, request: Request, at: float) -> None:
        """Send a request; this does not wait for its answer.

        Args:
            at: The time that it has at the account's limit, in epoch seconds.
        """
        flight = self._shared.flight
        with self._shared.changed:
            number, at_once = flight.begin(time.monotonic()), flight.number
        self._workers.submit((request, at, number), at_once=at_once)

    def note(self, request: Request, *, failed: bool) -> None:
        """Note how a request ended: the next one for the same contact or survey is a retry if it failed.

        Args:
            failed: Whether it failed.
        """
        (self._failed.add if failed else self._failed.discard)(_key(request))

    def end(self) -> None:
        """Send nothing more; this does not wait for what is on its way."""
        self._workers.end()

    def _send(self, job: tuple[Request, float, int]) -> None:
        """Send one request; runs in a thread of `Workers`."""
        request, at, number = job
        answer: Answer | None = None
        problem: PromoterError | None = None
        try:
            # A machine that slept must not send on a lease that somebody else may have taken since.
            if self._clock() - at < times.LATE_SECONDS:
                retry = _key(request) in self._failed or getattr(request, "unanswered", 0) > 0
                self._summary.count("api", "requests")
                self._summary.count("api", "retries", int(retry))
                answer = self._call(request)
        except PromoterError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - the thread must hand back its request whatever happens
            # It may have left, so it counts as one without an answer.
            answer = Answer(Outcome.UNANSWERED, words=type(error).__name__)
            problem = DeliveryError.unforeseen(error)
        self._shared.take_in(number, Answered(request, answer), problem)

    def _call(self, request: Request) -> Answer:
        if not isinstance(request, ContactRequest):
            return self._client.survey(request.request.encode())
        if request.body is None:
            return self._client.remove_contact(request.email)
        return self._client.save_contact(request.body.encode())


def _key(request: Request) -> str | int:
    return request.email if isinstance(request, ContactRequest) else request.id
