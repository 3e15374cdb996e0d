"""The Promoter API over HTTP: one call, one request, one answer; what to repeat is for the caller to decide."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import backoff
import msgspec

from target_promoter.config.settings import Settings
from target_promoter.errors import AddressError, DeliveryError, KeyRefusedError, SandboxError, SettingError
from target_promoter.promoter.answers import FAILURES, Answer, Outcome, Reply, doubted, meaning
from target_promoter.promoter.contact_pages import BEYOND, LONGEST_PAGE, ContactPage, read_page
from target_promoter.promoter.transport import Call, Exchange

_TRIES: Final = 3
_PATIENCE_SECONDS: Final = 5.0
"""For how long a question is asked once more: somebody waits for what it is asked for."""

_LONGEST_WAIT: Final = 60.0
"""For how long at the most it waits where Promoter asks it to."""

_FIRST_PAUSE: Final = 1.0
_MOST_PAGES: Final = 10_000
_REDIRECT: Final = 300
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign of the account.

    Attributes:
        id: The `campaign_id` of a survey.
        name: As shown to people.
        drip_duration: Over how long its surveys are spread, 0 for instant distribution; None if Promoter does not say.
    """

    id: int
    name: str
    drip_duration: float | None = None


@dataclass(frozen=True, slots=True)
class ContactList:
    """A contact list of the account.

    Attributes:
        id: Promoter's number for it.
        name: As shown to people.
    """

    id: int
    name: str


class NoAnswerError(DeliveryError):
    """Promoter does not answer a question, also after some tries."""

    def __init__(self, path: str, answer: Answer) -> None:
        """Build the sentence.

        Args:
            answer: What became of it last.
        """
        wait = f"in {math.ceil(answer.retry_after)} seconds" if answer.retry_after else "later"
        fix = f"run again {wait}" if answer.status else "see that `api_url` is its address, or run again later"
        super().__init__(f"Promoter does not answer GET {path} ({answer.said}): {fix}.")


class EndlessListingError(DeliveryError):
    """Promoter names a further page after more of them than any account has, or after one that was there before."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"Promoter names ever further pages of {path}, and none is the last: "
            "ask Promoter, or whoever runs what stands at `api_url`."
        )


class Item(msgspec.Struct):
    """One entry of a page; of a contact list the first two fields alone are of use."""

    id: int
    name: str | None = None
    drip_duration: object = None


class _Page(msgspec.Struct):
    results: list[Item]
    next: str | None = None


def listed(exchange: Exchange, path: str, judge: Callable[[Call, Reply], Answer]) -> Generator[Item, None, None]:
    """Yield what stands on all pages.

    The address of a further page is built here, whatever Promoter names as the next: the key goes to no other host.

    Args:
        path: Of the collection, such as `/campaigns/`.
        judge: Tells what a reply means, and raises for one that ends the run.

    Raises:
        AddressError: What answers is not Promoter's API.
        NoAnswerError: Promoter does not answer, also after some tries.
        EndlessListingError: There is a further page after every one.
    """
    before: list[Item] = []
    for number in range(1, _MOST_PAGES + 1):
        page = _page(exchange, path, number, judge)
        if page.results and page.results == before:
            break
        yield from page.results
        if not page.next:
            return
        before = page.results
    raise EndlessListingError(path)


def _page(exchange: Exchange, path: str, number: int, judge: Callable[[Call, Reply], Answer]) -> _Page:
    call = exchange.call("GET", f"{path}?page={number}")
    data: object = None
    patient_until = time.monotonic() + _PATIENCE_SECONDS

    def may_pass(answer: Answer) -> bool:
        if answer.outcome not in FAILURES:
            return False
        asked = answer.retry_after
        return time.monotonic() < patient_until if asked is None else asked <= _LONGEST_WAIT

    @backoff.on_predicate(_pauses, may_pass, max_tries=_TRIES, jitter=None, logger=None)
    def ask() -> Answer:
        nonlocal data
        reply = exchange.send(call)
        if isinstance(reply, Answer):
            return reply
        if number > 1 and reply.status == _NOT_FOUND:
            # What stood on the last page was removed meanwhile.
            data = {"results": []}
            return Answer(Outcome.ACCEPTED, reply.status)
        data = reply.data
        answer = judge(call, reply)
        return doubted(answer) if answer.outcome is Outcome.ACCEPTED and not answer.is_json else answer

    answer = ask()
    if answer.outcome is not Outcome.ACCEPTED:
        if answer.status is not None and answer.status < _REDIRECT:
            raise AddressError(call.method, path, answer.status)
        raise NoAnswerError(path, answer)
    try:
        return msgspec.convert(data, _Page)
    except msgspec.ValidationError as error:
        raise AddressError(call.method, path, answer.status or 0) from error


def _pauses() -> Generator[float, Any, None]:
    """Yield the seconds to wait after each failed answer sent in: what it asks for, else ever longer."""
    answer = yield 0.0
    pause = _FIRST_PAUSE
    while True:
        answer = yield pause if answer.retry_after is None else answer.retry_after
        pause *= 2


def _drip(value: object) -> float | None:
    """Return how long surveys are spread over, whose form is not documented; None if it cannot be read."""
    try:
        days = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return None
    return days if math.isfinite(days) else None


NO_PACE: Final = 1e9
"""The limit of a run that sends nothing, in requests a minute."""

_CARRIED_OUT: Final = Answer(Outcome.ACCEPTED, 200)


class Api(Protocol):
    """The part of Promoter's API that delivery needs: one call, one request, one answer."""

    def survey(self, body: bytes) -> Answer:
        """Ask for a survey, which e-mails its contact at once."""

    def save_contact(self, body: bytes) -> Answer:
        """Add or update a contact."""

    def remove_contact(self, email: str) -> Answer:
        """Remove a contact."""

    def leave_list(self, contact_list: int, body: bytes) -> Answer:
        """Take a contact off a list."""


