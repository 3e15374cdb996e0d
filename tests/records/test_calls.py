"""What a record says, whatever a tap sends."""

from __future__ import annotations

import datetime as dt
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_promoter.config.settings import Settings
from target_promoter.records.calls import Identify, Track
from target_promoter.records.streams import Stream, recognize
from target_promoter.values.reading import email_address, fingerprint, identifier
from target_promoter.values.times import epoch_seconds

RAW = (
    "type action userId anonymousId messageId event timestamp originalTimestamp sentAt "
    "traits properties context integrations"
)
HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), Decimal("sNaN"), Decimal("1E+999999999"), "{", '{"email": 1}', "[1]"])
    | st.floats()
    | st.decimals()
    | st.text()
    | st.characters(categories=["Cs", "Cc"])
    | st.datetimes()
    | st.dates()
    | st.times(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["email", "name", "traits", "All", "integrations", "x"]) | st.text(), inner, max_size=4
        )
    ),
    max_leaves=6,
)
FLAT = "id user_id anonymous_id email first_name name event event_text timestamp received_at plan context_traits_email"


def stream(columns: str, keys: list[str] | None = None, name: str = "calls", **setting: object) -> Stream:
    """Return a stream of these columns."""
    settings = Settings.from_config({"api_key": "k", "streams": {name: setting} if setting else {}})
    return recognize(name, {"properties": {column: {} for column in columns.split()}}, keys or [], settings)


def call(record: dict[str, Any], columns: str = RAW) -> Identify | Track:
    """Return what a raw call says."""
    found = stream(columns).read(record)
    assert found is not None
    return found


def identify(traits: object = None, **record: object) -> Identify:
    """Return what a raw identify call says."""
    found = call({"type": "identify", "userId": "1", "traits": traits, **record})
    assert isinstance(found, Identify)
    return found


def track(**record: object) -> Track:
    """Return what a raw track call says."""
    at = "2024-05-01T10:00:00Z"
    found = call({"type": "track", "userId": "1", "event": "E", "messageId": "m", "timestamp": at, **record})
    assert isinstance(found, Track)
    return found


@pytest.mark.parametrize("value", [7, 7.0, "7", " 7 ", Decimal(7), Decimal("7.00"), Decimal("0.7E1")])
def test_numbers_and_text_are_the_same_id(value: object) -> None:
    """A tap of a database sends numbers where another sends text."""
    assert identifier(value) == "7"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7.0", "7.0"),
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
    ],
)
def test_email_addresses_are_trimmed_and_lower_case(value: str, address: str) -> None:
    """Two spellings of an address are one contact."""
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
        "Ann <ann@example.com>",
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
        "2024-05-01T10:00:00Z",
        "2024-05-01T10:00:00.000000+00:00",
        "2024-05-01 10:00:00",
        "2024-05-01 10:00",
        "2024-05-01 10:00:00.000 UTC",
        "2024-05-01T12:00:00+02:00",
        "2024-05-01T04:30:00-0530",
        "2024-05-01T12:00:00+02",
        1714557600,
        1714557600000,
        Decimal("1714557600.0"),
        "1714557600",
        "1714557600000",
        dt.datetime(2024, 5, 1, 10),  # noqa: DTZ001 - as taps send it
        dt.datetime(2024, 5, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    ],
)
def test_times(value: object) -> None:
    """ISO 8601 text with or without zone, Python's own objects, epoch seconds and milliseconds; no zone is UTC."""
    assert epoch_seconds(value) == 1714557600.0


def test_a_date_is_its_midnight() -> None:
    """A date alone is the start of that day in UTC."""
    assert epoch_seconds("2024-05-01") == epoch_seconds(dt.date(2024, 5, 1)) == 1714521600.0


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "2024-13-01",
        "2024-02-30T10:00:00Z",
        "2024-05-01T25:00:00Z",
        "2024-05-01T10:00:00+99:00",
        "9/23/17",
        "20240501",
        "0001-01-01T00:00:00Z",
        -1,
        1e300,
        float("nan"),
        Decimal("sNaN"),
        True,
        [],
        {},
        dt.datetime(1, 1, 1),  # noqa: DTZ001 - as taps send it
        "٢٠٢٤-05-01",
        pytest.param(10**5000, id="huge"),
    ],
)
def test_what_is_no_time(value: object) -> None:
    """What cannot be read, or lies outside the years 1970 to 9999, is no time."""
    assert epoch_seconds(value) is None


