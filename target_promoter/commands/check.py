"""`target-promoter check`: will a run work? Sends nothing."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import click
from sqlalchemy import text, update
from sqlalchemy.engine import URL, make_url

from target_promoter.commands.check_input import inspect_input
from target_promoter.commands.context import Finding, check_account, fail, files_of, ok, refuse_dry_run, warn
from target_promoter.config.files import environment_warnings, read_config
from target_promoter.config.kinds import declared
from target_promoter.config.settings import SANDBOX, Settings
from target_promoter.config.settings import Campaign as CampaignSetting
from target_promoter.contacts import pulled
from target_promoter.contacts.contacts import mark_all_dirty
from target_promoter.errors import (
    AddressError,
    ConfigError,
    DeliveryError,
    InputError,
    KeyRefusedError,
    SandboxError,
    StoreError,
)
from target_promoter.progress.words import count, when
from target_promoter.promoter.client import Campaign, Client, ContactList, account_client
from target_promoter.singer.output import say
from target_promoter.store import runs, streams
from target_promoter.store.database import Store, find_store, postgresql_engine
from target_promoter.store.schema import request_clock
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.cancelling import cancelled_by
from target_promoter.values.printable import masked_url


def check_settings(config: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    """Yield what is odd about the config, though nothing is wrong with it."""
    # Meltano hands on the default as well.
    if settings.sandbox and config.get("store_url") not in {None, declared(Settings)["store_url"].default}:
        own = make_url(settings.store_url).render_as_string(hide_password=True)
        yield warn("store_url", f"the sandbox has a store of its own, {own}: that of the config is not used")
    if settings.survey_hours is not None:
        now = time.time()
        opens_at = settings.survey_hours.next_opening(now)
        words = "surveys may be sent now" if opens_at == now else f"surveys wait until {when(opens_at)}"
        yield ok("survey_hours", words)


def _account(settings: Settings, learned: dict[int, str]) -> Iterator[Finding]:
    """Ask whether the key is accepted, and whether campaigns and contact lists exist.

    Args:
        learned: Takes the names of the account's campaigns, by id.

    Yields:
        An answer for the key, each campaign and each contact list.
    """
    where = "the sandbox" if settings.sandbox else settings.api_url
    try:
        with account_client(settings) as client:
            campaigns = {one.id: one for one in client.campaigns()}
            learned.update({one.id: one.name for one in campaigns.values()})
            yield ok("key", f"accepted by {where}")
            yield from _campaigns(settings, campaigns)
            yield from _contact_lists(settings, client)
    except KeyRefusedError as error:
        yield fail("key", str(error))
    except AddressError as error:
        yield fail("api_url", str(error))
    except (ConfigError, DeliveryError, SandboxError) as error:
        yield fail("account", str(error))


def _campaigns(settings: Settings, known: dict[int, Campaign]) -> Iterator[Finding]:
    if not settings.campaigns:
        shown = _listed(known.values())
        yield warn("campaigns", f"none in the config, so nobody is surveyed; the account has {shown}")
    for setting in settings.campaigns.values():
        yield _campaign(setting, known)


def _campaign(setting: CampaignSetting, known: dict[int, Campaign]) -> Finding:
    what = f"campaign {setting.id}"
    found = known.get(setting.id)
    if found is None:
        fix = f"set `campaigns.{setting.event}` to one it has: {_listed(known.values())}"
        return fail(what, f"the account has none of that id: {fix}")
    name = f"{found.name}, for the event {setting.event}"
    if found.drip:
        fix = "set its distribution to instant at Promoter, or a survey in doubt may be sent twice"
        return fail(what, f"{name}: its surveys are dripped over time: {fix}")
    if found.drip is None:
        return warn(what, f"{name}: Promoter does not say whether its distribution is instant: look it up there")
    return ok(what, "; ".join((f"{name} (instant)", *_terms(setting))))


def _terms(setting: CampaignSetting) -> Iterator[str]:
    """Yield whom of those that its event names a campaign does not survey, or not yet."""
    if setting.sample_percent != 100:  # noqa: PLR2004 - all of them
        yield f"a sample of {setting.sample_percent:g}%"
    if setting.delay_hours:
        yield f"{setting.delay_hours:g} hours later"
    yield from map(cancelled_by, setting.cancel_on)
    if setting.paused:
        yield "paused: its surveys wait"


def _contact_lists(settings: Settings, client: Client) -> Iterator[Finding]:
    if not settings.all_contact_lists:
        return
    known = {one.id: one for one in client.contact_lists()}
    for one in settings.all_contact_lists:
        if one in known:
            yield ok(f"contact list {one}", known[one].name)
        else:
            fix = f"set `contact_lists` (here or in `streams`) to ones it has: {_listed(known.values())}"
            yield fail(f"contact list {one}", f"the account has none of that id: {fix}")


def _listed(known: Iterable[ContactList]) -> str:
    return ", ".join(f"{one.id} {one.name}" for one in known) or "none"


def learn(settings: Settings, campaigns: dict[int, str]) -> None:
    """Keep the names of the account's campaigns for the report, if there is a store."""
    store = find_store(settings.store_url)
    if store is not None and campaigns:
        with contextlib.closing(store):
            store.write(lambda tx: runs.learn_campaigns(tx, campaigns))


