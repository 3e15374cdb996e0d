"""What a stream is: recognized by Segment's shapes, or said in the setting `streams`."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from target_promoter.config.settings import Settings, StreamSetting, StreamType
from target_promoter.errors import ConfigError
from target_promoter.records import advice
from target_promoter.records.advice import UnknownStreamError
from target_promoter.records.calls import Identify, Track
from target_promoter.records.fields import Kind, Path, first, reserved
from target_promoter.records.readers import OTHER_CALLS, IdentifyReader, Rows, TrackReader, call_type
from target_promoter.records.resolution import Source
from target_promoter.records.shapes import Columns, Shape, shape
from target_promoter.values.reading import fingerprint

_TYPES: Final[dict[Shape, StreamType]] = {
    "raw calls": "segment",
    "identifies": "identify",
    "users": "identify",
    "tracks": "track",
    "event table": "track",
    "ignored": "ignore",
}
_HOW: Final[dict[Shape, str]] = {
    "raw calls": "Its schema is that of raw calls: a `type` or `action` beside traits, properties or messageId.",
    "identifies": "Its name and schema are those of the warehouse table `identifies`.",
    "users": "Its name and schema are those of the warehouse table `users`.",
    "tracks": "Its name and schema are those of the warehouse table `tracks`.",
    "event table": "Its schema is that of a warehouse table of one event: `event` beside `event_text`.",
    "ignored": "It is a warehouse table that has nothing for Promoter.",
}
_NAMES_PEOPLE: Final = frozenset({"id", "userid", "anonymousid", "traits", "context", "contexttraits"})
_NO_CALL: Final = "neither `type` nor `action` names a call that Segment knows"


@dataclass(frozen=True, slots=True)
class AllBut(Container[str]):
    """All names but some."""

    names: frozenset[str]

    def __contains__(self, name: object) -> bool:
        """Return whether it is not among them."""
        return name not in self.names


@dataclass(frozen=True, slots=True)
class Reading:
    """How a stream is read, by its setting and its shape.

    Attributes:
        type: What its records are.
        traits: The traits or properties that may be sent, as the config names them, in lower case; None for all.
        contact_lists: The ids of the contact lists that its people join.
        digest: A hash of all that the config says of it.
        pattern: The name or glob of its setting; empty if it has none.
        fields: Where the config says that its logical fields are.
    """

    type: StreamType
    shape: Shape
    traits: frozenset[str] | None
    contact_lists: tuple[int, ...]
    digest: str
    pattern: str = field(default="", compare=False)
    fields: Mapping[str, list[str]] = field(default_factory=dict, compare=False)

    @property
    def is_snapshot(self) -> bool:
        """Whether its records are rows that tell a person's whole present state."""
        return self.type == "identify" and self.shape not in {"identifies", "raw calls"}

    @property
    def is_about(self) -> list[list[str] | None]:
        """Where the config says that its records name their people."""
        return [self.fields.get(name) for name in ("user_id", "anonymous_id")]

    def may_be_about_others(self, before: Reading) -> bool:
        """Return whether its records may have named other people before than they do now."""
        for name in ("user_id", "anonymous_id", "email"):
            own, other = self.fields.get(name), before.fields.get(name)
            # Further places count only where the earlier ones have nothing usable.
            if own != other and (own is None or other is None or own[: len(other)] != other):
                return True
        return False

    def names_people_in(self, columns: Iterable[str]) -> bool:
        """Return whether one of the columns may hold whom its records are about, or their addresses."""
        places = (place for name in ("user_id", "anonymous_id", "email") for place in self.fields.get(name, ()))
        own = {place.partition(".")[0].lower() for place in places}
        return any(
            one.lower() in own or one.replace("_", "").lower() in _NAMES_PEOPLE or reserved(one) == "email"
            for one in columns
        )

    def left_of(self, before: Reading, removed: frozenset[str] = frozenset()) -> Container[str] | None:
        """Return the names of traits that could be sent before and still may, in lower case; None for all of them.

        Args:
            removed: Columns that a stream map has removed since, in lower case.
        """
        gone = removed | {name.removeprefix("context_traits_") for name in removed}
        if removed & {"traits", "properties", "context"}:
            return frozenset()  # It is not known what else they held.
        if self.traits is None:
            return AllBut(gone) if gone else None
        if before.traits is None:
            return frozenset(name for name in self.traits if "." not in name) - gone
        both = (name for name in self.traits & before.traits if name.partition(".")[0] not in gone)
        return frozenset(name.rpartition(".")[2] for name in both)

    def withdraws(self, before: Reading) -> bool:
        """Return whether a trait or list that could be sent before may not be sent any more."""
        fewer = self.traits is not None and (before.traits is None or not before.traits <= self.traits)
        return fewer or not set(before.contact_lists) <= set(self.contact_lists)

    def as_record(self) -> dict[str, object]:
        """Return it as plain JSON, for the store."""
        record: dict[str, object] = msgspec.json.decode(msgspec.json.encode(self, order="deterministic"))
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Reading:
        """Return what `as_record` returned."""
        return msgspec.convert(record, cls)


def removed_stream(name: str) -> Stream:
    """Return a stream of which a stream map lets nothing through; it needs no setting."""
    reading = Reading("ignore", "removed", frozenset(), (), "")
    return Stream(name, "The setting `stream_maps` removes it.", reading)


