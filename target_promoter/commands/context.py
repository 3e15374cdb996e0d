"""What commands share: the config, wherever on the command line it was named, the store, and answers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Concatenate, ParamSpec, TypeVar

import click

from target_promoter.config.files import read_config
from target_promoter.config.settings import Settings
from target_promoter.errors import SettingError, StoreError
from target_promoter.store import runs
from target_promoter.store.database import Store, find_store
from target_promoter.values.printable import masked_url

P = ParamSpec("P")
R = TypeVar("R")


class Verdict(StrEnum):
    """The verdict of an answer."""

    OK = "ok"
    WARN = "warn"
    """A run works, and may do something else than is meant."""
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question.

    Attributes:
        verdict: Whether a run would work.
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


def ok(what: str, words: str) -> Finding:
    """Return the answer that all is well."""
    return Finding(Verdict.OK, what, words)


def warn(what: str, words: str) -> Finding:
    """Return the answer that a run works, and may do something else than is meant."""
    return Finding(Verdict.WARN, what, words)


def fail(what: str, words: str) -> Finding:
    """Return the answer that a run does not work."""
    return Finding(Verdict.FAIL, what, words)


def refuse_dry_run(settings: Settings, command: str) -> None:
    """Refuse a command that writes to the store while `dry_run` is set.

    Raises:
        ConfigError: It is set.
    """
    if settings.dry_run:
        setting = "dry_run"
        raise SettingError(setting, f"is set, and `{command}` changes the store", "leave it out, and run this again")


def named(_ctx: click.Context, _parameter: click.Parameter, who: str | None) -> str | None:
    """Refuse the name of a person that is none, such as an empty variable of a script."""
    if who is not None and not who.strip():
        raise click.UsageError("The name of the person is empty: give a user id or an e-mail address.")
    return who


def check_account(store: Store, settings: Settings) -> None:
    """Refuse a store that belongs to another account than that of the settings."""
    store.read(lambda tx: runs.check_account(tx, store.name, settings.api_url, settings.api_key))


@contextlib.contextmanager
def existing_store(settings: Settings) -> Iterator[Store]:
    """Open the store of the settings; where there is none, none is created.

    Raises:
        StoreError: There is none, it cannot be used, or it belongs to another account.
    """
    store = find_store(settings.store_url)
    if store is None:
        name = masked_url(settings.store_url)
        raise StoreError(
            f"There is no store at {name} yet: the first run creates it (`tap | target-promoter --config CONFIG`); "
            "if there was one, name it in `store_url`, or run this from the folder it lies in."
        )
    with contextlib.closing(store):
        check_account(store, settings)
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
        return command(Settings.from_config(read_config(files_of(ctx, config_files))), *args, **kwargs)

    return wrapped  # type: ignore[return-value] # click calls it with what it parsed


def files_of(ctx: click.Context, own: tuple[str, ...]) -> tuple[str, ...]:
    """Return the config files of a command, those before its name first."""
    return (*(() if ctx.parent is None else ctx.parent.params["config"]), *own)
