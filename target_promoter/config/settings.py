"""The settings: read from the config, checked, and given to the rest as one frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from target_promoter.config import checks, sdk_settings
from target_promoter.config.schema import DEFAULTS, FIELDS, STREAM_TYPES
from target_promoter.values import globs
from target_promoter.values.events import canonical, snake

SANDBOX: Final = "sandbox"
"""The `api_url` that means the embedded sandbox, and the key that its account accepts."""

_SANDBOX_STORE: Final = "target-promoter-sandbox.db"
_SANDBOX_ACCOUNT: Final = "target-promoter-sandbox-account.db"


@dataclass(frozen=True, slots=True)
class Campaign:
    """What an event leads to.

    Attributes:
        event: The event's name as written in the config.
        id: The campaign's id at Promoter.
        delay_hours: Hours between the event and its survey.
        cancel_on: The events, in canonical form, that cancel the survey while it waits.
    """

    event: str
    id: int
    delay_hours: float
    cancel_on: frozenset[str]


@dataclass(frozen=True, slots=True)
class StreamSetting:
    """What the config says of the streams that one name or glob matches.

    Attributes:
        pattern: The stream's name, or a glob.
        type: `identify`, `track`, `segment`, `ignore`, or None to have it recognized.
        event: The event of a track stream whose records name none.
        fields: From logical field to the record's own, dots reaching into objects.
        traits: The columns that may leave the house, `*` for all; None if nothing is said.
        contact_lists: The ids of the contact lists that this stream's people join.
    """

    pattern: str
    type: str | None
    event: str | None
    fields: Mapping[str, str]
    traits: tuple[str, ...] | None
    contact_lists: tuple[int, ...]

    def as_config(self) -> dict[str, object]:
        """Return what the config says, to show it with a mend."""
        said: dict[str, object] = {
            "type": self.type,
            "event": self.event,
            "fields": dict(self.fields),
            "traits": None if self.traits is None else list(self.traits),
            "contact_lists": list(self.contact_lists),
        }
        return {name: value for name, value in said.items() if value or (value == [] and name == "traits")}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one run; the README says what each means. Its repr shows no secret.

    Attributes:
        api_key: The Promoter API key; of the sandbox's account if `sandbox`.
        api_url: Base address without a slash at its end, or `sandbox`.
        sandbox: Whether the run speaks to the embedded sandbox.
        streams: What the config says of streams.
        campaigns: The campaigns by their event's canonical form.
        contact_lists: The ids of contact lists that every identified contact joins.
        stored_events: From an event's canonical form to the prefix of its stored properties.
        survey_recipients: Globs over e-mail addresses, in lower case.
        max_surveys_per_run: The fuse.
        max_event_age_hours: How long ago, in hours, a survey may have been due to be sent.
        throttle_days: How many days after a survey a contact is not tried again.
        requests_per_minute: The account's limit.
        store_url: SQLAlchemy address of the store; the sandbox has one of its own.
        hard_delete: Whether a deleted record removes the contact from Promoter.
        dry_run: Whether nothing is sent and nothing kept.
        fail_on_rejected: Whether a rejected record makes the run fail.
        batch_size_rows: How many records make a batch, if the config says so.
    """

    api_key: str = field(repr=False)
    api_url: str
    sandbox: bool
    streams: tuple[StreamSetting, ...]
    campaigns: Mapping[str, Campaign]
    contact_lists: tuple[int, ...]
    stored_events: Mapping[str, str]
    survey_recipients: tuple[str, ...]
    max_surveys_per_run: int
    max_event_age_hours: float
    throttle_days: float
    requests_per_minute: float
    store_url: str = field(repr=False)
    hard_delete: bool
    dry_run: bool
    fail_on_rejected: bool
    batch_size_rows: int | None

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Settings:
        """Read and check a config.

        Args:
            config: The config as given; a setting that is null or absent has its default.

        Returns:
            The settings.

        Raises:
            ConfigError: One is unknown or wrong; the sentence names it and the mend, and shows no secret.
        """
        checks.mapping("", config, known=tuple(sdk_settings.all_settings()))
        given = {name: value for name, value in config.items() if value is not None}
        sdk_settings.check(given)
        values: dict[str, object] = {**DEFAULTS, **given}
        api_url = checks.api_url("api_url", values["api_url"], sandbox=SANDBOX)
        sandbox = api_url == SANDBOX
        store_url = checks.store_url("store_url", values["store_url"])
        if not sandbox and "api_key" not in given:
            checks.refuse("api_key", "is missing", f'set it, or set `api_url` to "{SANDBOX}" to try things')
        rows = given.get("batch_size_rows")
        return cls(
            api_key=SANDBOX if sandbox else checks.api_key("api_key", given["api_key"]),
            api_url=api_url,
            sandbox=sandbox,
            streams=_streams(checks.mapping("streams", values.get("streams", {}))),
            campaigns=_campaigns(checks.mapping("campaigns", values.get("campaigns", {}))),
            contact_lists=checks.ids("contact_lists", values["contact_lists"]),
            stored_events=_stored_events(checks.texts("stored_events", values["stored_events"])),
            survey_recipients=tuple(
                glob.strip().lower() for glob in checks.texts("survey_recipients", values["survey_recipients"])
            ),
            max_surveys_per_run=checks.count("max_surveys_per_run", values["max_surveys_per_run"]),
            max_event_age_hours=checks.positive("max_event_age_hours", values["max_event_age_hours"]),
            throttle_days=checks.positive("throttle_days", values["throttle_days"]),
            requests_per_minute=checks.positive("requests_per_minute", values["requests_per_minute"]),
            store_url=_sandbox_file(store_url, _SANDBOX_STORE, "sqlite:///") if sandbox else store_url,
            hard_delete=checks.boolean("hard_delete", values["hard_delete"]),
            dry_run=checks.boolean("dry_run", values["dry_run"]),
            fail_on_rejected=checks.boolean("fail_on_rejected", values["fail_on_rejected"]),
            batch_size_rows=None if rows is None else checks.count("batch_size_rows", rows),
        )

    @property
    def sandbox_account_path(self) -> Path:
        """Where the sandbox keeps its account: beside the sandbox's store."""
        return Path(_sandbox_file(self.store_url, _SANDBOX_ACCOUNT))

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
        return max(found, key=lambda setting: globs.specificity(setting.pattern), default=None)

    def may_survey(self, email: str) -> bool:
        """Return whether an e-mail address is among `survey_recipients`."""
        return any(globs.matches(glob, email) for glob in self.survey_recipients)


