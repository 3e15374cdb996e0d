"""`target-promoter pull` that is told to stop, or killed."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from target_promoter.sandbox.faults import Faults
from target_promoter.sandbox.server import SandboxServer
from tests.commands.test_pull import hold, pull
from tests.program import command
from tests.programs import program


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_one_that_is_stopped_goes_on(
    config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path, store_url: str, signum: int
) -> None:
    """Though an answer is long in coming it ends in seconds, and the next one asks for no page again that it read."""
    config |= {"store_url": store_url, "stored_events": []}
    account = sandbox.account
    account.page_size = 2
    for one in range(1, 11):
        hold(account, f"c{one}@example.com", user_id=str(one))
    sandbox.set_faults(Faults(rate=0.5, kinds=("hang",), seed=0, times=1))
    process = subprocess.Popen(program("pull", config=config, cwd=tmp_path), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(account.requests) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    began = time.monotonic()
    process.send_signal(signum)
    _, log = process.communicate()
    assert time.monotonic() - began < 5
    sandbox.set_faults(Faults())
    if signum == signal.SIGTERM:
        assert process.returncode == 1
        assert "`target-promoter pull` goes on behind them" in log
        assert "stopped behind" in command("check", config=config).output
    assert "Read 10 contacts on 5 pages" in pull(config)
    assert "stopped behind" not in command("check", config=config).output
