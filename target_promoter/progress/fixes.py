"""What to do about each reason for which a record is rejected, or a survey or contact refused."""

from __future__ import annotations

from typing import Final

REPLAY: Final = "target-promoter --config CONFIG rejected | target-promoter --config CONFIG"
"""How records are taken once more when what was wrong with them is fixed."""

_FIXES: Final = (
    (
        "no user id, anonymous id or usable e-mail address",
        "name the column that holds the user id in `streams` (`fields`)",
    ),
    ("no user id", "name the column that holds the user id in `streams` (`fields`), or correct the source"),
    ("no usable e-mail address", "correct the address at its source"),
    ("no readable time", "name the column that holds the time in `streams` (`fields`)"),
    ("in the future", "correct the clock that wrote the time, or replay it when the time has come"),
    ("neither `type` nor `action`", "say in `streams` what the stream's records are"),
    ("no event", "name the stream's event in `streams` (`event`)"),
    ("does not fit its schema", "correct the tap, whose record and SCHEMA disagree"),
    ("stream map", "correct the expression in `stream_maps`"),
    ("cannot be written", "correct the tap: the record holds what no database can keep"),
)


def fix_rejected(reason: str) -> str:
    """Return what to do about rejected records before they are replayed."""
    return next((fix for part, fix in _FIXES if part in reason), "correct the source, or `streams`")


def fix_refused(what: str) -> str:
    """Return what to do about what Promoter refused.

    Args:
        what: `survey` or `contact`.
    """
    if what == "contact":
        return "correct what Promoter names at its source: the contact is sent again when it changes"
    return "correct what Promoter names, in the data or in the account"
