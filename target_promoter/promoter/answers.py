"""What an answer of Promoter means for the request that it answers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from target_promoter.values.printable import masked_text, printable, without


class Outcome(StrEnum):
    """What became of a request."""

    ACCEPTED = "accepted"
    """Carried out."""

    NOT_ELIGIBLE = "not_eligible"
    """The contact may not be surveyed now."""

    UNKNOWN_CAMPAIGN = "unknown_campaign"
    """The account has no such campaign."""

    UNKNOWN_LIST = "unknown_list"
    """The account has no contact list of such an id."""

    REFUSED = "refused"
    """Promoter does not take this one request, now or later."""

    RATE_LIMITED = "rate_limited"
    """Over the account's limit; not carried out."""

    UNAVAILABLE = "unavailable"
    """Not carried out for a reason that has nothing to do with this request."""

    UNREACHED = "unreached"
    """No connection was made, nothing was sent."""

    UNANSWERED = "unanswered"
    """The request left, and whether it was carried out is not known."""


FAILURES: Final = frozenset({Outcome.UNANSWERED, Outcome.UNREACHED, Outcome.UNAVAILABLE, Outcome.RATE_LIMITED})
"""What may be another outcome when the request is sent again later."""

LONGEST_WAIT: Final = 86_400.0
"""The most seconds that Promoter is waited for, whatever it asks."""

WORDS_LENGTH: Final = 300
"""The most characters of Promoter's own words that are kept."""

_OK: Final = range(200, 300)
_CLIENT_ERRORS: Final = range(400, 500)
_BAD_REQUEST: Final = 400
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503
_TIMEOUT: Final = 408
_REFUSED: Final = frozenset({409, 413, 422})
_KEY_REFUSED: Final = frozenset({401, 403})
_REDIRECTS: Final = range(300, 400)
# 411, 414, 415, 421 and 426 too are said of every request alike: whatever answers them is not Promoter's API.
_NOT_PROMOTER: Final = frozenset({404, 405, 406, 410, 411, 414, 415, 421, 426})

