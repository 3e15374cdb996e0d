"""What a record says, whatever a tap sends."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_promoter.config.settings import Settings
from target_promoter.records.calls import Identify, Track
from target_promoter.records.streams import Stream, recognize

RAW = (
    "type action userId anonymousId messageId event timestamp originalTimestamp sentAt "
    "traits properties context integrations"
)
FIELDS = {"user_id": "customer", "timestamp": "at"}
LOADERS_OWN = (
    *("_sdc_sequence", "_sdc_batched_at", "__sdc_row", "_smart_source_line", "_fivetran_id", "_fivetran_synced"),
    *("_airbyte_raw_id", "_ab_source_file_url", "_dlt_id", "dbt_scd_id", "_dbt_source_relation", "_synced"),
    *("_PEERDB_SYNCED_AT", "__hevo__ingested_at", "__ts_ms"),
)
MARKS = ("_sdc_deleted_at", "_fivetran_deleted", "_sdc_lsn_deleted_at", "_ab_cdc_deleted_at", "__deleted", "_DELETED")
NO_MARKS: tuple[object, ...] = (
    None,
    "",
    " ",
    False,
    0,
    "0",
    "None",
    "null",
    "FALSE",
    "NaT",
    "nan",
    float("nan"),
    [],
    "1970-01-01",
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


def stream(columns: str | list[str], keys: list[str] | None = None, name: str = "calls", **setting: object) -> Stream:
    """Return a stream of these columns."""
    settings = Settings.from_config({"api_key": "k", "streams": {name: setting} if setting else {}})
    names = columns.split() if isinstance(columns, str) else columns
    return recognize(name, {"properties": {column: {} for column in names}}, keys or [], settings)


def call(record: dict[str, Any], columns: str | list[str] = RAW) -> Identify | Track:
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


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"userId": None}, "no user id"),
        ({"userId": True}, "no user id"),
        ({"userId": "undefined"}, "no user id"),
        ({"traits": {"email": "n/a"}}, None),
        ({"timestamp": "soon"}, "no readable time"),
        ({"timestamp": 0}, None),
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
        ({"userId": "null", "anonymousId": "undefined"}, "no user id, anonymous id or usable e-mail address"),
        ({"timestamp": "2018-03-04T12:08:56.235 PDT", "sentAt": "2024-05-01"}, "no readable time"),
        ({"timestamp": "soon", "originalTimestamp": "2024-05-01"}, "no readable time"),
        ({"timestamp": 0, "sentAt": "2024-05-01"}, "no readable time"),
        ({"timestamp": None, "sentAt": "2024-05-01"}, None),
        ({"timestamp": " ", "originalTimestamp": "2024-05-01"}, None),
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


@pytest.mark.parametrize("kind", [None, "suppress", 7, {"a": 1}])
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


@pytest.mark.parametrize("kind", ["identify", "track"])
@pytest.mark.parametrize("place", ["top", "context"])
def test_a_call_is_blocked_though_its_schema_does_not_speak_of_integrations(kind: str, place: str) -> None:
    """Most taps of raw calls declare what they know, and send the rest as well."""
    rules: dict[str, Any] = {"integrations": {"All": False}}
    record = {"type": kind, "userId": "1", **(rules if place == "top" else {"context": rules})}
    assert call(record, "type userId anonymousId messageId event timestamp traits properties").blocked


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
        "user_id event timestamp id n message_id ref",
        {"user_id": 1, "event": "E", "timestamp": 1714557600, "id": 5, "n": 6},
    )

    def message_id(keys: list[str], **more: object) -> str:
        found = stream(columns, keys, type="track").read({**row, **more})
        assert isinstance(found, Track)
        assert found.problem is None
        return found.message_id

    assert message_id(["id"]) == "5"
    assert message_id(["id"], id=5.0) == message_id(["id"], id="5.0") == "5"
    assert message_id(["id"], message_id="m") == "5"
    assert message_id([], message_id="m") == "m"
    assert message_id(["id", "n"]) == message_id(["n", "id"]) == '["5", "6"]'
    digest = message_id([])
    assert len(digest) == 32
    assert message_id([], n=7) != digest
    for column in LOADERS_OWN:
        assert message_id([], **{column: "x"}) == digest
        assert message_id([column], **{column: 9}) == digest
        assert message_id(["id", column], **{column: 9}) == "5"
    assert message_id(["_sdc_path", "_sdc_line_number"], _sdc_line_number=9) == digest
    assert message_id(["__sdc_row"], __sdc_row=9) == digest
    assert message_id(["id", "_line"], _line=9) == "5"
    assert message_id(["line_number"], line_number=9) == message_id([], line_number=9)
    assert message_id(["id", "line_number"], line_number=9) == '["5", "9"]'
    assert message_id(["id"], id=None) == message_id([], id=None)


def test_a_configured_message_id_comes_first() -> None:
    """A record without it keeps the one that it would have had."""
    found = stream(RAW, ["messageId"], type="segment", fields={"message_id": "properties.order_id"})
    row = {"type": "track", "userId": 1, "event": "E", "timestamp": 1714557600, "messageId": "m"}
    assert getattr(found.read({**row, "properties": {"order_id": 7}}), "message_id", "") == "7"
    assert getattr(found.read(row), "message_id", "") == "m"
    plain = stream("id ref customer at", ["id"], type="track", event="E", fields=FIELDS | {"message_id": "ref"})
    assert getattr(plain.read({"id": 1, "ref": "r", "customer": 1, "at": 1714557600}), "message_id", "") == "r"
    assert getattr(plain.read({"id": 1, "ref": None, "customer": 1, "at": 1714557600}), "message_id", "") == "1"


def test_the_id_of_a_warehouse_row_is_its_message_id() -> None:
    """A tap may know no key of Segment's tables, whose `id` is the message id all the same."""
    row = {
        "id": "m",
        "message_id": "macro",
        "user_id": 1,
        "event": "e",
        "event_text": "E",
        "timestamp": 1714557600,
    }
    for name in ("tracks", "order_completed"):
        found = stream(" ".join(row), name=name).read(row)
        assert isinstance(found, Track)
        assert found.message_id == "m"
        assert found.properties == {"message_id": "macro"}