def _streams(config: Mapping[str, object]) -> tuple[StreamSetting, ...]:
    """Read `streams`, and refuse two globs that match the same name, are equally specific and say different things."""
    streams = tuple(_stream(pattern, value) for pattern, value in config.items())
    for i, first in enumerate(streams):
        for second in streams[:i]:
            if (
                globs.specificity(first.pattern) == globs.specificity(second.pattern)
                and globs.overlap(first.pattern, second.pattern)
                and first.as_config() != second.as_config()
            ):
                checks.refuse(
                    "streams",
                    f"has two globs, `{second.pattern}` and `{first.pattern}`, that match the same names, are equally "
                    "specific and differ",
                    "make one of them longer, or name the streams in full",
                )
    return streams


def _stream(pattern: str, value: object) -> StreamSetting:
    """Read what `streams` says of one name or glob."""
    name = f"streams.{pattern}"
    checks.text("streams", pattern)
    config = checks.mapping(name, value, known=("type", "event", "fields", "traits", "contact_lists"))
    kind = None if config.get("type") is None else checks.text(f"{name}.type", config["type"])
    if kind is not None and kind not in STREAM_TYPES:
        checks.refuse(f"{name}.type", "is no type of stream", f"use one of {', '.join(STREAM_TYPES)}")
    event = None if config.get("event") is None else _event(f"{name}.event", config["event"])
    if event is not None and kind in {"identify", "ignore"}:
        checks.refuse(f"{name}.event", f"names an event, but its type is {kind}", "remove one of the two")
    fields = checks.mapping(f"{name}.fields", config.get("fields") or {}, known=FIELDS)
    traits = config.get("traits")
    return StreamSetting(
        pattern=pattern,
        type=kind,
        event=event,
        fields={logical: checks.text(f"{name}.fields.{logical}", own) for logical, own in fields.items()},
        traits=None if traits is None else checks.texts(f"{name}.traits", traits),
        contact_lists=checks.ids(f"{name}.contact_lists", config.get("contact_lists") or []),
    )


def _campaigns(config: Mapping[str, object]) -> dict[str, Campaign]:
    """Read `campaigns`, and refuse two names of the same event."""
    campaigns: dict[str, Campaign] = {}
    for event, value in config.items():
        campaign = _campaign(event, value)
        first = campaigns.setdefault(canonical(event), campaign)
        if first is not campaign:
            checks.refuse(
                "campaigns", f"names the same event twice, as `{first.event}` and `{event}`", "keep one of the two"
            )
    return campaigns


def _campaign(event: str, value: object) -> Campaign:
    """Read one campaign: an id, or an object with an id, a delay and the events that cancel."""
    name = f"campaigns.{_event('campaigns', event)}"
    if not isinstance(value, Mapping):
        return Campaign(event, checks.identifier(name, value), 0.0, frozenset())
    config = checks.mapping(name, value, known=("id", "delay_hours", "cancel_on"))
    if config.get("id") is None:
        checks.refuse(f"{name}.id", "is missing", "add the campaign's id")
    delay, cancel_on = config.get("delay_hours"), config.get("cancel_on")
    return Campaign(
        event,
        checks.identifier(f"{name}.id", config["id"]),
        0.0 if delay is None else checks.number(f"{name}.delay_hours", delay),
        frozenset(
            canonical(_event(f"{name}.cancel_on", other))
            for other in checks.texts(f"{name}.cancel_on", [] if cancel_on is None else cancel_on)
        ),
    )


def _event(name: str, value: object) -> str:
    """Read the name of an event."""
    event = checks.text(name, value)
    if not canonical(event):
        checks.refuse(name, "holds an event without a letter or digit", "write the event's name")
    return event


def _stored_events(events: tuple[str, ...]) -> dict[str, str]:
    """Read `stored_events`: from canonical event to the prefix of its attributes, no two of them alike."""
    prefixes: dict[str, str] = {}
    for event in events:
        prefix = snake(event)
        if not prefix:
            checks.refuse(
                "stored_events", f"holds `{event}`, which gives attributes no prefix", "name events in plain letters"
            )
        if canonical(event) in prefixes or prefix in prefixes.values():
            checks.refuse("stored_events", f"names the event `{event}` twice", "keep one of the two")
        prefixes[canonical(event)] = prefix
    return prefixes


def _sandbox_file(store_url: str, name: str, scheme: str = "") -> str:
    """Return the path of one of the sandbox's files, in the folder of a SQLite store or else in the current one."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - `--version` and `--about` need no database

    url = make_url(store_url)
    folder = Path(url.database or "").parent if url.get_backend_name() == "sqlite" else Path()
    return f"{scheme}{folder / name}"
