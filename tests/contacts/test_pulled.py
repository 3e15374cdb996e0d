"""What was read at Promoter: it counts until something is sent, and no longer than what was sent is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.contacts import contacts, pulled
from target_promoter.contacts.delivery import ContactRequest
from target_promoter.promoter.client import ListedContact
from target_promoter.store import retention
from tests.delivering import Process
from tests.house import HOUR, NOW, House, identify, track

if TYPE_CHECKING:
    from target_promoter.delivery.turn import Turn

ANN = "ann@example.com"
AS_BASIC = {"plan": "basic", "user_id": "1"}


@pytest.fixture
def house(store_url: str) -> House:
    """Return a house where Ann was identified."""
    house = House(store_url, contact_lists=[])
    house.take(identify("1", ANN, plan="basic"))
    return house


def read(
    house: House, seconds: float, *, since: float | None = None, unsubscribed: bool = False, **attributes: str
) -> None:
    """Read Ann's contact at Promoter, so many seconds from now, by a pull that began then or at another time."""
    listed = ListedContact(ANN, {}, attributes or AS_BASIC, unsubscribed)
    at = house.now + seconds
    began = at if since is None else house.now + since
    house.store.write(lambda tx: pulled.save_page(tx, [listed], None, read_at=at, since=began))


def sent(turn: Turn) -> list[str]:
    """Return whose contacts a turn sends."""
    return [one.email for one in turn.requests if isinstance(one, ContactRequest)]


def change(house: House, plan: str, hours: float) -> None:
    """Have Ann take another plan."""
    house.take(identify("1", ANN, hours=hours, plan=plan))


def test_what_looks_as_wanted_is_synced(house: House) -> None:
    """Without a request, counted once, and like one that was sent."""
    read(house, 1)
    turn = Process(house).turn(2)
    assert (sent(turn), turn.contacts["synced"]) == ([], 1)
    turn = Process(house).turn(3)
    assert (sent(turn), turn.contacts["synced"]) == ([], 0)
    change(house, "pro", 0)
    assert sent(Process(house).turn(4)) == [ANN]


def test_a_page_of_before_the_answer_says_nothing(house: House) -> None:
    """The request may have come after the page was made."""
    process = Process(house)
    process.turn(0)
    read(house, 0.5)
    process.turn(1, "accepted", room=0)
    change(house, "pro", 0)
    process.turn(2)
    process.turn(3, "accepted", room=0)
    change(house, "basic", 0.001)
    assert sent(process.turn(5)) == [ANN]


def test_a_page_says_what_a_request_without_answer_left_in_doubt(house: House) -> None:
    """The contact is as it should be by the page, so nothing is left but to take it off a list."""
    process = Process(house)
    process.turn(0)
    process.turn(1, "accepted")
    change(house, "pro", -0.5)
    process.turn(2)
    process.turn(3, "unanswered", room=0)
    change(house, "basic", -0.25)
    house.store.write(lambda tx: contacts.leave_lists(tx, [(ANN, 5)]))
    read(house, 100)
    assert [one.leaves for one in process.turn(101).requests if isinstance(one, ContactRequest)] == [5]


def test_a_request_without_answer_may_come_after_the_page(house: House) -> None:
    """What was read while it may be at work says nothing, what is read afterwards does."""
    process = Process(house)
    change(house, "pro", -0.5)
    process.turn(0)
    process.turn(1, "unanswered", room=0)
    change(house, "basic", 0)
    read(house, 30)
    assert sent(process.turn(70)) == [ANN]
    process.turn(71, "unanswered", room=0)
    change(house, "pro", 0.001)
    read(house, 140, plan="pro", user_id="1")
    assert sent(process.turn(150)) == []


def test_a_survey_brings_its_contact_along(house: House) -> None:
    """After it the page of before says nothing of the contact."""
    house.synced()
    process = Process(house)
    change(house, "pro", 0)
    house.take(track("Order Completed", "1", messageId="o"))
    read(house, 0.5)
    process.turn(1)
    process.turn(2, "accepted", room=0)
    change(house, "basic", 0.001)
    house.take(identify("1", ANN, hours=0.001, order_completed_at=None))
    assert ANN in sent(process.turn(4))


def test_pages_that_come_in_another_order_than_they_were_asked_for(house: House) -> None:
    """Of two pulls at once the later answer may be the older page: what was sent in between counts."""
    process = Process(house)
    change(house, "pro", -0.5)
    process.turn(0)
    process.turn(1, "accepted", room=0)
    for seconds in (2, 0.5):
        read(house, seconds, since=0)
    change(house, "basic", 0)
    assert sent(process.turn(3)) == [ANN]


def test_a_clock_that_is_ahead(house: House) -> None:
    """What was read in the future says nothing."""
    read(house, HOUR)
    assert sent(Process(house).turn(2)) == [ANN]


def test_what_is_to_be_sent_again_is(house: House) -> None:
    """All that was known of contacts is void."""
    read(house, 1)
    house.store.write(lambda tx: contacts.mark_all_dirty(tx, house.now + 2, forget_sent=True))
    assert sent(Process(house).turn(3)) == [ANN]


def test_after_a_year_it_is_forgotten_how_a_contact_looked(house: House) -> None:
    """Who unsubscribed is known for ever."""
    read(house, 0, unsubscribed=True)

    def held(at: float) -> Any:  # noqa: ANN401 - of the store
        house.store.write(lambda tx: retention.remove_old(tx, at, longest=0.0))
        return house.store.read(lambda tx: pulled.load(tx, [ANN])[ANN])

    assert held(NOW + 300 * retention.DAY).contact is not None
    old = held(NOW + 400 * retention.DAY)
    assert (old.contact, old.unsubscribed, old.user_id) == (None, True, "1")
