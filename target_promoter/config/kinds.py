"""Kinds of values: how a value of the config is read, and its JSON schema.

Every refusal is a sentence that names the setting and what to change. A wrong value is never shown: it may be a key
that was put in the wrong place.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Generic, NoReturn, TypeVar
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from target_promoter.errors import ConfigError, SettingError
from target_promoter.values.printable import Lines

S = TypeVar("S", bound=str)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")

REQUIRED: Final = object()
"""The default of a setting that has none and cannot be left out."""

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PLACEHOLDER: Final = re.compile(r"\s*NAME OF THE [A-Z ]+")
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_LARGEST: Final = 10**18


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """A kind of value.

    Attributes:
        schema: Its JSON schema.
        read: Takes the setting's name, with dots into it, and its value; raises ConfigError for a wrong one.
    """

    schema: Mapping[str, Any]
    read: Callable[[str, object], T_co]

    def then(self, convert: Callable[[str, T_co], U]) -> Kind[U]:
        """Return this kind, read further."""
        return Kind(self.schema, lambda name, value: convert(name, self.read(name, value)))


@dataclass(frozen=True, slots=True)
class Declared(Generic[T]):
    """What is declared of a setting, or of a part of one.

    Attributes:
        default: As a config would have it; `REQUIRED`, or None if there is none.
        missing: What to do if it is required and missing.
    """

    kind: Kind[T]
    title: str
    description: str
    default: object = REQUIRED
    missing: str = "add it"
    secret: bool = False

    def schema(self) -> dict[str, Any]:
        """Return its JSON schema."""
        schema = {**self.kind.schema, "title": self.title, "description": self.description}
        if "type" in schema:
            schema["type"] = [schema["type"], "null"]
        if self.default not in (REQUIRED, None, {}):  # The SDK shares a default object, and changes it.
            schema["default"] = self.default
        return {**schema, "secret": True, "writeOnly": True} if self.secret else schema

    def read(self, name: str, value: object) -> T | None:
        """Read a value, or the default for one that is null or absent."""
        if value is None and self.default is REQUIRED:
            refuse(name, "is missing", self.missing)
        value = self.default if value is None else value
        return None if value is None else self.kind.read(name, value)


def setting(kind: Kind[T], title: str, description: str, **options: Any) -> T:  # noqa: ANN401 - those of `Declared`
    """Declare a field of a dataclass as a setting, or as a part of one."""
    declared = Declared(kind, title, description, **options)
    default: dict[str, Any] = {}
    if declared.default is not REQUIRED:
        default["default_factory"] = lambda: declared.read("", None)
    field: T = dataclasses.field(metadata={"declared": declared}, repr=not declared.secret, **default)
    return field


def optional(kind: Kind[T], title: str, description: str) -> T | None:
    """Declare a field of a dataclass as a setting without which there is nothing."""
    return setting(kind, title, description, default=None)


def declared(of: type) -> dict[str, Declared[Any]]:
    """Return what a dataclass declares, by name."""
    fields = dataclasses.fields(of)
    return {field.name: field.metadata["declared"] for field in fields if "declared" in field.metadata}


def refuse(name: str, problem: str, fix: str) -> NoReturn:
    """Refuse a setting.

    Args:
        name: With dots into it.
        problem: What is wrong with it, without its value.
    """
    raise SettingError(" ".join(name.split()), problem, fix) from None


def gather(reads: Sequence[Callable[[], T]]) -> list[T]:
    """Return what all of them return, or refuse with the faults of all, one a line."""
    found, faults = [], []
    for read in reads:
        try:
            found.append(read())
        except ConfigError as error:
            faults.append(error)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise ConfigError(Lines.of(dict.fromkeys(map(str, faults))))
    return found


def parts(fields: Mapping[str, Declared[Any]]) -> Kind[dict[str, Any]]:
    """Return the kind of an object with these parts and no other."""

    def read(name: str, value: object) -> dict[str, Any]:
        given = _mapping(name, value)
        unknown = [key for key in given if key not in fields]
        reads: list[Callable[[], Any]] = [
            *(functools.partial(one.read, _join(name, key), given.get(key)) for key, one in fields.items()),
            *(functools.partial(_refuse_unknown, _join(name, key), key, fields) for key in unknown),
        ]
        return dict(zip(fields, gather(reads), strict=True))

    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: one.schema() for name, one in fields.items()},
        "additionalProperties": False,
    }
    required = [name for name, one in fields.items() if one.default is REQUIRED]
    return Kind({**schema, "required": required} if required else schema, read)


def object_of(
    kind: Kind[T],
    *,
    keys: Iterable[str] | None = None,
    together: Callable[[str, Mapping[str, Any]], None] = lambda _name, _given: None,
) -> Kind[dict[str, T]]:
    """Return the kind of an object whose values are all of one kind.

    Args:
        keys: The names that it may have; any if None.
        together: Refuses values that do not go together; it is given them unread.
    """
    known = None if keys is None else tuple(keys)

    def entry(name: str, key: str, value: object) -> tuple[str, T]:
        if known is not None and key not in known:
            _refuse_unknown(_join(name, key), key, known)
        TEXT.read(name, key)
        return key, kind.read(_join(name, key), value)

    def read(name: str, value: object) -> dict[str, T]:
        given = _mapping(name, value)
        reads: list[Callable[[], Any]] = [functools.partial(entry, name, key, one) for key, one in given.items()]
        reads.append(functools.partial(together, name, given))
        *entries, _ = gather(reads)
        return dict(entries)

    schema: dict[str, Any] = {"type": "object", "additionalProperties": kind.schema}
    if known is not None:
        schema["propertyNames"] = {"enum": list(known)}
    return Kind(schema, read)


def list_of(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """Return the kind of a list whose items are all of one kind."""

    def read(name: str, value: object) -> tuple[T, ...]:
        if not isinstance(value, (list, tuple)):
            refuse(name, f"is {_what(value)}", "make it a list")
        return tuple(gather([functools.partial(kind.read, name, item) for item in value]))

    return Kind({"type": "array", "items": kind.schema}, read)


def one_or_more(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """Return the kind of a value, or of a list of them that is not empty."""
    several = list_of(kind)

    def read(name: str, value: object) -> tuple[T, ...]:
        if not isinstance(value, (list, tuple)):
            return (kind.read(name, value),)
        return several.read(name, value) or refuse(name, "is empty", "fill it in or remove it")

    return Kind({"anyOf": [kind.schema, {**several.schema, "minItems": 1}]}, read)


def shorthand(kind: Kind[dict[str, T]], key: str, short: Kind[T]) -> Kind[dict[str, T]]:
    """Return the kind of an object that may be written as the value of one of its keys alone."""
    schema = {"anyOf": [short.schema, kind.schema]}

    def read(name: str, value: object) -> dict[str, T]:
        return kind.read(name, value if isinstance(value, Mapping) else {key: short.read(name, value)})

    return Kind(schema, read)


def choice(options: Iterable[S]) -> Kind[S]:
    """Return the kind of a text that is one of these."""
    known = {str(one): one for one in options}

    def read(name: str, value: object) -> S:
        text = TEXT.read(name, value).strip()
        if text in known:
            return known[text]
        near = did_you_mean(text, known)
        meant = f"did you mean `{near}`? Use" if near else "use"
        return refuse(name, "is unknown", f"{meant} one of {', '.join(known)}")

    return Kind({"type": "string", "enum": list(known)}, read)


def number(*, above_zero: bool = False, most: float = 1e9) -> Kind[float]:
    """Return the kind of a number from 0 to another; it may be written as text."""
    fix = f"write a plain number {'above' if above_zero else 'from'} 0, {most:,.0f} at the most"
    low = {"exclusiveMinimum" if above_zero else "minimum": 0}

    def read(name: str, value: object) -> float:
        found = float(_number(name, value, fix))
        return found if 0 <= found <= most and (found or not above_zero) else refuse(name, "is out of range", fix)

    return Kind({"type": "number", **low, "maximum": most}, read)


def whole(thing: str = "integer above 0") -> Kind[int]:
    """Return the kind of a positive integer; it may be written as text."""
    fix = f"write a plain {thing}"

    def read(name: str, value: object) -> int:
        found = _number(name, value, fix)
        return int(found) if 0 < found == found // 1 else refuse(name, "has a fraction or is not above 0", fix)

    return Kind({"type": "integer", "exclusiveMinimum": 0}, read)


def of_schema(schema: Mapping[str, Any]) -> Kind[Any]:
    """Return the kind of a value that the SDK describes."""
    kinds: dict[str, Kind[Any]] = {
        "boolean": BOOLEAN,
        "integer": whole(),
        "object": Kind({}, _mapping),
        "string": choice([str.__str__(one) for one in schema["enum"]]) if "enum" in schema else TEXT,
    }
    return next(kinds[one] for one in schema["type"] if one in kinds)


def _number(name: str, value: object, fix: str) -> Decimal:
    """Return a finite number with all its digits."""
    if not isinstance(value, (int, float, Decimal)) or isinstance(value, bool):
        if not isinstance(value, str) or not _NUMBER.fullmatch(value.strip()):
            refuse(name, f"is {_what(value)}", fix)
        value = value.strip()
    found = Decimal(value)
    return found if found.is_finite() and abs(found) <= _LARGEST else refuse(name, "is beyond reason", fix)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        refuse(name, f"is {_what(value)}", "make it a text")
    if not value.strip():
        refuse(name, "is empty", "fill it in or remove it")
    if _PLACEHOLDER.match(value):
        refuse(name, "still holds a placeholder", "write the name that belongs there")
    return value


def _boolean(name: str, value: object) -> bool:
    found = _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else value
    return found if isinstance(found, bool) else refuse(name, f"is {_what(value)}", "write true or false")


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else refuse(name, f"is {_what(value)}", "make it an object")


def _join(name: str, key: object) -> str:
    return f"{name}.{key}".lstrip(".")


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is nearest to one that is not known, if one is near."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return what to do about a name that is not known: the nearest known one, or something else if none is near."""
    near = did_you_mean(name, known)
    return otherwise if near is None else f"did you mean `{near}`?"


