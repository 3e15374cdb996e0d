"""`target-promoter drop`: take back all that a stream said."""

from __future__ import annotations

import time

import click

from target_promoter.commands.context import existing_store, refuse_dry_run, with_settings
from target_promoter.config.kinds import suggestion
from target_promoter.config.settings import Settings
from target_promoter.errors import PromoterError
from target_promoter.intake import setup
from target_promoter.progress.words import count
from target_promoter.singer.output import say
from target_promoter.store import streams
from target_promoter.store.transaction import Transaction


@click.command()
@click.argument("stream")
@with_settings
def drop(settings: Settings, stream: str) -> None:
    """Take back all that a stream said: its part of every person, and its waiting surveys."""
    refuse_dry_run(settings, "drop")
    now = time.time()

    def dropped(tx: Transaction) -> tuple[int, int]:
        people, surveys = setup.drop(tx, stream, now)
        if not people and not surveys and streams.known(tx, stream) is None:
            known = sorted(one.name for one in streams.all_read(tx))
            fix = suggestion(stream, known, f"it knows {', '.join(known) or 'no stream'}.")
            raise PromoterError(f"The store holds nothing from a stream `{stream}`: {fix}")
        return people, surveys

    with existing_store(settings) as store:
        people, surveys = store.write(dropped)
    say(
        f"Dropped what `{stream}` said: of {count(people, 'user id')}, and {count(surveys, 'waiting survey')}. "
        "The next run brings what it says now: have the tap read it in full once more, or remove it from the tap and "
        "from `streams`. Contacts change at Promoter with the next delivery."
    )
