"""The settings, declared once: their JSON schema and their defaults."""

from __future__ import annotations

from typing import Any, Final

from singer_sdk import typing as th

DEFAULTS: Final[dict[str, Any]] = {
    "api_url": "https://app.promoter.io/api",
    "contact_lists": [],
    "stored_events": ["Order Completed"],
    "survey_recipients": ["*"],
    "max_surveys_per_run": 1000,
    "max_event_age_hours": 72,
    "throttle_days": 1,
    "requests_per_minute": 600,
    "store_url": "sqlite:///target-promoter.db",
    "hard_delete": False,
    "dry_run": False,
    "fail_on_rejected": False,
}
"""The default of every setting that has one; `streams` and `campaigns` are empty objects."""

STREAM_TYPES: Final = ("identify", "track", "segment", "ignore")
"""What a stream may be."""

FIELDS: Final = (
    "user_id",
    "anonymous_id",
    "email",
    "first_name",
    "last_name",
    "name",
    "event",
    "timestamp",
    "message_id",
    "traits",
    "properties",
)
"""The logical fields that `fields` of a stream may point at a record's own."""

_STREAM: Final = th.ObjectType(
    th.Property(
        "type",
        th.StringType,
        title="Type",
        description="What its records are; `segment` means that each record says so itself, in `type` or `action`.",
        allowed_values=list(STREAM_TYPES),
    ),
    th.Property(
        "event",
        th.StringType,
        title="Event",
        description="The event of a track stream whose records name none, such as a table of orders.",
    ),
    th.Property(
        "fields",
        th.ObjectType(additional_properties=th.StringType),
        title="Fields",
        description=(
            "From logical field to the record's own, dots reaching into objects: "
            f'{{"user_id": "customer_id"}}. Logical fields: {", ".join(FIELDS)}.'
        ),
    ),
    th.Property(
        "traits",
        th.ArrayType(th.StringType),
        title="Traits",
        description='The columns that may leave as attributes or survey properties; `["*"]` for all.',
    ),
    th.Property(
        "contact_lists",
        th.ArrayType(th.IntegerType),
        title="Contact lists",
        description="The ids of contact lists that the people of this stream join.",
    ),
    additional_properties=False,
)

_CAMPAIGN: Final = th.CustomType(
    {
        "anyOf": [
            {"type": "integer"},
            {
                "type": "object",
                "properties": {
                    "id": {"type": "integer", "title": "Campaign id"},
                    "delay_hours": {"type": "number", "title": "Hours between the event and its survey"},
                    "cancel_on": {
                        "type": "array",
                        "items": {"type": "string"},
                        "title": "Events that cancel the survey while it waits",
                    },
                },
                "required": ["id"],
                "additionalProperties": False,
            },
        ],
    },
)

CONFIG_SCHEMA: Final[dict[str, Any]] = th.PropertiesList(
    th.Property(
        "api_key",
        th.StringType,
        title="API key",
        description="Promoter API key. Required, unless `api_url` is `sandbox`.",
        secret=True,
    ),
    th.Property(
        "api_url",
        th.StringType,
        title="API address",
        description="Base address of the Promoter API; `sandbox` runs the embedded sandbox, which e-mails nobody.",
        default=DEFAULTS["api_url"],
    ),
    th.Property(
        "streams",
        th.ObjectType(additional_properties=_STREAM),
        title="Streams",
        description=(
            "What each stream is: from stream name or glob (`*` any text, `?` any character) to an object of type, "
            "event, fields, traits and contact_lists. A name beats a glob, and the glob with more characters of its "
            "own beats the other. Default {}: raw Segment calls and Segment's and RudderStack's warehouse tables are "
            "recognized, every other stream must be named here."
        ),
    ),
    th.Property(
        "campaigns",
        th.ObjectType(additional_properties=_CAMPAIGN),
        title="Campaigns",
        description=(
            "From event name to the id of the campaign that surveys for it, or to an object such as "
            '{"id": 78, "delay_hours": 168, "cancel_on": ["Order Refunded"]}, the delay in hours. '
            "Default {}: nobody is surveyed."
        ),
    ),
    th.Property(
        "contact_lists",
        th.ArrayType(th.IntegerType),
        title="Contact lists",
        description="The ids of contact lists that every identified contact joins.",
        default=DEFAULTS["contact_lists"],
    ),
    th.Property(
        "stored_events",
        th.ArrayType(th.StringType),
        title="Stored events",
        description="Events whose properties are kept on the contact as attributes, survey or not.",
        default=DEFAULTS["stored_events"],
    ),
    th.Property(
        "survey_recipients",
        th.ArrayType(th.StringType),
        title="Survey recipients",
        description=('Globs over e-mail addresses; others are never surveyed. In development: ["*@our-company.com"].'),
        default=DEFAULTS["survey_recipients"],
    ),
    th.Property(
        "max_surveys_per_run",
        th.IntegerType,
        title="Most surveys a run",
        description="The fuse: after so many surveys the rest stay pending and the run exits non-zero.",
        default=DEFAULTS["max_surveys_per_run"],
    ),
    th.Property(
        "max_event_age_hours",
        th.NumberType,
        title="Greatest age of an event in hours",
        description="An event whose survey was due longer ago than so many hours triggers none.",
        default=DEFAULTS["max_event_age_hours"],
    ),
    th.Property(
        "throttle_days",
        th.NumberType,
        title="Survey throttle in days",
        description="The account's survey throttle: a contact surveyed within so many days is not tried again.",
        default=DEFAULTS["throttle_days"],
    ),
    th.Property(
        "requests_per_minute",
        th.NumberType,
        title="Requests a minute",
        description="The account's limit in requests a minute, kept by all processes that share a store.",
        default=DEFAULTS["requests_per_minute"],
    ),
    th.Property(
        "store_url",
        th.StringType,
        title="Store address",
        description="SQLAlchemy address of the store, a SQLite file or a PostgreSQL database.",
        default=DEFAULTS["store_url"],
        secret=True,
    ),
    th.Property(
        "hard_delete",
        th.BooleanType,
        title="Hard delete",
        description="Whether to remove a contact from Promoter when its record carries `_sdc_deleted_at`.",
        default=DEFAULTS["hard_delete"],
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        title="Dry run",
        description="Whether to send nothing, keep nothing and print no state, and only report what would be done.",
        default=DEFAULTS["dry_run"],
    ),
    th.Property(
        "fail_on_rejected",
        th.BooleanType,
        title="Fail on rejected records",
        description="Whether to exit non-zero if any record was rejected or refused.",
        default=DEFAULTS["fail_on_rejected"],
    ),
).to_dict()
"""The settings as JSON schema, for `--about` and the SDK; `settings` checks what a schema cannot say."""
