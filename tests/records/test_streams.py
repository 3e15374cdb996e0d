"""What a stream is, and what its schema must hold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.config.settings import Settings
from target_promoter.errors import ConfigError
from target_promoter.records.calls import Identify, Track
from target_promoter.records.streams import Stream, recognize

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = Path(__file__).parent.parent / "data"
SHOP: dict[str, Any] = {
    "public-orders": {
        "type": "track",
        "event": "Order Completed",
        "fields": {"user_id": "customer_id", "timestamp": "ordered_at"},
        "traits": ["total"],
    },
    "public-customers": {"type": "identify", "fields": {"user_id": "id"}, "traits": ["tier"], "contact_lists": [5]},
}


def schema(columns: str) -> dict[str, Any]:
    """Return a schema of these columns."""
    return {"type": "object", "properties": {name: {"type": ["null", "string"]} for name in columns.split()}}


def stream(name: str, columns: str | dict[str, Any], keys: Sequence[str] = (), /, **setting: object) -> Stream:
    """Return a stream of these columns, configured if anything is said of it."""
    settings = Settings.from_config({"api_key": "k", "streams": {name: setting} if setting else {}})
    return recognize(name, schema(columns) if isinstance(columns, str) else columns, keys, settings)


def refusal(name: str, columns: str, **setting: object) -> tuple[str, list[Any]]:
    """Return the sentence in which a stream is refused, and the config it tells to add."""
    with pytest.raises(ConfigError) as refused:
        stream(name, columns, (), **setting)
    sentence = str(refused.value)
    assert f"`{name}`" in sentence
    return sentence, [json.loads(line) for line in re.findall(r"^\{.*\}$", sentence, re.MULTILINE)]


def read(name: str, streams: dict[str, Any] | None = None) -> tuple[dict[str, Stream], list[Identify | Track | None]]:
    """Return the streams of a file of Singer messages, and what its records say."""
    settings = Settings.from_config({"api_key": "k", "streams": streams or {}})
    found: dict[str, Stream] = {}
    calls: list[Identify | Track | None] = []
    for line in (DATA / f"{name}.singer.jsonl").read_text("utf-8").splitlines():
        message = json.loads(line)
        if message["type"] == "SCHEMA":
            found[message["stream"]] = recognize(
                message["stream"],
                message["schema"],
                message["key_properties"],
                settings,
            )
        elif message["type"] == "RECORD":
            calls.append(found[message["stream"]].read(message["record"]))
    return found, calls


def identify(call: Identify | Track | None) -> Identify:
    """Return a call that must be an identify call without a problem."""
    assert isinstance(call, Identify)
    assert call.problem is None
    return call


def track(call: Identify | Track | None) -> Track:
    """Return a call that must be a track call without a problem."""
    assert isinstance(call, Track)
    assert call.problem is None
    return call


def test_raw_calls() -> None:
    """Each record of a stream of raw calls says itself what it is, in `type` or in `action`."""
    streams, calls = read("raw_calls")
    assert [s.type for s in streams.values()] == ["segment"]
    ann, bob = identify(calls[0]), identify(calls[1])
    assert (ann.user_id, ann.anonymous_id, ann.email) == ("12345", "a1", "ann@example.com")
    assert (ann.first_name, ann.last_name, ann.traits) == ("Ann", "Lee", {"plan": "Premium"})
    assert (ann.time, ann.snapshot, ann.blocked, ann.deleted_at) == (1714557600.0, False, False, None)
    assert (bob.user_id, bob.email, bob.first_name, bob.last_name) == ("77", "bob@example.com", "Bob", "van Dyk")
    assert bob.traits == {"logins": 3}
    assert calls[2] is None
    order, blocked, allowed = track(calls[3]), track(calls[4]), track(calls[5])
    assert (order.event, order.canonical, order.message_id) == ("Order Completed", "ordercompleted", "m4")
    assert (order.time, order.email) == (1714557780.25, None)
    assert order.properties == {"total": 99.9, "email": "gift@example.com"}
    assert (blocked.blocked, blocked.user_id, blocked.anonymous_id) == (True, None, "a1")
    assert (allowed.blocked, allowed.email) == (False, "cleo@example.com")
    assert calls[6] is None


def test_segment_warehouse() -> None:
    """Segment's warehouse tables are told by the last part of their name and their columns."""
    streams, calls = read("segment_warehouse")
    assert {name: s.type for name, s in streams.items()} == {
        "site-identifies": "identify",
        "site-users": "identify",
        "site-tracks": "track",
        "site-order_completed": "track",
        "site-pages": "ignore",
        "site-accounts": "ignore",
    }
    call, user = identify(calls[0]), identify(calls[1])
    assert (call.user_id, call.email, call.first_name, call.snapshot) == ("12345", "ann@example.com", "Ann", False)
    assert call.traits == {"plan": "Premium", "address_street": "Main St"}
    assert (user.user_id, user.anonymous_id, user.snapshot, user.traits) == ("12345", None, True, {"plan": None})
    assert user.time == 1714557602.0
    bare, order = track(calls[2]), track(calls[3])
    assert (bare.message_id, bare.canonical, bare.properties) == (order.message_id, order.canonical, {})
    assert (order.event, order.message_id, order.time) == ("Order Completed", "m4", 1714557600.0)
    assert order.email is None
    assert order.properties == {
        "total": 99.9,
        "email": "gift@example.com",
        "products": [{"sku": "G-32"}],
    }
    assert calls[4:] == [None, None]


