"""What the benchmarks read: files of Singer messages as a tap of a warehouse prints them, each record of 310 bytes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TEXT: dict[str, Any] = {"type": ["null", "string"]}
_TIME: dict[str, Any] = {"type": ["null", "string"], "format": "date-time"}

_USERS: dict[str, Any] = {
    "id": {"type": "string"},
    "email": _TEXT,
    "first_name": _TEXT,
    "last_name": _TEXT,
    "plan": _TEXT,
    "company": _TEXT,
    "logins": {"type": ["null", "integer"]},
    "balance": {"type": ["null", "number"]},
    "newsletter": {"type": ["null", "boolean"]},
    "created_at": _TIME,
    "received_at": _TIME,
}
_TRACKS: dict[str, Any] = {
    "id": {"type": "string"},
    "user_id": _TEXT,
    "event": _TEXT,
    "event_text": _TEXT,
    "order_id": _TEXT,
    "total": {"type": ["null", "number"]},
    "timestamp": _TIME,
    "received_at": _TIME,
}


STATE_EVERY: Final = 10_000
"""How many records stand between two STATE messages."""


def write_users(path: Path, number: int, *, of_plan: str = "premium", begin: int = 0) -> None:
    """Write a sync of the warehouse table `users`: its SCHEMA, a record a person, STATE messages, one at the end.

    Args:
        path: The file.
        number: How many people.
        of_plan: The value of one trait, so that another sync of the same people can differ from this one.
        begin: How many of the people to leave out, as a tap that goes on from its state.
    """
    _write(path, "users", _USERS, (_user(one, of_plan) for one in range(begin, number)))


def write_tracks(path: Path, number: int, people: int, *, begin: int = 0, hours: float = -0.5) -> None:
    """Write a sync of an event table: `Order Completed` of the last hour.

    Args:
        path: The file.
        number: How many events.
        people: Of how many people, in turn.
        begin: How many of the events to leave out.
        hours: When they happened, in hours from now.
    """
    happened = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + 3600 * hours))
    _write(path, "order_completed", _TRACKS, (_track(one, one % people, happened) for one in range(begin, number)))


def _write(path: Path, stream: str, properties: dict[str, Any], records: Iterator[dict[str, Any]]) -> None:
    schema = {"type": "object", "properties": properties}
    with path.open("w", encoding="utf-8") as file:
        file.write(_line(type="SCHEMA", stream=stream, schema=schema, key_properties=["id"]))
        number = 0
        for number, record in enumerate(records, 1):
            file.write(_line(type="RECORD", stream=stream, record=record))
            if number % STATE_EVERY == 0:
                file.write(_line(type="STATE", value={"bookmarks": {stream: {"rows": number}}}))
        file.write(_line(type="STATE", value={"bookmarks": {stream: {"rows": number, "done": True}}}))


def _line(**message: object) -> str:
    return json.dumps(message, separators=(",", ":")) + "\n"


def _user(number: int, plan: str) -> dict[str, Any]:
    return {
        "id": f"user-{number:07}",
        "email": f"person.{number:07}@example.com",
        "first_name": "Alexandra",
        "last_name": f"Example {number % 1000}",
        "plan": plan,
        "company": f"Company {number % 5000}",
        "logins": number % 97,
        "balance": number % 10_000 / 100,
        "newsletter": number % 2 == 0,
        "created_at": "2024-03-01T09:30:00.000Z",
        "received_at": "2026-01-05T07:59:58.123Z",
    }


def _track(number: int, person: int, happened: str) -> dict[str, Any]:
    return {
        "id": f"order-message-{number:09}",
        "user_id": f"user-{person:07}",
        "event": "order_completed",
        "event_text": "Order Completed",
        "order_id": f"order-{number:09}",
        "total": number % 20_000 / 100,
        "timestamp": happened,
        "received_at": happened,
    }
