"""`target-promoter sample`: a small shop's data, to try a pipe with."""

from __future__ import annotations

import time

import click

from target_promoter.commands.shop import sample as lines


@click.command()
def sample() -> None:
    """Print a small shop's data as a tap would: raw calls and warehouse rows, every intake outcome among them."""
    for line in lines(time.time()):
        click.echo(line)