class Withheld:
    """Answers for Promoter, and sends nothing."""

    def survey(self, body: bytes) -> Answer:  # noqa: ARG002 - as the client takes it
        """Answer a request for a survey."""
        return _CARRIED_OUT

    def save_contact(self, body: bytes) -> Answer:  # noqa: ARG002 - as the client takes it
        """Answer a request to add or update a contact."""
        return _CARRIED_OUT

    def leave_list(self, contact_list: int, body: bytes) -> Answer:  # noqa: ARG002 - as the client takes it
        """Answer a request to take a contact off a list."""
        return _CARRIED_OUT

    def remove_contact(self, email: str) -> Answer:  # noqa: ARG002 - as the client takes it
        """Answer a request to remove a contact."""
        return _CARRIED_OUT

    def close(self) -> None:
        """Do nothing: there is no connection."""


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
        return self._remove(self._remove_contact, msgspec.json.encode({"email": email}))

    def leave_list(self, contact_list: int, body: bytes) -> Answer:
        """Take a contact off a list; one that is not on it counts as taken off.

        Raises:
            KeyRefusedError: Promoter does not accept the key.
            AddressError: What answers is not Promoter's API.
        """
        return self._remove(self._exchange.call("POST", f"/lists/{contact_list}/remove/"), body)

    def _remove(self, call: Call, body: bytes) -> Answer:
        reply = self._exchange.send(call, body)
        if isinstance(reply, Answer):
            return reply
        if reply.is_gone:
            return Answer(Outcome.ACCEPTED, reply.status)
        answer = self._meaning(call, reply)
        return doubted(answer) if answer.outcome is Outcome.ACCEPTED and reply.body and not answer.is_json else answer

    def campaigns(self) -> list[Campaign]:
        """Return the account's campaigns.

        Raises:
            KeyRefusedError: Promoter does not accept the key.
            AddressError: What answers is not Promoter's API.
            NoAnswerError: Promoter does not answer, also after some tries.
        """
        return [
            Campaign(one.id, one.name or "", _drip(one.drip_duration))
            for one in listed(self._exchange, "/campaigns/", self._meaning)
        ]

    def contact_lists(self) -> list[ContactList]:
        """Return the account's contact lists.

        Raises:
            KeyRefusedError: Promoter does not accept the key.
            AddressError: What answers is not Promoter's API.
            NoAnswerError: Promoter does not answer, also after some tries.
        """
        return [ContactList(one.id, one.name or "") for one in listed(self._exchange, "/lists/", self._meaning)]

    def contacts(self, page: int, contact_list: int | None = None) -> tuple[Answer, ContactPage]:
        """Ask once for a page of the account's contacts, or of those on a contact list.

        Raises:
            KeyRefusedError: Promoter does not accept the key.
            AddressError: What answers is not Promoter's API.
            LongPageError: The page is too long.
        """
        chosen = "" if contact_list is None else f"contact_list__id={contact_list}&"
        call = self._exchange.call("GET", f"/contacts/?{chosen}page={page}")
        reply = self._exchange.send(call, longest=LONGEST_PAGE)
        if isinstance(reply, Answer):
            return reply, ContactPage()
        if page > 1 and reply.status == _NOT_FOUND:
            return Answer(Outcome.ACCEPTED, reply.status), BEYOND
        answer = self._meaning(call, reply)
        if answer.outcome is not Outcome.ACCEPTED:
            return answer, ContactPage()
        found = read_page(reply)
        if found is None and reply.is_json:
            raise AddressError(call.method, call.path, reply.status)
        return (doubted(answer), ContactPage()) if found is None else (answer, found)

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


@contextlib.contextmanager
def account_client(settings: Settings) -> Iterator[Client]:
    """Speak to the account of the settings: at Promoter, or for `api_url: sandbox` in a sandbox inside this process.

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
        from target_promoter.sandbox.server import SandboxServer  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SandboxError.not_installed() from error
    campaigns = {campaign.id: campaign.event for campaign in settings.campaigns.values()}
    lists = {one: f"List {one}" for one in settings.all_contact_lists}
    try:
        server = SandboxServer(settings.sandbox_account_path, campaigns=campaigns, lists=lists)
        server.start()
    except OSError as error:
        raise SandboxError.not_started(error) from error
    try:
        yield server.url
    finally:
        server.stop()
