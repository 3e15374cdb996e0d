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
from tests.program import CALLS, command, identify
from tests.programs import Programs, program


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
        assert "run `target-promoter pull` again to go on from there" in log
        assert "stopped after" in command("check", config=config).output
    assert "Read 10 contacts on 5 pages" in pull(config)
    assert "stopped after" not in command("check", config=config).output


def test_it_shares_the_limit_with_what_runs_beside_it(config: dict[str, Any], tmp_path: Path, store_url: str) -> None:
    """A pull and a delivery at the account's limit: both get on, and next to none of their requests is refused."""
    people = [CALLS, *(identify(str(one), f"c{one}@example.com") for one in range(1, 61))]
    with SandboxServer(requests_per_second=20, page_size=1) as limited, Programs(tmp_path) as programs:
        mine = {
            **config,
            "store_url": store_url,
            "stored_events": [],
            "campaigns": {},
            "api_url": limited.url,
            "requests_per_minute": 20 * 60,
        }
        for one in range(100, 160):
            hold(limited.account, f"c{one}@example.com", user_id=str(one))
        began = time.monotonic()
        beside = programs.start("pull", config=mine, constants={})
        sent = programs.run(config=mine, messages=people, constants={})
        done = beside.wait()
        took = time.monotonic() - began
        routes = [one.method for one in limited.account.requests]
    assert (sent.status, done.status) == (0, 0), sent.log + done.log
    assert (sent.summary["contacts"]["synced"], len(limited.account.contacts)) == (60, 120)
    # A busy machine delays one request into the second of the next.
    assert sent.summary["api"]["rate_limited"] + done.summary["api"]["rate_limited"] <= 3
    # Neither waits until the other is done.
    assert {"GET", "POST"} == set(routes[20:60])
    assert took >= (len(routes) - 20) / 20
