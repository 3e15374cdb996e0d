"""How what is said of a person becomes one person: by the time of the call, not of its arrival."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.people import people
from tests.house import House, at, identify, track

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.people.person import Person


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return a house with nobody in it."""
    return House(tmp_path)


def user(hours: float, **columns: object) -> tuple[str, dict[str, Any]]:
    """Return a row of the warehouse table `users`, which is a snapshot with a time."""
    return "shop-users", {"id": "1", "received_at": at(hours), **columns}


def customer(**columns: object) -> tuple[str, dict[str, Any]]:
    """Return a row of a plain table without a time."""
    return "customers", {"id": 1, "email": "ann@example.com", **columns}


def test_an_older_call_only_fills_what_is_missing(house: House) -> None:
    """What a later call said stands, and what it did not say comes from the older one."""
    house.take(identify("1", "ann@example.com", -1, plan="Premium", firstName="Ann"))
    outcome = house.take(identify("1", "old@example.com", -9, plan="Free", city="Oslo", firstName="A", lastName="Lee"))
    assert outcome == {"identify": {"changed": 1}}
    assert house.attributes("ann@example.com") == {"plan": "Premium", "city": "Oslo"}
    contact = house.forms["ann@example.com"].contact
    assert (contact["first_name"], contact["last_name"]) == ("Ann", "Lee")
    assert "old@example.com" not in house.forms


