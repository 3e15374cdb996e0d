"""`target-promoter rejected`: what was rejected or refused, as Singer messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from target_promoter.commands.context import count, existing_store, with_settings
from target_promoter.commands.replaying import messages
from target_promoter.store.encoding import encode

if TYPE_CHECKING:
    from target_promoter.config.settings import Settings


@click.command()
@click.option("--stream", help="Only records of this stream; of refused surveys that of their event.")
@click.option("--reason", help="Only those whose reason contains this, whatever its case.")
@with_settings
def rejected(settings: Settings, stream: str | None, reason: str | None) -> None:
    """Print rejected and refused records as Singer messages, to pipe them into the target once more.

    What then succeeds leaves the list.
    """
    with existing_store(settings) as store:
        records = 0
        for message in store.stream(lambda tx: messages(tx, stream=stream, reason=reason)):
            click.echo(encode(message))
            records += message["type"] == "RECORD"
    click.echo(f"{count(records, 'rejected or refused record')}.", err=True)
