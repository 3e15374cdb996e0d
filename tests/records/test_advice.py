"""The lines that are proposed for streams which must be configured, tried on tables as popular taps describe them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from target_promoter.config.settings import PLACEHOLDER, Settings
from target_promoter.errors import ConfigError
from target_promoter.records.advice import Advice, advise, as_yaml, config_of, guess_field
from target_promoter.records.streams import recognize

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES: dict[str, Any] = {
    "t": {"type": ["null", "string"]},
    "i": {"type": ["null", "integer"]},
    "b": {"type": ["null", "boolean"]},
    "n": {"type": ["null", "number"]},
    "d": {"type": ["null", "string"], "format": "date-time"},
    "a": {"type": ["null", "array"], "items": {}},
}


def schema(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of columns, each with its type's letter, or an object's columns."""
    made = {
        name: TYPES[one] if isinstance(one, str) else {"anyOf": [schema(one), {"type": "null"}]}
        for name, one in columns.items()
    }
    return {"type": "object", "properties": made}


def columns(text: str) -> dict[str, str]:
    """Return columns from `name:type` words; a word without a type is text."""
    return {name: kind or "t" for name, _, kind in (word.partition(":") for word in text.split())}


CAMPAIGNS = {"Order Completed": 78, "Ticket Solved": 79, "Subscription Created": 12, "Deal Won": 5}
# By tap: stream, its columns, its keys, and the setting that is right (None: leave it out).
TAPS: list[tuple[str, str, dict[str, Any], str, dict[str, Any] | None]] = [
    (
        "shopify",
        "customers",
        columns(
            "id:i email first_name last_name created_at:d updated_at:d accepts_marketing:b currency orders_count:i"
        ),
        "id",
        {"type": "identify", "fields": {"user_id": "id"}},
    ),
    (
        "shopify",
        "orders",
        {
            **columns(
                "id:i user_id:i email created_at:d updated_at:d processed_at:d cancelled_at:d total_price currency"
            ),
            "customer": columns("id:i email created_at:d"),
            "billing_address": columns("first_name last_name country"),
        },
        "id",
        {
            "type": "track",
            "event": "Order Completed",
            "fields": {"user_id": "customer.id", "email": "email", "timestamp": "processed_at"},
        },
    ),
    ("shopify", "order_refunds", columns("id:i order_id:i user_id:i created_at:d note"), "id", None),
    ("shopify", "products", columns("id:i title vendor created_at:d updated_at:d"), "id", None),
    (
        "bigcommerce",
        "customers",
        columns("id:i company first_name last_name email phone date_created:d date_modified:d is_email_opt_in:b"),
        "id",
        {"type": "identify", "fields": {"user_id": "id"}},
    ),
    (
        "bigcommerce",
        "orders",
        {
            **columns(
                "id:i customer_id:i date_created:d date_modified:d date_shipped:d status_id:i status is_email_opt_in:b"
            ),
            "billing_address": columns("first_name last_name email"),
        },
        "id",
        {
            "type": "track",
            "event": "Order Completed",
            "fields": {"user_id": "customer_id", "email": "billing_address.email", "timestamp": "date_created"},
        },
    ),
    (
        "stripe",
        "customers",
        columns("id object created:d currency email name description delinquent:b livemode:b"),
        "id",
        {"type": "identify", "fields": {"user_id": "id"}},
    ),
    (
        "stripe",
        "subscriptions",
        columns("id object customer created:d start:d ended_at:d canceled_at:d current_period_end:d status quantity:i"),
        "id",
        {
            "type": "track",
            "event": "Subscription Created",
            "fields": {"user_id": "customer", "timestamp": "created"},
        },
    ),
    ("stripe", "invoice_line_items", columns("id invoice subscription amount:i currency type"), "id invoice", None),
    (
        "hubspot",
        "contacts",
        {
            **columns("id createdAt:d updatedAt:d archived:b"),
            "properties": columns("email firstname lastname lifecyclestage hs_email_optout:b"),
        },
        "id",
        {
            "type": "identify",
            "fields": {
                "user_id": "id",
                "email": "properties.email",
                "first_name": "properties.firstname",
                "last_name": "properties.lastname",
            },
        },
    ),
    ("hubspot", "companies", {**columns("id createdAt:d"), "properties": columns("name domain")}, "id", None),
    (
        "zendesk",
        "users",
        columns("id:i email name role created_at:d updated_at:d organization_id:i verified:b"),
        "id",
        {"type": "identify", "fields": {"user_id": "id"}},
    ),
    (
        "zendesk",
        "tickets",
        columns("id:i requester_id:i submitter_id:i assignee_id:i created_at:d updated_at:d due_at:d status priority"),
        "id",
        {"type": "track", "event": "Ticket Solved", "fields": {"user_id": "requester_id", "timestamp": "created_at"}},
    ),
    ("zendesk", "groups", columns("id:i name created_at:d"), "id", None),
    (
        "intercom",
        "contacts",
        columns(
            "id workspace_id external_id role email phone name created_at:d updated_at:d unsubscribed_from_emails:b"
        ),
        "id",
        {"type": "identify", "fields": {"user_id": "id"}},
    ),
    ("intercom", "tags", columns("id name type"), "id", None),
    (
        "salesforce",
        "Contact",
        columns("Id AccountId LastName FirstName Email Title CreatedDate:d SystemModstamp:d IsDeleted:b"),
        "Id",
        {"type": "identify", "fields": {"user_id": "Id"}},
    ),
    ("salesforce", "Case", columns("Id ContactId AccountId Status CreatedDate:d ClosedDate:d"), "Id", None),
    (
        "klaviyo",
        "profiles",
        {
            **columns("id type updated:d"),
            "attributes": columns("email phone_number external_id first_name last_name created:d"),
        },
        "id",
        {
            "type": "identify",
            "fields": {
                "user_id": "id",
                "email": "attributes.email",
                "first_name": "attributes.first_name",
                "last_name": "attributes.last_name",
            },
        },
    ),
    ("klaviyo", "metrics", columns("id name created:d updated:d"), "id", None),
    (
        "mailchimp",
        "list_members",
        columns("id email_address unique_email_id list_id status last_changed:d timestamp_signup:d language vip:b"),
        "id list_id",
        {"type": "identify", "fields": {"user_id": "id"}},
    ),
    ("mailchimp", "lists", columns("id name date_created:d"), "id", None),
    (
        "woocommerce",
        "customers",
        columns("id:i date_created:d date_modified:d email first_name last_name role username is_paying_customer:b"),
        "id",
        {"type": "identify", "fields": {"user_id": "id"}},
    ),
    (
        "woocommerce",
        "orders",
        {
            **columns("id:i parent_id:i number status currency date_created:d date_modified:d customer_id:i total"),
            "billing": columns("first_name last_name email"),
        },
        "id",
        {
            "type": "track",
            "event": "Order Completed",
            "fields": {"user_id": "customer_id", "email": "billing.email", "timestamp": "date_created"},
        },
    ),
    (
        "own database",
        "public-clients",
        columns("client_no:i work_mail given_name family_name full_name tier phone updated:d"),
        "client_no",
        {
            "type": "identify",
            "fields": {
                "user_id": "client_no",
                "email": "work_mail",
                "first_name": "given_name",
                "last_name": "family_name",
            },
        },
    ),
    (
        "own database",
        "public-patients",
        columns("patient_key mail full_name ward voicemail:b"),
        "patient_key",
        {"type": "identify", "fields": {"user_id": "patient_key", "email": "mail", "name": "full_name"}},
    ),
    (
        "own database",
        "public-orders",
        columns("order_no:i client_no:i amount:n state delivered_on:d updated:d"),
        "order_no",
        {
            "type": "track",
            "event": "Order Completed",
            "fields": {"user_id": "client_no", "timestamp": "delivered_on"},
        },
    ),
    (
        "app",
        "app-users",
        columns("id:i account_id:i email plan"),
        "id",
        {"type": "identify", "fields": {"user_id": "id"}},
    ),
]