def _refuse_unknown(name: str, key: str, known: Iterable[str]) -> NoReturn:
    refuse(name, "is unknown", suggestion(str(key), known, f"use one of {', '.join(known)}"))


def _what(value: object) -> str:
    """Return what a wrong value is, as JSON calls it, without showing it."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "a boolean"),
        (str, "a text"),
        (int, "an integer"),
        ((float, Decimal), "a number with a fraction"),
        ((list, tuple), "a list"),
        (Mapping, "an object"),
    )
    return next((kind for types, kind in kinds if isinstance(value, types)), "nothing of use")


TEXT: Final[Kind[str]] = Kind({"type": "string"}, _text)
"""A text that is not blank."""

BOOLEAN: Final[Kind[bool]] = Kind({"type": "boolean"}, _boolean)
"""True or false, which may be written as text."""

ID: Final = whole("integer, Promoter's id, such as 78")
"""An id of Promoter's."""

IDS: Final = list_of(ID).then(lambda _name, found: tuple(dict.fromkeys(found)))
"""Ids of Promoter's, each once."""


_KEY: Final = re.compile(r"[!-~]+", re.ASCII)
_STORE_FIX: Final = "write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"


def _api_key(name: str, text: str) -> str:
    """Return a key that can be sent in a header, without the line break that a file of secrets often ends in."""
    key = text.strip()
    if not _KEY.fullmatch(key):
        refuse(name, "holds a space or a character that no key has", "copy it again, without the word Token before it")
    return key