def test_rudderstack_warehouse() -> None:
    """RudderStack's tables have a few columns more, none of which is a trait or a property."""
    streams, calls = read("rudderstack_warehouse")
    assert [s.type for s in streams.values()] == ["identify", "track", "track", "ignore"]
    call, bare, order = identify(calls[0]), track(calls[1]), track(calls[2])
    assert (call.email, call.first_name, call.traits) == ("ann@example.com", "Ann", {"plan": "Premium"})
    assert (bare.user_id, bare.email) == (None, "ann@example.com")
    assert order.properties == {"total": 99.9}


def test_plain_tables() -> None:
    """A plain table is what the config says, and only the columns it lists are sent."""
    streams, calls = read("shop_tables", SHOP)
    assert [s.type for s in streams.values()] == ["track", "identify"]
    order, other, ann, bob = track(calls[0]), track(calls[1]), identify(calls[2]), identify(calls[3])
    assert (order.user_id, order.event, order.message_id) == ("7", "Order Completed", "501")
    assert order.properties == {"total": 20.5}
    assert other.time == 1714566600.0
    assert (ann.user_id, ann.email, ann.first_name, ann.last_name) == ("7", "ann@example.com", "Ann", "Lee")
    assert (ann.traits, ann.time, ann.snapshot, ann.contact_lists) == ({"tier": "gold"}, None, True, (5,))
    assert bob.traits == {"tier": None}


def test_audiences() -> None:
    """An audience is an identify call without an e-mail address, and no problem."""
    calls = read("audiences")[1]
    assert identify(calls[0]).email is None
    assert identify(calls[0]).traits == {"order_completed_last_30days": True}
    assert [track(calls[i]).event for i in (1, 4)] == ["Audience Entered", "Audience Exited"]
    assert identify(calls[3]).traits == {"order_completed_last_30days": False}


