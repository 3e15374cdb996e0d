"""`target-promoter sandbox`: a Promoter account that e-mails nobody."""

from __future__ import annotations

from pathlib import Path

import click

from target_promoter.errors import SandboxError


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
def sandbox(port: int, host: str, key: str, account: Path | None, requests_per_minute: int | None) -> None:
    """Serve the sandbox: a Promoter account that speaks the API, with a page of contacts, surveys and requests."""
    try:
        from target_promoter.sandbox.file import AccountInUseError  # noqa: PLC0415 - an extra
        from target_promoter.sandbox.server import SandboxServer  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SandboxError.not_installed() from error
    try:
        server = SandboxServer(account, key=key, requests_per_minute=requests_per_minute, host=host, port=port)
    except (AccountInUseError, OSError) as error:
        raise SandboxError.not_started(error) from error
    click.echo(f"The sandbox is at {server.origin}/ ; set `api_url` to {server.url} and `api_key` to {key}.", err=True)
    server.serve()
