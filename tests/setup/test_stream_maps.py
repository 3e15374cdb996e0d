"""Stream maps that change: what they take away now is not sent any more, and the rest is put right by a refresh."""

from __future__ import annotations

from typing import Any

import pytest

from target_promoter.sandbox.server import SandboxServer
from tests.tap import STREAMS, TEXT, hours_ago, record, schema, sync

pytestmark = pytest.mark.slow

ANN, BOB = "ann@example.com", "bob@example.com"
COLUMNS: dict[str, Any] = {"properties": dict.fromkeys(("id", "email", "plan", "diagnosis"), TEXT)}
ORDERS: dict[str, Any] = {"properties": dict.fromkeys(("id", "customer_id", "seller_id", "ordered_at", "total"), TEXT)}
PEOPLE = [
    schema("customers", COLUMNS),
    record("customers", id="1", email=ANN, plan="pro", diagnosis="flu"),
    record("customers", id="2", email=BOB, plan="pro", diagnosis="flu"),
]
NO_ROW = [schema("customers", COLUMNS)]


@pytest.fixture
def sandbox(shared_sandbox: SandboxServer) -> SandboxServer:
    """Return the file's sandbox, its account empty."""
    return shared_sandbox


@pytest.fixture
def shop(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for a shop's plain tables, in which surveys wait for a day."""
    return {**config, "streams": STREAMS, "campaigns": {"Order Completed": {"id": 78, "delay_hours": 24}}}


def order() -> list[dict[str, Any]]:
    """Return the messages of an order of Ann's, which Bob sold her."""
    row = {"id": "10", "customer_id": "1", "seller_id": "2", "ordered_at": hours_ago(2), "total": "12"}
    return [schema("orders", ORDERS), record("orders", **row)]


def attributes(sandbox: SandboxServer, email: str = ANN) -> set[str]:
    """Return the names of a contact's attributes."""
    return set(sandbox.account.contacts[email].attributes)


@pytest.mark.parametrize("maps", [{"customers": {"diagnosis": None}}, {"*": {"plan": "plan", "__else__": None}}])
def test_a_column_that_a_map_removes_is_not_sent_any_more(
    shop: dict[str, Any], sandbox: SandboxServer, maps: dict[str, Any]
) -> None:
    """Also of those whose rows do not come again; a run with the same map says nothing of it."""
    sync(shop, PEOPLE)
    assert attributes(sandbox) == {"user_id", "plan", "diagnosis"}
    shop["stream_maps"] = maps
    if "*" in maps:
        maps["*"] |= {"id": "id", "email": "email"}
    run = sync(shop, NO_ROW)
    assert run.log.startswith(
        "Stream `customers` is read differently than before: what may not be sent any more was taken"
    )
    assert run.summary["contacts"]["synced"] == 2
    assert attributes(sandbox) == attributes(sandbox, BOB) == {"user_id", "plan"}
    assert "Stream" not in sync(shop, NO_ROW).log


def test_a_stream_that_a_map_removes_is_taken_back(shop: dict[str, Any]) -> None:
    """Its waiting surveys are cancelled, and stay so when it is let through again."""
    sync(shop, [*PEOPLE, *order()])
    removed = sync({**shop, "stream_maps": {"orders": None}}, order())
    assert removed.log.startswith("Stream `orders` is ignored from now on: all that it said was taken back")
    assert (removed.summary["surveys"]["waiting"], removed.summary["ignored"]) == (0, 0)
    assert sync({**shop, "stream_maps": {"orders": None}}, order()).log == ""
    again = sync(shop, order())
    assert "Refresh it in full" in again.log
    assert (again.summary["surveys"]["waiting"], again.summary["track"]["duplicate"]) == (0, 1)


def test_a_map_that_corrects_whom_rows_name_holds_their_surveys_until_they_come_again(
    shop: dict[str, Any], sandbox: SandboxServer
) -> None:
    """Whoever was surveyed by a wrong column would be so for ever."""
    shop["stream_maps"] = {"orders": {"customer_id": "seller_id"}}
    sync(shop, [*PEOPLE, *order()])
    shop |= {"stream_maps": {}, "campaigns": {"Order Completed": 78}}
    held = sync(shop, [schema("orders", ORDERS)])
    assert "those are not surveyed by it" in held.log
    assert sandbox.account.surveys == []
    sync(shop, order())
    assert [one.email for one in sandbox.account.surveys] == [ANN]


def test_a_filter_that_changes_is_told_with_what_undoes_it(shop: dict[str, Any]) -> None:
    """A refresh does not reach rows that it lets through no more."""
    sync(shop, PEOPLE)
    shop["stream_maps"] = {"customers": {"__filter__": "id != '2'"}}
    run = sync(shop, PEOPLE)
    assert "lets through no more stays until it is dropped (`target-promoter drop customers`)" in run.log
    assert run.summary["contacts"]["synced"] == 0


def test_another_expression_of_a_trait_is_put_right_by_a_refresh(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Nobody is held for it, and an older row replaces what the map made before."""
    shop["stream_maps"] = {"customers": {"plan": "plan.upper()"}}
    sync(shop, PEOPLE)
    shop["stream_maps"] = {"customers": {"plan": "plan + '!'"}}
    run = sync(shop, PEOPLE)
    assert "not surveyed" not in run.log
    assert "Refresh it in full" in run.log
    assert sandbox.account.contacts[ANN].attributes["plan"] == "pro!"
