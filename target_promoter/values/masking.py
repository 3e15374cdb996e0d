"""E-mail addresses as they may be shown: enough to recognize one's own, too little to learn another's."""

from __future__ import annotations

import re
from typing import Final

# The look-behind lets a match begin only where an address may begin, which keeps long texts cheap to search.
_ADDRESS: Final = re.compile(
    r"""(?<![^\s<>()\[\]{},;:"«»=|])([^\s@<>()\[\]{},;:"«»=|])[^\s@<>()\[\]{},;:"«»=|]*@([\w.-]*)"""
)


def masked(email: str) -> str:
    """Return an e-mail address with its name hidden, such as `t…@example.com`.

    Args:
        email: An address; what has no `@` in it is hidden but for its first character.
    """
    name, at, domain = email.strip().rpartition("@")
    if not at:
        return f"{domain[:1]}…"
    return f"{name[:1]}…@{domain}"


def masked_text(text: str) -> str:
    """Return a text with every e-mail address in it masked.

    Args:
        text: Such as what a server answered.
    """
    return _ADDRESS.sub(r"\1…@\2", text) if "@" in text else text
