"""`target-promoter check`: will a run work? Sends nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from target_promoter.commands.checking import check_account, check_store
from target_promoter.commands.context import config_of, refuse_dry_run
from target_promoter.commands.inspection import inspect_input
from target_promoter.config.settings import Settings

if TYPE_CHECKING:
    from typing import IO

    from target_promoter.commands.checking import Finding


@click.command()
@click.option("--config", "config_files", multiple=True, help="Configuration file location, or 'ENV'.")
@click.option(
    "--input",
    "sample",
    type=click.File(encoding="utf-8"),
    help="Show how each stream of a file of Singer messages is read, what of it would be sent, and what to add.",
)
@click.option("--rebind", is_flag=True, help="Accept a new API key or address of the store's account.")
@click.option("--restored", is_flag=True, help="The store came from a backup: believe nothing that was sent since.")
@click.pass_context
def check(
    ctx: click.Context, /, config_files: tuple[str, ...], sample: IO[str] | None, *, rebind: bool, restored: bool
) -> None:
    """Check key, campaigns, contact lists and store, one line each. Sends nothing; exits with 1 on any no."""
    config = config_of(ctx, config_files)
    settings = Settings.from_config(config)
    for option, is_set in (("rebind", rebind), ("restored", restored)):
        if is_set:
            refuse_dry_run(settings, f"check --{option}")
    findings: list[Finding] = []
    for finding in check_account(settings):
        findings.append(finding)
        click.echo(finding.line())
    account_is_fine = all(finding.is_fine for finding in findings)
    if rebind and not account_is_fine:
        click.echo("no   rebind: the account has to be in order first")
    for finding in check_store(settings, rebind=rebind and account_is_fine, restored=restored):
        findings.append(finding)
        click.echo(finding.line())
    fine = all(one.is_fine for one in findings) and not (rebind and not account_is_fine)
    if sample is not None:
        for line in inspect_input(sample, config, settings):
            click.echo(line)
    sys.exit(0 if fine else 1)
