"""The marks of records that come back through `target-promoter rejected`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from target_promoter.calls import Glimpse, Identify, Track

REPLAYED: Final = "_sdc_rejected"
"""The column by which a replayed record says which kept one it is; in a SCHEMA: that stream maps were applied."""

REFUSED: Final = "refused"
"""What that column says if Promoter refused the record; else it names one that was rejected."""


def is_refused(call: Glimpse | Identify | Track) -> bool:
    """Return whether a call is one that Promoter refused, replayed.

    Args:
        call: The call.
    """
    return call.record.get(REPLAYED) == REFUSED
