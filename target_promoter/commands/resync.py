"""`target-promoter resync`: send every contact again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from target_promoter.commands.context import existing_store, with_settings
from target_promoter.store import contacts

if TYPE_CHECKING:
    from target_promoter.settings import Settings


@click.command()
@with_settings
def resync(settings: Settings) -> None:
    """Mark every contact unsent: the next delivery sends them all. Surveys are not touched."""
    now = time.time()
    with existing_store(settings) as store:
        number = store.write(lambda connection: contacts.mark_all(connection, now, forget_sent=True))
    click.echo(f"{number:,} contacts are marked unsent: the next run sends them, or `target-promoter deliver` now.")
