"""What Promoter accepts as attributes."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_promoter.contacts.attributes import Note, contact_attributes, survey_attributes
from target_promoter.store.encoding import encode

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals(allow_nan=True)
    | st.text()
    | st.characters(categories=["Cs", "Cc"])
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def text_of(value: object) -> str | None:
    """Return the one attribute that a value becomes."""
    return contact_attributes([("x", value)]).values.get("x")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (12.5, "12.5"),
        (12.50000000001, "12.50000000001"),
        (0.1 + 0.2, "0.3"),
        (Decimal("0.30000000000000004"), "0.3"),
        (33.33 + 66.66, "99.99"),
        (4.35 * 100, "435"),
        (Decimal("12345678901234567.89"), "12345678901234567.89"),
        (Decimal("0.12345678901234567"), "0.12345678901234567"),
        (Decimal("1234567890123456789012345678901234567890.5"), "1234567890123456789012345678901234567890.5"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("1E-400"), "0"),
        (Decimal("1E+2"), "100"),
        (Decimal("12.50"), "12.5"),
        (Decimal("0.00001234"), "0.00001234"),
        (1e20, "100000000000000000000"),
        (12.0, "12"),
        (-0.0, "0"),
        (10**40, "1" + "0" * 40),
        ("Premium", "Premium"),
        ("a\x00b\x1f\x7f\ud800", "ab"),
        ("first\r\nsecond", "first second"),
        ("naïve 名", "naïve 名"),
        (["a", 1, 2.5, True, None, ""], "a, 1, 2.5, true"),
        ("2024-01-15", "2024-01-15"),
        ("2024-01-15T10:00:00.123+02:00", "2024-01-15T08:00:00Z"),
        ("2024-01-15 10:00:00Z", "2024-01-15T10:00:00Z"),
        ("2024-01-15T10:00", "2024-01-15T10:00:00Z"),
        ("2024-01-15 10:00:00.5", "2024-01-15T10:00:00Z"),
        ("2024-01-15          ", "2024-01-15          "),
        ("2024-02-31T10:00:00Z", "2024-02-31T10:00:00Z"),
        ("2024-1-15T10:00:00Z", "2024-1-15T10:00:00Z"),
        ("9/23/17", "9/23/17"),
        ("2024-01-15 10:00-11:00", "2024-01-15 10:00-11:00"),
        ("2024-01-15 10:00:00 +0000 UTC", "2024-01-15T10:00:00Z"),
        (dt.date(2024, 1, 15), "2024-01-15"),
        (dt.datetime(2024, 1, 15, 10, 0, 0, 5), "2024-01-15T10:00:00Z"),  # noqa: DTZ001 - as taps send it
        (dt.datetime(2024, 1, 15, 10, tzinfo=dt.timezone(dt.timedelta(hours=2))), "2024-01-15T08:00:00Z"),
        (dt.time(10, 30), "10:30:00"),
    ],
)
def test_values_of_contacts_are_text(value: object, text: str) -> None:
    """A contact's values are strings: plain numbers, times in UTC (also without a zone), no control characters."""
    assert text_of(value) == text


@pytest.mark.parametrize("value", [None, "", "   ", "\x00", [], {}, [None, ""], {"a": None}])
def test_what_is_empty_is_left_out(value: object) -> None:
    """Null and the empty text are not stored by Promoter, so they are left out without a word."""
    assert contact_attributes([("x", value)]) == contact_attributes([])


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), Decimal("sNaN"), Decimal("1E+999999"), pytest.param(10**5000, id="huge"), b"x"],
)
def test_what_is_no_value_is_left_out_with_a_note(value: object) -> None:
    """What Promoter cannot hold is left out, and the report says so."""
    attributes = contact_attributes([("x", value)])
    assert attributes.values == {}
    assert [(note.kind, note.name) for note in attributes.notes] == [("left out", "x")]


