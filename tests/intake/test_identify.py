"""What identify calls come to: outcomes, waiting people, anonymous ids, shared contacts, deletions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from target_promoter.people import people
from target_promoter.store import rejected, schema
from tests.delivering import Process
from tests.house import House, at, identify, track

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return a house with nobody in it."""
    return House(tmp_path)


def kept_records(house: House) -> list[tuple[str, str, Any]]:
    """Return the rejected records that are kept: stream, reason and record."""
    return [(one.stream, one.reason, one.record) for one in house.store.read(lambda tx: list(rejected.load(tx)))]


def test_changed_then_unchanged(house: House) -> None:
    """A new person is `changed`; the same call again, or another that says the same, is `unchanged`."""
    assert house.take(identify("1", "ann@example.com", plan="Free")) == {"identify": {"changed": 1}}
    assert house.to_look_at == {"ann@example.com"}
    house.synced()
    assert house.take(identify("1", "ann@example.com", plan="Free")) == {"identify": {"unchanged": 1}}
    assert house.take(identify("1", "ANN@example.com ", 0, plan="Free")) == {"identify": {"unchanged": 1}}
    assert house.to_look_at == set()


def test_merged(house: House) -> None:
    """Of several calls of one person in a batch one counts as what they come to, the others as `merged`."""
    calls = [identify("1", "ann@example.com", -2), identify("1", None, -1, plan="Free"), identify(1, None, -1.5, a=1)]
    assert house.take(*calls) == {"identify": {"changed": 1, "merged": 2}}
    assert house.attributes("ann@example.com") == {"plan": "Free", "a": "1"}
    # Those equal to the last one of their stream are not taken into anything.
    assert house.take(*calls) == {"identify": {"unchanged": 1, "merged": 2}}
    assert house.take(calls[2]) == {"identify": {"unchanged": 1}}


def test_numbers_and_text_name_the_same_person(house: House) -> None:
    """A user id of 7, of 7.0 and of "7" is one person."""
    house.take(identify(7, "ann@example.com", -3, a=1), identify(7.0, None, -2, b=2), identify("7", None, -1, c=3))
    assert house.attributes("ann@example.com") == {"a": "1", "b": "2", "c": "3"}
    assert house.forms["ann@example.com"].contact["attributes"]["user_id"] == "7"


def test_an_audience_that_comes_before_its_user_waits(house: House) -> None:
    """Its trait is kept, and applied when the e-mail address comes."""
    assert house.take(identify("1", None, -5, vip=True)) == {"identify": {"waiting": 1}}
    assert house.take(identify("1", None, -5, vip=True)) == {"identify": {"waiting": 1}}
    assert house.store.read(people.count_without_address) == 1
    assert house.take(identify("1", "ann@example.com", -9)) == {"identify": {"changed": 1}}
    assert house.attributes("ann@example.com") == {"vip": "true"}
    assert house.store.read(people.count_without_address) == 0


@pytest.mark.parametrize(
    "integrations", [{"All": False}, {"Promoter.io": False}, {"All": True, "Promoter.io": False}, {"all": "false"}]
)
def test_calls_that_must_not_reach_promoter_are_blocked(house: House, integrations: dict[str, Any]) -> None:
    """The integrations object says which destinations a call is for."""
    assert house.take(identify("1", "ann@example.com", integrations=integrations)) == {"identify": {"blocked": 1}}
    order = track("Order Completed", "1", integrations=integrations)
    assert house.take(order) == {"track": {"blocked": 1}}
    assert (house.forms, house.surveys) == ({}, {})
    # It is not known: without the object it is taken.
    order[1]["integrations"] = {"All": False, "Promoter.io": True}
    assert house.take(order) == {"track": {"waiting": 1}}


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (identify(None, "ann@example.com"), "no user id"),
        (identify("1", "ann at example.com"), "no usable e-mail address"),
        (identify("1", "ann@example.com", timestamp="yesterday"), "no readable time"),
        (("calls", {"type": "whatever", "userId": "1", "traits": {}}), "names a call that Segment knows"),
    ],
)
def test_rejected(house: House, call: tuple[str, dict[str, Any]], reason: str) -> None:
    """What cannot be taken is kept whole with its reason, once, and leaves the list when it is taken after all."""
    for _ in range(2):
        assert house.take(call) == {"identify": {"rejected": 1}}
    ((stream, why, record),) = kept_records(house)
    assert (stream, record) == ("calls", call[1])
    assert reason in why
    assert house.forms == {}


def test_a_rejected_record_that_is_replayed_leaves_the_list(house: House) -> None:
    """Fixed or not, the replayed record says which kept one it is."""
    house.take(identify("1", "ann at example.com"))
    mark = house.store.read(lambda tx: next(rejected.load(tx))).fingerprint.hex()
    assert house.take(identify("1", "ann@example.com", _sdc_rejected=mark)) == {"identify": {"changed": 1}}
    assert kept_records(house) == []