def check_store(settings: Settings, *, rebind: bool, restored: bool = False) -> Iterator[Finding]:
    """Ask whether the store can be written to and belongs to the account; one that is missing is not created.

    Args:
        rebind: Whether to have the store accept the key and the address of the settings, which the account accepts.
        restored: Whether the store came from a backup just now.
    """
    try:
        store = find_store(settings.store_url)
        if store is None:
            yield _no_store(settings.store_url)
            return
        with contextlib.closing(store):
            yield _store(store, settings, rebind=rebind)
            yield from store.read(_pulled)
            yield from store.read(lambda tx: _mirrored(tx, settings))
            if restored:
                yield _restored(store)
    except StoreError as error:
        yield fail("store", str(error))


def _store(store: Store, settings: Settings, *, rebind: bool) -> Finding:
    bound = store.read(lambda tx: runs.fact(tx, "api_url"))
    # The embedded sandbox is another account, whatever its address: what was tried there was sent to nobody.
    if rebind and (bound is None or settings.sandbox == (bound == SANDBOX)):
        store.write(lambda tx: runs.bind_account(tx, settings.api_url, settings.api_key))
        moved = "" if bound in {None, settings.api_url} else f" at {settings.api_url}"
        return ok("store", f"{store.name} belongs to the account with this key{moved} from now on")
    check_account(store, settings)
    store.write(_write_nothing)
    words = "belongs to this account" if bound is not None else "belongs to no account yet: the first answer binds it"
    return ok("store", f"{store.name} can be written to, and {words}")


def _pulled(tx: Transaction) -> list[Finding]:
    """Tell when the account was last read, if ever."""
    found, last, unfinished = [], pulled.last(tx), pulled.unfinished(tx)
    if last is not None and last.finished_at is not None:
        known = pulled.figures(tx, last)
        words = f"{count(last.contacts, 'contact')} read {when(last.finished_at)}; {known.unsubscribed:,} unsubscribed"
        found.append(ok("pull", words))
    if unfinished is not None:
        words = f"stopped after {count(unfinished.pages, 'page')}: run `target-promoter pull` again to go on from there"
        found.append(warn("pull", words))
    return found


def _mirrored(tx: Transaction, settings: Settings) -> list[Finding]:
    """Tell which table versions mirrored streams had last."""
    known, found = streams.versions(tx), []
    for setting in settings.streams:
        if setting.mirror:
            read = {name: one for name, one in known.items() if settings.stream(name) == setting}
            if not read:
                words = "no table version was read yet, so nobody leaves: it needs a tap that sends ACTIVATE_VERSION"
                found.append(warn(f"mirror {setting.pattern}", words))
            for name, one in read.items():
                words = f"{count(one.people, 'person', 'people')} in the table version read {when(one.read_at)}"
                late = f", and a later one lacked {one.missing:,}, which changed nobody: see the last run's log"
                found.append(warn(f"mirror {name}", words + late) if one.missing else ok(f"mirror {name}", words))
    return found


