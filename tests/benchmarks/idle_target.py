"""The target to compare with: an SDK target whose sink does nothing, on the SDK's own defaults."""

from __future__ import annotations

from typing import Any, ClassVar

from singer_sdk import Target
from singer_sdk.sinks import BatchSink


class IdleSink(BatchSink):
    """A sink that does nothing."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing.

        Args:
            context: The batch.
        """


class IdleTarget(Target):
    """A target that reads, validates and parses as the SDK does by itself, and does nothing."""

    name = "target-idle"
    config_jsonschema: ClassVar[dict[str, Any]] = {"properties": {}}
    default_sink_class = IdleSink


if __name__ == "__main__":
    IdleTarget.cli()
