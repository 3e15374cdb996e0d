"""`target-promoter deliver`: delivery without input."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import click

from target_promoter.commands.context import with_settings
from target_promoter.errors import PromoterError
from target_promoter.progress.ending import end_refused
from target_promoter.run import Run
from target_promoter.singer.signals import Signals

if TYPE_CHECKING:
    from types import FrameType

    from target_promoter.config.settings import Settings


@click.command()
@with_settings
def deliver(settings: Settings) -> None:
    """Deliver what the store holds: after an outage, on quiet days, as a worker beside others."""
    try:
        run = Run(settings, "deliver")
    except PromoterError as error:
        sys.exit(end_refused(error, sandbox=settings.sandbox, dry_run=settings.dry_run))
    signals = Signals()

    def receive(signum: int, _frame: FrameType | None) -> None:
        run.hurry()
        signals.receive(signum)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, receive)
    try:
        run.deliver()
    except Signals.StoppedError:
        pass
    except BaseException as error:
        run.end(error)
        raise
    signals.end()
    sys.exit(run.end())
