"""Where a record's logical fields are: the look-up table, and the readers of what it finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Final, Literal, TypeVar

from target_promoter.values.reading import as_object, from_json_text

T = TypeVar("T")

Path = tuple[str, ...]
"""A column, and the names or the positions on the way into the object or list it holds."""

Kind = Literal["identify", "track"]

_USER_ID: Final = ("userId", "user_id")
_ANONYMOUS_ID: Final = ("anonymousId", "anonymous_id")
_EVENT: Final = ("event_text", "event")
_ORIGINAL_TIME: Final = ("originalTimestamp", "original_timestamp")
_TIME: Final = ("timestamp", *_ORIGINAL_TIME)
_SEGMENT_TIME: Final = ("sent_at", "sentAt", "received_at", "receivedAt")
_MESSAGE_ID: Final = ("messageId", "message_id")
_OBJECTS: Final = ("traits", "properties", "context", "integrations")

PERSONAL: Final[Mapping[str, Sequence[str]]] = {
    "email": ("email", "email_address", "emailAddress"),
    "first_name": ("firstName", "first_name", "firstname"),
    "last_name": ("lastName", "last_name", "lastname"),
    "name": ("name",),
}
"""The reserved traits, which are fields of the contact and no attributes, as Segment spells them."""

OTHER_SPELLINGS: Final[Mapping[str, Sequence[str]]] = {
    "email": ("mail",),
    "first_name": ("given_name", "forename"),
    "last_name": ("family_name", "surname"),
    "name": ("full_name", "display_name", "customer_name", "contact_name"),
}
"""How other tables spell them: such a column is proposed, and read only where the config names it."""

TELLING: Final = (*_USER_ID, *PERSONAL["email"], *_MESSAGE_ID, "id")
"""The columns by which people tell one record from another."""

_ORDER: Final = {spelled: order for names in PERSONAL.values() for order, spelled in enumerate(names)}
_SPELLINGS: Final = 10
_FOLDED: Final = {name.replace("_", "").lower(): field for field, names in PERSONAL.items() for name in names}
_SEPARATORS: Final = re.compile(r"[\s_-]+")

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

TRAITS: Final[tuple[Path, ...]] = (("traits",), ("context", "traits"))
"""Where a call has its person's traits; RudderStack's SDKs know the second place alone."""

# What loaders add to the rows of any table: another one when the same row comes again.
_LOADER_MADE: Final = re.compile(
    r"_+(?:sdc|smart_source|fivetran|airbyte|ab|dlt|dbt|hevo|peerdb|stitch|rivery|estuary|meltano|etl|cdc|source)_.*"
    r"|dbt_.*|_+(?:synced|loaded|extracted|ingested|batched)(?:_at)?|_+(?:op|lsn|ts_ms|deleted)"
    r"|_(?:partitiontime|partitiondate|rescued_data)",
    re.IGNORECASE,
)
_POSITION: Final = re.compile(r"_*(line|row)_*(n|no|nr|num|number|index)?|_*(file|path)_*(name|path)?", re.IGNORECASE)
_DELETION_MARKS: Final = ("_fivetran_deleted", "_sdc_lsn_deleted_at", "_ab_cdc_deleted_at", "__deleted")
_DELETION_MARK: Final = re.compile(r"_+(?:\w+_)?deleted(?:_at)?", re.IGNORECASE | re.ASCII)


@lru_cache(maxsize=8192)
def reserved(name: str) -> str | None:
    """Return the field of the contact that a trait is, however it is spelled (`First Name`, `e-mail`), if any."""
    return _FOLDED.get(_SEPARATORS.sub("", name).lower())


def candidates(kind: Kind, *, users: bool, segment: bool, call_id: bool, keyed: bool) -> dict[str, tuple[Path, ...]]:
    """Return the columns where each logical field is looked for, the first place first.

    Args:
        users: Whether the stream is the warehouse table `users`, whose `id` is the user id.
        segment: Whether the stream has one of Segment's shapes, which have more times.
        call_id: Whether the stream is a warehouse table of track calls, whose `id` is the message id.
        keyed: Whether it is a plain table with keys, which tell its rows apart.
    """
    fields = {
        "user_id": _columns(*_USER_ID, *(("id",) if users else ())),
        "anonymous_id": _columns(*_ANONYMOUS_ID),
        "timestamp": _columns(*_TIME, *(_SEGMENT_TIME if segment else ())),
    }
    if kind == "identify":
        fields |= {field: _columns(*names) for field, names in PERSONAL.items()}
    else:
        fields["email"] = ()
        fields["event"] = _columns(*_EVENT)
        fields["message_id"] = _columns("id") if call_id else () if keyed else _columns(*_MESSAGE_ID)
    return fields


def objects_of(kind: Kind) -> tuple[Path, ...]:
    """Return where a call has its traits or properties, the first place first."""
    return TRAITS if kind == "identify" else (("properties",),)


def original_times(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return those of the places of a call's time that hold when its sender's clock said it happened.

    Segment's `timestamp` is counted back from the time of receipt: of history that is uploaded today it is today's.
    """
    found = tuple(path for path in paths if path[0].lower() in {name.lower() for name in _ORIGINAL_TIME})
    return found if len(found) < len(paths) else ()


