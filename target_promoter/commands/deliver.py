"""`target-promoter deliver`: delivery without input."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from target_promoter.commands.context import refuse_dry_run, with_settings
from target_promoter.config.settings import Settings
from target_promoter.errors import PromoterError
from target_promoter.progress.ending import end_refused
from target_promoter.progress.preview import PREVIEW_HELP
from target_promoter.run import Run
from target_promoter.singer.signals import Signals, StoppedError


@click.command()
@click.option("--preview", type=click.Path(dir_okay=False, path_type=Path), help=PREVIEW_HELP)
@click.option(
    "--keep-running",
    is_flag=True,
    help="Keep running until stopped, and deliver whatever becomes due or other runs bring.",
)
@with_settings
def deliver(settings: Settings, preview: Path | None, *, keep_running: bool) -> None:
    """Deliver what the store holds: after an outage, on quiet days, as a worker beside others."""
    if keep_running:
        refuse_dry_run(settings, "deliver --keep-running")
    signals = Signals()
    with signals.noted():
        try:
            run = Run(settings, "deliver", signals, preview_file=preview)
        except PromoterError as error:
            sys.exit(end_refused(error, sandbox=settings.sandbox, dry_run=settings.dry_run))
        try:
            if keep_running:
                run.keep_delivering()
            run.deliver()
        except StoppedError as stopped:
            run.end(None if keep_running else stopped)
        except BaseException as error:
            run.end(error)
            raise
        sys.exit(run.end())
