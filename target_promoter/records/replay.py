"""Records that come back through `target-promoter rejected`, known by a mark that only their store can make."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

REPLAYED: Final = "_sdc_rejected"
"""The column by which a replayed record says which kept one it is; its description in a SCHEMA is the store's mark."""

UNMAPPED: Final = "_sdc_unmapped"
"""The column of a kept record that its stream map failed on: it is as the tap sent it."""

REFUSED: Final = "refused"
"""What that column says if Promoter refused the record; else it names one that was rejected."""

REFUSED_STREAM: Final = "refused_calls"
"""The stream of what Promoter refused: raw calls, made again from what the store holds."""


class Replay(Enum):
    """In which form the records of a replayed stream are."""

    MAPPED = "mapped"
    """As stream maps left them: none is applied again."""

    UNMAPPED = "unmapped"
    """As the tap sent them, to go through the map that failed on them."""

    REFUSED = "refused"
    """Raw calls, made of what the store holds, whatever `streams` says."""

    def text(self, stream: str) -> str:
        """Return what the store marks for a stream."""
        return f"replay of {stream}, {self.value}"


def is_refused(record: Mapping[str, object]) -> bool:
    """Return whether a record is a call that Promoter refused, replayed."""
    return record.get(REPLAYED) == REFUSED
