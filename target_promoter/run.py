"""One run: the store, the account and delivery, from the first record to the summary line."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts
from target_promoter.delivery.delivery import Delivery
from target_promoter.errors import ConfigError, PromoterError, StoreError
from target_promoter.intake import mirror, setup
from target_promoter.intake.intake import Intake
from target_promoter.intake.mirror import VersionReading
from target_promoter.people import people
from target_promoter.progress.ending import for_people, log_summary, show
from target_promoter.progress.preview import preview, preview_rows, write_preview
from target_promoter.progress.progress import Metrics, Progress
from target_promoter.progress.warnings import departures, failures, unmatched, warnings
from target_promoter.promoter.client import NO_PACE, Withheld, account_client
from target_promoter.records.calls import Track
from target_promoter.records.readers import Rows
from target_promoter.records.streams import Stream
from target_promoter.singer.signals import Signals
from target_promoter.store import retention, runs, streams
from target_promoter.store.database import Store, open_store
from target_promoter.store.dry_run import DryRunStore, open_dry_run
from target_promoter.store.summary import Findings, Part, Summary
from target_promoter.store.transaction import Transaction
from target_promoter.surveys import schedule
from target_promoter.values.printable import Lines, masked_text, printable

logger = logging.getLogger("target-promoter.run")


_GRACE_SECONDS: Final = 1.0
"""How long delivery lets intake go first: a stream that is refused early in the input stops the run before it sends."""

_CHANGES: Final = 20
"""How many settings that changed are logged; the report shows all of them."""

_LONGEST_CHANGE: Final = 400

_LOOK_SECONDS: Final = 0.1
"""How often a run that waits for delivery looks whether it is told to stop."""


class Run:
    """A run of one command, from its making to `end`.

    Args:
        command: The command, such as `sync` or `deliver`.
        signals: Tell the run to stop; without them it goes on to its end.
        preview_file: Where a dry run writes who would be surveyed and who would not.

    Attributes:
        summary: What it did so far.
        exit_status: How it ended: 0 when all that was due is delivered, else 1.

    Raises:
        ConfigError: A preview is asked of a run that sends.
        StoreError: The store cannot be used, or belongs to another account.
        SandboxError: The embedded sandbox cannot be started.
    """

    def __init__(
        self,
        settings: Settings,
        command: str,
        signals: Signals | None = None,
        *,
        preview_file: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if preview_file is not None and not settings.dry_run:
            raise ConfigError("--preview needs a dry run: set `dry_run` to true, or leave it out.")
        self._settings = settings
        self._signals = signals or Signals()
        self._clock = clock
        self._closing = contextlib.ExitStack()
        now = clock()
        self.summary = Summary(sandbox=settings.sandbox, dry_run=settings.dry_run, started_at=now)
        self.exit_status = 0
        self._preview_file = preview_file
        self._has_taken_any = False
        self._ended = False
        self._closing.enter_context(for_people())
        try:
            self.store = self._open_store(now)
            self._delivery = self._make_delivery()
            self._number, told = self.store.write(lambda tx: self._begin(tx, command, now))
            for change in self.store.read(lambda tx: runs.changes(tx, self._number))[:_CHANGES]:
                text = printable(masked_text(printable(change)), _LONGEST_CHANGE)
                logger.info("A setting changed since the run before: %s", text)
            for sentence in told:
                logger.warning("%s", sentence)
        except BaseException:
            self._closing.close()
            raise
        self._intake = Intake(self.store, settings, self.summary, clock=clock)
        self._delivery.pause(_GRACE_SECONDS)
        self._delivery.start()
        self._metrics = Metrics(self.summary, lambda: self._delivery.waited_seconds)
        self._progress = Progress(self.store, settings, self.summary, self._metrics, clock=clock)
        self._progress.start()
        self._closing.callback(self._progress.stop)  # Whatever happens, a terminal must get its cursor back.

    def _open_store(self, now: float) -> Store:
        settings = self._settings
        if settings.dry_run:
            store: Store = open_dry_run(settings.store_url, now)
        else:
            store = open_store(settings.store_url, now=now, hurried=self._signals.is_noted)
        self._closing.callback(store.close)
        return store

    def _make_delivery(self) -> Delivery:
        """Return what delivers to the account, to the embedded sandbox, or in a dry run to nobody."""
        settings = self._settings
        if settings.dry_run:
            # Nothing is sent, so there is no pace to keep.
            paced = replace(settings, requests_per_minute=NO_PACE)
            return Delivery(self.store, Withheld(), paced, self.summary, clock=self._clock)
        client = self._closing.enter_context(account_client(settings))
        return Delivery(self.store, client, settings, self.summary, clock=self._clock)

    def _begin(self, tx: Transaction, command: str, now: float) -> tuple[int, list[str]]:
        """Refuse the store of another account, have the config hold for what is stored, and begin the run's entry.

        Returns:
            The number of the run, and what people should hear of settings that changed.
        """
        settings = self._settings
        runs.check_account(tx, self.store.name, settings.api_url, settings.api_key)
        told = setup.apply_settings(tx, settings, now)
        if settings.dry_run:
            schedule.bring_due(tx, settings, now)
        retention.remove_old(tx, now, longest=settings.longest_seconds)
        return runs.begin(tx, command, now, settings.as_record()), told

    def take(self, rows: Rows | None = None, tracks: Sequence[Track] = (), *, ignored: int = 0) -> None:
        """Take a batch; when this returns, all of it is in the store.

        Args:
            rows: Its identify calls.
            tracks: Its track calls.
            ignored: How many of its records say nothing to Promoter.

        Raises:
            StoreError: The store refused.
        """
        if not self._has_taken_any:
            self._has_taken_any = True
            self._delivery.pause(_GRACE_SECONDS)
        self._delivery.wake(surveys=self._intake.take(rows, tracks, ignored=ignored))

    def replay_mark(self, text: str) -> str:
        """Return the store's mark of a text, by which a replay is known."""
        return self.store.read(lambda tx: runs.salted_mark(tx, text))

    def remember_stream(
        self,
        stream: Stream,
        schema: Mapping[str, object],
        keys: Sequence[str],
        source: Mapping[str, object] | None,
        maps: Mapping[str, object],
    ) -> None:
        """Keep a stream's SCHEMA and how it is read; what may not be sent any more is taken back at once.

        Args:
            schema: Its JSON schema.
            keys: Its key properties.
            source: The same of the tap's stream, with its name, if a stream map made this one.
            maps: What the config has stream maps do with it.
        """
        before = self.store.read(lambda tx: streams.known(tx, stream.name))
        if before is None and stream.type == "ignore":
            return
        reading = stream.reading
        one = streams.KnownStream(stream.name, streams.StreamSchema(schema, list(keys), source, maps), None)
        if before == replace(one, reading=reading.as_record()):
            return
        one = replace(one, reading=None if before is None else before.reading)
        last = None if before is None else before.schema
        told = self.store.write(lambda tx: setup.take_in_reading(tx, one, reading, self._clock(), last))
        if told is not None:
            logger.warning("%s", told)

    def take_version(self, stream: Stream, reading: VersionReading) -> None:
        """Have people leave a mirrored stream whose table version was read to its end, and lacks them."""
        unnamed = self.summary.findings.unnamed[stream.name]
        now = self._clock()
        found = self.store.write(lambda tx: mirror.take_version(tx, stream, reading, now, unnamed=unnamed))
        if found is not None:
            self.summary.add_findings(Findings(mirrored=[found]))
            self._delivery.wake(surveys=False)

    def keep_delivering(self) -> None:
        """Deliver what is due and what comes to be, until delivery ends or leaves something that people must see to.

        Raises:
            StoppedError: The run was told to stop.
        """
        while not self._delivery.join(_LOOK_SECONDS) and not self._delivery.why_pending():
            self._signals.check()

    def deliver(self) -> None:
        """Deliver until all that is due is delivered; call it when nothing more will be taken.

        Raises:
            StoppedError: The run was told to stop before.
        """
        self._delivery.finish()
        while not self._delivery.join(_LOOK_SECONDS):
            self._signals.check()

    def end(self, problem: BaseException | None = None) -> int:
        """End the run: stop delivery if it still runs, and log the summary.

        Args:
            problem: What ended it early, if anything did.

        Returns:
            The exit status.
        """
        if self._ended:
            return self.exit_status
        self._ended = True
        try:
            self._delivery.stop()
            self._delivery.join()
            self._progress.stop()
            self._metrics.end()
            self._end(problem)
        finally:
            self._closing.close()
        return self.exit_status

    def _end(self, problem: BaseException | None) -> None:
        now, began = self._clock(), self.summary.started_at
        sentences = [str(one) for one in (problem, self._delivery.problem) if isinstance(one, PromoterError)]
        try:
            left = self.store.count(lambda tx: count_left(tx, self._settings, now))
            self.summary.set_left(left)
            # What another process brought after this one had delivered all is for that one to deliver.
            pending = 0 if self._delivery.is_done else left["surveys", "pending"] + left["contacts", "pending"]
        except StoreError as error:
            sentences.append(str(error))
            pending = 1
        reasons = self._delivery.why_pending()
        sentences += reasons
        failed = self._settings.fail_on_rejected and self._any_rejected()
        if failed:
            sentences.append("Records were rejected or refused, and `fail_on_rejected` is set: see `report`.")
        all_rejected = list(failures(self.summary.findings))
        sentences += all_rejected
        self._warn(is_whole=problem is None)
        if isinstance(self.store, DryRunStore):
            try:
                self._preview(self.store, began)
            except PromoterError as error:
                failed = True
                sentences.append(str(error))
        failed = failed or any(one.failed for one in self.summary.findings.mirrored)
        if problem is not None or self._delivery.problem is not None or pending or reasons or failed or all_rejected:
            self.exit_status = 1
        if pending and not sentences:
            sentences.append("Not everything that is due was delivered: run again, or `target-promoter deliver`.")
        summary = self.summary.as_dict(now)
        with contextlib.suppress(StoreError):
            self.store.write(
                lambda tx: runs.end(
                    tx,
                    self._number,
                    now,
                    exit_status=self.exit_status,
                    problem=" ".join(sentences) or None,
                    summary=summary,
                )
            )
        self._show_end(summary, now)
        for sentence in sentences:
            logger.error("%s", sentence)
        log_summary(summary)

    def _preview(self, store: DryRunStore, began: float) -> None:
        """Log what a dry run would have done, and write whom it would have surveyed to a file.

        Raises:
            PromoterError: The store refused, or the file cannot be written.
        """
        logger.info("%s", Lines.of(preview(store, self._settings, began)))
        if self._preview_file is not None:
            write_preview(self._preview_file, preview_rows(store, self._settings, self.summary.findings, began))

    def _warn(self, *, is_whole: bool) -> None:
        """Log what went wrong without ending the run."""
        settings, summary = self._settings, self.summary
        with contextlib.suppress(StoreError):
            idle = self.store.count(lambda tx: schedule.without_campaign(tx, settings))
            for sentence in self.store.read(lambda tx: list(warnings(tx, settings, summary, idle, is_whole=is_whole))):
                logger.warning("%s", sentence)
        for sentence in departures(summary.findings, is_dry_run=settings.dry_run):
            logger.info("%s", sentence)
        others = unmatched(settings, summary.findings)
        if others is not None:
            logger.info("%s", others)

    def _show_end(self, summary: dict[str, object], now: float) -> None:
        next_due_at = None
        with contextlib.suppress(StoreError):
            next_due_at = self.store.read(lambda tx: schedule.next_due_at(tx, now))
        show(summary, next_due_at, failed=bool(self.exit_status))

    def _any_rejected(self) -> bool:
        counts = (("identify", "rejected"), ("track", "rejected"), ("contacts", "refused"), ("surveys", "refused"))
        return any(self.summary.value(part, outcome) for part, outcome in counts)  # type: ignore[arg-type] # parts


def count_left(tx: Transaction, settings: Settings, now: float) -> Counter[tuple[Part, str]]:
    """Return what the store holds now, by part and outcome of the summary."""
    pending, waiting = schedule.count_open(tx, settings, now)
    return Counter(
        {
            ("surveys", "pending"): pending,
            ("surveys", "waiting"): waiting,
            ("contacts", "pending"): contacts.count_pending(tx),
            ("contacts", "waiting"): people.count_without_address(tx),
        }
    )
