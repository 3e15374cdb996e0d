"""`target-promoter move`: take the store to another database."""

from __future__ import annotations

import contextlib
from typing import Final

import click
from sqlalchemy import func, select

from target_promoter.commands.context import existing_store, refuse_dry_run, with_settings
from target_promoter.config.kinds import STORE_URL
from target_promoter.config.settings import Settings
from target_promoter.errors import StoreMovedError
from target_promoter.progress.words import count
from target_promoter.singer.output import say
from target_promoter.store import moving, schema
from target_promoter.store.database import Store

_COUNTED: Final = (schema.people, schema.contacts, schema.surveys)


@click.command()
@click.argument("store_url")
@with_settings
def move(settings: Settings, store_url: str) -> None:
    """Copy the store to another database, SQLite or PostgreSQL, and close the old one.

    STORE_URL is where it goes, as `store_url` in the config says it from then on. Nothing may be there yet.
    """
    refuse_dry_run(settings, "move")
    with contextlib.closing(_moved(settings, STORE_URL.read("STORE_URL", store_url))) as store:
        name = store.name
        people, contacts, surveys = store.read(
            lambda tx: [tx.scalar(select(func.count()).select_from(one)) or 0 for one in _COUNTED]
        )
    held = f"{count(people, 'user id')}, {count(contacts, 'contact')}, {count(surveys, 'survey')}"
    say(f"Moved to {name}: {held}.")
    say(
        "Set `store_url` to it now. The old store refuses every command from now on; "
        "it still holds personal data: delete it when the new one has run."
    )


def _moved(settings: Settings, url: str) -> Store:
    try:
        with existing_store(settings) as store:
            return moving.move(store, url)
    except StoreMovedError as error:
        # A move that was stopped between closing the old store and opening the new one is finished.
        finished = moving.finish(error, url)
        if finished is None:
            raise
        return finished