@pytest.mark.parametrize(
    ("name", "columns", "expected"),
    [
        ("calls", "type traits userId", "segment"),
        ("calls", "action properties anonymous_id", "segment"),
        ("calls", "TYPE TRAITS USERID", "segment"),
        ("x", "type messageId traits_email", "segment"),
        ("x", "type userId properties.total", "segment"),
        ("x", "type messageId userId", "segment"),
        ("x", "type traits__email userId", "segment"),
        ("identifies", "id user_id received_at", "identify"),
        ("prod.Identifies", "id user_id context_ip", "identify"),
        ("users", "id email received_at", "identify"),
        ("a-b.users", "id email context_library_name", "identify"),
        ("tracks", "id user_id event received_at", "track"),
        ("anything", "id user_id event event_text timestamp", "track"),
        ("pages", "id user_id received_at", "ignore"),
        ("x-screens", "id anonymous_id sent_at", "ignore"),
        ("groups", "id group_id received_at", "ignore"),
        ("aliases", "previous_id received_at", "ignore"),
        ("accounts", "id received_at uuid_ts", "ignore"),
        ("DB-SITE-IDENTIFIES", "ID USER_ID RECEIVED_AT", "identify"),
        ("DB.SITE.USERS", "ID EMAIL RECEIVED_AT", "identify"),
        ("TRACKS", "ID USER_ID EVENT RECEIVED_AT", "track"),
        ("ORDER_COMPLETED", "ID USER_ID EVENT EVENT_TEXT TIMESTAMP", "track"),
        ("PAGES", "ID USER_ID RECEIVED_AT", "ignore"),
        ("identifies_view", "id user_id received_at", "identify"),
        ("site-users_view", "id email received_at", "identify"),
        ("TRACKS_VIEW", "ID EVENT RECEIVED_AT", "track"),
        ("site-pages_view", "id user_id received_at", "ignore"),
        ("groups", "id user_id event event_text timestamp", "track"),
        ("site-accounts", "id user_id event event_text received_at timestamp", "track"),
        ("users", "id user_id event event_text received_at timestamp", "track"),
        ("identifies", "id anonymous_id received_at", "identify"),
    ],
)
def test_segments_shapes_are_recognized(name: str, columns: str, expected: str) -> None:
    """Segment's shapes need no configuration."""
    found = stream(name, columns)
    assert found.type == expected
    assert found.how.endswith(".")


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("customers", "id email"),
        ("users", "id email name created_at password_hash"),
        ("identifies", "id user_id email"),
        ("tracks", "id artist event"),
        ("pages", "id title"),
        ("accounts", "id name"),
        ("things", "type name"),
        ("global_exclusions", "object type properties"),
        ("things", "type traits"),
        ("things", "type user_id properties_total"),
        ("identifies-old", "id user_id received_at"),
        ("empty", ""),
    ],
)
def test_all_else_must_be_configured(name: str, columns: str) -> None:
    """The run stops with lines of JSON that, added as they stand, say what the stream is or leave it out."""
    _, found = refusal(name, columns)
    assert found[-1] == {"streams": {name: {"type": "ignore"}}}
    for one in found:
        assert recognize(name, schema(columns), [], Settings.from_config({"api_key": "k", **one}))


def test_the_lines_to_add_work() -> None:
    """They name the columns, and keep what the config says already."""
    for name, columns, expected in (
        ("public-customers", "id work_email tier", "identify"),
        ("public-orders", "id customer_id total ordered_at", "track"),
    ):
        _, (add, _) = refusal(name, columns)
        found = recognize(name, schema(columns), ["id"], Settings.from_config({"api_key": "k", **add}))
        assert found.type == expected
    _, (add, _) = refusal("orders", "id customer_id bought_at", event="Order Completed")
    assert add["streams"]["orders"]["event"] == "Order Completed"


@pytest.mark.parametrize(
    ("columns", "setting", "missing"),
    [
        ("email name", {"type": "identify"}, "user_id"),
        ("user_id event", {"type": "track"}, "timestamp"),
        ("user_id timestamp", {"type": "track"}, "event"),
        ("event timestamp email", {"type": "track"}, "user_id or email"),
        ("user_id traits", {"type": "segment"}, "type or action"),
    ],
)
def test_a_missing_column_stops_the_run(columns: str, setting: dict[str, Any], missing: str) -> None:
    """A type that cannot do without a field is refused at the SCHEMA, with the lines to add."""
    sentence, (add,) = refusal("things", columns, **setting)
    assert f" {missing}, " in sentence
    assert "things" in add["streams"]


