"""Several processes on one store: no survey twice, no update lost, no deadlock, one limit for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.sandbox.faults import Faults
from target_promoter.sandbox.server import SandboxServer
from tests.conftest import CAMPAIGNS
from tests.e2e.shop import SCHEMA, Shop, Watch, check, state
from tests.programs import SHORT_CLOCK, Programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Outcome


_KEPT = ("LOOK_AGAIN_SECONDS", "_GRACE_SECONDS", "_MOST_DOUBLINGS")
PATIENT = {name: SHORT_CLOCK[name] for name in SHORT_CLOCK if name.endswith(_KEPT)}
"""For tests in which no answer is lost: requests have all their time, as a busy machine needs."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Yield what starts the program."""
    with Programs(tmp_path_factory.mktemp("programs")) as started:
        yield started


def together(
    programs: Programs,
    config: dict[str, Any],
    inputs: list[list[dict[str, Any]] | None],
    constants: dict[str, float] | None = None,
) -> list[Outcome]:
    """Run one process for each input at once; for None one that only delivers."""
    given = [(["deliver"] if messages is None else [], messages or ()) for messages in inputs]
    running = [
        programs.start(*arguments, config=config, messages=messages, constants=constants)
        for arguments, messages in given
    ]
    ended = [one.wait() for one in running]
    for one in ended:
        assert one.status == 0, one.log
    return ended


def total(ended: list[Outcome], part: str, outcome: str) -> int:
    """Return the sum of a count over all processes."""
    return sum(one.summary[part][outcome] for one in ended)


def split(shop: Shop, ways: int) -> list[list[dict[str, Any]]]:
    """Return a shop's records dealt out like cards."""
    records = [one for one in shop.messages if one["type"] == "RECORD"]
    return [[SCHEMA, *records[way::ways], state(way)] for way in range(ways)]


@pytest.mark.parametrize("number", [2, 4])
def test_the_same_input(
    number: int, programs: Programs, sandbox: SandboxServer, config: dict[str, Any], store_url: str
) -> None:
    """Each reads all of it; one of them queues a survey and the others know it."""
    config["store_url"] = store_url
    shop, watch = Shop(60, number), Watch(sandbox.account)
    ended = together(programs, config, [shop.messages] * number, PATIENT)
    outcomes = check(shop, sandbox.account, store_url)
    assert outcomes["sent"] == total(ended, "surveys", "sent") == 60
    orders = sum(len(some) for some in shop.orders.values())
    assert total(ended, "track", "queued") == orders
    assert total(ended, "track", "duplicate") == (number - 1) * orders
    assert all(len(times) == 1 for times in watch.asked.values()), "no request was repeated"


@pytest.mark.parametrize("number", [2, 4])
def test_a_split_input(
    number: int, programs: Programs, sandbox: SandboxServer, config: dict[str, Any], store_url: str
) -> None:
    """Who identifies a person and who reads its order need not be the same; half of them only deliver."""
    config["store_url"] = store_url
    shop, watch = Shop(60, 10 + number), Watch(sandbox.account)
    inputs: list[list[dict[str, Any]] | None] = [*split(shop, number // 2 + 1)]
    together(programs, config, [*inputs, *[None] * (number - len(inputs))], PATIENT)
    together(programs, config, [None])
    check(shop, sandbox.account, store_url)
    assert all(len(times) == 1 for times in watch.asked.values()), "no request was repeated"


def test_no_update_is_lost(programs: Programs, sandbox: SandboxServer, config: dict[str, Any], store_url: str) -> None:
    """Four processes each bring another trait of the same people, and each contact ends up with all four."""
    config["store_url"] = store_url

    def brings(trait: int) -> list[dict[str, Any]]:
        said = [
            {"traits": {"email": f"c{who}@example.com", f"trait_{trait}": trait + who}, "messageId": f"{who}-{trait}"}
            for who in range(1, 51)
        ]
        calls = [{**one, "type": "identify", "userId": str(who)} for who, one in enumerate(said, start=1)]
        return [SCHEMA, *({"type": "RECORD", "stream": "calls", "record": one} for one in calls), state(trait)]

    together(programs, {**config, "batch_size_rows": 10}, [brings(trait) for trait in range(4)])
    for who in range(1, 51):
        found = sandbox.account.contacts[f"c{who}@example.com"].attributes
        assert found == {"user_id": str(who), **{f"trait_{trait}": str(trait + who) for trait in range(4)}}


def test_the_limit_is_held_by_all_together(programs: Programs, store_url: str, config: dict[str, Any]) -> None:
    """Four processes together leave ten requests a second, evenly: an account that takes fifteen refuses none.

    A busy machine sends some of them late, together with those of the next second.
    """
    shop = Shop(25, 5)
    with SandboxServer(campaigns=CAMPAIGNS, requests_per_second=15) as server:
        config |= {"store_url": store_url, "api_url": server.url, "requests_per_minute": 600}
        ended = together(programs, config, [shop.messages, None, None, None])
        check(shop, server.account, store_url)
        requests = server.account.requests
        assert total(ended, "api", "rate_limited") == 0
        assert (len(requests) - 1) / (requests[-1].time - requests[0].time) > 5


def test_claims_alone_keep_surveys_single(
    programs: Programs, sandbox: SandboxServer, config: dict[str, Any], store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At an account without any throttle, and with requests that are refused or never arrive, none is sent twice."""
    monkeypatch.setattr(sandbox.account, "eligible", lambda *_: True)
    sandbox.set_faults(Faults(rate=0.3, kinds=("error", "burst_429"), statuses=(503,), retry_after=0, seed=3))
    config |= {"store_url": store_url, "requests_per_minute": 6000}
    shop = Shop(30, 6)
    together(programs, config, [shop.messages, shop.messages, None], PATIENT)
    assert check(shop, sandbox.account, store_url)["sent"] == 30


def test_max_surveys_per_run_is_counted_in_each_run(
    programs: Programs, sandbox: SandboxServer, config: dict[str, Any], tmp_path: Path
) -> None:
    """A run that sent as many surveys as it may leaves the rest pending and fails, whatever others do."""
    config |= {"store_url": f"sqlite:///{tmp_path / 'store.db'}", "max_surveys_per_run": 10}
    shop = Shop(30, 8)
    first = programs.run(config=config, messages=shop.messages)
    assert (first.status, first.summary["surveys"]["sent"]) == (1, 10)
    assert "max_surveys_per_run" in first.log
    running = [programs.start("deliver", config=config) for _ in range(2)]
    assert sum(one.wait().summary["surveys"]["sent"] for one in running) == 20
    together(programs, config, [None])
    check(shop, sandbox.account, config["store_url"])
