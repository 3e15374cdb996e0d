"""Checks of single values of the config; each refuses with a sentence that names the setting and the mend.

A wrong value is never shown: it may be a key that was put in the wrong place.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NoReturn
from urllib.parse import urlsplit

from target_promoter.errors import SettingError

_KEY: Final = re.compile(r"[!-~]+", re.ASCII)
_LARGEST: Final = 1e9


def refuse(name: str, problem: str, mend: str) -> NoReturn:
    """Refuse a setting.

    Args:
        name: The setting, with dots into it.
        problem: What is wrong with it, without its value.

    Raises:
        SettingError: Always.
    """
    raise SettingError(name, problem, mend) from None


def mapping(name: str, value: object, *, known: Sequence[str] | None = None) -> Mapping[str, object]:
    """Return an object.

    Args:
        name: The setting's name; empty for the whole config.
        known: The keys that it may have; any if None.

    Raises:
        ConfigError: It is no object, or has an unknown key.
    """
    if not isinstance(value, Mapping):
        refuse(name, f"is {_kind(value)}", "make it an object")
    if known is not None:
        for key in value:
            if key not in known:
                import difflib  # noqa: PLC0415 - few configs have such a name

                near = difflib.get_close_matches(str(key), known, n=1)
                mend = f"did you mean `{near[0]}`?" if near else f"use {', '.join(known)}"
                refuse(f"{name}.{key}".lstrip("."), "is unknown", mend)
    return value


def text(name: str, value: object) -> str:
    """Return a text that is not blank.

    Raises:
        ConfigError: It is no text, or blank.
    """
    if not isinstance(value, str):
        refuse(name, f"is {_kind(value)}", "make it a text")
    if not value.strip():
        refuse(name, "is empty", "fill it in or remove it")
    return value


def texts(name: str, value: object) -> tuple[str, ...]:
    """Return a list of texts.

    Raises:
        ConfigError: It is no list, or something in it is no text.
    """
    return tuple(text(name, item) for item in _items(name, value))


def ids(name: str, value: object) -> tuple[int, ...]:
    """Return a list of ids, each once.

    Raises:
        ConfigError: It is no list, or something in it is no id.
    """
    return tuple(dict.fromkeys(identifier(name, item) for item in _items(name, value)))


def identifier(name: str, value: object) -> int:
    """Return an id of Promoter's, a positive integer.

    Raises:
        ConfigError: It is none; a text of digits and a boolean are none either.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        refuse(name, f"is {_kind(value)}", "write Promoter's id as a plain integer, such as 78")
    if value <= 0:
        refuse(name, "is no positive number", "write Promoter's id, such as 78")
    return value


def number(name: str, value: object) -> float:
    """Return a finite number that is not negative.

    Raises:
        ConfigError: It is none.
    """
    if isinstance(value, Decimal):  # The SDK reads the numbers of a config file so.
        value = float(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        refuse(name, f"is {_kind(value)}", "write a plain number")
    if not 0 <= value <= _LARGEST:  # False for not-a-number, too.
        refuse(name, "is negative or beyond reason", "write a number from 0 to a thousand million")
    return float(value)


def positive(name: str, value: object) -> float:
    """Return a finite number above zero.

    Raises:
        ConfigError: It is none.
    """
    if number(name, value) == 0:
        refuse(name, "is 0", "write a number above 0")
    return number(name, value)


def count(name: str, value: object) -> int:
    """Return a positive integer.

    Raises:
        ConfigError: It is none.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        refuse(name, f"is {_kind(value)}", "write a plain integer")
    if value <= 0:
        refuse(name, "is 0 or negative", "write an integer above 0")
    return value


def boolean(name: str, value: object) -> bool:
    """Return a boolean.

    Raises:
        ConfigError: It is none.
    """
    if not isinstance(value, bool):
        refuse(name, f"is {_kind(value)}", "write true or false")
    return value


def api_key(name: str, value: object) -> str:
    """Return an API key without the line break that a file of secrets often ends in.

    Raises:
        ConfigError: It cannot be sent in a header.
    """
    key = text(name, value).strip()
    if not _KEY.fullmatch(key):
        refuse(name, "holds a space or a character that no key has", "copy it again, without the word Token before it")
    return key


def api_url(name: str, value: object, *, sandbox: str) -> str:
    """Return the base address of the API, without a slash at its end.

    Args:
        sandbox: The word that is let through for the embedded sandbox.

    Raises:
        ConfigError: It is no address that a key may be sent to: plain http is for this machine alone.
    """
    url = text(name, value).strip()
    if url == sandbox:
        return url
    try:
        parts = urlsplit(url)
        host, port_is_valid = parts.hostname, parts.port != 0
    except ValueError:
        host, port_is_valid = None, False
    if not host or not port_is_valid or parts.scheme not in {"http", "https"}:
        refuse(name, "is no web address", f'use https://app.promoter.io/api, or "{sandbox}" to try things')
    if parts.username is not None or parts.password is not None:
        refuse(name, "holds a user name", "remove it; the key belongs into `api_key`")
    if parts.query or parts.fragment or not url.isprintable() or " " in url:
        refuse(name, "holds more than an address and a path", "remove all from `?`, `#` or the space")
    if parts.scheme == "http" and not _is_loopback(host):
        refuse(name, "would send the key in plain text", "use https")
    return url.rstrip("/")


def store_url(name: str, value: object) -> str:
    """Return the SQLAlchemy address of a store.

    Raises:
        ConfigError: It is no address of a SQLite file or a PostgreSQL database.
    """
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - `--version` and `--about` need no database
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - the same

    address = text(name, value).strip()
    mend = "write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
    try:
        url = make_url(address)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):
        refuse(name, "is no SQLAlchemy address", mend)
    if backend not in {"sqlite", "postgresql"}:
        refuse(name, "is neither SQLite nor PostgreSQL", mend)
    if backend == "sqlite" and url.database in {None, "", ":memory:"}:
        refuse(name, "is a store in memory, which forgets who was surveyed", mend)
    if backend == "postgresql" and not url.database:
        refuse(name, "names no database", mend)
    return address


def _items(name: str, value: object) -> Sequence[object]:
    """Return a list."""
    if not isinstance(value, (list, tuple)):
        refuse(name, f"is {_kind(value)}", "make it a list")
    return value


def _kind(value: object) -> str:
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


def _is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
