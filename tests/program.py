"""The commands beside the target, run in this process, and a shop's calls to run them on."""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from target_promoter.singer.program import load
from tests.tap import hours_ago, record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.testing import Result

_TEXT: dict[str, Any] = {"type": ["null", "string"]}
_OBJECT: dict[str, Any] = {"type": ["null", "object"]}

CALLS: dict[str, Any] = {
    "type": "SCHEMA",
    "stream": "calls",
    "schema": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("type", "messageId", "userId", "anonymousId", "event", "timestamp"), _TEXT),
            **dict.fromkeys(("traits", "properties", "context"), _OBJECT),
        },
    },
    "key_properties": ["messageId"],
}
"""The SCHEMA message of a stream of raw calls."""


def identify(
    user_id: str | None, email: str, traits: Mapping[str, object] | None = None, *, hours: float = 1000
) -> dict[str, Any]:
    """Return the RECORD message of an identify call, made so many hours ago."""
    return record(
        "calls",
        type="identify",
        messageId=f"i-{user_id}-{email}-{hours}",
        userId=user_id,
        timestamp=hours_ago(hours),
        traits={"email": email, **(traits or {})},
    )


def order(message_id: str, user_id: str | None, hours: float = 2, **properties: object) -> dict[str, Any]:
    """Return the RECORD message of an order, placed so many hours ago."""
    return record(
        "calls",
        type="track",
        messageId=message_id,
        userId=user_id,
        event="Order Completed",
        timestamp=hours_ago(hours),
        properties=properties,
    )


def command(name: str, *arguments: str, config: dict[str, Any]) -> Result:
    """Run a command in this process, with its config in a file.

    What ends it with a sentence in a process of its own is the result's exception.
    """
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        return CliRunner().invoke(load(name), ["--config", file.name, *arguments])
