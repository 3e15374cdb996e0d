"""`target-promoter sample`: a small shop's data, to try a pipe with."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

CONFIG_FILE: Final = Path(__file__).with_name("sample_config.json")
"""The config that the sample is made for; with a smaller one some events are unmatched, and nothing else changes.

The file of the same name beside the README is its copy: `target-promoter sample --config-file > sample_config.json`.
"""

_MESSAGES: Final = Path(__file__).with_name("sample.jsonl")
"""A tap's output, in which times of events stand as `-3 hours` from now; every outcome of intake is among it."""

_STEP_SECONDS: Final = 12 * 3600
_HOURS: Final = re.compile(r'"([+-]\d+) hours"')


def messages(now: float) -> Iterator[str]:
    """Yield the lines of a tap: SCHEMA, RECORD and STATE messages, without line breaks.

    Ids, people and message ids are always the same, and the times of events move only every twelve hours. So the sample
    piped twice brings nothing new the second time, and its events are always young enough to be surveyed.
    """
    latest = dt.datetime.fromtimestamp(now - now % _STEP_SECONDS, tz=dt.UTC)

    def moved(match: re.Match[str]) -> str:
        return f'"{latest + dt.timedelta(hours=int(match[1])):%Y-%m-%dT%H:%M:%SZ}"'

    for line in _MESSAGES.read_text(encoding="utf-8").splitlines():
        yield _HOURS.sub(moved, line)


@click.command()
@click.option("--config-file", is_flag=True, help="Print the config that the data is made for, and no data.")
def sample(*, config_file: bool) -> None:
    """Print a small shop's data as a tap would: raw calls and warehouse rows, every intake outcome among them."""
    if config_file:
        click.echo(CONFIG_FILE.read_text(encoding="utf-8"), nl=False)
        return
    for line in messages(time.time()):
        click.echo(line)