def test_a_plain_table_keeps_no_email_of_somebody_else() -> None:
    """An e-mail address among an event's columns is not the customer's, unless the config says so."""
    row = {"email": "a@b.co", "event": "E", "timestamp": 1714557600, "user_id": 1}
    assert getattr(stream(" ".join(row), type="track").read(row), "email", "") is None
    said = stream(" ".join(row), type="track", fields={"email": "email"}).read(row)
    assert said is not None
    assert said.email == "a@b.co"


@pytest.mark.parametrize(
    "none", [None, "", " ", False, 0, "0", "None", "null", "FALSE", "NaT", "nan", float("nan"), []]
)
@pytest.mark.parametrize(
    "column",
    [
        "_sdc_deleted_at",
        "_fivetran_deleted",
        "_sdc_lsn_deleted_at",
        "_ab_cdc_deleted_at",
        "__deleted",
        "_FIVETRAN_DELETED",
    ],
)
def test_a_mark_of_deletion_that_says_none_deletes_nobody(column: str, none: object) -> None:
    """What loaders write for no deletion is none; anything else in the column is one, since when the loader saw it."""
    columns = f"id email {column} _fivetran_synced"
    people = stream(columns, ["id"], type="identify", fields={"user_id": "id"})
    row = {"id": 1, "email": "a@b.co", "_fivetran_synced": "2024-05-01T10:00:00Z"}
    assert getattr(people.read({**row, column: none}), "deleted_at", 0) is None
    assert getattr(people.read({**row, column: True}), "deleted_at", 0) == 1714557600.0
    assert getattr(people.read({**row, column: "2024-05-01T11:00:00Z"}), "deleted_at", 0) == 1714561200.0


def test_a_key_alone_with_a_mark_of_deletion_is_no_fault() -> None:
    """Taps of a log often send nothing else of a deleted row."""
    people = stream("id code email _sdc_deleted_at", ["id"], type="identify", fields={"user_id": "code"})
    person = people.read({"id": 7, "_sdc_deleted_at": "2024-05-01T10:00:00Z"})
    assert isinstance(person, Identify)
    assert (person.user_id, person.key, person.deleted_at, person.problem) == (None, "7", 1714557600.0, None)
    orders = stream("id ref customer at", ["id"], type="track", event="E", fields=FIELDS | {"message_id": "ref"})
    order = orders.read({"id": 7, "_sdc_deleted_at": "2024-05-01T10:00:00Z"})
    assert isinstance(order, Track)
    assert (order.key, order.named, order.time, order.deleted_at, order.problem) == ("7", "", None, 1714557600.0, None)
    without = stream("code email", type="identify", fields={"user_id": "code"})
    assert getattr(without.read({"_sdc_deleted_at": 1714557600}), "problem", None) == "no user id"


