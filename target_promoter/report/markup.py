"""HTML from Python: whatever is no markup is text, and is escaped."""

from __future__ import annotations

from html import escape
from typing import Final

_VOID: Final = frozenset({"meta", "br", "hr", "rect", "line"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *children: str | None, **attributes: str | float | bool | None) -> Markup:
    """Return an element.

    Args:
        children: What is in it; what is no markup is escaped, and None is left out.
        attributes: Its attributes: an underscore at the end is left out, others become hyphens; None and False are left
            out, and True has no value.
    """
    opened = "".join(
        _attribute(key, value) for key, value in attributes.items() if value is not None and value is not False
    )
    inner = join(*children)
    if name in _VOID and not inner:
        return Markup(f"<{name}{opened}/>" if name in {"rect", "line"} else f"<{name}{opened}>")
    return Markup(f"<{name}{opened}>{inner}</{name}>")


def join(*children: str | None) -> Markup:
    """Return markup and texts one after the other.

    Args:
        children: What is no markup is escaped, and None is left out.
    """
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escape(_printable(child)) for child in children if child is not None
        )
    )


def _attribute(name: str, value: object) -> str:
    shown = name.rstrip("_").replace("_", "-")
    return f" {shown}" if value is True else f' {shown}="{escape(_printable(str(value)))}"'


def _printable(text: str) -> str:
    """Return a text without control characters and lone surrogates, which no page can hold."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)
