"""The marks of records that come back through `target-promoter rejected`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

REPLAYED: Final = "_sdc_rejected"
"""The column by which a replayed record says which kept one it is; in a SCHEMA: that stream maps were applied."""

REFUSED: Final = "refused"
"""What that column says if Promoter refused the record; else it names one that was rejected."""

REFUSED_STREAM: Final = "refused_calls"
"""The stream of what Promoter refused: raw calls, made again from what the store holds."""


def is_refused_stream(name: str, schema: Mapping[str, Any]) -> bool:
    """Return whether a stream is that of what Promoter refused, whatever the config says of its name."""
    return name == REFUSED_STREAM and REPLAYED in schema["properties"]


def is_refused(record: Mapping[str, object]) -> bool:
    """Return whether a record is a call that Promoter refused, replayed."""
    return record.get(REPLAYED) == REFUSED
