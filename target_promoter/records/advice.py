"""The lines to add to the config for a stream that cannot be read as it stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from target_promoter.records.shapes import last_part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_USER_IDS: Final = ("customer_id", "customerid", "person_id", "member_id", "account_id", "contact_id", "buyer_id", "id")
_TIMES: Final = ("created_at", "ordered_at", "occurred_at", "completed_at", "placed_at", "time", "date", "created")
_PEOPLE: Final = frozenset({"customer", "user", "contact", "people", "person", "member", "client"})
_PLACEHOLDER: Final = "NAME OF THE COLUMN"


def lines(pattern: str, setting: Mapping[str, object]) -> str:
    """Return the lines of config that say what a stream is, as JSON.

    Args:
        pattern: The stream's name, or the glob that the config has for it.
        setting: What to say of it.
    """
    return json.dumps({"streams": {pattern: setting}}, ensure_ascii=False)


def guess(stream: str, names: Iterable[str]) -> dict[str, object]:
    """Return what a stream may be, judged by its columns; its owner knows better."""
    known = {name.lower(): name for name in names}
    fields: dict[str, str] = {}
    if not known.keys() & {"userid", "user_id"}:
        fields["user_id"] = guess_field("user_id", known.values())
    email = next((name for lower, name in known.items() if "email" in lower or "e_mail" in lower), None)
    if last_part(stream).rstrip("s") in _PEOPLE or (email is not None and "id" in known):
        if email not in {None, "email", "email_address", "emailAddress"}:
            fields["email"] = str(email)
        return {"type": "identify", "fields": fields}
    if not known.keys() & {"timestamp", "originaltimestamp", "original_timestamp"}:
        fields["timestamp"] = guess_field("timestamp", known.values())
    event = {} if "event" in known else {"event": last_part(stream).replace("_", " ").title()}
    return {"type": "track", **event, "fields": fields}


def guess_field(logical: str, names: Iterable[str]) -> str:
    """Return the column that may hold a logical field, or a placeholder that says what to write."""
    known = {name.lower(): name for name in names}
    wanted: tuple[str, ...] = ()
    if logical == "user_id":
        wanted = _USER_IDS
    elif logical == "timestamp":
        wanted = (*_TIMES, *(lower for lower in known if lower.endswith(("_at", "_date", "_time"))))
    return next((known[lower] for lower in wanted if lower in known), _PLACEHOLDER)
