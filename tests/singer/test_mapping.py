"""What stream maps and flattening make of records, and how their failures come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.commands.rejected import messages as replay
from target_promoter.store.database import open_store
from tests.tap import CUSTOMERS, STREAMS, TEXT, hours_ago, record, schema, state, sync

if TYPE_CHECKING:
    from target_promoter.sandbox.server import SandboxServer

pytestmark = pytest.mark.slow

OBJECT: dict[str, Any] = {"type": ["null", "object"]}
EMAIL = "ann@example.com"


@pytest.fixture
def shop(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for a shop's plain tables."""
    return {**config, "streams": STREAMS}


def rejected(config: dict[str, Any], **only: str | None) -> list[dict[str, Any]]:
    """Return what the command `rejected` prints."""
    store = open_store(config["store_url"], now=0.0)
    try:
        return store.read(lambda tx: list(replay(tx, **{"stream": None, "reason": None, **only})))
    finally:
        store.close()


def attributes(sandbox: SandboxServer, email: str = EMAIL) -> dict[str, Any]:
    """Return the attributes of a contact, but for its user id."""
    contact = sandbox.account.contacts[email]
    return {name: value for name, value in contact.attributes.items() if name != "user_id"}


# --- what an expression makes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "attribute"),
    [
        ("plan == 'Free'", "true"),
        ("7.5", "7.5"),
        ("int(id) * 2", "2"),
        ("float('2.5') + 1", "3.5"),
        ("[plan, 'b']", "Free, b"),
        ("record['plan']", "Free"),
        ("None if plan else 1", None),
        ("bool(plan) and 3", "3"),
    ],
)
def test_a_mapped_column_is_what_its_expression_made(
    shop: dict[str, Any], sandbox: SandboxServer, expression: str, attribute: str | None
) -> None:
    """Whatever type the SDK guesses of it, also where it overwrites a column of another type."""
    shop["stream_maps"] = {"customers": {"made": expression, "plan": expression}}
    run = sync(shop, [schema("customers", CUSTOMERS), record("customers", id="1", email=EMAIL, plan="Free")])
    assert run.summary["identify"]["rejected"] == 0
    assert attributes(sandbox) == ({} if attribute is None else {"made": attribute, "plan": attribute})


def test_the_same_schema_again_splits_no_batch_of_a_mapped_stream(shop: dict[str, Any]) -> None:
    """A SCHEMA before every record costs nothing, also where a map makes columns or adds to them."""
    shop |= {"stream_maps": {"customers": {"made": "plan"}}, "add_record_metadata": True}
    messages = [
        one
        for number in range(4)
        for one in (schema("customers", CUSTOMERS), record("customers", id="1", email=EMAIL, plan=str(number)))
    ]
    assert sync(shop, messages).summary["identify"]["merged"] == 3


# --- a map that fails -------------------------------------------------------------------------------------------------

PLANS = {"properties": {"id": TEXT, "email": TEXT, "plan": OBJECT}}


def test_a_record_that_a_map_fails_on_is_kept_whole_and_replayed_through_the_corrected_map(
    shop: dict[str, Any], sandbox: SandboxServer
) -> None:
    """The reason names the map and the column; what was kept is what the tap sent."""
    shop["stream_maps"] = {"customers": {"tier": "str(plan['name'])", "plan": None, "email": "email.lower()"}}
    ann = {"id": "1", "email": "Ann@Example.com", "plan": {"name": "Team"}}
    bob = {"id": "2", "email": "Bob@Example.com", "plan": None}
    run = sync(
        shop, [schema("customers", PLANS), record("customers", **ann), record("customers", **bob), state({"n": 1})]
    )
    assert run.states == [{"n": 1}]
    assert run.summary["identify"]["rejected"] == 1
    assert attributes(sandbox) == {"tier": "Team"}
    again = rejected(shop, reason="stream map `customers`: the expression of `tier` fails (TypeError)")
    (kept,) = (one["record"] for one in again if one["type"] == "RECORD")
    assert {name: value for name, value in kept.items() if name != "_sdc_rejected"} == bob

    assert sync(shop, again).summary["identify"]["rejected"] == 1  # Nothing was corrected.
    assert [one["type"] for one in rejected(shop)] == ["SCHEMA", "RECORD"]
    shop["stream_maps"]["customers"] |= {
        "tier": "'none' if plan is None else str(plan['name'])",
        "id": "id",
        "__else__": None,
    }
    assert sync(shop, rejected(shop)).summary["identify"]["rejected"] == 0
    assert attributes(sandbox, "bob@example.com") == {"tier": "none"}
    assert rejected(shop) == []


