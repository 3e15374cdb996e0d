"""What an answer of Promoter means."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_promoter.promoter.answers import WORDS_LENGTH, Reply, meaning

if TYPE_CHECKING:
    from target_promoter.promoter.answers import Answer, Outcome

NOW = 1_750_000_000.0
KEY = "k3y-0123456789"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def answer(status: int, body: object = None, *, survey: bool = False, retry_after: str | None = None) -> Answer:
    """Return what an answer means; a body of bytes goes as it is, another one as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return meaning(Reply.read(status, raw, retry_after), survey=survey, secret=KEY, now=NOW)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "accepted"),
        (201, "accepted"),
        (204, "accepted"),
        (400, "refused"),
        (402, "unavailable"),
        (407, "unavailable"),
        (408, "unanswered"),
        (409, "refused"),
        (413, "refused"),
        (422, "refused"),
        (429, "rate_limited"),
        (431, "unavailable"),
        (451, "unavailable"),
        (500, "unanswered"),
        (501, "unanswered"),
        (502, "unanswered"),
        (503, "unavailable"),
        (504, "unanswered"),
        (599, "unanswered"),
        (101, "unanswered"),
        (999, "unanswered"),
    ],
)
@pytest.mark.parametrize("survey", [True, False])
def test_statuses(status: int, outcome: Outcome, *, survey: bool) -> None:
    """A refusal is about this request, a 5xx leaves it in doubt, every other 4xx was not carried out."""
    got = answer(status, {"detail": "So."}, survey=survey)
    assert (got.outcome, got.status, got.is_json) == (outcome, status, True)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 404, 405, 406, 410, 411, 414, 415, 421, 426])
def test_foreign_statuses(status: int) -> None:
    """What Promoter's API never answers is told apart from what it does."""
    assert Reply.read(status, b"", None).is_foreign


@pytest.mark.parametrize("status", [200, 400, 401, 403, 408, 429, 500, 503])
def test_own_statuses(status: int) -> None:
    """What Promoter's API answers is not taken for somebody else's."""
    assert not Reply.read(status, b"", None).is_foreign


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"non_field_errors": ["Contact is not eligible for survey."]}, "not_eligible"),
        ({"detail": "CONTACT IS NOT  ELIGIBLE"}, "not_eligible"),
        (b"Contact is not eligible for survey.", "not_eligible"),
        ({"campaign_id": ['Invalid pk "5" - object does not exist.']}, "unknown_campaign"),
        ({"campaign": ["This field is required."], "contact": {"email": ["Blank."]}}, "unknown_campaign"),
        ({"campaign_id": ["This campaign is not eligible."]}, "unknown_campaign"),
        ({"contact": {"campaign": ["Not a valid string."]}}, "refused"),
        ({"contact": {"email": ["Enter a valid email address."]}}, "refused"),
        (["not a campaign"], "refused"),
        (b"", "refused"),
    ],
)
def test_refused_surveys(body: object, outcome: Outcome) -> None:
    """A refused survey tells the throttle, a campaign that does not exist and everything else apart."""
    assert answer(400, body, survey=True).outcome == outcome


@pytest.mark.parametrize(
    "body", [{"non_field_errors": ["Contact is not eligible for survey."]}, {"campaign": ["Unknown."]}]
)
def test_refused_contacts(body: object) -> None:
    """A contact is refused whatever the reason: campaigns and throttle are matters of surveys."""
    assert answer(400, body).outcome == "refused"