def _columns(*names: str) -> tuple[Path, ...]:
    return tuple((name,) for name in names)


def no_content(kind: Kind, *, warehouse: bool, call_id: bool) -> frozenset[str]:
    """Return the columns of a flat row, in lower case, that are neither traits nor properties.

    Args:
        warehouse: Whether the row comes from a warehouse table, which has columns of the call itself.
        call_id: Whether its `id` is the message id, and `message_id` a property like any other.
    """
    fields = candidates(kind, users=False, segment=warehouse, call_id=call_id, keyed=False)
    taken = {path[0] for paths in fields.values() for path in paths}
    if kind == "identify":
        taken.update(_MESSAGE_ID)
    return frozenset(name.lower() for name in taken.union(_OBJECTS, _NO_CONTENT if warehouse else ()))


def is_loader_made(column: str) -> bool:
    """Return whether a loader made a column, and the source knows nothing of it."""
    return _LOADER_MADE.fullmatch(column) is not None


def deletion_marks(columns: Iterable[str] | None) -> tuple[str, ...]:
    """Return the columns in which a loader says that a row was deleted; Singer's own need not stand in the schema."""
    known = _DELETION_MARKS if columns is None else filter(_DELETION_MARK.fullmatch, columns)
    return tuple(dict.fromkeys(("_sdc_deleted_at", *known)))


def telling_keys(key_properties: Iterable[str]) -> tuple[str, ...]:
    """Return the key properties by name, without those that say where a record lay and not which one it is.

    A line number or a column of the loader's own is another one when the same record comes again.
    """
    telling = sorted(
        name for name in key_properties if not (is_loader_made(name) or (name[:1] == "_" and _POSITION.fullmatch(name)))
    )
    return () if all(_POSITION.fullmatch(name) for name in telling) else tuple(telling)


def flattened(names: Iterable[str], *words: str, single: bool) -> tuple[tuple[str, str], ...]:
    """Return the columns that flattening made of an object's contents, each with its name in the object.

    Args:
        names: The columns of the stream.
        words: The way to the object, such as `context` and `traits`.
        single: Whether one underscore may be the separator; in a plain table it is part of a name.
    """
    pattern = re.compile("([^a-z0-9]+)".join([*words, "(.+)"]), re.IGNORECASE)
    found = {name: match for name in names if (match := pattern.fullmatch(name))}
    separators = {match[1] for match in found.values()}
    # A name inside may begin with what looks like a part of the separator.
    separator = min(separators, key=len, default="")
    if not separator or (separator == "_" and not single):
        return ()
    start = len(separator) * len(words) + sum(map(len, words))
    return tuple((name, name[start:].replace(separator, "_")) for name in found)


def value_at(record: Mapping[str, object], path: Path) -> object:
    """Return what stands at a place of a record, whose objects and lists may be JSON text; None if nothing does."""
    value = record.get(path[0])
    for name in path[1:]:
        value = _inside(from_json_text(value), name)
    return value


def _inside(value: object, name: str) -> object:
    if isinstance(value, dict):
        if name in value:
            return value[name]
        lower = name.lower()
        return next((inner for own, inner in value.items() if own.lower() == lower), None)
    if isinstance(value, (list, tuple)) and name.isdecimal():
        return next(iter(value[int(name) :][:1]), None)
    return None


def object_at(record: Mapping[str, object], path: Path) -> Mapping[str, object]:
    """Return the object at a place of a record; an empty one if there is none."""
    found = as_object(record.get(path[0]))
    for name in path[1:]:
        found = as_object(found.get(name))
    return found


Personal = dict[str, list[tuple[int, object]]]
"""The reserved traits of a person: by field, what was sent and its rank, the lowest first."""


