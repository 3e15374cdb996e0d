"""How text from outside is shown: addresses, secrets, store addresses."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_promoter.values.printable import masked, masked_text


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("tom@example.com", "t…@example.com"),
        (" Tom@example.com ", "T…@example.com"),
        ('"a@b"@example.com', '"…@example.com'),
        ("tom", "t…"),
        ("", "…"),
    ],
)
def test_masked(email: str, shown: str) -> None:
    """Only the first character of a name is shown, and what is no address shows no more."""
    assert masked(email) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no address, 5 @ 3 €", "no address, 5 @ 3 €"),
        ("ask tom.t+x@example.com, then <ann@example.org>.", "ask t…@example.com, then <a…@example.org>."),
        ('{"email":"tom@example.com"}', '{"email":"t…@example.com"}'),
        ("email=tom@example.com|to:ann@example.org", "email=t…@example.com|to:a…@example.org"),
        ("tom@localhost", "t…@localhost"),
    ],
)
def test_masked_text(text: str, shown: str) -> None:
    """Every address in a text is masked, whatever stands around it, and the rest stays as it is."""
    assert masked_text(text) == shown


@given(st.from_regex(r"[a-z0-9.+_'-]{2,20}", fullmatch=True), st.text(max_size=20), st.text(max_size=20))
def test_no_name_shines_through(name: str, before: str, after: str) -> None:
    """The name of an address that stands between spaces is never shown."""
    assert f"{name}@example.com" not in masked_text(f"{before} {name}@example.com {after}")


@pytest.mark.parametrize("text", ["a" * 1_000_000 + "@b", "@" * 1_000_000, "a@" * 500_000])
def test_long_texts_are_cheap(text: str) -> None:
    """A megabyte that a server answers is masked in less than a second."""
    started = time.perf_counter()
    masked_text(text)
    assert time.perf_counter() - started < 1
