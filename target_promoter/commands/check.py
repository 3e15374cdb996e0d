"""`target-promoter check`: will a run work? Sends nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from target_promoter.commands.checking import Finding, Verdict, check_account, check_settings, check_store, learn
from target_promoter.commands.context import config_of, refuse_dry_run
from target_promoter.commands.inspection import inspect_input
from target_promoter.config.files import reads_environment
from target_promoter.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO


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
    """Check key, campaigns, contact lists and store, one line each. Sends nothing; exits with 1 on any FAIL."""
    config = config_of(ctx, config_files)
    settings = Settings.from_config(config)
    for option, is_set in (("rebind", rebind), ("restored", restored)):
        if is_set:
            refuse_dry_run(settings, f"check --{option}")
    learned: dict[int, str] = {}
    odd = check_settings(config, settings, reads_environment=_reads_environment(ctx, config_files))
    account_is_fine = _show([*odd, *check_account(settings, learned)])
    if rebind and not account_is_fine:
        _show([Finding(Verdict.FAIL, "rebind", "the account has to be in order first")])
    fine = _show(check_store(settings, rebind=rebind and account_is_fine, restored=restored)) and account_is_fine
    if fine and not settings.dry_run:
        learn(settings, learned)
    if sample is not None:
        for line in inspect_input(sample, config, settings):
            click.echo(line)
    sys.exit(0 if fine else 1)


def _show(findings: Iterable[Finding]) -> bool:
    """Show answers, and return whether none of them is a no."""
    shown = list(findings)
    for finding in shown:
        click.echo(finding.line())
    return all(finding.is_fine for finding in shown)


def _reads_environment(ctx: click.Context, config_files: tuple[str, ...]) -> bool:
    """Return whether the environment is read, wherever on the command line that was said."""
    before = ctx.parent.params.get("config") if ctx.parent is not None else None
    return reads_environment(config_files) or bool(before is not None and before.parse_env)
