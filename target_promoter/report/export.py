"""What the store holds, as rows for other programs: every survey, contact, event name, rejected record and run."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, case, func, select

from target_promoter.store.encoding import decode, encode
from target_promoter.store.outcomes import OPEN, SurveyStatus
from target_promoter.store.runs import of_campaign
from target_promoter.store.schema import contacts, events, facts, people, pulled, rejected, runs, surveys
from target_promoter.store.transaction import Transaction

_ROWS: Final = 1000
_MARGIN_SECONDS: Final = 60
"""How long before now a run that goes on may have begun to write what is not seen yet."""

_TEXT: Final = {"type": ["null", "string"]}
_TIME: Final = {"type": ["null", "string"], "format": "date-time"}
_DATE: Final = {"type": ["null", "string"], "format": "date"}
_INTEGER: Final = {"type": ["null", "integer"]}
_BOOLEAN: Final = {"type": ["null", "boolean"]}
_INTEGERS: Final = {"type": ["null", "array"], "items": {"type": "integer"}}
_OBJECT: Final = {"type": ["null", "object"], "additionalProperties": True}


@dataclass(frozen=True, slots=True)
class Exported:
    """A stream of rows.

    Attributes:
        keys: The columns that tell one row from another.
        columns: The columns, each with its JSON schema and its SQL.
        changed: When a row was changed last, as SQL; it goes along as `changed_at`.
        source: The tables that the rows are in.
    """

    keys: Sequence[str]
    columns: Mapping[str, tuple[Mapping[str, Any], ColumnElement[Any]]]
    changed: ColumnElement[float]
    source: FromClause

    @property
    def schemas(self) -> dict[str, Mapping[str, Any]]:
        """The JSON schema of each column."""
        return {**{name: schema for name, (schema, _) in self.columns.items()}, "changed_at": _TIME}

    def changed_since(self, time: float) -> Select[Any]:
        """Return the query for the rows that were changed later, in that order."""
        columns = (sql.label(name) for name, (_, sql) in self.columns.items())
        changed = self.changed.label("changed_at")
        return select(*columns, changed).select_from(self.source).where(self.changed > time).order_by(changed)


def _latest(*times: ColumnElement[Any]) -> ColumnElement[float]:
    """Return the latest of times, of which all but the first may be null."""
    latest = times[0]
    for time in times[1:]:
        latest = case((func.coalesce(time, 0.0) > latest, time), else_=latest)
    return latest


_S, _C, _E, _J, _R = surveys.c, contacts.c, events.c, rejected.c, runs.c
_USER_ID: Final = func.coalesce(_S.claimed_user_id, _S.user_id)
STREAMS: Final[dict[str, Exported]] = {
    "surveys": Exported(
        ("id",),
        {
            "id": (_INTEGER, _S.id),
            "event": (_TEXT, _S.event),
            "event_at": (_TIME, _S.event_at),
            "due_at": (_TIME, _S.due_at),
            "stream": (_TEXT, _S.stream),
            "message_id": (_TEXT, _S.message_id),
            "user_id": (_TEXT, _USER_ID),
            "anonymous_id": (_TEXT, _S.anonymous_id),
            "email": (_TEXT, func.coalesce(_S.claimed_email, people.c.email, _S.email)),
            "campaign_id": (_INTEGER, _S.campaign_id),
            "campaign": (_TEXT, facts.c.value),
            # What waits for its person and what waits for its day are one: no time tells when one became the other.
            "outcome": (
                _TEXT,
                case((_S.status.in_(OPEN), "waiting"), (_S.status == SurveyStatus.CLAIMED, "pending"), else_=_S.status),
            ),
            "reason": (_TEXT, _S.reason),
            "created_at": (_TIME, _S.created_at),
            "requested_at": (_TIME, _S.claimed_at),
            "settled_at": (_TIME, _S.settled_at),
        },
        _latest(_S.created_at, _S.claimed_at, _S.settled_at),
        surveys.outerjoin(people, people.c.user_id == _USER_ID).outerjoin(facts, of_campaign(_S.campaign_id)),
    ),
    "contacts": Exported(
        ("email",),
        {
            "email": (_TEXT, _C.email),
            "status": (_TEXT, _C.status),
            "reason": (_TEXT, _C.reason),
            "contact_lists": (_INTEGERS, _C.sent_lists),
            "synced_at": (_TIME, _C.synced_at),
            "unsubscribed": (_BOOLEAN, pulled.c.unsubscribed),
        },
        _latest(_C.changed_at, _C.synced_at, case((pulled.c.unsubscribed == 1, pulled.c.read_at))),
        contacts.outerjoin(pulled, pulled.c.email == _C.email),
    ),
    "events": Exported(
        ("day", "name", "outcome"),
        {
            "day": (_DATE, _E.day),
            "name": (_TEXT, _E.name),
            "outcome": (_TEXT, _E.outcome),
            "number": (_INTEGER, _E.number),
            "first_at": (_TIME, _E.first_at),
            "last_at": (_TIME, _E.last_at),
        },
        _E.counted_at,
        events,
    ),
    "rejected": Exported(
        ("id",),
        {
            "id": (_INTEGER, _J.id),
            "stream": (_TEXT, _J.stream),
            "kind": (_TEXT, _J.kind),
            "reason": (_TEXT, _J.reason),
            "record": (_OBJECT, _J.record),
            "rejected_at": (_TIME, _J.rejected_at),
        },
        _J.rejected_at,
        rejected,
    ),
    "runs": Exported(
        ("id",),
        {
            "id": (_INTEGER, _R.id),
            "command": (_TEXT, _R.command),
            "started_at": (_TIME, _R.started_at),
            "finished_at": (_TIME, _R.finished_at),
            "exit_status": (_INTEGER, _R.exit_status),
            "problem": (_TEXT, _R.problem),
            "summary": (_OBJECT, _R.summary),
        },
        _latest(_R.started_at, _R.finished_at),
        runs,
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
        is_running = tx.any(select(runs.c.id).where(runs.c.finished_at.is_(None)))
        # What a run writes at this moment is seen with the next export, though it is older than what is seen now.
        latest = self._now - _MARGIN_SECONDS if is_running else self._now
        for name in self._streams:
            reached, schemas = self._since(name), STREAMS[name].schemas
            query = STREAMS[name].changed_since(reached)
            for row in tx.execute(query.execution_options(yield_per=_ROWS)):
                reached = max(reached, row.changed_at)
                values = zip(schemas.items(), row, strict=True)
                yield name, {column: _shown(value, schema) for (column, schema), value in values}
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
            schema = {"type": "object", "properties": STREAMS[name].schemas}
            message = {"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": STREAMS[name].keys}
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
        yield _csv_line(list(STREAMS[name].schemas))
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
    """Return what a column holds as its schema has it: times in epoch seconds as ISO 8601 to the microsecond."""
    if value is None:
        return None
    if schema is _TIME:
        return dt.datetime.fromtimestamp(value, tz=dt.UTC).isoformat()
    if schema is _DATE:
        return (dt.date(1970, 1, 1) + dt.timedelta(days=value)).isoformat()
    if schema is _BOOLEAN:
        return bool(value)
    return decode(value) if schema in (_INTEGERS, _OBJECT) else value


def _csv_line(values: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