def test_fields_must_name_columns() -> None:
    """A mistyped column in the config is refused, as is one that an object is known not to have."""
    sentence, _ = refusal("customers", "id email", type="identify", fields={"user_id": "idd"})
    assert "`idd`" in sentence
    assert "id, email" in sentence
    sentence, _ = refusal("customers", "id email", type="identify", fields={"user_id": "id"}, traits=["tier"])
    assert "`tier`" in sentence
    nested = {"properties": {"id": {}, "who": {"type": "object", "properties": {"mail": {}}}}}
    fields = {"user_id": "id", "email": "who.mail"}
    found = stream("customers", nested, type="identify", fields=fields).read({"id": 1, "who": {"mail": "a@b.co"}})
    assert identify(found).email == "a@b.co"
    with pytest.raises(ConfigError, match=r"who\.male"):
        stream("customers", nested, type="identify", fields={"user_id": "id", "email": "who.male"})


def test_settings_are_laid_over_recognition() -> None:
    """What the config does not say of a Segment table is still recognized."""
    found = stream("identifies", "id user_id mail plan seats received_at", fields={"email": "mail"}, traits=["plan"])
    row = {"id": "c", "user_id": 1, "mail": "a@b.co", "plan": "x", "seats": 2, "received_at": "2024-05-01"}
    assert found.type == "identify"
    call = identify(found.read(row))
    assert (call.email, call.traits, call.snapshot) == ("a@b.co", {"plan": "x"}, False)


def test_raw_calls_without_a_type_can_be_configured() -> None:
    """A stream that holds one type of raw calls is read like raw calls when the config names the type."""
    row = {"userId": 1, "messageId": "m", "timestamp": "2024-05-01T10:00:00Z"}
    people = stream("people", "userId messageId traits timestamp", type="identify")
    call = identify(people.read({**row, "traits": {"email": "a@b.co", "plan": "x"}}))
    assert (call.email, call.traits, call.snapshot) == ("a@b.co", {"plan": "x"}, False)
    deeds = stream("deeds", "userId messageId event properties timestamp", type="track")
    assert track(deeds.read({**row, "event": "E", "properties": {"n": 1}})).properties == {"n": 1}
    typed = stream("typed", "type userId messageId event properties timestamp", type="track")
    assert track(typed.read({**row, "event": "E"})).message_id == "m"


def test_traits_of_a_plain_stream() -> None:
    """Nothing but e-mail and names leaves a plain table, unless the columns are listed or all are."""
    row = {"user_id": 1, "email": "a@b.co", "name": "Ann", "ssn": "1", "tier": "gold", "_sdc_batched_at": "x"}
    columns = " ".join(row)
    assert identify(stream("people", columns, type="identify").read(row)).traits == {}
    listed = stream("people", columns, type="identify", traits=["tier"])
    assert identify(listed.read(row)).traits == {"tier": "gold"}
    everything = stream("people", columns, type="identify", traits=["*"])
    assert identify(everything.read(row)).traits == {"ssn": "1", "tier": "gold"}
    raw = stream("calls", "type userId traits", traits=["tier"])
    call = raw.read({"type": "identify", "userId": 1, "traits": {"tier": "gold", "ssn": "1"}})
    assert identify(call).traits == {"tier": "gold"}


@pytest.mark.parametrize(
    "properties",
    [
        {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"type": {}, "traits": {}, "userId": {}}}]},
        {"oneOf": [{"properties": {"type": {}}}, {"properties": {"traits": {}, "userId": {}}}]},
        {
            "$ref": "#/$defs/call",
            "$defs": {
                "call": {"allOf": [{"$ref": "#/$defs/call"}, {"properties": {"type": {}, "traits": {}, "userId": {}}}]}
            },
        },
        {
            "properties": {"type": {"type": ["null", "string"]}, "traits": {"$ref": "#/definitions/x"}, "userId": {}},
            "definitions": {},
        },
    ],
)
def test_schemas_of_real_taps(properties: dict[str, Any]) -> None:
    """Columns are found in alternatives and behind references, which may go round."""
    assert stream("calls", properties).type == "segment"


