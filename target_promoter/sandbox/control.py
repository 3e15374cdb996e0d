"""The calls under `/sandbox/`: looking into the account and turning its knobs. No key needed."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Final
from urllib.parse import urlsplit

import msgspec

from target_promoter.sandbox.account import Account
from target_promoter.sandbox.api import as_json, detail
from target_promoter.sandbox.faults import Faults
from target_promoter.sandbox.records import Call, RefusedError, Response

_MOST_HOURS: Final = 24 * 366
_FAULT_NAMES: Final = {one.name for one in fields(Faults)}


def is_local(client: str | None, host: bytes) -> bool:
    """Say whether a caller is on this machine and knows it by an address of its own.

    The second half keeps out web pages elsewhere whose name was pointed at this machine.
    """
    try:
        name = urlsplit(f"//{host.decode('latin-1')}").hostname
    except ValueError:
        return False
    return is_loopback(client) and is_loopback(name)


def is_same_origin(headers: Mapping[bytes, bytes]) -> bool:
    """Say whether a request comes from the sandbox's own page or from no page at all.

    Any page that a browser on this machine shows could otherwise reset the account.

    Args:
        headers: Of the request, by lower-case name.
    """
    origin = headers.get(b"origin")
    site = headers.get(b"sec-fetch-site", b"none")
    return site in {b"none", b"same-origin"} and origin in {None, b"http://" + headers.get(b"host", b"")}


def is_loopback(address: str | None) -> bool:
    """Say whether an address is one by which this machine reaches itself."""
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return address == "localhost"


def state(account: Account, faults: Faults) -> dict[str, object]:
    """Return all there is to see of an account, ready for JSON."""
    counters: dict[str, dict[str, int]] = {}
    for (route, status), number in sorted(account.ledger.counters.items(), key=str):
        counters.setdefault(route, {})["cut" if status is None else str(status)] = number
    with account.lock:
        return {
            "now": account.now(),
            "contacts": list(account.contacts.values()),
            "lists": list(account.lists.values()),
            "campaigns": list(account.campaigns.values()),
            "surveys": account.surveys,
            "surveys_by_email": account.surveys_by_email,
            "mass_sends": account.ledger.mass_sends,
            "requests": account.requests,
            "counters": counters,
            "busiest_minute": account.ledger.busiest_minute,
            "posted": account.posted,
            "faults": faults,
        }


def read_faults(body: bytes) -> Faults:
    """Read the faults a `POST /sandbox/faults` asks for; a setting not named is as by default.

    Raises:
        ValueError: The body is no JSON object, or names what there is not.
    """
    given = msgspec.json.decode(body or b"{}", type=dict[str, msgspec.Raw])
    if unknown := sorted(given.keys() - _FAULT_NAMES):
        message = f"Unknown: {unknown}. Known: {sorted(_FAULT_NAMES)}."
        raise ValueError(message)
    return msgspec.json.decode(body or b"{}", type=Faults)


def _hours(body: bytes) -> float:
    hours = msgspec.json.decode(body, type=dict[str, float])["hours"]
    if not 0 <= hours <= _MOST_HOURS:
        message = f"hours is {hours}: time goes on, by {_MOST_HOURS} hours at most."
        raise ValueError(message)
    return hours


def control(account: Account, call: Call, faults: Faults, set_faults: Callable[[Faults], None]) -> Response:
    """Answer one call under `/sandbox/`.

    Args:
        account: To look into or change.
        set_faults: Puts other faults in their place.
    """
    parts = call.path.strip("/").split("/")[1:]
    try:
        match call.method, parts:
            case "GET", ["state"]:
                return as_json(state(account, faults))
            case "POST", ["faults"]:
                set_faults(read_faults(call.body))
            case "POST", ["contacts", *email, "unsubscribe"]:
                account.unsubscribe("/".join(email))
            case "POST", ["reset"]:
                account.reset()
                set_faults(Faults())
            case "POST", ["advance"]:
                account.advance(_hours(call.body))
            case _:
                return detail(404, "Not found.")
    except RefusedError as refused:
        return as_json(refused.body, refused.status)
    except (ValueError, KeyError) as error:
        return detail(400, f"Not understood: {error}")
    return as_json({})
