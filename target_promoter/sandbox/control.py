"""The calls under ``/sandbox/``: looking into the account and turning its knobs. No key needed."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict, fields
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from target_promoter.sandbox.account import NotFoundError
from target_promoter.sandbox.api import as_json, detail
from target_promoter.sandbox.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_promoter.sandbox.account import Account
    from target_promoter.sandbox.records import Call, Response

_FAULT_NAMES = {one.name for one in fields(Faults)}


def is_loopback(host: str | None) -> bool:
    """Say whether a caller's address is of this machine."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def state(account: Account, faults: Faults) -> dict[str, object]:
    """Return all there is to see of an account, ready for JSON.

    Args:
        account: To look into.
        faults: What goes wrong now.
    """
    ledger = account.ledger_snapshot()
    counters: dict[str, dict[str, int]] = {}
    for (route, status), number in sorted(ledger.counters.items(), key=str):
        counters.setdefault(route, {})["cut" if status is None else str(status)] = number
    return {
        "now": account.now(),
        "contacts": [asdict(one) for one in account.contacts.values()],
        "lists": list(account.lists.values()),
        "campaigns": list(account.campaigns.values()),
        "surveys": account.surveys,
        "surveys_by_email": account.surveys_by_email,
        "mass_sends": ledger.mass_sends,
        "requests": list(ledger.requests),
        "counters": counters,
        "busiest_minute": ledger.busiest.most,
        "posted": ledger.posted,
        "faults": faults,
    }


def read_faults(body: bytes) -> Faults:
    """Read the faults a ``POST /sandbox/faults`` asks for; a setting not named is as by default.

    Raises:
        ValueError: The body is no JSON object, or names what there is not.
    """
    given = msgspec.json.decode(body or b"{}", type=dict[str, msgspec.Raw])
    if unknown := sorted(given.keys() - _FAULT_NAMES):
        message = f"Unknown: {unknown}. Known: {sorted(_FAULT_NAMES)}."
        raise ValueError(message)
    return msgspec.json.decode(body or b"{}", type=Faults)


def control(
    account: Account, call: Call, faults: Faults, set_faults: Callable[[Faults], None]
) -> Response:
    """Answer one call under ``/sandbox/``.

    Args:
        account: To look into or change.
        call: What came.
        faults: What goes wrong now.
        set_faults: Puts other faults in their place.
    """
    parts = call.path.strip("/").split("/")[1:]
    try:
        match call.method, parts:
            case "GET", ["state"]:
                return as_json(state(account, faults))
            case "POST", ["faults"]:
                set_faults(read_faults(call.body))
            case "POST", ["contacts", email, "unsubscribe"]:
                account.unsubscribe(unquote(email))
            case "POST", ["reset"]:
                account.reset()
                set_faults(Faults())
            case "POST", ["advance"]:
                account.advance(msgspec.json.decode(call.body, type=dict[str, float])["hours"])
            case _:
                return detail(404, "Not found.")
    except NotFoundError:
        return detail(404, "Not found.")
    except (ValueError, KeyError) as error:
        return detail(400, f"Not understood: {error}")
    return as_json({})
