"""How names of events are compared."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_promoter.values.events import canonical, snake


@pytest.mark.parametrize(
    "written",
    ["Order Completed", "order_completed", "ORDER-COMPLETED", " orderCompleted ", "Completed Order", "completed_order"],
)
def test_spellings_are_one_event(written: str) -> None:
    """Case, spaces, hyphens and underscores do not matter, nor does Segment's older name."""
    assert canonical(written) == canonical("Order Completed")


def test_other_events_differ() -> None:
    """Only the one older name is turned round; other words in another order are another event."""
    assert canonical("Order Refunded") != canonical("Refunded Order")
    assert canonical("Order Completed") != canonical("Order Completed 2")


@given(st.text())
def test_canonical_is_settled(event: str) -> None:
    """A canonical name is its own canonical name, so that looking up twice does no harm."""
    assert canonical(canonical(event)) == canonical(event)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("Order Completed", "order_completed"),
        ("orderCompleted", "order_completed"),
        ("NPS Score-Given", "nps_score_given"),
        ("  Trial__ended! ", "trial_ended"),
        ("!?", ""),
    ],
)
def test_snake(name: str, prefix: str) -> None:
    """A prefix reads as Segment's warehouse names the table of the event."""
    assert snake(name) == prefix


@given(st.text())
def test_snake_is_an_attribute_name(name: str) -> None:
    """Whatever the name, the prefix holds nothing that Promoter would refuse in a name."""
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*|", snake(name))
