"""The errors of this program: one family, each message a sentence that names the thing and what to do."""

from __future__ import annotations

import sqlite3
from typing import Final

from target_promoter.values.printable import printable

_SQLITE_FIXES: Final = (
    ("locked", "another program holds it: end that program, then run again"),
    ("lock timeout", "another program holds it: end that program, then run again"),
    ("malformed", "it is damaged: restore it from a backup, or move it away to begin with a new one"),
    ("disk", "the disk may be full: make room, then run again"),
    ("full", "the disk is full: make room, then run again"),
    ("readonly", "it is read-only: let this user write to the file and its folder"),
    ("not a database", "it is no SQLite file or is damaged: restore it from a backup, or name another file"),
    ("unable to open", "its folder is missing or may not be written to: create it, or name another file"),
)


class PromoterError(Exception):
    """The root of all that ends a run with a sentence instead of a traceback; names from outside stand in it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))

    def __str__(self) -> str:
        """Return the sentence, which may be `Lines`."""
        return str(self.args[0])


class ConfigError(PromoterError):
    """A setting or a stream is refused, before anything is read or sent."""

    @classmethod
    def in_stream_maps(cls, words: str, stream: str | None = None) -> ConfigError:
        """Return the error for stream maps or flattening that cannot be applied.

        Args:
            words: What is wrong.
            stream: The stream that it cannot be applied to; None if to any.
        """
        where = "" if stream is None else f" to stream `{stream}`"
        return cls(
            f"Setting `stream_maps` cannot be applied{where} ({words}): fix the map, or the flattening beside it."
        )


class SettingError(ConfigError):
    """A setting is unknown or wrong."""

    def __init__(self, name: str, problem: str, fix: str) -> None:
        """Build the sentence.

        Args:
            name: The setting, with dots into it, such as `campaigns.Order Completed.id`.
            problem: What is wrong with it, without its value, such as `is a text`.
        """
        super().__init__(f"Setting `{name}` {problem}: {fix}{'' if fix.endswith('?') else '.'}")


class InputError(PromoterError):
    """The tap sent something that cannot be taken."""

    @classmethod
    def closed(cls) -> InputError:
        """Return the error for a standard input that is closed."""
        return cls("Standard input is closed: pipe a tap into this program, or name a file with --input.")

    @classmethod
    def malformed(cls, message: str, key: str, wanted: str) -> InputError:
        """Return the error for a message whose form is wrong."""
        return cls(f"The tap sends {message} with a `{key}` that is not {wanted}: fix the tap.")

    @classmethod
    def holds_key(cls, stream: str) -> InputError:
        """Return the error for a SCHEMA message that would have the store keep the API key."""
        return cls(
            f"The SCHEMA of stream `{stream}` holds the text of the API key: take it out of the source, and get "
            "another key from Promoter."
        )

    @classmethod
    def batch(cls, stream: str, problem: str) -> InputError:
        """Return the error for batch files that cannot be read.

        Args:
            problem: What is wrong with them.
        """
        return cls(
            f"The tap sends a BATCH of stream `{stream}` {problem}: "
            "set the tap to send records, or JSONL files (plain or gzip) at file:// addresses."
        )

    @classmethod
    def from_sdk(cls, error: Exception) -> InputError:
        """Return the error for what the SDK refused.

        Args:
            error: What it raised; its message names streams and keys, and shows no record.
        """
        words = "the input is not UTF-8" if isinstance(error, UnicodeDecodeError) else " ".join(str(error).split())
        return cls(f"The input was refused ({type(error).__name__}: {words}): fix the tap or its stream maps.")


class OutputError(PromoterError):
    """Standard output takes nothing more."""

    def __init__(self, words: str) -> None:
        """Build the sentence.

        Args:
            words: What is wrong with it.
        """
        super().__init__(
            f"Standard output takes nothing more ({words}): check the disk or program it goes to, then run again."
        )


class StoreError(PromoterError):
    """The store cannot be used."""

    @classmethod
    def from_database(cls, store: str, error: BaseException | sqlite3.Error | None) -> StoreError:
        """Return the error for what a database said.

        Args:
            error: What the database's driver raised.
        """
        # Further lines of PostgreSQL show the row that it refuses.
        words = next(iter(str(error).splitlines()), "")
        fix = next((fix for part, fix in _SQLITE_FIXES if part in words.lower()), "fix that, then run again")
        return cls(f"The store {store} refused with «{words}»: {fix}.")

    @classmethod
    def from_os(cls, store: str, error: OSError) -> StoreError:
        """Return the error for a file that cannot be opened.

        Args:
            error: What the operating system said.
        """
        return cls(f"The store {store} cannot be opened ({error.strerror}): name another file in `store_url`.")

    @classmethod
    def other_version(cls, store: str, found: str | None, known: int) -> StoreError:
        """Return the error for a store that a newer version of this program wrote."""
        newer = found is not None and found.isdigit() and int(found) > known
        fix = "install the newer target-promoter" if newer else "name another store in `store_url`"
        return cls(f"The store {store} has schema version {found}, and this program writes version {known}: {fix}.")

    @classmethod
    def older(cls, store: str, found: int | None, known: int) -> StoreError:
        """Return the error for an older store that a dry run would have to change."""
        return cls(
            f"The store {store} has schema version {found}, and a dry run may not bring it to version {known}: "
            "run `target-promoter check` first, which does, and sends nothing."
        )

    @classmethod
    def taken(cls, store: str) -> StoreError:
        """Return the error for a store where another one was to be moved to."""
        return cls(f"There is a store at {store} already: move yours to an address where there is nothing yet.")

    @classmethod
    def unfinished(cls, store: str) -> StoreError:
        """Return the error for a store that is not wholly there."""
        return cls(
            f"The store {store} was not wholly moved there: run `target-promoter move` once more, "
            "with the old store in `store_url`."
        )

    @classmethod
    def foreign(cls, store: str) -> StoreError:
        """Return the error for a database that holds somebody else's tables."""
        return cls(f"The store {store} holds tables of another program: name a database of its own in `store_url`.")

    @classmethod
    def in_memory(cls) -> StoreError:
        """Return the error for a store that would forget who was surveyed."""
        return cls("A store in memory forgets who was surveyed: name a file in `store_url`.")

    @classmethod
    def no_driver(cls) -> StoreError:
        """Return the error for a PostgreSQL store without its driver."""
        return cls("A PostgreSQL store needs a driver: install target-promoter[postgres].")

    @classmethod
    def other_account(cls, store: str, what: str, fix: str) -> StoreError:
        """Return the error for a store that belongs to another Promoter account.

        Args:
            what: What differs, such as `another API key`.
        """
        return cls(f"The store {store} belongs to {what}: {fix}.")


