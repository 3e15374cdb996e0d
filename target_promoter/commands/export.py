"""`target-promoter export`: what the store holds, for other programs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from target_promoter.commands.context import existing_store, with_settings
from target_promoter.config.settings import Settings
from target_promoter.report.export import STREAMS, Export, read_state
from target_promoter.store.encoding import encode


@click.command()
@click.argument("streams", nargs=-1, type=click.Choice(list(STREAMS)))
@click.option(
    "--format",
    "form",
    type=click.Choice(["singer", "csv", "jsonl"]),
    default="singer",
    show_default=True,
    help="Singer messages for a target, one stream as CSV, or a JSON object a line.",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Print only what is new since the state in this file; csv and jsonl also write theirs to it.",
)
@with_settings
def export(settings: Settings, streams: tuple[str, ...], form: str, state: Path | None) -> None:
    """Print every survey, contact, event, rejected record and run, one row each: the rows hold personal data."""
    if form == "csv" and len(streams) != 1:
        raise click.UsageError(f"CSV takes one stream: name one of {', '.join(STREAMS)}.")
    exporting = Export(streams or tuple(STREAMS), _state(state), time.time())
    work = {"singer": exporting.singer, "csv": exporting.csv, "jsonl": exporting.jsonl}[form]
    with existing_store(settings) as store:
        for line in store.stream(work):
            click.echo(line)
    if state is not None and form != "singer":
        state.write_text(encode(exporting.state) + "\n", encoding="utf-8")


def _state(path: Path | None) -> Mapping[str, Any]:
    try:
        return read_state(path.read_text(encoding="utf-8")) if path is not None and path.exists() else {}
    except ValueError as error:
        raise click.UsageError(f"The file {path} holds no state: name another, or remove it to start over.") from error
