"""A config that changes, and what its streams said of people: nobody wrong, nothing sent that may not be."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from target_promoter.intake import setup
from target_promoter.surveys.claims import Claim
from tests.delivering import Process, contact
from tests.house import CONFIG, HOUR, House, at, identify, track

ANN, BOB, CARL = "ann@example.com", "bob@example.com", "carl@example.com"


@pytest.fixture
def house(store_url: str) -> House:
    """Return a house with nobody in it."""
    return House(store_url)


def people(**setting: object) -> dict[str, Any]:
    """Return the setting of a table of accounts' customers."""
    fields = {"user_id": "id", "timestamp": "updated"}
    return {**CONFIG["streams"], "people": {"type": "identify", "fields": fields, "traits": ["plan"], **setting}}


def row(number: int, account: int, email: str | None, hours: float = -1, **more: object) -> tuple[str, dict[str, Any]]:
    """Return a row of that table."""
    columns = {"id": number, "account_id": account, "email": email, "plan": "pro", "updated": at(hours)}
    return "people", {**columns, **more}


def owners(house: House) -> dict[str, str]:
    """Return whose every contact is."""
    return {email: form.contact["attributes"]["user_id"] for email, form in house.forms.items()}


def sent(house: House, hours: float = 0.02) -> list[str]:
    """Let time pass, have all that is to be sent accepted, and return the requests' bodies."""
    house.now += hours * HOUR
    process, bodies, seconds = Process(house), list[str](), 0
    while True:
        turn = process.turn(seconds, "accepted")
        if not turn.requests:
            return bodies
        for one in turn.requests:
            body = one.request if isinstance(one, Claim) else one.body
            bodies.append(body if body is not None else f"DELETE {one.email}")
        seconds += 1


BY_ACCOUNT = {"user_id": "account_id", "timestamp": "updated"}
SWAPPED = [row(1, 2, ANN, -9), row(2, 1, BOB, -1)]


@pytest.mark.parametrize("rows", [SWAPPED, SWAPPED[::-1]])
@pytest.mark.parametrize("batches", [1, 2])
def test_a_user_id_that_is_corrected(house: House, rows: list[tuple[str, dict[str, Any]]], batches: int) -> None:
    """And back: each row is on the person that the config of now names, whichever row is the later one."""
    by_key, by_account = {ANN: "1", BOB: "2"}, {ANN: "2", BOB: "1"}
    ways = [({"fields": BY_ACCOUNT}, by_account), ({}, by_key), ({"fields": BY_ACCOUNT}, by_account), ({}, by_key)]
    for setting, expected in ways:
        house.configure(streams=people(**setting))
        for start in range(batches):
            house.take(*rows[start::batches])
        assert owners(house) == expected


def test_a_corrected_user_id_has_the_right_person_surveyed(house: House) -> None:
    """The order of customer 2 asks Bob, though it came while he was taken for somebody else."""
    house.configure(streams=people(fields=BY_ACCOUNT), campaigns={"Order Completed": {"id": 78, "delay_hours": 5}})
    house.take(row(1, 2, ANN, -9), row(2, 3, BOB, -9), ("orders", {"id": 7, "customer_id": 2, "ordered_at": at(-1)}))
    house.configure(streams=people(), campaigns={"Order Completed": {"id": 78, "delay_hours": 5}})
    house.take(row(1, 2, ANN, -9), row(2, 3, BOB, -9))
    assert [one.email for one in house.turn(5).requests if isinstance(one, Claim)] == [BOB]


def test_a_user_id_of_calls_that_is_corrected(house: House) -> None:
    """A call has no key that it is known by: nothing of what the stream said stays on anybody till it is read again."""
    calls = [("calls", {**identify("1", ANN)[1], "traits": {"email": ANN, "id": 5}}), identify("2", BOB)]
    house.configure(streams={"calls": {"fields": {"user_id": "traits.id"}}})
    house.take(*calls[:1])
    assert owners(house) == {ANN: "5"}
    house.configure(streams={"calls": {"fields": {"user_id": "userId"}}})
    assert owners(house) == {}
    house.take(*calls)
    assert owners(house) == {ANN: "1", BOB: "2"}