@given(st.datetimes(min_value=dt.datetime(1970, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - hypothesis adds the zone
def test_times_survive_their_text(moment: dt.datetime) -> None:
    """A time and its ISO text are the same time, wherever the clock stood."""
    try:
        in_utc = moment.astimezone(dt.UTC)
    except OverflowError:
        return
    text = in_utc.isoformat()
    assert epoch_seconds(text) == epoch_seconds(in_utc)
    if in_utc.year >= 1970:
        assert epoch_seconds(moment) == pytest.approx(in_utc.timestamp(), abs=1e-3)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"userId": None}, "no user id"),
        ({"userId": True}, "no user id"),
        ({"traits": {"email": "n/a"}}, "no usable e-mail address"),
        ({"traits": {"email": ["a@b.co"]}}, "no usable e-mail address"),
        ({"timestamp": "soon"}, "no readable time"),
        ({"traits": {"email": ""}}, None),
        ({"traits": {"email": None}}, None),
        ({"timestamp": "soon", "sentAt": "2024-05-01"}, None),
    ],
)
def test_problems_of_an_identify_call(record: dict[str, Any], problem: str | None) -> None:
    """What must be rejected says why, without showing personal data."""
    assert identify(**record).problem == problem


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"userId": ""}, "no user id, anonymous id or usable e-mail address"),
        ({"event": None}, "no event"),
        ({"event": " - "}, "no event"),
        ({"event": {"a": 1}}, "no event"),
        ({"timestamp": None}, "no readable time"),
        ({"timestamp": "soon"}, "no readable time"),
        ({"userId": None, "anonymousId": "a"}, None),
        ({"userId": None, "context": {"traits": {"email": "a@b.co"}}}, None),
        ({"context": {"traits": {"email": "n/a"}}}, None),
    ],
)
def test_problems_of_a_track_call(record: dict[str, Any], problem: str | None) -> None:
    """A track call needs somebody, an event and a time; an unusable address beside a user id harms nobody."""
    assert track(**record).problem == problem


@pytest.mark.parametrize("kind", [None, "delete", 7, {"a": 1}])
def test_a_call_that_segment_does_not_know_is_rejected(kind: object) -> None:
    """A record of a segment stream that does not say what it is cannot be taken for anything."""
    for event in (None, "E"):
        found = call({"type": kind, "userId": "1", "event": event})
        assert found.problem is not None
        assert "`type`" in found.problem
        assert isinstance(found, Track) is bool(event)


@pytest.mark.parametrize(
    ("key", "kind"), [("type", "page"), ("action", "Screen"), ("type", " group "), ("action", "alias")]
)
def test_segments_other_calls_are_ignored(key: str, kind: str) -> None:
    """Page, screen, group and alias calls say nothing to Promoter."""
    assert stream(RAW).read({key: kind, "userId": "1"}) is None


@pytest.mark.parametrize(
    ("integrations", "blocked"),
    [
        (None, False),
        ({}, False),
        ({"All": True}, False),
        ({"All": False}, True),
        ({"Promoter.io": False}, True),
        ({"All": False, "Promoter.io": True}, False),
        ({"All": False, "Promoter.io": {"option": 1}}, False),
        ({"All": True, "Promoter.io": False}, True),
        ({"Salesforce": False}, False),
        ('{"All": false}', True),
        ("nonsense", False),
        ([False], False),
    ],
)
def test_the_integrations_object(integrations: object, blocked: bool) -> None:  # noqa: FBT001 - a column of the table
    """Segment's rule for Promoter.io beats its rule for all, at the top of a call and in its context."""
    assert identify(integrations=integrations).blocked is blocked
    assert track(integrations=integrations).blocked is blocked
    assert track(context={"integrations": integrations}).blocked is blocked


