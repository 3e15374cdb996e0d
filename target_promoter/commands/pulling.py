"""Reading the account's contacts page by page, at the account's pace, beside whoever delivers."""

from __future__ import annotations

import functools
import logging
import queue
import time
from collections.abc import Callable
from typing import Final

from target_promoter.config.settings import Settings
from target_promoter.contacts import pulled
from target_promoter.contacts.pulled import Reading
from target_promoter.delivery import limit as clock
from target_promoter.delivery.delivery import PATIENCE_SECONDS, Patience
from target_promoter.delivery.sender import Workers
from target_promoter.errors import DeliveryError, PromoterError
from target_promoter.intake.pulling import know_people, let_wait
from target_promoter.promoter.answers import FAILURES, Answer, Outcome
from target_promoter.promoter.client import Client, ContactPage
from target_promoter.singer.signals import Signals
from target_promoter.store import runs
from target_promoter.store.database import Store
from target_promoter.store.summary import Summary
from target_promoter.store.transaction import Transaction
from target_promoter.values.times import iso

_LOOK_SECONDS: Final = 0.1
"""How often a pull that waits looks whether it is told to stop."""

_TELL_SECONDS: Final = 10.0
"""How often it tells how far it is."""

logger = logging.getLogger("target-promoter.pull")

Found = tuple[Answer, ContactPage] | PromoterError


class PageRefusedError(DeliveryError):
    """Promoter does not give a page."""

    def __init__(self, contact_list: int | None, answer: Answer) -> None:
        """Build the sentence."""
        what = "its contacts" if contact_list is None else f"the contacts of the list {contact_list}"
        words = f", «{answer.words}»" if answer.words else ""
        super().__init__(
            f"Promoter does not list {what} (status {answer.status}{words}): "
            "see that `target-promoter check` finds all in order."
        )


class Pull:
    """Reads the account from where the last pull was stopped, or from its beginning.

    Args:
        clock: The time, in epoch seconds.
        summary: Where requests are counted.
    """

    def __init__(
        self,
        store: Store,
        client: Client,
        settings: Settings,
        signals: Signals,
        summary: Summary,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._client = client
        self._settings = settings
        self._signals = signals
        self._summary = summary
        self._clock = clock
        self._patience = Patience()
        # In a thread of its own, so that a stop does not wait for an answer.
        self._answers: queue.SimpleQueue[Found] = queue.SimpleQueue()
        self._workers = Workers(self._ask)
        self._known: dict[str, int] = {}
        self._told_at = clock()

    @property
    def people(self) -> int:
        """How many people are known by their contact alone."""
        return sum(self._known.values())

    def run(self) -> Reading:
        """Read all, and know what follows from it.

        Raises:
            StoppedError: It was told to stop; the next pull goes on where it was.
            DeliveryError: Promoter does not answer, or not so that anything can be read.
        """
        reading = self._store.read(pulled.unfinished)
        if reading is None:
            reading = Reading(self._clock(), self._settings.all_contact_lists)
        try:
            while not reading.is_whole:
                reading = self._read_page(reading)
        finally:
            self._workers.end()
        return self._conclude(reading)

    def _read_page(self, reading: Reading) -> Reading:
        """Ask once for the next page, and return how far the account is read then."""
        self._wait_until(max(self._store.write(self._reserve), self._patience.paused_until))
        asked_at = self._clock()
        self._summary.count("api", "requests")
        answer, page = self._answer(reading)
        now = self._clock()
        after = self._store.write(lambda tx: self._take_in(tx, reading, answer, page, asked_at, now))
        failed = self._patience.judge(answer, now)
        self._summary.count("api", "retries", int(failed))
        self._summary.count("api", "rate_limited", int(answer.outcome is Outcome.RATE_LIMITED))
        self._tell(after, now)
        return after

    def _tell(self, reading: Reading, now: float) -> None:
        if now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            of = "" if reading.contact_list is None else f" of the list {reading.contact_list}"
            logger.info("Read %s of %s contacts%s.", f"{reading.read:,}", f"{reading.count or 0:,}", of)

    def _reserve(self, tx: Transaction) -> float:
        """Return when the next request may leave, in epoch seconds."""
        now, limit = self._clock(), self._settings.requests_per_minute
        clock.correct(tx, now, limit=limit)
        slots = clock.free(tx, now, limit=limit, horizon=PATIENCE_SECONDS, most=1)
        if not slots.number:
            raise DeliveryError.asked_to_wait(iso(slots.first))
        clock.take(tx, slots, 1)
        return slots.first

    def _wait_until(self, time_to_leave: float) -> None:
        while (seconds := time_to_leave - self._clock()) > 0:
            self._signals.check()
            time.sleep(min(seconds, _LOOK_SECONDS))
        self._signals.check()

    def _answer(self, reading: Reading) -> tuple[Answer, ContactPage]:
        self._workers.submit(reading, at_once=1)
        while True:
            try:
                found = self._answers.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                self._signals.check()
                continue
            if isinstance(found, PromoterError):
                raise found
            return found

    def _ask(self, reading: Reading) -> None:
        try:
            found: Found = self._client.contacts(reading.page, reading.contact_list)
        except PromoterError as error:
            found = error
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            found = DeliveryError.unexpected(error)
        self._answers.put(found)

    def _take_in(
        self, tx: Transaction, reading: Reading, answer: Answer, page: ContactPage, asked_at: float, now: float
    ) -> Reading:
        clock.record(tx, now, [answer], limit=self._settings.requests_per_minute)
        if answer.outcome in FAILURES:
            return reading
        if answer.outcome is not Outcome.ACCEPTED:
            raise PageRefusedError(reading.contact_list, answer)
        runs.accept_account(tx, self._store.name, self._settings.api_url, self._settings.api_key)
        taken = pulled.take_page(tx, page.contacts, reading.contact_list, read_at=asked_at, since=reading.started_at)
        let_wait(tx, self._settings, taken.lost, now)
        seen = pulled.count(tx, reading.started_at) if reading.page == 1 else 0
        after = reading.after(page, taken.lacking, seen)
        pulled.keep(tx, after)
        return after

    def _conclude(self, reading: Reading) -> Reading:
        """Know people, and what was changed at Promoter, by what was read; begun anew if it is stopped."""
        for step in (self._know_people, self._compare):
            after: str | None = ""
            while after is not None:
                self._signals.check()
                after = self._store.write(functools.partial(step, reading=reading, after=after))
        return self._store.write(lambda tx: pulled.end(tx, reading, self._clock()))

    def _know_people(self, tx: Transaction, reading: Reading, after: str) -> str | None:
        last, self._known[after] = know_people(tx, self._settings, after, reading.started_at, self._clock())
        return last

    def _compare(self, tx: Transaction, reading: Reading, after: str) -> str | None:
        return pulled.compare_sent(tx, after, reading.lists_read, self._clock())