_DEEPEST: Final = 6
_NAMELESS: Final = frozenset({"detail", "non_field_errors"})
_SECONDS: Final = re.compile(r"(\d+(?:\.\d+)?)\s*second", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request.

    Attributes:
        outcome: What it means.
        status: Of HTTP, or None without an answer.
        words: Promoter's own words in one line, or what happened to the connection; addresses masked, no key.
        retry_after: Seconds after which Promoter wants to be asked again, 0 to `LONGEST_WAIT`, if it says so.
        is_json: Whether the body was JSON, or so long that it was not read whole; true without an answer.
    """

    outcome: Outcome
    status: int | None = None
    words: str = ""
    retry_after: float | None = None
    is_json: bool = True

    @property
    def said(self) -> str:
        """What came back, for a sentence."""
        status = f"status {self.status}" if self.status else "no answer"
        return f"{status}, «{self.words}»" if self.words else status


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came.

    Attributes:
        status: Of HTTP.
        body: Its first part if it is very long.
        retry_after: The header of that name.
        data: What the body says if it is JSON, None if it is not.
        is_json: Whether the body is JSON.
        is_cut: Whether the body is so long that it was not read whole.
    """

    status: int
    body: bytes
    retry_after: str | None
    data: object
    is_json: bool
    is_cut: bool = False

    @classmethod
    def read(cls, status: int, body: bytes, retry_after: str | None, *, is_cut: bool = False) -> Reply:
        """Return the reply with its body decoded."""
        if is_cut:
            return cls(status, body, retry_after, None, is_json=False, is_cut=True)
        try:
            return cls(status, body, retry_after, json.loads(body), is_json=True)
        except (ValueError, RecursionError):
            return cls(status, body, retry_after, None, is_json=False)

    @property
    def key_is_refused(self) -> bool:
        """Whether Promoter does not accept the key."""
        return self.status in _KEY_REFUSED

    @property
    def is_foreign(self) -> bool:
        """Whether Promoter's API never answers like this."""
        return self.status in _REDIRECTS or self.status in _NOT_PROMOTER

    @property
    def is_gone(self) -> bool:
        """Whether Promoter itself says that what the request names does not exist."""
        return self.status == 404 and self.data == {"detail": "Not found."}  # noqa: PLR2004 - HTTP's own number


def meaning(reply: Reply, *, survey: bool, secret: str, now: float) -> Answer:
    """Return what a reply means.

    Args:
        reply: The reply; neither refusing the key nor foreign.
        survey: Whether the request asked for a survey: only then it may be about a campaign or the throttle.
        secret: The API key, to be left out of the words whatever the server echoes.
    """
    status = reply.status
    if status in _OK:
        return Answer(Outcome.ACCEPTED, status, is_json=reply.is_json or reply.is_cut)
    words = _one_line(without(_words(reply), secret))
    shown = printable(masked_text(words), WORDS_LENGTH)
    after = None
    if status in {_TOO_MANY, _UNAVAILABLE}:
        after = _retry_after(reply.retry_after, words, now)
    return Answer(_outcome(reply, words, survey=survey), status, shown, after, reply.is_json)


def doubted(answer: Answer) -> Answer:
    """Return an answer that says yes without JSON as none at all: some page between here and Promoter.

    Args:
        answer: To a request that is harmless to repeat.
    """
    if answer.outcome is not Outcome.ACCEPTED or answer.is_json:
        return answer
    return replace(answer, outcome=Outcome.UNANSWERED, words="the answer is not JSON")


def _outcome(reply: Reply, words: str, *, survey: bool) -> Outcome:
    status = reply.status
    if status == _BAD_REQUEST:
        return _refusal(reply, words, survey=survey)
    if status in _REFUSED:
        return Outcome.REFUSED
    if status == _TOO_MANY:
        return Outcome.RATE_LIMITED
    if status == _UNAVAILABLE or (status in _CLIENT_ERRORS and status != _TIMEOUT):
        return Outcome.UNAVAILABLE
    return Outcome.UNANSWERED


def _refusal(reply: Reply, words: str, *, survey: bool) -> Outcome:
    """Return whether it is the request that Promoter does not take, or a campaign or a list that it does not know."""
    fields = reply.data.keys() if isinstance(reply.data, dict) else set[str]()
    # First the campaign: its own «not eligible» is a mistake in the config, and no contact's fault.
    if survey and not fields.isdisjoint({"campaign", "campaign_id"}):
        return Outcome.UNKNOWN_CAMPAIGN
    if survey and "not eligible" in words.casefold():
        return Outcome.NOT_ELIGIBLE
    if not survey and "contact_list" in fields:
        return Outcome.UNKNOWN_LIST
    return Outcome.REFUSED


def _words(reply: Reply) -> str:
    if reply.is_json:
        return "; ".join(_said(reply.data))
    text = reply.body.decode(errors="replace").strip()
    # A page of HTML is a proxy's or a web server's: it says nothing that its status does not.
    return "" if text.startswith("<") else text


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())


def _said(value: object, name: str = "", depth: int = 0) -> Iterator[str]:
    """Yield each message of a Django REST error body with the field that it is about."""
    if depth < _DEEPEST and isinstance(value, dict):
        for key, inner in value.items():
            here = name if key in _NAMELESS else f"{name}.{key}" if name else str(key)
            yield from _said(inner, here, depth + 1)
    elif depth < _DEEPEST and isinstance(value, list):
        for inner in value:
            yield from _said(inner, name, depth + 1)
    else:
        yield f"{name}: {value}" if name else str(value)


def _retry_after(header: str | None, words: str, now: float) -> float | None:
    seconds: float | None = None
    if header:
        try:
            seconds = float(header)
        except ValueError:
            seconds = _until(header, now)
    elif found := _SECONDS.search(words):
        seconds = float(found[1])
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(0.0, seconds), LONGEST_WAIT)


def _until(date: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    # HTTP's dates are GMT whether they say so or not.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return aware.timestamp() - now
    except (OverflowError, ValueError):
        return None