def api_url(sandbox: str) -> Kind[str]:
    """Return the kind of an address that a key may be sent to, read without a slash at its end.

    Args:
        sandbox: The word that stands for the embedded sandbox.
    """

    def read(name: str, text: str) -> str:
        url = text.strip()
        if url == sandbox:
            return url
        try:
            parts = urlsplit(url)
            host, port_is_valid = parts.hostname, parts.port != 0
        except ValueError:
            host, port_is_valid = None, False
        if not host or not port_is_valid or parts.scheme not in {"http", "https"}:
            refuse(name, "is not a web address", f'use https://app.promoter.io/api, or "{sandbox}" to try things')
        if parts.username is not None or parts.password is not None:
            refuse(name, "holds a user name", "remove it; the key belongs in `api_key`")
        if parts.query or parts.fragment or not url.isprintable() or " " in url:
            refuse(name, "holds more than an address and a path", "remove all from `?`, `#` or the space")
        if parts.scheme == "http" and not _is_loopback(host):
            refuse(name, "would send the key in plain text", "use https")
        return url.rstrip("/")

    return TEXT.then(read)


def _store_url(name: str, text: str) -> str:
    """Return the SQLAlchemy address of a SQLite file or a PostgreSQL database."""
    address = text.strip()
    try:
        url = make_url(address)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):
        refuse(name, "is not a SQLAlchemy address", _STORE_FIX)
    if backend not in {"sqlite", "postgresql"}:
        refuse(name, "is neither SQLite nor PostgreSQL", _STORE_FIX)
    if backend == "sqlite" and url.database in {None, "", ":memory:"}:
        refuse(name, "is a store in memory, which forgets who was surveyed", _STORE_FIX)
    if backend == "postgresql" and not url.database:
        refuse(name, "names no database", _STORE_FIX)
    if backend == "postgresql" and address.count("@") > 1:  # SQLAlchemy may read a part of the password as a host.
        refuse(name, "has more than one `@`", "write those in its user name, password or parameters as `%40`")
    return address


def _is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


API_KEY: Final = TEXT.then(_api_key)
STORE_URL: Final = TEXT.then(_store_url)