def _restored(store: Store) -> Finding:
    """Have the store believe nothing that may have happened after its backup was made."""
    now = time.time()

    def mark(tx: Transaction) -> int:
        runs.set_fact(tx, "restored_at", repr(now))
        return mark_all_dirty(tx, now, forget_sent=True)

    number = store.write(mark)
    return ok(
        "restored",
        f"what was due more than 23 hours ago is not surveyed, and {number:,} contacts are sent once more; "
        "run `forget` again for everybody who was forgotten after the backup was made",
    )


def _write_nothing(tx: Transaction) -> None:
    """Write what is there already: whoever may not write is refused."""
    tx.execute(update(request_clock).values(id=request_clock.c.id))


def _no_store(store_url: str) -> Finding:
    url = make_url(store_url)
    name = masked_url(store_url)
    if url.get_backend_name() == "sqlite":
        folder = Path(str(url.database)).parent
        if not folder.is_dir():
            return fail("store", f"its folder {folder} is missing: create it, or name another in `store_url`")
        if not os.access(folder, os.W_OK):
            return fail("store", f"its folder {folder} is not writable: allow it, or name another in `store_url`")
    elif not _may_create(url):
        return fail("store", f"{name} has no store, and its user may not create tables: grant CREATE on the schema")
    return ok("store", f"there is none at {name} yet, and the first run creates it")


def _may_create(url: URL) -> bool:
    engine = postgresql_engine(url)
    try:
        with engine.connect() as tx:
            return bool(tx.scalar(text("SELECT has_schema_privilege(current_schema(), 'CREATE')")))
    finally:
        engine.dispose()


@click.command()
@click.option("--config", "config_files", multiple=True, help="Configuration file location, or 'ENV'.")
@click.option(
    "--input",
    "sample",
    type=click.File(encoding="utf-8"),
    help="Show how each stream of a file of Singer messages is read, what of it would be sent, and what to add.",
)
@click.option("--rebind", is_flag=True, help="Accept a new API key or address of the store's account.")
@click.option(
    "--restored", is_flag=True, help="The store was restored from a backup: do not rely on it for what was sent."
)
@click.pass_context
def check(
    ctx: click.Context, /, config_files: tuple[str, ...], sample: IO[str] | None, *, rebind: bool, restored: bool
) -> None:
    """Check key, campaigns, contact lists and store, one line each. Sends nothing; exits with 1 on any FAIL."""
    files = files_of(ctx, config_files)
    _show(warn("environment", sentence) for sentence in environment_warnings(files))
    try:
        config = read_config(files)
        settings = Settings.from_config(config)
    except ConfigError as error:
        _show(fail("config", fault) for fault in str(error).splitlines())
        sys.exit(1)
    for option, is_set in (("rebind", rebind), ("restored", restored)):
        if is_set:
            refuse_dry_run(settings, f"check --{option}")
    learned: dict[int, str] = {}
    account_is_fine = _show([*check_settings(config, settings), *_account(settings, learned)])
    if rebind and not account_is_fine:
        _show([fail("rebind", "fix what is wrong with the account first")])
    fine = _show(check_store(settings, rebind=rebind and account_is_fine, restored=restored)) and account_is_fine
    if fine and not settings.dry_run:
        learn(settings, learned)
    if sample is not None:
        fine = _inspect(sample, config, settings) and fine
    sys.exit(0 if fine else 1)


def _inspect(sample: IO[str], config: Mapping[str, Any], settings: Settings) -> bool:
    """Show how a sample is read, and return whether a run would take it."""
    try:
        for line in inspect_input(sample, config, settings):
            say(line)
    except (ConfigError, InputError) as error:
        return _show([fail("input", str(error))])
    return True


def _show(findings: Iterable[Finding]) -> bool:
    """Show answers, and return whether none of them is a FAIL."""
    shown = list(findings)
    for finding in shown:
        say(finding.line())
    return all(finding.is_fine for finding in shown)
