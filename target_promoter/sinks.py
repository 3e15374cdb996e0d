"""The sinks: they gather a stream's records and take each batch into the store, each type in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from singer_sdk.exceptions import InvalidRecord
from singer_sdk.sinks import BatchSink
from typing_extensions import override

from target_promoter.singer.validation import CompiledValidator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from target_promoter.intake.intake import Call
    from target_promoter.records.streams import Stream
    from target_promoter.run import Run
    from target_promoter.target import TargetPromoter

_BATCH_ROWS: Final = 5000


class PromoterSink(BatchSink):
    """A sink of calls; the run takes each batch into the store in one transaction."""

    MAX_SIZE_DEFAULT = _BATCH_ROWS  # `max_size` itself would silence the setting `batch_size_rows`.

    def __init__(
        self,
        target: TargetPromoter,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        self._stream: Stream = target.stream(stream_name)
        self._run: Run = target.run
        self._misfit: str | None = None
        super().__init__(target, stream_name, schema, key_properties)

    @override
    def setup(self) -> None:
        """Keep the stream's schema, for the records of it that are rejected."""
        self._run.remember_schema(self.stream_name, self.schema, self.key_properties)

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        """Return a compiled validator; the SDK's own takes most of the time of a run."""
        return CompiledValidator(self.schema) if self.validate_schema else None

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
        if self._validator is not None:
            try:
                self._validator.validate(record)
            except InvalidRecord as error:
                self._misfit = error.error_message
        return record

    @override
    def _after_process_record(self, context: dict[str, Any]) -> None:
        """Log nothing: at DEBUG the SDK would log the whole batch once for every record."""

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Read what a record says, or glance at it."""
        call: Call | None
        if self._misfit is None:
            call = self._stream.glimpse(record)
        else:
            misfit = self._stream.read(record)
            call = misfit and msgspec.structs.replace(misfit, problem=misfit.problem or self._misfit)
        context.setdefault("calls", []).append(call)

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Take a batch into the store."""
        calls: list[Call | None] = context.get("calls", [])
        self._run.take(calls)


class IdentifySink(PromoterSink):
    """A stream of people: of several records of a person in a batch one contact is made."""


class TrackSink(PromoterSink):
    """A stream of events: each is known for ever, and leads to one survey at the most."""


class SegmentSink(PromoterSink):
    """A stream of calls that each say what they are: people are taken in before what they did."""


class IgnoreSink(PromoterSink):
    """A stream that says nothing to Promoter: its records are counted, and nothing else."""

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        """Validate nothing."""
        return None

    @override
    def setup(self) -> None:
        """Keep nothing."""


SINKS: Final[dict[str, type[PromoterSink]]] = {
    "identify": IdentifySink,
    "track": TrackSink,
    "segment": SegmentSink,
    "ignore": IgnoreSink,
}
"""The sink of each type of stream."""
