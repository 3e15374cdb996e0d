"""What becomes of surveys that wait when the config names another campaign for their event, or none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import run_program
from tests.tap import CUSTOMERS, STREAMS, Run, hours_ago, record, schema, sync

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.sandbox.server import SandboxServer

ORDERS: dict[str, Any] = {"properties": {name: {} for name in ("id", "customer_id", "ordered_at")}}


@pytest.fixture
def shop(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for a shop's plain tables."""
    return {**config, "streams": STREAMS}


def order(shop: dict[str, Any], campaigns: dict[str, Any]) -> Run:
    """Have a known customer order."""
    messages = [
        schema("customers", CUSTOMERS),
        record("customers", id="1", email="ann@example.com"),
        schema("orders", ORDERS),
        record("orders", id="11", customer_id="1", ordered_at=hours_ago(1)),
    ]
    return sync({**shop, "campaigns": campaigns}, messages)


def later(shop: dict[str, Any], campaigns: dict[str, Any]) -> Run:
    """Run again without input."""
    return sync({**shop, "campaigns": campaigns}, [])


def test_a_wrong_id_that_is_fixed(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """The survey stays pending, the run fails with the fix, and the fix sends it."""
    first = order(shop, {"Order Completed": 7})
    assert first.status == 1
    assert "knows no campaign 7" in first.log
    assert first.summary["surveys"]["pending"] == 1
    second = later(shop, {"Order Completed": 78})
    assert second.status == 0, second.log
    assert [(one.email, one.campaign) for one in sandbox.account.surveys] == [("ann@example.com", 78)]


def test_a_campaign_that_is_taken_away_and_given_back(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """What waits for its day waits on, with a campaign or without."""
    first = order(shop, {"Order Completed": {"id": 78, "delay_hours": 2}})
    assert first.summary["surveys"]["waiting"] == 1
    for campaigns in ({}, {"order_completed": {"id": 91, "delay_hours": 2}}):
        run = later(shop, campaigns)
        assert run.status == 0, run.log
        assert (run.summary["surveys"]["waiting"], run.summary["surveys"]["pending"]) == (1, 0)
    assert sandbox.account.surveys == []


def test_a_due_survey_without_a_campaign_is_not_sent(
    shop: dict[str, Any], sandbox: SandboxServer, tmp_path: Path
) -> None:
    """It merely waits: the exit status is 0, and the report says for what."""
    order(shop, {"Order Completed": 7})
    without = later(shop, {})
    assert without.status == 0, without.log
    assert (without.summary["surveys"]["waiting"], without.summary["surveys"]["pending"]) == (1, 0)
    assert sandbox.account.surveys == []
    told = run_program("report", "--format", "json", config={**shop, "campaigns": {}}, cwd=tmp_path)
    report = json.loads(told.output)
    assert [one["waits_for"] for one in report["surveys"]["open"]] == [
        "a campaign for its event in the setting campaigns"
    ]
    assert later(shop, {"Completed Order": 91}).summary["surveys"]["sent"] == 1
    assert [one.campaign for one in sandbox.account.surveys] == [91]