def advice(name: str, of: Mapping[str, Any], keys: str, **settings: object) -> Advice:
    """Return what is proposed for a stream."""
    found = Settings.from_config({"api_key": "k", "campaigns": CAMPAIGNS, **settings})
    return advise(name, schema(of), keys.split(), found)


@pytest.mark.parametrize(("tap", "name", "of", "keys", "expected"), TAPS, ids=[f"{one[0]} {one[1]}" for one in TAPS])
def test_tables_of_popular_taps(tap: str, name: str, of: Any, keys: str, expected: dict[str, Any] | None) -> None:  # noqa: ANN401, ARG001
    """People are told by their own key; events by a reference, at their own time, for the nearest campaign."""
    found = advice(name, of, keys)
    if expected is None:
        assert found.ignores, found
        assert found.why
    else:
        assert {part: one for part, one in found.setting.items() if part != "traits"} == expected


@pytest.mark.parametrize("tap", sorted({one[0] for one in TAPS}))
def test_the_lines_for_all_streams_of_a_tap_work_as_they_stand(tap: str) -> None:
    """As JSON and as Meltano's YAML: each stream is recognized with them, and the rest is ignored."""
    streams = [one for one in TAPS if one[0] == tap]
    config = config_of(advice(name, of, keys) for _, name, of, keys, _ in streams)
    assert yaml.safe_load("\n".join(as_yaml(config))) == {"config": config}
    settings = Settings.from_config({"api_key": "k", "campaigns": CAMPAIGNS, **json.loads(json.dumps(config))})
    for _, name, of, keys, expected in streams:
        found = recognize(name, schema(of), keys.split(), settings)
        assert found.type == ("ignore" if expected is None else expected["type"])


