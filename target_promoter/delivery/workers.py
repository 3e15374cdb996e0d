"""The threads that send requests: as many as are in flight at once, and no more."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

J = TypeVar("J")


class Workers(Generic[J]):
    """Threads that each do one job at a time.

    They are daemons, unlike those of `concurrent.futures`: a request without an answer must not hold up the end of a
    stopped run for its whole time-out.

    Args:
        work: Does one job; it must not raise.
    """

    def __init__(self, work: Callable[[J], None]) -> None:
        self._work = work
        self._jobs: queue.SimpleQueue[J | None] = queue.SimpleQueue()
        self._threads = 0

    @property
    def threads(self) -> int:
        """How many threads there are."""
        return self._threads

    def submit(self, job: J, *, at_once: int) -> None:
        """Have a job done, by a thread that is idle or about to be, else by a new one; only from one thread.

        Args:
            at_once: How many jobs are not done, this one among them.
        """
        if self._threads < at_once:
            self._threads += 1
            threading.Thread(target=self._run, name=f"delivery-{self._threads}", daemon=True).start()
        self._jobs.put(job)

    def end(self) -> None:
        """Have every thread end after its job; this does not wait for them."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._work(job)
