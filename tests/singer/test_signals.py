"""Signals, and what is to be done later, come at a safe place or not at all."""

from __future__ import annotations

import signal

import pytest

from target_promoter.singer.signals import Signals


def ignored() -> None:
    """Do nothing."""


def test_nothing_is_done_later_once_the_run_ends() -> None:
    """An alarm that rings while Python ends finds no handler any more, and would kill a run that is done."""
    signals = Signals()
    signals.call_later(60.0, ignored)
    signals.end()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_nothing_is_done_later_once_the_run_is_stopped() -> None:
    """The same after a signal."""
    signals = Signals()
    signals.call_later(60.0, ignored)
    with pytest.raises(Signals.StoppedError):
        signals.receive(signal.SIGTERM)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
