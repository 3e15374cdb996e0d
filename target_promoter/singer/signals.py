"""Signals, and reading that a signal ends: a handler notes, and the run stops at its next safe place.

It takes a system of the POSIX family; `__main__.py` refuses others.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import threading
from typing import IO, TYPE_CHECKING

from typing_extensions import override

from target_promoter.errors import PromoterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed import WriteableBuffer


_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoppedError(PromoterError):
    """The run was told to stop."""

    def __init__(self, signum: int) -> None:
        super().__init__(
            f"Stopped by {signal.Signals(signum).name}: what was read is in the store, and what is due goes out with "
            "the next run."
        )


class Signals:
    """The note of the signal that tells a run to stop.

    Python runs a handler between any two steps of the main thread, also while that holds a lock, which a handler that
    raises may leave taken for ever. So the handler only notes, and `check` raises where it is safe.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._wake_up: int | None = None

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note SIGINT, SIGTERM, and SIGHUP unless `nohup` has it ignored.

        Outside the main thread, which alone gets signals, this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._wake_up, waking = os.pipe()
        os.set_blocking(waking, False)
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        noted = [one for one in _STOPPING if not (ignored and one is signal.SIGHUP)]
        handlers = {signum: signal.signal(signum, self._note) for signum in noted}
        # Python writes to the pipe before it runs the handler, in whatever thread: no wait can begin in between.
        before = signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            for signum, handler in handlers.items():
                signal.signal(signum, handler)
            os.close(waking)
            os.close(self._wake_up)
            self._wake_up = None

    def _note(self, signum: int, _frame: object) -> None:
        self._received = signum

    def is_noted(self) -> bool:
        """Return whether a signal came."""
        return self._received is not None

    def check(self) -> None:
        """Stop here if a signal came.

        Raises:
            StoppedError: One did.
        """
        if self._received is not None:
            raise StoppedError(self._received)

    def lines(self, file: IO[str], before_waiting: Callable[[], float | None]) -> Iterator[str]:
        """Yield the lines of a file of which nothing was read yet.

        Args:
            before_waiting: Does what is due before more is waited for, and returns in how many seconds it must be
                called again although nothing came; None for never.

        Raises:
            StoppedError: A signal came, perhaps while the file had nothing to read.
        """
        for line in self._awaited(file, before_waiting):
            self.check()
            yield line

    def _awaited(self, file: IO[str], before_waiting: Callable[[], float | None]) -> Iterable[str]:
        """Return a file whose reading a signal ends; one that is none of the system's never makes anybody wait."""
        wake_up = self._wake_up
        if wake_up is None or not isinstance(file, io.TextIOWrapper):
            return file
        try:
            descriptor = file.fileno()
        except OSError:
            return file

        def wait() -> None:
            ready: list[int] = []
            while descriptor not in ready:
                self.check()
                ready, _, _ = select.select([descriptor, wake_up], [], [], before_waiting())
                if wake_up in ready:
                    os.read(wake_up, select.PIPE_BUF)

        # Python's own buffers stand between the two: a line that is in them is not waited for.
        buffered = io.BufferedReader(_Input(descriptor, wait))
        return io.TextIOWrapper(buffered, encoding=file.encoding, errors=file.errors)


class _Input(io.RawIOBase):
    """A file descriptor that is read once there is something to read.

    Args:
        wait: Returns when there is; it may raise.
    """

    def __init__(self, descriptor: int, wait: Callable[[], None]) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._wait = wait

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: WriteableBuffer) -> int:
        self._wait()
        return os.readv(self._descriptor, [buffer])
