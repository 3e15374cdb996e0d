"""How the names of events are compared, and the prefix that they give to stored properties."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable
from typing import Final

_SEPARATORS: Final = re.compile(r"[\s_\-]+")
_WORD_STARTS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_IN_A_NAME: Final = re.compile(r"[^a-z0-9]+")

_NEAR: Final = 0.85  # "Order Complete" and "Completed Orders" are near "Order Completed", "Order Updated" is not.

# Segment renamed this event in version 2 of its e-commerce specification; old sources still send the old name.
_OLDER_NAMES: Final = {"completedorder": "ordercompleted"}


@functools.lru_cache(maxsize=1024)
def canonical(event: str) -> str:
    """Return the form in which two names of the same event are equal.

    Case, spaces, hyphens and underscores do not matter, and `Completed Order` is Segment's older name of
    `Order Completed`.

    Args:
        event: The event's name as a person or a source wrote it.

    Returns:
        A text to compare and to look up with, never to show; empty if the name holds nothing but separators.
    """
    joined = _SEPARATORS.sub("", event).casefold()
    return _OLDER_NAMES.get(joined, joined)


def snake(name: str) -> str:
    """Return a name in snake case, as Segment names the warehouse table of an event.

    Args:
        name: A name as a person wrote it, such as `Order Completed` or `orderCompleted`.

    Returns:
        The name in lower case ASCII letters, digits and single underscores (`order_completed`); empty if it has none.
    """
    return _NOT_IN_A_NAME.sub("_", _WORD_STARTS.sub("_", name).lower()).strip("_")


def nearest(event: str, known: Iterable[str]) -> str | None:
    """Return the name that was probably meant by one that is none of those known; None if none is near.

    Args:
        event: The event's name as a person or a source wrote it.
        known: Names to choose from.
    """

    def likeness(name: str) -> float:
        pairs = ((canonical(event), canonical(name)), (_sorted_words(event), _sorted_words(name)))
        return max(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)

    best = max(known, key=likeness, default=None)
    return best if best is not None and likeness(best) >= _NEAR else None


def _sorted_words(event: str) -> str:
    return " ".join(sorted(snake(event).split("_")))


@functools.lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a glob."""
    parts = {"*": ".*", "?": "."}
    # Runs of `*` mean one; as `.*.*` they would cost the square of the text's length.
    expression = "".join(parts.get(c) or re.escape(c) for c in re.sub(r"\*+", "*", pattern))
    return re.compile(expression, re.DOTALL | re.IGNORECASE)


def matches(pattern: str, text: str) -> bool:
    """Return whether a glob matches a whole text, whatever the case of the two."""
    return _expression(pattern).fullmatch(text) is not None


def is_name(pattern: str) -> bool:
    """Return whether a glob has no wildcard."""
    return not {"*", "?"} & set(pattern)


def specificity(pattern: str) -> tuple[bool, int]:
    """Return a key by which the more specific of two globs sorts last.

    A name without wildcards beats every glob; of two globs the one with more characters of its own beats the other.
    """
    wildcards = pattern.count("*") + pattern.count("?")
    return is_name(pattern), len(pattern) - wildcards


def overlap(first: str, second: str) -> bool:
    """Return whether some text matches both globs."""
    first, second = first.lower(), second.lower()
    # reachable[j]: what of `first` has been read so far can be matched together with second[:j].
    reachable = [True] + [False] * len(second)
    for j, theirs in enumerate(second, start=1):
        reachable[j] = theirs == "*" and reachable[j - 1]
    for ours in first:
        row = [ours == "*" and reachable[0]]
        for j, theirs in enumerate(second, start=1):
            if "*" in (ours, theirs):
                row.append(reachable[j] or row[j - 1])
            else:
                row.append(reachable[j - 1] and (ours == theirs or "?" in (ours, theirs)))
        reachable = row
    return reachable[-1]
