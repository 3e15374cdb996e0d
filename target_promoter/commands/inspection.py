"""How the streams of a sample are read, and what a run with it would do: `target-promoter check --input`."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from target_promoter.contacts.attributes import contact_attributes, survey_attributes
from target_promoter.delivery.delivery import Delivery
from target_promoter.errors import InputError
from target_promoter.intake.intake import Intake
from target_promoter.progress.preview import preview
from target_promoter.promoter.api import NO_PACE, Withheld
from target_promoter.records.calls import Identify, Track
from target_promoter.records.fields import said
from target_promoter.records.streams import Stream, recognize
from target_promoter.singer.mapping import Mapper
from target_promoter.singer.messages import check_record, check_schema
from target_promoter.singer.reader import Reader
from target_promoter.store.copying import copy_store, folder_for_copy
from target_promoter.store.summary import OUTCOMES, Summary
from target_promoter.values.events import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_promoter.config.settings import Settings
    from target_promoter.contacts.attributes import Note
    from target_promoter.store.summary import Part

_INTAKE: Final[tuple[Part, ...]] = ("identify", "track")
_BATCH: Final = 5000
_SHOWN: Final = 12
_NAMES: Final = frozenset({"first_name", "last_name"})
_FIELDS: Final = ("user_id", "anonymous_id", "email", "first_name", "last_name", "event", "message_id", "timestamp")


@dataclass(slots=True)
class _Tally:
    """What the records of one stream were read as."""

    stream: Stream
    where: Mapping[str, str]
    records: int = 0
    places: dict[str, Counter[str]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    attributes: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    notes: set[Note] = field(default_factory=set)

    def add(self, call: Identify | Track | None) -> None:
        """Count what one record says."""
        self.records += 1
        if call is None:
            self.calls["ignored"] += 1
            return
        kind = "identify" if isinstance(call, Identify) else "track"
        self.calls[f"{kind} calls"] += 1
        if call.problem is not None:
            self.problems[call.problem] += 1
        for name in _FIELDS:
            if getattr(call, "time" if name == "timestamp" else name, None) is not None:
                where = self.where.get(f"{name} (track)") if kind == "track" else None
                place = _place(call.record, where or self.where.get(name, ""), is_name=name in _NAMES)
                self.places.setdefault(name, Counter())[place] += 1
        if isinstance(call, Identify):
            shaped: Any = contact_attributes(call.traits.items())
        else:
            self.events[call.event] += 1
            shaped = survey_attributes(call.properties)
        self.attributes.update(shaped.values.keys())
        self.notes.update(shaped.notes)

    def lines(self, settings: Settings) -> Iterator[str]:
        """Yield what is to be said of the stream."""
        calls = ", ".join(f"{number} {kind}" for kind, number in self.calls.items()) or "no record"
        yield f"Stream {self.stream.name}: {self.stream.type} ({calls})"
        yield f"  {self.stream.how}"
        if self.stream.type == "ignore":
            return
        for name in _FIELDS:
            if name in self.where:
                places = self.places.get(name, Counter[str]()).most_common()
                found = ", ".join(f"{place} (in {number} of {self.records})" for place, number in places)
                yield f"  {name}: {found or _nowhere(self.where[name])}"
        for name in ("traits", "properties"):
            if name in self.where:
                yield f"  {name}: {self.where[name]}"
        leaving = ", ".join(sorted(self.attributes)) or "none"
        yield f"  would leave as attributes: {leaving}"
        for note in sorted(self.notes, key=lambda note: (note.kind, note.name))[:_SHOWN]:
            yield f"    {note.kind}: {note.name} ({note.detail})"
        for event, number in self.events.most_common(_SHOWN):
            yield f"  {number} x {event or 'no event'}: {_leads_to(event, settings)}"
        for problem, number in self.problems.most_common(_SHOWN):
            yield f"  {number} would be rejected: {problem}"


def inspect_input(lines: Iterable[str], config: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    """Yield how the streams of a sample are read, and what a run with it would do.

    Args:
        lines: Singer messages.
        config: The config, for stream maps.

    Raises:
        ConfigError: A stream is not configured, or lacks what its type cannot do without.
        InputError: A line is no Singer message.
        StoreError: The store cannot be read.
    """
    tallies: dict[str, _Tally] = {}
    read = list(_read(lines, config, settings, tallies))
    if not tallies:
        yield "The sample holds no SCHEMA message, so there is nothing to show."
        return
    for tally in tallies.values():
        yield ""
        yield from tally.lines(settings)
    yield ""
    yield from _would_do(read, settings)


def _read(
    lines: Iterable[str], config: Mapping[str, Any], settings: Settings, tallies: dict[str, _Tally]
) -> Iterator[tuple[Stream, dict[str, Any]]]:
    """Yield the records, each with its stream, and count what they say by stream."""
    reader, mapper = Reader("the sample"), Mapper({**config, **settings.sdk}, logging.getLogger(__name__))
    for line in lines:
        if not line.strip():
            continue
        message = reader.deserialize_json(line)
        reader.assert_line_requires(message, {"type"})
        if message["type"] == "SCHEMA":
            reader.assert_line_requires(message, {"stream", "schema"})
            check_schema(message)
            mapper.register_raw_stream_schema(message["stream"], message["schema"], message.get("key_properties"))
            for one in mapper.stream_maps[message["stream"]]:
                if not mapper.removes(one.stream_alias):
                    keys = one.transformed_key_properties or ()
                    stream = recognize(one.stream_alias, one.transformed_schema, keys, settings)
                    tallies[one.stream_alias] = _Tally(stream, stream.where())
        elif message["type"] == "RECORD":
            reader.assert_line_requires(message, {"stream", "record"})
            check_record(message)
            if message["stream"] not in mapper.stream_maps:
                problem = f"The sample has a record of `{message['stream']}` before its SCHEMA: keep the tap's order."
                raise InputError(problem)
            for one in mapper.stream_maps[message["stream"]]:
                record = one.transform(dict(message["record"]))
                if record is not None and one.stream_alias in tallies:
                    tally = tallies[one.stream_alias]
                    tally.add(tally.stream.read(record))
                    yield tally.stream, record


def _place(record: Mapping[str, object], where: str, *, is_name: bool) -> str:
    """Return where in a record a field was found.

    Args:
        where: The places where it is looked for, in order, as the stream tells them.
        is_name: Whether it is half a name, which may come from a whole one.
    """
    places = where.split(", ")
    otherwise = "name, split at its first space" if is_name else places[-1]
    return next((place for place in places if said(record, ((place,), tuple(place.split("."))))), otherwise)


def _nowhere(where: str) -> str:
    return where if where == "not in the schema" else f"in no record; looked for in {where}"


def _leads_to(event: str, settings: Settings) -> str:
    """Return what an event leads to by the config."""
    name = canonical(event)
    kept = ", and its properties are kept on the contact" if name in settings.stored_events else ""
    campaign = settings.campaigns.get(name)
    if campaign is None:
        return f"no campaign{kept}" if kept else "no campaign, and not among `stored_events`"
    delay = f" {campaign.delay_hours:g} hours later" if campaign.delay_hours else ""
    return f"a survey of campaign {campaign.id}{delay}{kept}"


def _would_do(read: list[tuple[Stream, dict[str, Any]]], settings: Settings) -> Iterator[str]:
    """Yield what a run would do, found out on a copy of the store with every request withheld."""
    now = time.time()
    summary = Summary(sandbox=settings.sandbox, dry_run=True, started_at=now)
    with folder_for_copy() as folder:
        store = copy_store(settings.store_url, folder, now)
        try:
            intake = Intake(store, settings, summary)
            for stream, group in itertools.groupby(read, key=itemgetter(0)):
                records = [record for _, record in group]
                for start in range(0, len(records), _BATCH):
                    rows, tracks, ignored = stream.split(records[start : start + _BATCH], {})
                    intake.take(rows, tracks, ignored=ignored)
            delivery = Delivery(store, Withheld(), replace(settings, requests_per_minute=NO_PACE), summary)
            delivery.finish()
            delivery.run()
            lines = list(store.read(lambda tx: preview(tx, settings, now)).lines())
        finally:
            store.close()
    for part in _INTAKE:
        counts = ", ".join(f"{summary.value(part, one)} {one}" for one in OUTCOMES[part] if summary.value(part, one))
        yield f"{part}: {counts or 'none'}"
    yield from lines