def test_delete_calls() -> None:
    """Segment's call of the type `delete` deletes its person at the time of the call."""
    person = call({"type": "Delete", "userId": "u1", "timestamp": "2024-05-01T10:00:00Z"})
    assert isinstance(person, Identify)
    assert (person.user_id, person.deleted_at, person.problem) == ("u1", 1714557600.0, None)
    before = time.time()
    assert before <= (call({"action": "delete", "userId": "u1"}).deleted_at or 0) <= time.time()
    assert call({"type": "delete", "userId": "null"}).problem == "no user id"


def test_anonymous_visitors_are_ignored() -> None:
    """An identify call with an anonymous id and no user id names nobody to keep."""
    for nobody in (None, "", "undefined", 0):
        assert stream(RAW).read({"type": "identify", "userId": nobody, "anonymousId": "a"}) is None
    rows = stream("id anonymous_id email received_at", name="identifies")
    assert rows.read({"id": "c", "anonymous_id": "a", "email": "a@b.co"}) is None


def test_rows_of_a_warehouse_that_name_nobody_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """An event table that only logged-out people filled has no user id; a line in the log tells of rows without any."""
    row = {"id": "e", "event": "e", "event_text": "E", "timestamp": 1714557600}
    table = stream("id anonymous_id event event_text timestamp", name="e")
    found = table.read({**row, "anonymous_id": "a"})
    assert found is not None
    assert (found.problem, found.anonymous_id) == (None, "a")
    assert [table.read(row), table.read({**row, "anonymous_id": "undefined"})] == [None, None]
    assert [record.getMessage().count("`e`") for record in caplog.records] == [1]
    assert stream("id event event_text timestamp", name="f").read(row) is None


def test_the_address_of_an_identify_call() -> None:
    """It is the first usable one: of the record, the traits, the context; failing all, the user id."""
    both = {"email": "t@b.co"}
    assert identify(both, context={"traits": {"email": "c@b.co"}}).email == "t@b.co"
    assert identify({"email": "n/a"}, context={"traits": {"email": "c@b.co"}}).email == "c@b.co"
    assert identify({}, userId="Ann@Example.com").email == "ann@example.com"
    assert identify(both, userId="ann@example.com").email == "t@b.co"
    assert identify({"e-mail": "x@b.co", "email": "t@b.co"}).email == "t@b.co"
    assert identify({"plan": "x"}, userId="7").bad_email is False
    for bad in ("n/a", ["a@b.co"], "a@b.co, c@d.co", "<>"):
        found = identify({"email": bad, "plan": "x"})
        assert (found.email, found.bad_email, found.problem, found.traits) == (None, True, None, {"plan": "x"})
    assert track(userId="ann@example.com").email is None


@pytest.mark.parametrize(
    "spelled",
    [
        {"email": "a@b.co", "firstName": "Ann", "lastName": "Lee"},
        {"Email": "a@b.co", "First Name": "Ann", "LASTNAME": "Lee"},
        {"E-Mail": "a@b.co", "first_name": "Ann", "last-name": "Lee"},
        {"EMAIL_ADDRESS": "a@b.co", "NAME": "Ann Lee"},
        {"emailAddress": "a@b.co", "FIRST_NAME": "Ann", "LAST_NAME": "Lee"},
    ],
)
def test_reserved_traits_in_any_spelling(spelled: dict[str, Any]) -> None:
    """Wherever traits stand: in a call, in its context, flattened, in a warehouse, in a plain table."""

    def says(found: Identify | Track | None) -> None:
        assert isinstance(found, Identify)
        assert (found.email, found.first_name, found.last_name) == ("a@b.co", "Ann", "Lee")
        assert {name.lower(): value for name, value in found.traits.items()} == {"plan": "x"}

    traits = {**spelled, "plan": "x"}
    says(identify(traits))
    says(identify({}, context={"traits": traits}))
    for separator in ("__", "_", ".", "-"):
        for way in ("traits", f"context{separator}traits"):
            row = {f"{way}{separator}{name}": value for name, value in traits.items()}
            says(call({"type": "identify", "userId": 1, **row}, [*row, "type", "userId", "messageId"]))
    for way in ("", "context_traits_"):
        row = {way + name: value for name, value in traits.items()}
        says(stream([*row, "id", "user_id", "received_at"], name="identifies").read({"user_id": 1, **row}))
        says(stream([*row, "id", "received_at"], name="users").read({"id": 1, **row}))
    says(stream([*traits, "user_id"], name="people", type="identify", traits=["*"]).read({"user_id": 1, **traits}))


