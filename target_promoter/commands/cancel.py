"""`target-promoter cancel`: cancel the waiting surveys of an event or a campaign."""

from __future__ import annotations

import time

import click

from target_promoter.commands.context import existing_store, named, refuse_dry_run, with_settings
from target_promoter.config.kinds import suggestion
from target_promoter.config.settings import Settings
from target_promoter.errors import PromoterError
from target_promoter.intake.identifiers import identifiers_of
from target_promoter.progress.words import count
from target_promoter.singer.output import say
from target_promoter.store.transaction import Transaction
from target_promoter.surveys import surveys
from target_promoter.values.events import canonical


@click.command()
@click.argument("event_or_campaign")
@click.option("--person", callback=named, metavar="EMAIL_OR_USER_ID", help="Cancel only those of one person.")
@with_settings
def cancel(settings: Settings, event_or_campaign: str, person: str | None) -> None:
    """Cancel the surveys of an event, or of a campaign's id, that wait or are due and are not sent yet."""
    refuse_dry_run(settings, "cancel")
    now = time.time()

    def cancelled(tx: Transaction) -> int:
        whose = None if person is None else surveys.of_identifiers(identifiers_of(tx, person))
        return surveys.cancel_waiting(tx, event_or_campaign, whose, now)

    with existing_store(settings) as store:
        number = store.write(cancelled)
    ids = {str(one.id) for one in settings.campaigns.values()}
    if not number and canonical(event_or_campaign) not in settings.campaigns and event_or_campaign.strip() not in ids:
        events = [one.event for one in settings.campaigns.values()]
        fix = suggestion(event_or_campaign, events, "name an event as in `campaigns`, or the id of a campaign.")
        nothing = f"No survey waits for `{event_or_campaign}`, and `campaigns` has no such event or id"
        raise PromoterError(f"{nothing}: {fix}")
    say(
        f"Cancelled: {count(number, 'waiting survey')}. Their events lead to no survey when they come again; "
        "a request that is already on its way may still arrive, and is not sent again."
    )
