"""What a run did, counted while it runs and printed as its last log line."""

from __future__ import annotations

import threading
from typing import Final, Literal

from target_promoter.store.findings import Findings

Part = Literal["identify", "track", "contacts", "surveys", "api"]

OUTCOMES: Final[dict[Part, tuple[str, ...]]] = {
    "identify": ("read", "changed", "unchanged", "merged", "waiting", "deleted", "blocked", "rejected"),
    "track": (
        "read",
        "queued",
        "waiting",
        "stored",
        "duplicate",
        "stale",
        "unmatched",
        "deleted",
        "blocked",
        "rejected",
    ),
    "contacts": ("synced", "removed", "refused", "pending", "waiting"),
    "surveys": (
        "sent",
        "presumed",
        "throttled",
        "withheld",
        "refused",
        "expired",
        "cancelled",
        "uncertain",
        "pending",
        "waiting",
    ),
    "api": ("requests", "retries", "rate_limited"),
}
"""Every count of the summary line, by its part and in its order."""

_WITHHELD: Final[dict[Part, tuple[str, ...]]] = {"contacts": ("synced", "removed"), "surveys": ("sent", "presumed")}
"""What the requests of a dry run would have come to."""


class Summary:
    """The counts of one run, and what it found; safe to use from several threads.

    Attributes:
        findings: What its owner should hear of; read it when intake has ended.

    Args:
        sandbox: Whether the run speaks to the embedded sandbox.
        dry_run: Whether the run withholds its requests.
        started_at: When the run began, in epoch seconds.
    """

    def __init__(self, *, sandbox: bool, dry_run: bool, started_at: float) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Part, dict[str, int]] = {part: dict.fromkeys(names, 0) for part, names in OUTCOMES.items()}
        self._ignored = 0
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

    def set(self, part: Part, outcome: str, number: int) -> None:
        """Put one count to what the store holds now (`pending`, `waiting`)."""
        with self._lock:
            self._counts[part][outcome] = number

    def ignore(self, number: int) -> None:
        """Count records of streams or types that say nothing to Promoter."""
        with self._lock:
            self._ignored += number

    def add_findings(self, findings: Findings) -> None:
        """Take in what was found in a batch."""
        with self._lock:
            self.findings.merge(findings)

    def value(self, part: Part, outcome: str) -> int:
        """Return one count as it stands."""
        with self._lock:
            return self._counts[part][outcome]

    @property
    def ignored(self) -> int:
        """How many records said nothing to Promoter."""
        with self._lock:
            return self._ignored

    def as_dict(self, now: float) -> dict[str, object]:
        """Return the summary in the form and order of the summary line.

        Args:
            now: The time the run ended, in epoch seconds.
        """
        with self._lock:
            parts = {part: dict(counts) for part, counts in self._counts.items()}
            ignored = self._ignored
        if self._dry_run:  # What would have been sent was not.
            for part, outcomes in _WITHHELD.items():
                parts[part]["pending"] += sum(parts[part].pop(outcome) for outcome in outcomes)
            parts = {part: {name: parts[part].get(name, 0) for name in names} for part, names in OUTCOMES.items()}
            parts["api"] = dict.fromkeys(OUTCOMES["api"], 0)
        return {
            "identify": parts["identify"],
            "track": parts["track"],
            "ignored": ignored,
            "contacts": parts["contacts"],
            "surveys": parts["surveys"],
            "api": parts["api"],
            "sandbox": self._sandbox,
            "dry_run": self._dry_run,
            "seconds": round(now - self.started_at, 1),
        }
