"""The way to the account of the settings: Promoter, or for `api_url: sandbox` a sandbox inside this process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from target_promoter.config.settings import Settings
from target_promoter.errors import SandboxError
from target_promoter.promoter.client import Client


@contextlib.contextmanager
def account_client(settings: Settings) -> Iterator[Client]:
    """Speak to the account of the settings.

    Yields:
        The client.

    Raises:
        SandboxError: The embedded sandbox cannot be started.
        ConfigError: The key cannot be sent.
    """
    with _sandbox(settings) if settings.sandbox else contextlib.nullcontext(settings.api_url) as address:
        client = Client(address, settings.api_key)
        try:
            yield client
        finally:
            client.close()


@contextlib.contextmanager
def _sandbox(settings: Settings) -> Iterator[str]:
    """Run a sandbox whose account has the campaigns and contact lists of the config, and yield its address."""
    try:
        from target_promoter.sandbox.book import AccountInUseError  # noqa: PLC0415 - an extra
        from target_promoter.sandbox.server import SandboxServer  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SandboxError.not_installed() from error
    campaigns = {campaign.id: campaign.event for campaign in settings.campaigns.values()}
    lists = {one: f"List {one}" for one in settings.all_contact_lists}
    try:
        server = SandboxServer(settings.sandbox_account_path, campaigns=campaigns, lists=lists)
        server.start()
    except (AccountInUseError, OSError, RuntimeError) as error:
        raise SandboxError.not_started(error) from error
    try:
        yield server.url
    finally:
        server.stop()
