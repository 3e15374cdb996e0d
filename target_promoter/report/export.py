"""What the store holds, as rows for other programs: every survey, contact, event name, rejected record and run."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, func, select

from target_promoter.store import events as names
from target_promoter.store.encoding import decode, encode
from target_promoter.store.schema import OPEN, SurveyStatus, contacts, events, people, pulled, rejected, runs, surveys
from target_promoter.store.transaction import Transaction

_ROWS: Final = 1000
_DAY: Final = 86_400
_MARGIN_SECONDS: Final = 60
"""How long before now a run that goes on may have begun to write what is not seen yet."""

_TEXT: Final = {"type": ["null", "string"]}
_TIME: Final = {"type": ["null", "string"], "format": "date-time"}
_INTEGER: Final = {"type": ["null", "integer"]}
_OBJECT: Final = {"type": ["null", "object"], "additionalProperties": True}


@dataclass(frozen=True, slots=True)
class Exported:
    """A stream of rows.

    Attributes:
        keys: The columns that tell one row from another.
        columns: The columns, each with its JSON schema.
        changed: When a row was changed last, as SQL; it goes along as `changed_at`.
        query: All rows, a column of the query for each column of the stream but `changed_at`.
        fix: Returns the values of a row as they are to be shown.
    """

    keys: Sequence[str]
    columns: Mapping[str, Mapping[str, Any]]
    changed: ColumnElement[float]
    query: Select[Any]
    fix: Callable[[dict[str, Any]], dict[str, Any]] = dict

    @property
    def schema(self) -> dict[str, Any]:
        """The stream's JSON schema."""
        return {"type": "object", "properties": {**self.columns, "changed_at": _TIME}}


def _latest(*times: ColumnElement[Any]) -> ColumnElement[float]:
    """Return the latest of times, of which all but the first may be null."""
    latest = times[0]
    for time in times[1:]:
        latest = case((func.coalesce(time, 0.0) > latest, time), else_=latest)
    return latest


_S = surveys.c
# What waits for its person and what waits for its day are one: no time tells when the one became the other.
_OUTCOME: Final = case(
    (_S.status.in_(OPEN), "waiting"), (_S.status == SurveyStatus.CLAIMED, "pending"), else_=_S.status
)
STREAMS: Final[dict[str, Exported]] = {
    "surveys": Exported(
        ("id",),
        {
            "id": _INTEGER,
            "event": _TEXT,
            "event_at": _TIME,
            "due_at": _TIME,
            "stream": _TEXT,
            "message_id": _TEXT,
            "user_id": _TEXT,
            "anonymous_id": _TEXT,
            "email": _TEXT,
            "campaign_id": _INTEGER,
            "campaign": _TEXT,
            "outcome": _TEXT,
            "reason": _TEXT,
            "created_at": _TIME,
            "requested_at": _TIME,
            "settled_at": _TIME,
        },
        _latest(_S.created_at, _S.claimed_at, _S.settled_at),
        select(
            *(_S.id, _S.event, _S.event_at, _S.due_at, _S.stream, _S.message_id),
            func.coalesce(_S.claimed_user_id, _S.user_id).label("user_id"),
            _S.anonymous_id,
            func.coalesce(_S.claimed_email, _S.email, people.c.email).label("email"),
            _S.campaign_id,
            _OUTCOME.label("outcome"),
            *(_S.reason, _S.created_at, _S.claimed_at.label("requested_at"), _S.settled_at),
        ).select_from(
            surveys.outerjoin(people, people.c.user_id == func.coalesce(_S.claimed_user_id, _S.user_id)),
        ),
    ),
    "contacts": Exported(
        ("email",),
        {
            "email": _TEXT,
            "status": _TEXT,
            "reason": _TEXT,
            "contact_lists": {"type": ["null", "array"], "items": {"type": "integer"}},
            "synced_at": _TIME,
            "unsubscribed": {"type": ["null", "boolean"]},
        },
        _latest(
            contacts.c.changed_at,
            contacts.c.synced_at,
            case((pulled.c.unsubscribed == 1, pulled.c.read_at)),
        ),
        select(
            *(contacts.c.email, contacts.c.status, contacts.c.reason),
            *(contacts.c.sent_lists.label("contact_lists"), contacts.c.synced_at, pulled.c.unsubscribed),
        ).select_from(contacts.outerjoin(pulled, pulled.c.email == contacts.c.email)),
        lambda row: {
            **row,
            "contact_lists": decode(row["contact_lists"]),
            "unsubscribed": None if row["unsubscribed"] is None else bool(row["unsubscribed"]),
        },
    ),
    "events": Exported(
        ("day", "name", "outcome"),
        {
            "day": {"type": ["null", "string"], "format": "date"},
            "name": _TEXT,
            "outcome": _TEXT,
            "number": _INTEGER,
            "first_at": _TIME,
            "last_at": _TIME,
        },
        events.c.counted_at,
        select(*(events.c[name] for name in ("day", "name", "outcome", "number", "first_at", "last_at"))),
        lambda row: {**row, "day": (dt.date(1970, 1, 1) + dt.timedelta(days=row["day"])).isoformat()},
    ),
    "rejected": Exported(
        ("id",),
        {"id": _INTEGER, "stream": _TEXT, "kind": _TEXT, "reason": _TEXT, "record": _OBJECT, "rejected_at": _TIME},
        rejected.c.rejected_at,
        select(*(rejected.c[name] for name in ("id", "stream", "kind", "reason", "record", "rejected_at"))),
        lambda row: {**row, "record": decode(row["record"])},
    ),
    "runs": Exported(
        ("id",),
        {
            "id": _INTEGER,
            "command": _TEXT,
            "started_at": _TIME,
            "finished_at": _TIME,
            "exit_status": _INTEGER,
            "problem": _TEXT,
            "summary": _OBJECT,
        },
        _latest(runs.c.started_at, runs.c.finished_at),
        select(
            *(runs.c[name] for name in ("id", "command", "started_at", "finished_at", "exit_status", "problem")),
            runs.c.summary,
        ),
        lambda row: {**row, "summary": None if row["summary"] is None else decode(row["summary"])},
    ),
}
"""The streams that can be exported."""


