"""Delivery begins when there may be something to deliver, and not before."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

from target_promoter.contacts import contacts
from target_promoter.delivery import late
from target_promoter.delivery.backlog import is_anything_open
from target_promoter.delivery.delivery import Delivery
from target_promoter.delivery.late import LateDelivery
from target_promoter.errors import StoreError
from target_promoter.promoter.api import NO_PACE, Withheld
from tests.house import NOW, House, identify, track

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPEN: Final = {
    "a contact": [identify("u", "u@example.com")],
    "a survey that is due": [track("Order Completed", "u"), identify("u", "u@example.com")],
    "a survey that waits for its person": [track("Order Completed", "nobody", messageId="w")],
}


class Late(LateDelivery):
    """Delivery from a house's store to nobody; it tells when it is made."""

    def __init__(self, house: House) -> None:
        """Begin with nothing made."""
        self.made = threading.Event()
        self._house = house
        super().__init__(house.store, self._deliverer)

    def _deliverer(self) -> Delivery:
        self.made.set()
        house = self._house
        settings = replace(house.settings, requests_per_minute=NO_PACE)
        return Delivery(house.store, Withheld(), settings, house.summary, clock=lambda: NOW)


@pytest.fixture
def house(store_url: str) -> Iterator[House]:
    """Yield a store with intake, once on SQLite and once on PostgreSQL."""
    opened = House(store_url)
    yield opened
    opened.store.close()


def test_nothing_is_made_where_nothing_is_open(house: House) -> None:
    """Who finds nothing to deliver is done, whatever others bring afterwards."""
    house.take(identify("u", "u@example.com"))
    house.synced()
    delivery = Late(house)
    delivery.start()
    delivery.finish()
    house.take(identify("v", "v@example.com"))
    delivery.end()
    assert delivery.is_done
    assert delivery.problem is None
    assert not delivery.made.is_set()


def test_a_claim_is_looked_at(house: House) -> None:
    """The survey that a process claimed, and did not live to settle, is not left to a run that brings records."""
    house.take(track("Order Completed", "u"), identify("u", "u@example.com"))
    house.synced()
    house.store.write(lambda connection: connection.sql("UPDATE surveys SET status = 'claimed'"))
    assert house.store.read(is_anything_open)


def test_a_contact_that_is_to_be_removed_is_looked_at(house: House) -> None:
    """A removal that an earlier run left is done by one that brings nothing."""
    house.take(identify("u", "u@example.com"))
    house.synced()
    assert not house.store.read(is_anything_open)
    house.store.write(lambda connection: contacts.mark_dirty(connection, {"u@example.com": None}, NOW, remove=True))
    assert house.store.read(is_anything_open)


@pytest.mark.parametrize("records", OPEN.values(), ids=OPEN.keys())
def test_whatever_is_open_is_looked_at(house: House, records: list[tuple[str, dict[str, object]]]) -> None:
    """At the end of an input that brought nothing, delivery looks at every contact and survey that is not settled."""
    house.take(*records)
    delivery = Late(house)
    delivery.start()
    delivery.finish()
    delivery.end()
    assert delivery.made.is_set()
    assert delivery.is_done
    assert house.to_look_at == set()


def test_it_begins_beside_an_input_that_lasts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What earlier runs left is delivered while the tap has nothing to say yet."""
    monkeypatch.setattr(late, "_GRACE_SECONDS", 0.01)
    house.take(identify("u", "u@example.com"))
    delivery = Late(house)
    delivery.start()
    assert delivery.made.wait(30)
    delivery.finish()
    delivery.end()
    assert house.summary.value("contacts", "synced") == 1


def test_it_does_not_begin_after_the_end(house: House) -> None:
    """A run that ended, or found nothing, claims nothing any more, even if its grace ends just then."""
    delivery = Late(house)
    delivery.finish()
    house.take(identify("u", "u@example.com"))
    delivery._begin_beside()
    assert not delivery.made.is_set()


def test_a_run_that_was_stopped_claims_nothing_any_more(house: House) -> None:
    """Its grace may end while it is being stopped."""
    house.take(identify("u", "u@example.com"))
    delivery = Late(house)
    delivery.end()
    delivery._begin_beside()
    assert not delivery.made.is_set()


def test_it_is_tried_again_beside_a_silent_input(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that is away just as the grace ends is said to be, and delivery begins when it is back."""
    monkeypatch.setattr(late, "_GRACE_SECONDS", 0.01)
    monkeypatch.setattr(late, "_AGAIN_SECONDS", 0.01)
    house.take(identify("u", "u@example.com"))
    delivery = Late(house)
    away = [StoreError("the store is away")]
    make = delivery._make
    monkeypatch.setattr(delivery, "_make", lambda: _raise(away.pop()) if away else make())
    delivery.start()
    assert delivery.made.wait(30)
    delivery.finish()
    delivery.end()
    assert "the store is away" in caplog.text
    assert house.summary.value("contacts", "synced") == 1


def test_a_store_that_fails_is_its_problem(tmp_path: Path) -> None:
    """The run ends with the sentence, as when delivery itself meets it."""
    house = House(tmp_path)
    house.store.write(lambda connection: connection.sql("DROP TABLE surveys"))
    delivery = Late(house)
    delivery.finish()
    assert isinstance(delivery.problem, StoreError)
    assert not delivery.is_done
    house.store.close()


def _raise(error: Exception) -> NoReturn:
    raise error
