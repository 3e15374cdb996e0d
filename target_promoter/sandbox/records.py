"""What an account holds and what it remembers of its callers: plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def iso(time: float) -> str:
    """Return a time in epoch seconds as the API writes it: ISO 8601, UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact, keyed by its e-mail address exactly as posted.

    Attributes:
        id: Promoter's own number for it.
        email: The address. Whether Promoter ignores case is not documented, so two
            spellings are two contacts here.
        created_date: ISO 8601, UTC.
        first_name: May be empty.
        last_name: May be empty.
        attributes: Stored attributes by name; strings from v1, JSON scalars from v2.
        lists: Ids of the contact lists it is on, ascending.
        unsubscribed: True for ever once set; such a contact gets no survey.
        last_surveyed: When the last survey went (or is scheduled) to it, epoch seconds.
    """

    id: int
    email: str
    created_date: str
    first_name: str = ""
    last_name: str = ""
    attributes: dict[str, object] = field(default_factory=dict)
    lists: tuple[int, ...] = ()
    unsubscribed: bool = False
    last_surveyed: float | None = None

    def as_json(self) -> dict[str, object]:
        """Return the contact as `POST /api/contacts/` answers it."""
        return {
            "id": self.id,
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "created_date": self.created_date,
            "attributes": self.attributes,
        }


@dataclass(frozen=True, slots=True)
class ContactList:
    """A contact list.

    Attributes:
        id: Promoter's number for it.
        name: As shown to people.
    """

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign.

    Attributes:
        id: Promoter's number for it, the `campaign_id` of a survey.
        name: As shown to people.
        drip_duration: Days over which its surveys are spread; 0 is instant distribution.
            A dripped campaign schedules around the throttle instead of refusing.
        launch_date: ISO 8601, or None before the launch.
    """

    id: int
    name: str
    drip_duration: int = 0
    launch_date: str | None = "2024-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Survey:
    """One survey that e-mailed somebody: the entry a test counts.

    Attributes:
        id: Counts up from 1 in order of acceptance.
        time: When the e-mail goes out, epoch seconds on the account's clock.
        email: Whom it e-mailed.
        campaign: Id of its campaign.
        attributes: The survey's own attributes, as stored.
        contact: The contact as the survey call left it.
    """

    id: int
    time: float
    email: str
    campaign: int
    attributes: dict[str, object]
    contact: dict[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the API, answered or not.

    Attributes:
        time: When it arrived, epoch seconds on the account's clock.
        method: Of HTTP, as sent.
        path: Without the query.
        status: The status answered, or None when the connection was cut without an answer.
        fault: The fault it met (see `faults.Kind`), if any.
    """

    time: float
    method: str
    path: str
    status: int | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request as the API sees it.

    Attributes:
        method: Of HTTP, upper case.
        path: Percent-decoded, without the query.
        query: The raw query string.
        headers: By lower-case name; of repeated headers the last.
        body: The whole body.
    """

    method: str
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer.

    Attributes:
        status: Of HTTP.
        body: JSON unless `content_type` says otherwise.
        headers: Further headers, names in lower case.
        content_type: Of the body.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: bytes = b"application/json"
