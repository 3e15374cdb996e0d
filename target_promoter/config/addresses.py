"""The API key, and the addresses of the API and of the store."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from target_promoter.config.kinds import TEXT, Kind, refuse

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
            refuse(name, "is no web address", f'use https://app.promoter.io/api, or "{sandbox}" to try things')
        if parts.username is not None or parts.password is not None:
            refuse(name, "holds a user name", "remove it; the key belongs into `api_key`")
        if parts.query or parts.fragment or not url.isprintable() or " " in url:
            refuse(name, "holds more than an address and a path", "remove all from `?`, `#` or the space")
        if parts.scheme == "http" and not _is_loopback(host):
            refuse(name, "would send the key in plain text", "use https")
        return url.rstrip("/")

    return TEXT.then(read)


def _store_url(name: str, text: str) -> str:
    """Return the SQLAlchemy address of a SQLite file or a PostgreSQL database."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - `--version` and `--about` need no database
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - the same

    address = text.strip()
    try:
        url = make_url(address)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):
        refuse(name, "is no SQLAlchemy address", _STORE_FIX)
    if backend not in {"sqlite", "postgresql"}:
        refuse(name, "is neither SQLite nor PostgreSQL", _STORE_FIX)
    if backend == "sqlite" and url.database in {None, "", ":memory:"}:
        refuse(name, "is a store in memory, which forgets who was surveyed", _STORE_FIX)
    if backend == "postgresql" and not url.database:
        refuse(name, "names no database", _STORE_FIX)
    if "@" in (url.host or ""):
        refuse(name, "has an `@` in its user name or password", "write that `@` as `%40`")
    return address


def _is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


API_KEY: Final = TEXT.then(_api_key)
STORE_URL: Final = TEXT.then(_store_url)
