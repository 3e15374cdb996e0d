"""What becomes of a contact: the newest form is sent, and no older one arrives after it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, update

from target_promoter.contacts import contacts
from target_promoter.contacts.delivery import ContactRequest
from target_promoter.store import schema
from tests.delivering import Process, contact
from tests.house import CONFIG, House, identify, track

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.delivery.turn import Turn
    from target_promoter.promoter.answers import Outcome
    from target_promoter.store.transaction import Transaction

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return a house where Ann was identified."""
    house = House(tmp_path, hard_delete=True)
    house.take(identify("1", ANN, plan="basic"))
    return house


@pytest.fixture
def process(house: House) -> Process:
    """Return a process that has Ann's contact on its way."""
    process = Process(house)
    assert plans(process.turn(0)) == ["basic"]
    return process


def plans(turn: Turn) -> list[str | None]:
    """Return the plan in each contact's request of a turn; None where the contact is removed."""
    bodies = [one.body for one in turn.requests if isinstance(one, ContactRequest)]
    return [None if body is None else json.loads(body)["attributes"]["plan"] for body in bodies]


def leased(house: House, name: str) -> None:
    """Have a process of that name hold all contacts."""
    house.store.write(lambda one: one.execute(update(schema.contacts).values(lease=name)))


def change(house: House, plan: str, hours: float = 0.0) -> None:
    """Have Ann take another plan."""
    house.take(identify("1", ANN, hours=hours, plan=plan))


def test_a_newer_form_waits_for_an_older_one_at_work(house: House, process: Process) -> None:
    """After a request without an answer a changed contact waits a minute; the same form may go at once."""
    process.turn(1, "unanswered", room=0)
    assert plans(process.turn(3)) == ["basic"]
    process.turn(4, "unanswered", room=0)
    change(house, "pro")
    assert process.turn(10).requests == []
    assert Process(house).turn(63).requests == []
    assert plans(process.turn(65)) == ["pro"]


@pytest.mark.parametrize(("outcome", "is_sent"), [("unanswered", True), ("unreached", False), ("refused", False)])
def test_a_form_that_is_wanted_again_is_sent_if_another_may_have_come_after_it(
    outcome: Outcome, house: House, process: Process, *, is_sent: bool
) -> None:
    """Whether a request without an answer was carried out nobody knows; one that surely was not changed nothing."""
    process.turn(1, "accepted")
    change(house, "pro", hours=-0.5)
    assert plans(process.turn(2)) == ["pro"]
    process.turn(3, outcome, room=0)
    change(house, "basic", hours=-0.25)
    assert plans(process.turn(70)) == (["basic"] if is_sent else [])
    process.turn(71, "accepted")
    assert contact(house, ANN).status == "synced"


@pytest.mark.parametrize("outcome", ["accepted", "unavailable", "rate_limited", "unreached"])
def test_an_answer_says_nothing_of_an_earlier_request(outcome: Outcome, house: House, process: Process) -> None:
    """Though the repeat was answered, the first request may still arrive: a newer form waits for it all the same."""
    process.turn(1, "unanswered", room=0)
    assert plans(process.turn(3)) == ["basic"]
    process.turn(4, outcome, room=0, retry_after=0.0)
    change(house, "pro")
    assert "pro" not in plans(process.turn(59))
    assert plans(Process(house).turn(150)) == ["pro"]


def test_leaving_a_list_without_an_answer_leaves_the_form_as_it_is(house: House, process: Process) -> None:
    """Such a request brings no form: the contact is taken off the list again, and not sent whole."""
    process.turn(1, "accepted")
    house.store.write(lambda tx: contacts.leave_lists(tx, [(ANN, 5)]))
    house.store.write(lambda tx: contacts.mark_dirty(tx, {ANN: "1"}, house.now))
    for seconds in (2, 200):
        (request,) = process.turn(seconds).requests
        assert isinstance(request, ContactRequest)
        assert request.leaves == 5
        process.turn(seconds + 1, "unanswered", room=0)


