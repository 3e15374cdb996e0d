"""`target-promoter deliver`: delivery without input."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from target_promoter.commands.context import with_settings
from target_promoter.config.settings import Settings
from target_promoter.errors import PromoterError
from target_promoter.progress.ending import end_refused
from target_promoter.progress.preview import PREVIEW_HELP
from target_promoter.run import Run
from target_promoter.singer.signals import Signals, StoppedError


@click.command()
@click.option("--preview", type=click.Path(dir_okay=False, path_type=Path), help=PREVIEW_HELP)
@with_settings
def deliver(settings: Settings, preview: Path | None) -> None:
    """Deliver what the store holds: after an outage, on quiet days, as a worker beside others."""
    signals = Signals()
    with signals.noted():
        try:
            run = Run(settings, "deliver", signals, preview_file=preview)
        except PromoterError as error:
            sys.exit(end_refused(error, sandbox=settings.sandbox, dry_run=settings.dry_run))
        try:
            run.deliver()
        except StoppedError as stopped:
            run.end(stopped)
        except BaseException as error:
            run.end(error)
            raise
        sys.exit(run.end())
