"""The settings: declared here once, read from the config, and given to the rest as one frozen object.

From the declarations come types, ranges and defaults, the JSON schema of `--about`, and Meltano's definition.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

from singer_sdk import Target
from sqlalchemy.engine import make_url

from target_promoter.config.kinds import (
    API_KEY,
    BOOLEAN,
    ID,
    IDS,
    STORE_URL,
    TEXT,
    Declared,
    Kind,
    api_url,
    choice,
    declared,
    list_of,
    number,
    object_of,
    of_schema,
    one_or_more,
    optional,
    parts,
    refuse,
    setting,
    shorthand,
    whole,
)
from target_promoter.errors import ConfigError
from target_promoter.values import events as globs
from target_promoter.values.events import canonical, snake
from target_promoter.values.printable import SHORTEST_SECRET, masked_url, without
from target_promoter.values.reading import holds
from target_promoter.values.times import SurveyHours

PLACEHOLDER: Final = "NAME OF THE COLUMN"
"""What advice writes where it can guess no column."""

SANDBOX: Final = "sandbox"
"""The `api_url` that means the embedded sandbox, and the key that its account accepts."""

StreamType = Literal["identify", "track", "segment", "ignore"]
"""What a stream may be."""

STREAM_TYPES: Final[tuple[StreamType, ...]] = get_args(StreamType)

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

_CLOCK: Final = re.compile(r"(\d{1,2}):([0-5]\d)", re.ASCII)
_DAY_MINUTES: Final = 24 * 60
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SANDBOX_STORE: Final = "target-promoter-sandbox.db"
_SANDBOX_ACCOUNT: Final = "target-promoter-sandbox-account.db"


def _event(name: str, text: str) -> str:
    if not canonical(text):
        refuse(name, "holds an event without a letter or digit", "write the event's name")
    return text


_EVENT: Final = TEXT.then(_event)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRule:
    """An event that cancels waiting surveys.

    Attributes:
        event: The event in canonical form.
        name: The event as written in the config.
        match: The property in which both events must have the same value; None if nothing needs to match.
    """

    event: str = setting(_EVENT, "Event", "The event that cancels.")
    name: str
    match: str | None = optional(TEXT, "Property", "Cancels only if both events have the same value of this property.")


_CANCEL_RULE: Final = shorthand(parts(declared(CancelRule)), "event", _EVENT).then(
    lambda _name, found: CancelRule(event=canonical(found["event"]), name=found["event"], match=found["match"])
)


@dataclass(frozen=True, slots=True)
class Campaign:
    """What an event leads to.

    Attributes:
        event: The event's name as written in the config.
    """

    event: str
    id: int = setting(ID, "Campaign id", "The campaign's id at Promoter.")
    delay_hours: float = setting(
        number(most=100_000), "Delay in hours", "Hours between the event and its survey.", default=0
    )
    cancel_on: tuple[CancelRule, ...] = setting(
        list_of(_CANCEL_RULE), "Cancelled by", "The events that cancel the survey while it waits.", default=[]
    )
    sample_percent: float = setting(
        number(above_zero=True, most=100), "Sample in percent", "How many of the surveys are sent.", default=100
    )
    paused: bool = setting(BOOLEAN, "Paused", "Whether surveys are taken but wait until the pause ends.", default=False)

    def as_config(self) -> dict[str, object]:
        """Return what the config says."""
        cancel_on = [
            rule.name if rule.match is None else {"event": rule.name, "match": rule.match} for rule in self.cancel_on
        ]
        said = {name: value for name, value in dataclasses.asdict(self).items() if name not in {"event", "cancel_on"}}
        return {**said, "cancel_on": cancel_on}


@dataclass(frozen=True, slots=True)
class StreamSetting:
    """What the config says of the streams that one name or glob matches.

    Attributes:
        pattern: The stream's name, or a glob.
    """

    pattern: str
    type: StreamType | None = optional(  # noqa: RUF009 - it makes a field
        choice(STREAM_TYPES),
        "Type",
        "What its records are; `segment` means that each record says so itself, in `type` or `action`.",
    )
    event: str | None = optional(_EVENT, "Event", "The event of a track stream, such as a table of orders.")
    fields: Mapping[str, tuple[str, ...]] = setting(
        object_of(one_or_more(TEXT), keys=FIELDS),
        "Fields",
        'From logical field to the record\'s own, dots reaching into objects and lists: {"user_id": "customer_id"}; of '
        "a list of them the first with a usable value counts.",
        default={},
    )
    traits: tuple[str, ...] | None = optional(
        list_of(TEXT), "Traits", 'The columns that may be sent as attributes or survey properties; `["*"]` for all.'
    )
    contact_lists: tuple[int, ...] = setting(
        IDS, "Contact lists", "The ids of contact lists that the people of this stream join.", default=[]
    )
    mirror: bool = setting(
        BOOLEAN,
        "Mirror",
        "Whether people who are no longer in its newest table version lose what this stream alone said of them; for a "
        "table or view of people that is read in full, with table versions.",
        default=False,
    )

    def as_config(self) -> dict[str, object]:
        """Return what the config says, to show it with what to add."""
        said: dict[str, object] = {
            "type": self.type,
            "event": self.event,
            "fields": {name: own[0] if len(own) == 1 else list(own) for name, own in self.fields.items()},
            "traits": None if self.traits is None else list(self.traits),
            "contact_lists": list(self.contact_lists),
            "mirror": self.mirror,
        }
        return {name: value for name, value in said.items() if value or (value == [] and name == "traits")}


def _stream(name: str, found: dict[str, Any]) -> dict[str, Any]:
    for logical, places in found["fields"].items():
        if PLACEHOLDER in places:
            refuse(f"{name}.fields.{logical}", "holds a placeholder", "write the name of the column that it stands for")
    if found["event"] is not None and found["type"] in {"identify", "ignore"}:
        refuse(f"{name}.event", f"names an event, but its type is {found['type']}", "remove one of the two")
    if found["mirror"] and found["type"] not in {None, "identify"}:
        refuse(f"{name}.mirror", f"is for people, but its type is {found['type']}", "remove one of the two")
    return found


def _globs_agree(name: str, given: Mapping[str, Any]) -> None:
    """Refuse two globs that match the same name, are equally specific and say different things."""
    patterns = [one for one in given if not globs.is_name(one)]
    for second, first in itertools.combinations(patterns, 2):
        if (
            globs.specificity(first) == globs.specificity(second)
            and globs.overlap(first, second)
            and given[first] != given[second]
        ):
            refuse(
                name,
                f"has two globs, `{second}` and `{first}`, that match the same names, are equally specific and differ",
                "make one of them longer, or name the streams in full",
            )


def _events_differ(name: str, given: Mapping[str, Any]) -> None:
    """Refuse two names of the same event."""
    first: dict[str, str] = {}
    for event in map(str, given):
        known = first.setdefault(canonical(event), event)
        if canonical(event) and known != event:
            refuse(name, f"names the same event twice, as `{known}` and `{event}`", "keep one of the two")


def _campaigns(name: str, found: dict[str, dict[str, Any]]) -> dict[str, Campaign]:
    return {canonical(_event(name, event)): Campaign(event, **values) for event, values in found.items()}


def _stored_events(name: str, events: tuple[str, ...]) -> dict[str, str]:
    """Return from canonical event to the prefix of its attributes, no two of them alike."""
    prefixes: dict[str, str] = {}
    for event in events:
        prefix = snake(event)
        if not prefix:
            refuse(name, f"holds `{event}`, which gives attributes no prefix", "name events in plain letters")
        if canonical(event) in prefixes or prefix in prefixes.values():
            refuse(name, f"names the event `{event}` twice", "keep one of the two")
        prefixes[canonical(event)] = prefix
    return prefixes


def _minute(name: str, value: object) -> int:
    """Return the minute of the day; YAML makes an integer of `18:00`, which is that minute."""
    clock = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    found = int(clock[1]) * 60 + int(clock[2]) if clock else value
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= _DAY_MINUTES:
        refuse(name, "is not a time of day", "write it as hours and minutes, such as 09:00")
    return found


def _zone(name: str, text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text.strip())
    except (KeyError, ValueError, OSError):  # The last for the name of a folder, such as `Europe`.
        refuse(name, "is not a time zone", "write its name in the IANA database, such as Europe/Berlin")


_TIME: Final[Kind[int]] = Kind({"type": "string", "pattern": f"^{_CLOCK.pattern}$"}, _minute)
_HOURS: Final[Mapping[str, Declared[Any]]] = {
    "from": Declared(_TIME, "From", "When they begin, such as 09:00."),
    "to": Declared(_TIME, "To", "When they are over, such as 18:00; if before `from`, on the next day."),
    "days": Declared(
        list_of(TEXT.then(lambda _name, text: text.strip().lower()[:3]).then(choice(_DAYS).read)),
        "Days",
        "The days on which they begin.",
        list(_DAYS),
    ),
    "time_zone": Declared(TEXT.then(_zone), "Time zone", "Its IANA name.", missing="write one, such as Europe/Berlin"),
}


def _hours(name: str, found: dict[str, Any]) -> SurveyHours:
    if not found["days"]:
        refuse(f"{name}.days", "is empty", "name a day, or leave it out for all of them")
    if found["from"] == found["to"]:
        refuse(f"{name}.to", "is the same as `from`", "leave out `survey_hours` to send at all hours")
    days = sorted({_DAYS.index(day) for day in found["days"]})
    return SurveyHours(found["from"], found["to"], tuple(days), found["time_zone"])


def _as_written(hours: SurveyHours) -> dict[str, object]:
    """Return hours as the config says them."""
    start, end = (f"{minute // 60:02}:{minute % 60:02}" for minute in (hours.start, hours.end))
    return {"from": start, "to": end, "days": [_DAYS[day] for day in hours.days], "time_zone": hours.zone.key}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one run. Its repr shows no secret.

    Attributes:
        api_key: That of the sandbox's account if `api_url` is `sandbox`.
        campaigns: By their event's canonical form.
        stored_events: From an event's canonical form to the prefix of its stored properties.
        survey_recipients: In lower case.
        store_url: The sandbox has a store of its own.
        sdk: The settings that the SDK brings, where the config has them.
    """

    api_key: str = setting(
        API_KEY,
        "API key",
        "Promoter API key. Required, unless `api_url` is `sandbox`.",
        missing=f'set it, or set `api_url` to "{SANDBOX}" to try things',
        secret=True,
    )
    api_url: str = setting(
        api_url(SANDBOX),
        "API address",
        "Base address of the Promoter API; `sandbox` runs the embedded sandbox, which e-mails nobody.",
        default="https://app.promoter.io/api",
    )
    streams: tuple[StreamSetting, ...] = setting(
        object_of(parts(declared(StreamSetting)).then(_stream), together=_globs_agree).then(
            lambda _name, found: tuple(StreamSetting(pattern, **values) for pattern, values in found.items())
        ),
        "Streams",
        "What each stream is: from stream name or glob (`*` any text, `?` any character) to an object of type, event, "
        "fields, traits, contact_lists and mirror. A name beats a glob, and the glob with more characters of its own "
        "beats the other. Default {}: raw Segment calls and Segment's and RudderStack's warehouse tables are "
        "recognized, every other stream must be named here.",
        default={},
    )
    campaigns: Mapping[str, Campaign] = setting(
        object_of(shorthand(parts(declared(Campaign)), "id", ID), together=_events_differ).then(_campaigns),
        "Campaigns",
        "From event name to the id of the campaign that surveys for it, or to an object such as "
        '{"id": 78, "delay_hours": 168, "cancel_on": [{"event": "Order Refunded", "match": "order_id"}], '
        '"sample_percent": 25, "paused": false}, the delay in hours. Default {}: nobody is surveyed.',
        default={},
    )
    contact_lists: tuple[int, ...] = setting(
        IDS, "Contact lists", "The ids of contact lists that every identified contact joins.", default=[]
    )
    stored_events: Mapping[str, str] = setting(
        list_of(_EVENT).then(_stored_events),
        "Stored events",
        "Events whose properties are kept on the contact as attributes, survey or not.",
        default=["Order Completed"],
    )
    survey_recipients: tuple[str, ...] = setting(
        list_of(TEXT.then(lambda _name, glob: glob.strip().lower())),
        "Survey recipients",
        'Globs over e-mail addresses; others are never surveyed. In development: ["*@our-company.com"].',
        default=["*"],
    )
    max_surveys_per_run: int = setting(
        whole(),
        "Most surveys a run",
        "After so many surveys the rest stay pending and the run exits non-zero.",
        default=1000,
    )
    max_event_age_hours: float = setting(
        number(above_zero=True),
        "Greatest age of an event in hours",
        "An event whose survey was due longer ago than so many hours triggers none.",
        default=72,
    )
    throttle_days: float = setting(
        number(above_zero=True),
        "Survey throttle in days",
        "The account's survey throttle: a contact surveyed within so many days is not tried again.",
        default=1,
    )
    requests_per_minute: float = setting(
        number(above_zero=True),
        "Requests a minute",
        "The account's limit in requests a minute, kept by all processes that share a store.",
        default=600,
    )
    store_url: str = setting(
        STORE_URL,
        "Store address",
        "SQLAlchemy address of the store, a SQLite file or a PostgreSQL database.",
        default="sqlite:///target-promoter.db",
        secret=True,
    )
    survey_hours: SurveyHours | None = optional(  # noqa: RUF009 - it makes a field
        parts(_HOURS).then(_hours),
        "Survey hours",
        'When surveys may be sent: {"from": "09:00", "to": "18:00", "days": ["mon", "fri"], "time_zone": '
        '"Europe/Berlin"}; outside of these hours they wait. Default: always.',
    )
    hard_delete: bool = setting(
        BOOLEAN,
        "Hard delete",
        "Whether to remove a contact from Promoter when its record carries `_sdc_deleted_at`.",
        default=False,
    )
    dry_run: bool = setting(
        BOOLEAN,
        "Dry run",
        "Whether to send nothing, keep nothing and print no state, and only report what would be done.",
        default=False,
    )
    fail_on_rejected: bool = setting(
        BOOLEAN,
        "Fail on rejected records",
        "Whether to exit non-zero if any record was rejected or refused.",
        default=False,
    )
    sdk: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Settings:
        """Read and check a config; a setting that is null or absent has its default.

        Raises:
            ConfigError: Settings are unknown or wrong; a line for each names it and what to change, and no secret.
        """
        sandbox = str(config.get("api_url")).strip() == SANDBOX
        given = {**config, "api_key": SANDBOX} if sandbox else config
        key = str(config.get("api_key") or "").strip()
        for name, value in config.items():
            if name != "api_key" and len(key) >= SHORTEST_SECRET and (key in name or holds(value, key)):
                refuse(without(name, key), "holds the text of `api_key`", "write the key in `api_key` alone")
        try:
            values = parts({**declared(cls), **_sdk_settings()}).then(_flattening).read("", given)
        except ConfigError as error:
            shown = without(str(error), key)
            if shown != str(error):
                raise ConfigError(shown) from None
            raise
        sdk = {name: values.pop(name) for name in _sdk_settings()}
        if sandbox:
            values["store_url"] = _sandbox_file(values["store_url"], _SANDBOX_STORE, "sqlite:///")
        return cls(**values, sdk={name: value for name, value in sdk.items() if value is not None})

    @property
    def sandbox(self) -> bool:
        """Whether the run speaks to the embedded sandbox."""
        return self.api_url == SANDBOX

    @property
    def sandbox_account_path(self) -> Path:
        """Where the sandbox keeps its account: beside the sandbox's store."""
        return Path(_sandbox_file(self.store_url, _SANDBOX_ACCOUNT))

    @property
    def longest_seconds(self) -> float:
        """For how many seconds after an event something may still come of it."""
        delays = (campaign.delay_hours for campaign in self.campaigns.values())
        return (max(delays, default=0.0) + self.max_event_age_hours) * 3600 + self.throttle_days * 86_400

    @property
    def all_contact_lists(self) -> tuple[int, ...]:
        """The ids of all contact lists that the config names, ascending."""
        of_streams = (one for stream in self.streams for one in stream.contact_lists)
        return tuple(sorted({*self.contact_lists, *of_streams}))

    def campaign_id(self, event: str) -> int | None:
        """Return the id of the campaign that surveys for an event, by its name as sent; None if none does."""
        campaign = self.campaigns.get(canonical(event))
        return None if campaign is None else campaign.id

    def stream(self, name: str) -> StreamSetting | None:
        """Return what the config says of a stream: its name beats a glob, a more specific glob beats the other."""
        found = [setting for setting in self.streams if globs.matches(setting.pattern, name)]
        return max(found, key=lambda one: (globs.specificity(one.pattern), one.pattern == name), default=None)

    def may_survey(self, email: str) -> bool:
        """Return whether an e-mail address is among `survey_recipients`."""
        return any(globs.matches(glob, email) for glob in self.survey_recipients)

    def as_record(self) -> dict[str, object]:
        """Return all settings as plain JSON without secrets, to tell later what changed between two runs.

        What has a name in the config is found by it, and says what it says there.
        """
        values = dataclasses.asdict(self)
        values["streams"] = {one.pattern: one.as_config() for one in self.streams}
        values["campaigns"] = {one.event: one.as_config() for one in self.campaigns.values()}
        values["stored_events"] = sorted(self.stored_events.values())
        values["survey_hours"] = None if self.survey_hours is None else _as_written(self.survey_hours)
        del values["api_key"]
        values["store_url"] = masked_url(self.store_url)
        sdk = values.pop("sdk")
        # Among these stands the seed of hashes.
        sdk.pop("stream_map_config", None)
        record: dict[str, object] = json.loads(json.dumps({**values, **sdk}, default=str))
        return record