class Export:
    """An export of some streams, which goes on where another one ended.

    Args:
        streams: The names of the streams.
        state: Where the last export ended, as it left it in its `state`.
        now: The time, in epoch seconds.

    Attributes:
        state: Where this one ended; whole when all was read.
    """

    def __init__(self, streams: Sequence[str], state: Mapping[str, Any], now: float) -> None:
        self._streams = streams
        self._now = now
        bookmarks = state.get("bookmarks")
        self.state: dict[str, Any] = {"bookmarks": dict(bookmarks) if isinstance(bookmarks, dict) else {}}

    def rows(self, tx: Transaction) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each row that is new or was changed, with its stream."""
        campaigns = names.campaigns(tx)
        is_running = tx.scalar(select(func.count()).select_from(runs).where(runs.c.finished_at.is_(None)))
        # What a run writes at this moment is seen with the next export, though it is older than what is seen now.
        latest = self._now - _MARGIN_SECONDS if is_running else self._now
        for name in self._streams:
            stream = STREAMS[name]
            since = self._since(name)
            changed = stream.changed.label("changed_at")
            query = stream.query.add_columns(changed).where(stream.changed > since).order_by(changed)
            reached = since
            for found in tx.execute(query.execution_options(yield_per=_ROWS)):
                row = dict(found._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
                reached = max(reached, row["changed_at"])
                if name == "surveys":
                    row["campaign"] = campaigns.get(row["campaign_id"])
                row = stream.fix(row)
                shown = {column: _shown(row[column], of) for column, of in stream.schema["properties"].items()}
                yield name, shown
            # As text: targets of the SDK cannot write a number with a point into their state.
            self.state["bookmarks"][name] = {"changed_at": repr(min(reached, latest))}

    def _since(self, stream: str) -> float:
        bookmark = self.state["bookmarks"].get(stream)
        try:
            return float(bookmark["changed_at"]) if isinstance(bookmark, dict) else 0.0
        except (KeyError, TypeError, ValueError):
            return 0.0

    def singer(self, tx: Transaction) -> Iterator[str]:
        """Yield the rows as Singer messages, the state last."""
        for name in self._streams:
            stream = STREAMS[name]
            message = {"type": "SCHEMA", "stream": name, "schema": stream.schema, "key_properties": stream.keys}
            yield encode({**message, "bookmark_properties": ["changed_at"]})
        for name, row in self.rows(tx):
            yield encode({"type": "RECORD", "stream": name, "record": row})
        yield encode({"type": "STATE", "value": self.state})

    def jsonl(self, tx: Transaction) -> Iterator[str]:
        """Yield the rows as JSON, each with its stream if there are several."""
        for name, row in self.rows(tx):
            yield encode(row if len(self._streams) == 1 else {"stream": name, **row})

    def csv(self, tx: Transaction) -> Iterator[str]:
        """Yield the rows of the one stream as CSV, its head first; objects and lists are JSON."""
        (name,) = self._streams
        yield _csv_line(list(STREAMS[name].schema["properties"]))
        for _, row in self.rows(tx):
            yield _csv_line([encode(value) if isinstance(value, (dict, list)) else value for value in row.values()])


def read_state(text: str) -> Mapping[str, Any]:
    """Return the state that a target or an export left, its last line; nothing if there is none yet.

    Raises:
        ValueError: The line is no state.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    state = json.loads(lines[-1]) if lines else {}
    if not isinstance(state, dict) or not isinstance(state.get("value", state), dict):
        raise ValueError  # noqa: TRY004 - as for a line that is no JSON
    return dict(state.get("value", state))


def _shown(value: Any, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Return a value, a time in epoch seconds as ISO 8601 to the microsecond."""
    if schema.get("format") == "date-time" and value is not None:
        return dt.datetime.fromtimestamp(value, tz=dt.UTC).isoformat()
    return value


def _csv_line(values: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
