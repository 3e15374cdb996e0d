"""`target-promoter report`: what the store knows."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

import click
from rich.console import Console, RenderableType

from target_promoter.commands.context import existing_store, named, with_settings
from target_promoter.commands.rejected import rejected_of
from target_promoter.config.settings import Settings
from target_promoter.intake.identifiers import identifiers_of
from target_promoter.report.data import Report, as_json
from target_promoter.report.gather import gather
from target_promoter.report.html import report_page, story_page
from target_promoter.report.person import Story, story
from target_promoter.report.terminal import report_tables, story_tables
from target_promoter.store.transaction import Transaction


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "html"]),
    default="table",
    show_default=True,
    help="Tables for a terminal, JSON for programs, or one self-contained page.",
)
@click.option("--person", callback=named, metavar="EMAIL_OR_USER_ID", help="Tell one person's whole story instead.")
@with_settings
def report(settings: Settings, form: str, person: str | None) -> None:
    """Tell what the store knows: last runs, surveys, who waits and for what, requests, what was rejected and why."""
    now = time.time()
    with existing_store(settings) as store:
        if person is None:
            whole = store.read(lambda tx: gather(tx, settings, store.name, now))
            _show(form, whole, lambda: report_page(whole), lambda: report_tables(whole))
        else:
            told = store.read(lambda tx: _story(tx, settings, person, now))
            _show(form, told, lambda: story_page(told), lambda: story_tables(told))


def _show(
    form: str, told: Report | Story, page: Callable[[], str], tables: Callable[[], Iterable[RenderableType]]
) -> None:
    if form == "json":
        click.echo(as_json(told))
    elif form == "html":
        click.echo(page(), nl=False)
    else:
        _print(tables())


def _story(tx: Transaction, settings: Settings, asked: str, now: float) -> Story:
    rejected = rejected_of(tx, settings, identifiers_of(tx, asked))
    return story(tx, settings, asked, rejected, now)


def _print(tables: Iterable[RenderableType]) -> None:
    console = Console(file=sys.stdout, highlight=False)
    for number, table in enumerate(tables):
        if number:
            console.print()
        console.print(table)
