"""Stopping, and doing what is due, at a safe place when a signal comes."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from target_promoter.errors import PromoterError

if TYPE_CHECKING:
    from collections.abc import Callable


class Signals:
    """Puts signals off while something must not be interrupted.

    Python runs signal handlers between any two steps of the main thread, also in the middle of a batch that is half
    written. While nothing is put off, `receive` raises where the program waits: for input, or for delivery.
    """

    class StoppedError(PromoterError):
        """The run was told to stop."""

        def __init__(self, signum: int) -> None:
            super().__init__(
                f"Stopped by {signal.Signals(signum).name}: what was read is in the store, and what is due goes out "
                "with the next run."
            )

    def __init__(self) -> None:
        self._put_off = False
        self._ended = False
        self._received: int | None = None
        self._later: Callable[[], None] | None = None
        self._is_due = False

    def receive(self, signum: int) -> None:
        """Take in a signal; after the first one there is nothing more to stop.

        Raises:
            StoppedError: Nothing is put off just now.
        """
        if self._ended:
            return
        if self._put_off:
            self._received = signum
            return
        self.end()
        raise self.StoppedError(signum)

    def put_off(self) -> None:
        """Put signals off until `allow`."""
        self._put_off = True

    def allow(self) -> None:
        """Raise at once the signal that came since `put_off`, and others when they come.

        Raises:
            StoppedError: A signal came.
        """
        self._put_off = False
        if self._is_due:
            self._do()
        if self._received is not None:
            signum, self._received = self._received, None
            self.receive(signum)

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Have something done in a while, at a safe place; also while the program does nothing but wait for input.

        Outside the main thread, which alone gets signals, this does nothing.

        Args:
            seconds: In how long.
            action: What to do.
        """
        if threading.current_thread() is threading.main_thread():
            self._later = action
            signal.signal(signal.SIGALRM, lambda *_: self._ring())
            signal.setitimer(signal.ITIMER_REAL, seconds)

    def _ring(self) -> None:
        self._is_due = True
        if not self._put_off:
            self._do()

    def _do(self) -> None:
        self._is_due = False
        if self._later is not None and not self._ended:
            self.put_off()
            self._later()
            self.allow()

    def end(self) -> None:
        """Take no notice of signals any more: the run ends as it is."""
        self._ended = True
        if self._later is not None:
            # Python lets go of its handlers before it ends: an alarm after that would kill a program that is done.
            signal.setitimer(signal.ITIMER_REAL, 0.0)