def test_flattened_calls_are_read_like_raw_ones() -> None:
    """The SDK's flattening makes columns of objects; what they say stays the same."""
    columns = (
        "type userId messageId timestamp event traits__email traits__first_name traits__plan traits__address__city "
        "properties__total integrations__All integrations__Promoter.io"
    )
    record: dict[str, Any] = {"type": "identify", "userId": 1, "traits__email": "a@b.co", "traits__first_name": "Ann"}
    person = call({**record, "traits__plan": "x", "traits__address__city": "Bern", "integrations__All": False}, columns)
    assert isinstance(person, Identify)
    assert (person.email, person.first_name, person.blocked) == ("a@b.co", "Ann", True)
    assert person.traits == {"plan": "x", "address_city": "Bern"}
    deed = call({"type": "track", "userId": 1, "event": "E", "properties__total": 5, "timestamp": 1714557600}, columns)
    assert isinstance(deed, Track)
    assert (deed.properties, deed.blocked, deed.problem) == ({"total": 5}, False, None)
    context = call(
        {"type": "identify", "userId": 1, "context__traits__email": "a@b.co"},
        "type traits userId context__traits__email",
    )
    assert context.email == "a@b.co"


def test_objects_as_json_text() -> None:
    """Taps of warehouses and CSV files bring objects as text."""
    person = identify('{"email": "a@b.co", "plan": "x"}')
    assert (person.email, person.traits) == ("a@b.co", {"plan": "x"})
    deed = track(properties='{"total": 5}', context='{"traits": {"email": "a@b.co"}}')
    assert (deed.properties, deed.email) == ({"total": 5}, "a@b.co")
    assert track(properties="{not json").properties == {}


@pytest.mark.parametrize(
    ("traits", "names"),
    [
        ({"firstName": "Ann", "lastName": "Lee", "name": "X Y"}, ("Ann", "Lee")),
        ({"first_name": "Ann", "name": "X Y"}, ("Ann", None)),
        ({"name": "Ann van Dyk"}, ("Ann", "van Dyk")),
        ({"name": " Ann "}, ("Ann", None)),
        ({"name": 7, "firstName": ["Ann"]}, (None, None)),
        ({"firstName": "A\x00nn"}, ("Ann", None)),
    ],
)
def test_names(traits: dict[str, object], names: tuple[str | None, str | None]) -> None:
    """First and last name come before the whole name, which is split at its first space; none stays a trait."""
    person = identify(traits)
    assert (person.first_name, person.last_name) == names
    assert person.traits == {}


def test_deletion() -> None:
    """`_sdc_deleted_at` tells when a record was deleted; unreadable, it was deleted now; empty, it was not."""
    assert identify(_sdc_deleted_at="2024-05-01T10:00:00Z").deleted_at == 1714557600.0
    before = time.time()
    deleted_at = track(_sdc_deleted_at="yes").deleted_at
    assert deleted_at is not None
    assert before <= deleted_at <= time.time()
    assert [identify(_sdc_deleted_at=nothing).deleted_at for nothing in (None, "", False)] == [None] * 3


def test_message_ids() -> None:
    """A message id comes first, then the key, then a hash that leaves the tap's own columns out."""
    columns, row = (
        "user_id event timestamp id n message_id",
        {"user_id": 1, "event": "E", "timestamp": 1714557600, "id": 5, "n": 6},
    )

    def message_id(keys: list[str], **more: object) -> str:
        found = stream(columns, keys, type="track").read({**row, **more})
        assert isinstance(found, Track)
        assert found.problem is None
        return found.message_id

    assert message_id(["id"], message_id="m") == "m"
    assert message_id(["id"]) == "5"
    assert message_id(["id"], id=5.0) == "5"
    assert message_id(["id", "n"]) == '["5", "6"]'
    digest = message_id([])
    assert len(digest) == 32
    assert message_id([], _sdc_batched_at="x") == digest
    assert message_id([], n=7) != digest
    assert message_id(["_sdc_path", "_sdc_line_number"], _sdc_line_number=9) == digest
    assert message_id(["id", "_sdc_sequence"], _sdc_sequence=9) == digest
    assert message_id(["line_number"], line_number=9) == message_id([], line_number=9)
    assert message_id(["id", "line_number"], line_number=9) == '["5", "9"]'
    assert message_id(["id"], id=None) == message_id([], id=None)


