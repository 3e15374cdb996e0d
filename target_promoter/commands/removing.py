"""Removing contacts from Promoter at once, outside of a run, at the account's pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from target_promoter.config.settings import Settings
from target_promoter.delivery import limit as clock
from target_promoter.errors import DeliveryError
from target_promoter.promoter.answers import Answer
from target_promoter.promoter.client import Client, account_client
from target_promoter.store.database import Store
from target_promoter.store.transaction import Transaction
from target_promoter.values.masking import masked
from target_promoter.values.times import iso

_PATIENCE_SECONDS: Final = 60.0


class RemovalError(DeliveryError):
    """Promoter did not remove a contact."""

    def __init__(self, email: str, answer: Answer) -> None:
        """Build the sentence.

        Args:
            answer: What came of the request.
        """
        said = f"status {answer.status}" if answer.status else "no answer"
        words = f", «{answer.words}»" if answer.words else ""
        super().__init__(
            f"Promoter did not remove the contact {masked(email)} ({said}{words}): "
            "whoever has it was not forgotten; run this again."
        )

    @classmethod
    def held(cls, until: float) -> DeliveryError:
        """Return the error for an account that wants no request now."""
        return DeliveryError(
            f"Promoter asks to wait until {iso(until)}: not all were forgotten; run this again after that."
        )


def remove_everywhere(
    store: Store, settings: Settings, emails: Iterable[str], *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Remove contacts from Promoter.

    Args:
        store: The store, whose clock sets the pace.
        sleep: Waits so many seconds.

    Raises:
        DeliveryError: Promoter did not remove one; those before it are removed.
        SandboxError: The embedded sandbox cannot be started.
    """
    with account_client(settings) as client:
        for email in emails:
            _remove(store, client, settings.requests_per_minute, email, sleep)


def _remove(store: Store, client: Client, limit: float, email: str, sleep: Callable[[float], None]) -> None:
    now = time.time()
    sleep(max(0.0, store.write(lambda tx: _reserve(tx, limit, now)) - now))
    answer = client.remove_contact(email)
    store.write(lambda tx: clock.record(tx, time.time(), [answer], limit=limit))
    if answer.outcome != "accepted":
        raise RemovalError(email, answer)


def _reserve(tx: Transaction, limit: float, now: float) -> float:
    """Return when the next request may leave, in epoch seconds."""
    slots = clock.free(tx, now, limit=limit, horizon=_PATIENCE_SECONDS, most=1)
    if not slots.number:
        raise RemovalError.held(slots.first)
    clock.take(tx, slots, 1)
    return slots.first
