"""Text from outside as people may see it: on one line, without secrets, and with addresses masked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Self, TypeVar
from urllib.parse import unquote

T = TypeVar("T")

LONGEST_LINE: Final = 16_000
"""The most characters of a line; a config for a wide table is a long one."""

# The look-behind lets a match begin only where an address may begin, which keeps long texts cheap to search.
_ADDRESS: Final = re.compile(
    r"""(?<![^\s<>()\[\]{},;:"«»=|])([^\s@<>()\[\]{},;:"«»=|])[^\s@<>()\[\]{},;:"«»=|]*@([\w.-]*)"""
)
SHORTEST_SECRET: Final = 8
"""A shorter key is a word, such as the sandbox's own, and hiding it would garble every sentence."""

_PARAMETER: Final = re.compile(r"([?&][^=&]*=)[^&]*")
_SECRET: Final = re.compile(r"pass|pwd|secret|token", re.IGNORECASE)


class Lines(str):
    """Lines that the program itself made of printable ones: the only text that may break a line."""

    __slots__ = ()

    @classmethod
    def of(cls, lines: Iterable[object]) -> Self:
        """Return lines, each made printable."""
        return cls("\n".join(map(printable, lines)))

    def __str__(self) -> str:
        """Stay what it is, where a plain text would be made of it."""
        return self


def printable(text: object, longest: int = LONGEST_LINE) -> str:
    """Return a text on one line, without what a terminal obeys and no page or database can hold.

    `Lines` keep their line breaks.
    """
    shown = str(text)
    if isinstance(shown, Lines):
        return shown
    if len(shown) > longest:
        shown = f"{shown[: longest - 1]}…"
    return shown if shown.isprintable() else "".join(one if one.isprintable() else " " for one in shown)


def masked(email: str) -> str:
    """Return an e-mail address with its name hidden, such as `t…@example.com`.

    Args:
        email: An address; what has no `@` in it is hidden but for its first character.
    """
    name, at, domain = email.strip().rpartition("@")
    if not at:
        return f"{domain[:1]}…"
    return f"{name[:1]}…@{domain}"


def without(value: T, secret: str) -> T:
    """Return a text, or any JSON, in which a secret does not stand any more."""
    if len(secret) < SHORTEST_SECRET:
        return value
    if isinstance(value, str):
        return type(value)(value.replace(secret, "…")) if secret in value else value
    if isinstance(value, dict):
        return {without(name, secret): without(inner, secret) for name, inner in value.items()}  # type: ignore[return-value]
    return [without(inner, secret) for inner in value] if isinstance(value, list) else value  # type: ignore[return-value]


def masked_text(text: str) -> str:
    """Return a text with every e-mail address in it masked.

    Args:
        text: Such as what a server answered.
    """
    return _ADDRESS.sub(r"\1…@\2", text) if "@" in text else text


def masked_url(url: str) -> str:
    """Return a database's address without its passwords, wherever in it they stand.

    Args:
        url: Such as `postgresql://user:password@host/database`; a password in it may hold any character.
    """
    start, separator, rest = _PARAMETER.sub(_without_secret, url).partition("://")
    user, at, place = rest.rpartition("@")
    if at and not start.startswith("sqlite"):
        name, colon, _ = user.partition(":")
        rest = f"{name}{colon and ':***'}@{place}"
    return start + separator + rest


def _without_secret(parameter: re.Match[str]) -> str:
    return f"{parameter[1]}***" if _SECRET.search(unquote(parameter[1])) else parameter[0]