@pytest.mark.parametrize("wrong", ["zoe@example.com", "aaa@example.com"])
def test_an_email_field_that_is_corrected(house: House, wrong: str) -> None:
    """The address of the right column stands, whether it is the greater or not, in a table and in calls."""
    house.configure(streams=people(fields={"user_id": "id", "timestamp": "updated", "email": "billing"}))
    house.take(row(1, 2, ANN, billing=wrong))
    house.configure(streams=people(fields={"user_id": "id", "timestamp": "updated", "email": "email"}))
    house.take(row(1, 2, ANN, billing=wrong))
    assert owners(house) == {ANN: "1"}


@pytest.mark.parametrize("wrong", ["zoe@example.com", "aaa@example.com"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_an_email_field_of_calls_that_is_corrected(house: House, wrong: str, order: tuple[int, ...]) -> None:
    """What a call of the same time said through the wrong field goes when it is read again."""
    calls = [identify("1", ANN, -2, billing=wrong, plan="pro"), identify("1", None, -1, city="Oslo")]
    house.configure(streams={"calls": {"fields": {"email": "traits.billing"}, "traits": ["plan", "city"]}})
    house.take(*calls)
    assert owners(house) == {wrong: "1"}
    house.configure(streams={"calls": {"fields": {"email": "traits.email"}, "traits": ["plan", "city"]}})
    for number in order:
        house.take(calls[number])
    assert owners(house) == {ANN: "1"}
    assert house.attributes(ANN) == {"plan": "pro", "city": "Oslo"}


def test_a_setting_that_gains_something_loses_nobody(house: House) -> None:
    """What calls said before stays until they are read again: the next one brings no address."""
    house.configure(streams={"calls": {"fields": {"email": ["traits.email"]}}})
    house.take(identify("1", ANN, -2, plan="pro"))
    house.configure(streams={"calls": {"fields": {"email": ["traits.email", "traits.work"]}, "contact_lists": [7]}})
    house.take(identify("1", None, -1, city="Oslo"))
    assert house.attributes(ANN) == {"plan": "pro", "city": "Oslo"}


@pytest.mark.parametrize("pattern", ["people", "peopl?", "*"])
def test_a_trait_that_is_withdrawn(house: House, pattern: str) -> None:
    """It goes off people, contacts and waiting surveys as the next run begins, named in full or by a glob."""
    fields = {"user_id": "id", "timestamp": "updated"}
    table = {"type": "identify", "fields": fields, "traits": ["plan", "diagnosis"]}
    orders = {**CONFIG["streams"]["orders"], "traits": ["total", "number"]}
    campaigns = {"Order Completed": {"id": 78, "delay_hours": 5}}
    house.configure(streams={pattern: table, "orders": orders}, campaigns=campaigns)
    house.take(row(1, 2, ANN, diagnosis="flu"))
    order = {"customer_id": 1, "ordered_at": at(-1), "total": 3, "number": "secret"}
    unknown = {**order, "id": 8, "customer_id": 9}
    house.take(("orders", {"id": 7, **order}), ("orders", unknown))
    assert "flu" in "".join(sent(house))
    narrowed = {pattern: {**table, "traits": ["plan"]}, "orders": {**orders, "traits": ["total"]}}
    house.configure(streams=narrowed, campaigns=campaigns)
    assert house.told == [setup.read_otherwise(name) for name in ("orders", "people")]
    assert house.properties("7") == {"total": 3}
    house.take(row(9, 9, BOB))
    house.configure(streams=narrowed)
    assert house.told == []
    bodies = "".join(sent(house, 6))
    assert ANN in bodies
    assert BOB in bodies
    assert "flu" not in bodies
    assert "secret" not in bodies


def test_properties_kept_for_who_is_not_known_are_withdrawn(house: House) -> None:
    """Those of an anonymous id, and of a user id that nobody is known by yet."""
    calls = {"type": "segment", "traits": ["plan", "total", "note"]}
    house.configure(streams={"calls": calls}, campaigns={})
    house.take(
        identify("1", ANN, anonymousId="a-1"),
        track("Order Completed", anonymousId="a-1", total=3, note="secret"),
        track("Order Completed", "2", total=4, note="secret"),
    )
    house.configure(streams={"calls": {**calls, "traits": ["plan", "total"]}}, campaigns={})
    house.take(identify("2", BOB))
    for email, total in ((ANN, "3"), (BOB, "4")):
        assert house.attributes(email) == {"order_completed_total": total, "order_completed_at": "2025-06-15T14:06:40Z"}


@pytest.mark.parametrize("names", [(["home.city"], ["work.city"]), (["*"], ["home.city"])])
def test_another_place_of_a_name_is_another_trait(house: House, names: tuple[list[str], list[str]]) -> None:
    """What stood in the place that may not be sent any more goes, though a place of its name may be sent."""
    before, after = names
    house.configure(streams=people(traits=before))
    house.take(row(1, 2, ANN, home={"city": "Oslo"}, work={"city": "Rome"}, city="Bern"))
    house.configure(streams=people(traits=after))
    assert house.attributes(ANN) == {}


@pytest.mark.parametrize("known", [True, False])
def test_events_that_are_not_stored_any_more(house: House, *, known: bool) -> None:
    """Their properties go off people, and off what is kept for those not known yet."""
    house.configure(streams={}, campaigns={})
    calls = [identify("1", ANN), track("Order Completed", "1", total=3)]
    house.take(*calls if known else calls[1:])
    house.configure(streams={}, campaigns={}, stored_events=[])
    house.take(*calls[:1])
    assert house.attributes(ANN) == {}


def test_lists_of_a_stream_that_are_withdrawn(house: House) -> None:
    """Nobody new joins them; a contact that is on one stays there, for Promoter takes nobody off."""
    house.configure(streams=people(contact_lists=[5, 6]))
    house.take(row(1, 2, ANN))
    house.configure(streams=people(contact_lists=[6]))
    assert house.forms[ANN].contact_lists == (6,)
    assert '"contact_list":[6]' in "".join(sent(house))


def test_a_stream_that_is_ignored_from_now_on(house: House) -> None:
    """All that it said goes, and its waiting surveys are cancelled."""
    house.configure(campaigns={"Order Completed": {"id": 78, "delay_hours": 5}})
    house.take(
        ("customers", {"id": 1, "email": ANN, "plan": "pro"}),
        identify("1", ANN, -9, city="Oslo"),
        ("orders", {"id": 7, "customer_id": 1, "ordered_at": at(-1), "total": 3}),
    )
    streams = {**CONFIG["streams"], "customers": {"type": "ignore"}, "orders": {"type": "ignore"}}
    house.configure(streams=streams)
    assert house.told == [setup.ignored(name) for name in ("customers", "orders")]
    assert house.attributes(ANN) == {"city": "Oslo"}
    assert house.forms[ANN].contact_lists == ()
    assert house.surveys == {"7": "cancelled"}


@pytest.mark.parametrize(("before", "after"), [("identify", "track"), ("track", "identify"), ("segment", "track")])
def test_a_type_that_is_corrected(house: House, before: str, after: str) -> None:
    """What the stream said as what it is not goes: people who are none, surveys of what nobody did."""
    table = {"fields": {"user_id": "id", "timestamp": "updated", "event": "plan"}}
    house.configure(streams={"people": {**table, "type": before}}, campaigns={"pro": {"id": 78, "delay_hours": 9}})
    house.take(row(1, 2, ANN, type="identify"))
    house.configure(streams={"people": {**table, "type": after}}, campaigns={"pro": {"id": 78, "delay_hours": 9}})
    assert owners(house) == {}
    assert set(house.surveys.values()) <= {"cancelled"}


def test_two_loaders_with_other_configs(house: House) -> None:
    """Neither takes back what the other's streams said, and no run sends what the last one sent."""
    first = {"streams": people(contact_lists=[5]), "contact_lists": [1], "stored_events": ["Order Completed"]}
    second: dict[str, Any] = {"streams": {"*": {"type": "ignore"}, "calls": {"type": "segment"}}, "contact_lists": [2]}
    second["stored_events"] = ["Plan Changed"]
    second["campaigns"] = {"Plan Paid": {"id": 91}}
    records = {
        0: [row(1, 2, ANN), ("orders", {"id": 7, "customer_id": 1, "ordered_at": at(-30), "total": 3})],
        1: [identify("1", None, city="Oslo"), track("Plan Changed", "1", -3, to="pro", messageId="p")],
    }
    for turn in range(6):
        house.configure(**(second if turn % 2 else first))
        house.take(*records[turn % 2])
        assert house.told == []
        bodies = sent(house)
        assert not bodies or turn <= 2, bodies
    house.configure(**first)
    assert house.attributes(ANN).keys() == {
        *("plan", "city", "order_completed_total", "order_completed_at", "plan_changed_to", "plan_changed_at")
    }
    assert house.forms[ANN].contact_lists == (1, 5)


ROWS = [row(1, 9, ANN, -3, plan="a"), row(2, 9, ANN, -1, plan="b"), row(3, 9, BOB, -2, plan="c")]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("batches", [1, 3])
@pytest.mark.parametrize("timed", [True, False])
def test_several_rows_of_one_person(store_url: str, order: tuple[int, ...], batches: int, *, timed: bool) -> None:
    """One of them stands, always the same, and nothing flips to and fro from run to run."""
    house = House(store_url, streams=people(fields=BY_ACCOUNT if timed else {"user_id": "account_id"}))
    for run in range(3):
        house.now += HOUR
        for start in range(batches):
            house.take(*[ROWS[number] for number in order][start::batches])
        expected = {ANN: "b"} if timed else {BOB: "c"}
        assert {email: form.contact["attributes"]["plan"] for email, form in house.forms.items()} == expected
        if run:
            assert house.to_look_at == set()
        house.synced()


def test_a_row_that_moves_to_another_user_id(house: House) -> None:
    """It leaves the person that it was on; what another stream said of that one stays."""
    house.configure(streams=people(fields=BY_ACCOUNT))
    house.take(row(1, 2, ANN), identify("2", BOB, -9), row(7, 7, "carl@example.com"))
    assert owners(house)[ANN] == "2"
    house.take(row(1, 3, ANN, 0), row(7, 8, "carl@example.com", 0))
    assert owners(house) == {ANN: "3", BOB: "2", "carl@example.com": "8"}


@pytest.mark.parametrize("corrected", [False, True])
def test_a_key_alone_deletes_the_right_person(house: House, *, corrected: bool) -> None:
    """The one that the row was on, whatever the user id of its key's number is."""
    house.configure(streams=people(fields=BY_ACCOUNT))
    house.take(row(1, 2, ANN), row(2, 1, BOB))
    if corrected:
        house.configure(streams=people())
    gone = {"id": 1, "account_id": None, "email": None, "plan": None, "updated": None, "_sdc_deleted_at": at(0)}
    house.take(("people", gone))
    assert owners(house) == ({} if corrected else {BOB: "1"})  # Who Bob is, the config of now has not read yet.
    house.take(row(2, 1, BOB, 0.1))
    assert owners(house) == {BOB: "2" if corrected else "1"}


@pytest.mark.parametrize("later", [True, False])
def test_hard_delete(house: House, *, later: bool) -> None:
    """Also when it is switched on later, and at older addresses, whoever has one by now excepted; and only once."""
    house.configure(hard_delete=not later)
    for hours, email in ((-9, "old@example.com"), (-8, "shared@example.com"), (-7, ANN)):
        house.take(identify("1", email, hours))
        sent(house)
    house.take(identify("2", "shared@example.com", -6))
    sent(house)
    house.take(("calls", {"type": "identify", "userId": "1", "_sdc_deleted_at": at(0)}))
    if later:
        assert sent(house) == []
        house.configure(hard_delete=True)
    assert sorted(sent(house)) == [f"DELETE {ANN}", "DELETE old@example.com"]
    assert contact(house, ANN).status == "removed"
    for hard_delete in (False, True):
        house.configure(hard_delete=hard_delete)
        assert sent(house) == []


def test_a_dropped_stream_leaves_the_throttle_with_its_person(house: House) -> None:
    """Who goes back to an address is not surveyed again within the day, though another person was surveyed there."""
    house.take(identify("1", ANN, -9), ("customers", {"id": 1, "email": BOB}), identify("2", BOB, -8))
    house.take(track("Order Completed", "2"))
    assert BOB in "".join(sent(house))
    house.store.write(lambda tx: setup.drop(tx, "customers", house.now))
    house.take(track("Order Completed", "1", -0.5, messageId="m"))
    assert owners(house) == {ANN: "1", BOB: "2"}
    assert [one for one in house.turn(60 / HOUR).requests if isinstance(one, Claim)] == []
    assert house.surveys["m"] == "throttled"


def test_a_waiting_survey_of_a_wrong_person_is_held_until_its_row_comes_again(house: House) -> None:
    """Delivery runs before the row is read again: nobody is surveyed whom a wrong column named."""
    orders = CONFIG["streams"]["orders"]
    wrong = {**orders, "fields": {**orders["fields"], "user_id": "number"}}
    order = ("orders", {"id": 1, "customer_id": "buyer", "number": "seller", "ordered_at": at(-1)})
    house.configure(streams={**CONFIG["streams"], "orders": wrong})
    house.take(identify("seller", BOB), identify("buyer", ANN))
    house.take(order)
    house.configure()
    assert not [one for one in house.turn(0).requests if isinstance(one, Claim)]
    assert house.take(order)["track"] == {"duplicate": 1}
    # Ann's contact, without her order, was requested by the turn before, and may be at work until then.
    assert [one.email for one in house.turn(0.1).requests if isinstance(one, Claim)] == [ANN]


@pytest.mark.parametrize(
    "change", [{"streams": {**CONFIG["streams"], "customers": {"type": "ignore"}}}, {"stored_events": []}]
)
def test_a_request_is_not_sent_again_that_holds_what_was_taken_back(house: House, change: dict[str, Any]) -> None:
    """Whatever takes it back: a trait, a whole stream, a stored event."""
    house.take(("customers", {"id": "u1", "email": ANN, "plan": "pro"}))
    house.take(track("Order Completed", "u1", messageId="m", total=1))
    assert [one.email for one in house.turn(0).requests if isinstance(one, Claim)] == [ANN]
    house.configure(**change)
    assert not [one for one in house.turn(0.1).requests if isinstance(one, Claim)]
    assert house.surveys == {"m": "uncertain"}


def test_an_event_is_known_by_the_new_id_of_its_campaign(house: House) -> None:
    """While its survey waits, another row of it is the same event, also after the campaign's id was corrected."""
    house.take(identify("u1", ANN))
    house.take(track("Order Completed", "u1", hours=-0.5, messageId="m1"))
    house.configure(campaigns={"Order Completed": 79})
    assert house.take(track("Order Completed", "u1", hours=-0.5, messageId="m2"))["track"] == {"duplicate": 1}


def test_a_mark_of_deletion_without_a_time_deletes_once(house: House) -> None:
    """A table that keeps the deleted brings it with every reading, also when the person is back by another stream."""
    house.configure(streams={**CONFIG["streams"], "old": CONFIG["streams"]["customers"]})
    row = ("old", {"id": "u1", "email": ANN, "_fivetran_deleted": True, "_fivetran_synced": at(-5)})
    house.take(row)
    house.take(identify("u1", ANN, hours=-3))
    later = {**row[1], "_fivetran_synced": at(-1)}
    assert house.take(("old", later))["identify"] == {"deleted": 1}
    assert list(house.forms) == [ANN]


def test_a_deletion_cancels_what_named_its_person_by_the_address(house: House) -> None:
    """Also when the person comes back before delivery looks."""
    house.take(identify("u1", ANN, hours=-50))
    house.take(track("Order Completed", hours=-3, messageId="m", context={"traits": {"email": ANN}}))
    assert house.take(identify("u1", hours=-2, _sdc_deleted_at=at(-2)))["surveys"] == {"cancelled": 1}
    house.take(identify("u1", ANN, hours=-1))
    assert house.surveys == {"m": "cancelled"}


def test_a_deletion_counts_whatever_its_integrations_say(house: House) -> None:
    """Nobody who was deleted is surveyed, nor for an event that was."""
    no = {"All": False}
    house.take(identify("u1", ANN, hours=-50), identify("u2", BOB, hours=-50))
    house.take(track("Order Completed", "u1", messageId="m1"), track("Order Completed", "u2", messageId="m2"))
    assert house.take(identify("u1", _sdc_deleted_at=at(-0.5), integrations=no))["identify"] == {"deleted": 1}
    gone = track("Order Completed", "u2", messageId="m2", _sdc_deleted_at=at(-0.5), integrations=no)
    assert house.take(gone)["track"] == {"deleted": 1}
    assert house.surveys == {"m1": "cancelled", "m2": "cancelled"}


@pytest.mark.parametrize("field", ["email", "user_id"])
def test_nobody_is_surveyed_at_an_address_that_was_read_otherwise(house: House, field: str) -> None:
    """Until the row is read again its person has no address as far as anybody knows: the survey waits, then goes."""
    fields = {"user_id": "id", "timestamp": "updated", "email": "billing"}
    house.configure(streams=people(fields=fields), campaigns={"Order Completed": {"id": 78, "delay_hours": 1}})
    table = [row(1, 1, ANN, -5, billing=BOB), row(2, 2, BOB, -5, billing=BOB)]
    house.take(*table, ("orders", {"id": 7, "customer_id": 1, "ordered_at": at(-0.9)}))
    sent(house)
    corrected = {"email": {**fields, "email": "email"}, "user_id": {**fields, "user_id": "account_id"}}[field]
    house.configure(streams=people(fields=corrected))
    assert len(house.told) == 1
    assert "not surveyed" in house.told[0]
    assert sent(house, 1) == []
    assert house.surveys == {"7": "waiting"}
    house.take(*table)
    assert [one.email for one in house.turn(0.01).requests if isinstance(one, Claim)] == [
        {"email": ANN, "user_id": BOB}[field]
    ]


def test_a_later_call_says_where_somebody_is_whose_address_is_in_doubt(house: House) -> None:
    """What another stream said later stands, and so does what the same stream says with the current fields."""
    house.configure(streams=people(fields={"user_id": "id", "timestamp": "updated", "email": "billing"}))
    house.take(row(1, 1, ANN, -5, billing=BOB), row(2, 2, ANN, -5, billing=BOB), identify("2", "two@example.com", -4))
    house.configure(streams=people())
    assert owners(house) == {"two@example.com": "2"}
    house.take(identify("1", "one@example.com", -1))
    assert owners(house) == {"two@example.com": "2", "one@example.com": "1"}


def test_calls_whose_address_is_in_doubt(house: House) -> None:
    """A later call of theirs that names one settles it; one that names none does not."""
    house.configure(streams={"calls": {"fields": {"email": "traits.billing"}}})
    house.take(identify("1", ANN, -3, billing=BOB), identify("2", None, -3, billing=BOB))
    house.configure(streams={"calls": {"fields": {"email": "traits.email"}}})
    house.take(identify("1", None, -2, plan="pro"), identify("2", None, -2, plan="pro"))
    assert owners(house) == {}
    house.take(identify("1", ANN, -3, billing=BOB), identify("2", "two@example.com", -1))
    assert owners(house) == {ANN: "1", "two@example.com": "2"}


def test_an_unusable_address_in_the_right_column_does_not_settle_the_wrong_one(house: House) -> None:
    """Nobody knows where the person is."""
    house.configure(streams=people(fields={"user_id": "id", "timestamp": "updated", "email": "billing"}))
    house.take(row(1, 1, "none", -5, billing=BOB))
    house.configure(streams=people(fields={"user_id": "id", "timestamp": "updated", "email": "email"}))
    house.take(row(1, 1, "none", -5, billing=BOB))
    assert owners(house) == {}


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("how", ["deleted", "moved"])
@pytest.mark.parametrize("key_alone", [True, False])
def test_the_next_row_stands_when_the_one_that_stood_goes(
    house: House, how: str, *, timed: bool, key_alone: bool
) -> None:
    """It was read before, and need not be read again; the person lives while a row of it does."""
    house.configure(streams=people(fields=BY_ACCOUNT if timed else {"user_id": "account_id"}))
    rows = {
        plan: row(*of, plan=plan)
        for plan, of in {"a": (1, 9, ANN, -3), "b": (2, 9, BOB, -1), "c": (3, 9, CARL, -2)}.items()
    }
    house.take(*rows.values())
    order = "bca" if timed else "cba"
    for number, plan in enumerate(order):
        assert [form.contact["attributes"]["plan"] for form in house.forms.values() if form.user_ids == ("9",)] == [
            plan
        ]
        record = rows[plan][1]
        if how == "deleted":
            gone = {**dict.fromkeys(record), "id": record["id"]} if key_alone else record
            house.take(("people", {**gone, "_sdc_deleted_at": at(0)}))
        else:
            house.take(("people", {**record, "account_id": 20 + number}))
        house.take(*[rows[one] for one in order[number + 1 :]])
    assert not [form for form in house.forms.values() if form.user_ids == ("9",)]


def test_a_row_that_does_not_stand_and_goes(house: House) -> None:
    """The one that stands stays, and the one that went does not come back."""
    house.configure(streams=people(fields=BY_ACCOUNT))
    house.take(*ROWS)
    house.take(("people", {**row(3, 9, BOB)[1], "_sdc_deleted_at": at(0)}))
    house.take(row(2, 8, ANN, -1, plan="b"))
    assert {email: form.contact["attributes"]["plan"] for email, form in house.forms.items()} == {ANN: "b"}
    assert house.take(("people", {**row(1, 9, ANN)[1], "_sdc_deleted_at": at(0)}))["identify"] == {"deleted": 1}
    assert owners(house) == {ANN: "8"}


def test_traits_that_are_withdrawn_go_off_rows_that_do_not_stand_too(house: House) -> None:
    """When one of them stands it has no more than may be sent."""
    house.configure(streams=people(fields=BY_ACCOUNT, traits=["plan", "diagnosis"]))
    house.take(row(1, 9, ANN, -3, diagnosis="flu"), row(2, 9, ANN, -1, diagnosis="flu"))
    house.configure(streams=people(fields=BY_ACCOUNT))
    house.take(row(2, 8, BOB, -1))
    assert house.attributes(ANN) == {"plan": "pro"}


def test_a_person_with_many_rows(house: House) -> None:
    """Of very many rows those that would stand next are kept, and a second reading changes nothing."""
    house.configure(streams=people(fields=BY_ACCOUNT))
    rows = [row(number, 9, ANN, -number, plan=f"p{number}") for number in range(1, 40)]
    house.take(*rows)
    house.synced()
    house.take(*rows[::-1])
    assert house.to_look_at == set()
    for number in range(1, 20):
        house.take(("people", {**rows[0][1], "id": number, "_sdc_deleted_at": at(0)}))
        assert house.attributes(ANN) == {"plan": f"p{number + 1}"}


@pytest.mark.parametrize("named", [{"anonymousId": "a-1"}, {"context": {"traits": {"email": ANN}}}])
@pytest.mark.parametrize("change", [{"streams": {"calls": {"traits": ["plan"]}}}, {"stored_events": []}])
def test_a_request_is_not_sent_again_that_holds_what_was_kept_for_calls_without_a_user_id(
    house: House, named: dict[str, Any], change: dict[str, Any]
) -> None:
    """Nor does the contact stay as it was sent: what was taken back is kept under an anonymous id or an address."""
    house.take(identify("1", ANN, -3, anonymousId="a-1"), track("Order Completed", hours=-2, note="secret", **named))
    house.configure(streams={}, campaigns={"Ticket Closed": 91})
    house.take(track("Ticket Closed", "1", messageId="m"))
    requests = [one for one in house.turn(0).requests if isinstance(one, Claim)]
    assert ["secret" in one.request for one in requests] == [True]
    house.configure(campaigns={"Ticket Closed": 91}, **{"streams": {}, **change})
    house.now += HOUR / 10
    assert "secret" not in "".join(sent(house, 12))
    assert house.surveys["m"] == "uncertain"


def test_two_loaders_of_one_recognized_stream(house: House) -> None:
    """Each keeps other events of it: neither takes back what the other keeps, nor sends what it sent."""
    first = {"streams": {}, "campaigns": {"Order Completed": 78}, "stored_events": ["Order Completed"]}
    second = {"streams": {}, "campaigns": {"Plan Paid": 91}, "stored_events": ["Plan Changed"]}
    records = {
        0: track("Order Completed", "1", -30, total=3, messageId="o"),
        1: track("Plan Changed", "1", -3, to="pro", messageId="p"),
    }
    for turn in range(6):
        house.configure(**(second if turn % 2 else first))
        house.take(identify("1", ANN, -40), records[turn % 2])
        assert house.told == []
        assert bool(sent(house)) == (turn < 2)
    assert house.attributes(ANN).keys() == {
        *("order_completed_total", "order_completed_at", "plan_changed_to", "plan_changed_at")
    }


def test_two_loaders_that_name_one_campaign(house: House) -> None:
    """A config takes the other's place at first, as one that was changed would; once they take turns, both count."""
    campaigns: tuple[dict[str, Any], ...] = ({"Order Completed": 78}, {"Order Completed": 78, "Plan Paid": 91})
    kept = (["Order Completed"], ["Plan Changed"])
    events = [track("Order Completed", "1", -3, total=3, messageId="o"), track("Plan Changed", "1", -3, messageId="p")]
    for turn in range(8):
        house.configure(streams={}, campaigns=campaigns[turn % 2], stored_events=kept[turn % 2])
        house.take(identify("1", ANN, -40), *events)
        bodies = sent(house)
        assert not bodies or turn < 6
    assert house.attributes(ANN).keys() == {"order_completed_total", "order_completed_at", "plan_changed_at"}


def test_stored_events_that_are_stored_and_not_stored_again(house: House) -> None:
    """A config that is what it was before takes back what was kept by mistake, and what is kept again comes back."""
    house.configure(stored_events=[])
    event = track("Order Completed", "1", -3, total=3, messageId="o")
    for stored in ([], ["Order Completed"], []):
        house.configure(stored_events=stored)
        house.take(identify("1", ANN, -40), event)
        assert bool(house.attributes(ANN)) == bool(stored)


def test_a_stored_event_whose_time_is_corrected_has_its_right_time(house: House) -> None:
    """The column that was read before held a later one, which would stand for ever."""
    order = ("parcels", {"id": 7, "customer_id": 1, "ordered_at": at(-5), "shipped_at": at(-1), "total": 3})
    seen = []
    for column in ("shipped_at", "ordered_at"):
        fields = {"user_id": "customer_id", "timestamp": column}
        parcels = {"type": "track", "event": "Order Completed", "traits": ["total"], "fields": fields}
        house.configure(streams={"parcels": parcels}, campaigns={})
        house.take(identify("1", ANN, -9), order)
        seen.append(house.attributes(ANN)["order_completed_at"])
    assert [one[:19] for one in seen] == [at(-1)[:19], at(-5)[:19]]


def test_what_a_config_names_no_more_is_told(house: House) -> None:
    """A stream's entry, a stored event, contact lists; a run with the same config says nothing of it again."""
    house.configure(streams=people(), contact_lists=[8, 9])
    house.take(row(1, 2, ANN), track("Order Completed", "1", -3, total=3))
    streams = {name: one for name, one in people().items() if name != "people"}
    house.configure(streams=streams, contact_lists=[9], stored_events=[])
    dropped, stored, lists = house.told
    assert dropped.startswith("Stream `people` is named by `streams` no more, and all that it said stays")
    assert "`target-promoter drop people`" in dropped
    assert stored == "`stored_events` names order_completed no more: the properties were taken off all contacts."
    assert lists.startswith("Nobody joins contact list 8 any more; who is on it stays there")
    house.configure(streams=streams, contact_lists=[9], stored_events=[])
    assert house.told == []
