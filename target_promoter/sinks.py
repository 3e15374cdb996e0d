"""The sinks: each gathers a stream's records, and takes a batch into the store in the way of its type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from singer_sdk.exceptions import InvalidRecord
from singer_sdk.sinks import BatchSink
from singer_sdk.sinks.core import BaseJSONSchemaValidator
from typing_extensions import override

from target_promoter.config.settings import Settings
from target_promoter.intake.mirror import VersionReading
from target_promoter.records.calls import HOLDS_KEY, REPLAYED, UNMAPPED
from target_promoter.records.readers import Rows
from target_promoter.records.streams import Stream
from target_promoter.run import Run
from target_promoter.singer.mapping import PLAIN_SCHEMA, Mapper, UnmappedRecord
from target_promoter.singer.validation import Validator
from target_promoter.store.encoding import encode
from target_promoter.values.printable import SHORTEST_SECRET, without
from target_promoter.values.reading import holds

_BATCH_ROWS: Final = 5000


class Source(Protocol):
    """What a sink asks of its target."""

    @property
    def run(self) -> Run:
        """The run that takes its batches."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def maps(self) -> Mapper:
        """The stream maps."""

    @property
    def record_version(self) -> object:
        """The table version that the record says it is of."""

    def stream(self, name: str) -> Stream:
        """Return what a stream is."""

    def version_reading(self, name: str) -> VersionReading:
        """Return how far the table version of a stream is read."""


class PromoterSink(BatchSink):
    """A sink of calls; each batch goes into the store in one transaction."""

    MAX_SIZE_DEFAULT = _BATCH_ROWS  # `max_size` itself would silence the setting `batch_size_rows`.

    def __init__(
        self,
        target: Source,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        self.stream: Stream = target.stream(stream_name)
        self.run: Run = target.run
        self.records: list[dict[str, Any]] = []
        self.misfits: dict[int, str] = {}
        self.run.summary.findings.streams.add(stream_name)
        self._misfit: str | None = None
        self._validators: dict[str, Validator] = {}
        self._maps = target.maps
        self._key = target.settings.api_key
        self._is_replayed = stream_name in self._maps.replays
        super().__init__(target, stream_name, schema, key_properties)  # type: ignore[arg-type] # the SDK's target

    @override
    def setup(self) -> None:
        """Keep the stream's schema, for the records of it that are rejected."""
        if not self._is_replayed:
            source, maps = self._maps.sources.get(self.stream_name), self._maps.made_by.get(self.stream_name, {})
            self.run.remember_stream(self.stream, self.schema, self.key_properties, source, maps)

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        """Return a validator of what is read; the SDK's own takes most of the time of a run."""
        return Validator(self.schema, self.stream.columns) if self.validate_schema else None

    def expects(self, schema: Mapping[str, Any], key_properties: Sequence[str] | None) -> bool:
        """Return whether records of a SCHEMA are read as those before; from here on they are validated by it.

        A tap may send the SCHEMA messages of a stream in turn: writing a batch at each would take many times as long.
        """
        own = self.original_schema["properties"]
        if self._is_replayed is not (self.stream_name in self._maps.replays):
            return False
        if list(key_properties or ()) != list(self.key_properties) or not schema.keys() <= PLAIN_SCHEMA:
            return False
        if not all(name in own and own[name] in ({}, of) for name, of in schema["properties"].items()):
            return False
        if self._validator is not None:
            text = encode(schema)
            if text not in self._validators:
                self._validators[text] = Validator(dict(schema), self.stream.columns)
            self._validator = self._validators[text]
        return True

    @override
    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        """Keep the metadata columns: the SDK would take `_sdc_deleted_at` away before a sink sees it."""

    @override
    def _remove_sdc_metadata_from_schema(self) -> None:
        """Keep their schemas too: without them a record that has them may not fit."""

    @override
    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Validate a record. The SDK would log a misfit whole, end the run, and parse dates that nobody asked for."""
        self._misfit = None
        if not self._is_replayed:
            record.pop(REPLAYED, None)  # Any tap may send such a column.
            record.pop(UNMAPPED, None)
        if len(self._key) >= SHORTEST_SECRET and holds(record, self._key):
            self._misfit = HOLDS_KEY
            return without(dict(record), self._key)
        if isinstance(record, UnmappedRecord):
            self._misfit = record.problem
            record[UNMAPPED] = True
        elif self._validator is not None:
            try:
                self._validator.validate(record)
            except InvalidRecord as error:
                self._misfit = error.error_message
        return record

    @override
    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Refuse a record without its key, unless it was to be made by the map that failed."""
        if not isinstance(record, UnmappedRecord):
            super()._singer_validate_message(record)

    @override
    def _after_process_record(self, context: dict[str, Any]) -> None:
        """Log nothing: at DEBUG the SDK would log the whole batch once for every record."""

    @override
    def start_batch(self, context: dict[str, Any]) -> None:
        """Begin with no record."""
        self.records, self.misfits = [], {}

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Gather a record; it is read with its batch."""
        if self._misfit is not None:
            self.misfits[len(self.records)] = self._misfit
        self.records.append(record)


class IdentifySink(PromoterSink):
    """A stream of people: the store is asked first which of its rows are known, and those are never read whole."""

    def __init__(
        self,
        target: Source,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._source = target
        self._version: int | None = None
        is_mirrored = self.stream.mirror and not self._is_replayed
        self._reading = target.version_reading(stream_name) if is_mirrored else None

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Gather a record; what is taken together is of one table version."""
        if self._reading is not None:
            version = self._reading.record(self._source.record_version)
            if version != self._version and self.records:
                self.process_batch(context)
                self.start_batch(context)
            self._version = version
        super().process_record(record, context)

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Take people into the store."""
        if self.stream.identify is not None:
            self.run.take(Rows(self.stream.identify, self.records, self.misfits, self._version))


class TrackSink(PromoterSink):
    """A stream of events: each is known for ever, and leads to one survey at the most."""

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Take what people did into the store."""
        if self.stream.track is not None:
            tracks = self.stream.track.read_all(self.records, self.misfits)
            self.run.take(tracks=tracks, ignored=len(self.records) - len(tracks))


class SegmentSink(PromoterSink):
    """A stream of calls that each say what they are: people are taken in before what they did."""

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Split the batch by the types of its calls, and take it into the store."""
        rows, tracks, ignored = self.stream.split(self.records, self.misfits)
        self.run.take(rows, tracks, ignored=ignored)


class IgnoreSink(PromoterSink):
    """A stream that says nothing to Promoter: its records are counted, and nothing else."""

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        """Validate nothing."""
        return None

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Count the records."""
        self.run.take(ignored=len(self.records))


SINKS: Final[dict[str, type[PromoterSink]]] = {
    "identify": IdentifySink,
    "track": TrackSink,
    "segment": SegmentSink,
    "ignore": IgnoreSink,
}
"""The sink of each type of stream."""
