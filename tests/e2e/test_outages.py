"""Promoter is away, or has had enough: nothing is lost, nobody is held up longer than need be."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.sandbox.faults import Faults
from target_promoter.sandbox.records import RefusedError
from target_promoter.sandbox.server import SandboxServer
from tests.conftest import CAMPAIGNS
from tests.e2e.shop import Shop, check
from tests.programs import SHORT_CLOCK, Programs, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMPATIENT = {**SHORT_CLOCK, "target_promoter.delivery.delivery.PATIENCE_SECONDS": 2.0}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Yield what starts the program."""
    with Programs(tmp_path_factory.mktemp("programs")) as started:
        yield started


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_promoter_comes_back(programs: Programs, config: dict[str, Any]) -> None:
    """A run that begins while Promoter is down takes all its input, passes state on, and delivers once it is back."""
    port = free_port()
    config["api_url"] = f"http://127.0.0.1:{port}/api"
    shop = Shop(30, 1)
    running = programs.start(config=config, messages=shop.messages)
    until(lambda: running.states)
    time.sleep(0.5)
    assert not running.has_ended
    with SandboxServer(campaigns=CAMPAIGNS, port=port) as server:
        ended = running.wait()
        assert ended.status == 0, ended.log
        assert ended.summary["surveys"]["sent"] == 30
        assert ended.states[-1] == shop.messages[-1]["value"]
        check(shop, server.account, config["store_url"])


def test_patience_ends(programs: Programs, config: dict[str, Any]) -> None:
    """After its patience without one success a run fails with a sentence; the next goes on where it stopped."""
    port = free_port()
    config["api_url"] = f"http://127.0.0.1:{port}/api"
    shop = Shop(20, 2)
    ended = programs.run(config=config, messages=shop.messages, constants=IMPATIENT)
    assert ended.status == 1
    assert "Promoter gave no usable answer" in ended.log
    assert ended.summary["surveys"]["pending"] == sum(len(some) for some in shop.orders.values())
    assert ended.states[-1] == shop.messages[-1]["value"]
    with SandboxServer(campaigns=CAMPAIGNS, port=port) as server:
        assert programs.run("deliver", config=config).status == 0
        check(shop, server.account, config["store_url"])


def test_the_daily_limit_is_used_up(programs: Programs, sandbox: SandboxServer, config: dict[str, Any]) -> None:
    """A Retry-After of hours ends delivery at once with its time named; another run within it sends nothing."""
    sandbox.set_faults(Faults(rate=1.0, kinds=("burst_429",), burst=1, retry_after=7200))
    shop = Shop(20, 3)
    first = programs.run(config=config, messages=shop.messages)
    assert first.status == 1
    assert "Promoter asks to wait until" in first.log
    assert first.summary["surveys"]["sent"] == 0
    asked = len(sandbox.account.requests)
    second = programs.run("deliver", config=config)
    assert second.status == 1
    assert second.summary["api"]["requests"] == 0
    assert len(sandbox.account.requests) == asked < 10
    assert second.summary["seconds"] < 5


@pytest.mark.parametrize("status", [500, 503])
def test_one_contact_that_always_fails(
    status: int, programs: Programs, sandbox: SandboxServer, config: dict[str, Any]
) -> None:
    """It holds up none of those behind it; it alone stays pending and has the run fail in the end."""
    victim = "c4-0@example.com"
    shop = Shop(60, 4)
    messages = [one for one in shop.messages if one.get("record", {}).get("type") != "track"]
    account, asked = sandbox.account, [0]
    save = account.save_contact

    def fails(form: Any) -> Any:  # noqa: ANN401 - handed on unread
        if form.email == victim:
            asked[0] += 1
            raise RefusedError({"detail": "No."}, status)
        return save(form)

    account.save_contact = fails  # type: ignore[method-assign] # one that fails
    config["requests_per_minute"] = 6000
    running = programs.start(config=config, messages=messages, constants={**IMPATIENT})
    until(lambda: len(account.contacts) == 59)
    ended = running.wait()
    assert ended.status == 1
    assert ended.summary["contacts"]["pending"] == 1
    assert ended.summary["contacts"]["synced"] >= 59
    assert asked[0] > 1


def test_the_account_is_told_too_fast(programs: Programs, config: dict[str, Any], tmp_path: Path) -> None:
    """With a limit told ten times too high a few requests are refused, and all is delivered all the same."""
    shop = Shop(20, 5)
    with SandboxServer(campaigns=CAMPAIGNS, requests_per_second=20) as server:
        config |= {"api_url": server.url, "requests_per_minute": 12_000, "store_url": f"sqlite:///{tmp_path / 's.db'}"}
        ended = programs.run(config=config, messages=shop.messages)
        assert ended.status == 0, ended.log
        check(shop, server.account, config["store_url"])
        assert ended.summary["api"]["rate_limited"] <= ended.summary["api"]["requests"] / 2