def test_traits_of_the_context() -> None:
    """RudderStack's SDKs keep them nowhere else; where both places have a trait, `traits` wins."""
    found = identify({"plan": "free", "seats": None}, context={"traits": {"plan": "pro", "seats": 3, "tier": None}})
    assert found.traits == {"plan": "free", "seats": 3, "tier": None}
    listed = stream(RAW, traits=["Plan"]).read(
        {"type": "identify", "userId": 1, "context": {"traits": {"plan": "pro", "x": 1}}}
    )
    assert getattr(listed, "traits", None) == {"plan": "pro"}
    columns = "id user_id email plan context_traits_plan context_traits_tier context_ip received_at"
    row = {"user_id": 1, "plan": None, "context_traits_plan": "pro", "context_traits_tier": "x", "context_ip": "1"}
    assert getattr(stream(columns, name="identifies").read(row), "traits", None) == {"plan": "pro", "tier": "x"}
    only = stream(columns, name="identifies", traits=["plan"]).read({**row, "plan": "free"})
    assert getattr(only, "traits", None) == {"plan": "free"}


@pytest.mark.parametrize("false", [False, "false", "F", 0, "0"])
def test_opt_outs_in_columns(false: object) -> None:
    """A warehouse, and flattening, make columns of the integrations object: `promoter_io` is Promoter.io."""
    for way, name in (
        ("context_integrations_", "identifies"),
        ("integrations.", "calls"),
        ("context-integrations-", "calls"),
    ):
        columns = [f"{way}all", f"{way}promoter_io", "type", "traits", "user_id", "received_at", "message_id"]
        found = stream(columns, name=name)
        row = {"type": "identify", "user_id": 1}
        blocked = [
            getattr(found.read({**row, f"{way}all": everywhere, f"{way}promoter_io": here}), "blocked", None)
            for everywhere, here in ((True, False), (True, false), (false, None), (false, True), (None, None))
        ]
        assert blocked == [True, True, True, False, False]


def test_the_age_and_the_end_of_an_event() -> None:
    """History that is uploaded today is as old as its own clock says; a date means its whole day."""
    uploaded = track(timestamp="2024-05-01T10:00:00Z", originalTimestamp="2019-05-05")
    assert (uploaded.time, uploaded.happened_at) == (1714557600.0, 1557014400.0)
    for own in ("2024-04-30T11:00:00Z", "2024-06-01", "soon", None, 0):
        assert track(timestamp="2024-05-01T10:00:00Z", originalTimestamp=own).happened_at == 1714557600.0
    assert track(timestamp="2024-05-01T10:00:00Z").ends_at == 1714557600.0
    assert track(timestamp="2024-05-01").ends_at == 1714521600.0 + 86_399
    row = {
        "id": "e",
        "user_id": 1,
        "event": "e",
        "event_text": "E",
        "timestamp": 1714557600,
        "original_timestamp": 1557014400,
    }
    assert getattr(stream([*row], name="e").read(row), "happened_at", None) == 1557014400.0
    assert (
        getattr(
            stream("customer at", type="track", event="E", fields=FIELDS).read({"customer": 1, "at": 1714557600}),
            "happened_at",
            None,
        )
        == 1714557600.0
    )


def test_the_id_that_names_a_person() -> None:
    """An event is known again by it: the user id, else the anonymous id, else the address."""
    context = {"traits": {"email": "a@b.co"}}
    assert track(userId=7.0, anonymousId="a", context=context).named == "u:7"
    assert track(userId="0", anonymousId="a", context=context).named == "a:a"
    assert track(userId=None, anonymousId="null", context=context).named == "e:a@b.co"
    assert track(userId=None).named == ""


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


@pytest.mark.slow
@given(
    st.dictionaries(st.sampled_from(RAW.split()) | st.text(max_size=4), HOSTILE),
    st.sampled_from(["identify", "track", "page", None]),
)
def test_nothing_in_a_raw_call_raises(record: dict[str, Any], kind: str | None) -> None:
    """Wrong types anywhere end in a problem or are ignored."""
    check(stream(RAW, ["messageId", "x"]).read({**record, "type": kind}))


@pytest.mark.slow
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
        if found.problem is None and found.deleted_at is not None:
            assert found.key or found.message_id, "a deleted row needs its key alone"
        elif found.problem is None:
            assert found.canonical
            assert found.message_id
            assert found.time is not None
        assert (found.event + found.canonical + found.message_id).encode()
    elif found.problem is None:
        assert found.user_id is not None or (found.deleted_at is not None and found.key)
        assert len(found.fingerprint) == 32
