"""The shapes of Segment's data: raw calls, and the warehouse tables that Segment and RudderStack write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

Shape = Literal["raw calls", "identifies", "users", "tracks", "event table", "ignored", "plain", "removed"]

# All names here are in lower case, as they are compared.
_CALL_NAMES: Final = frozenset({"type", "action"})
_CALL_CONTENTS: Final = frozenset({"traits", "properties", "messageid"})
_CALL_IDS: Final = frozenset({"messageid", "message_id", "userid", "user_id", "anonymousid", "anonymous_id"})
_CALL_SPELLINGS: Final = frozenset({"messageid", "userid", "anonymousid"})
_FLAT_CONTENTS: Final = re.compile(r"(?:traits|properties)([^a-z0-9]+).+")
_VIEW: Final = "_view"
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
        inner = known.get(name) or next((own for key, own in known.items() if key.lower() == name.lower()), None)
        if inner is None:
            return name in known
        known = _properties(inner, schema, seen=())
    return True


class Columns:
    """The columns of a stream, whose names are compared without case; an exact match wins.

    Attributes:
        known: From column to its own schema; None if the stream's schema declares none, and any may come.
        names: Their names in lower case.
        all_capitals: Whether all of them are in capitals, as Snowflake and Oracle write names.
    """

    def __init__(self, schema: Mapping[str, object]) -> None:
        self.schema = schema
        self.known = columns(schema)
        self._actual: dict[str, str] = {}
        for name in self.known or ():
            self._actual.setdefault(name.lower(), name)
        self.names = frozenset(self._actual)
        sources = [name for name in self.known or () if name[:1] != "_"]
        self.all_capitals = bool(sources) and all(name.isupper() for name in sources)

    def named(self, name: str) -> str | None:
        """Return the column of a name; the name itself if any column may come."""
        if self.known is None or name in self.known:
            return name
        return self._actual.get(name.lower())

    def resolve(self, path: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return a place with its column as it is spelled; None if the schema leaves no room for it."""
        column = self.named(path[0])
        if column is None or not declares(self.schema, self.known, (column, *path[1:])):
            return None
        return column, *path[1:]

    def as_sent(self, column: str) -> str:
        """Return the name of a trait as it was sent before a warehouse wrote it in capitals."""
        return column.lower() if self.all_capitals else column


def last_part(stream: str) -> str:
    """Return a stream's name without its schema: what follows the last `-` or `.`, in lower case.

    BigQuery has views without duplicates beside the tables (`identifies_view`): they are the tables.

    Args:
        stream: The name, such as `public-identifies`.
    """
    match = _LAST_PART.search(stream)
    return match[0].lower().removesuffix(_VIEW) if match else ""


def shape(stream: str, names: frozenset[str]) -> Shape:
    """Return the shape of a stream.

    Args:
        names: Its columns, in lower case.

    Returns:
        One of Segment's shapes, or `plain`.
    """
    if names & _CALL_NAMES and "event_text" not in names and holds_calls(names, typed=True):
        return "raw calls"
    marked = bool(names & _WAREHOUSE_MARKS) or any(name.startswith("context_") for name in names)
    is_event_table = {"event", "event_text"} <= names
    table = last_part(stream).lstrip("_")
    if is_event_table or (table == "tracks" and marked and "event" in names):
        return "tracks" if table == "tracks" else "event table"
    shapes: dict[str, tuple[bool, Shape]] = {
        "identifies": (marked and bool(names & _USERS), "identifies"),
        # `users` is also the name of any application's own table, which has none of the warehouse's columns.
        "users": (marked and "id" in names and "anonymous_id" not in names, "users"),
        **dict.fromkeys(_IGNORED_TABLES, (marked and bool(names & _OF_WHOM), "ignored")),
    }
    fits, named = shapes.get(table, (False, "plain"))
    return named if fits else "plain"


def holds_calls(names: frozenset[str], *, typed: bool = False) -> bool:
    """Return whether records have the inside of a raw call, as an object or flattened by the SDK, and an id.

    Args:
        names: The stream's columns, in lower case.
        typed: Whether a column says what call it is; without it, `traits_plan` is no flattened object.
    """
    if not names & _CALL_IDS:
        return False
    separators = {match[1] for name in names if (match := _FLAT_CONTENTS.fullmatch(name))}
    if not (typed and names & _CALL_SPELLINGS):
        separators.discard("_")
    return bool(names & _CALL_CONTENTS or separators)
