"""What only a terminal shows: the state of a run while it goes, and its result at the end."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text


@contextlib.contextmanager
def live_view(handlers: Iterable[logging.StreamHandler[Any]]) -> Iterator[Callable[[Iterable[tuple[str, str]]], None]]:
    """Yield what shows named figures in the place of those before; what the handlers log meanwhile goes above them."""
    # Handlers hold the stream that standard error was when they were made, past which the view cannot see.
    before = sys.stderr
    view = Live(console=Console(stderr=True), transient=True, auto_refresh=False, redirect_stdout=False)
    with view, contextlib.ExitStack() as ending:
        for handler in handlers:
            handler.setStream(sys.stderr)
            ending.callback(handler.setStream, before)
        yield lambda figures: view.update(status_table(figures), refresh=True)


def status_table(figures: Iterable[tuple[str, str]]) -> Table:
    """Return named figures as a terminal shows them."""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column()
    for name, text in figures:
        table.add_row(name, text)
    return table


def show_end(rows: Iterable[tuple[str, int, str]], verdict: str) -> None:
    """Show what came of a run: rows of a part, how many, and what of them, and then a verdict."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    for name, number, words in rows:
        table.add_row(name, f"{number:,}", words)
    console = Console(stderr=True, highlight=False)
    console.print()
    console.print(table)
    console.print()
    console.print(Text(verdict, style="bold"))