def test_the_id_of_a_warehouse_row_is_its_message_id() -> None:
    """A tap may know no key of Segment's tables, whose `id` is the message id all the same."""
    row = {"id": "m", "user_id": 1, "event": "e", "event_text": "E", "timestamp": 1714557600}
    for name in ("tracks", "order_completed"):
        found = stream(" ".join(row), name=name).read(row)
        assert isinstance(found, Track)
        assert found.message_id == "m"


def test_a_plain_table_keeps_no_email_of_somebody_else() -> None:
    """An e-mail address among an event's columns is not the customer's, unless the config says so."""
    row = {"email": "a@b.co", "event": "E", "timestamp": 1714557600, "user_id": 1}
    assert getattr(stream(" ".join(row), type="track").read(row), "email", "") is None
    said = stream(" ".join(row), type="track", fields={"email": "email"}).read(row)
    assert said is not None
    assert said.email == "a@b.co"


def test_fingerprints() -> None:
    """Equal records have equal fingerprints, whatever the order of columns and what the tap added of its own."""
    record = {"a": 1, "b": Decimal("1.5"), "c": {"x": "\ud800"}, "d": dt.datetime(2024, 5, 1)}  # noqa: DTZ001 - as taps send it
    same = fingerprint({**dict(reversed(record.items())), "_sdc_received_at": 1})
    assert fingerprint(record) == same
    assert fingerprint({**record, "a": 2}) != same
    assert len(same or b"") == 16
    assert identify({"plan": "x"}).fingerprint == identify({"plan": "x"}).fingerprint != identify({}).fingerprint


def test_a_number_without_end() -> None:
    """An integer of thousands of digits, which Python itself refuses to write, breaks nothing either."""
    huge = 10**5000
    assert identify({"n": huge}).problem == "the record cannot be written"
    assert track(userId=huge, properties={"n": huge}).problem == "no user id, anonymous id or usable e-mail address"
    assert track(timestamp=huge).problem == "no readable time"


def test_nested_without_end() -> None:
    """A record nested too deep to be written is rejected; nothing breaks."""
    value: object = 1
    for _ in range(100_000):
        value = {"a": value}
    assert identify(value).problem == "the record cannot be written"
    assert track(properties=value, messageId=None).problem == "the record cannot be written"


@given(
    st.dictionaries(st.sampled_from(RAW.split()) | st.text(max_size=4), HOSTILE),
    st.sampled_from(["identify", "track", "page", None]),
)
def test_nothing_in_a_raw_call_raises(record: dict[str, Any], kind: str | None) -> None:
    """Wrong types anywhere end in a problem or are ignored."""
    check(stream(RAW, ["messageId", "x"]).read({**record, "type": kind}))


@given(st.dictionaries(st.sampled_from([*FLAT.split(), "_sdc_deleted_at"]), HOSTILE))
def test_nothing_in_a_row_raises(record: dict[str, Any]) -> None:
    """The same holds for warehouse rows and for plain tables."""
    check(stream(FLAT, name="identifies").read(record))
    check(stream(FLAT, name="tracks").read(record))
    check(stream(FLAT, name="people", type="identify", traits=["*"]).read(record))
    check(stream(FLAT, ["id"], name="deeds", type="track", traits=["*"]).read(record))


def check(found: Identify | Track | None) -> None:
    """Check what the rest of the program relies on."""
    if found is None:
        return
    for text in (found.user_id, found.anonymous_id, found.email):
        assert text is None or (text and text.encode() and "\x00" not in text)
    if isinstance(found, Track):
        if found.problem is None:
            assert found.canonical
            assert found.message_id
            assert found.time is not None
        assert (found.event + found.canonical + found.message_id).encode()
    elif found.problem is None:
        assert found.user_id is not None
        assert len(found.fingerprint) == 32
