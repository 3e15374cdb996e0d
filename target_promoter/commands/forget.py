"""`target-promoter forget`: remove people from the store, and from Promoter if asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import IO, Final

import click
import msgspec

from target_promoter.commands.context import check_account, existing_store, named, refuse_dry_run, with_settings
from target_promoter.commands.rejected import rejected_of
from target_promoter.config.settings import Settings
from target_promoter.delivery import limit
from target_promoter.errors import DeliveryError, PromoterError
from target_promoter.intake import forgetting
from target_promoter.intake.forgetting import Forgotten
from target_promoter.intake.identifiers import identifiers_of, identifiers_of_all
from target_promoter.people.identity import Identifiers
from target_promoter.progress.words import count
from target_promoter.promoter.answers import Outcome
from target_promoter.promoter.client import Client, account_client
from target_promoter.singer.output import say
from target_promoter.store import erasing, runs
from target_promoter.store.database import Store, open_store
from target_promoter.store.encoding import encode
from target_promoter.store.transaction import Transaction
from target_promoter.values.printable import masked
from target_promoter.values.times import iso

_TOGETHER: Final = 50
"""How many people are forgotten in one transaction."""

_PATIENCE_SECONDS: Final = 60.0
"""For how long at the most it waits before a contact may be removed from Promoter."""


@click.command()
@click.argument("email_or_user_id", required=False, callback=named)
@click.option(
    "--from",
    "names",
    type=click.File(encoding="utf-8-sig"),
    help="Forget everybody in a file: one e-mail address or user id a line.",
)
@click.option("--everywhere", is_flag=True, help="Remove their contacts from Promoter too.")
@click.option("--yes", is_flag=True, help="Do not ask about somebody whom the store does not know.")
@click.option("--list", "listing", is_flag=True, help="Show the marks of those who were forgotten.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="Of --list.")
@click.option(
    "--undo", callback=named, metavar="EMAIL_OR_USER_ID", help="Remove somebody's marks: they are no longer blocked."
)
@click.option(
    "--marks", type=click.File("rb"), help="Block everybody whom another store forgot: a file with its --list in JSON."
)
@with_settings
def forget(  # noqa: PLR0913 - one an option
    settings: Settings,
    email_or_user_id: str | None,
    names: IO[str] | None,
    undo: str | None,
    marks: IO[bytes] | None,
    form: str,
    *,
    everywhere: bool,
    yes: bool,
    listing: bool,
) -> None:
    """Remove a person from the store; a salted mark of each name keeps a replay from surveying them.

    EMAIL_OR_USER_ID is a user id, or an e-mail address: then everybody who has it is forgotten.
    """
    if sum(one is not None for one in (email_or_user_id, names, undo, marks)) + listing != 1:
        raise click.UsageError("Give one of: EMAIL_OR_USER_ID, --from, --list, --undo, --marks.")
    if not listing:
        refuse_dry_run(settings, "forget")
    now = time.time()
    if marks is not None:
        _take_marks(settings, marks, now)
        return
    with existing_store(settings) as store:
        if listing:
            _list(store.read(runs.all_marks), form)
        elif undo is not None:
            _undo(store, undo)
        else:
            _forget(store, settings, _named(email_or_user_id, names), now, everywhere=everywhere, yes=yes)


def _named(who: str | None, names: IO[str] | None) -> list[str]:
    if who is not None:
        return [who]
    fix = "write one e-mail address or user id a line."
    try:
        lines = [line.strip() for line in names or ()]
    except UnicodeDecodeError as error:
        raise click.UsageError(f"The file of --from is not UTF-8: {fix}") from error
    found = list(dict.fromkeys(filter(None, lines)))
    if not found:
        raise click.UsageError(f"The file of --from names nobody: {fix}")
    return found


def _forget(store: Store, settings: Settings, whom: Sequence[str], now: float, *, everywhere: bool, yes: bool) -> None:
    unknown = store.read(lambda tx: [one for one in whom if not _is_known(tx, settings, one)])
    if unknown and yes:
        say(_not_known(unknown))
    elif unknown:
        if not sys.stdin.isatty():
            fix = "correct the names, or add --yes to block records that name them"
            raise PromoterError(f"{_not_known(unknown)} Nobody was forgotten: {fix}.")
        click.confirm(f"{_not_known(unknown)} Block records that name them from now on?", abort=True)
    gone = []
    for start in range(0, len(whom), _TOGETHER):
        some = whom[start : start + _TOGETHER]
        if everywhere:
            # First at Promoter: the store is where the addresses are known from.
            found = store.read(partial(identifiers_of_all, whom=some))
            _remove(store, settings, sorted(Identifiers.joined(found).own_emails))
        gone.append(_forget_some(store, settings, some, now + start * forgetting.STEP_SECONDS))
    own_emails = Identifiers.joined(one.names for one in gone).own_emails
    _tell(gone, store.read(partial(erasing.mentions, addresses=own_emails)), everywhere=everywhere)
    for sentence in erasing.erase_deleted(store):
        say(sentence)


def _is_known(tx: Transaction, settings: Settings, who: str) -> bool:
    names = identifiers_of(tx, who)
    return forgetting.is_known(tx, names) or bool(rejected_of(tx, settings, names))


def _forget_some(store: Store, settings: Settings, whom: Sequence[str], now: float) -> Forgotten:
    def find(tx: Transaction) -> tuple[list[int], list[erasing.Words]]:
        names = Identifiers.joined(identifiers_of_all(tx, whom))
        return [one.id for one in rejected_of(tx, settings, names)], erasing.find_words(tx, names.own_emails)

    # Whole tables are read for it, and nobody else can write while this writes.
    rejected, words = store.read(find)
    return store.write(lambda tx: forgetting.forget(tx, identifiers_of_all(tx, whom), rejected, now, words))


def _remove(store: Store, settings: Settings, emails: Sequence[str]) -> None:
    """Remove contacts from Promoter, at the account's pace."""
    pace = settings.requests_per_minute
    with account_client(settings) as client:
        for email in emails:
            _remove_contact(store, client, email, pace)


