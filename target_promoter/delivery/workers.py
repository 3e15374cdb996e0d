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
        most: How many threads at the most.
    """

    def __init__(self, work: Callable[[J], None], *, most: int) -> None:
        """Begin with no thread."""
        self._work = work
        self._most = most
        self._jobs: queue.SimpleQueue[J | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._threads = 0

    @property
    def threads(self) -> int:
        """How many threads there are."""
        return self._threads

    def submit(self, job: J) -> None:
        """Have a job done, by an idle thread if there is one, else by a new one.

        Args:
            job: The job.
        """
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._run, name=f"delivery-{self._threads}", daemon=True).start()
        self._jobs.put(job)

    def end(self) -> None:
        """Have every thread end after its job; this does not wait for them."""
        with self._lock:
            for _ in range(self._threads):
                self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._work(job)
            with self._lock:
                self._idle += 1
