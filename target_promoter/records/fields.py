"""Where a record's logical fields are: the look-up table, and the readers of what it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeVar

from target_promoter.values.reading import as_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

T = TypeVar("T")

Path = tuple[str, ...]
"""A column, and the names on the way into the object it holds."""

Kind = Literal["identify", "track"]

_USER_ID: Final = ("userId", "user_id")
_ANONYMOUS_ID: Final = ("anonymousId", "anonymous_id")
_EMAIL: Final = ("email", "email_address", "emailAddress")
_FIRST_NAME: Final = ("firstName", "first_name", "firstname")
_LAST_NAME: Final = ("lastName", "last_name", "lastname")
_NAME: Final = ("name",)
_EVENT: Final = ("event_text", "event")
_TIME: Final = ("timestamp", "originalTimestamp", "original_timestamp")
_SEGMENT_TIME: Final = ("sent_at", "sentAt", "received_at", "receivedAt")
_MESSAGE_ID: Final = ("messageId", "message_id")
_OBJECTS: Final = ("traits", "properties", "context", "integrations")

PERSONAL: Final = frozenset((*_EMAIL, *_FIRST_NAME, *_LAST_NAME, *_NAME))
"""The traits that are fields of the contact and no attributes."""

_NO_CONTENT: Final = frozenset(
    {
        "id",
        "uuid",
        "uuid_ts",
        "received_at",
        "sent_at",
        "loaded_at",
        "timestamp",
        "original_timestamp",
        "event",
        "event_text",
        "channel",
        "record_id",
    },
)

# A person's traits stand in these places of a call: as objects, and as the columns that a warehouse (one underscore) or
# the SDK's flattening (two) makes of them.
_TRAITS: Final[tuple[Path, ...]] = (
    ("traits",),
    ("context", "traits"),
    ("context_traits",),
    ("context__traits",),
)
_FLAT_TRAITS: Final = ("context_traits_", "traits__", "context__traits__")


def candidates(kind: Kind, *, users: bool, segment: bool, call_id: bool) -> dict[str, tuple[Path, ...]]:
    """Return the places where each logical field is looked for, the first place first.

    Args:
        users: Whether the stream is the warehouse table `users`, whose `id` is the user id.
        segment: Whether the stream has one of Segment's shapes, which have more times.
        call_id: Whether the stream is a warehouse table of track calls, whose `id` is the message id.
    """
    fields = {
        "user_id": _columns(*_USER_ID, *(("id",) if users else ())),
        "anonymous_id": _columns(*_ANONYMOUS_ID),
        "timestamp": _columns(*_TIME, *(_SEGMENT_TIME if segment else ())),
    }
    if kind == "identify":
        personal = {"email": _EMAIL, "first_name": _FIRST_NAME, "last_name": _LAST_NAME, "name": _NAME}
        for logical, names in personal.items():
            fields[logical] = (*_columns(*names), *_among_traits(names))
        fields["traits"] = _columns("traits")
    else:
        fields["email"] = _among_traits(_EMAIL)
        fields["event"] = _columns(*_EVENT)
        fields["message_id"] = _columns(*_MESSAGE_ID, *(("id",) if call_id else ()))
        fields["properties"] = _columns("properties")
    return fields


def _columns(*names: str) -> tuple[Path, ...]:
    return tuple((name,) for name in names)


def _among_traits(names: Sequence[str]) -> tuple[Path, ...]:
    nested = tuple((*place, name) for place in _TRAITS for name in names)
    return nested + _columns(*(prefix + name for prefix in _FLAT_TRAITS for name in names))


def no_content(kind: Kind, *, warehouse: bool) -> frozenset[str]:
    """Return the columns of a flat row that are neither traits nor properties.

    Args:
        warehouse: Whether the row comes from a warehouse table, which has columns of the call itself.
    """
    fields = candidates(kind, users=False, segment=warehouse, call_id=False)
    taken = {path[0] for paths in fields.values() for path in paths if len(path) == 1}
    if kind == "identify":
        taken.update(_MESSAGE_ID)
    return frozenset(taken.union(_OBJECTS, _NO_CONTENT if warehouse else ()))


def columns_with(prefixes: tuple[str, ...], names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the columns that flattening made of an object's contents, each with its name in the object.

    Args:
        prefixes: What the columns begin with.
    """
    return tuple(
        (name, name[len(prefix) :].replace("__", "_"))
        for name in names
        for prefix in prefixes
        if name.startswith(prefix)
    )


def value_at(record: Mapping[str, object], path: Path) -> object:
    """Return what stands at a place of a record.

    Args:
        record: The record; its objects may be JSON text.

    Returns:
        The value, or None.
    """
    value = record.get(path[0])
    for name in path[1:]:
        value = as_object(value).get(name)
    return value


def finder(paths: tuple[Path, ...], read: Callable[[object], T | None]) -> Callable[[Mapping[str, object]], T | None]:
    """Return what finds the first usable value of a logical field in a record; made at the SCHEMA, used on each record.

    Most fields have one column or none, and finding those goes without a loop.
    """
    if not paths:
        return lambda _: None
    if len(paths) > 1 or len(paths[0]) > 1:
        return lambda record: first(record, paths, read)
    column = paths[0][0]

    def find(record: Mapping[str, object]) -> T | None:
        value = record.get(column)
        return None if value is None else read(value)

    return find


def first(record: Mapping[str, object], paths: tuple[Path, ...], read: Callable[[object], T | None]) -> T | None:
    """Return the first usable value of a logical field."""
    for path in paths:
        value = record.get(path[0]) if len(path) == 1 else value_at(record, path)
        if value is not None:
            result = read(value)
            if result is not None:
                return result
    return None


def said(record: Mapping[str, object], paths: tuple[Path, ...]) -> bool:
    """Return whether a logical field has any value, usable or not.

    Args:
        paths: Where to look.
    """
    return any(not _is_empty(value_at(record, path)) for path in paths)


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
