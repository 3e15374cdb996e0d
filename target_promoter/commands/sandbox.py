"""`target-promoter sandbox`: a Promoter account that e-mails nobody."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from target_promoter.errors import SandboxError
from target_promoter.singer.output import say


@click.command()
@click.option("--port", default=8089, show_default=True, help="Port to listen on; 0 finds a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--key", default="sandbox", show_default=True, help="The API key that the account accepts.")
@click.option(
    "--account",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that keeps the account between runs; without it the account lives in memory.",
)
@click.option("--requests-per-minute", type=int, help="The account's limit; none without it.")
@click.option("--requests-per-second", type=int, help="The same by the second; none without it.")
@click.option("--page-size", type=click.IntRange(1), default=50, show_default=True, help="Results on a page.")
@click.option("--leave-out", multiple=True, help="A field that lists of contacts leave out, such as `attributes`.")
@click.option("--show", is_flag=True, help="Print what the account in the file holds, and serve nothing.")
def sandbox(
    *,
    port: int,
    host: str,
    key: str,
    account: Path | None,
    show: bool,
    **options: Any,  # noqa: ANN401 - the account's own
) -> None:
    """Serve the sandbox: a Promoter account that speaks the API, with a page of contacts, surveys and requests."""
    if show:
        _show(account)
        return
    try:
        from target_promoter.sandbox.server import SandboxServer  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SandboxError.not_installed() from error
    try:
        server = SandboxServer(account, host=host, port=port, key=key, **options)
    except OSError as error:
        if error.strerror:
            fix = "name another with --port, or with --host"
            raise SandboxError(f"The sandbox cannot listen at {host}:{port} ({error.strerror}): {fix}.") from error
        raise SandboxError.not_started(error) from error
    say(f"The sandbox is at {server.origin}/ ; set `api_url` to {server.url} and `api_key` to {key}.", err=True)
    server.serve()


def _show(path: Path | None) -> None:
    """Print the contacts and surveys of an account."""
    from target_promoter.sandbox.account import Account  # noqa: PLC0415 - the sandbox, only where it is needed

    if path is None:
        raise SandboxError("The sandbox has no account to show: name its file with --account.")
    if not path.exists():
        fix = "run the target with `api_url` set to `sandbox` first"
        raise SandboxError(f"The sandbox has no account in {path}: {fix}.")
    try:
        account = Account(path)
    except OSError as error:
        raise SandboxError.not_started(error) from error
    with contextlib.closing(account):
        say(f"{len(account.contacts)} contacts:")
        for contact in account.contacts.values():
            name = " ".join(filter(None, (contact.first_name, contact.last_name)))
            attributes = ", ".join(f"{key}={value}" for key, value in contact.attributes.items())
            say(f"  {contact.email}  {name or '-'}  {attributes}")
        say(f"{len(account.surveys)} surveys:")
        for survey in account.surveys:
            attributes = ", ".join(f"{key}={value}" for key, value in survey.attributes.items())
            say(f"  to {survey.email}  campaign {survey.campaign}  {attributes}")