@pytest.mark.parametrize(
    "odd", [{}, {"type": "object"}, {"properties": None}, {"properties": []}, {"anyOf": 3, "$ref": 4}]
)
def test_a_schema_without_columns(odd: dict[str, Any]) -> None:
    """A schema that declares no columns recognizes nothing, but a configured stream can have any."""
    with pytest.raises(ConfigError):
        stream("people", odd)
    found = stream("people", odd, type="identify", fields={"user_id": "id"}, traits=["*"])
    call = identify(found.read({"id": 1, "email": "a@b.co", "tier": "x", "_sdc_x": 1}))
    assert (call.user_id, call.email, call.traits) == ("1", "a@b.co", {"tier": "x"})


def test_a_table_in_capitals() -> None:
    """Snowflake and Oracle write names so: columns are found, and traits leave as they were sent."""
    row = {"ID": "c", "USER_ID": 1, "EMAIL": "a@b.co", "FIRST_NAME": "Ann", "PLAN": "x", "RECEIVED_AT": "2024-05-01"}
    more = {"CONTEXT_IP": "1", "CONTEXT_TRAITS_TIER": "y", "UUID_TS": "2024-05-01", "_sdc_batched_at": "2024-05-01"}
    for listed in ({}, {"traits": ["*"]}):
        call = identify(stream("DB-IDENTIFIES", " ".join({**row, **more}), **listed).read({**row, **more}))
        assert (call.user_id, call.email, call.first_name, call.time) == ("1", "a@b.co", "Ann", 1714521600.0)
        assert call.traits == {"plan": "x", "tier": "y"}
    event = {"ID": "e", "USER_ID": 1, "EVENT": "e", "EVENT_TEXT": "E", "TIMESTAMP": "2024-05-01", "TOTAL": 5}
    deed = track(stream("E", " ".join(event)).read(event))
    assert (deed.message_id, deed.event, deed.properties) == ("e", "E", {"total": 5})
    plain = {"CUSTOMER": 7, "EMAIL": "a@b.co", "TIER": "gold", "PLAN": "x"}
    setting = {"type": "identify", "fields": {"user_id": "customer"}, "traits": ["tier"]}
    call = identify(stream("CUSTOMERS", " ".join(plain), **setting).read(plain))
    assert (call.user_id, call.email, call.traits) == ("7", "a@b.co", {"tier": "gold"})
    calls = {"TYPE": "identify", "USERID": 1, "TRAITS": {"email": "a@b.co", "Plan": "x"}}
    assert identify(stream("CALLS", " ".join(calls)).read(calls)).traits == {"Plan": "x"}


def test_an_exact_name_wins() -> None:
    """Of two columns that differ in case alone the one that is spelled as looked for is meant."""
    row = {"ID": 1, "id": 2, "Email": "a@b.co", "email": "c@d.co"}
    call = identify(stream("people", " ".join(row), type="identify", fields={"user_id": "id"}).read(row))
    assert (call.user_id, call.email) == ("2", "c@d.co")


def test_fields_reach_into_lists() -> None:
    """A number is a position in a list, also where the list is JSON text."""
    setting = {"type": "track", "event": "E", "fields": {"user_id": "contacts.0.id", "timestamp": "at"}}
    chats = stream("chats", "id contacts at", ["id"], **setting)
    row = {"id": 1, "at": "2024-05-01"}
    assert track(chats.read({**row, "contacts": [{"id": "c9"}]})).user_id == "c9"
    assert track(chats.read({**row, "contacts": '[{"ID": "c9"}]'})).user_id == "c9"
    nobodies: tuple[object, ...] = ([], [{}], {}, "x", None, [7], [["id"]])
    for nobody in nobodies:
        call = chats.read({**row, "contacts": nobody})
        assert call is not None
        assert call.user_id is None


