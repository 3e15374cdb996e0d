"""`target-promoter pull`: learn what the account holds, page by page, at its pace, beside whoever delivers."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import queue
import sys
import time
from collections.abc import Iterator
from typing import Final

import click

from target_promoter.commands.context import check_account, with_settings
from target_promoter.config.settings import Settings
from target_promoter.contacts import pulled
from target_promoter.contacts.pulled import PullProgress
from target_promoter.delivery import limit
from target_promoter.delivery.delivery import PATIENCE_SECONDS, Patience
from target_promoter.delivery.sender import Workers
from target_promoter.errors import DeliveryError, PromoterError
from target_promoter.intake.identify import know_people, let_wait
from target_promoter.progress.ending import end_refused, for_people, log_summary
from target_promoter.progress.words import count
from target_promoter.promoter.answers import FAILURES, Answer, Outcome
from target_promoter.promoter.client import Client, ContactPage, account_client
from target_promoter.run import count_left
from target_promoter.singer.output import say
from target_promoter.singer.signals import Signals, StoppedError
from target_promoter.store import runs
from target_promoter.store.database import Store, open_store
from target_promoter.store.summary import Summary
from target_promoter.store.transaction import Transaction
from target_promoter.values.times import duration, iso

_LOOK_SECONDS: Final = 0.1
"""How often a pull that waits looks whether it is told to stop."""

_REPORT_SECONDS: Final = 10.0
"""How often it tells how far it is."""

logger = logging.getLogger("target-promoter.pull")

Found = tuple[Answer, ContactPage] | PromoterError


@click.command()
@with_settings
def pull(settings: Settings) -> None:
    """Learn what the account holds: contacts that need no change cost no request, the unsubscribed are not surveyed."""
    if settings.dry_run:
        _preview(settings)
        return
    signals = Signals()
    with signals.noted(), contextlib.ExitStack() as closing:
        closing.enter_context(for_people())
        try:
            store = open_store(settings.store_url, now=time.time(), hurried=signals.is_noted)
            closing.callback(store.close)
            check_account(store, settings)
        except PromoterError as error:
            sys.exit(end_refused(error, sandbox=settings.sandbox, dry_run=False))
        sys.exit(_pull(store, settings, signals))


def _pull(store: Store, settings: Settings, signals: Signals) -> int:
    """Read the account, tell what was found, and return the exit status."""
    started_at = time.time()
    summary = Summary(sandbox=settings.sandbox, dry_run=False, started_at=started_at)
    number = store.write(lambda tx: runs.begin(tx, "pull", started_at, settings.as_record()))
    problem: str | None = None
    try:
        with account_client(settings) as client:
            work = Pull(store, client, settings, signals, summary)
            reading = work.run()
        for sentence in _told(reading, store.read(lambda tx: pulled.figures(tx, reading)), work.people):
            say(sentence)
    except PromoterError as error:
        problem = f"{_stopped(error)} {_how_far(store)}"
        logger.error("%s", problem)  # noqa: TRY400 - a sentence and no traceback
    _end(store, settings, summary, number, problem)
    return 0 if problem is None else 1


def _stopped(error: PromoterError) -> str:
    return str(error).partition(":")[0] + "." if isinstance(error, StoppedError) else str(error)


def _how_far(store: Store) -> str:
    with contextlib.suppress(PromoterError):
        reading = store.read(pulled.unfinished)
        if reading is not None:
            return f"{count(reading.pages, 'page')} were read: run `target-promoter pull` again to go on from there."
    return "Nothing was read: run `target-promoter pull` again."


def _end(store: Store, settings: Settings, summary: Summary, number: int, problem: str | None) -> None:
    now = time.time()

    def work(tx: Transaction) -> dict[str, object]:
        summary.set_left(count_left(tx, settings, now))
        told = summary.as_dict(now)
        runs.end(tx, number, now, exit_status=int(problem is not None), problem=problem, summary=told)
        return told

    try:
        log_summary(store.write(work))
    except PromoterError:
        log_summary(summary.as_dict(now))


def _told(reading: PullProgress, found: pulled.Figures, people: int) -> Iterator[str]:
    """Yield what was found, a sentence each."""
    yield (
        f"Read {count(reading.contacts, 'contact')} on {count(reading.pages, 'page')}: "
        f"{found.unsubscribed:,} unsubscribed, {found.changed:,} changed at Promoter since they were sent, "
        f"{found.of_no_stream:,} that no tap brought."
    )
    if people:
        yield f"{people:,} people whom no tap brought yet are known by the attribute `user_id`."
    lacking = reading.lacking_most
    formless = found.formless - lacking["spelling"]
    if formless > 0:
        yield (
            f"{formless:,} came without attributes: how they look and whose they are is not known, so no "
            "request is saved."
        )
    if lacking["spelling"]:
        yield (
            f"{lacking['spelling']:,} have an address that is written differently than it would be sent, such as in "
            "capitals: only whether they unsubscribed is used."
        )
    if lacking["email"]:
        yield f"{lacking['email']:,} have no usable e-mail address, and are left out."
    if found.silent:
        yield (
            f"Of {found.silent:,} Promoter does not say whether they unsubscribed: their surveys are sent, and "
            "Promoter refuses those of the unsubscribed."
        )
    yield "Contacts that are already up to date cost no request, with the next run or `target-promoter deliver`."


def _preview(settings: Settings) -> None:
    """Tell what a pull would read, by the first page of each list and of all."""
    pages = 0
    with account_client(settings) as client:
        for contact_list in (*settings.all_contact_lists, None):
            answer, page = client.contacts(1, contact_list)
            if answer.outcome is not Outcome.ACCEPTED:
                raise _refused(contact_list, answer)
            of = "in the account" if contact_list is None else f"on the list {contact_list}"
            many = "Promoter does not say how many contacts" if page.count is None else count(page.count, "contact")
            here = 1 if page.count is None else math.ceil(page.count / max(len(page.contacts), 1))
            say(f"{many} {of}: {count(max(here, 1), 'page')}.")
            pages += max(here, 1)
    seconds = duration(pages / settings.requests_per_minute * 60)
    say(f"This is a dry run: nothing is stored. A pull takes {count(pages, 'request')} at the most, {seconds}.")


def _refused(contact_list: int | None, answer: Answer) -> DeliveryError:
    what = "its contacts" if contact_list is None else f"the contacts of the list {contact_list}"
    return DeliveryError(f"Promoter does not list {what} ({answer.said}): see what `target-promoter check` says.")


class Pull:
    """Reads the account from where the last pull was stopped, or from its beginning.

    Args:
        summary: Where requests are counted.
    """

    def __init__(
        self,
        store: Store,
        client: Client,
        settings: Settings,
        signals: Signals,
        summary: Summary,
    ) -> None:
        self._store = store
        self._client = client
        self._settings = settings
        self._signals = signals
        self._summary = summary
        self._patience = Patience()
        # In a thread of its own, so that a stop does not wait for an answer.
        self._answers: queue.SimpleQueue[Found] = queue.SimpleQueue()
        self._workers = Workers(self._ask)
        self._known: dict[str, int] = {}
        self._reported_at = time.time()

    @property
    def people(self) -> int:
        """How many people are known by their contact alone."""
        return sum(self._known.values())

    def run(self) -> PullProgress:
        """Read all, and know what follows from it.

        Raises:
            StoppedError: It was told to stop; the next pull goes on where it was.
            DeliveryError: Promoter does not answer, or not so that anything can be read.
        """
        reading = self._store.read(pulled.unfinished)
        if reading is None:
            reading = PullProgress(time.time(), self._settings.all_contact_lists)
        try:
            while not reading.is_whole:
                reading = self._read_page(reading)
        finally:
            self._workers.end()
        return self._conclude(reading)

    def _read_page(self, reading: PullProgress) -> PullProgress:
        """Ask once for the next page, and return how far the account is read then."""
        self._wait_until(max(self._store.write(self._reserve), self._patience.paused_until))
        asked_at = time.time()
        self._summary.count("api", "requests")
        answer, page = self._answer(reading)
        now = time.time()
        after = self._store.write(lambda tx: self._take_in(tx, reading, answer, page, asked_at, now))
        failed = self._patience.record(answer, now)
        self._summary.count("api", "retries", int(failed))
        self._summary.count("api", "rate_limited", int(answer.outcome is Outcome.RATE_LIMITED))
        self._tell(after, now)
        return after

    def _tell(self, reading: PullProgress, now: float) -> None:
        if now - self._reported_at >= _REPORT_SECONDS:
            self._reported_at = now
            of = "" if reading.contact_list is None else f" of the list {reading.contact_list}"
            logger.info("Read %s of %s contacts%s.", f"{reading.read:,}", f"{reading.count or 0:,}", of)

    def _reserve(self, tx: Transaction) -> float:
        """Return when the next request may leave, in epoch seconds."""
        now, pace = time.time(), self._settings.requests_per_minute
        limit.correct(tx, now, limit=pace)
        slots = limit.take_one(tx, now, limit=pace, horizon=PATIENCE_SECONDS)
        if not slots.number:
            raise DeliveryError.asked_to_wait(iso(slots.first))
        return slots.first

    def _wait_until(self, time_to_leave: float) -> None:
        while (seconds := time_to_leave - time.time()) > 0:
            self._signals.check()
            time.sleep(min(seconds, _LOOK_SECONDS))
        self._signals.check()

    def _answer(self, reading: PullProgress) -> tuple[Answer, ContactPage]:
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

    def _ask(self, reading: PullProgress) -> None:
        try:
            found: Found = self._client.contacts(reading.page, reading.contact_list)
        except PromoterError as error:
            found = error
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            found = DeliveryError.unexpected(error)
        self._answers.put(found)

    def _take_in(
        self, tx: Transaction, reading: PullProgress, answer: Answer, page: ContactPage, asked_at: float, now: float
    ) -> PullProgress:
        limit.learn(tx, now, [answer], limit=self._settings.requests_per_minute)
        if answer.outcome in FAILURES:
            return reading
        if answer.outcome is not Outcome.ACCEPTED:
            raise _refused(reading.contact_list, answer)
        runs.accept_account(tx, self._store.name, self._settings.api_url, self._settings.api_key)
        taken = pulled.save_page(tx, page.contacts, reading.contact_list, read_at=asked_at, since=reading.started_at)
        let_wait(tx, self._settings, taken.lost, now)
        seen = pulled.count(tx, reading.started_at) if reading.page == 1 else 0
        after = reading.after(page, taken.lacking, seen)
        pulled.save_progress(tx, after)
        return after

    def _conclude(self, reading: PullProgress) -> PullProgress:
        """Know people, and what was changed at Promoter, by what was read; begun anew if it is stopped."""
        for step in (self._know_people, self._compare):
            after: str | None = ""
            while after is not None:
                self._signals.check()
                after = self._store.write(functools.partial(step, reading=reading, after=after))
        return self._store.write(lambda tx: pulled.finish(tx, reading, time.time()))

    def _know_people(self, tx: Transaction, reading: PullProgress, after: str) -> str | None:
        last, self._known[after] = know_people(tx, self._settings, after, reading.started_at, time.time())
        return last

    def _compare(self, tx: Transaction, reading: PullProgress, after: str) -> str | None:
        return pulled.compare_sent(tx, after, reading.lists_read, time.time())
