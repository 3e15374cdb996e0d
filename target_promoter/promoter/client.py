"""The Promoter API over HTTP: one call, one request, one answer; what to repeat is for the caller to decide."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Generic, Protocol, TypeVar

import backoff
import msgspec

from target_promoter.config.settings import Settings
from target_promoter.errors import AddressError, DeliveryError, KeyRefusedError, SandboxError, SettingError
from target_promoter.promoter.answers import FAILURES, Answer, Outcome, Reply, doubted, meaning
from target_promoter.promoter.transport import Call, Exchange

NO_PACE: Final = 1e9
"""The limit of a run that sends nothing, in requests a minute."""

_TRIES: Final = 3
_PATIENCE_SECONDS: Final = 5.0
"""For how long a question is asked once more: somebody waits for what it is asked for."""

_LONGEST_WAIT: Final = 60.0
"""For how long at the most it waits where Promoter asks it to."""

_FIRST_PAUSE: Final = 1.0
_MOST_PAGES: Final = 10_000
_REDIRECT: Final = 300
_NOT_FOUND: Final = 404
_LONGEST_PAGE: Final = 16 * 1024 * 1024  # Bytes of a page of contacts.
_MOST_CONTACTS: Final = 10**12


class ContactList(msgspec.Struct, frozen=True):
    """A contact list of the account."""

    id: int
    called: str | None = msgspec.field(name="name", default=None)

    @property
    def name(self) -> str:
        """Its name as shown to people."""
        return self.called or ""


class Campaign(ContactList, frozen=True):
    """A campaign of the account."""

    drip_duration: object = None
    """As Promoter writes it, which is not documented."""

    @property
    def drip(self) -> float | None:
        """Over how long its surveys are spread, 0 for instant distribution; None if Promoter does not say."""
        try:
            drip = float(self.drip_duration) if isinstance(self.drip_duration, (int, float, str)) else math.nan
        except (ValueError, OverflowError):
            return None
        return drip if math.isfinite(drip) else None


L = TypeVar("L", ContactList, Campaign)


class _Page(msgspec.Struct, Generic[L]):
    results: list[L]
    next: str | None = None


def _pauses() -> Generator[float, Any, None]:
    """Yield the seconds to wait after each failed answer sent in: what it asks for, else ever longer."""
    answer = yield 0.0
    pause = _FIRST_PAUSE
    while True:
        answer = yield pause if answer.retry_after is None else answer.retry_after
        pause *= 2


@dataclass(frozen=True, slots=True)
class ListedContact:
    """A contact as a page tells it.

    Attributes:
        email: Its address as Promoter has it; None if it has none.
        names: `first_name` and `last_name`, as far as they are there.
        attributes: Its attributes; None if the page leaves them out.
        unsubscribed: Whether it unsubscribed; None if the page does not say.
    """

    email: str | None
    names: Mapping[str, object]
    attributes: Mapping[str, object] | None
    unsubscribed: bool | None

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> ListedContact:
        """Return the contact of an entry, whatever stands in it."""
        email, attributes, unsubscribed = (entry.get(name) for name in ("email", "attributes", "unsubscribed"))
        return cls(
            email if isinstance(email, str) else None,
            {name: entry[name] for name in ("first_name", "last_name") if entry.get(name, "") not in ("", None)},
            attributes if isinstance(attributes, dict) else None,
            unsubscribed if isinstance(unsubscribed, bool) else None,
        )


@dataclass(frozen=True, slots=True)
class ContactPage:
    """A page of contacts.

    Attributes:
        contacts: What stands on it.
        count: How many contacts there are on all pages; None if it does not say.
        has_next: Whether there is a page behind it. Its address is not taken from here: the key goes to no other host.
        mark: The same for two pages with the same contacts.
        is_beyond: Whether it lies behind the last page: contacts were removed meanwhile.
    """

    contacts: tuple[ListedContact, ...] = ()
    count: int | None = None
    has_next: bool = False
    mark: str = ""
    is_beyond: bool = False

    @classmethod
    def read(cls, reply: Reply) -> ContactPage | None:
        """Return the page of an answer; None if it is none."""
        data = reply.data
        if not isinstance(data, dict) or not isinstance(data.get("results"), list):
            return None
        entries = [entry if isinstance(entry, dict) else {} for entry in data["results"]]
        count = data.get("count")
        is_count = isinstance(count, int) and not isinstance(count, bool) and 0 <= count < _MOST_CONTACTS
        told = repr([(entry.get("id"), entry.get("email")) for entry in entries]).encode("utf-8", "backslashreplace")
        mark = blake2b(told, digest_size=16).hexdigest()
        contacts = tuple(map(ListedContact.read, entries))
        return cls(contacts, count if is_count else None, bool(data.get("next")), mark)


class Api(Protocol):
    """The part of Promoter's API that delivery needs: one call, one request, one answer."""

    def survey(self, body: bytes, /) -> Answer:
        """Ask for a survey, which e-mails its contact at once."""

    def save_contact(self, body: bytes, /) -> Answer:
        """Add or update a contact."""

    def remove_contact(self, email: str, /) -> Answer:
        """Remove a contact."""

    def leave_list(self, contact_list: int, body: bytes, /) -> Answer:
        """Take a contact off a list."""