def usable(values: list[tuple[int, object]], read: Callable[[object], T | None]) -> T | None:
    """Return the first usable value of a reserved trait."""
    for _, value in sorted(values, key=itemgetter(0)):
        result = read(value)
        if result is not None:
            return result
    return None


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


def something(value: object) -> object:
    """Return a value unless it is null or an empty text."""
    return None if value is None or (isinstance(value, str) and not value.strip()) else value


def said(record: Mapping[str, object], paths: tuple[Path, ...]) -> bool:
    """Return whether a logical field has any value, usable or not."""
    return first(record, paths, something) is not None


_DESTINATION: Final = "promoterio"
_OPENING: Final = ("{", "[")
_ALL: Final = "all"
_NO: Final = frozenset({"false", "f", "no", "n", "0"})
_NOT_IN_A_DESTINATION: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Contents:
    """Where a record's traits or properties are, and which of them may be sent to Promoter.

    Attributes:
        objects: Where they stand as an object; what the first of these says stands.
        columns: Their columns, each with the name to send; what a later one says stands. None means all but
            `kept_back`, for a schema that declares none.
        inside: Where they stand inside objects, each with the name to send.
        kept_back: What is no content where `columns` is None, in lower case.
        allowed: The names in `objects` that may be sent, in lower case; None means all.
    """

    objects: tuple[Path, ...]
    columns: tuple[tuple[str, str], ...] | None
    inside: tuple[tuple[Path, str], ...]
    kept_back: frozenset[str]
    allowed: frozenset[str] | None

    def read(self, record: Mapping[str, object], personal: Personal | None = None) -> dict[str, object]:
        """Return the traits or properties of a record by their names.

        Args:
            personal: Where to put the reserved traits among `objects`, which are fields of their own; None if
                nothing is reserved.
        """
        found: dict[str, object] = {}
        for column, name in self._columns_of(record) if self.columns is None else self.columns:
            if column in record:
                value = record[column]
                if isinstance(value, str) and value.startswith(_OPENING):
                    value = from_json_text(value)
                if value is not None or name not in found:
                    found[name] = value
        for path, name in self.inside:
            if path[0] in record:
                found[name] = value_at(record, path)
        if self.objects:
            found |= self._inner(record, personal)
        return found

    def _columns_of(self, record: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        for name in record:
            if name.lower() not in self.kept_back and not is_loader_made(name):
                yield name, name

    def _inner(self, record: Mapping[str, object], personal: Personal | None) -> dict[str, object]:
        """Return what the objects hold."""
        found: dict[str, object] = {}
        for place, path in enumerate(self.objects):
            for name, value in object_at(record, path).items():
                field = None if personal is None else reserved(name)
                if field is not None and personal is not None:
                    if value is not None:
                        # Of several spellings in one place Segment's own come first.
                        rank = place * _SPELLINGS + _ORDER.get(name, _SPELLINGS - 1)
                        personal.setdefault(field, []).append((rank, value))
                elif (self.allowed is None or name.lower() in self.allowed) and found.get(name) is None:
                    found[name] = value
        return found


@dataclass(frozen=True, slots=True)
class Integrations:
    """Where Segment's `integrations` object is, which says what destinations a call must not reach.

    Attributes:
        objects: Where it stands.
        columns: The columns that flattening made of it, each with its name in the object.
    """

    objects: tuple[Path, ...]
    columns: tuple[tuple[str, str], ...]

    def block(self, record: Mapping[str, object]) -> bool:
        """Return whether they keep a record from Promoter.io."""
        for path in self.objects:
            if record.get(path[0]) is not None:
                rules = object_at(record, path)
                if rules and _forbid(rules):
                    return True
        return bool(self.columns) and _forbid({name: record.get(column) for column, name in self.columns})


def _forbid(rules: Mapping[str, object]) -> bool:
    """Return whether a call must not reach Promoter.io: by its own rule, or without one by the rule for all."""
    said_of = {_destination(name): value for name, value in rules.items() if value is not None}
    rule = said_of.get(_DESTINATION, said_of.get(_ALL))
    if isinstance(rule, str):
        return rule.strip().lower() in _NO
    return rule is not None and not rule and not isinstance(rule, (dict, list))


@lru_cache(maxsize=1024)
def _destination(name: str) -> str:
    """Return the name of a destination as it is compared: a warehouse's columns have no capitals and no points."""
    return _NOT_IN_A_DESTINATION.sub("", name.lower())
