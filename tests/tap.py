"""Singer messages as taps print them, and a run of the target in this process."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_promoter.sandbox.records import iso
from target_promoter.target import TargetPromoter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TEXT: dict[str, Any] = {"type": ["null", "string"]}
CUSTOMERS: dict[str, Any] = {"properties": {"id": TEXT, "email": TEXT, "plan": TEXT}}
"""The schema of a plain table of people."""

STREAMS: dict[str, Any] = {
    "customers": {"type": "identify", "fields": {"user_id": "id"}, "traits": ["*"]},
    "orders": {
        "type": "track",
        "event": "Order Completed",
        "fields": {"user_id": "customer_id", "timestamp": "ordered_at"},
        "traits": ["*"],
    },
}
"""What the config says of a shop's plain tables."""


def schema(stream: str, of: dict[str, Any], keys: Sequence[str] = ("id",)) -> dict[str, Any]:
    """Return a SCHEMA message."""
    return {"type": "SCHEMA", "stream": stream, "schema": {"type": "object", **of}, "key_properties": list(keys)}


def record(stream: str, /, **values: object) -> dict[str, Any]:
    """Return a RECORD message."""
    return {"type": "RECORD", "stream": stream, "record": values}


def state(value: object) -> dict[str, Any]:
    """Return a STATE message."""
    return {"type": "STATE", "value": value}


def hours_ago(hours: float) -> str:
    """Return a time as a tap writes it."""
    return iso(time.time() - hours * 3600)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run in this process.

    Attributes:
        status: Its exit status.
        states: The states it printed, in order.
        summary: Its summary.
        log: Its warnings and errors.
    """

    status: int
    states: list[Any]
    summary: dict[str, Any]
    log: str


def sync(config: dict[str, Any], messages: Iterable[dict[str, Any]] | str) -> Run:
    """Run the target in this process; it is the same code as in one of its own, and spares a second.

    Args:
        config: The config.
        messages: Singer messages, or the whole input as text.
    """
    text = messages if isinstance(messages, str) else "".join(json.dumps(one) + "\n" for one in messages)
    printed = io.StringIO()
    with _signals_kept(), _log() as log, contextlib.redirect_stdout(printed):
        target = TargetPromoter(config=dict(config))
        status = target.sync(io.StringIO(text))
        summary = target.run.summary.as_dict(time.time())
    return Run(status, [json.loads(line) for line in printed.getvalue().splitlines()], summary, log.getvalue())


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)


@contextlib.contextmanager
def _log() -> Iterator[io.StringIO]:
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield log
    finally:
        logging.getLogger().removeHandler(handler)