def test_a_filter_that_fails_rejects_the_record(shop: dict[str, Any]) -> None:
    """A record of which nobody knows whether it is wanted is shown, not dropped."""
    shop["stream_maps"] = {"customers": {"__filter__": "plan.startswith('F')"}}
    run = sync(shop, [schema("customers", CUSTOMERS), record("customers", id="1", email=EMAIL, plan=None)])
    assert run.summary["identify"]["rejected"] == 1
    assert rejected(shop, reason="`__filter__`")


def test_a_record_whose_key_a_failing_map_makes_is_rejected(shop: dict[str, Any]) -> None:
    """The key that is missing is the map's fault, and no reason to end the run."""
    shop["stream_maps"] = {"customers": {"id": "str(plan['id'])", "__key_properties__": ["id"]}}
    columns = {"properties": {"email": TEXT, "plan": OBJECT}}
    run = sync(shop, [schema("customers", columns, keys=()), record("customers", email=EMAIL, plan=None)])
    assert run.status == 0
    assert run.summary["identify"]["rejected"] == 1


def test_of_two_maps_of_a_stream_the_one_that_failed_takes_the_replay(shop: dict[str, Any]) -> None:
    """The other one took the record when it came, and does not take what failed off the list."""
    shop["stream_maps"] = {
        "customers": {"plan": "str(email)"},
        "guests": {"__source__": "customers", "plan": "plan.nothing"},
    }
    shop["streams"] = {**STREAMS, "guests": STREAMS["customers"]}
    run = sync(shop, [schema("customers", CUSTOMERS), record("customers", id="1", email=EMAIL, plan="x")])
    assert run.summary["identify"] == {**run.summary["identify"], "read": 2, "changed": 1, "rejected": 1}
    again = sync(shop, rejected(shop))
    assert again.summary["identify"] == {**again.summary["identify"], "read": 1, "rejected": 1}
    assert len(rejected(shop)) == 2


