"""Globs over names of streams and e-mail addresses: `*` is any text, `?` any one character, all else is itself."""

from __future__ import annotations

import functools
import re


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