def test_traits_reach_into_objects() -> None:
    """One property of many is sent, by its last name, without the others."""
    row = {
        "id": "1",
        "properties": {"email": "a@b.co", "lifecyclestage": "lead", "salary": "9"},
        "geo": '{"city": "Rome"}',
    }
    setting = {
        "type": "identify",
        "fields": {"user_id": "id", "email": "properties.email"},
        "traits": ["properties.lifecyclestage", "geo.city"],
    }
    call = identify(stream("contacts", "id properties geo", ["id"], **setting).read(row))
    assert (call.email, call.traits, call.snapshot) == ("a@b.co", {"lifecyclestage": "lead", "city": "Rome"}, True)
    raw = stream("calls", "type userId traits context", traits=["address.city", "traits.plan"])
    traits = {"plan": "x", "address": {"city": "Bern", "street": "y"}}
    assert identify(raw.read({"type": "identify", "userId": 1, "traits": traits})).traits == {
        "city": "Bern",
        "plan": "x",
    }


def test_flattened_streams_whatever_the_separator() -> None:
    """Traits, properties and the context are found behind any separator that the user chose."""
    for separator in ("__", "_", ".", "-", "/", "___"):
        traits = {"traits|email": "a@b.co", "traits|plan": "x", "traits|address|city": "Rome"}
        person = {name.replace("|", separator): value for name, value in {**traits, "context|traits|tier": "y"}.items()}
        properties = {"properties|total": 5, "properties|ship|city": "Bern", "context|traits|email": "b@c.co"}
        deed = {name.replace("|", separator): value for name, value in properties.items()}
        calls = stream("calls", " ".join({"type", "userId", "messageId", "timestamp", "event", *person, *deed}))
        call = identify(calls.read({"type": "identify", "userId": 1, **person}))
        assert (call.email, call.traits) == ("a@b.co", {"plan": "x", "address_city": "Rome", "tier": "y"})
        order = track(calls.read({"type": "track", "userId": 1, "event": "E", "timestamp": 1714557600, **deed}))
        assert (order.email, order.properties) == ("b@c.co", {"total": 5, "ship_city": "Bern"})


def test_a_configured_event_comes_before_the_records_own() -> None:
    """A table of orders may have a column `event` that is something else."""
    setting = {"type": "track", "event": "Order Completed"}
    row = {"user_id": 1, "event": "INSERT", "timestamp": "2024-05-01"}
    assert track(stream("orders", " ".join(row), **setting).read(row)).event == "Order Completed"


def test_the_columns_that_are_read() -> None:
    """Nothing else of a record needs to fit its schema."""
    setting = {"type": "identify", "fields": {"user_id": "id"}, "traits": ["geo.city"]}
    people = stream("people", "id code email geo meta", ["code"], **setting)
    assert people.columns is not None
    assert {"id", "code", "email", "geo", "_sdc_deleted_at"} <= people.columns
    assert "meta" not in people.columns
    calls = stream("calls", "type userId messageId event timestamp traits properties context integrations junk")
    assert calls.columns is not None
    assert {"type", "userId", "event", "timestamp", "traits", "properties", "context", "integrations"} <= calls.columns
    assert "junk" not in calls.columns
    assert stream("people", {"type": "object"}, type="identify", fields={"user_id": "id"}, traits=["*"]).columns is None


def test_a_column_that_is_not_read_makes_no_other_record() -> None:
    """A second sync with another time of loading costs nothing."""
    setting = {"type": "identify", "fields": {"user_id": "id"}, "traits": ["plan"]}
    people = stream("people", "id email plan note _fivetran_synced", **setting)
    row: dict[str, object] = {"id": 1, "email": "a@b.co", "plan": "x", "note": "n", "_fivetran_synced": 1}
    mark = identify(people.read(row)).fingerprint
    assert identify(people.read({**row, "note": "m", "_fivetran_synced": 2})).fingerprint == mark
    assert identify(people.read({**row, "plan": "y"})).fingerprint != mark
    everything = stream("people", "id email plan note _fivetran_synced", **{**setting, "traits": ["*"]})
    assert identify(everything.read(row)).traits == {"plan": "x", "note": "n"}