def test_a_removal_waits_for_a_form_at_work(house: House, process: Process) -> None:
    """A contact that was deleted must not come back through a request that was still on its way."""
    process.turn(1, "unanswered", room=0)
    house.take(identify("1", ANN, hours=0, _sdc_deleted_at="2025-06-15T16:00:00Z"))
    assert process.turn(10).requests == []
    assert plans(process.turn(62)) == [None]


def test_a_change_on_the_way_is_sent_afterwards(house: House, process: Process) -> None:
    """The answer to the older form does not end the newer one."""
    change(house, "pro")
    turn = process.turn(1, "accepted")
    assert turn.contacts["synced"] == 1
    assert plans(turn) == ["pro"]
    process.turn(2, "accepted")
    assert contact(house, ANN).status == "synced"


def test_what_promoter_refuses_waits_for_a_change(house: House, process: Process) -> None:
    """It is kept with Promoter's words, and tried again only in another form."""
    process.turn(1, "refused", words="email: no such address")
    assert (contact(house, ANN).status, contact(house, ANN).reason) == ("refused", "email: no such address")
    house.take(identify("1", ANN, hours=0, plan="basic"))
    assert Process(house).turn(2).requests == []
    change(house, "pro")
    assert plans(Process(house).turn(3)) == ["pro"]


@pytest.mark.parametrize("outcome", ["unanswered", "unavailable"])
def test_one_that_always_fails_lets_others_go_first(outcome: Outcome, house: House) -> None:
    """After 500 or 503 a contact waits on its own, however often it failed before, and the others go on."""
    house.take(identify("2", BOB, plan="plus"))
    often = update(schema.contacts).where(schema.contacts.c.email == ANN).values(attempts=5000)
    house.store.write(lambda one: one.execute(often))
    process = Process(house)
    assert plans(process.turn(0, room=1)) == ["basic"]
    assert plans(process.turn(1, outcome, room=1)) == ["plus"]
    assert house.now + 1 < contact(house, ANN).not_before <= house.now + 65


def test_the_lease_of_a_dead_process_is_free_at_once(house: House, process: Process) -> None:
    """A run after a crash on the same machine sends its contacts at once, while nothing newer is to be sent."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name, is_free in (
        (f"{socket.gethostname()}:{os.getpid()}:alive", False),
        (f"elsewhere:{dead.pid}:other", False),
        (f"{socket.gethostname()}:{dead.pid}:dead", True),
    ):
        leased(house, name)
        assert bool(Process(house).turn(1).requests) is is_free, name
    assert process.turn(2, "accepted").contacts["synced"] == 0, "its lease is another's by now"


def test_every_lease_of_the_dead_is_free_among_many_of_one_time(store_url: str) -> None:
    """A batch gives all its contacts one place in the queue, and a database puts those written last anywhere in it."""
    house = House(store_url)
    house.take(*(identify(f"{one}", f"p{one}@example.com") for one in range(1, 1501)))
    names = [f"p{one}@example.com" for one in (1, 700, 1500)]

    def lease(tx: Transaction) -> None:
        rows = contacts.load(tx, names).values()
        contacts.save(tx, [replace(row, lease="its process", leased_until=house.now + 75) for row in rows])

    house.store.write(lease)
    house.store.write(lambda connection: contacts.free_leases(connection, lambda name: name == "its process"))
    assert [contact(house, email).lease for email in names] == [None] * 3
    house.store.close()


def test_a_dead_process_left_an_older_form_at_work(house: House, process: Process) -> None:
    """Its contact is free at once, and yet a newer form waits until the older one is surely no longer at work."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    name = f"{socket.gethostname()}:{dead.pid}:dead"
    leased(house, name)
    change(house, "pro")
    assert Process(house).turn(70).requests == []
    assert plans(Process(house).turn(76)) == ["pro"]
    assert process.last


def test_a_contact_waits_for_its_survey(house: House) -> None:
    """While a survey of Ann is on its way her contact is not sent: of the two the older form might arrive last."""
    house.take(track("Order Completed", "1"))
    process = Process(house)
    process.turn(0)
    change(house, "pro")
    assert process.turn(1).requests == []
    assert plans(process.turn(2, "accepted")) == ["pro"]