def test_unknown_lists() -> None:
    """A contact list that does not exist is no contact's fault; a survey names no list."""
    body = {"contact_list": ['Invalid pk "98" - object does not exist.']}
    assert answer(400, body).outcome == "unknown_list"
    assert answer(400, body, survey=True).outcome == "refused"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"contact": {"email": ["This field may not be blank."]}}, "contact.email: This field may not be blank."),
        ({"non_field_errors": ["One.", "Two."]}, "One.; Two."),
        ({"detail": "Over."}, "Over."),
        ({"a": {"non_field_errors": ["One."]}, "b": [{"c": ["Two."]}]}, "a: One.; b.c: Two."),
        ({"email": ["«tom@example.com» is taken."]}, "email: «t…@example.com» is taken."),
        ({"tom@example.com": ["Taken."]}, "t…@example.com: Taken."),
        ({"detail": f"Token {KEY} is tired."}, "Token … is tired."),
        ({"detail": "two\n  lines\u2028and more"}, "two lines and more"),
        ({"detail": "red \x1b[31m\x00text \ud800"}, "red [31m text"),
        ("Plain.", "Plain."),
        (None, "None"),
        (b"upstream  failed\n", "upstream failed"),
        (b"  <html><h1>Bad Gateway</h1>", ""),
        (b"", ""),
    ],
)
def test_words(body: object, words: str) -> None:
    """Promoter's words are one line that names the fields, without addresses and without the key."""
    assert answer(400, body).words == words


def test_long_words_are_cut() -> None:
    """Words are cut after the masking, so that no half of an address or key is left at the end."""
    email = "somebody.with.a.name@example.com"
    for length in range(WORDS_LENGTH - 40, WORDS_LENGTH + 1):
        words = answer(400, {"detail": "x" * (length - 1) + f" {email} {KEY} and more" * 20}).words
        assert len(words) == WORDS_LENGTH
        assert "some" not in words
        assert "k3y" not in words


@given(json_values)
def test_any_json_makes_words(body: object) -> None:
    """Whatever JSON Promoter answers, it is one line of bounded length."""
    words = answer(400, body).words
    assert len(words) <= WORDS_LENGTH
    assert words.isprintable()


def test_deep_json() -> None:
    """An answer that is nested a hundred thousand deep ends no run."""
    assert not answer(400, b"[" * 100_000 + b"]" * 100_000).is_json
    assert len(answer(400, b"[" * 400 + b"]" * 400).words) <= WORDS_LENGTH


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        ("42", None, 42.0),
        (" 1.5 ", None, 1.5),
        ("0", None, 0.0),
        ("-5", None, 0.0),
        (formatdate(NOW + 90, usegmt=True), None, 90.0),
        (formatdate(NOW - 90, usegmt=True), None, 0.0),
        (formatdate(NOW + 90, localtime=False).replace("-0000", "+0100"), None, 0.0),
        ("Sun, 15 Jun 2025 15:07:40", None, 60.0),
        ("soon", None, None),
        ("nan", None, None),
        ("inf", None, 86_400.0),
        ("1e12", None, 86_400.0),
        ("9" * 5000, None, 86_400.0),
        (str(NOW), None, 86_400.0),
        (formatdate(NOW + 1e9, usegmt=True), None, 86_400.0),
        (None, {"detail": "Expected available in 1750000000000.0 seconds."}, 86_400.0),
        ("Sun, 15 Jun 99999 15:07:40 GMT", None, None),
        (None, {"detail": "Request was throttled. Expected available in 42.0 seconds."}, 42.0),
        (None, {"detail": "Expected available in 1 second."}, 1.0),
        (None, {"detail": "Later."}, None),
        ("7", {"detail": "Expected available in 42.0 seconds."}, 7.0),
    ],
)
def test_retry_after(status: int, header: str | None, body: object, seconds: float | None) -> None:
    """The wait comes from the header, in seconds or as a date, else from the words, from none to a day."""
    assert answer(status, body, retry_after=header).retry_after == seconds


def test_retry_after_of_others() -> None:
    """Only an answer that asks to come again later has a wait."""
    assert answer(500, None, retry_after="42").retry_after is None
    assert answer(400, {"detail": "Older than 5 seconds."}).retry_after is None


def test_garbage_is_told() -> None:
    """A yes without JSON says so, that the caller may doubt it."""
    got = answer(200, b"<html>Gateway")
    assert (got.outcome, got.is_json) == ("accepted", False)


def test_gone() -> None:
    """Only Promoter's own words for a missing thing count as such, not any page that is not found."""
    assert Reply.read(404, b'{"detail": "Not found."}', None).is_gone
    assert not Reply.read(404, b'{"detail": "Other."}', None).is_gone
    assert not Reply.read(404, b"<h1>Not found</h1>", None).is_gone
    assert not Reply.read(400, b'{"detail": "Not found."}', None).is_gone
