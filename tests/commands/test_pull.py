"""`target-promoter pull`: what the account holds costs no request, and nothing wrong is concluded from it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.sandbox.records import Contact
from tests.conftest import run_program
from tests.program import CALLS, command, identify, order
from tests.tap import sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_promoter.sandbox.account import Account
    from target_promoter.sandbox.server import SandboxServer

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def sandbox(shared_sandbox: SandboxServer) -> Iterator[SandboxServer]:
    """Yield the sandbox that all tests of this file share, with an empty account that says all."""
    yield shared_sandbox
    shared_sandbox.account.page_size, shared_sandbox.account.leave_out = 50, frozenset()


@pytest.fixture
def account(sandbox: SandboxServer) -> Account:
    """Return the account."""
    return sandbox.account


def pull(config: dict[str, Any], *, status: int = 0) -> str:
    """Pull, and return what it says."""
    result = command("pull", config=config)
    assert result.exit_code == status, result.output + repr(result.exception)
    return result.output


def shop(number: int, plan: str = "basic") -> list[dict[str, Any]]:
    """Return the identify calls of a shop's customers."""
    return [CALLS, *(identify(str(one), f"c{one}@example.com", {"plan": plan}) for one in range(1, number + 1))]


def lose_store(config: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """Return the config with a store that was never there before."""
    number = len(list(tmp_path.glob("lost-*"))) + 1
    return {**config, "store_url": f"sqlite:///{tmp_path / f'lost-{number}.db'}"}


def posts(account: Account) -> int:
    """Return how many contacts were sent."""
    return sum(one.method == "POST" for one in account.requests)


def hold(account: Account, email: str, **attributes: str) -> None:
    """Have the account hold a contact, as if somebody had put it there by hand."""
    with account.lock:
        before = account.book.contacts.get(email)
        made = before or Contact(account.book.next_id(), email, "2024-01-01T00:00:00Z")
        account.book.keep(replace(made, attributes=attributes))


def test_after_a_lost_store_nothing_is_sent_again(config: dict[str, Any], account: Account, tmp_path: Path) -> None:
    """What looks as wanted is synced without a request; what changed since is sent; surveys find their people."""
    account.page_size = 7
    assert sync(config, shop(20)).summary["contacts"]["synced"] == 20
    lost = lose_store(config, tmp_path)
    said = pull(lost)
    assert "Read 20 contacts on 3 pages" in said
    assert "20 people whom no tap brought yet are known" in said
    account.ledger.reset()
    changed = identify("3", "c3@example.com", {"plan": "pro"}, hours=1)
    run = sync(lost, [*shop(20), changed, order("o-5", "5")])
    assert (run.summary["contacts"]["synced"], run.summary["surveys"]["sent"]) == (20, 1)
    assert run.summary["api"]["requests"] == 2
    assert account.contacts["c3@example.com"].attributes["plan"] == "pro"
    assert account.surveys_by_email == {"c5@example.com": 1}
