"""The SDK's target, with messages checked, batches that no signal cuts in two, and state that does not wait."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

from singer_sdk import Target
from singer_sdk.singerlib.json import serialize_json
from typing_extensions import override

from target_promoter.singer.messages import check_record, check_schema
from target_promoter.singer.signals import Signals

_STATE_SHARE: Final = 10
"""State is passed on at once, unless writing batches for it would take more than a tenth of the time."""


class CarefulTarget(Target):
    """A target that takes each message whole, whatever signal comes, and passes state on as soon as it is true."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - the SDK's own, each of its own type
        """Begin before the first message.

        Args:
            options: Those of the SDK's target.
        """
        self._signals = Signals()
        self._next_drain_at = 0.0
        self._printed_state: dict[str, Any] | None = None
        super().__init__(**options)
        self._max_parallelism = 1  # One writer at a time has no use for threads, and none for their disorder.

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        self._signals.put_off()
        self._assert_line_requires(message_dict, requires={"stream", "schema"})
        check_schema(message_dict)
        super()._process_schema_message(message_dict)
        self._signals.allow()

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self._signals.put_off()
        check_record(message_dict)
        super()._process_record_message(message_dict)
        self._signals.allow()

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Pass state on as soon as all before it is in the store; the SDK would keep it to the end of the input."""
        self._signals.put_off()
        super()._process_state_message(message_dict)
        wait = self._next_drain_at - time.monotonic()
        if wait <= 0:
            self._pass_state_on()
        else:
            self._signals.call_later(wait, self._pass_state_on)
        self._signals.allow()

    def _pass_state_on(self) -> None:
        began = time.monotonic()
        self.drain_all()
        now = time.monotonic()
        self._next_drain_at = now + _STATE_SHARE * (now - began)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Take no notice of table versions: rows that are gone from a table say nothing of people."""

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Take the records of batch files like any others; the SDK would neither map nor validate them."""
        self._assert_line_requires(message_dict, requires={"stream", "encoding", "manifest"})
        from target_promoter.singer.batch_files import record_messages  # noqa: PLC0415 - few taps send them

        for record_message in record_messages(message_dict):
            self._process_record_message(record_message)

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Print state once, with its numbers as they came: the SDK cannot write those with a point."""
        if state != self._printed_state:
            self._printed_state = state
            sys.stdout.write(f"{serialize_json(state)}\n")
            sys.stdout.flush()
