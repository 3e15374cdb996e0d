"""What an account holds and what it remembers of its callers: plain frozen values."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final


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


_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
# \w holds letters of every script: the facts say "letters" and name no alphabet.
_ATTRIBUTE_NAME: Final = re.compile(r"[\w ]+")

Form = dict[str, object]
"""A body: a JSON object."""

_REQUIRED: Final = "This field is required."
_NULL: Final = "This field may not be null."


class RefusedError(Exception):
    """Promoter says no: a status and a JSON body that says why.

    Args:
        headers: Further headers of the answer, names in lower case.
    """

    def __init__(
        self,
        body: dict[str, object],
        status: int = 400,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(f"{status} {body}")
        self.body = body
        self.status = status
        self.headers = headers


class NotFoundError(RefusedError):
    """The account has no such thing."""

    def __init__(self) -> None:
        super().__init__({"detail": "Not found."}, 404)


@dataclass(frozen=True, slots=True)
class ContactForm:
    """A valid `POST /api/contacts/` body; None stands for a field that was not sent."""

    email: str
    first_name: str | None
    last_name: str | None
    attributes: dict[str, object] | None
    contact_list: tuple[int, ...] = ()
    campaign: int | None = None


@dataclass(frozen=True, slots=True)
class SurveyForm:
    """A valid survey body of v1 or v2."""

    campaign: int
    contact: ContactForm
    attributes: dict[str, object]


def contact_form(data: Form, campaigns: Container[int], lists: Container[int]) -> ContactForm:
    """Read the body of `POST /api/contacts/`.

    Args:
        lists: Ids of the account's contact lists.

    Returns:
        The form; `campaign` is set only if `send` asks for a survey at once.

    Raises:
        RefusedError: 400, with every field's errors.
    """
    errors: dict[str, object] = {}
    send = data.get("send", False)
    if not isinstance(send, bool):
        errors["send"] = ["Must be a valid boolean."]
    campaign = None
    if "campaign" in data or send is True:
        campaign = _key(data, "campaign", campaigns, errors)
    contact = _contact(data, errors, texts_only=True)
    contact_list = _keys(data, "contact_list", lists, errors)
    _refuse(errors)
    return replace(contact, contact_list=contact_list, campaign=campaign if send is True else None)


def survey_form(data: Form, campaigns: Container[int]) -> SurveyForm:
    """Read the body of `POST /api/v2/survey/`.

    Raises:
        RefusedError: 400, with every field's errors.
    """
    errors: dict[str, object] = {}
    campaign = _key(data, "campaign_id", campaigns, errors)
    attributes = _attributes(data, errors)
    inner = data.get("contact")
    contact_errors: dict[str, object] = {}
    contact = _contact(inner if isinstance(inner, dict) else {}, contact_errors)
    if "contact" not in data:
        errors["contact"] = [_REQUIRED]
    elif not isinstance(inner, dict):
        errors["contact"] = no_object(inner)
    elif contact_errors:
        errors["contact"] = contact_errors
    _refuse(errors)
    return SurveyForm(campaign, contact, attributes or {})


def survey_form_v1(data: Form, campaigns: Container[int]) -> SurveyForm:
    """Read the body of `POST /api/contacts/survey/`.

    Its attributes are taken as the contact's and the survey's both; the facts do not say which.

    Raises:
        RefusedError: 400, with every field's errors.
    """
    errors: dict[str, object] = {}
    campaign = _key(data, "campaign", campaigns, errors)
    contact = _contact(data, errors, texts_only=True)
    _refuse(errors)
    return SurveyForm(campaign, contact, contact.attributes or {})


def email_form(data: Form) -> str:
    """Read a body that is one e-mail address: `{"email"}`.

    Raises:
        RefusedError: 400.
    """
    errors: dict[str, object] = {}
    email = _email(data, errors)
    _refuse(errors)
    return email


def name_form(data: Form) -> str:
    """Read a body that is one name: `{"name"}`.

    Raises:
        RefusedError: 400.
    """
    errors: dict[str, object] = {}
    name = _text(data, "name", errors)
    if not name and not errors:
        errors["name"] = ["This field may not be blank." if "name" in data else _REQUIRED]
    _refuse(errors)
    return name or ""


def no_object(value: object) -> list[str]:
    """Return the error of a value that ought to be a JSON object."""
    return [f"Invalid data. Expected a dictionary, but got {type(value).__name__}."]


def _refuse(errors: dict[str, object]) -> None:
    if errors:
        raise RefusedError(errors)


def _contact(data: Form, errors: dict[str, object], *, texts_only: bool = False) -> ContactForm:
    return ContactForm(
        email=_email(data, errors),
        first_name=_text(data, "first_name", errors),
        last_name=_text(data, "last_name", errors),
        attributes=_attributes(data, errors, texts_only=texts_only),
    )


def _email(data: Form, errors: dict[str, object]) -> str:
    value = _text(data, "email", errors)
    if value is None:
        errors.setdefault("email", [_REQUIRED])
        return ""
    if not value:
        errors["email"] = ["This field may not be blank."]
    elif not _EMAIL.fullmatch(value):
        errors["email"] = ["Enter a valid email address."]
    return value


def _text(data: Form, name: str, errors: dict[str, object]) -> str | None:
    if name not in data:
        return None
    value = data[name]
    if isinstance(value, str):
        return value.strip()
    errors[name] = [_no_text(value)]
    return None


def _no_text(value: object) -> str:
    return _NULL if value is None else "Not a valid string."


def _key(data: Form, name: str, known: Container[int], errors: dict[str, object]) -> int:
    if name not in data:
        errors[name] = [_REQUIRED]
        return 0
    value = data[name]
    if isinstance(value, int) and not isinstance(value, bool):
        if value in known:
            return value
        errors[name] = [f'Invalid pk "{value}" - object does not exist.']
    elif value is None:
        errors[name] = [_NULL]
    else:
        errors[name] = [f"Incorrect type. Expected pk value, received {type(value).__name__}."]
    return 0


def _keys(data: Form, name: str, known: Container[int], errors: dict[str, object]) -> tuple[int, ...]:
    values = data.get(name, [])
    if not isinstance(values, list):
        errors[name] = [f'Expected a list of items but got type "{type(values).__name__}".']
        return ()
    return tuple(_key({name: value}, name, known, errors) for value in values)


def _attributes(data: Form, errors: dict[str, object], *, texts_only: bool = False) -> dict[str, object] | None:
    """Check an `attributes` object and leave out what Promoter does not store."""
    if "attributes" not in data:
        return None
    values = data["attributes"]
    if not isinstance(values, dict):
        kind = type(values).__name__
        errors["attributes"] = [f'Expected a dictionary of items but got type "{kind}".']
        return None
    wrong: dict[str, object] = {}
    stored: dict[str, object] = {}
    for name, value in values.items():
        if not _ATTRIBUTE_NAME.fullmatch(name):
            wrong[name] = ["Names may hold letters, digits, underscores and spaces only."]
        elif texts_only and not isinstance(value, str):
            wrong[name] = [_no_text(value)]
        elif value is not None and value != "" and not isinstance(value, (dict, list)):
            stored[name] = value
    if wrong:
        errors["attributes"] = wrong
    return stored
