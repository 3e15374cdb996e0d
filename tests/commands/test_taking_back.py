"""`target-promoter cancel` and `drop`: what was taken from a tap is taken back."""

from __future__ import annotations

from typing import Any

import pytest

from target_promoter.errors import ConfigError, PromoterError
from tests.house import CONFIG, House, identify, track
from tests.program import command

ANN = "ann@example.com"


@pytest.fixture
def config(store_url: str) -> dict[str, Any]:
    """Return the config of the house's store."""
    return {**CONFIG, "store_url": store_url}


@pytest.fixture
def house(store_url: str) -> House:
    """Return a house where surveys of two campaigns wait, of Ann, Bob and a visitor."""
    house = House(store_url)
    house.take(
        identify("1", ANN),
        identify("2", "bob@example.com"),
        track("Ticket Closed", "1", messageId="ann-1"),
        track("Order Completed", "1", messageId="ann-2"),
        track("Ticket Closed", "2", messageId="bob-1"),
        track("Ticket Closed", None, messageId="visitor-1", anonymousId="v"),
    )
    return house


def said(config: dict[str, Any], *arguments: str) -> str:
    """Run a command, and return what it says."""
    result = command(*arguments, config=config)
    assert result.exit_code == 0, result.exception
    return result.output


@pytest.mark.parametrize("what", ["ticket_closed", "91"])
def test_the_surveys_of_an_event_or_a_campaign(house: House, config: dict[str, Any], what: str) -> None:
    """By the event's name, however it is written, or by the campaign's id; others wait on, and none comes back."""
    assert said(config, "cancel", what).startswith("Cancelled: 3 waiting surveys.")
    cancelled = {"ann-1": "cancelled", "bob-1": "cancelled", "visitor-1": "cancelled"}
    assert house.surveys == {**cancelled, "ann-2": "queued"}
    assert house.take(track("Ticket Closed", "1", messageId="ann-1")) == {"track": {"duplicate": 1}}
    assert said(config, "cancel", what).startswith("Cancelled: 0 waiting surveys.")


@pytest.mark.parametrize("who", ["1", ANN.upper()])
def test_the_surveys_of_one_person(house: House, config: dict[str, Any], who: str) -> None:
    """Only hers, by user id or address."""
    assert said(config, "cancel", "Ticket Closed", "--person", who).startswith("Cancelled: 1 waiting survey.")
    assert [name for name, status in house.surveys.items() if status == "cancelled"] == ["ann-1"]


def test_a_name_that_nothing_has(house: House, config: dict[str, Any]) -> None:
    """A misspelt event or stream ends with a sentence that names the one probably meant."""
    error = command("cancel", "Tiket Closed", config=config).exception
    assert isinstance(error, PromoterError)
    assert "No survey waits for `Tiket Closed`" in str(error)
    assert "did you mean `Ticket Closed`?" in str(error)
    assert isinstance(command("cancel", "9" * 40, config=config).exception, PromoterError)
    error = command("drop", "cals", config=config).exception
    assert "holds nothing from a stream `cals`" in str(error)
    assert "cancelled" not in house.surveys.values()


def test_all_that_a_stream_said(house: House, config: dict[str, Any]) -> None:
    """Its parts of people and its waiting surveys go, and what another stream said of them stays."""
    house.take(("customers", {"id": 1, "email": "ann@shop.example", "plan": "Pro"}))
    house.synced()
    said_so = said(config, "drop", "calls")
    assert said_so.startswith("Dropped what `calls` said: of 2 user ids, and 4 waiting surveys.")
    assert set(house.surveys.values()) == {"cancelled"}
    assert set(house.forms) == {"ann@shop.example"}
    assert "bob@example.com" in house.to_look_at
    assert house.take(identify("2", "bob@example.com")) == {"identify": {"changed": 1}}


@pytest.mark.parametrize("arguments", [("cancel", "91"), ("drop", "calls")])
def test_a_dry_run_changes_nothing(house: House, config: dict[str, Any], arguments: tuple[str, ...]) -> None:
    """While `dry_run` is set both are refused."""
    assert isinstance(command(*arguments, config={**config, "dry_run": True}).exception, ConfigError)
    assert "cancelled" not in house.surveys.values()