def reading_of(name: str, form: Shape, settings: Settings) -> Reading:
    """Return how a stream of a name and a shape is read by the settings."""
    found = settings.stream(name)
    setting = found or StreamSetting(name)
    listed = setting.traits
    traits: frozenset[str] | None = None
    if listed is not None and "*" not in listed:
        traits = frozenset(map(str.lower, listed))
    elif listed is None and form == "plain":
        traits = frozenset()
    kind = setting.type or _TYPES.get(form, "ignore")
    said = {name: value for name, value in setting.as_config().items() if name != "mirror"}  # It is read all the same.
    digest = fingerprint({"setting": said, "shape": form}) or b""
    pattern = "" if found is None else found.pattern
    fields = {logical: list(own) for logical, own in setting.fields.items()}
    return Reading(kind, form, traits, setting.contact_lists, digest.hex(), pattern, fields)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream whose records can be read.

    Attributes:
        how: How it is known what its records are, as a sentence.
        reading: How it is read.
        mirror: Whether people leave it who are in its newest table version no more.
        identify: What reads its identify calls; None if it has none.
        track: What reads its track calls; None if it has none.
    """

    name: str
    how: str
    reading: Reading
    mirror: bool = False
    identify: IdentifyReader | None = field(default=None, repr=False)
    track: TrackReader | None = field(default=None, repr=False)
    _call_type: tuple[Path, ...] = ()
    _event: str = "event"

    @property
    def type(self) -> StreamType:
        """What its records are."""
        return self.reading.type

    def read(self, record: Mapping[str, object]) -> Identify | Track | None:
        """Return what a record says; whatever a tap sends, this does not raise.

        Returns:
            The call, with its problem if it must be rejected; None if the record is one to ignore: of an ignored
            stream, a page, screen, group or alias call, or one that names nobody.
        """
        if self.identify is None or self.track is None:
            reader = self.identify or self.track
            return None if reader is None else reader.read(record)
        kind, problem = self._kind(record)
        if kind is None:
            return None
        call = self.track.read(record) if kind == "track" else self.identify.read(record)
        return call if call is None or problem is None else msgspec.structs.replace(call, problem=problem)

    def split(
        self, records: Sequence[Mapping[str, object]], misfits: Mapping[int, str]
    ) -> tuple[Rows | None, list[Track], int]:
        """Return the identify calls among records, the track calls, and how many say nothing to Promoter.

        Args:
            records: The records of a batch, in the order in which they came.
            misfits: Why some of them cannot be taken, by their place.
        """
        if self.identify is None or self.track is None:
            rows = None if self.identify is None else Rows(self.identify, records, misfits)
            tracks = [] if self.track is None else self.track.read_all(records, misfits)
            return rows, tracks, 0 if self.identify is not None else len(records) - len(tracks)
        people: list[Mapping[str, object]] = []
        events: list[Mapping[str, object]] = []
        problems: tuple[dict[int, str], dict[int, str]] = {}, {}
        for place, record in enumerate(records):
            kind, problem = self._kind(record)
            if kind is None:
                continue
            is_track = kind == "track"
            taken = events if is_track else people
            problem = problem or misfits.get(place)
            if problem is not None:
                problems[is_track][len(taken)] = problem
            taken.append(record)
        tracks = self.track.read_all(events, problems[True])
        return Rows(self.identify, people, problems[False]), tracks, len(records) - len(people) - len(tracks)

    def _kind(self, record: Mapping[str, object]) -> tuple[Kind | None, str | None]:
        """Return which call a record is, None if it says nothing to Promoter, and a problem if it does not say."""
        called = first(record, self._call_type, call_type)
        if called in OTHER_CALLS:
            return None, None
        if called is None:
            return "track" if record.get(self._event) else "identify", _NO_CALL
        return "track" if called == "track" else "identify", None

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns of its records that are read at all; None if they may be any."""
        found: set[str] = set()
        for reader in filter(None, (self.identify, self.track)):
            if reader.columns is None:
                return None
            found |= reader.columns
        return frozenset(found)


def recognize(name: str, schema: Mapping[str, object], key_properties: Sequence[str], settings: Settings) -> Stream:
    """Return what a stream is, at its SCHEMA message.

    Args:
        settings: The settings, of which `streams` overrules what is recognized.

    Raises:
        ConfigError: It is none of Segment's shapes and not configured, or the schema lacks a column that its type
            cannot do without, or one that the config names; the sentence holds the lines to add to the config.
    """
    setting = settings.stream(name) or StreamSetting(name)
    columns = Columns(schema)
    form = shape(name, columns.names)
    if setting.type is None and form not in _TYPES:
        guess = advice.advise(name, schema, key_properties, settings)
        guess = replace(guess, setting={**guess.setting, **setting.as_config()})
        raise UnknownStreamError(guess, setting.pattern)
    how = _HOW[form] if setting.type is None else f"The setting `streams` says so for `{setting.pattern}`."
    reading = reading_of(name, form, settings)
    if setting.mirror and reading.type != "identify":
        raise ConfigError(
            f"`streams.{setting.pattern}.mirror` is for tables of people, and the stream `{name}` is of the type "
            f"{reading.type}: remove it, or give the streams of people an entry of their own."
        )
    if reading.type == "ignore":
        return Stream(name, how, reading)
    source = Source(name, reading.type, form, columns, tuple(key_properties), setting)
    if reading.type == "segment":
        source.require_call_type()
    return Stream(
        name,
        how,
        reading,
        setting.mirror,
        None if reading.type == "track" else source.identify_reader(),
        None if reading.type == "identify" else source.track_reader(),
        source.call_type,
        columns.named("event") or "event",
    )
