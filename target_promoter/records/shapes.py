"""The shapes of Segment's data: raw calls, and the warehouse tables that Segment and RudderStack write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

Shape = Literal["raw calls", "identifies", "users", "tracks", "event table", "ignored", "plain"]

_CALL_NAMES: Final = frozenset({"type", "action"})
_CALL_CONTENTS: Final = frozenset({"traits", "properties", "messageId"})
_FLAT_CONTENTS: Final = ("traits__", "properties__")
_WAREHOUSE_MARKS: Final = frozenset({"received_at", "sent_at", "uuid_ts", "original_timestamp"})
_USERS: Final = frozenset({"user_id", "anonymous_id"})
_IGNORED_TABLES: Final = frozenset({"pages", "screens", "groups", "aliases", "accounts"})
_OF_WHOM: Final = _USERS | {"id", "group_id", "previous_id"}
_LAST_PART: Final = re.compile(r"[^.-]*\Z")


def columns(schema: Mapping[str, object]) -> dict[str, object] | None:
    """Return the columns that a SCHEMA message declares.

    Args:
        schema: The JSON schema of a stream; its properties may stand in `allOf`, `anyOf`, `oneOf` or behind a `$ref`.

    Returns:
        From column to its own schema; None if the schema declares none, and any column may come.
    """
    return _properties(schema, schema, seen=()) or None


def _properties(part: object, root: Mapping[str, object], seen: tuple[str, ...]) -> dict[str, object]:
    """Return the properties of a part of a schema; `seen` are the references on the way, which may go round."""
    if not isinstance(part, Mapping):
        return {}
    found: dict[str, object] = {}
    reference = part.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/") and reference not in seen:
        target: object = root
        for step in reference[2:].split("/"):
            target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
        found.update(_properties(target, root, (*seen, reference)))
    for key in ("allOf", "anyOf", "oneOf"):
        alternatives = part.get(key)
        for alternative in alternatives if isinstance(alternatives, list) else ():
            found.update(_properties(alternative, root, seen))
    own = part.get("properties")
    if isinstance(own, Mapping):
        found.update(own)
    return found


def declares(schema: Mapping[str, object], known: Mapping[str, object] | None, path: tuple[str, ...]) -> bool:
    """Return whether a schema leaves room for a column, or for a value inside an object.

    Args:
        path: The column, and the names on the way into its object.
    """
    for name in path:
        if not known:
            return True
        if name not in known:
            return False
        known = _properties(known[name], schema, seen=())
    return True


def last_part(stream: str) -> str:
    """Return a stream's name without its schema: what follows the last `-` or `.`, in lower case.

    Args:
        stream: The name, such as `public-identifies`.
    """
    match = _LAST_PART.search(stream)
    return match[0].lower() if match else ""


def shape(stream: str, known: Mapping[str, object] | None) -> Shape:
    """Return the shape of a stream.

    Args:
        known: Its columns; None if its schema declares none.

    Returns:
        One of Segment's shapes, or `plain`.
    """
    names = known.keys() if known is not None else frozenset[str]()
    if names & _CALL_NAMES and "event_text" not in names and holds_calls(known):
        return "raw calls"
    marked = bool(names & _WAREHOUSE_MARKS) or any(name.startswith("context_") for name in names)
    table = last_part(stream)
    if table.lstrip("_") in _IGNORED_TABLES:
        table = "ignored"
    shapes: dict[str, tuple[bool, Shape]] = {
        "ignored": (marked and bool(names & _OF_WHOM), "ignored"),
        "identifies": (marked and bool(names & _USERS), "identifies"),
        # `users` is also the name of any application's own table, which has none of the warehouse's columns.
        "users": (marked and "id" in names and "anonymous_id" not in names, "users"),
        "tracks": ("event" in names and (marked or "event_text" in names), "tracks"),
    }
    fits, named = shapes.get(table, (False, "plain"))
    if fits:
        return named
    return "event table" if {"event", "event_text"} <= names else "plain"


def holds_calls(known: Mapping[str, object] | None) -> bool:
    """Return whether records have the inside of a raw call, as an object or flattened by the SDK.

    Args:
        known: The stream's columns; None if its schema declares none.
    """
    return any(name in _CALL_CONTENTS or name.startswith(_FLAT_CONTENTS) for name in known or ())
