"""The account's campaigns and contact lists, read page by page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import backoff
import msgspec

from target_promoter.errors import AddressError, DeliveryError
from target_promoter.promoter.answers import FAILURES, Answer, Outcome, doubted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from target_promoter.promoter.answers import Reply
    from target_promoter.promoter.transport import Call, Exchange

_TRIES: Final = 5
_PATIENCE_SECONDS: Final = 60.0
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 8.0
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
        launch_date: ISO 8601, or None before the launch.
    """

    id: int
    name: str
    drip_duration: float | None = None
    launch_date: str | None = None


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
        status = f"status {answer.status}" if answer.status else "no answer"
        said = f", «{answer.words}»" if answer.words else ""
        wait = f" in {math.ceil(answer.retry_after)} seconds" if answer.retry_after else " later"
        super().__init__(f"Promoter does not answer GET {path} ({status}{said}): run again{wait}.")


class EndlessListingError(DeliveryError):
    """Promoter names a further page after more of them than any account has."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"Promoter names a further page of {path} after each of the first {_MOST_PAGES:,}: "
            "ask Promoter, or whoever runs what stands at `api_url`."
        )


class Item(msgspec.Struct):
    """One entry of a page; a list has only the first two fields.

    Attributes:
        id: Promoter's number for it.
        name: As shown to people.
        drip_duration: As Promoter writes it, which is not documented.
        launch_date: ISO 8601.
    """

    id: int
    name: str | None = None
    drip_duration: object = None
    launch_date: str | None = None

    def as_campaign(self) -> Campaign:
        """Return the entry as a campaign."""
        try:
            drip = float(self.drip_duration) if isinstance(self.drip_duration, (int, float, str)) else math.nan
        except (ValueError, OverflowError):
            drip = math.nan
        return Campaign(self.id, self.name or "", drip if math.isfinite(drip) else None, self.launch_date)

    def as_list(self) -> ContactList:
        """Return the entry as a contact list."""
        return ContactList(self.id, self.name or "")


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
    for number in range(1, _MOST_PAGES + 1):
        page = _page(exchange, path, number, judge)
        yield from page.results
        if not page.next:
            return
    raise EndlessListingError(path)


def _page(exchange: Exchange, path: str, number: int, judge: Callable[[Call, Reply], Answer]) -> _Page:
    call = exchange.call("GET", f"{path}?page={number}")
    data: object = None

    @backoff.on_predicate(_pauses, _may_pass, max_tries=_TRIES, max_time=_PATIENCE_SECONDS, jitter=None, logger=None)
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
        pause = min(2 * pause, _LONGEST_PAUSE)


def _may_pass(answer: Answer) -> bool:
    return answer.outcome in FAILURES and (answer.retry_after or 0.0) <= _PATIENCE_SECONDS
