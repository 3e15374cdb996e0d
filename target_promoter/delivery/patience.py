"""Patience: how delivery slows down while requests fail in a row, and when it gives up."""

from __future__ import annotations

import logging
from typing import Final

import backoff

from target_promoter.errors import DeliveryError
from target_promoter.promoter.answers import FAILURES, Answer

logger = logging.getLogger("target-promoter.delivery")

PATIENCE_SECONDS: Final = 300.0
"""How long delivery goes on without one success."""

_FAILURES_IN_A_ROW: Final = 3
_LONGEST_PAUSE_SECONDS: Final = 30.0
_MOST_DOUBLINGS: Final = 5


class Patience:
    """Counts failures in a row over all requests.

    Args:
        seconds: How long to go on without one success; None for as long as usual.

    Attributes:
        seconds: The same.
        paused_until: Until when nothing is sent, in epoch seconds.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = PATIENCE_SECONDS if seconds is None else seconds
        self.paused_until = 0.0
        self._failures = 0
        self._failing_since: float | None = None

    def judge(self, answer: Answer, now: float) -> bool:
        """Take in an answer.

        Args:
            answer: What came of a request.

        Returns:
            Whether it was a failure.

        Raises:
            DeliveryError: There was no success for too long.
        """
        if answer.outcome not in FAILURES:
            self._failures, self._failing_since, self.paused_until = 0, None, 0.0
            return False
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since >= self.seconds:
            raise DeliveryError.out_of_patience(self.seconds, answer.status, answer.words)
        if self._failures == _FAILURES_IN_A_ROW:
            logger.warning(
                "Three requests in a row failed (%s): delivery goes on more slowly, and stops after %g minutes without "
                "one success.",
                " ".join(filter(None, (f"status {answer.status}" if answer.status else "no answer", answer.words))),
                round(self.seconds / 60, 1),
            )
        if self._failures >= _FAILURES_IN_A_ROW:
            doublings = min(self._failures - _FAILURES_IN_A_ROW, _MOST_DOUBLINGS)
            self.paused_until = now + backoff.full_jitter(min(_LONGEST_PAUSE_SECONDS, 2.0**doublings))
        return True
