"""`target-promoter pull`: learn what the account holds."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator

import click

from target_promoter.commands.context import count, with_settings
from target_promoter.commands.pulling import PageRefusedError, Pull
from target_promoter.config.settings import Settings
from target_promoter.contacts import pulled
from target_promoter.contacts.pulled import Reading
from target_promoter.errors import PromoterError
from target_promoter.progress.ending import end_refused, for_people, log_summary
from target_promoter.promoter.answers import Outcome
from target_promoter.promoter.client import account_client
from target_promoter.run import count_left, logger
from target_promoter.singer.output import say
from target_promoter.singer.signals import Signals, StoppedError
from target_promoter.store import runs
from target_promoter.store.database import Store, open_store
from target_promoter.store.summary import Summary
from target_promoter.store.transaction import Transaction
from target_promoter.values.times import duration


@click.command()
@with_settings
def pull(settings: Settings) -> None:
    """Learn what the account holds: who looks as wanted costs no request, the unsubscribed are not surveyed."""
    if settings.dry_run:
        _preview(settings)
        return
    signals = Signals()
    with signals.noted(), contextlib.ExitStack() as closing:
        closing.enter_context(for_people())
        try:
            store = open_store(settings.store_url, now=time.time(), hurried=signals.is_noted)
            closing.callback(store.close)
            store.read(lambda tx: runs.check_account(tx, store.name, settings.api_url, settings.api_key))
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
        logger.error("%s", problem)
    _end(store, settings, summary, number, problem)
    return 0 if problem is None else 1


def _stopped(error: PromoterError) -> str:
    return str(error).partition(":")[0] + "." if isinstance(error, StoppedError) else str(error)


def _how_far(store: Store) -> str:
    with contextlib.suppress(PromoterError):
        reading = store.read(pulled.unfinished)
        if reading is not None:
            return f"{count(reading.pages, 'page')} of contacts were read: `target-promoter pull` goes on behind them."
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


def _told(reading: Reading, found: pulled.Figures, people: int) -> Iterator[str]:
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
            f"{formless:,} came without attributes: of those nothing is concluded, neither how they look nor whose "
            "they are, and no request is saved."
        )
    if lacking["spelling"]:
        yield (
            f"{lacking['spelling']:,} have an address that is written otherwise than it would be sent, such as in "
            "capitals: of those nothing is concluded but that they unsubscribed."
        )
    if lacking["email"]:
        yield f"{lacking['email']:,} have no usable e-mail address, and are left out."
    if found.silent:
        yield (
            f"Of {found.silent:,} Promoter does not say whether they unsubscribed: their surveys are tried, and "
            "Promoter refuses those it must."
        )
    yield "Contacts that look as wanted cost no request, with the next run or `target-promoter deliver`."


def _preview(settings: Settings) -> None:
    """Tell what a pull would read, by the first page of each list and of all."""
    pages = 0
    with account_client(settings) as client:
        for contact_list in (*settings.all_contact_lists, None):
            answer, page = client.contacts(1, contact_list)
            if answer.outcome is not Outcome.ACCEPTED:
                raise PageRefusedError(contact_list, answer)
            of = "in the account" if contact_list is None else f"on the list {contact_list}"
            many = "Promoter does not say how many contacts" if page.count is None else count(page.count, "contact")
            here = 1 if page.count is None else math.ceil(page.count / max(len(page.contacts), 1))
            say(f"{many} {of}: {count(max(here, 1), 'page')}.")
            pages += max(here, 1)
    seconds = duration(pages / settings.requests_per_minute * 60)
    say(f"This is a dry run: nothing is kept. A pull takes {count(pages, 'request')} at the most, {seconds}.")
