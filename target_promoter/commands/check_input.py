"""How the streams of a sample are read, and what a run with it would do: `target-promoter check --input`."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from operator import itemgetter
from typing import IO, Any, Final, cast

from target_promoter.commands.context import fail, warn
from target_promoter.config.kinds import did_you_mean
from target_promoter.config.settings import Settings
from target_promoter.contacts.attributes import Note, contact_attributes, survey_attributes
from target_promoter.delivery.delivery import Delivery
from target_promoter.errors import ConfigError, InputError
from target_promoter.intake import mirror
from target_promoter.intake.intake import Intake
from target_promoter.intake.mirror import VersionReading, confirm
from target_promoter.progress.preview import preview
from target_promoter.progress.warnings import departures
from target_promoter.promoter.client import NO_PACE, Withheld
from target_promoter.records.advice import Advice, UnknownStreamError, as_yaml, config_of
from target_promoter.records.calls import Identify, Track
from target_promoter.records.fields import Contents, said
from target_promoter.records.streams import Stream, recognize
from target_promoter.singer.mapping import Mapper, UnmappedRecord
from target_promoter.singer.reader import Reader, check_record, check_schema, check_stream
from target_promoter.store.dry_run import open_dry_run
from target_promoter.store.summary import COUNTS, Findings, Part, Summary
from target_promoter.surveys.schedule import bring_due
from target_promoter.values.events import canonical, nearest
from target_promoter.values.printable import Lines

_BATCH: Final = 5000
_ALWAYS: Final = "always "
_NAMES: Final = frozenset({"first_name", "last_name"})
_FIELDS: Final = ("user_id", "anonymous_id", "email", "first_name", "last_name", "event", "message_id", "timestamp")


@dataclass(slots=True)
class _Tally:
    """What the records of one stream were read as.

    Attributes:
        seen: How often what was seen: by field its places; the calls, problems, attributes and events.
    """

    stream: Stream
    records: int = 0
    seen: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    notes: set[Note] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    addresses: dict[str, str] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)
    tracked: set[str] = field(default_factory=set)

    def add(self, record: Mapping[str, Any]) -> bool:
        """Count what one record says; return whether it can be read."""
        self.records += 1
        if isinstance(record, UnmappedRecord):
            self.seen["problems"][record.problem] += 1
            return False
        self.columns.update(name for name, value in record.items() if value is not None)
        call = self.stream.read(record)
        if call is None:
            self.seen["calls"]["ignored"] += 1
        else:
            self._count(call)
        return True

    def _count(self, call: Identify | Track) -> None:
        is_track = isinstance(call, Track)
        self.seen["calls"]["track calls" if is_track else "identify calls"] += 1
        if call.problem is not None:
            self.seen["problems"][call.problem] += 1
        for name in _FIELDS:
            if getattr(call, "time" if name == "timestamp" else name, None) is not None:
                self.seen[name][_place(self.stream, call, name)] += 1
        if call.user_id is not None:
            (self.tracked if is_track else self.people).add(call.user_id)
            if isinstance(call, Identify) and call.email is not None:
                self.addresses[call.user_id] = call.email
        if isinstance(call, Track):
            self.seen["events"][call.event] += 1
            shaped: Any = survey_attributes(call.properties)
        else:
            shaped = contact_attributes(call.traits.items())
        self.seen["attributes"].update(shaped.values.keys())
        self.notes.update(shaped.notes)

    def lines(self, settings: Settings) -> Iterator[str]:
        """Yield what is to be said of the stream."""
        calls = ", ".join(f"{number} {kind}" for kind, number in self.seen["calls"].items()) or "no record"
        yield f"Stream {self.stream.name}: {self.stream.type} ({calls})"
        yield f"  {self.stream.how}"
        if self.stream.type == "ignore":
            return
        for name in _FIELDS:
            places = self.seen[name].most_common()
            found = ", ".join(f"{place} (in {number} of {self.records})" for place, number in places)
            where = _looked_for(self.stream, name)
            if where is not None:
                yield f"  {name}: {found or _nowhere(where)}"
        for name, reader in (("traits", self.stream.identify), ("properties", self.stream.track)):
            if reader is not None:
                yield f"  {name}: {_contents(reader.layout.contents)}"
        yield f"  would be sent as attributes: {', '.join(sorted(self.seen['attributes'])) or 'none'}"
        read = self.stream.columns
        behind = () if read is None else sorted(name for name in self.columns - read if not name.startswith("_sdc_"))
        if behind:
            yield f"  would not be sent: {', '.join(behind)} (`traits` of the stream names the columns to send)"
        for note in sorted(self.notes, key=lambda note: (note.kind, note.name)):
            yield f"    {note.kind}: {note.name} ({note.detail})"
        for event, number in self.seen["events"].most_common():
            yield f"  {number} x {event or 'no event'}: {_leads_to(event, settings)}"
        for problem, number in self.seen["problems"].most_common():
            yield f"  {number} would be rejected: {problem}"


def inspect_input(lines: Iterable[str], config: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    """Yield how the streams of a sample are read, and what a run with it would do.

    Args:
        lines: Singer messages.
        config: The config, for stream maps.

    Raises:
        ConfigError: Streams are not configured, or lack what their type cannot do without.
        InputError: A line is no Singer message.
        StoreError: The store cannot be read.
    """
    sample = _Sample(lines, config, settings)
    tallies = list(sample.tallies.values())
    if not (tallies or sample.unknown or sample.faults):
        yield "The sample holds no SCHEMA message, so there is nothing to show."
        return
    for tally in tallies:
        yield ""
        yield from tally.lines(settings)
    yield ""
    yield from _unmatched(tallies, settings)
    yield from _one_id_space(tallies)
    yield from _unknown_people(tallies)
    yield from (fail("streams", fault).line() for fault in sample.faults.values())
    yield from _to_configure(sample.unknown.values())
    if sample.unknown or sample.faults:
        names = ", ".join(f"`{name}`" for name in (*sample.unknown, *sample.faults))
        raise ConfigError(f"A run would be refused at the streams {names}: add the lines above to the config.")
    mirrored = [(one.stream, sample.versions[one.stream.name]) for one in tallies if one.stream.mirror]
    yield from _would_do(sample.read, mirrored, settings)


def _to_configure(unknown: Iterable[Advice]) -> Iterator[str]:
    """Yield the lines to add for all streams that the config does not know."""
    found = list(unknown)
    if not found:
        return
    for one in found:
        if one.ignores:
            yield f"Stream {one.stream} is best left out: {one.why}."
    if any(one.ignores for one in found):
        yield "If one should be read all the same, say in `streams` what it is (`type`), with its columns (`fields`)."
    config = config_of(found)
    yield "The config does not know all streams. Add these lines to it, and review them:"
    yield Lines.of(json.dumps(config, indent=2, ensure_ascii=False).split("\n"))
    yield "or in meltano.yml, below the loader:"
    yield from as_yaml(config)


def _unmatched(tallies: Sequence[_Tally], settings: Settings) -> Iterator[str]:
    """Yield the entries of `streams` and `campaigns` that nothing in the sample matches."""
    used = {setting.pattern for one in tallies if (setting := settings.stream(one.stream.name)) is not None}
    for setting in settings.streams:
        if setting.pattern not in used | {"*"}:
            near = did_you_mean(setting.pattern, (one.stream.name for one in tallies))
            yield warn(f"streams.{setting.pattern}", f"matches no stream of the sample{_meant(near)}").line()
    events = {canonical(event): event for one in tallies for event in one.seen["events"]}
    for name, campaign in settings.campaigns.items():
        if name not in events:
            near = nearest(campaign.event, events.values())
            yield warn(f"campaigns.{campaign.event}", f"matches no event of the sample{_meant(near)}").line()


def _one_id_space(tallies: Iterable[_Tally]) -> Iterator[str]:
    """Yield the streams whose people have the same ids and other addresses: they may be other people."""
    for first, second in itertools.combinations(tallies, 2):
        same = first.addresses.keys() & second.addresses.keys()
        other = sum(first.addresses[one] != second.addresses[one] for one in same)
        if other:
            yield warn(
                "user ids",
                f"{other} of {first.stream.name} have another address in {second.stream.name}: both are taken for the "
                "same people; if they are not, make the ids of one of them its own with a stream map",
            ).line()


def _unknown_people(tallies: Sequence[_Tally]) -> Iterator[str]:
    """Yield the streams whose events are of nobody in the sample: their ids may be other ones than people have."""
    people = set().union(*(one.people for one in tallies))
    for one in tallies:
        if people and one.tracked and people.isdisjoint(one.tracked):
            yield warn(
                "user ids",
                f"of the {len(one.tracked)} in the events of {one.stream.name} none is one of the sample's people: "
                "make sure that both use the same ids, or its surveys wait for ever",
            ).line()


def _meant(near: str | None) -> str:
    return "" if near is None else f" (did you mean `{near}`?)"


class _Sample:
    """What a sample holds: its streams, those that the config does not know, and what is wrong with others.

    Attributes:
        faults: By stream what is wrong with it.
        read: The records that can be read, each with its stream, and its table version if that is mirrored.
    """

    def __init__(self, lines: Iterable[str], config: Mapping[str, Any], settings: Settings) -> None:
        self.tallies: dict[str, _Tally] = {}
        self.unknown: dict[str, Advice] = {}
        self.faults: dict[str, str] = {}
        self.versions: defaultdict[str, VersionReading] = defaultdict(VersionReading)
        self.read: list[tuple[Stream, int | None, dict[str, Any]]] = []
        self._settings = settings
        self._reader = Reader("the sample")
        self._mapper = Mapper({**config, **settings.sdk}, logging.getLogger(__name__))
        kinds: dict[str, Callable[[dict[str, Any]], None]] = {
            "SCHEMA": self._schema,
            "RECORD": self._record,
            "ACTIVATE_VERSION": self._version,
            "STATE": self._state,
            "BATCH": lambda _: None,
        }
        self._reader.process_lines(cast("IO[str]", iter(lines)), kinds)

    def _schema(self, message: dict[str, Any]) -> None:
        self._reader.assert_line_requires(message, {"stream", "schema"})
        check_schema(message)
        self._mapper.register_raw_stream_schema(message["stream"], message["schema"], message.get("key_properties"))
        for one in self._mapper.stream_maps[message["stream"]]:
            if not self._mapper.removes(one.stream_alias):
                self._recognize(one.stream_alias, one.transformed_schema, one.transformed_key_properties or ())

    def _recognize(self, name: str, schema: Mapping[str, Any], keys: Sequence[str]) -> None:
        try:
            stream = recognize(name, schema, keys, self._settings)
        except UnknownStreamError as error:
            self.unknown[name] = error.advice
        except ConfigError as error:
            self.faults[name] = str(error)
        else:
            known = self.tallies.get(name)
            self.tallies[name] = replace(known, stream=stream) if known is not None else _Tally(stream)

    def _record(self, message: dict[str, Any]) -> None:
        self._reader.assert_line_requires(message, {"stream", "record"})
        check_record(message)
        if message["stream"] not in self._mapper.stream_maps:
            raise InputError(
                f"The sample has a record of `{message['stream']}` before its SCHEMA: keep the tap's order."
            )
        for one in self._mapper.stream_maps[message["stream"]]:
            tally = self.tallies.get(one.stream_alias)
            record = one.transform(dict(message["record"]))
            if record is not None and tally is not None:
                reading = self.versions[one.stream_alias]
                version = reading.record(message.get("version")) if tally.stream.mirror else None
                if tally.add(record):
                    self.read.append((tally.stream, version, record))

    def _version(self, message: dict[str, Any]) -> None:
        self._reader.assert_line_requires(message, {"stream"})
        check_stream("ACTIVATE_VERSION", message)
        for one in self._mapper.stream_maps.get(message["stream"], ()):
            self.versions[one.stream_alias].activate(message.get("version"))

    def _state(self, message: dict[str, Any]) -> None:
        confirm(self.versions.values(), message.get("value"))


def _looked_for(stream: Stream, name: str) -> str | None:
    """Return where a logical field is looked for; None if the stream has no such field."""
    readers = [one for one in (stream.identify, stream.track) if one is not None and name in one.layout.paths]
    if not readers:
        return None
    if name == "event" and stream.track is not None and stream.track.event is not None:
        return _ALWAYS + stream.track.event
    places = [".".join(path) for reader in readers for path in reader.layout.paths[name]]
    if name == "message_id":
        keys = readers[0].layout.keys
        places.append(f"key {', '.join(keys)}" if keys else "hash of the record")
    return ", ".join(dict.fromkeys(places))


def _place(stream: Stream, call: Identify | Track, name: str) -> str:
    """Return where in a record a field was found."""
    reader = stream.track if isinstance(call, Track) else stream.identify
    paths = () if reader is None else reader.layout.paths.get(name, ())
    where = _looked_for(stream, name) or ""
    found = next((".".join(path) for path in paths if said(call.record, (path,))), None)
    if found is not None and not where.startswith(_ALWAYS):
        return found
    return "name, split at its first space" if name in _NAMES else where.rpartition(", ")[2]


def _nowhere(where: str) -> str:
    if where.startswith(_ALWAYS):
        return where
    return f"in no record; looked for in {where}" if where else "not in the schema"


def _contents(contents: Contents) -> str:
    """Return where traits or properties are."""
    parts = [f"object {'.'.join(path)}" for path in contents.objects]
    parts += [".".join(path) for path, _ in contents.inside]
    parts += ["all columns"] if contents.columns is None else [column for column, _ in contents.columns]
    return ", ".join(parts) or "none: the stream's setting `traits` lists no columns"


def _leads_to(event: str, settings: Settings) -> str:
    """Return what an event leads to by the config."""
    name = canonical(event)
    kept = ", and its properties are kept on the contact" if name in settings.stored_events else ""
    campaign = settings.campaigns.get(name)
    if campaign is None:
        meant = _meant(nearest(event, (one.event for one in settings.campaigns.values())))
        return f"no campaign{meant}{kept}" if kept else f"no campaign{meant}, and not among `stored_events`"
    delay = f" {campaign.delay_hours:g} hours later" if campaign.delay_hours else ""
    return f"a survey of campaign {campaign.id}{delay}{kept}"


def _would_do(
    read: list[tuple[Stream, int | None, dict[str, Any]]],
    mirrored: list[tuple[Stream, VersionReading]],
    settings: Settings,
) -> Iterator[str]:
    """Yield what a run would do, found out as a dry run does, with every request withheld."""
    now = time.time()
    summary = Summary(sandbox=settings.sandbox, dry_run=True, started_at=now)
    with closing(open_dry_run(settings.store_url, now)) as store:
        store.write(lambda tx: bring_due(tx, settings, now))
        intake = Intake(store, settings, summary)
        for (stream, version), group in itertools.groupby(read, key=itemgetter(0, 1)):
            records = [record for _, _, record in group]
            for start in range(0, len(records), _BATCH):
                rows, tracks, ignored = stream.split(records[start : start + _BATCH], {})
                rows = rows and replace(rows, version=version)
                intake.take(rows, tracks, ignored=ignored)
        for stream, reading in mirrored:
            unnamed = summary.findings.unnamed[stream.name]
            found = store.write(partial(mirror.take_version, stream=stream, reading=reading, now=now, unnamed=unnamed))
            summary.add_findings(Findings(mirrored=[] if found is None else [found]))
        delivery = Delivery(store, Withheld(), replace(settings, requests_per_minute=NO_PACE), summary)
        delivery.finish()
        delivery.run()
        lines = list(preview(store, settings, now))
    parts: tuple[Part, ...] = ("identify", "track")
    for part in parts:
        counts = ", ".join(f"{summary.value(part, one)} {one}" for one in COUNTS[part] if summary.value(part, one))
        yield f"{part}: {counts or 'none'}"
    yield from departures(summary.findings, is_dry_run=True)
    yield from (one.problem for one in summary.findings.mirrored if one.problem is not None)
    yield from lines