class Withheld:
    """Answers for Promoter, and sends nothing."""

    def survey(self, *_: object) -> Answer:
        """Answer any request that it was carried out."""
        return Answer(Outcome.ACCEPTED, 200)

    save_contact = remove_contact = leave_list = survey


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
        return doubted(answer)

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
        return doubted(answer) if reply.body else answer

    def campaigns(self) -> list[Campaign]:
        """Return the account's campaigns.

        Raises:
            DeliveryError: Promoter does not answer so that anything can be read, also after some tries.
        """
        return self._listed("/campaigns/", Campaign)

    def contact_lists(self) -> list[ContactList]:
        """Return the account's contact lists.

        Raises:
            DeliveryError: Promoter does not answer so that anything can be read, also after some tries.
        """
        return self._listed("/lists/", ContactList)

    def _listed(self, path: str, kind: type[L]) -> list[L]:
        """Return what stands on all pages.

        The address of a further page is built here, whatever Promoter names as the next: the key goes to no other host.
        """
        found: list[L] = []
        before: list[L] = []
        for number in range(1, _MOST_PAGES + 1):
            page = self._page(path, number, kind)
            if page.results and page.results == before:
                break
            found += page.results
            if not page.next:
                return found
            before = page.results
        raise DeliveryError(
            f"Promoter's pages of {path} do not end: ask Promoter, or whoever runs the server at `api_url`."
        )

    def _page(self, path: str, number: int, kind: type[L]) -> _Page[L]:
        call = self._exchange.call("GET", f"{path}?page={number}")
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
            reply = self._exchange.send(call)
            if isinstance(reply, Answer):
                return reply
            if number > 1 and reply.status == _NOT_FOUND:
                # What stood on the last page was removed meanwhile.
                data = {"results": []}
                return Answer(Outcome.ACCEPTED, reply.status)
            data = reply.data
            return doubted(self._meaning(call, reply))

        answer = ask()
        if answer.outcome is not Outcome.ACCEPTED:
            if answer.status is not None and answer.status < _REDIRECT:
                raise AddressError(call.method, path, answer.status)
            wait = f"in {math.ceil(answer.retry_after)} seconds" if answer.retry_after else "later"
            fix = f"run again {wait}" if answer.status else "see that `api_url` is its address, or run again later"
            raise DeliveryError(f"Promoter does not answer GET {path} ({answer.said}): {fix}.")
        try:
            page: _Page[L] = msgspec.convert(data, _Page[kind])  # type: ignore[valid-type] # one of the two
        except msgspec.ValidationError as error:
            raise AddressError(call.method, path, answer.status or 0) from error
        return page

    def contacts(self, page: int, contact_list: int | None = None) -> tuple[Answer, ContactPage]:
        """Ask once for a page of the account's contacts, or of those on a contact list.

        Raises:
            KeyRefusedError: Promoter does not accept the key.
            AddressError: What answers is not Promoter's API.
            DeliveryError: The page is too long.
        """
        chosen = "" if contact_list is None else f"contact_list__id={contact_list}&"
        call = self._exchange.call("GET", f"/contacts/?{chosen}page={page}")
        reply = self._exchange.send(call, longest=_LONGEST_PAGE)
        if isinstance(reply, Answer):
            return reply, ContactPage()
        if page > 1 and reply.status == _NOT_FOUND:
            return Answer(Outcome.ACCEPTED, reply.status), ContactPage(is_beyond=True)
        answer = doubted(self._meaning(call, reply))
        if answer.outcome is not Outcome.ACCEPTED:
            return answer, ContactPage()
        if reply.is_cut:
            raise DeliveryError(
                f"Promoter's page of contacts has more than {_LONGEST_PAGE // 2**20} MiB: "
                "ask Promoter, or whoever runs the server at `api_url`, for shorter ones."
            )
        found = ContactPage.read(reply)
        if found is None:
            raise AddressError(call.method, call.path, reply.status)
        return answer, found

    def close(self) -> None:
        """Close the connections that no thread uses just now; the next call would make new ones."""
        self._exchange.close()

    def _meaning(self, call: Call, reply: Reply, *, survey: bool = False) -> Answer:
        """Return what a reply means for its request, or raise what ends the run."""
        if reply.key_is_refused:
            raise KeyRefusedError(
                f"Promoter refuses the API key (status {reply.status}): "
                "set `api_key` to the one on the account's API page."
            )
        if reply.is_foreign:
            raise AddressError(call.method, call.path, reply.status)
        return meaning(reply, survey=survey, secret=self._key, now=self._clock())


@contextlib.contextmanager
def account_client(settings: Settings) -> Iterator[Client]:
    """Connect to the account of the settings: at Promoter, or for `api_url: sandbox` in a sandbox inside this process.

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
