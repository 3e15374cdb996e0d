"""What a run did, counted while it runs and printed as its last log line."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from target_promoter.store.outcomes import E_MAILED, SETTLED, ContactStatus, IdentifyOutcome, TrackOutcome

OTHER: Final = "(other names)"
"""What further names are counted under when there are too many."""

_MOST_NAMES: Final = 500

Name = TypeVar("Name")


@dataclass(slots=True)
class Tally:
    """Events of one name that came to one outcome: how many, and when the first and the last of them happened."""

    number: int = 0
    first_at: float = math.inf
    last_at: float = -math.inf

    def merge(self, other: Tally) -> None:
        """Count those of another tally too."""
        self.number += other.number
        self.first_at = min(self.first_at, other.first_at)
        self.last_at = max(self.last_at, other.last_at)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a table version of a mirrored stream came to.

    Attributes:
        left: How many people left it.
        addresses: Those of the first few of them.
        problem: Why nobody left, if that is not as it should be, as a sentence.
        failed: Whether the run fails for it.
    """

    stream: str
    left: int = 0
    addresses: tuple[str, ...] = ()
    problem: str | None = None
    failed: bool = False


@dataclass(slots=True)
class Findings:
    """What was found among the records of a batch, or of a run.

    Attributes:
        streams: The streams that there were.
        read: How many records of each stream were read.
        rejected: How many of each were rejected, by stream and reason.
        events: The events, by name as sent and outcome.
        too_old: Why events were too old, by name as sent.
        unmatchable: How many events lack a property by which `cancel_on` matches them, by name as sent and property.
        unnamed: How many rejected rows of mirrored streams may be anybody's.
        mirrored: What the table versions of mirrored streams came to.
    """

    streams: set[str] = field(default_factory=set)
    read: Counter[str] = field(default_factory=Counter)
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: dict[tuple[str, str], Tally] = field(default_factory=dict)
    too_old: dict[str, set[str]] = field(default_factory=dict)
    unmatchable: Counter[tuple[str, str]] = field(default_factory=Counter)
    unnamed: Counter[str] = field(default_factory=Counter)
    mirrored: list[Mirrored] = field(default_factory=list)

    def reject(self, stream: str, reason: str, number: int = 1) -> None:
        """Count records that were rejected."""
        self.rejected[_name_in(self.rejected, (stream, reason), (stream, "other reasons"))] += number

    def add_event(self, event: str, outcome: str, tally: Tally) -> None:
        """Count events of one name and outcome."""
        self.events.setdefault(_name_in(self.events, (event, outcome), (OTHER, outcome)), Tally()).merge(tally)

    def add_too_old(self, event: str, *reasons: str) -> None:
        """Keep why events of one name were too old."""
        self.too_old.setdefault(_name_in(self.too_old, event, OTHER), set()).update(reasons)

    def add_unmatchable(self, event: str, name: str, number: int = 1) -> None:
        """Count events that lack a property by which `cancel_on` matches them."""
        self.unmatchable[_name_in(self.unmatchable, (event, name), (OTHER, name))] += number

    def merge(self, other: Findings) -> None:
        """Record what was found in a batch."""
        self.streams |= other.streams
        self.read.update(other.read)
        for (stream, reason), number in other.rejected.items():
            self.reject(stream, reason, number)
        for (event, outcome), tally in other.events.items():
            self.add_event(event, outcome, tally)
        for event, reasons in other.too_old.items():
            self.add_too_old(event, *reasons)
        for (event, name), number in other.unmatchable.items():
            self.add_unmatchable(event, name, number)
        self.unnamed.update(other.unnamed)
        self.mirrored += other.mirrored

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


def _name_in(names: Collection[Name], name: Name, others: Name) -> Name:
    """Return a name if it is among names, or there is room for it; else what further names are counted under."""
    return name if name in names or len(names) < _MOST_NAMES else others


Part = Literal["identify", "track", "contacts", "surveys", "api"]

COUNTS: Final[dict[Part, tuple[str, ...]]] = {
    "identify": ("read", *(one for one in IdentifyOutcome if one is not IdentifyOutcome.IGNORED)),
    "track": ("read", *TrackOutcome),
    "contacts": (ContactStatus.SYNCED, ContactStatus.REMOVED, ContactStatus.REFUSED, "pending", "waiting"),
    "surveys": (*SETTLED, "pending", "waiting"),
    "api": ("requests", "retries", "rate_limited"),
}
"""Every count of the summary line, by its part and in its order."""

DELIVERED: Final[dict[Part, tuple[str, ...]]] = {
    "contacts": (ContactStatus.SYNCED, ContactStatus.REMOVED),
    "surveys": E_MAILED,
}
"""What requests come to that succeed; those of a dry run would have come to it."""


class Summary:
    """The counts of one run, and what it found; safe to use from several threads.

    Attributes:
        findings: What its owner should hear of; read it when intake has ended.
        ignored: How many records said nothing to Promoter.

    Args:
        sandbox: Whether the run speaks to the embedded sandbox.
        dry_run: Whether the run withholds its requests.
        started_at: When the run began, in epoch seconds.
    """

    def __init__(self, *, sandbox: bool, dry_run: bool, started_at: float) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Part, dict[str, int]] = {part: dict.fromkeys(names, 0) for part, names in COUNTS.items()}
        self.ignored = 0
        self.findings = Findings()
        self._sandbox = sandbox
        self._dry_run = dry_run
        self.started_at = started_at

    def count(self, part: Part, outcome: str, number: int = 1) -> None:
        """Add to one count.

        Args:
            part: The part of the summary, such as `surveys`.
            outcome: The outcome in that part, such as `sent`.
        """
        with self._lock:
            self._counts[part][outcome] += number

    def set_left(self, left: Mapping[tuple[Part, str], int]) -> None:
        """Put in what the store holds now, by part and outcome (`pending`, `waiting`)."""
        with self._lock:
            for (part, outcome), number in left.items():
                self._counts[part][outcome] = number

    def ignore(self, number: int) -> None:
        """Count records of streams or types that say nothing to Promoter."""
        with self._lock:
            self.ignored += number

    def add_findings(self, findings: Findings) -> None:
        """Record what was found in a batch."""
        with self._lock:
            self.findings.merge(findings)

    def value(self, part: Part, outcome: str) -> int:
        """Return one count as it stands."""
        with self._lock:
            return self._counts[part][outcome]

    def requested(self, what: str) -> int:
        """Return a count of requests that were really sent: in a dry run none were."""
        return 0 if self._dry_run else self.value("api", what)

    def as_dict(self, now: float) -> dict[str, object]:
        """Return the summary in the form and order of the summary line.

        Args:
            now: The time the run ended, in epoch seconds.
        """
        with self._lock:
            parts = {part: dict(counts) for part, counts in self._counts.items()}
        if self._dry_run:  # What would have been sent was not.
            for part, outcomes in DELIVERED.items():
                parts[part]["pending"] += sum(parts[part][one] for one in outcomes)
                parts[part] |= dict.fromkeys(outcomes, 0)
            parts["api"] = dict.fromkeys(COUNTS["api"], 0)
        return {
            "identify": parts["identify"],
            "track": parts["track"],
            "ignored": self.ignored,
            "contacts": parts["contacts"],
            "surveys": parts["surveys"],
            "api": parts["api"],
            "sandbox": self._sandbox,
            "dry_run": self._dry_run,
            "seconds": round(now - self.started_at, 1),
        }