def test_traits_are_proposed_that_say_nothing_personal() -> None:
    """Plan, status and totals tell scores apart; what may be private is for the owner to add."""
    found = advice("customers", columns("id email plan ssn birthday notes status orders_count:i country phone"), "id")
    assert found.setting["traits"] == ["plan", "status", "orders_count", "country"]


def test_a_key_of_several_columns_gets_a_map() -> None:
    """A person of a table that tells people by two columns has both as its id."""
    found = advice("members", columns("shop number:i email"), "shop number")
    assert found.stream_map == {"person_key": "str(record['shop']) + '-' + str(record['number'])"}
    config = config_of([found])
    assert config["streams"]["members"] == {"type": "identify", "fields": {"user_id": "person_key"}, "traits": []}
    assert config["stream_maps"] == {"members": found.stream_map}


def test_the_key_of_an_event_is_never_its_person() -> None:
    """Neither its own id, nor a change's time as the time when it happened."""
    assert advice("orders", columns("id created_at:d total"), "id").why == "no column names a person"
    assert "updated_at" in advice("orders", columns("id customer_id updated_at:d"), "id").why


def test_without_campaigns_what_events_are_usually_about_is_proposed() -> None:
    """A first try shows what there is to survey for."""
    found = advice("public-orders", columns("id customer_id ordered_at:d"), "id", campaigns={})
    assert found.setting["event"] == "Order"
    assert advice("things", columns("id customer_id made_at:d"), "id", campaigns={}).ignores


def test_an_event_of_the_record_needs_none_in_the_config() -> None:
    """A log of events names each in a column."""
    found = advice("log", columns("id event user_id time:d"), "id")
    assert found.setting["fields"] == {"user_id": "user_id", "timestamp": "time"}
    assert "event" not in found.setting


def test_a_placeholder_is_refused() -> None:
    """Also on streams without a schema, where any column might be meant."""
    assert guess_field("user_id", ["what"]) == PLACEHOLDER
    streams = {"x": {"type": "identify", "fields": {"user_id": PLACEHOLDER}}}
    with pytest.raises(ConfigError, match="placeholder"):
        Settings.from_config({"api_key": "k", "streams": streams})