def _remove_contact(store: Store, client: Client, email: str, pace: float) -> None:
    now = time.time()
    slots = store.write(lambda tx: limit.take_one(tx, now, limit=pace, horizon=_PATIENCE_SECONDS))
    if not slots.number:
        until = iso(slots.first)
        raise DeliveryError(f"Promoter asks to wait until {until}: not all were forgotten; run this again after that.")
    time.sleep(slots.first - now)
    answer = client.remove_contact(email)
    store.write(lambda tx: limit.learn(tx, time.time(), [answer], limit=pace))
    if answer.outcome is not Outcome.ACCEPTED:
        raise DeliveryError(
            f"Promoter did not remove the contact {masked(email)} ({answer.said}): "
            "whoever has it was not forgotten; run this again."
        )


def _tell(gone: Sequence[Forgotten], mentions: Mapping[str, int], *, everywhere: bool) -> None:
    people, contacts, surveys, cancelled, rejected = (
        sum(getattr(one, name) for one in gone) for name in ("people", "contacts", "surveys", "cancelled", "rejected")
    )
    if everywhere:
        removed = sorted(masked(email) for one in gone for email in one.names.own_emails)
        say(f"Removed from Promoter: {', '.join(removed) or 'nobody, for no address is known'}.")
    say(
        f"Forgotten: {count(people, 'user id')}, {count(contacts, 'contact')}, {count(rejected, 'rejected record')}, "
        f"and whatever named the person in {count(surveys, 'survey')}, {cancelled:,} of which waited and will not be "
        "sent. Records that name this person are blocked from now on."
    )
    own, shared = (
        frozenset[str]().union(*many)
        for many in zip(*((one.names.own_emails, one.names.shared) for one in gone), strict=True)
    )
    for email in sorted(shared - own):
        say(f"Somebody else has the address {masked(email)} too: its contact is theirs, and stays.")
    if mentions:
        where = ", ".join(f"{name}: {number:,}" for name, number in mentions.items())
        say(
            f"Records of others, or of a run, still hold an address of theirs ({where}; rows by table): it goes when "
            "its stream brings another one, or with `drop`."
        )
    if not everywhere and contacts:
        say("Promoter still has the contact: `forget --everywhere` removes it there too, or remove it by hand.")


def _list(marks: runs.Marks, form: str) -> None:
    if form == "json":
        click.echo(encode(marks))
        say(
            "This holds no name, but whoever has it can find out whether somebody was forgotten: protect it "
            "as you protect the store. `forget --marks FILE` takes it into another one.",
            err=True,
        )
        return
    for one in marks.marks:
        say(f"{one.mark[:8]}  {'before version 3' if one.forgotten_at is None else iso(one.forgotten_at)}")
    say(
        f"{count(len(marks.marks), 'mark')}: one of each name (user id, e-mail address, anonymous id) of those "
        "who were forgotten, of no use but to recognize that name."
    )


def _undo(store: Store, who: str) -> None:
    number = store.write(lambda tx: runs.unforget(tx, identifiers_of(tx, who).all_keys))
    if not number:
        fix = "`forget --list` shows how many were, and when"
        raise PromoterError(f"Nobody who has the name {masked(who)} was forgotten: {fix}.")
    say(
        f"Removed: {count(number, 'mark')}. Records that name this person are accepted again; what was forgotten comes "
        "back only as its streams are read again."
    )


def _take_marks(settings: Settings, file: IO[bytes], now: float) -> None:
    try:
        marks = msgspec.json.decode(file.read(), type=runs.Marks)
        for text in (*marks.salts, *(one.mark for one in marks.marks)):
            bytes.fromhex(text)
    except ValueError as error:
        fix = "write it with `forget --list --format json`"
        raise PromoterError(f"{file.name} holds no marks ({error}): {fix}.") from error
    # Before its first run, too: what that reads is blocked already.
    with closing(open_store(settings.store_url, now=now)) as store:
        check_account(store, settings)
        store.write(lambda tx: runs.add_marks(tx, marks))
    say(f"Added: {count(len(marks.marks), 'mark')} of people who were forgotten. Records that name them are blocked.")


def _not_known(whom: Sequence[str]) -> str:
    return f"The store does not know {', '.join(map(masked, whom))}."