def test_an_older_call_that_fills_nothing_changes_nothing(house: House) -> None:
    """A history that is read again costs no request."""
    house.take(identify("1", "ann@example.com", -1, plan="Premium"))
    house.synced()
    assert house.take(identify("1", "ann@example.com", -9, plan="Free")) == {"identify": {"unchanged": 1}}
    assert house.to_look_at == set()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_any_order_gives_the_same_contact(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Three calls end in one form in whatever order and batches they arrive."""
    calls = [
        identify("1", "ann@example.com", -3, plan="Free", city="Oslo"),
        identify("1", None, -2, plan=None, plan_id=7),
        identify("1", "ann@example.com", -1, plan="Team"),
    ]
    house = House(tmp_path)
    for number in order:
        house.take(calls[number])
    assert house.attributes("ann@example.com") == {"plan": "Team", "city": "Oslo", "plan_id": "7"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(5)))[::5])
def test_calls_of_one_batch_are_merged_as_one_by_one(tmp_path: Path, order: tuple[int, ...]) -> None:
    """They are joined evenly, so that they cost what was sent; a person is the same all the same."""
    calls = [
        identify("1", "ann@example.com", -3, plan="Free", city="Oslo", n=1),
        identify("1", "new@example.com", -1, plan="Team"),
        identify("1", None, -1, plan="Pro", n=2),
        identify("1", None, -2, city="Rome", firstName="Ann"),
        ("customers", {"id": 1, "email": "row@example.com", "plan": "Row", "updated_at": at(-2)}),
    ]
    together, apart = House(f"sqlite:///{tmp_path / 'together.db'}"), House(f"sqlite:///{tmp_path / 'apart.db'}")
    together.take(*(calls[number] for number in order))
    for number in order:
        apart.take(calls[number])
    persons = [house.store.read(lambda tx: people.load(tx, ["1"]))["1"].person() for house in (together, apart)]
    assert [facts(person) for person in persons] == [facts(persons[0])] * 2
    assert together.forms == apart.forms


def facts(person: Person) -> object:
    """Return what is known of a person, with the time of each value."""
    of_parts = {
        name: (part.time, part.email, part.email_at, sorted(part.names), sorted(part.traits, key=str))
        for name, part in person.parts.items()
    }
    return of_parts, person.traits.standing


@pytest.mark.parametrize("swapped", [False, True])
def test_of_two_calls_of_one_time_always_the_same_stands(tmp_path: Path, *, swapped: bool) -> None:
    """Equal times are settled by the values, not by arrival."""
    calls = [identify("1", "ann@example.com", -1, plan="A"), identify("1", "ann@example.com", -1, plan="B")]
    house = House(tmp_path)
    for call in calls[::-1] if swapped else calls:
        house.take(call)
    assert house.attributes("ann@example.com") == {"plan": "B"}


def test_a_name_that_no_database_can_hold_has_one_time(house: House) -> None:
    """Half a surrogate pair is kept as a question mark: what is said of the one is said of the other."""
    for hours, name, plan in ((-10, "p\ud800", "old"), (-2, "p\ud800", "new"), (-5, "p?", "between")):
        house.take(identify("1", "ann@example.com", hours, **{name: plan}))
    assert house.attributes("ann@example.com") == {"p_": "new"}


def test_null_in_a_call_says_nothing(house: House) -> None:
    """A call names only what it knows of."""
    house.take(identify("1", "ann@example.com", -2, plan="Premium"))
    assert house.take(identify("1", None, -1, plan=None)) == {"identify": {"unchanged": 1}}
    assert house.attributes("ann@example.com") == {"plan": "Premium"}


def test_null_in_a_snapshot_takes_the_trait_away(house: House) -> None:
    """A row of `users` or of a plain table tells the whole present state."""
    house.take(identify("1", "ann@example.com", -3, plan="Premium", city="Oslo"))
    assert house.take(user(-2, email="ann@example.com", plan=None)) == {"identify": {"changed": 1}}
    assert house.attributes("ann@example.com") == {"city": "Oslo"}
    # An older call does not bring it back.
    house.take(identify("1", None, -2.5, plan="Free"))
    assert house.attributes("ann@example.com") == {"city": "Oslo"}
    house.take(identify("1", None, -1, plan="Team"))
    assert house.attributes("ann@example.com") == {"city": "Oslo", "plan": "Team"}


def test_null_in_a_plain_table_takes_the_trait_away(house: House) -> None:
    """A table without a time is of now."""
    house.take(identify("1", "ann@example.com", -3, plan="Premium"))
    assert house.take(customer(plan=None)) == {"identify": {"changed": 1}}
    assert house.attributes("ann@example.com") == {}


def test_null_in_the_table_identifies_says_nothing(house: House) -> None:
    """Its rows are calls, with a column for every trait that any call ever had."""
    house.take(identify("1", "ann@example.com", -3, plan="Premium"))
    row = {"id": "i", "user_id": "1", "email": None, "plan": None, "received_at": at(-1)}
    assert house.take(("shop-identifies", row)) == {"identify": {"unchanged": 1}}
    assert house.attributes("ann@example.com") == {"plan": "Premium"}


def test_a_row_without_a_time_is_of_now(house: House) -> None:
    """It overrules what was said before, and what is said later overrules it."""
    house.take(identify("1", "ann@example.com", -1, plan="Premium"))
    house.take(customer(plan="Free"))
    assert house.attributes("ann@example.com") == {"plan": "Free"}
    house.take(identify("1", None, 1, plan="Team"))
    assert house.attributes("ann@example.com") == {"plan": "Team"}


@pytest.mark.parametrize("plans", [("Free", "Basic"), ("Basic", "Free")])
@pytest.mark.parametrize("batches", [1, 2])
def test_of_two_rows_without_a_time_the_later_read_stands(tmp_path: Path, plans: tuple[str, str], batches: int) -> None:
    """A tap of a log brings a row's updates in order, in one batch or in two, even while the clock stands still."""
    house = House(tmp_path)
    rows = [customer(plan=plan) for plan in plans]
    for batch in [rows] if batches == 1 else [rows[:1], rows[1:]]:
        house.take(*batch)
    assert house.attributes("ann@example.com") == {"plan": plans[1]}


def test_a_row_equal_to_the_last_one_of_its_stream_says_nothing(house: House) -> None:
    """A full table that is read every night does not overrule what was said since."""
    house.take(customer(plan="Free"))
    house.take(identify("1", None, 1, plan="Team"))
    house.now += 2 * 3600
    assert house.take(customer(plan="Free")) == {"identify": {"unchanged": 1}}
    assert house.attributes("ann@example.com") == {"plan": "Team"}
    # A row that differs speaks, and then the first one speaks again.
    house.take(customer(plan="Basic"))
    assert house.attributes("ann@example.com") == {"plan": "Basic"}
    house.take(customer(plan="Free"))
    assert house.attributes("ann@example.com") == {"plan": "Free"}


def test_each_stream_has_a_last_row_of_its_own(house: House) -> None:
    """Two tables that contradict each other do not change the contact back and forth every night."""
    house.configure(streams={"table-?": {"type": "identify", "fields": {"user_id": "id"}, "traits": ["*"]}})
    tables = [(f"table-{plan[0]}", {"id": 1, "email": "ann@example.com", "plan": plan}) for plan in ("Free", "Team")]
    assert [house.take(table) for table in tables] == [{"identify": {"changed": 1}}] * 2
    house.now += 24 * 3600
    assert [house.take(table) for table in tables] == [{"identify": {"unchanged": 1}}] * 2
    assert house.attributes("ann@example.com") == {"plan": "Team"}


def test_a_call_from_a_clock_that_is_days_fast_is_of_now(house: House) -> None:
    """It would win over all that is said until then."""
    house.take(identify("1", "ann@example.com", 24 * 30, plan="Free"))
    house.now += 60
    house.take(identify("1", None, 0.5, plan="Team"))
    assert house.attributes("ann@example.com") == {"plan": "Team"}


def test_true_and_1_differ(house: House) -> None:
    """Promoter is told `true` or `1`, which Python takes for equal."""
    house.take(identify("1", "ann@example.com", -2, vip=1))
    assert house.take(identify("1", None, -1, vip=True)) == {"identify": {"changed": 1}}
    assert house.attributes("ann@example.com") == {"vip": "true"}


def test_a_row_that_the_config_reads_in_another_way_speaks_again(house: House) -> None:
    """A contact list or a trait that is added to the config reaches people whose rows did not change."""
    row = ("people", {"id": 1, "email": "ann@example.com", "plan": "Free", "tier": "gold"})
    people: dict[str, Any] = {"type": "identify", "fields": {"user_id": "id"}, "traits": ["plan"]}
    house.configure(streams={"people": people})
    house.take(row)
    assert house.take(row) == {"identify": {"unchanged": 1}}
    house.configure(streams={"people": {**people, "contact_lists": [6]}})
    assert house.take(row) == {"identify": {"changed": 1}}
    assert house.forms["ann@example.com"].contact_lists == (6,)
    house.configure(streams={"people": {**people, "contact_lists": [6], "traits": ["plan", "tier"]}})
    assert house.take(row) == {"identify": {"changed": 1}}
    assert house.attributes("ann@example.com") == {"plan": "Free", "tier": "gold"}
    assert house.take(row) == {"identify": {"unchanged": 1}}


def test_a_deletion_leaves_only_what_was_said_after_it(house: House) -> None:
    """Somebody who comes back comes back as somebody new: no trait, no name, no list of before."""
    house.take(("members", {"id": 1, "email": "ann@example.com", "plan": "Free", "updated_at": at(-9)}))
    assert house.take(identify("1", _sdc_deleted_at=at(-5))) == {"identify": {"deleted": 1}}
    assert house.forms == {}
    assert house.take(identify("1", "ann@example.com", -1, city="Oslo")) == {"identify": {"changed": 1}}
    assert house.attributes("ann@example.com") == {"city": "Oslo"}
    assert house.forms["ann@example.com"].contact_lists == ()


def test_what_was_said_before_a_deletion_says_nothing(house: House) -> None:
    """A history that is read again, or late, does not bring a deleted person back."""
    house.take(identify("1", _sdc_deleted_at=at(-5)))
    assert house.take(identify("1", "ann@example.com", -6)) == {"identify": {"unchanged": 1}}
    assert house.forms == {}


def test_what_was_said_after_a_deletion_stands(house: House) -> None:
    """A deletion that is read late takes nothing away from somebody who came back."""
    house.take(identify("1", "ann@example.com", -6, plan="Free"), identify("1", "ann@example.com", -1, city="Oslo"))
    house.take(identify("1", _sdc_deleted_at=at(-5)))
    assert house.attributes("ann@example.com") == {"city": "Oslo"}


@pytest.mark.parametrize("batches", [1, 2])
def test_a_deletion_takes_along_a_row_without_a_time_that_came_before_it(tmp_path: Path, batches: int) -> None:
    """The row was read just now, but deleted long ago: a tap of a log brings both in order, again and again."""
    house = House(tmp_path)
    rows = [customer(plan="Free"), ("customers", {"id": 1, "_sdc_deleted_at": at(-50)})]
    for _ in range(2):
        for batch in [rows] if batches == 1 else [rows[:1], rows[1:]]:
            house.take(*batch)
        assert house.forms == {}
        house.now += 60


def test_nothing_of_a_row_without_a_time_outlives_a_deletion(house: House) -> None:
    """Somebody who comes back has none of its traits and lists, though the row was read after the deletion's time."""
    house.take(customer(plan="Free", first_name="Ann"))
    house.take(("customers", {"id": 1, "_sdc_deleted_at": at(-50)}))
    house.take(identify("1", "ann@example.org", -1, city="Oslo"))
    (form,) = house.forms.values()
    assert form.contact == {"email": "ann@example.org", "attributes": {"city": "Oslo", "user_id": "1"}}
    assert form.contact_lists == ()


def test_a_row_without_a_time_that_comes_after_a_deletion_is_a_new_person(house: House) -> None:
    """Even if it is the very row that was deleted, and the deletion's clock is ahead."""
    house.take(customer(plan="Free"))
    house.take(("customers", {"id": 1, "_sdc_deleted_at": at(1)}))
    assert house.take(customer(plan="Free")) == {"identify": {"changed": 1}}
    assert house.attributes("ann@example.com") == {"plan": "Free"}


def test_a_deletion_read_again_says_nothing(house: House) -> None:
    """Taps bring the last row of their bookmark again; in the meantime another stream knows the person."""
    deletion = ("members", {"id": 1, "_sdc_deleted_at": at(-5)})
    house.take(deletion)
    house.take(customer(plan="Free"))
    assert house.take(deletion) == {"identify": {"deleted": 1}}
    assert house.attributes("ann@example.com") == {"plan": "Free"}


def test_a_deletion_in_another_stream_stands_against_rows_that_do_not_change(house: House) -> None:
    """A table that still has the person does not bring it back night after night."""
    house.take(customer(plan="Free"))
    house.take(("members", {"id": 1, "_sdc_deleted_at": at(-5)}))
    house.now += 24 * 3600
    assert house.take(customer(plan="Free")) == {"identify": {"unchanged": 1}}
    assert house.forms == {}


@pytest.mark.parametrize("named", [{"user_id": "u1"}, {"anonymousId": "a1"}])
def test_a_contact_loses_the_properties_of_somebody_who_was_deleted_and_came_back_the_same(
    house: House, named: dict[str, str]
) -> None:
    """Both in one batch: what was said of the person is as it was, what it did before is gone."""
    house.take(identify("u1", "u1@example.com", -9, plan="pro", anonymousId="a1"))
    house.take(track("Order Completed", hours=-8, total=5, **named))
    assert house.attributes("u1@example.com")["order_completed_total"] == "5"
    house.synced()
    deletion = ("calls", {"type": "delete", "userId": "u1", "timestamp": at(-3)})
    house.take(deletion, identify("u1", "u1@example.com", -2, plan="pro"))
    assert house.attributes("u1@example.com") == {"plan": "pro"}
    assert house.to_look_at == {"u1@example.com"}
