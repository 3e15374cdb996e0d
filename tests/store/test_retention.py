"""What grows with time has an end, and nothing goes while a promise needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, update

from target_promoter.config.settings import Settings
from target_promoter.store import retention, runs, schema
from target_promoter.store.retention import DAY, YEAR
from tests.delivering import Process
from tests.house import CONFIG, HOUR, NOW, House, identify, track

if TYPE_CHECKING:
    from target_promoter.store.transaction import Transaction

TABLES = (
    schema.surveys,
    schema.kept_properties,
    schema.cancellations,
    schema.throttles,
    schema.not_surveyed,
    schema.request_days,
    schema.attribute_notes,
    schema.events,
    schema.contacts,
)


@pytest.fixture
def house(store_url: str) -> House:
    """Return a house with something of each kind that grows."""
    house = House(store_url)
    house.take(identify("2", "old@example.com", -9, anonymousId="anon-2"))
    house.take(
        identify("1", "ann@example.com", traits={"email": "ann@example.com", "a-b": "noted"}),
        identify("2", "bob@example.com"),
        track("Order Completed", "1", messageId="sent"),
        track("Order Completed", "77", messageId="never came"),
        track("Order Completed", None, anonymousId="visitor-1", messageId="visitor-1"),
        track("Order Completed", None, anonymousId="anon-2", messageId="of Bob"),
        track("Order Completed", "1", -100, messageId="stale"),
        track("Ticket Reopened", "1"),
    )
    process = Process(house)
    for second in range(0, 30, 2):
        if process.turn(second).requests:
            process.turn(second + 1, "accepted", room=0)
    house.store.write(lambda tx: tx.execute(update(schema.attribute_notes).values(noted_at=NOW)))
    return house


def begin(house: House, at: float, *, before: float | None = None) -> dict[str, int]:
    """Begin a run at a time, a day after another one, and return how many rows each table has then."""

    def run(when: float) -> int:
        def begin(tx: Transaction) -> int:
            retention.remove_old(tx, when, longest=house.settings.longest_seconds)
            return runs.begin(tx, "sync", when)

        return house.store.write(begin)

    run(at - DAY if before is None else before)
    run(at)
    return counts(house)


def counts(house: House) -> dict[str, int]:
    """Return how many rows each table has."""
    return house.store.read(
        lambda tx: {one.name: tx.scalar(select(func.count()).select_from(one)) or 0 for one in TABLES}
    )


def test_after_a_month_and_after_a_year_what_nobody_needs_has_gone(house: House) -> None:
    """What is a person's stays: its contacts, also at an older address, what it did, and what its anonymous id did."""
    full = counts(house)
    assert all(full.values()), full
    month = begin(house, NOW + 35 * DAY)
    assert month == {**full, "events": 0, "surveys": 2}, "the two that wait are not settled"
    year = begin(house, NOW + YEAR + 40 * DAY)
    gone = dict.fromkeys(("cancellations", "throttles", "not_surveyed", "request_days", "attribute_notes", "events"), 0)
    assert year == {**month, **gone, "kept_properties": 2}
    assert house.attributes("ann@example.com")["order_completed_at"]
    assert house.attributes("bob@example.com")["order_completed_at"]


def test_what_the_settings_may_need_for_longer_than_a_year_stays(house: House) -> None:
    """Such as a throttle of two years."""
    house.settings = Settings.from_config({**CONFIG, "throttle_days": 800})
    kept = begin(house, NOW + YEAR + 40 * DAY)
    assert kept["throttles"] > 0
    assert kept["cancellations"] > 0


def test_a_clock_that_is_far_ahead_once_costs_nothing(house: House) -> None:
    """A run ten years ahead lets go of nothing, and the next one that is right goes on as before."""
    full = counts(house)
    assert begin(house, NOW + 10 * YEAR, before=NOW + HOUR) == full
    assert begin(house, NOW + 2 * DAY) == full


def test_a_contact_that_is_nobodys_goes_a_year_after_it_last_changed(house: House) -> None:
    """Its person was taken out of the store, and its address is no other's."""
    house.store.write(lambda tx: tx.execute(schema.people.delete().where(schema.people.c.user_id == "1")))
    assert counts(house)["contacts"] == begin(house, NOW + 300 * DAY)["contacts"]
    assert "ann@example.com" in addresses(house)
    begin(house, NOW + YEAR + 40 * DAY)
    assert "ann@example.com" not in addresses(house)
    assert addresses(house) == {"old@example.com", "bob@example.com"}


def addresses(house: House) -> set[Any]:
    """Return the addresses of all contacts."""
    return house.store.read(lambda tx: set(tx.scalars(select(schema.contacts.c.email))))


def test_page_views_teach_no_anonymous_ids(house: House) -> None:
    """But one that the store knows is nobody's once it was seen with somebody else, by whatever event."""

    def known() -> dict[str, str | None]:
        table = schema.anonymous_ids.c
        return house.store.read(
            lambda tx: {row[0]: row[1] for row in tx.execute(select(table.anonymous_id, table.user_id))}
        )

    before = known()
    house.take(*(track("Page Viewed", "1", anonymousId=f"visit-{one}") for one in range(50)))
    assert known() == before
    house.take(
        track("Order Completed", "1", -0.5, anonymousId="of an order"),
        track("Page Viewed", "1", anonymousId="visitor-1"),
    )
    assert known() == {**before, "of an order": "1", "visitor-1": "1"}
    house.take(track("Page Viewed", "1", anonymousId="anon-2"))
    assert known()["anon-2"] is None
