"""What the Meltano SDK brings, beside our own mapping: stream maps, flattening, metadata, batches, validation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import run_program
from tests.tap import CUSTOMERS, STREAMS, TEXT, hours_ago, record, schema, state, sync

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.sandbox.server import SandboxServer

pytestmark = pytest.mark.slow

PEOPLE = {"properties": {"person": TEXT, "mail": TEXT, "plan": TEXT, "phone": TEXT}}
ANN = record("people", person="1", mail="ann@example.com", plan="Free", phone="555")
ORDERS: dict[str, Any] = {
    "properties": {"id": TEXT, "customer_id": TEXT, "ordered_at": TEXT, "cents": {"type": "integer"}}
}
CALLS: dict[str, Any] = {
    "properties": {
        "type": TEXT,
        "userId": TEXT,
        "messageId": TEXT,
        "event": TEXT,
        "timestamp": TEXT,
        "traits": {
            "type": ["object", "null"],
            "properties": {
                "email": TEXT,
                "plan": TEXT,
                "address": {"type": "object", "properties": {"city": TEXT}},
            },
        },
        "properties": {"type": ["object", "null"], "properties": {"total": {"type": "number"}}},
        "integrations": {"type": ["object", "null"], "properties": {"All": {"type": "boolean"}}},
    }
}


@pytest.fixture
def shop(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for a shop's plain tables."""
    return {**config, "streams": STREAMS}


# --- stream maps ------------------------------------------------------------------------------------------------------


