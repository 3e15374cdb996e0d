"""`target-promoter resync`: send every contact again."""

from __future__ import annotations

import time

import click

from target_promoter.commands.context import existing_store, refuse_dry_run, with_settings
from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts
from target_promoter.progress.words import count
from target_promoter.singer.output import say


@click.command()
@with_settings
def resync(settings: Settings) -> None:
    """Mark every contact unsent: the next delivery sends them all. Surveys are not touched."""
    refuse_dry_run(settings, "resync")
    now = time.time()
    with existing_store(settings) as store:
        number = store.write(lambda tx: contacts.mark_all_dirty(tx, now, forget_sent=True))
    say(f"{count(number, 'contact')} marked unsent: the next run sends them all, or `target-promoter deliver` now.")
