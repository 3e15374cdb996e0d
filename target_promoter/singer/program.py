"""The program: the target itself, and the commands beside it."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import click
from singer_sdk.plugin_base import SingerCommand
from typing_extensions import override

from target_promoter.config.kinds import did_you_mean
from target_promoter.errors import PromoterError
from target_promoter.singer import output
from target_promoter.values.printable import printable

COMMANDS: Final = (
    "cancel",
    "check",
    "deliver",
    "drop",
    "export",
    "forget",
    "move",
    "pull",
    "rejected",
    "report",
    "resync",
    "sample",
    "sandbox",
)
"""The commands beside the target; each is in the module of its name, which is loaded only when it is asked for."""


def load(name: str) -> click.Command:
    """Return a command.

    Args:
        name: Its name, one of `COMMANDS`.
    """
    command: click.Command = getattr(importlib.import_module(f"target_promoter.commands.{name}"), name)
    return command


class Program(SingerCommand, click.Group):
    """The SDK's command, which without a subcommand runs the target; an error of the family ends it with a sentence."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load(cmd_name) if cmd_name in COMMANDS else None

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = did_you_mean(args[0], COMMANDS)
            if near is None:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{near}'?", ctx) from None

    @override
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with self._errors_as_sentences():  # Here `--help` and `--version` are answered.
            return super().make_context(*args, **kwargs)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        with self._errors_as_sentences():
            return super().invoke(ctx)

    @contextlib.contextmanager
    def _errors_as_sentences(self) -> Iterator[None]:
        """End the program with a sentence for an error of the family."""
        try:
            with output.written():
                yield
        except PromoterError as error:
            self._refuse(error)
        except click.UsageError as error:
            words = error.format_message()
            if words.isprintable():
                raise
            # An argument stands in it, such as the name of a file.
            raise click.UsageError(printable(words), error.ctx) from None

    def _refuse(self, error: PromoterError) -> NoReturn:
        if not isinstance(error.__cause__, BrokenPipeError):  # Else whoever read the output has enough of it.
            for sentence in str(error).splitlines():
                self.logger.error("%s", sentence)
        sys.exit(1)


def program(singer: click.Command, run: Callable[..., None], logger: logging.Logger) -> click.Command:
    """Return the program of a target.

    Args:
        singer: The SDK's command, whose options it has.
        run: Runs the target with the values of those options.
        logger: Where refusals are logged.
    """

    @click.pass_context
    def callback(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401 - the SDK's own
        if ctx.invoked_subcommand is None:
            run(**options)

    return Program(
        name=singer.name,
        callback=callback,
        params=singer.params,
        help=singer.help,
        context_settings=singer.context_settings,
        invoke_without_command=True,
        logger=logger,
    )
