"""What commands share: the config, wherever on the command line it was named, the store, and how answers are told."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from target_promoter.config.files import read_config
from target_promoter.config.settings import Settings
from target_promoter.errors import SettingError, StoreError
from target_promoter.store import runs
from target_promoter.store.database import Store, find_store
from target_promoter.values.masking import masked_url

P = ParamSpec("P")
R = TypeVar("R")


class Verdict(StrEnum):
    """How an answer is."""

    OK = "ok"
    WARN = "warn"
    """A run works, and may do something else than is meant."""
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question.

    Attributes:
        verdict: How it is.
        what: What was asked about, such as `campaign 78`.
        words: The answer, with what to do unless all is well.
    """

    verdict: Verdict
    what: str
    words: str

    @property
    def is_fine(self) -> bool:
        """Whether a run would work."""
        return self.verdict is not Verdict.FAIL

    def line(self) -> str:
        """Return it in one line."""
        return f"{self.verdict:4} {self.what}: {' '.join(self.words.split())}"


def yes(what: str, words: str) -> Finding:
    """Return the answer that all is well."""
    return Finding(Verdict.OK, what, words)


def maybe(what: str, words: str) -> Finding:
    """Return the answer that a run works, and may do something else than is meant."""
    return Finding(Verdict.WARN, what, words)


def no(what: str, words: str) -> Finding:
    """Return the answer that a run does not work."""
    return Finding(Verdict.FAIL, what, words)


class NoStoreError(StoreError):
    """There is no store yet."""

    def __init__(self, store_url: str) -> None:
        """Build the sentence."""
        store = masked_url(store_url)
        super().__init__(
            f"There is no store at {store} yet: the first run creates it (`tap | target-promoter --config CONFIG`); "
            "if there was one, name it in `store_url`, or run this from the folder it lies in."
        )


def refuse_dry_run(settings: Settings, command: str) -> None:
    """Refuse a command that writes to the store while `dry_run` is set.

    Raises:
        ConfigError: It is set.
    """
    if settings.dry_run:
        setting = "dry_run"
        raise SettingError(setting, f"is set, and `{command}` changes the store", "leave it out, and run this again")


def check_named(who: str) -> None:
    """Refuse a name that is none, such as an empty variable of a script.

    Args:
        who: What stands for a user id or an e-mail address.

    Raises:
        UsageError: It is empty.
    """
    if not who.strip():
        message = "The name of the person is empty: give a user id or an e-mail address."
        raise click.UsageError(message)


def count(number: int, thing: str) -> str:
    """Return how many of a thing there are."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


@contextlib.contextmanager
def existing_store(settings: Settings) -> Iterator[Store]:
    """Open the store of the settings; where there is none, none is created.

    Raises:
        StoreError: There is none, it cannot be used, or it belongs to another account.
    """
    store = find_store(settings.store_url)
    if store is None:
        raise NoStoreError(settings.store_url)
    with contextlib.closing(store):
        store.read(lambda tx: runs.check_account(tx, store.name, settings.api_url, settings.api_key))
        yield store


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

    Raises:
        ConfigError: A file cannot be read, or a setting is unknown or wrong.
    """
    return Settings.from_config(config_of(ctx, config_files))


def config_of(ctx: click.Context, config_files: tuple[str, ...]) -> dict[str, Any]:
    """Return the config of a command as given, unchecked.

    Raises:
        ConfigError: A file cannot be read.
    """
    before: dict[str, Any] = {} if ctx.obj is None else ctx.obj()
    return {**before, **read_config(config_files)}