def test_a_turn_costs_as_many_statements_whatever_its_size(store_url: str) -> None:
    """Contacts are claimed, and what came of them is written, together and not one by one."""
    house = House(store_url, requests_per_minute=600_000)
    house.take(*(identify(str(number), f"c{number}@example.com") for number in range(1, 101)))
    process = Process(house)
    seen: list[object] = []
    event.listen(house.store._engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    turns = [process.turn(0, room=2)]
    seen.clear()
    turns.append(process.turn(1, "accepted", room=2))
    few = len(seen)
    turns.append(process.turn(2, "accepted", room=40))
    seen.clear()
    turns.append(process.turn(3, "accepted", room=40))
    assert [len(turn.requests) for turn in turns] == [2, 2, 40, 40]
    assert [turn.contacts["synced"] for turn in turns] == [0, 2, 2, 40]
    assert len(seen) <= few


def test_contacts_that_need_no_request_keep_no_other_waiting(house: House) -> None:
    """A turn that has time for one request looks past hundreds of contacts that are as they should be."""
    house.take(*(identify(f"p{number}", f"p{number}@example.com") for number in range(300)))
    digests = {email: form.digest for email, form in house.forms.items() if email != ANN}

    def synced_before(connection: Transaction) -> None:
        for email, digest in digests.items():
            of_one = update(schema.contacts).where(schema.contacts.c.email == email)
            connection.execute(of_one.values(sent=digest, changed_at=0.0))

    house.store.write(synced_before)
    assert plans(Process(house).turn(0, room=1)) == ["basic"]


LIST_98 = 'contact_list: Invalid pk "98" - object does not exist.'


def test_a_contact_list_that_promoter_does_not_know(house: House) -> None:
    """Its contacts stay pending without another request, the others go on; the next run tries again."""
    house.configure(streams={"customers": {**CONFIG["streams"]["customers"], "contact_lists": [5, 98]}})
    house.take(*(("customers", {"id": str(number), "email": f"c{number}@example.com"}) for number in range(10, 13)))
    process = Process(house)
    assert plans(process.turn(0, room=1)) == ["basic"]
    turn = process.turn(1, "accepted", room=1)
    assert [one.email for one in turn.requests] == ["c10@example.com"]
    turn = process.turn(2, "unknown_list", words=LIST_98)
    assert (turn.requests, turn.next_at, dict(turn.contacts)) == ([], None, {})
    assert process.turns.contacts.unknown_lists == {98: LIST_98}
    assert {contact(house, f"c{number}@example.com").status for number in range(10, 13)} == {"list_unknown"}
    assert house.store.read(contacts.count_pending) == 3
    assert len(Process(house).turn(3).requests) == 3


def test_a_list_of_every_contact_that_promoter_does_not_know(house: House) -> None:
    """No contact can be sent, so none is looked at, were there a million."""
    house.configure(contact_lists=[98])
    house.take(identify("2", BOB))
    process = Process(house)
    process.turn(0, room=1)
    turn = process.turn(1, "unknown_list", words=LIST_98)
    assert (turn.requests, turn.next_at) == ([], None)
    assert contact(house, BOB).status == "pending"
    house.configure(contact_lists=[599])
    assert len(Process(house).turn(3).requests) == 2


def test_lists_of_two_loaders_are_joined(house: House) -> None:
    """What one loader's config puts a contact on is not undone by another's: neither sends it again in every run."""
    requests = []
    for run, lists in enumerate([[5], [6], [5], [6]]):
        house.configure(contact_lists=lists)
        house.store.write(lambda tx: contacts.join_lists(tx, house.settings.contact_lists, house.now + 10 * run))  # noqa: B023 - at once
        process = Process(house)
        requests.append(len(process.turn(10 * run).requests))
        process.turn(10 * run + 1, "accepted" if process.last else None)
    assert requests == [1, 1, 0, 0]
    assert contact(house, ANN).sent_lists == "[5,6]"