class StoreMovedError(StoreError):
    """The store was closed by `target-promoter move`."""

    def __init__(self, store: str, to: str) -> None:
        super().__init__(f"The store {store} was moved to {to}: set `store_url` to that.")
        self.to = to


class StoreBusyError(StoreError):
    """Another program holds the store."""


class StoreLostError(StoreError):
    """The connection to the store is gone."""

    def __init__(self, store: str) -> None:
        """Build the sentence."""
        super().__init__(f"The connection to the store {store} is lost: see that the database runs, then run again.")


class DeliveryError(PromoterError):
    """Delivery had to stop; what is left stays pending in the store."""

    @classmethod
    def out_of_patience(cls, seconds: float, status: int | None, words: str) -> DeliveryError:
        """Return the error for requests of which none succeeds.

        Args:
            seconds: For how long none did.
            status: Of the last answer, if there was one.
            words: What Promoter, or the connection, said last.
        """
        said = " ".join(filter(None, (f"status {status}" if status else "no answer", words)))
        return cls(
            f"Promoter gave no usable answer for {round(seconds / 60, 1):g} minutes (at last: {said}): "
            "what is left stays pending; run again, or `target-promoter deliver`."
        )

    @classmethod
    def asked_to_wait(cls, until: str) -> DeliveryError:
        """Return the error for a wait longer than a run's, such as that of a daily limit.

        Args:
            until: Until when Promoter asks to wait, ISO 8601.
        """
        return cls(f"Promoter asks to wait until {until}, longer than this run does: run again after that.")

    @classmethod
    def unexpected(cls, error: BaseException) -> DeliveryError:
        """Return the error for a mistake in this program; its words may hold what was to be sent.

        Args:
            error: What was raised.
        """
        return cls(f"Delivery failed unexpectedly ({type(error).__name__}): run again, and please report it.")


class KeyRefusedError(DeliveryError):
    """Promoter does not accept the API key."""

    def __init__(self, status: int) -> None:
        """Build the sentence.

        Args:
            status: 401 or 403.
        """
        super().__init__(
            f"Promoter refuses the API key (status {status}): set `api_key` to the one on the account's API page."
        )


class AddressError(DeliveryError):
    """What answers at `api_url` is not Promoter's API."""

    def __init__(self, method: str, path: str, status: int) -> None:
        """Build the sentence.

        Args:
            status: Of the answer, such as 301 or 404.
        """
        super().__init__(
            f"`api_url` answers {method} {path} with status {status}, which Promoter's API does not: "
            "set `api_url` to its base address, such as https://app.promoter.io/api."
        )


class SandboxError(PromoterError):
    """The sandbox cannot be started."""

    @classmethod
    def not_installed(cls) -> SandboxError:
        """Return the error for a missing server."""
        return cls("The sandbox needs a web server: install target-promoter[sandbox].")

    @classmethod
    def not_started(cls, error: Exception) -> SandboxError:
        """Return the error for a sandbox that does not come up.

        Args:
            error: What it said, a sentence.
        """
        return cls(f"The sandbox does not start: {error}")