def config_schema() -> dict[str, Any]:
    """Return the JSON schema of every setting, our own and the SDK's, by name."""
    return {**{name: one.schema() for name, one in declared(Settings).items()}, **_sdk_schemas()}


@functools.cache
def _sdk_schemas() -> dict[str, Any]:
    schema: dict[str, dict[str, Any]] = {"properties": {}}
    Target.append_builtin_config(schema)
    return schema["properties"]


def _sdk_settings() -> dict[str, Declared[Any]]:
    """Return the settings that the SDK brings; it would show a wrong value, or fail later on."""
    return {
        name: Declared(of_schema(schema), schema.get("title", ""), schema["description"], None)
        for name, schema in _sdk_schemas().items()
    }


def _flattening(_name: str, found: dict[str, Any]) -> dict[str, Any]:
    if found["flattening_enabled"] and found["flattening_max_depth"] is None:
        refuse("flattening_max_depth", "is missing", "set it, such as to 3, or leave out `flattening_enabled`")
    return found


def _sandbox_file(store_url: str, name: str, scheme: str = "") -> str:
    """Return the path of one of the sandbox's files, in the folder of a SQLite store or else in the current one."""
    url = make_url(store_url)
    folder = Path(url.database or "").parent if url.get_backend_name() == "sqlite" else Path()
    return f"{scheme}{folder / name}"