def test_a_mapped_record_that_was_rejected_is_not_mapped_again(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Its replay succeeds, once what was wrong is right, with what the map made of it the first time."""
    shop["stream_maps"] = {"customers": {"vip": "plan == 'x'", "plan": "plan + '!'", "email": "email or 'nobody'"}}
    messages = [schema("customers", CUSTOMERS), record("customers", id=None, email=EMAIL, plan="x")]
    assert sync(shop, messages).summary["identify"]["rejected"] == 1
    again = rejected(shop)
    again[1]["record"]["id"] = "1"
    assert sync(shop, again).summary["identify"]["changed"] == 1
    assert attributes(sandbox) == {"vip": "true", "plan": "x!"}
    assert rejected(shop) == []


# --- a hostile tap ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [{}, TEXT, {**TEXT, "description": "replayed"}, True])
def test_a_column_of_replays_in_a_schema_switches_no_map_off(
    shop: dict[str, Any], sandbox: SandboxServer, said: object
) -> None:
    """An address that the config hashes leaves hashed, whatever a tap writes into its schema."""
    shop["stream_maps"] = {"customers": {"plan": "md5(plan)"}}
    columns = {"properties": {**CUSTOMERS["properties"], "_sdc_rejected": said}}
    ann = record("customers", id="1", email=EMAIL, plan="secret", _sdc_rejected="refused", _sdc_unmapped=True)
    sync(shop, [schema("customers", columns), ann])
    assert attributes(sandbox) == {"plan": "5ebe2294ecd0e0f08eab7690d2a6ee69"}


def test_a_stream_that_is_named_as_replays_are_does_not_escape_the_config(shop: dict[str, Any]) -> None:
    """`refused_calls` is any tap's name; only the store's mark makes replays of it."""
    shop["streams"] = {"*": {"type": "ignore"}}
    columns = {"properties": {**dict.fromkeys(("type", "userId", "messageId"), TEXT), "traits": OBJECT}}
    columns["properties"]["_sdc_rejected"] = {**TEXT, "description": "refused"}
    call = record("refused_calls", type="identify", userId="1", messageId="m", traits={"email": EMAIL})
    run = sync(shop, [schema("refused_calls", columns, keys=["messageId"]), call])
    assert run.summary["ignored"] == 1


def test_a_record_of_such_a_stream_that_was_rejected_does_not_escape_it_either(shop: dict[str, Any]) -> None:
    """Its replay bears a mark of the store, but not the one of what Promoter refused."""
    columns = {"properties": {**dict.fromkeys(("type", "userId", "messageId"), TEXT), "traits": OBJECT}}
    call = record("refused_calls", type="identify", userId="1", messageId="m", traits={"email": "nobody"})
    sync(shop, [schema("refused_calls", columns, keys=["messageId"]), call])
    shop["streams"] = {"*": {"type": "ignore"}}
    assert sync(shop, rejected(shop)).summary["ignored"] == 1


# --- flattening -------------------------------------------------------------------------------------------------------

TRAITS: dict[str, Any] = {
    "properties": {"email": TEXT, "plan": TEXT, "address": {**OBJECT, "properties": {"city": TEXT}}}
}
NULL = {"type": "null"}


@pytest.mark.parametrize(
    "traits",
    [
        {"type": "object", **TRAITS},
        {"type": ["object", "null"], **TRAITS},
        {"anyOf": [{"type": "object", **TRAITS}, NULL]},
        {"anyOf": [NULL, {"type": "object", **TRAITS}]},
        {"oneOf": [NULL, {"type": "object", **TRAITS}]},
        {"allOf": [{"type": "object", **TRAITS}]},
        {"$ref": "#/$defs/traits"},
        {"anyOf": [{"$ref": "#/$defs/traits"}, NULL]},
        TRAITS,
        {**OBJECT, "additionalProperties": True},
        {},
    ],
)
@pytest.mark.parametrize(("separator", "depth"), [("__", 3), ("_", 2), (".", 3), ("-", 2)])
def test_flattening_loses_nothing_of_a_call(
    config: dict[str, Any], sandbox: SandboxServer, traits: dict[str, Any], separator: str, depth: int
) -> None:
    """However the object is declared, required or not, and whatever the separator is."""
    config |= {"flattening_enabled": True, "flattening_max_depth": depth, "flattening_separator": separator}
    columns = {
        "$defs": {"traits": {"type": "object", **TRAITS}},
        "properties": {**dict.fromkeys(("type", "userId", "messageId"), TEXT), "traits": traits, "n": {}},
        "required": ["traits", "userId"],
    }
    call = {"type": "identify", "userId": "1", "messageId": "m", "n": 5}
    ann = record("calls", **call, traits={"email": EMAIL, "plan": "Free", "address": {"city": "Lisbon"}})
    run = sync(config, [schema("calls", columns, keys=["messageId"]), ann])
    assert run.summary["identify"]["rejected"] == 0
    assert attributes(sandbox) == {"plan": "Free", "address_city": "Lisbon"}


@pytest.mark.parametrize("separator", ["__", "_", "."])
def test_a_plain_stream_is_read_by_its_flattened_columns(
    config: dict[str, Any], sandbox: SandboxServer, separator: str
) -> None:
    """`fields` name them with the config's own separator; lists and objects become text, numbers stay numbers."""
    path = separator.join(("customer", "id"))
    config |= {"flattening_enabled": True, "flattening_max_depth": 2, "flattening_separator": separator}
    config["streams"] = {"people": {"type": "identify", "fields": {"user_id": path}, "traits": ["n", "tags"]}}
    customer = {"anyOf": [NULL, {"type": "object", "properties": {"id": {"anyOf": [{"type": "integer"}, NULL]}}}]}
    tags = {"anyOf": [{"type": "array"}, NULL]}
    columns = {"properties": {"email": TEXT, "customer": customer, "n": {"type": ["array", "integer"]}, "tags": tags}}
    ann = record("people", email=EMAIL, customer={"id": 7}, n=5, tags=["a", "b"])
    assert sync(config, [schema("people", columns, keys=()), ann]).summary["identify"]["changed"] == 1
    assert sandbox.account.contacts[EMAIL].attributes["user_id"] == "7"
    assert attributes(sandbox)["n"] == "5"


def test_flattening_hides_no_reference_that_leaves_the_document(config: dict[str, Any]) -> None:
    """The SCHEMA is refused, as without flattening."""
    config |= {"flattening_enabled": True, "flattening_max_depth": 2, "streams": STREAMS}
    columns = {"properties": {**CUSTOMERS["properties"], "x": {"$ref": "URL:file:///etc/hostname"}}}
    run = sync(config, [schema("customers", columns), record("customers", id="1", email=EMAIL)])
    assert run.status == 1


def test_an_event_and_its_survey_pass_through_flattening(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """Properties that may be null, by `anyOf`, with a separator of one underscore."""
    config |= {"flattening_enabled": True, "flattening_max_depth": 3, "flattening_separator": "_"}
    names = ("type", "userId", "messageId", "event", "timestamp")
    properties = {"anyOf": [{"type": "object", "properties": {"total": {"type": ["null", "number"]}}}, NULL]}
    columns = {"properties": {**dict.fromkeys(names, TEXT), "traits": {**OBJECT, **TRAITS}, "properties": properties}}
    messages = [
        schema("calls", columns, keys=["messageId"]),
        record("calls", type="identify", userId="1", messageId="a", traits={"email": EMAIL}),
        record(
            "calls",
            type="track",
            userId="1",
            messageId="b",
            event="Order Completed",
            timestamp=hours_ago(1),
            properties={"total": 74},
        ),
    ]
    assert sync(config, messages).summary["surveys"]["sent"] == 1
    assert sandbox.account.surveys[0].attributes == {"total": 74}
