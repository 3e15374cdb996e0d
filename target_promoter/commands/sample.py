"""`target-promoter sample`: a small shop's data, to try a pipe with."""

from __future__ import annotations

import time

import click

from target_promoter.commands.shop import CONFIG_FILE
from target_promoter.commands.shop import sample as lines


@click.command()
@click.option("--config-file", is_flag=True, help="Print the config that the data is made for, and no data.")
def sample(*, config_file: bool) -> None:
    """Print a small shop's data as a tap would: raw calls and warehouse rows, every intake outcome among them."""
    if config_file:
        click.echo(CONFIG_FILE.read_text(encoding="utf-8"), nl=False)
        return
    for line in lines(time.time()):
        click.echo(line)
