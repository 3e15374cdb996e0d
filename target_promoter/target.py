"""The Singer target: messages checked and taken whole, streams to sinks, state passed on, delivery beside intake."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, ClassVar, Final, cast

import click
from singer_sdk import Target
from singer_sdk.exceptions import SingerSDKError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, TargetCapabilities
from singer_sdk.singerlib.exceptions import SingerError
from singer_sdk.singerlib.json import serialize_json
from singer_sdk.sinks import Sink
from typing_extensions import override

from target_promoter.config.files import ENVIRONMENT, check_meltano, environment_warnings, read_config
from target_promoter.config.settings import SANDBOX, Settings, config_schema
from target_promoter.errors import InputError, PromoterError
from target_promoter.intake.mirror import VersionReading, confirm
from target_promoter.progress.ending import end_refused
from target_promoter.progress.preview import PREVIEW_HELP
from target_promoter.records.calls import Replay
from target_promoter.records.streams import Stream, recognize, removed_stream
from target_promoter.run import Run
from target_promoter.singer import output
from target_promoter.singer.mapping import Mapper
from target_promoter.singer.program import program
from target_promoter.singer.reader import Reader, check_record, check_schema, check_stream, record_messages
from target_promoter.singer.signals import Signals, StoppedError
from target_promoter.sinks import SINKS, PromoterSink
from target_promoter.values.printable import SHORTEST_SECRET, without
from target_promoter.values.reading import holds

_STATE_SHARE: Final = 10
"""State is passed on at once, unless writing batches for it would take more than a tenth of the time."""


class TargetPromoter(Target):
    """Singer target for Promoter: identify-like streams become contacts, track-like streams trigger NPS surveys."""

    name = "target-promoter"
    config_jsonschema: ClassVar[dict[str, Any]] = {"type": "object", "properties": config_schema()}
    capabilities: ClassVar[list[CapabilitiesEnum]] = [*Target.capabilities, TargetCapabilities.HARD_DELETE]
    message_reader_class = Reader

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - the SDK's own, each of its own type
        """Check the settings; nothing is opened yet.

        Args:
            options: Those of the SDK's target, `config` among them.

        Raises:
            ConfigError: A setting is unknown or wrong.
        """
        self.signals = Signals()
        self.record_version: object = None
        self._next_drain_at = 0.0
        self._has_state_to_pass_on = False
        self._printed_state: dict[str, Any] | None = None
        self._streams: dict[str, Stream] = {}
        self._versions: dict[str, VersionReading] = {}
        self._run: Run | None = None
        self.preview_file: Path | None = None
        super().__init__(**options)
        self._max_parallelism = 1  # One writer at a time has no use for threads, and none for their disorder.

    @override
    def _setup_signal_handlers(self) -> None:
        """Set up none: the SDK's handler would drain in the middle of a drain, and exit with 0."""

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings our way: the SDK would print wrong values, which may be secrets."""
        self.settings = Settings.from_config(self.config)
        # A setting that is null has its default, and `false` may be text; the SDK would mistake both.
        given = {name: value for name, value in self.config.items() if value is not None}
        self._config = {**given, **self.settings.sdk}
        return []

    @override
    def setup_mapper(self) -> None:
        """Set up stream maps and flattening, ours and the SDK's being the same."""

        def mark(text: str) -> str:
            return self.run.replay_mark(text)  # The store is opened when the first replay asks for it.

        self._mapper = Mapper(self.config, self.logger, mark)

    @property
    def maps(self) -> Mapper:
        """The stream maps."""
        return cast("Mapper", self.mapper)

    @property
    def run(self) -> Run:
        """The run, begun when it is first needed."""
        if self._run is None:
            self._run = Run(self.settings, "sync", self.signals, preview_file=self.preview_file)
        return self._run

    def stream(self, name: str) -> Stream:
        """Return what a stream is that had its SCHEMA."""
        return self._streams[name]

    def version_reading(self, name: str) -> VersionReading:
        """Return how far the table version of a stream is read."""
        return self._versions.setdefault(name, VersionReading())

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
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Take the records of batch files like any others; the SDK would neither map nor validate them."""
        self._assert_line_requires(message_dict, requires={"stream", "encoding", "manifest"})
        for record_message in record_messages(message_dict):
            self.signals.check()
            self._process_record_message(record_message)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Record that a tap begins a table version, or has sent all of it."""
        self._assert_line_requires(message_dict, requires={"stream"})
        check_stream("ACTIVATE_VERSION", message_dict)
        for stream_map in self.maps.stream_maps.get(message_dict["stream"], ()):
            self.version_reading(stream_map.stream_alias).activate(message_dict.get("version"))

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Pass state on as soon as all before it is in the store; the SDK would keep it to the end of the input."""
        super()._process_state_message(message_dict)
        self._has_state_to_pass_on = True
        self._pass_due_state_on()
        confirm(self._versions.values(), message_dict["value"])

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

    def _take_versions(self) -> None:
        """Have people leave the mirrored streams whose newest table versions lack them."""
        for name, stream in self._streams.items():
            if stream.type == "identify" and name not in self.maps.replays:
                self.run.take_version(stream, self.version_reading(name))

    @override
    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        key_properties: Sequence[str] | None = None,
    ) -> Sink:
        """Return the sink of a stream; at its SCHEMA it is recognized, or refused.

        The SDK would park the sink of an older SCHEMA, and write newer records before its own.

        Args:
            record: The record, if it is for one.
            schema: The stream's JSON schema, at its SCHEMA.
            key_properties: Its key properties, at its SCHEMA.

        Raises:
            ConfigError: The stream is none of Segment's and not configured.
        """
        if schema is not None:
            key = self.settings.api_key
            if len(key) >= SHORTEST_SECRET and holds([stream_name, schema, key_properties], key):
                raise InputError(
                    f"The SCHEMA of stream `{without(stream_name, key)}` holds the text of the API key: "
                    "remove it from the source, and get another key from Promoter."
                )
            before = self._sinks_active.get(stream_name)
            if isinstance(before, PromoterSink) and before.expects(schema, key_properties):
                return before
            schema = self.maps.widened(stream_name, schema)
            self._streams[stream_name] = self._recognize(stream_name, schema, key_properties or ())
            if before is not None:
                self.drain_one(before)
        return super().get_sink(stream_name, record=record, schema=schema, key_properties=key_properties)

    def _recognize(self, name: str, schema: dict[str, Any], key_properties: Sequence[str]) -> Stream:
        """Return what a stream is; one of which a stream map lets nothing through needs no setting."""
        if self.maps.removes(name):
            return removed_stream(name)
        # Calls that Promoter refused are raw calls, whatever a glob of the config says of every stream.
        is_refused = self.maps.replays.get(name) is Replay.REFUSED
        settings = replace(self.settings, streams=()) if is_refused else self.settings
        return recognize(name, schema, key_properties, settings)

    @override
    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """Return the sink of a stream's type."""
        return SINKS[self._streams[stream_name].type]

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Print state once, unless nothing of what it stands for is kept.

        Its numbers are printed as they came: the SDK cannot write those with a point.
        """
        if state != self._printed_state and not self.settings.dry_run:
            self._printed_state = state
            with output.written() as file:
                file.write(f"{serialize_json(state)}\n")

    @override
    def process_endofpipe(self) -> None:
        """Take the last batches into the store, pass state on, and deliver what is due."""
        super().process_endofpipe()
        self._take_versions()
        self.run.deliver()
        self.run.end()

    @override
    @classmethod
    def invoke(  # type: ignore[override] # as in the SDK, which narrows it from its base as well
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Sequence[str] = (),
        file_input: IO[str] | None = None,
        preview: Path | None = None,
    ) -> None:
        """Run the target, and exit with 0 only if all that was due is delivered.

        Args:
            about: Whether to show what the target is instead.
            about_format: In what form.
            config: The files of the config, `ENV` among them if the environment is one.
            preview: Where a dry run writes who would be surveyed and who would not.
        """
        super(Target, cls).invoke(about=about, about_format=about_format)
        cls.print_version(print_fn=cls.logger.info)
        for sentence in environment_warnings(config):
            cls.logger.warning(sentence)
        given: dict[str, Any] = {}
        try:
            given = read_config(config)
            if ENVIRONMENT not in config:
                check_meltano(given)
            target = cls(config=given)
            target.preview_file = preview
            status = target.sync(file_input)
        except PromoterError as error:
            sandbox, dry_run = given.get("api_url") == SANDBOX, given.get("dry_run") is True
            status = end_refused(error, sandbox=sandbox, dry_run=dry_run)
        sys.exit(status)

    def sync(self, file_input: IO[str] | None = None) -> int:
        """Read all input and deliver what is due.

        Returns:
            The exit status.

        Raises:
            PromoterError: The run could not begin.
        """
        with self.signals.noted():
            run = self.run
            gc.freeze()  # What is loaded is there to stay: no need to look for garbage in it over and over.
            try:
                self.read(file_input)
            except StoppedError as stopped:
                return run.end(self._take_what_was_read(stopped))
            except (SingerSDKError, SingerError, UnicodeDecodeError) as error:
                return run.end(_refused(error))
            except PromoterError as error:
                return run.end(error)
            except BaseException as error:
                run.end(error)
                raise
            return run.exit_status

    def _take_what_was_read(self, stopped: StoppedError) -> PromoterError:
        """Take what was read into the store and pass state on; return what ended the run."""
        try:
            self.drain_all()
        except PromoterError as error:
            return error
        return stopped

    @override
    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the program: the target itself, and the commands beside it."""
        command = super().get_singer_command()
        for option in command.params:
            if option.name == "file_input":
                option.type = click.File(encoding="utf-8")  # Whatever the machine's own encoding is.
            if option.name == "config":
                option.callback = None  # It would read the files, and show a traceback for what is no JSON.
        command.params.append(click.Option(["--preview"], type=click.Path(path_type=Path), help=PREVIEW_HELP))
        return program(command, cls.invoke, cls.logger)


def _refused(error: Exception) -> InputError:
    """Return the error for what the SDK refused; its message names streams and keys, and shows no record."""
    words = "the input is not UTF-8" if isinstance(error, UnicodeDecodeError) else " ".join(str(error).split())
    return InputError(f"The input was refused ({type(error).__name__}: {words}): fix the tap or its stream maps.")