def test_objects_flatten_and_lists_of_objects_become_their_length() -> None:
    """Dictionaries and lists are not stored by Promoter."""
    order = {
        "address": {"street": "Main St", "geo": {"lat": 1.5}},
        "products": [{"id": 1}, {"id": 2}],
        "nested": [[1], [2]],
    }
    assert contact_attributes(order.items()).values == {
        "address_geo_lat": "1.5",
        "address_street": "Main St",
        "nested_count": "2",
        "products_count": "2",
    }


def test_names_are_cleaned_and_the_report_says_so() -> None:
    """Anything but letters, digits, `_` and space becomes `_`."""
    attributes = contact_attributes([("a.b$c", 1), ("Plan Name_2", 2)])
    assert attributes.values == {"Plan Name_2": "2", "a_b_c": "1"}
    assert attributes.notes == (Note("renamed", "a.b$c", "a_b_c"),)


def test_of_two_names_that_become_one_the_later_wins() -> None:
    """The report names both; case makes another attribute."""
    attributes = contact_attributes([("a.b", "old"), ("a-b", "new"), ("A_b", "other")])
    assert attributes.values == {"A_b": "other", "a_b": "new"}
    merged = [note for note in attributes.notes if note.kind == "merged"]
    assert [note.name for note in merged] == ["a-b"]
    assert "a.b" in merged[0].detail


def test_an_object_and_a_flat_name_merge_with_a_note() -> None:
    """`address.street` and `address_street` are one attribute."""
    attributes = contact_attributes([("address_street", "old"), ("address", {"street": "new"})])
    assert attributes.values == {"address_street": "new"}
    assert [note.kind for note in attributes.notes] == ["merged"]


def test_a_later_value_of_the_same_name_is_no_merge() -> None:
    """A trait that changes is nothing to report; a later null takes nothing away."""
    attributes = contact_attributes([("plan", "old"), ("plan", "new"), ("plan", None)])
    assert attributes.values == {"plan": "new"}
    assert attributes.notes == ()


def test_nesting_has_an_end() -> None:
    """An object nested without reason is left out from where it gets absurd."""
    value: object = 1
    for _ in range(900):
        value = {"a": value}
    attributes = contact_attributes([("x", value), ("y", 1)])
    assert attributes.values == {"y": "1"}
    assert [note.kind for note in attributes.notes] == ["left out"]


def test_survey_attributes_are_json_values() -> None:
    """A survey's own attributes keep numbers and booleans, and go through any JSON encoder."""
    properties = {
        "total": Decimal("99.90"),
        "noise": 0.1 + 0.2,
        "count": Decimal("3.0"),
        "gift": True,
        "note": "hi",
        "at": dt.datetime(2024, 1, 15, tzinfo=dt.UTC),
        "products": [{"id": 1}],
        "ship": {"city": "Bern"},
        "none": None,
    }
    expected = {
        "at": "2024-01-15T00:00:00Z",
        "count": 3,
        "gift": True,
        "noise": 0.3,
        "note": "hi",
        "products_count": 1,
        "ship_city": "Bern",
        "total": 99.9,
    }
    assert json.loads(json.dumps(survey_attributes(properties).values)) == expected


@pytest.mark.slow
@given(st.lists(st.tuples(st.text(), ANYTHING), max_size=5))
def test_whatever_comes_promoter_accepts_what_goes(values: list[tuple[str, object]]) -> None:
    """Names and values are always of the kind Promoter stores, sorted, and the same each time."""
    attributes = contact_attributes(values)
    assert list(attributes.values) == sorted(attributes.values)
    for name, value in attributes.values.items():
        assert re.fullmatch(r"[A-Za-z0-9_ ]+", name)
        assert isinstance(value, str)
        assert value.strip()
        assert not re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", value)
    assert contact_attributes(values) == attributes


@given(st.dictionaries(st.text(), ANYTHING, max_size=5))
def test_whatever_comes_a_survey_is_json(properties: dict[str, object]) -> None:
    """A survey's attributes are scalars that JSON can write."""
    for value in survey_attributes(properties).values.values():
        assert isinstance(value, (str, int, float, Decimal))
        json.loads(encode(value))
