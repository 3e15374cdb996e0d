"""The errors of this program: one family, each message a sentence that names the thing and what to do."""

from __future__ import annotations

from target_promoter.values.printable import printable


class PromoterError(Exception):
    """The root of all that ends a run with a sentence instead of a traceback; names from outside stand in it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))

    def __str__(self) -> str:
        """Return the sentence, which may be `Lines`."""
        return str(self.args[0])


class ConfigError(PromoterError):
    """A setting or a stream is refused, before anything is read or sent."""


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


class OutputError(PromoterError):
    """Standard output cannot be written to."""


class StoreError(PromoterError):
    """The store cannot be used."""


class StoreMovedError(StoreError):
    """The store was closed by `target-promoter move`."""

    def __init__(self, store: str, to: str) -> None:
        super().__init__(f"The store {store} was moved to {to}: set `store_url` to that.")
        self.to = to


class StoreBusyError(StoreError):
    """Another program holds the store."""


class StoreLostError(StoreError):
    """The connection to the store is gone."""


class DeliveryError(PromoterError):
    """Delivery had to stop; what is left stays pending in the store."""

    @classmethod
    def asked_to_wait(cls, until: str) -> DeliveryError:
        """Return the error for a wait longer than a run's, such as that of a daily limit.

        Args:
            until: Until when Promoter asks to wait, ISO 8601.
        """
        return cls(f"Promoter asks to wait until {until}, longer than this run does: run again after that.")

    @classmethod
    def unexpected(cls, error: BaseException) -> DeliveryError:
        """Return the error for a mistake in this program; its words may hold what was to be sent."""
        return cls(f"Delivery failed unexpectedly ({type(error).__name__}): run again, and please report it.")


class KeyRefusedError(DeliveryError):
    """Promoter does not accept the API key."""


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
        """Return the error for a sandbox that does not come up."""
        return cls(f"The sandbox does not start: {error}")
