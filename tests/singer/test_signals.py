"""A signal is noted, wakes whoever waits for input, and stops the run where it is safe."""

from __future__ import annotations

import io
import os
import signal
import threading
from typing import IO, TYPE_CHECKING

import pytest

from target_promoter.singer.signals import Signals, StoppedError

if TYPE_CHECKING:
    from collections.abc import Iterator


def never() -> None:
    """Have nothing that is due."""


@pytest.fixture
def pipe() -> Iterator[tuple[IO[str], int]]:
    """Yield a pipe: the file to read from, and the descriptor to write to."""
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as file:
        yield file, writing


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_handler_raises_nothing(signum: signal.Signals) -> None:
    """The signal is noted, and raised where the run looks at the note; SIGHUP comes when a terminal is closed."""
    signals = Signals()
    before = signal.signal(signum, signal.SIG_DFL)  # The tests themselves may run under nohup.
    try:
        with signals.noted():
            os.kill(os.getpid(), signum)
            assert signals.is_noted()
            with pytest.raises(StoppedError, match=f"Stopped by {signum.name}"):
                signals.check()
    finally:
        signal.signal(signum, before)


def test_nohup_holds() -> None:
    """A run that was told to outlive its terminal does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signals = Signals()
        with signals.noted():
            os.kill(os.getpid(), signal.SIGHUP)
            assert not signals.is_noted()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_put_back() -> None:
    """What the program did at a signal before, it does again."""
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with Signals().noted():
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] != before
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_signal_ends_the_wait_for_a_line(pipe: tuple[IO[str], int]) -> None:
    """A tap that says nothing does not hold up the end, whichever thread the signal reaches."""
    file, writing = pipe
    signals = Signals()
    os.write(writing, b"one\ntwo\nthr")
    with signals.noted():
        lines = signals.lines(file, never)
        assert [next(lines), next(lines)] == ["one\n", "two\n"]
        threading.Timer(0.05, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT)).start()
        with pytest.raises(StoppedError, match="Stopped by SIGINT"):
            next(lines)
    os.close(writing)


def test_a_signal_before_the_wait_ends_it(pipe: tuple[IO[str], int]) -> None:
    """A signal cannot come between the look at the note and the wait, and be missed."""
    file, writing = pipe
    signals = Signals()
    with signals.noted(), pytest.raises(StoppedError):
        next(signals.lines(file, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    os.close(writing)


def test_no_line_is_handed_out_after_a_signal(pipe: tuple[IO[str], int]) -> None:
    """Lines that were read already are left to the next run."""
    file, writing = pipe
    signals = Signals()
    os.write(writing, b"one\ntwo\n")
    with signals.noted():
        lines = signals.lines(file, never)
        next(lines)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StoppedError):
            next(lines)
    os.close(writing)


def test_a_line_that_was_read_is_not_waited_for(pipe: tuple[IO[str], int]) -> None:
    """Lines that came together are handed out one after the other, though nothing more comes."""
    file, writing = pipe
    waits: list[None] = []
    os.write(writing, b"".join(b"%d\n" % number for number in range(5000)))
    with (signals := Signals()).noted():
        lines = signals.lines(file, lambda: waits.append(None))
        assert [next(lines) for _ in range(5000)] == [f"{number}\n" for number in range(5000)]
        assert len(waits) < 10
        os.close(writing)
        assert list(lines) == []


def test_what_falls_due_is_done_while_nothing_comes(pipe: tuple[IO[str], int]) -> None:
    """The wait for input ends when it is told to, and begins again."""
    file, writing = pipe
    calls: list[None] = []

    def due() -> float | None:
        calls.append(None)
        if len(calls) == 3:
            os.write(writing, b"one\n")
        return 0.001 if len(calls) < 3 else None

    with (signals := Signals()).noted():
        assert next(signals.lines(file, due)) == "one\n"
    assert len(calls) == 3
    os.close(writing)


def test_what_is_no_file_of_the_system_is_read_plainly() -> None:
    """A text in memory makes nobody wait."""
    with (signals := Signals()).noted():
        assert list(signals.lines(io.StringIO("one\ntwo"), never)) == ["one\n", "two"]


def test_outside_the_main_thread_nothing_is_noted() -> None:
    """Python lets no other thread have signals; the input is read all the same."""
    found: list[str] = []

    def read() -> None:
        with (signals := Signals()).noted():
            found.extend(signals.lines(io.StringIO("one\n"), never))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert found == ["one\n"]
