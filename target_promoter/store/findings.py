"""What intake comes across that the owner of the surveys should hear of: counted by name, in bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

OTHER: Final = "(other names)"
"""What further names are counted under when there are too many."""

_MOST_NAMES: Final = 500


@dataclass(slots=True)
class Tally:
    """Events of one name that came to one outcome: how many, and when the first and the last of them happened."""

    number: int
    first_at: float
    last_at: float

    def merge(self, other: Tally) -> None:
        """Count those of another tally too."""
        self.number += other.number
        self.first_at = min(self.first_at, other.first_at)
        self.last_at = max(self.last_at, other.last_at)


@dataclass(slots=True)
class Findings:
    """What was found among the records of a batch, or of a run.

    Attributes:
        streams: The streams that there were.
        read: How many records of each stream were read.
        rejected: How many of each were rejected, by stream and reason.
        events: The events, by name as sent and outcome.
        too_old: Why events were too old, by name as sent.
    """

    streams: set[str] = field(default_factory=set)
    read: Counter[str] = field(default_factory=Counter)
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: dict[tuple[str, str], Tally] = field(default_factory=dict)
    too_old: dict[str, set[str]] = field(default_factory=dict)

    def reject(self, stream: str, reason: str, number: int = 1) -> None:
        """Count records that were rejected."""
        full = len(self.rejected) >= _MOST_NAMES and (stream, reason) not in self.rejected
        self.rejected[stream, "other reasons" if full else reason] += number

    def add_event(self, event: str, outcome: str, tally: Tally) -> None:
        """Count events of one name and outcome."""
        if len(self.events) >= _MOST_NAMES and (event, outcome) not in self.events:
            event = OTHER
        known = self.events.get((event, outcome))
        if known is None:
            self.events[event, outcome] = Tally(tally.number, tally.first_at, tally.last_at)
        else:
            known.merge(tally)

    def add_too_old(self, event: str, *reasons: str) -> None:
        """Keep why events of one name were too old."""
        if event in self.too_old or len(self.too_old) < _MOST_NAMES:
            self.too_old.setdefault(event, set()).update(reasons)

    def merge(self, other: Findings) -> None:
        """Take in what was found in a batch."""
        self.streams |= other.streams
        self.read.update(other.read)
        for (stream, reason), number in other.rejected.items():
            self.reject(stream, reason, number)
        for (event, outcome), tally in other.events.items():
            self.add_event(event, outcome, tally)
        for event, reasons in other.too_old.items():
            self.add_too_old(event, *reasons)

    def of_outcome(self, outcome: str) -> dict[str, Tally]:
        """Return the events that came to an outcome, the most frequent first."""
        found = {event: tally for (event, one), tally in self.events.items() if one == outcome}
        return dict(sorted(found.items(), key=lambda item: (-item[1].number, item[0])))

    def wholly_rejected(self, at_least: int) -> dict[str, int]:
        """Return the streams all of whose records were rejected, with how many there were."""
        rejected: Counter[str] = Counter()
        for (stream, _), number in self.rejected.items():
            rejected[stream] += number
        return {stream: number for stream, number in rejected.items() if number >= max(at_least, self.read[stream])}