def test_forgotten_people_are_blocked(house: House) -> None:
    """Nothing of them is kept again: no person, no survey, no link, no rejected record; nor by their address alone."""
    house.forget("u:1", "e:ann@example.com", "a:anon-1")
    blocked = [
        identify("1", "ann@example.com", anonymousId="anon-7"),
        identify("1", "ann at example.com"),
        identify("2", "ann@example.com"),
    ]
    for call in blocked:
        assert house.take(call) == {"identify": {"blocked": 1}}
    for call in (
        track("Order Completed", "1", anonymousId="anon-8"),
        track("Order Completed", None, anonymousId="anon-1"),
        track("Order Completed", None, anonymousId="anon-9", context={"traits": {"email": "ann@example.com"}}),
    ):
        assert house.take(call) == {"track": {"blocked": 1}}
    assert (house.forms, house.surveys, kept_records(house)) == ({}, {}, [])
    assert house.store.read(lambda connection: connection.execute(select(schema.anonymous_ids)).all()) == []
    assert house.store.read(lambda connection: connection.execute(select(schema.people)).all()) == []


def test_a_new_address_of_a_known_user_is_a_second_contact(house: House) -> None:
    """Promoter keys contacts by address; the first one belongs to nobody any more."""
    house.take(identify("1", "ann@example.com", -5, plan="Free"))
    house.synced()
    assert house.take(identify("1", "ann@example.org", -1)) == {"identify": {"changed": 1}}
    assert house.attributes("ann@example.org") == {"plan": "Free"}
    assert house.to_look_at == {"ann@example.com", "ann@example.org"}
    assert set(house.forms) == {"ann@example.org"}


def test_the_person_identified_last_owns_a_shared_contact(house: House) -> None:
    """Its attributes are those of one person; the lists are everybody's."""
    house.take(
        identify("1", "home@example.com", -5, plan="Free"),
        ("members", {"id": 2, "email": "home@example.com", "plan": "Team", "updated_at": at(-3)}),
    )
    assert house.forms["home@example.com"].contact["attributes"] == {"plan": "Team", "user_id": "2"}
    house.synced()
    # What is said changes nothing of the person, but makes it the owner.
    assert house.take(identify("1", "home@example.com", -1, plan="Free")) == {"identify": {"unchanged": 1}}
    assert house.to_look_at == {"home@example.com"}
    assert house.forms["home@example.com"].contact["attributes"] == {"plan": "Free", "user_id": "1"}
    assert house.forms["home@example.com"].contact_lists == (6,)


def test_the_other_person_owns_a_shared_contact_when_its_owner_is_deleted(house: House) -> None:
    """The contact stays as long as anybody living has its address, also under `hard_delete`."""
    house.configure(hard_delete=True)
    house.take(identify("1", "home@example.com", -5, plan="Free"), identify("2", "home@example.com", -3, plan="Team"))
    house.synced()
    house.take(identify("2", _sdc_deleted_at=at(-1)))
    assert house.forms["home@example.com"].contact["attributes"] == {"plan": "Free", "user_id": "1"}
    assert house.to_look_at == {"home@example.com"}


@pytest.mark.parametrize("hard_delete", [False, True])
def test_a_deleted_person(house: House, *, hard_delete: bool) -> None:
    """It is never upserted again, its waiting surveys are cancelled, its contact is removed only if so set."""
    house.configure(hard_delete=hard_delete)
    house.take(identify("1", "ann@example.com", -5, anonymousId="anon-1"))
    house.take(
        track("Order Completed", "1", -1, messageId="due"),
        track("Ticket Closed", "1", -2, messageId="later"),
        track("Ticket Closed", None, -2, messageId="anonymous", anonymousId="anon-1"),
    )
    house.synced()
    outcome = house.take(identify("1", _sdc_deleted_at=at(-0.5)))
    assert outcome == {"identify": {"deleted": 1}, "surveys": {"cancelled": 3}}
    assert set(house.surveys.values()) == {"cancelled"}
    query = select(schema.contacts.c.status)
    status = house.store.read(lambda connection: connection.scalar(query))
    assert status == ("removing" if hard_delete else "pending")
    assert house.forms == {}
    # The same again changes nothing.
    assert house.take(identify("1", _sdc_deleted_at=at(-0.5))) == {"identify": {"deleted": 1}}


def test_a_deleted_row_needs_its_key_alone(house: House) -> None:
    """A tap of a log brings nothing else of it, and what else is wrong with it does not matter."""
    house.take(("customers", {"id": 1, "email": "ann@example.com"}))
    row = {"id": 1, "email": "", "first_name": None, "_sdc_deleted_at": at(-1)}
    assert house.take(("customers", row)) == {"identify": {"deleted": 1}}
    row = {"id": 1, "email": "no address", "_sdc_deleted_at": at(-0.5)}
    assert house.take(("customers", row)) == {"identify": {"deleted": 1}}
    assert house.forms == {}


