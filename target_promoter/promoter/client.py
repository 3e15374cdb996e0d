"""The Promoter API over HTTP: one call, one request, one answer; what to repeat is for the caller to decide."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from target_promoter.errors import AddressError, KeyRefusedError, SettingError
from target_promoter.promoter.answers import Answer, Outcome, doubted, meaning
from target_promoter.promoter.listings import listed
from target_promoter.promoter.transport import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_promoter.promoter.answers import Reply
    from target_promoter.promoter.listings import Campaign, ContactList
    from target_promoter.promoter.transport import Call


class Client:
    """A Promoter account, safe to call from many threads.

    Args:
        api_url: Base address of the API, such as `https://app.promoter.io/api`.
        api_key: The key; it is sent in a header and shown nowhere.
        clock: The time now, epoch seconds; what a date in Retry-After is compared with.

    Raises:
        SettingError: The key cannot be sent in a header.
    """

    def __init__(self, api_url: str, api_key: str, *, clock: Callable[[], float] = time.time) -> None:
        if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
            # Further below the whole header would stand in the error.
            name = "api_key"
            raise SettingError(name, "holds a character that no key has", "copy it again")
        self._key = api_key
        self._clock = clock
        self._exchange = Exchange(api_url.rstrip("/"), api_key)
        self._survey = self._exchange.call("POST", "/v2/survey/")
        self._save_contact = self._exchange.call("POST", "/contacts/")
        self._remove_contact = self._exchange.call("POST", "/contacts/remove/")

    def survey(self, body: bytes) -> Answer:
        """Ask for a survey, which e-mails its contact at once.

        Raises:
            KeyRefusedError: Promoter does not accept the key.
            AddressError: What answers is not Promoter's API.
        """
        reply = self._exchange.send(self._survey, body)
        return reply if isinstance(reply, Answer) else self._meaning(self._survey, reply, survey=True)

    def save_contact(self, body: bytes) -> Answer:
        """Add or update a contact; harmless to repeat.

        Raises:
            KeyRefusedError: Promoter does not accept the key.
            AddressError: What answers is not Promoter's API.
        """
        reply = self._exchange.send(self._save_contact, body)
        answer = reply if isinstance(reply, Answer) else self._meaning(self._save_contact, reply)
        return doubted(answer) if answer.outcome is Outcome.ACCEPTED and not answer.is_json else answer

    def remove_contact(self, email: str) -> Answer:
        """Remove a contact; one that is gone already counts as removed.

        Raises:
            KeyRefusedError: Promoter does not accept the key.
            AddressError: What answers is not Promoter's API.
        """
        reply = self._exchange.send(self._remove_contact, msgspec.json.encode({"email": email}))
        if isinstance(reply, Answer):
            return reply
        if reply.is_gone:
            return Answer(Outcome.ACCEPTED, reply.status)
        answer = self._meaning(self._remove_contact, reply)
        return doubted(answer) if answer.outcome is Outcome.ACCEPTED and reply.body and not answer.is_json else answer

    def campaigns(self) -> list[Campaign]:
        """Return the account's campaigns.

        Raises:
            KeyRefusedError: Promoter does not accept the key.
            AddressError: What answers is not Promoter's API.
            NoAnswerError: Promoter does not answer, also after some tries.
        """
        return [item.as_campaign() for item in listed(self._exchange, "/campaigns/", self._meaning)]

    def contact_lists(self) -> list[ContactList]:
        """Return the account's contact lists.

        Raises:
            KeyRefusedError: Promoter does not accept the key.
            AddressError: What answers is not Promoter's API.
            NoAnswerError: Promoter does not answer, also after some tries.
        """
        return [item.as_list() for item in listed(self._exchange, "/lists/", self._meaning)]

    def close(self) -> None:
        """Close the connections that no thread uses just now; the next call would make new ones."""
        self._exchange.close()

    def _meaning(self, call: Call, reply: Reply, *, survey: bool = False) -> Answer:
        """Return what a reply means for its request, or raise what ends the run."""
        if reply.key_is_refused:
            raise KeyRefusedError(reply.status)
        if reply.is_foreign:
            raise AddressError(call.method, call.path, reply.status)
        return meaning(reply, survey=survey, secret=self._key, now=self._clock())
