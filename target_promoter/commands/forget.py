"""`target-promoter forget`: remove a person from the store, and from Promoter if asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from target_promoter.commands.context import check_named, count, existing_store, refuse_dry_run, with_settings
from target_promoter.commands.rejections import rejected_of
from target_promoter.commands.removing import remove_everywhere
from target_promoter.contacts import contacts
from target_promoter.people import forgetting
from target_promoter.people.identity import identifiers_of
from target_promoter.values.masking import masked

if TYPE_CHECKING:
    from target_promoter.config.settings import Settings
    from target_promoter.people.forgetting import Forgotten
    from target_promoter.store.transaction import Transaction


@click.command()
@click.argument("email_or_user_id")
@click.option("--everywhere", is_flag=True, help="Remove the person's contact from Promoter too.")
@with_settings
def forget(settings: Settings, email_or_user_id: str, everywhere: bool) -> None:  # noqa: FBT001 - click passes it by name
    """Remove a person from the store; a salted mark keeps a replay from surveying them.

    EMAIL_OR_USER_ID is a user id, or an e-mail address: then everybody who has it is forgotten.
    """
    refuse_dry_run(settings, "forget")
    check_named(email_or_user_id)
    now = time.time()
    with existing_store(settings) as store:
        names = store.read(lambda tx: identifiers_of(tx, email_or_user_id))
        alone = sorted(names.emails - names.shared)
        if everywhere:
            # First at Promoter: the store is where the addresses are known from.
            remove_everywhere(store, settings, alone)
            click.echo(f"Removed from Promoter: {count(len(alone), 'contact')}.")
        gone = store.write(lambda tx: _forget(tx, settings, email_or_user_id, now))
    click.echo(
        f"Forgotten: {count(gone.people, 'user id')}, {count(gone.contacts, 'contact')}, "
        f"{count(gone.rejected, 'rejected record')}, and whatever named the person in {count(gone.surveys, 'survey')}, "
        f"{gone.cancelled:,} of which waited and will not be sent. What names this person from now on is blocked."
    )
    for email in sorted(names.shared):
        click.echo(f"Somebody else has the address {masked(email)} too: its contact is theirs, and stays.")
    if not everywhere and gone.contacts:
        click.echo("Promoter still has the contact: `forget --everywhere` removes it there too, or remove it by hand.")


def _forget(tx: Transaction, settings: Settings, asked: str, now: float) -> Forgotten:
    names = identifiers_of(tx, asked)
    rejected = [row.id for row in rejected_of(tx, settings, names)]
    gone = forgetting.forget(tx, names, rejected, now)
    # Whoever has an address too may own its contact now.
    contacts.mark_dirty(tx, dict.fromkeys(names.shared), now)
    return gone