def test_an_event_from_before_a_deletion_leads_to_no_survey(house: House) -> None:
    """In whatever order the two arrive, also when the person comes back later."""
    house.take(identify("1", _sdc_deleted_at=at(-2)))
    outcome = house.take(track("Order Completed", "1", -3, messageId="m"))
    assert outcome == {"track": {"deleted": 1}, "surveys": {"cancelled": 1}}
    house.take(identify("1", "ann@example.com", -1))
    assert house.surveys == {"m": "cancelled"}
    assert house.take(track("Order Completed", "1", -3, messageId="m")) == {"track": {"duplicate": 1}}
    # What it did since is another matter.
    assert house.take(track("Order Completed", "1", -0.5)) == {"track": {"queued": 1}}


def test_an_anonymous_event_from_before_a_deletion_leads_to_no_survey(house: House) -> None:
    """Whose event it was comes out only later."""
    house.take(identify("1", _sdc_deleted_at=at(-2)))
    house.take(track("Order Completed", None, -3, messageId="m", anonymousId="anon-1"))
    house.take(identify("1", "ann@example.com", -1, anonymousId="anon-1"))
    assert house.surveys == {"m": "cancelled"}


def test_contact_lists_are_joined(house: House) -> None:
    """A contact is on the lists of all its streams and of the settings."""
    house.configure(contact_lists=[7])
    house.take(("customers", {"id": 1, "email": "ann@example.com"}))
    house.take(("members", {"id": 1, "email": "ann@example.com", "updated_at": at(-3)}))
    assert house.forms["ann@example.com"].contact_lists == (5, 6, 7)


def test_names_that_become_one_are_settled_by_time(house: House) -> None:
    """Promoter takes no dots: of two traits that become one the one said later stands."""
    house.take(identify("1", "ann@example.com", -2, **{"plan.name": "new"}))
    house.take(identify("1", None, -3, **{"plan-name": "old"}))
    assert house.attributes("ann@example.com") == {"plan_name": "new"}
    (note,) = [note for note in house.forms["ann@example.com"].notes if note.kind == "merged"]
    assert note.name == "plan.name"


def test_hostile_values_are_kept_and_read_again(house: House) -> None:
    """Whatever text, number or nesting a trait has, the person can be read and changed again."""
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    odd = {"nul": "a\x00b", "half": "x\ud800", "big": 10**300, "bigger": 2**64, "deep": deep, "emoji": "😀", "": 1}
    house.take(identify("1\ud800", "ann@example.com", -2, **odd))
    house.take(identify("1\ud800", None, -1, plan="Free"))
    attributes = house.attributes("ann@example.com")
    assert {name: attributes[name] for name in ("nul", "emoji", "plan", "deep_count")} == {
        "nul": "ab",
        "emoji": "😀",
        "plan": "Free",
        "deep_count": "1",
    }


@pytest.mark.parametrize("as_text", [False, True])
def test_a_record_nested_too_deep_is_rejected_or_left_out(house: House, *, as_text: bool) -> None:
    """No database could keep it, and how deep a program may go depends on where it stands."""
    deep = "[" * 400 + "]" * 400
    if as_text:
        call = ("calls", {"type": "identify", "userId": "1", "traits": f'{{"email": "a@example.com", "x": {deep}}}'})
        assert house.take(call) == {"identify": {"waiting": 1}}
    else:
        nested: Any = 1
        for _ in range(400):
            nested = {"x": nested}
        assert house.take(identify("1", "ann@example.com", x=nested)) == {"identify": {"rejected": 1}}
    assert house.forms == {}


def test_names_and_ids_that_no_database_takes(store_url: str) -> None:
    """A trait's name with NUL, half a character or no end goes its way; an endless id names nobody."""
    house = House(store_url, requests_per_minute=60_000)
    endless = "".join(map(chr, range(0x100, 0x2000)))
    traits = {"a\x00b": 1, "c\ud800": {"d\x00": 2}, endless: 3}
    # A stream with contact lists, whose ids are keys of numbers in what is kept.
    row = {"id": 1, "email": "ann@example.com", "vip": "half \ud800", "plan": traits}
    assert house.take(("customers", row)) == {"identify": {"changed": 1}}
    assert house.take(("customers", {**row, "score": 1})) == {"identify": {"changed": 1}}
    (request,) = house.turn(0).requests
    assert request.email == "ann@example.com"
    calls = [identify(endless, "bob@example.com"), track("Order Completed", endless), track(endless, "1")]
    assert house.take(*calls) == {"identify": {"rejected": 1}, "track": {"rejected": 2}}
    house.store.close()


def test_the_throttle_goes_along_with_a_new_address(house: House) -> None:
    """Who was surveyed at one address is not surveyed again at the next."""
    process = Process(house)
    house.take(identify("1", "ann@example.com", -5), track("Order Completed", "1", -2, messageId="m"))
    assert [request.email for request in process.turn(0).requests] == ["ann@example.com"]
    process.turn(1, "accepted")
    house.take(identify("1", "ann@example.org", -1), track("Order Completed", "1", -0.5, messageId="n"))
    turn = process.turn(2)
    assert turn.surveys == {"expired": 0, "throttled": 1}
    assert [request.email for request in turn.requests] == ["ann@example.org"]
    assert house.surveys == {"m": "sent", "n": "throttled"}
