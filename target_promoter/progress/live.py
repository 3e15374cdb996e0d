"""The live view of a run on a terminal; what is logged meanwhile goes above it."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from target_promoter.progress.ending import terminal_handlers
from target_promoter.progress.status import RunStatus


class LiveView:
    """A view on standard error that shows how a run stands; use it as a context manager."""

    def __init__(self) -> None:
        self._live = Live(console=Console(stderr=True), transient=True, auto_refresh=False, redirect_stdout=False)
        self._before = sys.stderr
        # Handlers hold the stream that standard error was when they were made, past which the view cannot see.
        self._handlers = terminal_handlers()

    def show(self, status: RunStatus) -> None:
        """Show how the run stands.

        Args:
            status: How it stands.
        """
        self._live.update(view(status), refresh=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._live.start()
        for handler in self._handlers:
            handler.setStream(sys.stderr)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the view away."""
        for handler in self._handlers:
            handler.setStream(self._before)
        self._live.stop()


def view(status: RunStatus) -> Table:
    """Return what a terminal shows.

    Args:
        status: How the run stands.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column()
    for name, text in status.parts():
        table.add_row(name, text)
    return table