def test_a_stream_and_its_columns_may_be_renamed(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Our own mapping sees a stream as stream maps leave it: its alias, and its new columns."""
    shop["stream_maps"] = {
        "people": {
            "__alias__": "customers",
            "id": "person",
            "email": "mail",
            "person": None,
            "mail": None,
            "phone": None,
            "__key_properties__": ["id"],
        }
    }
    run = sync(shop, [schema("people", PEOPLE, keys=["person"]), ANN, state({"at": 1})])
    assert run.status == 0, run.log
    assert sandbox.account.contacts["ann@example.com"].attributes == {"plan": "Free", "user_id": "1"}
    assert run.states[-1] == {"at": 1}


def test_records_may_be_filtered(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """A record that a filter leaves out reaches nobody and counts nowhere."""
    shop["stream_maps"] = {"customers": {"__filter__": "email.endswith('@example.com')"}}
    messages = [
        schema("customers", CUSTOMERS),
        record("customers", id="1", email="ann@example.com"),
        record("customers", id="2", email="bob@example.org"),
    ]
    run = sync(shop, messages)
    assert run.status == 0, run.log
    assert run.summary["identify"]["read"] == 1
    assert list(sandbox.account.contacts) == ["ann@example.com"]


def test_values_may_be_hashed_and_computed(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Hashes and computed columns leave as attributes, also in a survey; what was null stays out."""
    shop["stream_maps"] = {
        "customers": {"hash": "sha256(email)", "segment": "'paying' if plan == 'Team' else 'free'", "plan": None},
        "orders": {"total": "float(cents / 100)", "cents": None},
    }
    messages = [
        schema("customers", CUSTOMERS),
        record("customers", id="1", email="ann@example.com", plan="Team"),
        schema("orders", ORDERS),
        record("orders", id="7", customer_id="1", ordered_at=hours_ago(1), cents=1250),
    ]
    run = sync(shop, messages)
    assert run.status == 0, run.log
    attributes = sandbox.account.contacts["ann@example.com"].attributes
    assert attributes["segment"] == "paying"
    assert len(str(attributes["hash"])) == 64
    assert "plan" not in attributes
    assert [survey.attributes["total"] for survey in sandbox.account.surveys] == [12.5]


def test_other_columns_may_be_dropped(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """With `__else__` null inside a map only what it names is left."""
    shop["stream_maps"] = {"customers": {"id": "id", "email": "email", "__else__": None}}
    run = sync(shop, [schema("customers", CUSTOMERS), record("customers", id="1", email="ann@example.com", plan="x")])
    assert run.status == 0, run.log
    assert sandbox.account.contacts["ann@example.com"].attributes == {"user_id": "1"}


@pytest.mark.parametrize(
    "maps",
    [
        {"customers": {"email": "email"}, "__else__": None},
        {"customers": {"email": "email"}, "__else__": "__NULL__"},
        {"people": None},
        {"peop*": "__NULL__"},
    ],
)
def test_a_stream_that_is_mapped_away_needs_no_setting(
    shop: dict[str, Any], sandbox: SandboxServer, maps: dict[str, Any]
) -> None:
    """A stream of which nothing is let through is not refused for being unknown."""
    shop["stream_maps"] = maps
    run = sync(
        shop,
        [
            schema("people", PEOPLE, keys=["person"]),
            ANN,
            schema("customers", CUSTOMERS),
            record("customers", id="1", email="bob@example.com"),
        ],
    )
    assert run.status == 0, run.log
    assert list(sandbox.account.contacts) == ["bob@example.com"]


def test_one_stream_may_become_two(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """A table of orders that also names its customers feeds both contacts and surveys."""
    shop["stream_maps"] = {
        "customers": {
            "__source__": "orders",
            "id": "customer_id",
            "email": "email",
            "__else__": None,
            "__key_properties__": ["id"],
        }
    }
    of = {"properties": {**ORDERS["properties"], "email": TEXT}}
    message = record("orders", id="7", customer_id="1", ordered_at=hours_ago(1), cents=5, email="ann@example.com")
    run = sync(shop, [schema("orders", of), message])
    assert run.status == 0, run.log
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1}


def test_a_raw_call_may_be_mapped(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """Maps reach into the objects of a call, and the result is still recognized as calls."""
    config["stream_maps"] = {"calls": {"event": "event.replace('Purchase', 'Order Completed') if event else None"}}
    messages = [
        schema("calls", CALLS, keys=["messageId"]),
        record("calls", type="identify", userId="1", messageId="a", event=None, traits={"email": "ann@example.com"}),
        record("calls", type="track", userId="1", messageId="b", event="Purchase", timestamp=hours_ago(1)),
    ]
    run = sync(config, messages)
    assert run.status == 0, run.log
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1}


@pytest.mark.parametrize(
    "maps",
    [
        {"customers": {"plan": "plan +"}},
        {"customers": {"__filter__": "("}},
        {"customers": {"id": None}},
        {"customers": {"__else__": "keep"}},
        {"customers": {"__key_properties__": ["nothing"]}},
        {"customers": {"plan": ["a"]}},
        {"customers": {"plan": 7}},
        {"customers": {"__filter__": 7}},
        {"customers": "all"},
        {"customers": 7},
        {"customers": {"__alias__": "("}},
        {"customers": {"__source__": 7}},
        {"__else__": "keep"},
        {"__more__": None},
    ],
)
def test_a_wrong_stream_map_is_refused_with_a_sentence(
    shop: dict[str, Any], sandbox: SandboxServer, maps: dict[str, Any], tmp_path: Path
) -> None:
    """Through the real command: exit status 1, no traceback, the setting named, nothing sent."""
    shop["stream_maps"] = maps
    messages = [schema("customers", CUSTOMERS), record("customers", id="1", email="ann@example.com"), state({"at": 1})]
    run = run_program(config=shop, messages=messages, cwd=tmp_path)
    assert run.status == 1
    assert "Traceback" not in run.log
    assert "`stream_maps`" in run.log
    assert run.states == []
    assert sandbox.account.requests == []


@pytest.mark.parametrize(
    "expression",
    ["int(plan)", "plan.nothing", "record['nothing']", "1 / 0", "nothing", "plan + 1", "json.loads(email)", "None.x"],
)
def test_an_expression_that_fails_rejects_the_record(shop: dict[str, Any], expression: str) -> None:
    """The run goes on, and no value is shown."""
    shop["stream_maps"] = {"customers": {"plan": expression}}
    messages = [
        schema("customers", CUSTOMERS),
        record("customers", id="1", email="ann@example.com", plan="Secret"),
        state({"at": 1}),
    ]
    run = sync(shop, messages)
    assert run.status == 0
    assert run.summary["identify"]["rejected"] == 1
    assert "Secret" not in run.log
    assert "ann@" not in run.log
    assert run.states == [{"at": 1}]


# --- flattening -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [None, "__"])
def test_flattened_calls_say_the_same(config: dict[str, Any], sandbox: SandboxServer, separator: str | None) -> None:
    """Traits, properties and integrations are found in the columns that flattening makes of them."""
    config |= {"flattening_enabled": True, "flattening_max_depth": 3, "flattening_separator": separator}
    traits = {"email": "ann@example.com", "plan": "Free", "address": {"city": "Lisbon"}}
    messages = [
        schema("calls", CALLS, keys=["messageId"]),
        record("calls", type="identify", userId="1", messageId="a", traits=traits),
        record(
            "calls",
            type="identify",
            userId="2",
            messageId="b",
            traits={"email": "bob@example.com"},
            integrations={"All": False},
        ),
        record(
            "calls",
            type="track",
            userId="1",
            messageId="c",
            event="Order Completed",
            timestamp=hours_ago(1),
            properties={"total": 12.5},
        ),
    ]
    run = sync(config, messages)
    assert run.status == 0, run.log
    attributes = sandbox.account.contacts["ann@example.com"].attributes
    assert attributes["plan"] == "Free"
    assert attributes["address_city"] == "Lisbon"
    assert "bob@example.com" not in sandbox.account.contacts
    assert [survey.attributes["total"] for survey in sandbox.account.surveys] == [12.5]


def test_a_flattened_table_is_mapped(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """`fields` and `traits` name the flat columns."""
    shop |= {
        "flattening_enabled": True,
        "flattening_max_depth": 1,
        "streams": {"customers": {"type": "identify", "fields": {"user_id": "who__id"}, "traits": ["who__plan"]}},
    }
    of = {"properties": {"email": TEXT, "who": {"type": "object", "properties": {"id": TEXT, "plan": TEXT}}}}
    run = sync(
        shop,
        [schema("customers", of, keys=[]), record("customers", email="a@example.com", who={"id": "1", "plan": "x"})],
    )
    assert run.status == 0, run.log
    assert sandbox.account.contacts["a@example.com"].attributes == {"who__plan": "x", "user_id": "1"}


# --- metadata ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metadata", [True, False, None])
def test_metadata_columns_never_leave(shop: dict[str, Any], sandbox: SandboxServer, *, metadata: bool | None) -> None:
    """`_sdc_*` columns, the SDK's or the tap's own, are no attributes and no change."""
    shop["add_record_metadata"] = metadata
    of = {"properties": {**CUSTOMERS["properties"], "_sdc_batched_at": TEXT}, "additionalProperties": False}
    for batched_at in ("2024-05-01T00:00:00Z", "2024-05-02T00:00:00Z"):
        message = record("customers", id="1", email="ann@example.com", plan="Free", _sdc_batched_at=batched_at)
        message["time_extracted"] = batched_at
        run = sync(shop, [schema("customers", of), message])
        assert run.status == 0, run.log
        assert run.summary["identify"]["rejected"] == 0
    assert sandbox.account.contacts["ann@example.com"].attributes == {"plan": "Free", "user_id": "1"}
    assert run.summary["api"]["requests"] == 0


@pytest.mark.parametrize("metadata", [True, False])
def test_deletions_are_seen_with_and_without_metadata(
    shop: dict[str, Any], sandbox: SandboxServer, *, metadata: bool
) -> None:
    """`_sdc_deleted_at` reaches us whether `add_record_metadata` is set or not."""
    shop |= {"add_record_metadata": metadata, "hard_delete": True}
    of = {"properties": {**CUSTOMERS["properties"], "_sdc_deleted_at": TEXT}}
    sync(shop, [schema("customers", of), record("customers", id="1", email="ann@example.com")])
    gone = record("customers", id="1", email="ann@example.com", _sdc_deleted_at=hours_ago(0))
    run = sync(shop, [schema("customers", of), gone])
    assert run.status == 0, run.log
    assert run.summary["identify"]["deleted"] == 1
    assert sandbox.account.contacts == {}


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "merged"), [(None, 5), (1, 0), (2, 3), (1000, 5)])
def test_batches_have_the_size_that_the_config_says(shop: dict[str, Any], rows: int | None, merged: int) -> None:
    """Records of one person in one batch merge, so the size shows; the contact is the same."""
    shop["batch_size_rows"] = rows
    messages = [schema("customers", CUSTOMERS)]
    messages += [record("customers", id="1", email="ann@example.com", plan=str(number)) for number in range(6)]
    run = sync(shop, messages)
    assert run.status == 0, run.log
    assert run.summary["identify"]["merged"] == merged
    assert run.summary["contacts"]["synced"] >= 1


# --- validation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("validate", "rejected"), [(None, 1), (True, 1), (False, 0)])
def test_records_are_validated_unless_the_config_says_no(
    shop: dict[str, Any], *, validate: bool | None, rejected: int
) -> None:
    """A record that does not fit its SCHEMA is rejected; null is the default, which is to validate."""
    shop["validate_records"] = validate
    messages = [
        schema("customers", CUSTOMERS),
        record("customers", id="1", email="ann@example.com", plan=7),
        record("customers", id="2", email="bob@example.com", plan="Free"),
    ]
    run = sync(shop, messages)
    assert run.status == 0, run.log
    assert run.summary["identify"] == {**run.summary["identify"], "read": 2, "rejected": rejected}


# --- log --------------------------------------------------------------------------------------------------------------


def test_the_log_says_what_was_measured(shop: dict[str, Any], tmp_path: Path) -> None:
    """Without such a config a metric is a line with an object behind `METRIC: `, before the summary."""
    messages = [schema("customers", CUSTOMERS), record("customers", id="1", email="ann@example.com")]
    run = run_program(config=shop, messages=messages, cwd=tmp_path)
    assert "Run summary: {" in run.log.splitlines()[-1]
    points = [json.loads(line.split("METRIC: ", 1)[1]) for line in run.log.splitlines() if "METRIC: " in line]
    assert {"record_count", "batch_processing_time", "http_request_count"} <= {point["metric"] for point in points}


@pytest.mark.parametrize("command", [(), ("deliver",)], ids=["sync", "deliver"])
def test_a_run_that_cannot_begin_ends_its_log_with_the_summary(
    command: tuple[str, ...], shop: dict[str, Any], tmp_path: Path
) -> None:
    """Who reads summaries finds one with all its keys also if the store cannot be opened, after the sentence why."""
    whole = run_program(config=shop, cwd=tmp_path)
    run = run_program(*command, config={**shop, "store_url": f"sqlite:///{tmp_path}/missing/store.db"}, cwd=tmp_path)
    *_, why, last = run.log.splitlines()
    assert run.status == 1
    assert "ERROR" in why
    assert "missing/store.db" in why
    assert "Run summary: {" in last
    assert {**run.summary, "seconds": 0} == {**whole.summary, "seconds": 0}


def test_refused_settings_end_the_log_with_the_summary(shop: dict[str, Any], tmp_path: Path) -> None:
    """A run that is refused for its settings is one too: the sentence that names the setting, then the summary."""
    run = run_program(config={**shop, "dry_run": True, "campaigns": {"Order Completed": "the 78th"}}, cwd=tmp_path)
    *_, why, last = run.log.splitlines()
    assert run.status == 1
    assert "`campaigns.Order Completed`" in why
    assert "Run summary: {" in last
    assert run.summary["dry_run"] is True
    assert run.summary["sandbox"] is False
