"""A small shop's data as a tap would print it, to try a pipe with; every outcome of intake is among it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

CONFIG_FILE: Final = Path(__file__).with_name("sample_config.json")
"""The config that the sample is made for; with a smaller one some events are unmatched, and nothing else changes.

The file of the same name beside the README is its copy: `target-promoter sample --config-file > sample_config.json`.
"""

_HOUR: Final = 3600
_STEP: Final = 12 * _HOUR
_IDENTIFIED_AT: Final = "2024-01-15T09:30:00Z"

_TEXT: Final = {"type": ["null", "string"]}
_TIME: Final = {"type": ["null", "string"], "format": "date-time"}
_NUMBER: Final = {"type": ["null", "number"]}
_OBJECT: Final = {"type": ["null", "object"]}

_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "calls": {
        **dict.fromkeys(("type", "messageId", "userId", "anonymousId", "event"), _TEXT),
        "timestamp": _TIME,
        **dict.fromkeys(("traits", "properties", "context", "integrations"), _OBJECT),
    },
    "shop-identifies": {
        **dict.fromkeys(("id", "user_id", "anonymous_id", "email", "first_name", "last_name", "plan"), _TEXT),
        "ordered_last_30_days": {"type": ["null", "boolean"]},
        "received_at": _TIME,
    },
    "shop-users": {
        **dict.fromkeys(("id", "email", "first_name", "last_name", "plan"), _TEXT),
        **dict.fromkeys(("received_at", "_sdc_deleted_at"), _TIME),
    },
    "shop-tracks": {
        **dict.fromkeys(("id", "user_id", "anonymous_id", "event", "event_text"), _TEXT),
        **dict.fromkeys(("timestamp", "received_at"), _TIME),
    },
    "shop-order_completed": {
        **dict.fromkeys(("id", "user_id", "event", "event_text", "order_id", "currency"), _TEXT),
        "total": _NUMBER,
        **dict.fromkeys(("timestamp", "received_at", "_sdc_deleted_at"), _TIME),
    },
    "shop-plan_changed": {
        **dict.fromkeys(("id", "user_id", "event", "event_text", "plan"), _TEXT),
        **dict.fromkeys(("timestamp", "received_at"), _TIME),
    },
}


def sample(now: float) -> Iterator[str]:
    """Yield the lines of a tap: SCHEMA, RECORD and STATE messages.

    Ids, people and message ids are always the same, and the times of events move only every twelve hours. So the sample
    piped twice brings nothing new the second time, and its events are always young enough to be surveyed.

    Yields:
        One message a line, without its line break.
    """
    latest = now - now % _STEP
    for number, (stream, records) in enumerate(_records(latest), start=1):
        key = ["messageId"] if stream == "calls" else ["id"]
        schema = {"type": "object", "properties": _SCHEMAS[stream]}
        yield _line({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": key})
        for record in records:
            yield _line({"type": "RECORD", "stream": stream, "record": record})
        yield _line({"type": "STATE", "value": {"sample": {"streams_done": number}}})


def _line(message: Mapping[str, object]) -> str:
    return json.dumps(message, ensure_ascii=False)


def _ago(latest: float, hours: float) -> str:
    """Return a time as text, so many hours before the latest that the sample knows."""
    moment = dt.datetime.fromtimestamp(latest - hours * _HOUR, tz=dt.UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _identify(message_id: str, user_id: str | None, traits: Mapping[str, object], **more: object) -> dict[str, object]:
    """Return an identify call; made long ago, so that it is the same whenever the sample is printed."""
    call = {"type": "identify", "messageId": message_id, "userId": user_id, "timestamp": _IDENTIFIED_AT}
    return {**call, "traits": traits, **more}


def _track(message_id: str, event: str, user_id: str | None, timestamp: str, **more: object) -> dict[str, object]:
    """Return a track call."""
    call = {"type": "track", "messageId": message_id, "event": event, "userId": user_id, "timestamp": timestamp}
    return {"properties": {}, **call, **more}


def _row(row_id: str, event: str, user_id: str, timestamp: str, **more: object) -> dict[str, object]:
    """Return the row of a warehouse table of track calls."""
    slug = event.lower().replace(" ", "_")
    row = {"id": row_id, "event": slug, "event_text": event, "user_id": user_id, "timestamp": timestamp}
    return {**row, "received_at": timestamp, **more}


def _records(latest: float) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Yield streams with their records, in the order in which a tap brings them."""
    keep_out = {"All": False, "Salesforce": True}
    yield (
        "calls",
        [
            _identify(
                "i-01", "1001", {"email": "Ann@example.com", "firstName": "Ann", "lastName": "Lee", "plan": "Free"}
            ),
            _identify("i-02", "1001", {"plan": "Premium", "address": {"city": "Portland"}}),
            _identify("i-03", "1003", {"ordered_last_30_days": True}),  # An audience: its user comes below.
            _identify("i-04", "1002", {"email": "bob@example.com", "name": "Bob Ray"}, anonymousId="anon-2"),
            _identify("i-05", "1004", {"email": "dan@example.com"}, integrations=keep_out),
            _identify("i-06", "1005", {"email": "eve at example.com", "firstName": "Eve"}),
            _identify("i-07", None, {"email": "nobody@example.com"}, anonymousId="anon-9"),
            {"type": "page", "messageId": "p-01", "userId": "1001", "timestamp": _ago(latest, 3), "properties": {}},
            _track("t-01", "Order Completed", "1001", _ago(latest, 3), properties={"order_id": "5001", "total": 99.9}),
            _track("t-02", "Order Completed", None, _ago(latest, 2), anonymousId="anon-2", properties={"total": 20}),
            _track("t-03", "Order Completed", "1004", _ago(latest, 2), integrations=keep_out),
            _track("t-04", "Order Completed", "1001", _ago(latest, -72)),  # A clock that is days fast.
            _track("t-05", "Order Completed", None, _ago(latest, 2)),
            _track("t-06", "Product Viewed", "1001", _ago(latest, 4), properties={"sku": "G-32"}),
            _track("t-07", "Support Ticket Closed", "1002", _ago(latest, 24 * 30)),
            _track("t-08", "Support Ticket Closed", "1001", _ago(latest, 1), properties={"ticket": 7}),
            _track("t-09", "Support Ticket Closed", "1003", _ago(latest, 4), properties={"ticket": 8}),
            _track("t-10", "Support Ticket Reopened", "1003", _ago(latest, 2), properties={"ticket": 8}),
            _track("t-11", "Order Completed", "1098", _ago(latest, 1)),  # Of somebody whom no identify names.
            _identify("i-08", "1003", {"email": "cleo@example.com", "firstName": "Cleo"}),
        ],
    )
    yield (
        "shop-identifies",
        [
            {"id": "i-04", "user_id": "1002", "email": "bob@example.com", "received_at": _IDENTIFIED_AT},
            {
                "id": "i-09",
                "user_id": "1006",
                "email": "fay@example.com",
                "plan": "Team",
                "received_at": _IDENTIFIED_AT,
            },
            {"id": "i-10", "user_id": "1099", "ordered_last_30_days": True, "received_at": _IDENTIFIED_AT},
        ],
    )
    yield (
        "shop-users",
        [
            {"id": "1006", "email": "fay@example.com", "plan": "Team", "received_at": _IDENTIFIED_AT},
            {"id": "1007", "received_at": _IDENTIFIED_AT, "_sdc_deleted_at": _IDENTIFIED_AT},
        ],
    )
    yield ("shop-tracks", [_row("t-01", "Order Completed", "1001", _ago(latest, 3))])
    yield (
        "shop-order_completed",
        [
            _row("t-12", "Order Completed", "1006", _ago(latest, 5), order_id="5003", total=45.5, currency="EUR"),
            _row("t-13", "Order Completed", "1006", _ago(latest, 6), order_id="5004", _sdc_deleted_at=_ago(latest, 1)),
        ],
    )
    yield ("shop-plan_changed", [_row("t-14", "Plan Changed", "1006", _ago(latest, 7), plan="Team")])
