"""The SDK's target, with messages checked, batches that no signal cuts in two, and state that does not wait."""

from __future__ import annotations

import time
from typing import IO, Any, Final, cast

from singer_sdk import Target
from singer_sdk.singerlib.json import serialize_json
from typing_extensions import override

from target_promoter.errors import InputError
from target_promoter.singer import output
from target_promoter.singer.reader import check_record, check_schema, record_messages
from target_promoter.singer.signals import Signals

_STATE_SHARE: Final = 10
"""State is passed on at once, unless writing batches for it would take more than a tenth of the time."""


class AtomicTarget(Target):
    """A target that takes each message whole, whatever signal comes, and passes state on as soon as it is true."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - the SDK's own, each of its own type
        """Begin before the first message.

        Args:
            options: Those of the SDK's target.
        """
        self.signals = Signals()
        self._next_drain_at = 0.0
        self._has_state_to_pass_on = False
        self._printed_state: dict[str, Any] | None = None
        self.record_version: object = None
        super().__init__(**options)
        self._max_parallelism = 1  # One writer at a time has no use for threads, and none for their disorder.

    @override
    def _setup_signal_handlers(self) -> None:
        """Set up none: the SDK's handler would drain in the middle of a drain, and exit with 0."""

    def read(self, file_input: IO[str] | None) -> None:
        """Read all messages, and do what is to be done at their end.

        Args:
            file_input: Where they are read from; None for standard input.

        Raises:
            InputError: There is no input.
            StoppedError: A signal came.
        """
        file = file_input or self.message_reader.default_input
        if file is None:
            raise InputError("Standard input is closed: pipe a tap into this program, or name a file with --input.")
        self.listen(cast("IO[str]", self.signals.lines(file, self._pass_due_state_on)))

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        self._assert_line_requires(message_dict, requires={"stream", "schema"})
        check_schema(message_dict)
        super()._process_schema_message(message_dict)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        check_record(message_dict)
        self.record_version = message_dict.get("version")
        super()._process_record_message(message_dict)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Pass state on as soon as all before it is in the store; the SDK would keep it to the end of the input."""
        super()._process_state_message(message_dict)
        self._has_state_to_pass_on = True
        self._pass_due_state_on()

    def _pass_due_state_on(self) -> float | None:
        """Pass state on if its time has come; return in how many seconds it will have, None if there is none."""
        if not self._has_state_to_pass_on:
            return None
        began = time.monotonic()
        if began < self._next_drain_at:
            return self._next_drain_at - began
        self.drain_all()
        self._has_state_to_pass_on = False
        now = time.monotonic()
        self._next_drain_at = now + _STATE_SHARE * (now - began)
        return None

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Take no notice of table versions: by itself a row that is gone from a table says nothing of people."""

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Take the records of batch files like any others; the SDK would neither map nor validate them."""
        self._assert_line_requires(message_dict, requires={"stream", "encoding", "manifest"})
        for record_message in record_messages(message_dict):
            self.signals.check()
            self._process_record_message(record_message)

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Print state once, with its numbers as they came: the SDK cannot write those with a point."""
        if state != self._printed_state:
            self._printed_state = state
            with output.written() as file:
                file.write(f"{serialize_json(state)}\n")
