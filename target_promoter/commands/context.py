"""What every command needs: the config, wherever on the command line it was named, checked."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from target_promoter.config_files import read_config
from target_promoter.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def with_settings(command: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """Give a command the settings, from `--config` before or behind its name.

    Args:
        command: Takes the settings first.
    """

    @click.option(
        "--config",
        "config_files",
        multiple=True,
        help="Configuration file location or 'ENV' to use environment variables.",
    )
    @click.pass_context
    @functools.wraps(command)
    def wrapped(ctx: click.Context, /, config_files: tuple[str, ...], *args: P.args, **kwargs: P.kwargs) -> R:
        return command(settings_of(ctx, config_files), *args, **kwargs)

    return wrapped  # type: ignore[return-value] # click calls it with what it parsed


def settings_of(ctx: click.Context, config_files: tuple[str, ...]) -> Settings:
    """Return the settings of a command.

    Args:
        ctx: Its context, below that of the whole program.
        config_files: The config files named behind its name.

    Raises:
        ConfigError: A file cannot be read, or a setting is unknown or wrong.
    """
    before: dict[str, Any] = ctx.obj or {}
    return Settings.from_config({**before, **read_config(config_files)})
