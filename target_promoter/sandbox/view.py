"""What the page shows of an account: its newest parts, cut to a size that stays the same however much it holds."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from target_promoter.sandbox.account import Account
from target_promoter.sandbox.faults import Faults
from target_promoter.sandbox.records import Contact, Request, Response, Survey

CONTACTS_SHOWN: Final = 50
SURVEYS_SHOWN: Final = 12
REQUESTS_SHOWN: Final = 50
_ATTRIBUTES_SHOWN: Final = 20
_LONGEST: Final = 200


def view(account: Account, faults: Faults, search: str) -> dict[str, object]:
    """Return what the page shows, ready for JSON.

    Args:
        search: A part of an address or name; only such contacts and their surveys are shown. Empty for all.
    """
    wanted = search.strip().casefold()
    with account.lock:
        now = account.now()
        contacts = [_contact(account, one, now) for one in _found_contacts(account, wanted)]
        surveys = [_survey(account, one) for one in _found_surveys(account, wanted)]
        number = sum(account.ledger.counters.values())
        totals = {
            "contacts": len(account.contacts),
            "surveys": len(account.surveys),
            "unsubscribed": len(account.unsubscribed),
            "requests": number,
            "busiest_minute": account.ledger.busiest_minute,
            "mass_sends": len(account.ledger.mass_sends),
        }
        lists = {str(one.id): one.name for one in account.lists.values()}
        requests = account.requests[-REQUESTS_SHOWN:]
    return {
        "now": now,
        "totals": totals,
        "contacts": contacts,
        "surveys": surveys,
        "requests": [_request(number - back, one) for back, one in enumerate(reversed(requests))],
        "lists": dict(list(lists.items())[:_LONGEST]),
        "faults": faults,
    }


def _found_contacts(account: Account, wanted: str) -> list[Contact]:
    """Return the contacts to show: those changed last, or the last made of those that were asked for."""
    if not wanted:
        return account.recent[:CONTACTS_SHOWN]
    found = (
        one
        for one in reversed(account.contacts.values())
        if wanted in f"{one.email}\n{one.first_name} {one.last_name}".casefold()
    )
    return list(itertools.islice(found, CONTACTS_SHOWN))


def _found_surveys(account: Account, wanted: str) -> list[Survey]:
    found = (
        one
        for one in reversed(account.surveys)
        if wanted in f"{one.email}\n{one.contact.get('first_name')} {one.contact.get('last_name')}".casefold()
    )
    return list(itertools.islice(found, SURVEYS_SHOWN))


def _contact(account: Account, contact: Contact, now: float) -> dict[str, object]:
    return {
        "email": contact.email,
        "first_name": _short(contact.first_name),
        "last_name": _short(contact.last_name),
        "attributes": _attributes(contact.attributes),
        "attributes_left_out": max(0, len(contact.attributes) - _ATTRIBUTES_SHOWN),
        "lists": contact.lists[:_ATTRIBUTES_SHOWN],
        "unsubscribed": contact.unsubscribed,
        "eligible": account.eligible(contact, now),
        "last_surveyed": contact.last_surveyed,
    }


def _survey(account: Account, survey: Survey) -> dict[str, object]:
    campaign = account.campaigns.get(survey.campaign)
    return {
        "id": survey.id,
        "time": survey.time,
        "email": survey.email,
        "first_name": _short(str(survey.contact.get("first_name", ""))),
        "last_name": _short(str(survey.contact.get("last_name", ""))),
        "campaign": survey.campaign,
        "campaign_name": campaign.name if campaign else "",
        "attributes": _attributes(survey.attributes),
        "attributes_left_out": max(0, len(survey.attributes) - _ATTRIBUTES_SHOWN),
    }


def _request(number: int, request: Request) -> dict[str, object]:
    return {
        "number": number,
        "time": request.time,
        "method": request.method,
        "path": _short(request.path),
        "status": request.status,
        "fault": request.fault,
    }


def _attributes(attributes: Mapping[str, object]) -> dict[str, object]:
    """Return the first attributes, texts cut; other values as the JSON scalars that they are."""
    shown = list(attributes.items())[:_ATTRIBUTES_SHOWN]
    return {_short(name): _short(value) if isinstance(value, str) else value for name, value in shown}


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLE: Final = _read("page.css")
_LIVE: Final = _read("page.js")
_CONTROLS: Final = _read("controls.js")
_PAGE: Final = (
    _read("page.html")
    .replace("{{style}}", _STYLE)
    .replace("{{live}}", _LIVE)
    .replace("{{controls}}", _CONTROLS)
    .encode()
)

# What comes from outside is data: even if the script took it for more, the browser would not run or fetch it.
_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        f"script-src {_hash(_LIVE)} {_hash(_CONTROLS)}",
        f"style-src {_hash(_STYLE)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def page() -> Response:
    """Return the page; what the account holds it asks for itself."""
    return Response(200, _PAGE, _HEADERS, b"text/html; charset=utf-8")
