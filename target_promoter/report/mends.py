"""What to do about each reason for which a record is rejected, or a survey or contact refused."""

from __future__ import annotations

from typing import Final

_REPLAY: Final = "then replay: `target-promoter rejected | target-promoter`"

_MENDS: Final = (
    (
        "no user id, anonymous id or usable e-mail address",
        f"name the column that holds the user id in `streams` (`fields`), {_REPLAY}",
    ),
    ("no user id", f"name the column that holds the user id in `streams` (`fields`), or correct the source, {_REPLAY}"),
    ("no usable e-mail address", f"correct the address at its source, {_REPLAY}"),
    ("no readable time", f"name the column that holds the time in `streams` (`fields`), {_REPLAY}"),
    ("in the future", f"see to the clock that wrote the time, {_REPLAY} when the time has come"),
    ("neither `type` nor `action`", f"say in `streams` what the stream's records are, {_REPLAY}"),
    ("no event", f"name the stream's event in `streams` (`event`), {_REPLAY}"),
    ("does not fit its schema", f"see to the tap, whose record and SCHEMA disagree, {_REPLAY}"),
    ("cannot be written", "see to the tap: the record holds what no database can keep"),
)


def mend_rejected(reason: str) -> str:
    """Return what to do about rejected records.

    Args:
        reason: Why they were rejected.
    """
    return next((mend for part, mend in _MENDS if part in reason), f"correct the source or `streams`, {_REPLAY}")


def mend_refused(what: str) -> str:
    """Return what to do about what Promoter refused.

    Args:
        what: `survey` or `contact`.
    """
    if what == "contact":
        return (
            f"correct what Promoter names at its source, and the contact is sent again; if nothing is wrong, {_REPLAY}"
        )
    return f"correct what Promoter names, here or in the account, {_REPLAY}"
