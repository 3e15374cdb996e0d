"""Ids, addresses and fingerprints as taps deliver them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from target_promoter.values.reading import email_address, fingerprint, from_json_text, identifier, person_id


@pytest.mark.parametrize("value", [7, 7.0, "7", " 7 ", "7.0", "7.000", Decimal(7), Decimal("7.00"), Decimal("0.7E1")])
def test_numbers_and_text_are_the_same_id(value: object) -> None:
    """A tap of a database sends numbers where another sends text."""
    assert identifier(value) == "7"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7.50", "7.50"),
        ("v7.0", "v7.0"),
        ("007.0", "007.0"),
        (7.5, "7.5"),
        (Decimal("7.50"), "7.5"),
        (0, "0"),
        (-3, "-3"),
        ("a\x00b", "a\ufffdb"),
        (2**64, str(2**64)),
    ],
)
def test_ids_as_text(value: object, expected: str) -> None:
    """Text stays as it is, but for what no database can hold."""
    assert identifier(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "  ",
        True,
        False,
        [],
        ["7"],
        {"id": 7},
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        pytest.param(10**5000, id="huge"),
    ],
)
def test_what_is_no_id(value: object) -> None:
    """Booleans, objects and not-a-number name nobody."""
    assert identifier(value) is None


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (" Ann.Lee+x@Example.COM\n", "ann.lee+x@example.com"),
        ("o'neil@sub.example.co.uk", "o'neil@sub.example.co.uk"),
        ("ann@bücher.example", "ann@bücher.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("mailto:Ann@example.com", "ann@example.com"),
        ("MAILTO:ann@example.com?subject=Hi", "ann@example.com"),
        ("Ann <ann@example.com>", "ann@example.com"),
        ('"Lee, Ann" <ann@example.com> ', "ann@example.com"),
        ("<mailto:ann@example.com>", "ann@example.com"),
        ("\ufeffann@example.com", "ann@example.com"),
        ("\u200bann@example.com\u200d\u200b", "ann@example.com"),
        ("ann@example.com\xa0", "ann@example.com"),
    ],
)
def test_email_addresses_are_trimmed_and_lower_case(value: str, address: str) -> None:
    """Two spellings of an address are one contact; what mail programs write around it, and what nobody sees, goes."""
    assert email_address(value) == address


@pytest.mark.parametrize(
    "value",
    [
        "ann",
        "ann@",
        "@example.com",
        "ann@example",
        "a b@example.com",
        "ann@example..com",
        ".ann@example.com",
        "ann@-a.com",
        "ann@exa_mple.com",
        "ann@1.2.3.4",
        "a@b@example.com",
        "ann@example.com, bob@example.com",
        "Ann <ann@example.com> <bob@example.com>",
        "ann@example.com <bob@example.com>",
        "ann@example.com;bob@example.com",
        "mailto:ann@example.com,bob@example.com",
        "Ann <ann@example.com",
        "ann\u200b@example.com",
        "a" * 65 + "@example.com",
        "ann@" + "a." * 130 + "com",
        "ann\x00@example.com",
        "ann\ud800@example.com",
        7,
        True,
        ["a@b.co"],
    ],
)
def test_what_is_no_email_address(value: object) -> None:
    """What has not the form of an address is not sent to Promoter."""
    assert email_address(value) is None


@pytest.mark.parametrize(
    "value",
    [
        *(
            None,
            "",
            " ",
            "null",
            "NULL",
            "None",
            "nil",
            "undefined",
            "NaN",
            "n/a",
            "N/A",
            "anonymous",
            "Guest",
            "unknown",
        ),
        *("true", "False", "[object Object]", 0, "0", "0.0", 0.0, "00", "00000000-0000-0000-0000-000000000000"),
        *("{00000000-0000-0000-0000-000000000000}", "00000000000000000000000000000000", "(null)", "<nil>", "-", True),
    ],
)
def test_a_placeholder_is_nobody(value: object) -> None:
    """Strangers for whom a program writes the same word must not become one person."""
    assert person_id(value) is None


@pytest.mark.parametrize("value", ["10", 100, "u0", "null-7", "nobody@example.com", "-1", "0x1", "guest7", "Anna"])
def test_other_ids_are_somebody(value: object) -> None:
    """What only looks like a placeholder is an id."""
    assert person_id(value) == str(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["x", 1.10]', ["x", Decimal("1.10")]),
        (' {"city": "Rome"}', {"city": "Rome"}),
        ("[sic] hello", "[sic] hello"),
        ("{not json", "{not json"),
        ("[" * 1000 + "]" * 1000, "[" * 1000 + "]" * 1000),
        ("12", "12"),
        (7, 7),
        (None, None),
    ],
)
def test_lists_and_objects_as_json_text(text: object, value: object) -> None:
    """A warehouse's JSON text of a list or an object is that list or object; all else is itself."""
    assert from_json_text(text) == value


def test_fingerprints() -> None:
    """Equal records have equal fingerprints, whatever the order of columns and what the tap added of its own."""
    record = {"a": 1, "b": Decimal("1.5"), "c": {"x": "\ud800"}, "d": dt.datetime(2024, 5, 1)}  # noqa: DTZ001 - as taps send it
    same = fingerprint({**dict(reversed(record.items())), "_sdc_received_at": 1})
    assert fingerprint(record) == same
    assert fingerprint({**record, "a": 2}) != same
    assert len(same or b"") == 16
